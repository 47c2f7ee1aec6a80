"""An account led over HTTP is what a model in plain dicts says. The hard parts of the model have tests of their own."""

from faults.histories import TRIAL
from faults.model import CHANGED, Model
from faults.trial import broken, play

ADMIN, READER = "arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::1:policy/reader"


def test_histories_are_what_the_model_says() -> None:
    """Through restarts and rebuilds, in the present and at every instant that was asked about."""
    rounds = list(play(TRIAL, 1, seed=1))
    assert broken(TRIAL, rounds) == []


def test_the_model_restores_all_or_nothing() -> None:
    """Steps in their order, or the refusal if one of them is refused."""
    model = Model("1", (ADMIN,))
    for action, asked in (
        ("CreateUser", {"user_name": "ann"}),
        ("CreatePolicy", {"policy_name": "reader", "policy_document": "{}"}),
        ("AttachUserPolicy", {"user_name": "ann", "policy_arn": READER}),
        ("PutUserPolicy", {"user_name": "ann", "policy_name": "One", "policy_document": "{}"}),
    ):
        assert model.do(action, asked, action) == CHANGED
    past = model.copy()
    for action, asked in (
        ("DetachUserPolicy", {"user_name": "ann", "policy_arn": READER}),
        ("AttachUserPolicy", {"user_name": "ann", "policy_arn": ADMIN}),
        ("DeleteUserPolicy", {"user_name": "ann", "policy_name": "one"}),
    ):
        assert model.do(action, asked) == CHANGED
    steps = model.restoring(past, "ANN", ("attached", "inline"))
    assert isinstance(steps, list)
    assert [action for action, _ in steps] == ["DetachUserPolicy", "PutUserPolicy", "AttachUserPolicy"]

    model.do("DeletePolicy", {"policy_arn": READER})
    assert model.restoring(past, "ann", ("attached", "inline")) == "RestoreConflict"
    assert model.restoring(past, "bob", ("attached",)) == "NoSuchEntity"
