"""Every kind of resource in the calls that Terraform makes for it.

They were taken from what Terraform's AWS provider, 5.100, sent to this service: how it creates, reads back, updates and
deletes each resource of IAM that it knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jmespath
import msgspec
import pytest
from lives import ADMIN, document, trust
from lives.saml_providers import metadata
from material import authority, certificate, private_key, ssh_key

if TYPE_CHECKING:
    from tests.api.conftest import Account

Call = tuple[str, dict[str, Any]]


class Told(msgspec.Struct, frozen=True):
    """What the replies so far tell at a JMESPath, or `Name`."""

    path: str


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """The calls for one kind of resource, and what is read back. Expectations are by JMESPath over all the reads."""

    needs: tuple[Call, ...] = ()
    create: tuple[Call, ...]
    reads: tuple[Call, ...]
    created: Mapping[str, Any]
    update: tuple[Call, ...] = ()
    updated: Mapping[str, Any] = {}
    new_name: str = "tf"
    delete: tuple[Call, ...]
    gone: Mapping[str, Any] = {}  # what the first read tells then; where nothing is said, it must be NoSuchEntity
    deleted_twice: bool = False  # whether deleting it again is no refusal: otherwise it must be NoSuchEntity


NAME = Told("Name")
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADMIN_SHOWN = {"PolicyName": "AdministratorAccess", "PolicyArn": ADMIN}
READ_ONLY_SHOWN = {"PolicyName": "ReadOnlyAccess", "PolicyArn": READ_ONLY}
TAGS = [{"Key": "Old", "Value": ""}, {"Key": "Team", "Value": "red"}]
NEW_TAGS = [{"Key": "New", "Value": "a b"}, {"Key": "Team", "Value": "blé"}]
UNTAG = {"TagKeys": ["Old"]}
USER, GROUP, ROLE = {"UserName": NAME}, {"GroupName": NAME}, {"RoleName": NAME}
CREATE_USER: Call = ("create_user", USER)
CREATE_GROUP: Call = ("create_group", GROUP)
CREATE_ROLE: Call = ("create_role", {**ROLE, "AssumeRolePolicyDocument": trust(1)})
ALICE: Call = ("create_user", {"UserName": "alice"})
OWN = {"PolicyName": "own"}

KINDS: dict[str, Kind] = {
    "user": Kind(
        create=(("create_user", {**USER, "Path": "/", "PermissionsBoundary": READ_ONLY, "Tags": TAGS}),),
        reads=(("get_user", USER),),
        created={"User.Tags": TAGS, "User.PermissionsBoundary.PermissionsBoundaryArn": READ_ONLY},
        update=(
            ("untag_user", {**USER, **UNTAG}),
            ("tag_user", {**USER, "Tags": NEW_TAGS}),
            ("put_user_permissions_boundary", {**USER, "PermissionsBoundary": ADMIN}),
            ("delete_user_permissions_boundary", USER),
            ("update_user", {**USER, "NewUserName": "tf2", "NewPath": "/eng/"}),
        ),
        updated={"User.Tags": NEW_TAGS, "User.PermissionsBoundary": None, "User.[UserName, Path]": ["tf2", "/eng/"]},
        new_name="tf2",
        delete=(("list_groups_for_user", USER), ("delete_user", USER)),
    ),
    "user with all that can hang from one": Kind(
        needs=(CREATE_GROUP,),
        create=(
            CREATE_USER,
            ("add_user_to_group", {**USER, **GROUP}),
            ("put_user_policy", {**USER, **OWN, "PolicyDocument": document(1)}),
            ("attach_user_policy", {**USER, "PolicyArn": ADMIN}),
            ("create_access_key", USER),
            ("upload_ssh_public_key", {**USER, "SSHPublicKeyBody": ssh_key(1)}),
            ("create_virtual_mfa_device", {"VirtualMFADeviceName": NAME}),
            (
                "enable_mfa_device",
                {
                    **USER,
                    "SerialNumber": Told("VirtualMFADevice.SerialNumber"),
                    "AuthenticationCode1": "123456",
                    "AuthenticationCode2": "654321",
                },
            ),
            ("create_login_profile", {**USER, "Password": "first-1-First"}),
            ("upload_signing_certificate", {**USER, "CertificateBody": certificate(1)}),
            ("create_service_specific_credential", {**USER, "ServiceName": "codecommit.amazonaws.com"}),
        ),
        reads=(("get_user", USER),),
        created={"User.UserName": "tf"},
        delete=(
            ("list_groups_for_user", USER),
            ("remove_user_from_group", {**USER, "GroupName": Told("Groups[0].GroupName")}),
            ("list_user_policies", USER),
            ("delete_user_policy", {**USER, "PolicyName": Told("PolicyNames[0]")}),
            ("list_attached_user_policies", USER),
            ("detach_user_policy", {**USER, "PolicyArn": Told("AttachedPolicies[0].PolicyArn")}),
            ("list_access_keys", USER),
            ("delete_access_key", {**USER, "AccessKeyId": Told("AccessKeyMetadata[0].AccessKeyId")}),
            ("list_ssh_public_keys", USER),
            ("delete_ssh_public_key", {**USER, "SSHPublicKeyId": Told("SSHPublicKeys[0].SSHPublicKeyId")}),
            ("list_virtual_mfa_devices", {"AssignmentStatus": "Assigned"}),
            (
                "deactivate_mfa_device",
                {
                    "UserName": Told("VirtualMFADevices[0].User.UserName"),
                    "SerialNumber": Told("VirtualMFADevices[0].SerialNumber"),
                },
            ),
            ("delete_virtual_mfa_device", {"SerialNumber": Told("VirtualMFADevices[0].SerialNumber")}),
            ("list_mfa_devices", USER),
            ("delete_login_profile", USER),
            ("list_signing_certificates", USER),
            ("delete_signing_certificate", {**USER, "CertificateId": Told("Certificates[0].CertificateId")}),
            ("list_service_specific_credentials", USER),
            (
                "delete_service_specific_credential",
                {
                    **USER,
                    "ServiceSpecificCredentialId": Told("ServiceSpecificCredentials[0].ServiceSpecificCredentialId"),
                },
            ),
            ("delete_user", USER),
        ),
    ),
    "group": Kind(
        create=(("create_group", {**GROUP, "Path": "/"}),),
        reads=(("get_group", GROUP),),
        created={"Group.[GroupName, Path]": ["tf", "/"]},
        update=(("update_group", {**GROUP, "NewGroupName": "tf2", "NewPath": "/eng/"}),),
        updated={"Group.[GroupName, Path]": ["tf2", "/eng/"]},
        new_name="tf2",
        delete=(("delete_group", GROUP),),
    ),
    "group membership": Kind(
        needs=(CREATE_USER, ALICE, CREATE_GROUP),
        create=(("add_user_to_group", {**GROUP, **USER}),),
        reads=(("get_group", GROUP), ("list_groups_for_user", USER)),
        created={"Users[].UserName": ["tf"], "Groups[].GroupName": ["tf"]},
        update=(
            ("remove_user_from_group", {**GROUP, **USER}),
            ("add_user_to_group", {**GROUP, "UserName": "alice"}),
        ),
        updated={"Users[].UserName": ["alice"], "Groups": []},
        delete=(("remove_user_from_group", {**GROUP, "UserName": "alice"}),),
        gone={"Users": []},
        deleted_twice=True,
    ),
    "role": Kind(
        create=(
            (
                "create_role",
                {
                    **ROLE,
                    "Path": "/",
                    "AssumeRolePolicyDocument": trust(1),
                    "Description": "First.",
                    "MaxSessionDuration": 3600,
                    "PermissionsBoundary": READ_ONLY,
                    "Tags": TAGS,
                },
            ),
        ),
        reads=(("get_role", ROLE), ("list_role_policies", ROLE), ("list_attached_role_policies", ROLE)),
        created={
            "Role.AssumeRolePolicyDocument": json.loads(trust(1)),
            "Role.[Description, MaxSessionDuration, Tags]": ["First.", 3600, TAGS],
            "Role.PermissionsBoundary.PermissionsBoundaryArn": READ_ONLY,
            "[PolicyNames, AttachedPolicies]": [[], []],
        },
        update=(
            ("untag_role", {**ROLE, **UNTAG}),
            ("tag_role", {**ROLE, "Tags": NEW_TAGS}),
            ("update_assume_role_policy", {**ROLE, "PolicyDocument": trust(2)}),
            ("update_role_description", {**ROLE, "Description": "Second: <é>"}),
            ("update_role", {**ROLE, "MaxSessionDuration": 7200}),
            ("delete_role_permissions_boundary", ROLE),
        ),
        updated={
            "Role.AssumeRolePolicyDocument": json.loads(trust(2)),
            "Role.[Description, MaxSessionDuration, Tags]": ["Second: <é>", 7200, NEW_TAGS],
            "Role.PermissionsBoundary": None,
        },
        delete=(("list_instance_profiles_for_role", ROLE), ("delete_role", ROLE)),
    ),
    "role with all that can hang from one": Kind(
        create=(
            CREATE_ROLE,
            ("create_instance_profile", {"InstanceProfileName": "web"}),
            ("add_role_to_instance_profile", {"InstanceProfileName": "web", **ROLE}),
            ("put_role_policy", {**ROLE, **OWN, "PolicyDocument": document(1)}),
            ("attach_role_policy", {**ROLE, "PolicyArn": ADMIN}),
        ),
        reads=(("get_role", ROLE), ("list_role_policies", ROLE), ("list_attached_role_policies", ROLE)),
        created={"[PolicyNames, AttachedPolicies]": [["own"], [ADMIN_SHOWN]]},
        delete=(
            ("list_instance_profiles_for_role", ROLE),
            (
                "remove_role_from_instance_profile",
                {"InstanceProfileName": Told("InstanceProfiles[0].InstanceProfileName"), **ROLE},
            ),
            ("list_attached_role_policies", ROLE),
            ("detach_role_policy", {**ROLE, "PolicyArn": Told("AttachedPolicies[0].PolicyArn")}),
            ("list_role_policies", ROLE),
            ("delete_role_policy", {**ROLE, "PolicyName": Told("PolicyNames[0]")}),
            ("delete_role", ROLE),
        ),
    ),
    "service-linked role": Kind(
        create=(
            (
                "create_service_linked_role",
                {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "tf", "Description": "Scales."},
            ),
            ("tag_role", {"RoleName": Told("Role.RoleName"), "Tags": TAGS}),
        ),
        reads=(("get_role", {"RoleName": "AWSServiceRoleForAutoScaling_tf"}),),
        created={"Role.[Description, Tags]": ["Scales.", TAGS]},
        update=(
            ("untag_role", {"RoleName": Told("Role.RoleName"), **UNTAG}),
            ("tag_role", {"RoleName": Told("Role.RoleName"), "Tags": NEW_TAGS}),
            ("update_role", {"RoleName": Told("Role.RoleName"), "Description": "Scales more."}),
        ),
        updated={"Role.[Description, Tags]": ["Scales more.", NEW_TAGS]},
        delete=(
            ("delete_service_linked_role", {"RoleName": Told("Role.RoleName")}),
            ("get_service_linked_role_deletion_status", {"DeletionTaskId": Told("DeletionTaskId")}),
        ),
    ),
    "instance profile": Kind(
        needs=(
            CREATE_ROLE,
            ("create_role", {"RoleName": "other", "Path": "/x/", "AssumeRolePolicyDocument": trust(2)}),
        ),
        create=(
            ("create_instance_profile", {"InstanceProfileName": NAME, "Path": "/", "Tags": TAGS}),
            ("add_role_to_instance_profile", {"InstanceProfileName": NAME, **ROLE}),
        ),
        reads=(("get_instance_profile", {"InstanceProfileName": NAME}),),
        created={"InstanceProfile.[Roles[].RoleName, Tags]": [["tf"], TAGS]},
        update=(
            ("untag_instance_profile", {"InstanceProfileName": NAME, **UNTAG}),
            ("tag_instance_profile", {"InstanceProfileName": NAME, "Tags": NEW_TAGS}),
            ("remove_role_from_instance_profile", {"InstanceProfileName": NAME, **ROLE}),
            ("add_role_to_instance_profile", {"InstanceProfileName": NAME, "RoleName": "other"}),
        ),
        updated={"InstanceProfile.[Roles[].RoleName, Tags]": [["other"], NEW_TAGS]},
        delete=(
            ("remove_role_from_instance_profile", {"InstanceProfileName": NAME, "RoleName": "other"}),
            ("delete_instance_profile", {"InstanceProfileName": NAME}),
        ),
    ),
    "policy": Kind(
        create=(
            (
                "create_policy",
                {
                    "PolicyName": NAME,
                    "Path": "/x/",
                    "Description": "A policy.",
                    "PolicyDocument": document(1),
                    "Tags": TAGS,
                },
            ),
        ),
        reads=(
            ("get_policy", {"PolicyArn": Told("Policy.Arn")}),
            (
                "get_policy_version",
                {"PolicyArn": Told("Policy.Arn"), "VersionId": Told("Policy.DefaultVersionId")},
            ),
        ),
        created={
            "Policy.[Path, Description, Tags]": ["/x/", "A policy.", TAGS],
            "PolicyVersion.[VersionId, Document]": ["v1", json.loads(document(1))],
        },
        update=(
            ("untag_policy", {"PolicyArn": Told("Policy.Arn"), **UNTAG}),
            ("tag_policy", {"PolicyArn": Told("Policy.Arn"), "Tags": NEW_TAGS}),
            ("list_policy_versions", {"PolicyArn": Told("Policy.Arn")}),
            (
                "create_policy_version",
                {"PolicyArn": Told("Policy.Arn"), "PolicyDocument": document(2), "SetAsDefault": True},
            ),
        ),
        updated={
            "Policy.Tags": NEW_TAGS,
            "PolicyVersion.[VersionId, Document, IsDefaultVersion]": ["v2", json.loads(document(2)), True],
        },
        delete=(
            ("list_policy_versions", {"PolicyArn": Told("Policy.Arn")}),
            (
                "delete_policy_version",
                {
                    "PolicyArn": Told("Policy.Arn"),
                    "VersionId": Told("Versions[?!IsDefaultVersion] | [0].VersionId"),
                },
            ),
            ("delete_policy", {"PolicyArn": Told("Policy.Arn")}),
        ),
    ),
    "policy attachment to several": Kind(
        needs=(
            ("create_policy", {"PolicyName": "own", "PolicyDocument": document(1)}),
            CREATE_USER,
            CREATE_GROUP,
            CREATE_ROLE,
        ),
        create=(
            ("attach_role_policy", {**ROLE, "PolicyArn": Told("Policy.Arn")}),
            ("attach_user_policy", {**USER, "PolicyArn": Told("Policy.Arn")}),
        ),
        reads=(("list_entities_for_policy", {"PolicyArn": Told("Policy.Arn")}),),
        created={"[PolicyUsers[].UserName, PolicyGroups, PolicyRoles[].RoleName]": [["tf"], [], ["tf"]]},
        update=(
            ("attach_group_policy", {**GROUP, "PolicyArn": Told("Policy.Arn")}),
            ("detach_role_policy", {**ROLE, "PolicyArn": Told("Policy.Arn")}),
        ),
        updated={"[PolicyUsers[].UserName, PolicyGroups[].GroupName, PolicyRoles]": [["tf"], ["tf"], []]},
        delete=(
            ("detach_group_policy", {**GROUP, "PolicyArn": Told("Policy.Arn")}),
            ("detach_user_policy", {**USER, "PolicyArn": Told("Policy.Arn")}),
        ),
        gone={"[PolicyUsers, PolicyGroups, PolicyRoles]": [[], [], []]},
    ),
    **{
        f"{noun} policy attachment": Kind(
            needs=(creation,),
            create=((f"attach_{noun}_policy", {**named, "PolicyArn": ADMIN}),),
            reads=((f"list_attached_{noun}_policies", named),),
            created={"AttachedPolicies": [ADMIN_SHOWN]},
            update=(
                (f"detach_{noun}_policy", {**named, "PolicyArn": ADMIN}),
                (f"attach_{noun}_policy", {**named, "PolicyArn": READ_ONLY}),
            ),
            updated={"AttachedPolicies": [READ_ONLY_SHOWN]},
            delete=((f"detach_{noun}_policy", {**named, "PolicyArn": READ_ONLY}),),
            gone={"AttachedPolicies": []},
        )
        for noun, named, creation in (
            ("user", USER, CREATE_USER),
            ("group", GROUP, CREATE_GROUP),
            ("role", ROLE, CREATE_ROLE),
        )
    },
    **{
        f"inline policy of a {noun}": Kind(
            needs=(creation,),
            create=((f"put_{noun}_policy", {**named, **OWN, "PolicyDocument": document(1)}),),
            reads=((f"get_{noun}_policy", {**named, **OWN}), (f"list_{noun}_policies", named)),
            created={"PolicyDocument": json.loads(document(1)), "PolicyNames": ["own"]},
            update=((f"put_{noun}_policy", {**named, **OWN, "PolicyDocument": document(2)}),),
            updated={"PolicyDocument": json.loads(document(2)), "PolicyNames": ["own"]},
            delete=((f"delete_{noun}_policy", {**named, **OWN}),),
        )
        for noun, named, creation in (
            ("user", USER, CREATE_USER),
            ("group", GROUP, CREATE_GROUP),
            ("role", ROLE, CREATE_ROLE),
        )
    },
    "access key": Kind(
        needs=(CREATE_USER,),
        create=(("create_access_key", USER),),
        reads=(("list_access_keys", USER),),
        created={"AccessKeyMetadata[].Status": ["Active"]},
        update=(("update_access_key", {**USER, "AccessKeyId": Told("AccessKey.AccessKeyId"), "Status": "Inactive"}),),
        updated={"AccessKeyMetadata[].Status": ["Inactive"]},
        delete=(("delete_access_key", {**USER, "AccessKeyId": Told("AccessKey.AccessKeyId")}),),
        gone={"AccessKeyMetadata": []},
    ),
    "login profile": Kind(
        needs=(CREATE_USER,),
        create=(("create_login_profile", {**USER, "Password": "first-1-First", "PasswordResetRequired": True}),),
        reads=(("get_login_profile", USER),),
        created={"LoginProfile.PasswordResetRequired": True},
        delete=(("delete_login_profile", USER),),
    ),
    "SSH key": Kind(
        needs=(CREATE_USER,),
        create=(("upload_ssh_public_key", {**USER, "SSHPublicKeyBody": ssh_key(1)}),),
        reads=(
            (
                "get_ssh_public_key",
                {**USER, "SSHPublicKeyId": Told("SSHPublicKey.SSHPublicKeyId"), "Encoding": "SSH"},
            ),
        ),
        created={"SSHPublicKey.[SSHPublicKeyBody, Status]": [ssh_key(1), "Active"]},
        update=(
            (
                "update_ssh_public_key",
                {**USER, "SSHPublicKeyId": Told("SSHPublicKey.SSHPublicKeyId"), "Status": "Inactive"},
            ),
        ),
        updated={"SSHPublicKey.Status": "Inactive"},
        delete=(("delete_ssh_public_key", {**USER, "SSHPublicKeyId": Told("SSHPublicKey.SSHPublicKeyId")}),),
    ),
    "service-specific credential": Kind(
        needs=(CREATE_USER,),
        create=(("create_service_specific_credential", {**USER, "ServiceName": "codecommit.amazonaws.com"}),),
        reads=(("list_service_specific_credentials", {**USER, "ServiceName": "codecommit.amazonaws.com"}),),
        created={"ServiceSpecificCredentials[].Status": ["Active"]},
        update=(
            (
                "update_service_specific_credential",
                {
                    **USER,
                    "ServiceSpecificCredentialId": Told("ServiceSpecificCredential.ServiceSpecificCredentialId"),
                    "Status": "Inactive",
                },
            ),
        ),
        updated={"ServiceSpecificCredentials[].Status": ["Inactive"]},
        delete=(
            (
                "delete_service_specific_credential",
                {
                    **USER,
                    "ServiceSpecificCredentialId": Told("ServiceSpecificCredential.ServiceSpecificCredentialId"),
                },
            ),
        ),
        gone={"ServiceSpecificCredentials": []},
    ),
    "signing certificate": Kind(
        needs=(CREATE_USER,),
        create=(("upload_signing_certificate", {**USER, "CertificateBody": certificate(1)}),),
        reads=(("list_signing_certificates", USER),),
        created={"Certificates[].[CertificateBody, Status]": [[certificate(1), "Active"]]},
        update=(
            (
                "update_signing_certificate",
                {**USER, "CertificateId": Told("Certificate.CertificateId"), "Status": "Inactive"},
            ),
        ),
        updated={"Certificates[].Status": ["Inactive"]},
        delete=(("delete_signing_certificate", {**USER, "CertificateId": Told("Certificate.CertificateId")}),),
        gone={"Certificates": []},
    ),
    "virtual MFA device": Kind(
        create=(("create_virtual_mfa_device", {"VirtualMFADeviceName": NAME, "Path": "/x/", "Tags": TAGS}),),
        reads=(
            ("list_virtual_mfa_devices", {}),
            ("list_mfa_device_tags", {"SerialNumber": Told("VirtualMFADevice.SerialNumber")}),
        ),
        created={"VirtualMFADevices[].SerialNumber": [Told("VirtualMFADevice.SerialNumber")], "Tags": TAGS},
        update=(
            ("untag_mfa_device", {"SerialNumber": Told("VirtualMFADevice.SerialNumber"), **UNTAG}),
            ("tag_mfa_device", {"SerialNumber": Told("VirtualMFADevice.SerialNumber"), "Tags": NEW_TAGS}),
        ),
        updated={"Tags": NEW_TAGS},
        delete=(("delete_virtual_mfa_device", {"SerialNumber": Told("VirtualMFADevice.SerialNumber")}),),
        gone={"VirtualMFADevices": []},
    ),
    "server certificate": Kind(
        create=(
            (
                "upload_server_certificate",
                {
                    "ServerCertificateName": NAME,
                    "Path": "/cloudfront/",
                    "CertificateBody": certificate(1),
                    "PrivateKey": private_key(1),
                    "CertificateChain": authority("root", "root"),
                    "Tags": TAGS,
                },
            ),
        ),
        reads=(("get_server_certificate", {"ServerCertificateName": NAME}),),
        created={
            "ServerCertificate.CertificateBody": certificate(1).strip(),
            "ServerCertificate.CertificateChain": authority("root", "root").strip(),
            "ServerCertificate.Tags": TAGS,
        },
        update=(
            ("untag_server_certificate", {"ServerCertificateName": NAME, **UNTAG}),
            ("tag_server_certificate", {"ServerCertificateName": NAME, "Tags": NEW_TAGS}),
            (
                "update_server_certificate",
                {"ServerCertificateName": NAME, "NewServerCertificateName": "tf2", "NewPath": "/x/"},
            ),
        ),
        updated={
            "ServerCertificate.ServerCertificateMetadata.[ServerCertificateName, Path]": ["tf2", "/x/"],
            "ServerCertificate.Tags": NEW_TAGS,
        },
        new_name="tf2",
        delete=(("delete_server_certificate", {"ServerCertificateName": NAME}),),
    ),
    "SAML provider": Kind(
        create=(("create_saml_provider", {"Name": NAME, "SAMLMetadataDocument": metadata(1), "Tags": TAGS}),),
        reads=(("get_saml_provider", {"SAMLProviderArn": Told("SAMLProviderArn")}),),
        created={"[SAMLMetadataDocument, Tags]": [metadata(1), TAGS]},
        update=(
            ("untag_saml_provider", {"SAMLProviderArn": Told("SAMLProviderArn"), **UNTAG}),
            ("tag_saml_provider", {"SAMLProviderArn": Told("SAMLProviderArn"), "Tags": NEW_TAGS}),
            (
                "update_saml_provider",
                {"SAMLProviderArn": Told("SAMLProviderArn"), "SAMLMetadataDocument": metadata(2)},
            ),
        ),
        updated={"[SAMLMetadataDocument, Tags]": [metadata(2), NEW_TAGS]},
        delete=(("delete_saml_provider", {"SAMLProviderArn": Told("SAMLProviderArn")}),),
    ),
    "OpenID Connect provider": Kind(
        create=(
            (
                "create_open_id_connect_provider",
                {
                    "Url": "https://idp.example.com/realm",
                    "ClientIDList": ["app", "web"],
                    "ThumbprintList": ["a" * 40],
                    "Tags": TAGS,
                },
            ),
        ),
        reads=(("get_open_id_connect_provider", {"OpenIDConnectProviderArn": Told("OpenIDConnectProviderArn")}),),
        created={
            "[Url, Tags]": ["idp.example.com/realm", TAGS],
            "[ClientIDList, ThumbprintList]": [["app", "web"], ["a" * 40]],
        },
        update=(
            (
                "untag_open_id_connect_provider",
                {"OpenIDConnectProviderArn": Told("OpenIDConnectProviderArn"), **UNTAG},
            ),
            (
                "tag_open_id_connect_provider",
                {"OpenIDConnectProviderArn": Told("OpenIDConnectProviderArn"), "Tags": NEW_TAGS},
            ),
            (
                "update_open_id_connect_provider_thumbprint",
                {"OpenIDConnectProviderArn": Told("OpenIDConnectProviderArn"), "ThumbprintList": ["b" * 40]},
            ),
            (
                "add_client_id_to_open_id_connect_provider",
                {"OpenIDConnectProviderArn": Told("OpenIDConnectProviderArn"), "ClientID": "cli"},
            ),
            (
                "remove_client_id_from_open_id_connect_provider",
                {"OpenIDConnectProviderArn": Told("OpenIDConnectProviderArn"), "ClientID": "web"},
            ),
        ),
        updated={
            "Tags": NEW_TAGS,
            "[ClientIDList, ThumbprintList]": [["app", "cli"], ["b" * 40]],
        },
        delete=(("delete_open_id_connect_provider", {"OpenIDConnectProviderArn": Told("OpenIDConnectProviderArn")}),),
    ),
    "account alias": Kind(
        create=(("create_account_alias", {"AccountAlias": "acme"}),),
        reads=(("list_account_aliases", {}),),
        created={"AccountAliases": ["acme"]},
        update=(
            ("delete_account_alias", {"AccountAlias": "acme"}),
            ("create_account_alias", {"AccountAlias": "acme-prod"}),
        ),
        updated={"AccountAliases": ["acme-prod"]},
        delete=(("delete_account_alias", {"AccountAlias": "acme-prod"}),),
        gone={"AccountAliases": []},
    ),
    "password policy": Kind(
        create=(
            (
                "update_account_password_policy",
                {"MinimumPasswordLength": 12, "RequireNumbers": True, "AllowUsersToChangePassword": True},
            ),
        ),
        reads=(("get_account_password_policy", {}),),
        created={
            "PasswordPolicy.[MinimumPasswordLength, RequireNumbers, ExpirePasswords]": [12, True, False],
            "PasswordPolicy.MaxPasswordAge": None,
        },
        update=(
            (
                "update_account_password_policy",
                {"MinimumPasswordLength": 14, "MaxPasswordAge": 90, "PasswordReusePrevention": 5},
            ),
        ),
        updated={
            "PasswordPolicy.[MinimumPasswordLength, RequireNumbers, ExpirePasswords]": [14, False, True],
            "PasswordPolicy.[MaxPasswordAge, PasswordReusePrevention]": [90, 5],
        },
        delete=(("delete_account_password_policy", {}),),
    ),
    "preferences for the security token service": Kind(
        create=(("set_security_token_service_preferences", {"GlobalEndpointTokenVersion": "v2Token"}),),
        reads=(("get_account_summary", {}),),
        created={"SummaryMap.GlobalEndpointTokenVersion": 2},
        delete=(("set_security_token_service_preferences", {"GlobalEndpointTokenVersion": "v1Token"}),),
        gone={"SummaryMap.GlobalEndpointTokenVersion": 1},
        deleted_twice=True,
    ),
    "features for an organization": Kind(
        create=(("enable_organizations_root_credentials_management", {}),),
        reads=(("list_organizations_features", {}),),
        created={"EnabledFeatures": ["RootCredentialsManagement"]},
        update=(("enable_organizations_root_sessions", {}),),
        updated={"sort(EnabledFeatures)": ["RootCredentialsManagement", "RootSessions"]},
        delete=(
            ("disable_organizations_root_credentials_management", {}),
            ("disable_organizations_root_sessions", {}),
        ),
        gone={"EnabledFeatures": []},
        deleted_twice=True,
    ),
}


class Terraform:
    """Makes the calls, and keeps what the replies tell."""

    def __init__(self, iam: Any) -> None:
        self._iam = iam
        self.told: dict[str, Any] = {"Name": "tf"}

    def fill(self, value: Any) -> Any:
        """The value with what the replies told in its places."""
        match value:
            case Told(path):
                found = jmespath.search(path, self.told)
                assert found is not None, path
                return found
            case dict():
                return {key: self.fill(each) for key, each in value.items()}
            case list() | tuple():
                return [self.fill(each) for each in value]
        return value

    def make(self, call: Call) -> dict[str, Any]:
        """The answer, which is kept."""
        method, parameters = call
        answer = answered(self._iam, (method, self.fill(parameters)))
        self.told |= answer
        return answer

    def read(self, kind: Kind, expected: Mapping[str, Any]) -> tuple[list[Call], list[dict[str, Any]]]:
        """The reads as they were made, and their answers, which are as expected."""
        calls, answers = [], []
        for method, parameters in kind.reads:
            calls.append((method, self.fill(parameters)))
            answers.append(self.make(calls[-1]))
        check(answers, self.fill(dict(expected)))
        return calls, answers


def answered(iam: Any, call: Call) -> dict[str, Any]:
    """The answer without what is said of the request."""
    method, parameters = call
    answer: dict[str, Any] = getattr(iam, method)(**parameters)
    del answer["ResponseMetadata"]
    return answer


def check(answers: list[dict[str, Any]], expected: Mapping[str, Any]) -> None:
    merged = {key: value for answer in answers for key, value in answer.items()}
    assert {path: jmespath.search(path, merged) for path in expected} == expected


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_resource_as_terraform_manages_it(
    iam: Any, account: Account, client: Callable[..., Any], refused: Callable[..., Any], kind: Kind
) -> None:
    """Created, read back, updated, read back, deleted, read back: not there. Deleting it again says so.

    At the positions of then, it is read back as it was.
    """
    terraform = Terraform(iam)
    for call in (*kind.needs, *kind.create):
        terraform.make(call)
    before_update = account.events()[-1]["position"], *terraform.read(kind, kind.created)
    for call in kind.update:
        terraform.make(call)
    terraform.told["Name"] = kind.new_name
    before_deletion = account.events()[-1]["position"], *terraform.read(kind, kind.updated)
    for call in kind.delete:
        terraform.make(call)

    method, parameters = before_deletion[1][0]
    if kind.gone:
        check([answered(iam, (method, parameters))], kind.gone)
    else:
        assert refused(getattr(iam, method), **parameters)[:2] == (404, "NoSuchEntity")
    again = terraform.fill(next(call for call in reversed(kind.delete) if not call[0].startswith(("get_", "list_"))))
    if kind.deleted_twice:
        answered(iam, again)
    else:
        assert refused(getattr(iam, again[0]), **again[1])[:2] == (404, "NoSuchEntity")
    for position, calls, answers in (before_update, before_deletion):
        then = client(account, url=f"{account.server.url}/at/@{position}")
        assert [answered(then, call) for call in calls] == answers
