"""What holds of all commands, said once: histories are drawn at random over a few users and policies.

Names, keys and ARNs are few and come in several spellings, and quotas are small, so that commands meet.
An independent model in plain dictionaries keeps its own account of the commands that were carried out.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice, product
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st
from material import authority, certificate, private_key, ssh_key

from api.actions import IAM, Listing, Read, Write
from iam.access_keys import CreateAccessKey
from iam.account_settings import SetOrganizationsFeature
from iam.attached_policies import (
    AttachPolicy,
    AttachUserPolicy,
    DetachPolicy,
    ListAttachedUserPolicies,
    attached_to,
    list_attached_policies,
)
from iam.boundaries import DeletePermissionsBoundary, PutPermissionsBoundary, boundary_of
from iam.commands import Command, Principal, Query
from iam.documents import counted_size
from iam.errors import IamError
from iam.events import AnyEvent
from iam.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    RemoveUserFromGroup,
    UpdateGroup,
    groups_of,
    list_members,
)
from iam.identities import GROUP, KINDS, ROLE, USER
from iam.inline_policies import (
    DeleteInlinePolicy,
    GetUserPolicy,
    ListUserPolicies,
    PutPolicy,
    get_inline_policy,
    inline_in,
    list_inline_policies,
)
from iam.login_profiles import UpdateLoginProfile
from iam.pem import digest_id, read_certificate
from iam.policies import (
    CreatePolicy,
    CreatePolicyVersion,
    DeletePolicy,
    DeletePolicyVersion,
    GetPolicy,
    GetPolicyVersion,
    InstallCatalogue,
    ListEntitiesForPolicy,
    ListPolicies,
    ListPolicyVersions,
    SetDefaultPolicyVersion,
    TagPolicy,
    UntagPolicy,
    get_policy,
    get_policy_version,
    list_entities_for_policy,
    list_policies,
    list_policy_versions,
)
from iam.quotas import Quotas
from iam.relations import ALL, Tag
from iam.roles import (
    CreateRole,
    DeleteRole,
    GetRole,
    TagRole,
    UntagRole,
    UpdateAssumeRolePolicy,
    UpdateRole,
    UpdateRoleDescription,
    get_role,
)
from iam.saml_providers import UpdateSAMLProvider
from iam.service_credentials import CreateServiceSpecificCredential, ResetServiceSpecificCredential
from iam.state import Account, Draft, State
from iam.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUsers,
    TagUser,
    UntagUser,
    UpdateUser,
    get_user,
    list_users,
)

QUOTAS = Quotas(
    users_per_account=2,
    groups_per_account=2,
    roles_per_account=2,
    instance_profiles_per_account=2,
    assume_role_policy_size=150,
    groups_per_user=1,
    policies_per_account=2,
    policies_per_user=2,
    policies_per_group=2,
    policies_per_role=2,
    versions_per_policy=3,
    user_policy_size=150,
    group_policy_size=150,
    role_policy_size=150,
    policy_size=120,
    mfa_devices_per_user=1,
    certificates_per_user=1,
    ssh_public_keys_per_user=1,
    server_certificates_per_account=2,
    saml_providers_per_account=1,
    client_ids_per_open_id_connect_provider=2,
    tags_per_resource=3,
)
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
LARGE = ALLOW.replace('"*"}', f'"arn:aws:s3:::{"x" * 99}"}}')
TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}}'
TRUSTS = (
    TRUST,
    TRUST.replace("Allow", "Deny"),
    *(TRUST.replace("*", f"arn:aws:iam::123456789012:{name}") for name in ("user/alice", "user/team/bob")),
    *(TRUST.replace("*", name) for name in ("arn:aws:iam::123456789012:role/deployer", "AIDA2", "AROA1")),
    ALLOW,
)
DOCUMENTS = (ALLOW, ALLOW.replace("Allow", "Deny"), ALLOW.replace(",", ",\n"), LARGE, "{")
AWS_ARNS = (
    "arn:aws:iam::aws:policy/AdministratorAccess",
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy",
)
OWN_ARNS = ("arn:aws:iam::123456789012:policy/reads", "arn:aws:iam::123456789012:policy/team/Writes")
OTHER_ARNS = ("arn:aws:iam::123456789012:policy/READS", "arn:aws:iam::210987654321:policy/reads", "no ARN")

KEYS = ("a", "A", "b", "c", "d", "aws:x")
TAGS = tuple(Tag(key, value) for key in KEYS for value in ("", "1"))
USER_NAMES = ("alice", "Alice", "bob", "BOB")
GROUP_NAMES = ("team", "Team", "ops")
ROLE_NAMES = ("deployer", "Deployer", "reader", "AWSServiceRoleForECS")
ARNS = OWN_ARNS * 6 + AWS_ARNS + OTHER_ARNS
ENTITY_ARNS = tuple(
    f"arn:aws:iam::123456789012:{name}"
    for name in ("user/alice", "user/team/Bob", "group/team", "role/reader", "root", "user/nobody", "")
)
JOB_IDS = (
    "d7a10111-92b3-a1d4-7ceb-6405066e2c00",  # about AdministratorAccess
    "00000000-0000-0000-0000-000000000000",
    "x" * 36,
)
PATHS = ("/", "/team/")
USAGES = (None, "PermissionsPolicy", "PermissionsBoundary")
CALLERS = tuple(Principal(id_, f"arn:aws:iam::123456789012:{id_}") for id_ in ("AIDA1", "AIDA2", "123456789012", "x"))

SERIALS = (
    "arn:aws:iam::123456789012:mfa/phone",
    "arn:aws:iam::123456789012:mfa/team/phone",
    "arn:aws:iam::123456789012:u2f/user/alice/key",
    "GAHT12345678",
)
METADATA = (
    '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">'
    '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></EntityDescriptor>'
)
OIDC_ARNS = (
    "arn:aws:iam::123456789012:oidc-provider/idp.example.com",
    "arn:aws:iam::123456789012:oidc-provider/idp.example.com/realm",
    "arn:aws:iam::123456789012:oidc-provider/other.example.com",
)
CERTIFICATE_IDS = tuple(digest_id(read_certificate(certificate(number))) for number in (1, 2))
VALUES: Mapping[str, Sequence[Any]] = {
    "user_name": USER_NAMES,
    "new_user_name": (None, *USER_NAMES),
    "group_name": GROUP_NAMES,
    "new_group_name": (None, *GROUP_NAMES),
    "role_name": ROLE_NAMES,
    "assume_role_policy_document": TRUSTS,
    "max_session_duration": (3600, 7200),
    "aws_service_name": ("ecs.amazonaws.com", "Support.amazonaws.com", "support.amazonaws.com", "ecs"),
    "custom_suffix": (None, "a"),
    "deletion_task_id": (
        "task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/6b86b273-ff34-fce1-9d6b-804eff5a3f57",
        "task/none",
    ),
    "instance_profile_name": ("web", "Web", "batch"),
    "path": PATHS,
    "new_path": (None, *PATHS),
    "permissions_boundary": ARNS,
    "tags": ((), *product(TAGS), *product(TAGS, TAGS)),
    "tag_keys": (*product(KEYS), *product(KEYS, KEYS)),
    "policy_arn": ARNS,
    "policy_name": ("reads", "Reads", "Writes"),
    "policy_document": DOCUMENTS[:2] * 3 + DOCUMENTS + TRUSTS,
    "description": ("", "May look."),
    "set_as_default": (False, True),
    "version_id": ("v1", "v2", "v3", "v4", "v1.x"),
    "path_prefix": PATHS,
    "scope": ("All", "AWS", "Local"),
    "only_attached": (False, True),
    "entity_filter": (None, "User", "Role"),
    "policy_usage_filter": USAGES,
    "caller": (None, *CALLERS),
    "status": ("Active", "Inactive", "Expired"),
    "access_key_id": ("AKIA1", "AKIA2", "AKIA3", "PASS1"),
    "password": (None, "secret", "Secret-1"),
    "old_password": ("secret",),
    "new_password": ("secret", "Secret-1"),
    "password_reset_required": (False, True),
    "proven": (None, "PASS1", "PASS2", "PASS3"),
    "service_name": ("codecommit.amazonaws.com", "bedrock.amazonaws.com", "iam.amazonaws.com"),
    "credential_age_days": (None, 1),
    "service_specific_credential_id": ("ACCA1", "ACCA2", "ACCA3"),
    "account_alias": ("acme", "other"),
    "minimum_password_length": (6, 8),
    **dict.fromkeys(
        (
            "require_symbols",
            "require_numbers",
            "require_uppercase_characters",
            "require_lowercase_characters",
            "allow_users_to_change_password",
            "hard_expiry",
        ),
        (False, True),
    ),
    "max_password_age": (None, 90),
    "password_reuse_prevention": (None, 3),
    "global_endpoint_token_version": ("v1Token", "v2Token"),
    "properties": (
        {"RoleManager/Enabled": "true"},
        {"RoleManager/Enabled": "false"},
        {"RoleManager/Enabled": "true", "Other/Enabled": "true"},
        {},
    ),
    "filter": ((), ("User",), ("Group", "AWSManagedPolicy")),
    "arn": ENTITY_ARNS + ARNS,
    "policy_source_arn": ENTITY_ARNS + ARNS,
    "service_namespaces": (("s3",), ("iam", "s3", "iam"), ("unheard", "s3")),
    "service_namespace": ("s3", "unheard"),
    "policy_input_list": ((), (ALLOW,), (LARGE, "{")),
    "granularity": ("SERVICE_LEVEL", "ACTION_LEVEL"),
    "job_id": JOB_IDS,
    "all_users": (False, True),
    "virtual_mfa_device_name": ("phone", "tablet"),
    "serial_number": SERIALS,
    "authentication_code1": ("123456",),
    "authentication_code2": ("654321", "654321", "123456"),
    "assignment_status": ("Any", "Assigned", "Unassigned"),
    "name": ("okta", "adfs"),
    "saml_metadata_document": (METADATA, METADATA, METADATA.replace("idp", "other"), "<EntityDescriptor>"),
    "assertion_encryption_mode": ("Allowed", "Required"),
    "add_private_key": (None, "key"),
    "remove_private_key": (None, None, "SAMLPK1", "SAMLPK2", "SAMLPK3"),
    "saml_provider_arn": tuple(f"arn:aws:iam::123456789012:saml-provider/{name}" for name in ("okta", "adfs", "x")),
    "url": ("https://idp.example.com", "https://idp.example.com:443/realm", "http://idp.example.com", "idp"),
    "client_id": ("app", "web", "cli"),
    "client_id_list": ((), ("app",), ("web", "app", "web"), ("app", "web", "cli")),
    "thumbprint_list": ((), ("A" * 40,), ("b" * 40, "a" * 40), ("c" * 40,) * 6),
    "open_id_connect_provider_arn": OIDC_ARNS,
    "server_certificate_name": ("shop", "Shop", "blog"),
    "new_server_certificate_name": (None, "shop", "SHOP", "blog"),
    "certificate_body": (certificate(1), certificate(1), certificate(2), "body"),
    "private_key": (private_key(1), private_key(1), private_key(2), "key"),
    "certificate_chain": (None, None, authority("root", "root"), certificate(2)),
    "certificate_id": CERTIFICATE_IDS,
    "ssh_public_key_body": (ssh_key(1), ssh_key(2), ssh_key(1, encoding="PEM"), "key"),
    "ssh_public_key_id": ("APKA1", "APKA2", "APKA3"),
    "encoding": ("SSH", "PEM"),
}
ORDINARY = [action.command for action in IAM.values() if isinstance(action, Write)] + [InstallCatalogue]
COMMANDS = (*ORDINARY, CreateUser, CreatePolicy, CreatePolicy, AttachUserPolicy)
BEGINNING = [
    CreateUser(user_name="alice"),
    CreatePolicy(policy_name="reads", policy_document=ALLOW),
    CreatePolicy(policy_name="Writes", path="/team/", policy_document=ALLOW),
    CreateRole(role_name="deployer", assume_role_policy_document=TRUST),
]
RARE = (DeleteUser, DeletePolicy, DeleteRole)
NEW_EACH_TIME = (
    *(CreatePolicyVersion, UpdateRoleDescription, CreateAccessKey, UpdateLoginProfile),
    *(CreateServiceSpecificCredential, ResetServiceSpecificCredential, SetOrganizationsFeature, UpdateSAMLProvider),
)
SAID_AGAIN = (InstallCatalogue, UpdateRoleDescription, SetOrganizationsFeature, UpdateSAMLProvider)


def some(kinds: Sequence[type[Any]], pick: Random) -> Any:
    """A command or query of some kind; fields that may be left out sometimes are."""
    kind = pick.choice(kinds)
    if kind in RARE and pick.random() < 0.8:
        return some(kinds, pick)
    fields = [field for field in msgspec.structs.fields(kind) if field.required or pick.random() < 0.5]
    return kind(**{field.name: pick.choice(VALUES[field.name]) for field in fields})


def wild(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Commands or queries in which any text stands where a text may stand."""
    return st.builds(
        kind,
        **{
            field.name: st.sampled_from(VALUES[field.name]) | (st.text() if field.type is str else st.nothing())
            for field in msgspec.structs.fields(kind)
        },
    )


