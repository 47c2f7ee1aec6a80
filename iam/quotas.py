"""IAM's quotas, each with AWS's default. The operator may set any of them."""

import re
from collections.abc import Iterable

import msgspec


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one account. AWS's own name of `policies_per_user` is PoliciesPerUser, and so on."""

    users_per_account: int = 5000
    groups_per_account: int = 300
    roles_per_account: int = 1000
    instance_profiles_per_account: int = 1000
    policies_per_account: int = 1500
    policies_per_user: int = 10
    policies_per_group: int = 10
    policies_per_role: int = 10
    groups_per_user: int = 10
    access_keys_per_user: int = 2
    service_specific_credentials_per_user: int = 2  # for each service
    mfa_devices_per_user: int = 8
    certificates_per_user: int = 2  # signing certificates
    ssh_public_keys_per_user: int = 5
    server_certificates_per_account: int = 20
    saml_providers_per_account: int = 100
    open_id_connect_providers_per_account: int = 100
    client_ids_per_open_id_connect_provider: int = 100
    versions_per_policy: int = 5
    policy_size: int = 6144  # characters of a managed policy's version, white space not counted
    user_policy_size: int = 2048  # characters of all inline policies of a user, white space not counted
    group_policy_size: int = 5120
    role_policy_size: int = 10240
    assume_role_policy_size: int = 2048  # characters of a trust policy, white space not counted
    tags_per_resource: int = 50

    def policies_per(self, noun: str) -> int:
        """How many managed policies may be attached to one user, group or role."""
        quota: int = getattr(self, f"policies_per_{noun}")
        return quota

    def inline_size(self, noun: str) -> int:
        """How many characters all inline policies of one user, group or role may have, white space not counted."""
        quota: int = getattr(self, f"{noun}_policy_size")
        return quota


def parse_quotas(settings: Iterable[str]) -> Quotas:
    """Read `Name=number` settings such as `PoliciesPerUser=20`. Raises ValueError that names the wrong one."""
    values: dict[str, int] = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        field = re.sub(r"(?<!^)(?=[A-Z])", "_", name.strip()).lower()
        if field not in Quotas.__struct_fields__:
            known = ", ".join(field.title().replace("_", "") for field in Quotas.__struct_fields__)
            raise ValueError(f"there is no quota `{name}`; the quotas are {known}")
        if not number.strip().isdecimal():
            raise ValueError(f"quota `{setting}`: give a whole number, as in {name}=20")
        values[field] = int(number)
    return Quotas(**values)
