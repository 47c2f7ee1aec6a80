"""Where times and positions meet: the records of a ledger as far as the projections know them."""

import sqlite3

from eventstore.record import Point


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
    sql = "SELECT position FROM event_rows WHERE account = ? AND recorded_at <= ? ORDER BY recorded_at DESC LIMIT 1"
    row = connection.execute(sql, (account, recorded_at)).fetchone()
    return int(row[0]) if row else 0
