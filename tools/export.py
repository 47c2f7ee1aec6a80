"""`iam-ledger export`: records on standard output, for other tools, as many as there are.

What is exported is what was recorded when the export began. A record whose bytes do not have its hash ends it; the
chain is not checked: that is what `verify` is for.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping

import msgspec

from api.instants import Instant, parse_instant
from eventstore.log import Log, all_heads
from eventstore.record import Row, microseconds, open_envelope
from iam.errors import IamError, ValidationError
from iam.policies import AWS
from projections.records import UnknownEvent, read_record
from projections.rows import COLUMNS, csv_line, row_of
from tools.cloudtrail import cloudtrail_record
from tools.failure import Failure
from tools.progress import Progress
from tools.reading import StoredLog

RECORDS_PER_PAGE = 1000

_encode = msgspec.json.Encoder().encode


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """How records are written: each as `text`, what stands before, between and behind them."""

    text: Callable[[Row], bytes]
    before: bytes = b""
    between: bytes = b""
    behind: bytes = b""


FORMATS: Mapping[str, Format] = {
    "jsonl": Format(text=lambda row: row.record + b"\n"),
    "csv": Format(
        text=lambda row: csv_line(row_of(open_envelope(row))).encode(),
        before=csv_line(COLUMNS).encode(),
    ),
    "cloudtrail": Format(
        text=lambda row: _encode(cloudtrail_record(read_record(row.record))),
        before=b'{"Records":[\n',
        between=b",\n",
        behind=b"\n]}\n",
    ),
}


class Span(msgspec.Struct, frozen=True):
    """A part of one ledger: the records behind a position, up to another one."""

    account: str
    after: int
    until: int


def run(options: argparse.Namespace) -> int:
    """Write the records that the flags choose, in order of account and position."""
    log = StoredLog(options.data)
    since, until = _bound(options, "from"), _bound(options, "to")
    with log.damage_is_told():
        spans = log.ask(lambda opened: _spans(opened, options.account, since, until))
    if options.account and not spans:
        raise Failure(f"account {options.account} has no records")
    if options.format == "cloudtrail":
        spans = [span for span in spans if span.account != AWS]  # what happens there is no call of AWS
    with Progress(sum(span.until - span.after for span in spans)) as progress:
        try:
            _write(FORMATS[options.format], _rows(log, spans), progress)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(f"cannot write: {error.strerror}") from error
    return 0


def _bound(options: argparse.Namespace, name: str) -> Instant | None:
    text = getattr(options, name)
    try:
        bound = None if text is None else parse_instant(text, f"--{name}")
    except ValidationError as error:
        raise Failure(error.message) from error
    if bound is not None and bound.position is not None and not options.account:
        raise Failure(f"--{name}: {text} is a position in the ledger of one account, which --account must name")
    return bound


async def _spans(log: Log, account: str | None, since: Instant | None, until: Instant | None) -> list[Span]:
    """What was recorded between two instants, both inclusive: of one account that has records, or, unnamed, of all."""
    if not account:
        heads = [(each, head.position) async for each, head in all_heads(log)]
    else:
        heads = [(account, head)] if (head := (await log.head(account)).position) else []
    spans = []
    for each, head in heads:
        after = 0 if since is None else await _last(log, each, since, before=1)
        last = head if until is None else min(head, await _last(log, each, until, before=0))
        spans.append(Span(each, after, max(after, last)))
    return spans


async def _last(log: Log, account: str, bound: Instant, before: int) -> int:
    """The last position at or before the bound, less `before` positions or microseconds. It may lie ahead."""
    if bound.at is None:
        return max(0, (bound.position or 0) - before)
    return await log.position_at(account, microseconds(bound.at) - before)


def _rows(log: StoredLog, spans: list[Span]) -> Iterator[Row]:
    """The rows of the spans, read page by page."""
    for span in spans:
        after = span.after
        while after < span.until:
            with log.damage_is_told():
                rows = log.ask(_page(span.account, after, min(RECORDS_PER_PAGE, span.until - after)))
                if not rows:
                    raise LookupError(f"record {after + 1} of ledger {span.account} is missing")
            yield from rows
            after = rows[-1].position


def _page(account: str, after: int, limit: int) -> Callable[[Log], Awaitable[list[Row]]]:
    return lambda log: log.read(account, after, limit)


def _write(format: Format, rows: Iterator[Row], progress: Progress) -> None:
    write = sys.stdout.buffer.write
    write(format.before)
    for done, row in enumerate(rows):
        if done:
            write(format.between)
        write(_text(format, row))
        progress(done)
    write(format.behind)
    sys.stdout.buffer.flush()


def _text(format: Format, row: Row) -> bytes:
    place = f"ledger {row.account}, record {row.position}"
    try:
        return format.text(row)
    except UnknownEvent as error:
        raise Failure(f"{error}; a newer version of this program may know it") from error
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, IamError) as error:
        raise Failure(f"{place} is damaged, see `iam-ledger verify`: {error}") from error
