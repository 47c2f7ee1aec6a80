"""`iam-ledger replay`: what an account was at an instant, folded from its ledger alone, as JSON.

The projections are not looked at, and the hash chain is not checked: that is what `verify` is for. An account
without records is an empty state.
"""

import argparse
from typing import Any

import msgspec

from api.instants import Basis
from eventstore.log import Log, read_ahead
from iam import relations as r
from iam.attached_policies import attached_to
from iam.errors import NoSuchEntity
from iam.groups import GetGroup, ListGroups, list_groups, list_members
from iam.identities import GROUP, ROLE, Kind
from iam.instance_profiles import ListInstanceProfiles, list_instance_profiles
from iam.policies import ListPolicies, Policy, list_policies
from iam.roles import ListRoles, list_roles
from iam.state import Account, World
from iam.user_details import UserDetails, inline_policies, user_details
from iam.users import find_holder
from projections.loading import bulk
from projections.records import read_event
from tools.failure import Failure
from tools.reading import Ledger
from tools.terminal import print_json


def run(options: argparse.Namespace) -> int:
    """Print the state, or one user of it."""
    ledger = Ledger(options.data, options.account)
    with ledger.damage_is_told():
        basis, world = ledger.resolve(options.at, "at"), ledger.world
        state = ledger.ask(lambda log: fold(log, world, ledger.account, basis.position))
    shown: dict[str, Any] = {"account": state.account, "basis": basis}
    if options.user is None:
        shown |= {
            "users": _users(state),
            "policies": _policies(state),
            "groups": _groups(state),
            "roles": _roles(state),
            "instance_profiles": _instance_profiles(state),
        }
    else:
        shown |= {"user": _user(state, options.user, basis)}
    print_json(msgspec.json.format(msgspec.json.encode(shown), indent=2))
    return 0


async def fold(log: Log, world: World, account: str, position: int) -> Account:
    """What the account's records add up to, up to this one. LookupError for records that cannot be, or LogError."""
    state = Account(account, world)
    with bulk():
        async for records in read_ahead(log, account, position):
            for record in records:
                event = read_event(record)
                if event is not None:
                    state.apply(event.changes())
    return state


def _user(state: Account, name: str, basis: Basis) -> UserDetails:
    try:
        return user_details(state, find_holder(state, name))
    except NoSuchEntity as error:
        raise Failure(f"account {state.account} has no user {name} at @{basis.position}") from error


def _users(state: Account) -> list[UserDetails]:
    return [user_details(state, user_id) for _, user_id in state.scan(r.USERS, "")]


def _groups(state: Account) -> list[dict[str, Any]]:
    """Each with its policies, and the names of its members."""
    return [
        {
            **msgspec.structs.asdict(group),
            **_policy_sets(state, GROUP, group.group_id),
            "members": [user.user_name for _, user in list_members(state, GetGroup(group_name=group.group_name), "")],
        }
        for _, group in list_groups(state, ListGroups(), "")
    ]


def _roles(state: Account) -> list[dict[str, Any]]:
    return [
        {**msgspec.structs.asdict(role), **_policy_sets(state, ROLE, role.role_id)}
        for _, role in list_roles(state, ListRoles(), "")
    ]


def _policy_sets(state: Account, kind: Kind, owner: str) -> dict[str, Any]:
    return {"attached": attached_to(state, kind, owner), "inline": inline_policies(state, kind, owner)}


def _instance_profiles(state: Account) -> list[dict[str, Any]]:
    """Each with the names of its roles."""
    return [
        {**msgspec.structs.asdict(profile), "roles": [role.role_name for role in profile.roles]}
        for _, profile in list_instance_profiles(state, ListInstanceProfiles(), "")
    ]


def _policies(state: Account) -> list[dict[str, Any]]:
    return [_policy(state, policy) for _, policy in list_policies(state, ListPolicies(scope="Local"), "")]


def _policy(state: Account, policy: Policy) -> dict[str, Any]:
    versions = state.members(r.POLICY_VERSIONS, policy.policy_id)
    return {
        "policy_name": policy.policy_name,
        "policy_id": policy.policy_id,
        "policy_arn": policy.arn,
        "path": policy.path,
        "description": policy.description,
        "created_at": policy.created_at,
        "tags": policy.tags,
        "default_version_id": policy.default_version_id,
        "versions": [
            {"version_id": version_id, "created_at": version.created_at, "policy_document": version.document}
            for version_id, version in sorted(versions.items(), key=lambda item: int(item[0][1:]))
        ],
    }
