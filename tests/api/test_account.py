"""The account as a whole through boto3: alias, password policy, settings, summary, and what its policies grant."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from api.actions import IAM, NOT_HERE
from api.aws import IAM as MODEL
from api.aws import Call, perform
from api.caller import unauthenticated
from api.service import Request
from iam.quotas import Quotas
from tools.data import DataFolder, open_service

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
VERSION = "2012-10-17"


def allow(*actions: str, **more: Any) -> str:
    """A document that allows these actions on everything."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return json.dumps({"Version": VERSION, "Statement": [statement]})


TRUST = allow("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"}).replace(', "Resource": "*"', "")


# Alias


def test_an_account_has_one_alias(iam: Any, refused: Refused) -> None:
    """A new one replaces it; one that is not there cannot be deleted."""
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias="acme")
    iam.create_account_alias(AccountAlias="acme-prod")
    assert iam.list_account_aliases()["AccountAliases"] == ["acme-prod"]
    taken = (409, "EntityAlreadyExists", "The account alias acme-prod already exists.")
    assert refused(iam.create_account_alias, AccountAlias="acme-prod") == taken
    absent = (404, "NoSuchEntity", "The account alias acme does not exist.")
    assert refused(iam.delete_account_alias, AccountAlias="acme") == absent
    iam.delete_account_alias(AccountAlias="acme-prod")
    assert iam.list_account_aliases()["AccountAliases"] == []


@pytest.mark.parametrize("alias", ["Acme", "-acme", "acme-", "ac--me", "ac_me"])
def test_an_alias_has_small_letters_digits_and_single_hyphens(iam: Any, refused: Refused, alias: str) -> None:
    """ValidationError with AWS's pattern."""
    assert refused(iam.create_account_alias, AccountAlias=alias) == (
        400,
        "ValidationError",
        "1 validation error detected: Value at 'accountAlias' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$",
    )


# Password policy


def test_a_password_policy_is_replaced_as_a_whole(iam: Any, account: Account, refused: Refused) -> None:
    """What is not told goes back to its default. Where passwords age they expire, and it says how."""
    absent = (404, "NoSuchEntity", f"The Password Policy with domain name {account.id} cannot be found.")
    assert refused(iam.get_account_password_policy) == absent
    assert refused(iam.delete_account_password_policy) == (
        404,
        "NoSuchEntity",
        "The account policy with name PasswordPolicy cannot be found.",
    )
    defaults = {
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": False,
        "MinimumPasswordLength": 6,
        "RequireLowercaseCharacters": False,
        "RequireNumbers": False,
        "RequireSymbols": False,
        "RequireUppercaseCharacters": False,
    }
    iam.update_account_password_policy()
    assert iam.get_account_password_policy()["PasswordPolicy"] == defaults
    told = {
        "AllowUsersToChangePassword": True,
        "HardExpiry": True,
        "MaxPasswordAge": 90,
        "MinimumPasswordLength": 14,
        "PasswordReusePrevention": 24,
        "RequireLowercaseCharacters": True,
        "RequireNumbers": True,
        "RequireSymbols": True,
        "RequireUppercaseCharacters": True,
    }
    iam.update_account_password_policy(**told)
    assert iam.get_account_password_policy()["PasswordPolicy"] == {**told, "ExpirePasswords": True}
    iam.update_account_password_policy(MaxPasswordAge=90)
    aging = {**defaults, "MaxPasswordAge": 90, "ExpirePasswords": True, "HardExpiry": False}
    assert iam.get_account_password_policy()["PasswordPolicy"] == aging
    iam.update_account_password_policy(RequireNumbers=True)
    assert iam.get_account_password_policy()["PasswordPolicy"] == {**defaults, "RequireNumbers": True}
    iam.delete_account_password_policy()
    assert refused(iam.get_account_password_policy) == absent


@pytest.mark.parametrize(
    ("parameter", "value", "constraint"),
    [
        ("MinimumPasswordLength", 129, "less than or equal to 128"),
        ("MaxPasswordAge", 1096, "less than or equal to 1095"),
        ("PasswordReusePrevention", 25, "less than or equal to 24"),
    ],
)
def test_rules_for_passwords_are_bounded(
    iam: Any, refused: Refused, parameter: str, value: int, constraint: str
) -> None:
    """By AWS's model."""
    path = parameter[0].lower() + parameter[1:]
    assert refused(iam.update_account_password_policy, **{parameter: value}) == (
        400,
        "ValidationError",
        f"1 validation error detected: Value at '{path}' failed to satisfy constraint: "
        f"Member must have value {constraint}",
    )


# Settings


