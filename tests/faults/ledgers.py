"""Ledgers for trials of the log alone: batches of rows as the writer makes them, and what a file kept of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Literal

from eventstore.chain import BrokenChain, follow
from eventstore.drafts import Command, Draft
from eventstore.log import LogError, all_heads, read_all
from eventstore.record import EMPTY, Actor, Head, Row
from eventstore.sqlite import SqliteLog

ACCOUNTS = ("111122223333", "222233334444", "333344445555")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACTOR = Actor(id="AIDAEXAMPLE", arn="arn:aws:iam::111122223333:user/alice")
CHARACTERS_MAX = 3_000  # of what a record tells
LARGE_BATCH = 600  # more than one INSERT takes

Found = Literal["sound", "lossy", "corrupt"]


class Ledgers:
    """Makes batches of rows, and knows how long each ledger was after each batch."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._heads: dict[str, Head] = {}
        self._seconds = 0
        self.rows: dict[str, list[Row]] = {account: [] for account in ACCOUNTS}
        self.lengths: list[dict[str, int]] = [{}]

    def batch(self) -> list[Row]:
        """The next batch, mostly small, once in a while larger than one INSERT."""
        size = LARGE_BATCH if self._chance.random() < 0.003 else self._chance.choice((1, 1, 1, 2, 5, 20, 60))
        taken = sorted(self._chance.choices(ACCOUNTS, k=size))
        batch: list[Row] = []
        for account in dict.fromkeys(taken):
            draft: Draft[None, object] = Draft(None, self._heads.get(account, EMPTY))
            for _ in range(taken.count(account)):
                self._add(draft, account)
            self._heads[account] = draft.head
            self.rows[account] += draft.rows
            batch += draft.rows
        self.lengths.append({account: head.position for account, head in self._heads.items()})
        return batch

    def _add(self, draft: Draft[None, object], account: str) -> None:
        self._seconds += 1
        command: Command[None, object] = Command(
            account=account,
            action="Tell",
            decide=lambda state, at: (),
            parameters={},
            actor=ACTOR,
            command_id=f"{self._chance.getrandbits(64):016x}",
        )
        event = {"type": "Told", "what": self._chance.randbytes(self._chance.randrange(CHARACTERS_MAX) // 2).hex()}
        draft.put(draft.record(command, START + timedelta(seconds=self._seconds), "changed", event))

    async def examine(self, path: Path, acknowledged: int) -> Found:
        """What the real log finds in a file that must hold so many batches, and may hold the one after them, whole.

        A file that is sound takes another record.
        """
        try:
            async with await SqliteLog.open(path) as log:
                return await self._examine(log, acknowledged)
        except (LogError, BrokenChain):
            return "corrupt"

    async def _examine(self, log: SqliteLog, acknowledged: int) -> Found:
        lengths: dict[str, int] = {}
        async for account, _ in all_heads(log):
            head, rows = EMPTY, [row async for row in read_all(log, account)]
            for row in rows:
                head = follow(head, row)
            lengths[account] = head.position
            if rows != self.rows[account][: len(rows)]:
                return "corrupt"
        if lengths not in self.lengths:
            return "corrupt"
        if lengths not in self.lengths[acknowledged : acknowledged + 2]:
            return "lossy"
        draft: Draft[None, object] = Draft(None, await log.head(ACCOUNTS[0]))
        self._add(draft, ACCOUNTS[0])
        await log.append(draft.rows)
        return "sound"
