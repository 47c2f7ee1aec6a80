"""The uses of access keys. They are no part of an account's state: no record tells of them, so they have no past."""

from datetime import datetime
from typing import Annotated, Final

import msgspec

NONE: Final = "N/A"
"""AWS's word for a region or service of which nothing is known."""


class Use(msgspec.Struct, frozen=True, gc=False):
    """A request that an access key let in: when it came, and which region and service it was signed for."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    region: str = NONE
    service: str = NONE
