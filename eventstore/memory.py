"""The contract in its simplest form: the reference for other backends, and a log for tests and `memory:`."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence

from eventstore.log import DuplicateCommand, WrongPosition
from eventstore.record import EMPTY, Head, Row, head_of


class MemoryLog:
    """Ledgers in lists. Everything is forgotten with the process."""

    path = None

    def __init__(self) -> None:
        self._ledgers: defaultdict[str, list[Row]] = defaultdict(list)
        self._commands: defaultdict[tuple[str, str], dict[int, Row]] = defaultdict(dict)  # by command index

    async def append(self, rows: Sequence[Row]) -> None:
        """See Log.append; there is no disk here."""
        heads: dict[str, Head] = {}
        for row in rows:
            head = heads.get(row.account) or await self.head(row.account)
            if row.position != head.position + 1:
                raise WrongPosition(f"ledger {row.account} is at {head.position}, not {row.position - 1}")
            if row.recorded_at <= head.recorded_at:
                raise WrongPosition(f"ledger {row.account}, record {row.position}: not later than the one before")
            heads[row.account] = head_of(row)
        commands = Counter((row.account, row.command_id, row.command_index) for row in rows)
        if repeated := {key[:2] for key, times in commands.items() if times > 1 or key[:2] in self._commands}:
            raise DuplicateCommand(repeated)
        for row in rows:
            self._ledgers[row.account].append(row)
            self._commands[row.account, row.command_id][row.command_index] = row

    async def read(self, account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        """See Log.read."""
        return self._ledgers.get(account, [])[after : after + limit]

    async def get(self, account: str, positions: Sequence[int]) -> list[Row]:
        """See Log.get."""
        rows = self._ledgers.get(account, [])
        return [rows[position - 1] for position in sorted(set(positions)) if 0 < position <= len(rows)]

    async def stored(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
        """See Log.stored."""
        return [row.record for row in self._ledgers.get(account, [])[after : after + limit]]

    async def hashes(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
        """See Log.hashes."""
        return [row.hash for row in self._ledgers.get(account, [])[after : after + limit]]

    async def find(self, account: str, command_id: str) -> list[Row]:
        """See Log.find."""
        found = self._commands.get((account, command_id), {})
        return [found[index] for index in sorted(found)]

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

    async def check(self) -> None:
        """There is always room."""

    async def reopen(self) -> None:
        """Nothing to let go of."""

    async def close(self) -> None:
        """Nothing to release."""
