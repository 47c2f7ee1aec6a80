"""What the tests of more than one package need: the real catalogue, and an account's life made of random commands."""

import faulthandler
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from api.actions import IAM, Write
from iam.commands import Command
from iam.relations import Tag
from iam.state import World
from iam.users import CreateUser
from tools.data import catalogue

THREAD_SECONDS_MAX = 5.0
ENDING_SECONDS_MAX = 60

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")

ACCOUNT = "111122223333"
NAMES = ("alice", "Bob", "carol")
OWN_POLICIES = ("reader", "Writer")
ARNS = (
    "arn:aws:iam::aws:policy/AdministratorAccess",
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    *(f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in OWN_POLICIES),
)

Step = tuple[Callable[..., list[Any]], Command]


def document(number: int) -> str:
    """A valid policy document, different for each number."""
    statement = f'{{"Sid":"S{number}","Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}'
    return f'{{"Version":"2012-10-17","Statement":[{statement}]}}'


def trust(number: int, principal: str = "*") -> str:
    """A valid trust policy, different for each number."""
    statement = f'{{"Sid":"S{number}","Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{principal}"}}}}'
    return f'{{"Version":"2012-10-17","Statement":[{statement}]}}'


TRUSTED = ("*", *(f"arn:aws:iam::{ACCOUNT}:{name}" for name in ("user/alice", "user/Bob", "user/eng/alice", "role/ci")))
TAG_KEYS = (("team",), ("Team",), ("cost",), ("Team", "cost"))
VALUES: Mapping[str, Sequence[Any]] = {
    "user_name": (*NAMES, "ALICE", "bob"),
    "new_user_name": NAMES,
    "group_name": ("devs", "Ops"),
    "new_group_name": ("ops",),
    "role_name": ("ci", "CI", "web"),
    "instance_profile_name": ("web", "WEB"),
    "path": ("/", "/eng/"),
    "new_path": ("/", "/eng/"),
    "description": ("Builds.", "Serves."),
    "max_session_duration": (3600, 7200),
    "tags": tuple(tuple(Tag(key, value) for key in keys) for keys in TAG_KEYS for value in "xy"),
    "tag_keys": TAG_KEYS,
    "policy_name": OWN_POLICIES,
    "policy_arn": ARNS,
    "permissions_boundary": ARNS,
    "policy_document": tuple(map(document, range(6))),
    "assume_role_policy_document": tuple(trust(*each) for each in enumerate(TRUSTED)),
    "version_id": ("v1", "v2", "v3"),
    "set_as_default": (False, True),
    "access_key_id": tuple(f"AKIA{number:017}" for number in range(1, 10)),
    "status": ("Active", "Inactive"),
    "password": ("Secret-1",),
    "password_reset_required": (False, True),
}
OF_ACTION: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "UpdateAssumeRolePolicy": {"policy_document": VALUES["assume_role_policy_document"]},
    **{
        f"{verb}{noun}Policy": {"policy_name": ("one", "ONE", "two")}
        for verb in ("Put", "Delete")
        for noun in ("User", "Group", "Role")
    },
    **{
        name: {"policy_arn": ARNS[2:]}
        for name in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy")
    },
}
"""What stands in place of those in VALUES."""

ACTIONS = (
    *("CreateUser", "UpdateUser", "DeleteUser", "TagUser", "UntagUser", "PutUserPermissionsBoundary"),
    *("AttachUserPolicy", "DetachUserPolicy", "PutUserPolicy", "DeleteUserPolicy"),
    *("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"),
    *("CreateLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile"),
    *("CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy"),
    *("CreateGroup", "UpdateGroup", "DeleteGroup", "AddUserToGroup", "AddUserToGroup", "RemoveUserFromGroup"),
    *("AttachGroupPolicy", "DetachGroupPolicy", "PutGroupPolicy", "DeleteGroupPolicy"),
    *("CreateRole", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy", "DeleteRole"),
    *("TagRole", "UntagRole", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"),
    *("AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy"),
    *("CreateInstanceProfile", "AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile", "DeleteInstanceProfile"),
)


def _step(pick: Random) -> Step:
    """A step of any kind. What may be left out sometimes is, but not whom it is about."""
    name = pick.choice(ACTIONS)
    action = IAM[name]
    assert isinstance(action, Write)
    values = {**VALUES, **OF_ACTION.get(name, {})}
    fields = [
        field.name
        for field in msgspec.structs.fields(action.command)
        if field.name in values and (field.required or field.name == "user_name" or pick.random() < 0.5)
    ]
    return action.decide, action.command(**{field: pick.choice(values[field]) for field in fields})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test that leaves a thread behind which would keep the process from ending: an open connection of a log."""
    yield
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(THREAD_SECONDS_MAX)
            assert not thread.is_alive(), f"{item.nodeid} left {thread.name} running"


def pytest_unconfigure() -> None:
    """Tell what keeps the process from ending after the last test, and end it."""
    faulthandler.dump_traceback_later(ENDING_SECONDS_MAX, exit=True, file=sys.__stderr__)


@pytest.fixture(scope="session")
def steps() -> st.SearchStrategy[list[Step]]:
    """Random lives of one small account, where commands often succeed and often meet what an earlier one left."""
    opening: list[Step] = [(IAM["CreateUser"].decide, CreateUser(user_name=name)) for name in NAMES[:2]]
    # Only the seed and the length are Hypothesis's: what it draws itself is short and monotonous.
    return st.builds(
        lambda pick, length: opening + [_step(pick) for _ in range(length)],
        st.randoms(use_true_random=True),
        st.integers(0, 40),
    )


@pytest.fixture(scope="session")
def world() -> World:
    """The catalogue that the program carries, and AWS's quotas."""
    return World(catalogue())


@pytest.fixture
def now() -> datetime:
    """An instant to start from."""
    return datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