def histories(kinds: Sequence[type[Command]]) -> st.SearchStrategy[list[Command]]:
    """Only the seed and the length are Hypothesis's: what it draws itself is too monotonous for long histories."""
    return st.builds(
        lambda pick, length: BEGINNING[:length] + [some(kinds, pick) for _ in range(length)],
        st.randoms(use_true_random=True),
        st.integers(0, 150),
    )


HISTORIES = histories(COMMANDS)
ONE_COMMAND = st.builds(partial(some, COMMANDS), st.randoms(use_true_random=True))

LISTS: Mapping[type[Query], Callable[[State, Any, str], Any]] = {
    action.query: action.read for action in IAM.values() if isinstance(action, Listing)
}
GETS: Mapping[type[Query], Callable[[State, Any], Any]] = {
    action.query: action.read for action in IAM.values() if isinstance(action, Read)
}

relaxed = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def lived(given: Callable[..., Any], history: list[Command]) -> Any:
    """An account through which the history has gone; what was refused left no trace."""
    account = given(quotas=QUOTAS)
    for command in history:
        with suppress(IamError):
            account.also(command)
    return account


@relaxed
@for_all(HISTORIES, ONE_COMMAND)
def test_a_repeated_command_adds_nothing_or_is_refused(
    given: Callable[..., Any], decisions: Mapping[type[Command], Any], history: list[Command], command: Command
) -> None:
    """But for what makes a new thing or secret each time, and for what answers out of its event."""
    account = lived(given, history)
    with suppress(IamError):
        account.also(command)

    if not isinstance(command, NEW_EACH_TIME):
        assert not account.when(decisions[type(command)], command).events


