"""Attempts that repeat are counted, not stored, so that no flood of calls that change nothing can fill the disk.

An attempt is a record whose outcome is not `changed`. Its principal is the account and the actor's id. What follows
the first attempt of a principal within a minute is its window. In a window

- the first of identical attempts is a record, the others are counted: identical are the same request, outcome and
  code, from the same address and user agent;
- beyond 60 distinct ones, those with the same action, outcome and code are counted together.

When the window ends, each of its counts becomes one record. So a principal costs at most 60 records and 60 counts a
minute, and one of each for every action, outcome and code that the program has; callers cannot invent these.
Memory holds no more than that for a thousand principals: further ones end the oldest windows early.
"""

from collections import OrderedDict
from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from eventstore.record import Attempt, Record, timed_id

E = TypeVar("E")

WINDOW = timedelta(minutes=1)
DISTINCT_MAX = 60
PRINCIPALS_MAX = 1_000
SUMMARIES_KEPT_MAX = 10_000  # that could not be written; beyond these the oldest are forgotten

_WHENCE = ("source_ip", "user_agent", "request_id")
_KEPT = ("", "")  # stands for a principal: its window holds the summaries that could not be written
_canonical = msgspec.json.Encoder(order="sorted").encode

Key = tuple[Any, ...]


class _Tried(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """The record of an attempt, and how many more there were: the first and the last of these as they came."""

    first: Record[E]
    repeated: int = 0
    since: datetime | None = None
    last: Record[E] | None = None


class _Window(Generic[E]):
    """A minute of one principal."""

    __slots__ = ("since", "summaries", "tried")

    def __init__(self, since: datetime) -> None:
        self.since = since
        self.tried: dict[Key, _Tried[E]] = {}
        self.summaries: list[Record[E]] = []


class Attempts(Generic[E]):
    """The attempts of the last minute. Those noted since the last `commit` are undone by `rollback`."""

    def __init__(self) -> None:
        self._windows: OrderedDict[tuple[str, str], _Window[E]] = OrderedDict()  # as they began
        self._undo: list[tuple[MutableMapping[Any, Any], Key, object]] = []

    def __bool__(self) -> bool:
        """Whether any window is open."""
        return bool(self._windows)

    def note(self, record: Record[E], now: datetime) -> Record[E]:
        """The record that stands for this attempt: itself, to be written, or an earlier one, and then it is counted.

        Raises what the encoder raises for parameters that are no JSON.
        """
        attempt = _attempt_of(record)
        kind = (record.action, record.outcome, attempt.code)
        asked = record.request_digest or _canonical(attempt.parameters)
        key: Key = (*kind, asked, record.source_ip, record.user_agent)
        principal = (record.account, record.actor.id)
        window = self._windows.get(principal)
        if window is None:
            window = _Window(now)
            self._set(self._windows, principal, window)
        if key not in window.tried and len(window.tried) >= DISTINCT_MAX:
            key = kind
        tried = window.tried.get(key)
        if tried is None:
            self._set(window.tried, key, _Tried(record))
            return record
        since = tried.since or record.effective_at
        last = record if key != kind or tried.last is None else _together(tried.last, record)
        self._set(window.tried, key, _Tried(tried.first, tried.repeated + 1, since, last))
        return tried.first

    def commit(self) -> None:
        """All that was noted is durable, or was decided on what is."""
        self._undo.clear()

    def rollback(self) -> None:
        """What was noted since the last commit did not happen."""
        while self._undo:
            mapping, key, before = self._undo.pop()
            if before is None:
                del mapping[key]
            else:
                mapping[key] = before

    def seconds_left(self, now: datetime) -> float | None:
        """Until the next window ends, 0 when that is over; None when none is open."""
        if not self._windows:
            return None
        oldest = next(iter(self._windows.values()))
        if len(self._windows) > PRINCIPALS_MAX or now < oldest.since:  # the clock was set back
            return 0.0
        return max(0.0, (oldest.since + WINDOW - now).total_seconds())

    def end(self, now: datetime | None = None) -> list[Record[E]]:
        """Close the windows that have ended, or all, and hand out what they counted.

        The summaries are not written yet: position, id, times and `previous` in them are those of the last attempt
        that each has counted. Only between a commit or rollback and the next note.
        """
        summaries: list[Record[E]] = []
        while self._windows and (now is None or self.seconds_left(now) == 0):
            _, window = self._windows.popitem(last=False)
            summaries += window.summaries
            for key, tried in window.tried.items():
                if tried.last is not None:
                    summaries.append(_summary(tried, tried.last, identical=len(key) > 3))
        return summaries

    def keep(self, summary: Record[E], now: datetime) -> None:
        """It could not be written, as far as is known: `end` hands it out again in a minute, with the same ids."""
        window = self._windows.setdefault(_KEPT, _Window(now))
        window.summaries.append(summary)
        del window.summaries[:-SUMMARIES_KEPT_MAX]

    def _set(self, mapping: MutableMapping[Any, Any], key: Key, value: object) -> None:
        self._undo.append((mapping, key, mapping.get(key)))
        mapping[key] = value


def _summary(tried: _Tried[E], last: Record[E], identical: bool) -> Record[E]:
    attempt = _attempt_of(last)
    return msgspec.structs.replace(
        last,
        attempt=Attempt(
            type="AttemptsRepeated",
            parameters=attempt.parameters if identical else {},
            code=attempt.code,
            message=attempt.message if identical else None,
            repeated=tried.repeated,
            since=tried.since,
            until=last.effective_at,
        ),
        command_id=f"attempts-{timed_id(last.recorded_at)}",
        request_digest="",
        restored_from=None,
    )


def _together(before: Record[E], last: Record[E]) -> Record[E]:
    """The last of different attempts, without that of where they came from in which they differ."""
    differing = {field: "" for field in _WHENCE if getattr(before, field) != getattr(last, field)}
    return msgspec.structs.replace(last, **differing) if differing else last


def _attempt_of(record: Record[Any]) -> Attempt:
    assert record.attempt is not None, "a record that changed nothing has its attempt"
    return record.attempt