def test_settings_are_kept_and_shown(iam: Any, account: Account, refused: Refused) -> None:
    """Each as AWS answers it."""
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2

    off = (404, "FeatureDisabled", f"Outbound identity federation is disabled for account {account.id}")
    assert refused(iam.get_outbound_web_identity_federation_info) == off
    assert refused(iam.disable_outbound_web_identity_federation) == off
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert refused(iam.enable_outbound_web_identity_federation)[:2] == (409, "FeatureEnabled")
    told = iam.get_outbound_web_identity_federation_info()
    assert (told["IssuerIdentifier"], told["JwtVendingEnabled"]) == (issuer, True)

    organization = iam.list_organizations_features()["OrganizationId"]
    for method, features in (
        (iam.enable_organizations_root_sessions, ["RootSessions"]),
        (iam.enable_organizations_root_credentials_management, ["RootCredentialsManagement", "RootSessions"]),
        (iam.enable_organizations_root_sessions, ["RootCredentialsManagement", "RootSessions"]),
        (iam.disable_organizations_root_credentials_management, ["RootSessions"]),
        (iam.disable_organizations_root_sessions, []),
    ):
        told = method()
        assert (told["OrganizationId"], told["EnabledFeatures"]) == (organization, features)
        assert iam.list_organizations_features()["EnabledFeatures"] == features

    assert iam.get_account_properties()["Properties"] == {"RoleManager/Enabled": "false"}
    iam.put_account_properties(Properties={"RoleManager/Enabled": "true"})
    assert iam.get_account_properties()["Properties"] == {"RoleManager/Enabled": "true"}
    role = iam.get_role(RoleName="AWSServiceRoleForIAMRoleManager")["Role"]
    assert role["Path"] == "/aws-service-role/role-manager.iam.amazonaws.com/"
    assert refused(iam.put_account_properties, Properties={"Other/Enabled": "true"}) == (
        400,
        "InvalidInput",
        "Unsupported namespace: Other",
    )


def test_the_summary_counts_what_there_is(iam: Any) -> None:
    """With AWS's quotas beside it."""
    before = iam.get_account_summary()["SummaryMap"]
    iam.create_user(UserName="alice")
    iam.create_group(GroupName="team")
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="web")
    iam.create_policy(PolicyName="unused", PolicyDocument=allow("*"))
    iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")
    iam.create_open_id_connect_provider(Url="https://example.com", ThumbprintList=["a" * 40])
    iam.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    iam.attach_role_policy(RoleName="web", PolicyArn=ADMIN)
    after = iam.get_account_summary()["SummaryMap"]
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "Users": 1,
        "Groups": 1,
        "Roles": 1,
        "InstanceProfiles": 1,
        "Policies": 1,
        "PolicyVersionsInUse": 1,
        "MFADevices": 1,
        "Providers": 1,
    }
    assert (after["UsersQuota"], after["PolicySizeQuota"], after["AttachedPoliciesPerRoleQuota"]) == (5000, 6144, 10)


# What policies grant


def test_policies_that_grant_services_are_told_with_whom_they_are_of(iam: Any, account: Account) -> None:
    """Inline ones name their user, group or role; managed ones have an ARN."""
    user = iam.create_user(UserName="alice", Path="/eng/")["User"]["Arn"]
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName="alice")
    iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=allow("s3:*"))
    iam.put_group_policy(GroupName="team", PolicyName="shared", PolicyDocument=allow("s3:GetObject"))
    iam.attach_group_policy(GroupName="team", PolicyArn=ADMIN)
    told = iam.list_policies_granting_service_access(Arn=user, ServiceNamespaces=["s3", "kms"])
    assert told["IsTruncated"] is False
    admin = {"PolicyName": "AdministratorAccess", "PolicyType": "MANAGED", "PolicyArn": ADMIN}
    assert told["PoliciesGrantingServiceAccess"] == [
        {
            "ServiceNamespace": "s3",
            "Policies": [
                admin,
                {"PolicyName": "own", "PolicyType": "INLINE", "EntityType": "USER", "EntityName": "alice"},
                {"PolicyName": "shared", "PolicyType": "INLINE", "EntityType": "GROUP", "EntityName": "team"},
            ],
        },
        {"ServiceNamespace": "kms", "Policies": [admin]},
    ]


def test_a_service_of_no_form_is_refused_by_the_model(iam: Any, account: Account, refused: Refused) -> None:
    """In AWS's recorded words."""
    asked = {"Arn": f"arn:aws:iam::{account.id}:user/alice", "ServiceNamespaces": ["s3:GetObject"]}
    assert refused(iam.list_policies_granting_service_access, **asked) == (
        400,
        "ValidationError",
        "1 validation error detected: Value at 'serviceNamespaces' failed to satisfy constraint: Member must satisfy "
        "constraint: [Member must have length less than or equal to 64, Member must have length greater than or "
        "equal to 1, Member must satisfy regular expression pattern: [\\w-]*, Member must not be null]",
    )


