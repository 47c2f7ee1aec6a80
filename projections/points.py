"""Where times and positions meet: the records of a ledger as far as the projections know them."""

import sqlite3

from eventstore.record import Point

# Times increase with positions: the answer is at `low` or above, and at `high` or below, until they meet.
_AT_TIME = """
    WITH RECURSIVE span (low, high) AS (
        SELECT 0, coalesce(max(position), 0) FROM event_rows WHERE account = ?1
        UNION ALL
        SELECT iif(recorded_at <= ?2, position, low), iif(recorded_at <= ?2, high, position - 1)
        FROM span CROSS JOIN event_rows ON account = ?1 AND position = (low + high + 1) / 2
        WHERE low < high
    )
    SELECT max(low) FROM span
"""


def last_point(connection: sqlite3.Connection, account: str) -> Point:
    """The last record that is known."""
    sql = "SELECT position, recorded_at FROM event_rows WHERE account = ? ORDER BY position DESC LIMIT 1"
    row = connection.execute(sql, (account,)).fetchone()
    return Point(*row) if row else Point()


def point_at(connection: sqlite3.Connection, account: str, position: int) -> Point | None:
    """The record at a position; 0 is before the first. None where there is none."""
    sql = "SELECT position, recorded_at FROM event_rows WHERE account = ? AND position = ?"
    row = connection.execute(sql, (account, position)).fetchone()
    return Point(*row) if row else None if position else Point()


def position_at(connection: sqlite3.Connection, account: str, recorded_at: int) -> int:
    """The last position recorded at or before the time (microseconds since 1970), 0 for none."""
    [(position,)] = connection.execute(_AT_TIME, (account, recorded_at))
    return int(position)