@relaxed
@for_all(HISTORIES, ONE_COMMAND)
def test_deciding_changes_no_state(
    given: Callable[..., Any],
    decisions: Mapping[type[Command], Any],
    contents: Callable[[Account], Any],
    history: list[Command],
    command: Command,
) -> None:
    """A decision only reads: what changes is what its events say, once they are applied."""
    account = lived(given, history)
    before, size = copy.deepcopy(contents(account.account)), account.account.bytes
    decided = account.when(decisions[type(command)], command)

    assert contents(account.account) == before
    assert account.account.bytes == size
    if decided.events:
        for event in decided.events:
            account.account.apply(event.changes())
        assert contents(account.account) != before or isinstance(command, SAID_AGAIN)


@relaxed
@for_all(HISTORIES, st.one_of(*map(wild, ORDINARY)))
def test_a_decision_raises_nothing_but_refusals(
    given: Callable[..., Any], decisions: Mapping[type[Command], Any], history: list[Command], command: Command
) -> None:
    """Whatever text stands in the command; `when` lets everything else through."""
    decided = lived(given, history).when(decisions[type(command)], command)

    assert decided.events is not None or (decided.refusal[0].code and decided.refusal[1])


@relaxed
@for_all(HISTORIES)
def test_every_event_survives_encoding(given: Callable[..., Any], history: list[Command]) -> None:
    """And is encoded the same again, so that stored bytes never depend on the way they came."""
    decoder = msgspec.json.Decoder(AnyEvent)
    for event in lived(given, history).events:
        encoded = msgspec.json.encode(event)

        assert decoder.decode(encoded) == event
        assert msgspec.json.encode(decoder.decode(encoded)) == encoded


