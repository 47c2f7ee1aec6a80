"""Which account issued which access key, also those that were deleted since."""

import sqlite3

from iam import relations as r
from iam.access_keys import ID_PREFIX

# CROSS: from each account to its secrets, by the indexes.
_ISSUED = """
    SELECT entry.member, things.account FROM checkpoints
    CROSS JOIN things ON things.account = checkpoints.account AND things.kind = ?1 AND things.name = ''
    CROSS JOIN {entries} entry ON entry.owner = things.id
    WHERE entry.member GLOB ?2
"""


def issued_keys(connection: sqlite3.Connection) -> dict[str, str]:
    """Every access key id that an event ever told of, and its account."""
    asked = (r.SECRETS.name, f"{ID_PREFIX}*")
    return {
        key: account
        for entries in ("past_entries", "current_entries")
        for key, account in connection.execute(_ISSUED.format(entries=entries), asked)
    }
