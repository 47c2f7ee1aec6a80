"""The table of actions: what is handled by what. An action of AWS's model that is not here answers 501.

Each module has the rows of one noun, and makes their replies: what AWS leaves out of which reply is decided there and
nowhere else.
"""

from collections.abc import Mapping

from api.actions import (
    access_keys,
    attached_policies,
    boundaries,
    credential_report,
    groups,
    inline_policies,
    instance_profiles,
    login_profiles,
    policies,
    roles,
    service_credentials,
    service_linked_roles,
    users,
)
from api.actions.action import Action, Listing, Read, Report, Start, Write

__all__ = ["IAM", "Action", "Listing", "Read", "Report", "Start", "Write"]

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
}