@relaxed
@for_all(HISTORIES, st.data())
def test_a_fold_continued_equals_a_fold_from_zero(
    given: Callable[..., Any], contents: Callable[[Account], Any], history: list[Command], data: st.DataObject
) -> None:
    """From any position on, through an account or through a draft that is committed."""
    whole = lived(given, history)
    cut = data.draw(st.integers(0, len(whole.events)))
    continued = given(*whole.events[:cut], quotas=QUOTAS).account
    draft = Draft(given(*whole.events[:cut], quotas=QUOTAS).account)
    for event in whole.events[cut:]:
        continued.apply(event.changes())
        draft.apply(event.changes())

    assert contents(continued) == contents(whole.account)
    for relation, owner, entries in whole.account.owners():
        assert draft.members(relation, owner) == entries
    committed = draft._base
    draft.commit()
    assert contents(committed) == contents(whole.account)
    assert committed.bytes == continued.bytes == whole.account.bytes


@relaxed
@for_all(HISTORIES, st.builds(partial(some, tuple(LISTS)), st.randoms(use_true_random=True)), st.integers(1, 3))
def test_a_list_read_page_by_page_is_the_list(
    given: Callable[..., Any], history: list[Command], query: Query, size: int
) -> None:
    """Keys are distinct and ascend, and a draft lists what the account lists."""
    account = lived(given, history)
    draft = Draft(given(quotas=QUOTAS).account)
    for event in account.events:
        draft.apply(event.changes())
    read = LISTS[type(query)]
    try:
        whole = list(read(account.account, query, ""))
    except IamError:
        return

    keys = [key for key, _ in whole]
    assert keys == sorted(set(keys))
    assert list(read(draft, query, "")) == whole
    pages: list[Any] = []
    for _ in range(0, len(whole), size):
        pages += islice(read(account.account, query, pages[-1][0] if pages else ""), size)
    assert pages == whole


