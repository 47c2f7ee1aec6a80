"""Lists page by page, of things with the longest names that there can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from lives import document, trust
from lives.saml_providers import metadata
from material import certificate, private_key, ssh_key

from api.actions import IAM
from api.actions.action import Listing

if TYPE_CHECKING:
    from tests.api.conftest import Account

PATH = f"/{'p' * 510}/"
TAGS = [{"Key": "𠀀" * 127 + end, "Value": ""} for end in "ab"]
CODES = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
ODD = "/" + '"' * 222 + "/"  # a path of characters that JSON would write as two
GIT = "codecommit.amazonaws.com"
NOT_IN_PAGES_OF_ONE = {"ListAccountAliases", "ListPoliciesGrantingServiceAccess"}  # one at most, and no MaxItems


def both(length: int) -> tuple[str, str]:
    """Two names of this length that differ in the last character."""
    return "x" * (length - 1) + "a", "x" * (length - 1) + "b"


USERS, GROUPS, ROLES, NAMES, DEVICES, SERIALS = both(64), both(128), both(64), both(128), both(226), both(256)
ALL: dict[str, str] = {}
USER, GROUP, ROLE = {"UserName": USERS[0]}, {"GroupName": GROUPS[0]}, {"RoleName": ROLES[0]}


@pytest.fixture
def questions(iam: Any, account: Account) -> Mapping[str, Mapping[str, Any]]:
    """An account with two and more of everything, and what each list of it is asked for."""
    policies = [
        iam.create_policy(PolicyName=name, Path=PATH, PolicyDocument=document(1), Tags=TAGS)["Policy"]["Arn"]
        for name in NAMES
    ]
    iam.create_policy_version(PolicyArn=policies[0], PolicyDocument=document(2))
    for user, group, role, profile, serial in zip(USERS, GROUPS, ROLES, NAMES, SERIALS, strict=True):
        iam.create_user(UserName=user, Path=PATH, Tags=TAGS)
        iam.create_group(GroupName=group, Path=PATH)
        iam.add_user_to_group(GroupName=group, UserName=USERS[0])
        iam.create_role(RoleName=role, Path=PATH, AssumeRolePolicyDocument=trust(1), Tags=TAGS)
        iam.create_instance_profile(InstanceProfileName=profile, Path=PATH, Tags=TAGS)
        iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=ROLES[0])
        iam.enable_mfa_device(**USER, SerialNumber=serial, **CODES)
        iam.create_access_key(**USER)
        iam.create_service_specific_credential(**USER, ServiceName=GIT)
    iam.add_user_to_group(**GROUP, UserName=USERS[1])
    for number, (name, device) in enumerate(zip(NAMES, DEVICES, strict=True), 1):
        pair = {"CertificateBody": certificate(number), "PrivateKey": private_key(number)}
        iam.upload_server_certificate(ServerCertificateName=name, Path=PATH, Tags=TAGS, **pair)
        iam.upload_signing_certificate(**USER, CertificateBody=certificate(number))
        iam.upload_ssh_public_key(**USER, SSHPublicKeyBody=ssh_key(number))
        made = iam.create_virtual_mfa_device(VirtualMFADeviceName=device, Tags=TAGS)["VirtualMFADevice"]
        iam.enable_mfa_device(**USER, SerialNumber=made["SerialNumber"], **CODES)
        for kind, owner in (("user", USER), ("group", GROUP), ("role", ROLE)):
            getattr(iam, f"put_{kind}_policy")(**owner, PolicyName=name, PolicyDocument=document(1))
            getattr(iam, f"attach_{kind}_policy")(**owner, PolicyArn=policies[number - 1])
    for end in "ab":
        iam.create_virtual_mfa_device(VirtualMFADeviceName=end, Path=ODD)
    iam.put_user_policy(**USER, PolicyName="two", PolicyDocument=document(1).replace("s3:GetObject", "ec2:*"))
    iam.attach_user_policy(UserName=USERS[1], PolicyArn=policies[0])
    saml = iam.create_saml_provider(Name="okta", SAMLMetadataDocument=metadata(1), Tags=TAGS)
    oidc = iam.create_open_id_connect_provider(Url="https://idp.example.com", ThumbprintList=["a" * 40], Tags=TAGS)
    policy = {"PolicyArn": policies[0]}
    user_arn = iam.get_user(**USER)["User"]["Arn"]
    services = iam.generate_service_last_accessed_details(Arn=user_arn)["JobId"]
    holders = iam.generate_service_last_accessed_details(Arn=policies[0])["JobId"]
    return {
        **dict.fromkeys(("ListUsers", "ListGroups", "ListRoles", "ListInstanceProfiles"), ALL),
        **dict.fromkeys(("ListServerCertificates", "ListVirtualMFADevices", "GetAccountAuthorizationDetails"), ALL),
        **dict.fromkeys(("ListUserTags", "ListAccessKeys", "ListServiceSpecificCredentials", "ListMFADevices"), USER),
        **dict.fromkeys(("ListGroupsForUser", "ListAttachedUserPolicies", "ListUserPolicies"), USER),
        **dict.fromkeys(("ListSigningCertificates", "ListSSHPublicKeys"), USER),
        **dict.fromkeys(("GetGroup", "ListAttachedGroupPolicies", "ListGroupPolicies"), GROUP),
        **dict.fromkeys(("ListRoleTags", "ListInstanceProfilesForRole"), ROLE),
        **dict.fromkeys(("ListAttachedRolePolicies", "ListRolePolicies"), ROLE),
        **dict.fromkeys(("ListPolicyVersions", "ListPolicyTags", "ListEntitiesForPolicy"), policy),
        "ListPolicies": {"Scope": "Local"},
        "ListInstanceProfileTags": {"InstanceProfileName": NAMES[0]},
        "ListServerCertificateTags": {"ServerCertificateName": NAMES[0]},
        "ListMFADeviceTags": {"SerialNumber": f"arn:aws:iam::{account.id}:mfa/{DEVICES[0]}"},
        "ListSAMLProviderTags": {"SAMLProviderArn": saml["SAMLProviderArn"]},
        "ListOpenIDConnectProviderTags": {"OpenIDConnectProviderArn": oidc["OpenIDConnectProviderArn"]},
        "GetServiceLastAccessedDetails": {"JobId": services},
        "GetServiceLastAccessedDetailsWithEntities": {"JobId": holders, "ServiceNamespace": "s3"},
    }


def test_every_list_is_read_in_pages_of_one(iam: Any, questions: Mapping[str, Mapping[str, Any]]) -> None:
    """However long the names are: together the pages are the list."""
    listings = {name for name, action in IAM.items() if isinstance(action, Listing)}
    assert questions.keys() == listings - NOT_IN_PAGES_OF_ONE
    for name, asked in questions.items():
        read = getattr(iam, xform_name(name))
        whole = read(**asked)
        pages = [read(**asked, MaxItems=1)]
        while pages[-1]["IsTruncated"]:
            pages.append(read(**asked, MaxItems=1, Marker=pages[-1]["Marker"]))
        lists = {member for member, value in whole.items() if isinstance(value, list)}
        assert len(pages) == sum(len(whole[member]) for member in lists) > 1, name
        for member in lists:
            assert [item for page in pages for item in page[member]] == whole[member], name
