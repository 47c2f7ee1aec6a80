"""The table of actions: what is handled by what. An action of AWS's model that is not here answers 501.

Each module has the rows of one noun, and makes their replies: what AWS leaves out of which reply is decided there and
nowhere else.
"""

from collections.abc import Mapping

from api.actions import attached_policies, boundaries, groups, inline_policies, policies, users
from api.actions.action import Action, Listing, Read, Write

__all__ = ["IAM", "Action", "Listing", "Read", "Write"]

IAM: Mapping[str, Action] = {
    **users.ACTIONS,
    **groups.ACTIONS,
    **attached_policies.ACTIONS,
    **inline_policies.ACTIONS,
    **boundaries.ACTIONS,
    **policies.ACTIONS,
}
