"""What one event changed, as it is shown: for each event, and in random lives against what the user then was."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given as for_all

from iam.effects import LEFT_OUT, SECTIONS, Effect, effect
from iam.errors import IamError
from iam.events import Event
from iam.events.policies import (
    CatalogueInstalled,
    DefaultPolicyVersionSet,
    PolicyCreated,
    PolicyDeleted,
    PolicyEvent,
    PolicyTagged,
    PolicyUntagged,
    PolicyVersionCreated,
    PolicyVersionDeleted,
)
from iam.events.users import (
    UserCreated,
    UserDeleted,
    UserEvent,
    UserPermissionsBoundaryDeleted,
    UserPermissionsBoundaryPut,
    UserPolicyAttached,
    UserPolicyDeleted,
    UserPolicyDetached,
    UserPolicyPut,
    UserTagged,
    UserUntagged,
    UserUpdated,
)
from iam.relations import ALL, Relation, Tag, V
from iam.state import Account, Draft, World
from iam.user_details import UserDetails, user_details

ACCOUNT = "111122223333"
AT = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
ALICE = "AIDA1"
READS = "ANPA1"
READS_ARN = f"arn:aws:iam::{ACCOUNT}:policy/reads"
ADMIN_ARN = "arn:aws:iam::aws:policy/AdministratorAccess"

USER = {"user_id": ALICE, "user_name": "Alice", "path": "/", "created_at": AT}
POLICY = {
    "policy_id": READS,
    "policy_name": "reads",
    "path": "/",
    "arn": READS_ARN,
    "description": "May look.",
    "created_at": AT,
}
ATTACHED = [{"policy_name": "reads", "policy_arn": READS_ARN}]

CREATED = UserCreated(
    user_id=ALICE,
    user_name="Alice",
    path="/",
    created_at=AT,
    tags=(Tag("longer", "1"), Tag("b", "2")),
    permissions_boundary=ADMIN_ARN,
)
POLICY_CREATED = PolicyCreated(
    policy_id=READS,
    policy_arn=READS_ARN,
    policy_name="reads",
    path="/",
    description="May look.",
    created_at=AT,
    policy_document="{}",
    tags=(Tag("a", "1"), Tag("A", "2")),
)
ATTACH = UserPolicyAttached(user_id=ALICE, user_name="Alice", policy_arn=READS_ARN, policy_name="reads")
PUT = UserPolicyPut(user_id=ALICE, user_name="Alice", policy_name="Own", policy_document="{}")
VERSION = PolicyVersionCreated(
    policy_id=READS, policy_arn=READS_ARN, version_id="v2", created_at=AT, policy_document="[]"
)


def version(version_id: str, document: str) -> dict[str, Any]:
    """A version as it is shown."""
    return {"version_id": version_id, "created_at": AT, "policy_document": document}


TAGS = [{"key": "b", "value": "2"}, {"key": "longer", "value": "1"}]
POLICY_TAGS = [{"key": "A", "value": "2"}, {"key": "a", "value": "1"}]
OWN = [{"policy_name": "Own", "policy_document": "{}"}]

EFFECTS: dict[str, tuple[list[Event], Event, dict[str, Any], dict[str, Any]]] = {
    "a user is created": ([], CREATED, {}, {"user": USER, "tags": TAGS, "permissions_boundary": ADMIN_ARN}),
    "a user is renamed": (
        [CREATED],
        UserUpdated(
            user_id=ALICE, user_name="Lisa", path="/x/", previous_user_name="Alice", previous_path="/", created_at=AT
        ),
        {"user": USER},
        {"user": {**USER, "user_name": "Lisa", "path": "/x/"}},
    ),
    "a user is deleted": (
        [CREATED],
        UserDeleted(user_id=ALICE, user_name="Alice", permissions_boundary=ADMIN_ARN),
        {"user": USER, "tags": TAGS, "permissions_boundary": ADMIN_ARN},
        {},
    ),
    "a tag is spelled anew, another is new": (
        [CREATED],
        UserTagged(user_id=ALICE, user_name="Alice", tags=(Tag("B", "3"), Tag("c", "4"))),
        {"tags": TAGS[:1]},
        {"tags": [{"key": "B", "value": "3"}, {"key": "c", "value": "4"}]},
    ),
    "a tag is removed": (
        [CREATED],
        UserUntagged(user_id=ALICE, user_name="Alice", tag_keys=("longer",)),
        {"tags": TAGS[1:]},
        {},
    ),
    "a boundary is put in place of another": (
        [CREATED],
        UserPermissionsBoundaryPut(
            user_id=ALICE,
            user_name="Alice",
            permissions_boundary=READS_ARN,
            previous_permissions_boundary=ADMIN_ARN,
        ),
        {"permissions_boundary": ADMIN_ARN},
        {"permissions_boundary": READS_ARN},
    ),
    "a boundary is lifted": (
        [CREATED],
        UserPermissionsBoundaryDeleted(user_id=ALICE, user_name="Alice", permissions_boundary=ADMIN_ARN),
        {"permissions_boundary": ADMIN_ARN},
        {},
    ),
    "a policy is attached": ([CREATED], ATTACH, {}, {"attached": ATTACHED}),
    "a policy is detached": (
        [CREATED, ATTACH, UserPolicyAttached(user_id=ALICE, user_name="", policy_arn=ADMIN_ARN, policy_name="x")],
        UserPolicyDetached(user_id=ALICE, user_name="Alice", policy_arn=READS_ARN),
        {"attached": ATTACHED},
        {},
    ),
    "an inline policy is put": ([CREATED], PUT, {}, {"inline": OWN}),
    "an inline policy is put in place of another": (
        [CREATED, PUT],
        msgspec.structs.replace(PUT, policy_document="[]"),
        {"inline": OWN},
        {"inline": [{"policy_name": "Own", "policy_document": "[]"}]},
    ),
    "an inline policy is deleted": (
        [CREATED, PUT],
        UserPolicyDeleted(user_id=ALICE, user_name="Alice", policy_name="OWN"),
        {"inline": OWN},
        {},
    ),
    "a managed policy is created": (
        [],
        POLICY_CREATED,
        {},
        {"policy": POLICY, "versions": [version("v1", "{}")], "default_version_id": "v1", "tags": POLICY_TAGS},
    ),
    "a version is created": ([POLICY_CREATED], VERSION, {}, {"versions": [version("v2", "[]")]}),
    "a version is created and governs": (
        [POLICY_CREATED],
        msgspec.structs.replace(VERSION, set_as_default=True),
        {"default_version_id": "v1"},
        {"versions": [version("v2", "[]")], "default_version_id": "v2"},
    ),
    "another version governs": (
        [POLICY_CREATED, VERSION],
        DefaultPolicyVersionSet(policy_id=READS, policy_arn=READS_ARN, version_id="v2"),
        {"default_version_id": "v1"},
        {"default_version_id": "v2"},
    ),
    "a version is deleted": (
        [POLICY_CREATED, VERSION],
        PolicyVersionDeleted(policy_id=READS, policy_arn=READS_ARN, version_id="v2"),
        {"versions": [version("v2", "[]")]},
        {},
    ),
    "a managed policy is deleted": (
        [POLICY_CREATED, VERSION, msgspec.structs.replace(VERSION, version_id="v10")],
        PolicyDeleted(policy_id=READS, policy_arn=READS_ARN, policy_name="reads"),
        {
            "policy": POLICY,
            "versions": [version("v1", "{}"), version("v2", "[]"), version("v10", "[]")],
            "default_version_id": "v1",
            "tags": POLICY_TAGS,
        },
        {},
    ),
    "a managed policy is tagged": (
        [POLICY_CREATED],
        PolicyTagged(policy_id=READS, policy_arn=READS_ARN, tags=(Tag("a", "3"),)),
        {"tags": POLICY_TAGS[1:]},
        {"tags": [{"key": "a", "value": "3"}]},
    ),
    "a managed policy is untagged": (
        [POLICY_CREATED],
        PolicyUntagged(policy_id=READS, policy_arn=READS_ARN, tag_keys=("a", "A")),
        {"tags": POLICY_TAGS},
        {},
    ),
    "a catalogue is installed": (
        [],
        CatalogueInstalled(release="2026-11-01", digest="ab", policies=1, versions=2),
        {},
        {"catalogues": [{"release": "2026-11-01", "digest": "ab"}]},
    ),
}


class Asked(Draft):
    """A state that counts the questions it is asked."""

    questions = 0

    def get(self, relation: Relation[V], owner: str, member: str = "") -> V | None:
        self.questions += 1
        return super().get(relation, owner, member)

    def members(self, relation: Relation[V], owner: str) -> Mapping[str, V]:
        self.questions += 1
        return super().members(relation, owner)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_event_shows_what_it_touched_before_and_after(name: str, world: World) -> None:
    """Asks each state once for each section, and the one before for nothing that the event says was not there."""
    history, event, was, became = EFFECTS[name]
    account = Account(ACCOUNT, world)
    for fact in history:
        account.apply(fact.changes())
    before, after = Asked(account), Asked(account)
    after.apply(event.changes())
    before.questions = after.questions = 0
    shown = effect(event, before, after)

    assert shown == Effect(was, became)
    assert list(shown.after) == list(became)
    ended = {change.relation for change in event.changes() if not change.fresh} & SECTIONS.keys()
    assert before.questions == len(ended)
    assert after.questions == len(became)


def test_one_inline_policy_is_not_looked_for_among_all(world: World) -> None:
    """Else the documents of all of them would be read for it."""

    class Narrow(Draft):
        def members(self, relation: Relation[V], owner: str) -> Mapping[str, V]:
            raise AssertionError(f"all {relation.name} of {owner} are read")

    account = Account(ACCOUNT, world)
    account.apply(PUT.changes())

    assert effect(PUT, Narrow(account), Narrow(account)) == Effect({"inline": OWN}, {"inline": OWN})


def test_every_event_of_users_and_policies_is_tried_above() -> None:
    """A new one has its row."""
    tried = {type(event) for _, event, _, _ in EFFECTS.values()}
    assert tried >= {*get_args(UserEvent), *get_args(PolicyEvent)}


def test_every_relation_is_shown_or_left_out() -> None:
    """A new one cannot be forgotten: whoever adds it says which."""
    assert SECTIONS.keys() | LEFT_OUT == set(ALL.values())
    assert not SECTIONS.keys() & LEFT_OUT


def shown(details: UserDetails | None) -> dict[str, Any]:
    """A user as the sections of an effect would show all of it."""
    if details is None:
        return {}
    plain = msgspec.structs.asdict(details)
    sections = {
        "user": {name: plain[name] for name in ("user_id", "user_name", "path", "created_at")},
        "permissions_boundary": details.permissions_boundary,
    }
    for name in ("tags", "attached", "inline"):
        sections[name] = [msgspec.structs.asdict(value) for value in plain[name]]
    return {name: value for name, value in sections.items() if value}


def details_of(account: Account, user_id: str) -> UserDetails | None:
    """The user, if there is one."""
    with suppress(KeyError):
        return user_details(account, user_id)
    return None


def lived(history: Any, account: Account, moment: Callable[[], Any]) -> Iterator[tuple[Effect, Any, Any]]:
    """Each effect on a user in a life of the account, with all that the user was and became."""
    for decide, command in history:
        events = []
        with suppress(IamError):
            events = decide(account, command, moment())
        for event in events:
            user_id = getattr(event, "user_id", "")  # without one it is about a policy
            draft = Draft(account)
            draft.apply(event.changes())
            was, told = shown(details_of(account, user_id)), effect(event, account, draft)
            draft.commit()
            if user_id:
                yield told, was, shown(details_of(account, user_id))


def test_effects_agree_with_what_users_were_and_became(
    steps: Any, world: World, moment: Callable[[Counter[str], datetime], Any]
) -> None:
    """All that an effect shows was so, and all that it does not show stayed as it was."""

    @for_all(steps)
    def holds(history: Any) -> None:
        taken = Counter[str]()
        for told, was, became in lived(history, Account(ACCOUNT, world), lambda: moment(taken, AT)):
            assert told.before or told.after
            for name in ("tags", "attached", "inline"):
                old, new = was.get(name, []), became.get(name, [])
                ended, begun = told.before.get(name, []), told.after.get(name, [])
                assert all(entry in old for entry in ended)
                rest = [entry for entry in old if entry not in ended] + begun
                assert sorted(map(repr, rest)) == sorted(map(repr, new))
            for name in ("user", "permissions_boundary"):
                touched = name in told.before or name in told.after
                assert (was.get(name) == became.get(name)) != touched
                if touched:
                    assert (told.before.get(name), told.after.get(name)) == (was.get(name), became.get(name))

    holds()
