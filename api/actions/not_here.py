"""The operations of AWS's model that this service does not have, and why. They answer 501 with the reason."""

from collections.abc import Mapping
from typing import Final

_DELEGATION = (
    "Delegation requests come from AWS's product partners, who are registered with AWS, and end in tokens that AWS "
    "sends to them."
)
_TEMPLATES = "AWS keeps the role templates, and publishes neither them nor what they make."
_ACCESS_REPORT = "It reports on the accounts and policies of an organization, and there is no AWS Organizations here."
_SIMULATION = "Policies are kept and shown here, but not evaluated yet."

NOT_HERE: Final[Mapping[str, str]] = {
    "AcceptDelegationRequest": _DELEGATION,
    "AcquireRole": _TEMPLATES,
    "AssociateDelegationRequest": _DELEGATION,
    "CreateDelegationRequest": _DELEGATION,
    "GenerateOrganizationsAccessReport": _ACCESS_REPORT,
    "GetDelegationRequest": _DELEGATION,
    "GetHumanReadableSummary": "AWS has a language model write the summary of a delegation request.",
    "GetOrganizationsAccessReport": _ACCESS_REPORT,
    "GetRoleTemplateVersion": _TEMPLATES,
    "ListDelegationRequests": _DELEGATION,
    "RejectDelegationRequest": _DELEGATION,
    "SendDelegationToken": _DELEGATION,
    "SimulateCustomPolicy": _SIMULATION,
    "SimulatePrincipalPolicy": _SIMULATION,
    "UpdateDelegationRequest": _DELEGATION,
}


def why_not_here(operation: str) -> str:
    """Why the service does not have the operation; a newer model than this program knows may have more of them."""
    return NOT_HERE.get(operation, "It is newer than this program.")
