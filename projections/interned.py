"""Values that come again and again, each stored once in a table of its own and known by a number elsewhere."""

import sqlite3

VALUES_REMEMBERED = 500_000


class Interned(dict[tuple[str, ...], int]):
    """One such table, as the one who writes sees it: values that have no number yet get one by being looked up.

    After a rollback, make a new one.
    """

    def __init__(self, connection: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> None:
        self._connection = connection
        places = ", ".join("?" * len(columns))
        self._insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({places})"
        known = " AND ".join(f"{column} = ?" for column in columns)
        self._select = f"SELECT id FROM {table} WHERE {known}"

    def __missing__(self, values: tuple[str, ...]) -> int:
        if len(self) >= VALUES_REMEMBERED:
            self.clear()
        inserted = self._connection.execute(self._insert, values)
        number: int | None = inserted.lastrowid
        if not inserted.rowcount:
            [(number,)] = self._connection.execute(self._select, values)
        assert number is not None  # an INSERT has a row id
        self[values] = number
        return number
