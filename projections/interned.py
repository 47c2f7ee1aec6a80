"""Values that come again and again, each stored once in a table of its own and known by a number elsewhere."""

import sqlite3
from itertools import count

VALUES_REMEMBERED = 500_000

Values = tuple[str, ...]
Row = tuple[int | str, ...]  # a number and its values


class InternedTable:
    """One such table, as the one who writes sees it. After a rollback, make a new one."""

    def __init__(self, connection: sqlite3.Connection, table: str, columns: Values) -> None:
        self._connection = connection
        self._select = f"SELECT id FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in columns)}"
        [(last,)] = connection.execute(f"SELECT max(id) FROM {table}")
        self._numbers = count((last or 0) + 1)
        self._new: list[Row] = []
        self.name = table
        self.was_empty = last is None
        self.remembered = 0  # values

    def begin(self) -> list[Row]:
        """The rows of all values that get a number from now on. They are to be written before any is looked up."""
        self._new = []
        return self._new

    def find(self, values: Values) -> int | None:
        """The number that the table has for them."""
        found: tuple[int] | None = self._connection.execute(self._select, values).fetchone()
        return None if found is None else found[0]

    def add(self, values: Values) -> int:
        """A number for values that have none."""
        number = next(self._numbers)
        self._new.append((number, *values))
        return number


class Interned(dict[Values, int]):
    """Numbers of such a table that are remembered: values get theirs by being looked up.

    All values begin with those of `within`. `whole` says that none of them has a number that is not remembered.
    """

    __slots__ = ("_table", "_within", "whole")

    def __init__(self, table: InternedTable, within: Values = (), *, whole: bool) -> None:
        self._table = table
        self._within = within
        self.whole = whole

    def __missing__(self, values: Values) -> int:
        every = (*self._within, *values)
        number = None if self.whole else self._table.find(every)
        if number is None:
            number = self._table.add(every)
        self._table.remembered += 1
        self[values] = number
        return number