@relaxed
@for_all(HISTORIES, st.one_of(*map(wild, GETS)))
def test_a_read_raises_nothing_but_refusals(given: Callable[..., Any], history: list[Command], query: Query) -> None:
    """Whatever text stands in the query."""
    with suppress(IamError):
        assert GETS[type(query)](lived(given, history).account, query) is not None


MODELLED = (
    *(CreateUser, UpdateUser, DeleteUser, TagUser, UntagUser),
    *(CreatePolicy, DeletePolicy, CreatePolicyVersion, SetDefaultPolicyVersion, DeletePolicyVersion),
    *(TagPolicy, UntagPolicy, InstallCatalogue),
    *(CreateGroup, UpdateGroup, DeleteGroup, AddUserToGroup, RemoveUserFromGroup),
    *(CreateRole, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy, DeleteRole, TagRole, UntagRole),
    *(AttachPolicy, DetachPolicy, PutPolicy, DeleteInlinePolicy, PutPermissionsBoundary, DeletePermissionsBoundary),
)


def spelled(tags: tuple[Tag, ...]) -> dict[str, tuple[str, str]]:
    """Tags by key in lower case, as identities have them."""
    return {tag.key.lower(): (tag.key, tag.value) for tag in tags}


class Model:
    """What identities and policies have, in plain dictionaries. It knows what commands do and none of their rules."""

    def __init__(self) -> None:
        self.identities: dict[str, dict[str, dict[str, Any]]] = {kind.noun: {} for kind in KINDS}
        self.users, self.groups, self.roles = self.identities.values()  # by name in lower case
        self.policies: dict[str, dict[str, Any]] = {}  # by ARN
        self.made: list[dict[str, Any]] = []  # users and roles, those that are gone too

    def make(self, kind: str, prefix: str, identity: dict[str, Any]) -> dict[str, Any]:
        """A user or role that gets the next id."""
        number = sum(each["id"].startswith(prefix) for each in self.made) + 1
        self.made.append(identity | {"id": f"{prefix}{number}", "kind": kind})
        return self.made[-1]

    def is_there(self, identity: dict[str, Any]) -> bool:
        return any(identity is each for each in (*self.users.values(), *self.roles.values()))

    def called(self, identity: dict[str, Any]) -> str:
        """What a user or role is called as a principal."""
        if not self.is_there(identity):
            return str(identity["id"])
        return f"arn:aws:iam::123456789012:{identity['kind']}{identity['path']}{identity['name']}"

    def trusted(self, document: str) -> tuple[str, dict[str, Any] | None]:
        """A trust policy, which names one principal, and the user or role whom that means now."""
        name = self.principal(document)
        there = [each for each in self.made if self.is_there(each) and name in (each["id"], self.called(each))]
        return document, there[0] if there else None

    def principal(self, document: str) -> str:
        return str(msgspec.json.decode(document)["Statement"]["Principal"]["AWS"])

    def trust(self, document: str, meant: dict[str, Any] | None) -> str:
        """A trust policy as it is shown: with what whom it means is called by now."""
        return document if meant is None else document.replace(self.principal(document), self.called(meant))

    def identity(self, command: Any) -> dict[str, Any]:
        return self.identities[command.kind.noun][command.kind.name_in(command).lower()]

    def tags(self, command: TagUser | UntagUser | TagRole | UntagRole) -> dict[str, tuple[str, str]]:
        if isinstance(command, TagRole | UntagRole):
            return self.roles[command.role_name.lower()]["tags"]
        return self.users[command.user_name.lower()]["tags"]

    def all(self) -> list[dict[str, Any]]:
        return [identity for named in self.identities.values() for identity in named.values()]

    def carried_out(self, command: Command) -> None:
        match command:
            case CreateUser():
                user = {"name": command.user_name, "path": command.path, "attached": set(), "inline": {}}
                user |= {"tags": spelled(command.tags), "boundary": command.permissions_boundary}
                self.users[command.user_name.lower()] = self.make("user", "AIDA", user)
            case UpdateUser():
                user = self.users.pop(command.user_name.lower())
                user["name"] = command.new_user_name or user["name"]
                user["path"] = command.new_path or user["path"]
                self.users[user["name"].lower()] = user
            case DeleteUser():
                del self.users[command.user_name.lower()]
            case TagUser() | TagRole():
                self.tags(command).update(spelled(command.tags))
            case UntagUser() | UntagRole():
                for key in command.tag_keys:
                    self.tags(command).pop(key.lower(), None)
            case CreateGroup():
                group = {"name": command.group_name, "path": command.path, "attached": set(), "inline": {}}
                self.groups[command.group_name.lower()] = {**group, "boundary": None, "members": []}
            case UpdateGroup():
                group = self.groups.pop(command.group_name.lower())
                group["name"] = command.new_group_name or group["name"]
                group["path"] = command.new_path or group["path"]
                self.groups[group["name"].lower()] = group
            case DeleteGroup():
                del self.groups[command.group_name.lower()]
            case AddUserToGroup() | RemoveUserFromGroup():
                user, group = self.users[command.user_name.lower()], self.groups[command.group_name.lower()]
                group["members"] = [member for member in group["members"] if member is not user]
                if isinstance(command, AddUserToGroup):
                    group["members"].append(user)
            case PutPermissionsBoundary():
                self.identity(command)["boundary"] = command.permissions_boundary
            case DeletePermissionsBoundary():
                self.identity(command)["boundary"] = None
            case AttachPolicy():
                self.identity(command)["attached"].add(command.policy_arn)
            case DetachPolicy():
                self.identity(command)["attached"].remove(command.policy_arn)
            case PutPolicy():
                inline = self.identity(command)["inline"]
                name = inline.get(command.policy_name.lower(), (command.policy_name,))[0]
                inline[command.policy_name.lower()] = (name, command.policy_document)
            case DeleteInlinePolicy():
                del self.identity(command)["inline"][command.policy_name.lower()]
            case CreateRole() | UpdateRole() | UpdateRoleDescription() | UpdateAssumeRolePolicy() | DeleteRole():
                self.carried_out_on_a_role(command)
            case _:
                self.carried_out_on_a_policy(command)

    def carried_out_on_a_role(self, command: Any) -> None:
        role = self.roles.get(command.role_name.lower(), {})
        match command:
            case CreateRole():
                role = {"name": command.role_name, "path": command.path, "attached": set(), "inline": {}}
                role |= {"tags": spelled(command.tags), "boundary": command.permissions_boundary}
                role |= {"description": command.description, "session": command.max_session_duration}
                role["trust"] = self.trusted(command.assume_role_policy_document)
                self.roles[command.role_name.lower()] = self.make("role", "AROA", role)
            case UpdateRole():
                if command.description is not None:
                    role["description"] = command.description
                if command.max_session_duration is not None:
                    role["session"] = command.max_session_duration
            case UpdateRoleDescription():
                role["description"] = command.description
            case UpdateAssumeRolePolicy():
                if command.policy_document != self.trust(*role["trust"]):
                    role["trust"] = self.trusted(command.policy_document)
            case DeleteRole():
                del self.roles[command.role_name.lower()]

    def carried_out_on_a_policy(self, command: Command) -> None:
        match command:
            case CreatePolicy():
                self.policies[f"arn:aws:iam::123456789012:policy{command.path}{command.policy_name}"] = {
                    "versions": {"v1": command.policy_document},
                    "default": "v1",
                    "latest": 1,
                    "tags": {tag.key: tag.value for tag in command.tags},
                }
            case DeletePolicy():
                del self.policies[command.policy_arn]
            case CreatePolicyVersion():
                policy = self.policies[command.policy_arn]
                policy["latest"] += 1
                policy["versions"][f"v{policy['latest']}"] = command.policy_document
                if command.set_as_default:
                    policy["default"] = f"v{policy['latest']}"
            case SetDefaultPolicyVersion():
                self.policies[command.policy_arn]["default"] = command.version_id
            case DeletePolicyVersion():
                del self.policies[command.policy_arn]["versions"][command.version_id]
            case TagPolicy():
                self.policies[command.policy_arn]["tags"].update({tag.key: tag.value for tag in command.tags})
            case UntagPolicy():
                for key in command.tag_keys:
                    self.policies[command.policy_arn]["tags"].pop(key, None)
            case InstallCatalogue():
                pass
            case _:
                pytest.fail(f"the model does not know {command}")

    def holders(self, arn: str) -> set[str]:
        return {each["name"] for each in self.all() if arn in (*each["attached"], each["boundary"])}


