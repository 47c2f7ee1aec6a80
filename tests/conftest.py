"""What the tests of more than one package need: the real catalogue, and an account's life made of random commands."""

import faulthandler
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from iam import groups, policies, users
from iam.attached_policies import (
    AttachGroupPolicy,
    AttachUserPolicy,
    DetachGroupPolicy,
    DetachUserPolicy,
    attach_policy,
    detach_policy,
)
from iam.boundaries import PutUserPermissionsBoundary, put_permissions_boundary
from iam.commands import Command
from iam.groups import AddUserToGroup, CreateGroup, DeleteGroup, RemoveUserFromGroup, UpdateGroup
from iam.inline_policies import (
    DeleteGroupPolicy,
    DeleteUserPolicy,
    PutGroupPolicy,
    PutUserPolicy,
    delete_inline_policy,
    put_policy,
)
from iam.policies import CreatePolicy, CreatePolicyVersion, DeletePolicy, DeletePolicyVersion, SetDefaultPolicyVersion
from iam.relations import Tag
from iam.state import World
from iam.tags import tag_thing, untag_thing
from iam.users import CreateUser, DeleteUser, TagUser, UntagUser, UpdateUser
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


def _steps() -> st.SearchStrategy[Step]:
    user = st.sampled_from((*NAMES, "ALICE", "bob"))
    arn = st.sampled_from(ARNS)
    own = st.sampled_from(ARNS[2:])
    inline = st.sampled_from(("one", "ONE", "two"))
    text = st.integers(0, 5).map(document)
    version = st.sampled_from(("v1", "v2", "v3"))
    group = st.sampled_from(("devs", "Ops"))
    tags = st.lists(st.sampled_from(("team", "Team", "cost")), min_size=1, max_size=2, unique_by=str.lower)
    tagged = st.tuples(tags, st.sampled_from("xy")).map(lambda t: tuple(Tag(key, t[1]) for key in t[0]))
    path = st.sampled_from(("/", "/eng/"))

    def step(decide: Callable[..., list[Any]], kind: type[Command], **fields: st.SearchStrategy[Any]) -> Any:
        return st.builds(kind, **fields).map(lambda command: (decide, command))

    return st.one_of(
        step(users.create_user, CreateUser, user_name=st.sampled_from(NAMES), path=path, tags=st.just(())),
        step(
            users.update_user, UpdateUser, user_name=user, new_user_name=st.sampled_from((None, *NAMES)), new_path=path
        ),
        step(users.delete_user, DeleteUser, user_name=user),
        step(tag_thing, TagUser, user_name=user, tags=tagged),
        step(untag_thing, UntagUser, user_name=user, tag_keys=tags.map(tuple)),
        step(put_permissions_boundary, PutUserPermissionsBoundary, user_name=user, permissions_boundary=arn),
        step(attach_policy, AttachUserPolicy, user_name=user, policy_arn=arn),
        step(detach_policy, DetachUserPolicy, user_name=user, policy_arn=arn),
        step(put_policy, PutUserPolicy, user_name=user, policy_name=inline, policy_document=text),
        step(delete_inline_policy, DeleteUserPolicy, user_name=user, policy_name=inline),
        step(
            policies.create_policy,
            CreatePolicy,
            policy_name=st.sampled_from(OWN_POLICIES),
            policy_document=text,
            tags=st.just(()),
        ),
        step(
            policies.create_policy_version,
            CreatePolicyVersion,
            policy_arn=own,
            policy_document=text,
            set_as_default=st.booleans(),
        ),
        step(policies.set_default_policy_version, SetDefaultPolicyVersion, policy_arn=own, version_id=version),
        step(policies.delete_policy_version, DeletePolicyVersion, policy_arn=own, version_id=version),
        step(policies.delete_policy, DeletePolicy, policy_arn=own),
        step(groups.create_group, CreateGroup, group_name=group, path=path),
        step(groups.add_user_to_group, AddUserToGroup, group_name=group, user_name=user),
        step(groups.add_user_to_group, AddUserToGroup, group_name=group, user_name=user),
        step(groups.remove_user_from_group, RemoveUserFromGroup, group_name=group, user_name=user),
        step(
            groups.update_group,
            UpdateGroup,
            group_name=group,
            new_group_name=st.sampled_from((None, "ops")),
            new_path=path,
        ),
        step(groups.delete_group, DeleteGroup, group_name=group),
        step(attach_policy, AttachGroupPolicy, group_name=group, policy_arn=arn),
        step(detach_policy, DetachGroupPolicy, group_name=group, policy_arn=arn),
        step(put_policy, PutGroupPolicy, group_name=group, policy_name=inline, policy_document=text),
        step(delete_inline_policy, DeleteGroupPolicy, group_name=group, policy_name=inline),
    )


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
    opening: list[Step] = [(users.create_user, CreateUser(user_name=name)) for name in NAMES[:2]]
    return st.lists(_steps(), max_size=40).map(lambda rest: opening + rest)


@pytest.fixture(scope="session")
def world() -> World:
    """The catalogue that the program carries, and AWS's quotas."""
    return World(catalogue())


@pytest.fixture
def now() -> datetime:
    """An instant to start from."""
    return datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