def test_a_report_of_last_access_has_services_and_no_dates(
    iam: Any, account: Account, refused: Refused, client: Callable[..., Any]
) -> None:
    """It is done at once, goes page by page, and can be had at an instant of the past too."""
    arn = iam.create_user(UserName="alice", Path="/eng/")["User"]["Arn"]
    iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=allow("s3:*", "iam:GetUser"))
    job = iam.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"]
    told = iam.get_service_last_accessed_details(JobId=job)
    assert abs(told["JobCreationDate"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert told["JobCompletionDate"] == told["JobCreationDate"]
    assert (told["JobStatus"], told["JobType"], told["IsTruncated"]) == ("COMPLETED", "ACTION_LEVEL", False)
    services = [
        {
            "ServiceName": "AWS Identity and Access Management",
            "ServiceNamespace": "iam",
            "TotalAuthenticatedEntities": 0,
        },
        {"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "TotalAuthenticatedEntities": 0},
    ]
    assert told["ServicesLastAccessed"] == services
    page = iam.get_service_last_accessed_details(JobId=job, MaxItems=1)
    assert page["ServicesLastAccessed"] == services[:1]
    page = iam.get_service_last_accessed_details(JobId=job, MaxItems=1, Marker=page["Marker"])
    assert (page["ServicesLastAccessed"], page["IsTruncated"]) == (services[1:], False)

    told = iam.get_service_last_accessed_details_with_entities(JobId=job, ServiceNamespace="s3")
    assert told["JobStatus"] == "COMPLETED"
    [entity] = told["EntityDetailsList"]
    user_id = iam.get_user(UserName="alice")["User"]["UserId"]
    assert entity == {
        "EntityInfo": {"Arn": arn, "Name": "alice", "Type": "USER", "Id": user_id, "Path": "/eng/"},
    }

    past = client(account, url=f"{account.server.url}/at/@1")
    assert past.get_service_last_accessed_details(JobId=job)["ServicesLastAccessed"] == []
    job = past.generate_service_last_accessed_details(Arn=arn)["JobId"]
    assert past.get_service_last_accessed_details(JobId=job)["JobType"] == "SERVICE_LEVEL"
    before = client(account, url=f"{account.server.url}/at/@0")
    absent = (404, "NoSuchEntity", f"Job {job} does not exist.")
    assert refused(before.get_service_last_accessed_details, JobId=job) == absent


def test_a_report_on_everything_has_hundreds_of_services(iam: Any) -> None:
    """In the order of their namespaces, over several pages."""
    job = iam.generate_service_last_accessed_details(Arn=ADMIN)["JobId"]
    found: list[str] = []
    asked = {"JobId": job, "MaxItems": 200}
    while True:
        page = iam.get_service_last_accessed_details(**asked)
        found += [service["ServiceNamespace"] for service in page["ServicesLastAccessed"]]
        if not page["IsTruncated"]:
            break
        asked["Marker"] = page["Marker"]
    assert found == sorted(set(found))
    assert len(found) > 400
    job = iam.generate_service_last_accessed_details(Arn=READ_ONLY)["JobId"]
    some = iam.get_service_last_accessed_details(JobId=job, MaxItems=1000)["ServicesLastAccessed"]
    assert {"ec2", "iam", "s3"} < {service["ServiceNamespace"] for service in some} < set(found)


def test_context_keys_are_told_of_documents_and_of_identities(iam: Any, account: Account, refused: Refused) -> None:
    """A document that is none is refused."""
    bound = allow("*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[allow("*"), bound])["ContextKeyNames"] == [
        "aws:MultiFactorAuthPresent"
    ]
    arn = iam.create_user(UserName="alice")["User"]["Arn"]
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == []
    iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=bound)
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == [
        "aws:MultiFactorAuthPresent"
    ]
    assert refused(iam.get_context_keys_for_custom_policy, PolicyInputList=["{"]) == (
        400,
        "InvalidInput",
        "Syntax errors in policy.",
    )


# All of AWS's operations


def test_every_operation_of_aws_works_or_says_why_not() -> None:
    """Each is in the table of actions or in that of reasons, and in one only."""
    assert set(IAM) | set(NOT_HERE) == set(MODEL.operations)
    assert not set(IAM) & set(NOT_HERE)


def test_an_operation_that_is_not_there_says_why(account: Account) -> None:
    """In its 501."""
    reply = account.query("AcceptDelegationRequest", DelegationRequestId="d" * 16)
    assert reply.refusal == (
        501,
        "NotImplemented",
        f"iam:AcceptDelegationRequest is not implemented. {NOT_HERE['AcceptDelegationRequest']}",
    )


# On which thread


@pytest.mark.parametrize("name", ["GetAccountSummary", "ListPolicies"])
async def test_what_goes_over_many_things_of_the_past_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is asked on another thread; of the present, which the event loop alone changes, on the loop itself."""
    threads: list[int] = []
    action: Any = IAM[name]

    def read(*asked: Any) -> Any:
        threads.append(get_ident())
        return action.read(*asked)

    monkeypatch.setitem(IAM, name, msgspec.structs.replace(action, read=read))  # type: ignore[arg-type]
    async with open_service(DataFolder(tmp_path / "data"), None, Quotas()) as service:
        await service.start()
        request = Request(
            caller=unauthenticated("", "123456789012", "aws"),
            request_id=name,
            command_id=None,
            source_ip="127.0.0.1",
            user_agent="test",
        )
        call = Call(MODEL.operations[name], {})
        present = (await perform(service, request, call, None)).result
        assert (await perform(service, request, call, "2024-01-01T00:00:00Z")).result == present
    assert [thread == get_ident() for thread in threads] == [True, False]
