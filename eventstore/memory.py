"""The contract in its simplest form: the reference for other backends, and a log for tests and `memory:`."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from eventstore.log import DuplicateCommand, WrongPosition
from eventstore.record import EMPTY, Head, Row, head_of


class MemoryLog:
    """Ledgers in lists. Everything is forgotten with the process."""

    def __init__(self) -> None:
        self._ledgers: defaultdict[str, list[Row]] = defaultdict(list)
        self._commands: dict[tuple[str, str], int] = {}  # → position of the command's first row

    async def append(self, rows: Sequence[Row]) -> None:
        """See Log.append; there is no disk here."""
        heads: dict[str, int] = {}
        for row in rows:
            head = heads.get(row.account, len(self._ledgers.get(row.account, ())))
            if row.position != head + 1:
                raise WrongPosition(f"ledger {row.account} is at {head}, not {row.position - 1}")
            heads[row.account] = row.position
        if repeated := {(row.account, row.command_id) for row in rows} & self._commands.keys():
            raise DuplicateCommand(repeated)
        for row in rows:
            self._ledgers[row.account].append(row)
            self._commands.setdefault((row.account, row.command_id), row.position)

    async def read(self, account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        """See Log.read."""
        return self._ledgers.get(account, [])[after : after + limit]

    async def get(self, account: str, positions: Sequence[int]) -> list[Row]:
        """See Log.get."""
        rows = self._ledgers.get(account, [])
        return [rows[position - 1] for position in sorted(positions) if 0 < position <= len(rows)]

    async def find(self, account: str, command_id: str) -> list[Row]:
        """See Log.find."""
        first = self._commands.get((account, command_id))
        if first is None:
            return []
        found = []
        for row in self._ledgers[account][first - 1 :]:
            if row.command_id != command_id:
                break
            found.append(row)
        return found

    async def head(self, account: str) -> Head:
        """See Log.head."""
        rows = self._ledgers.get(account)
        return head_of(rows[-1]) if rows else EMPTY

    async def position_at(self, account: str, recorded_at: int) -> int:
        """See Log.position_at."""
        return bisect_right(self._ledgers.get(account, []), recorded_at, key=lambda row: row.recorded_at)

    async def heads(self, after: str = "", limit: int = 1000) -> list[tuple[str, Head]]:
        """See Log.heads."""
        accounts = sorted(account for account in self._ledgers if account > after)[:limit]
        return [(account, head_of(self._ledgers[account][-1])) for account in accounts]

    async def reopen(self) -> None:
        """Nothing to let go of."""

    async def close(self) -> None:
        """Nothing to release."""