def assert_like(state: State, model: Model) -> None:
    """The domain's own reads say what the model says, and its quotas hold."""
    assert [key for key, _ in list_users(state, ListUsers(), "")] == sorted(model.users)
    for user in model.users.values():
        name = user["name"]
        shown = get_user(state, GetUser(user_name=name))
        assert (shown.user_name, shown.path, shown.permissions_boundary) == (name, user["path"], user["boundary"])
        assert {(tag.key, tag.value) for tag in shown.tags} == set(user["tags"].values())
        attached = list_attached_policies(state, ListAttachedUserPolicies(user_name=name), "")
        assert {policy.policy_arn for _, policy in attached} == user["attached"]
        inline = {
            inline_name: get_inline_policy(
                state, GetUserPolicy(user_name=name, policy_name=inline_name)
            ).policy.document
            for _, inline_name in list_inline_policies(state, ListUserPolicies(user_name=name), "")
        }
        assert inline == dict(user["inline"].values())
        assert len(user["attached"]) <= QUOTAS.policies_per_user
        assert len(user["tags"]) <= QUOTAS.tags_per_resource
        assert sum(map(counted_size, inline.values())) <= QUOTAS.user_policy_size

    for kind in (GROUP, ROLE):
        known = model.identities[kind.noun]
        assert set(state.members(kind.names, "")) == known.keys()
        for name, identity in known.items():
            owner = kind.find(state, name)
            assert {policy.policy_arn for policy in attached_to(state, kind, owner)} == identity["attached"]
            inline = {policy.policy_name: policy.document for policy in inline_in(state, kind, owner)}
            assert inline == dict(identity["inline"].values())
            assert boundary_of(state, kind, owner) == identity["boundary"]
            profile = state.get(kind.profiles, owner)
            assert (kind.name(profile), profile.path) == (identity["name"], identity["path"])
            assert len(identity["attached"]) <= 2
    for role in model.roles.values():
        said = get_role(state, GetRole(role_name=role["name"]))
        assert (said.description, said.max_session_duration) == (role["description"], role["session"])
        assert said.assume_role_policy_document == model.trust(*role["trust"])
        assert {(tag.key, tag.value) for tag in said.tags} == set(role["tags"].values())
        assert len(role["tags"]) <= QUOTAS.tags_per_resource
    for group in model.groups.values():
        members = list_members(state, GetGroup(group_name=group["name"]), "")
        assert {user.user_name for _, user in members} == {user["name"] for user in group["members"]}
    for user in model.users.values():
        joined = {group["name"] for group in model.groups.values() if any(user is each for each in group["members"])}
        assert {group.group_name for group in groups_of(state, USER.find(state, user["name"]))} == joined
        assert len(joined) <= QUOTAS.groups_per_user

    assert {policy.arn for _, policy in list_policies(state, ListPolicies(scope="Local"), "")} == set(model.policies)
    for arn, policy in model.policies.items():
        versions = [version for _, version in list_policy_versions(state, ListPolicyVersions(policy_arn=arn), "")]
        documents = {
            version.version_id: get_policy_version(
                state, GetPolicyVersion(policy_arn=arn, version_id=version.version_id)
            ).document
            for version in versions
        }
        assert documents == policy["versions"]
        assert [version.version_id for version in versions if version.is_default] == [policy["default"]]
        assert {tag.key: tag.value for tag in get_policy(state, GetPolicy(policy_arn=arn)).tags} == policy["tags"]
        assert len(versions) <= QUOTAS.versions_per_policy
        assert len(policy["tags"]) <= QUOTAS.tags_per_resource
    for arn in (*model.policies, *AWS_ARNS):
        shown_policy = get_policy(state, GetPolicy(policy_arn=arn))
        held = list_entities_for_policy(state, ListEntitiesForPolicy(policy_arn=arn), "")
        assert {holder.name for _, holder in held} == model.holders(arn)
        assert shown_policy.attachment_count == sum(arn in each["attached"] for each in model.all())
        assert shown_policy.boundary_count == sum(arn == each["boundary"] for each in model.all())
    assert len(model.users) <= QUOTAS.users_per_account
    assert len(model.roles) <= QUOTAS.roles_per_account
    assert len(model.policies) <= QUOTAS.policies_per_account


@relaxed
@for_all(histories([kind for kind in COMMANDS if issubclass(kind, MODELLED)]))
def test_the_fold_agrees_with_an_independent_model(given: Callable[..., Any], history: list[Command]) -> None:
    """The auditor carries out whatever was not refused, and after each command all reads agree with it."""
    account, model = given(quotas=QUOTAS), Model()
    for command in history:
        try:
            account.also(command)
        except IamError:
            continue
        model.carried_out(command)
        assert_like(account.account, model)
    for relation in ALL.values():
        assert {owner for found, owner, _ in account.account.owners() if found is relation} <= {
            "",
            *AWS_ARNS,
            *OWN_ARNS,
            *model.policies,
            *account.account.members(ALL["users"], "").values(),
            *account.account.members(ALL["groups"], "").values(),
            *account.account.members(ALL["roles"], "").values(),
            *account.account.members(ALL["policies"], "").values(),
        }
