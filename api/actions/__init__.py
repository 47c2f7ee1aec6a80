"""The table of actions: what is handled by what. An action of AWS's model that is not in it answers 501;
NOT_HERE says why.

Each module has the rows of one noun, and makes their replies: what AWS leaves out of which reply is decided there and
nowhere else.
"""

from collections.abc import Mapping

from api.actions import (
    access,
    access_keys,
    account,
    attached_policies,
    authorization_details,
    boundaries,
    credential_report,
    groups,
    inline_policies,
    instance_profiles,
    login_profiles,
    mfa_devices,
    open_id_connect_providers,
    policies,
    roles,
    saml_providers,
    server_certificates,
    service_credentials,
    service_linked_roles,
    signing_certificates,
    ssh_public_keys,
    users,
)
from api.actions.action import Action, Listing, Read, Report, Start, Write
from api.actions.not_here import NOT_HERE, why_not_here

__all__ = ["IAM", "NOT_HERE", "Action", "Listing", "Read", "Report", "Start", "Write", "why_not_here"]

IAM: Mapping[str, Action] = {
    **users.ACTIONS,
    **access_keys.ACTIONS,
    **login_profiles.ACTIONS,
    **service_credentials.ACTIONS,
    **credential_report.ACTIONS,
    **groups.ACTIONS,
    **roles.ACTIONS,
    **service_linked_roles.ACTIONS,
    **instance_profiles.ACTIONS,
    **attached_policies.ACTIONS,
    **inline_policies.ACTIONS,
    **boundaries.ACTIONS,
    **policies.ACTIONS,
    **mfa_devices.ACTIONS,
    **saml_providers.ACTIONS,
    **open_id_connect_providers.ACTIONS,
    **server_certificates.ACTIONS,
    **signing_certificates.ACTIONS,
    **ssh_public_keys.ACTIONS,
    **account.ACTIONS,
    **authorization_details.ACTIONS,
    **access.ACTIONS,
}
