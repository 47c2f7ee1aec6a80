"""`iam-ledger verify`: is every ledger whole, does it continue a checkpoint, do projections and secrets fit it?"""

import argparse
import os
import time
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import msgspec

from eventstore import notes
from eventstore.notes import BadNote, PublicKey, TreeHead
from eventstore.record import from_microseconds
from iam.state import World
from tools.auditing import Continuity, Finding, Report, audit
from tools.data import DataFolder, catalogue
from tools.failure import Failure
from tools.opening import Opened, opening
from tools.trees import Continuation
from tools.undisturbed import read_undisturbed

BYTES_MAX = 1024 * 1024  # of a file with a checkpoint or a key
CUT_TAIL = (
    "Records cut off the end of a ledger leave no trace in it, nor does a ledger that was removed or written anew: "
    "compare its head with one that was kept elsewhere."
)
BEYOND = "Of what was recorded since, and of other ledgers, the checkpoint says nothing."
OWN_KEY = (
    "The signature was checked with this service's own key, and whoever has that can sign anything: give --public-key."
)


class _Kept(msgspec.Struct):
    """The part of an answer of `/v1/checkpoint` that is the note."""

    checkpoint: str


class _Answer(msgspec.Struct):
    data: _Kept


def run(options: argparse.Namespace) -> int:
    """Audit the data folder and say what was found. The exit status is 1 if anything is wrong."""
    folder = DataFolder(options.data)
    folder.must_exist()
    checkpoint = None if options.checkpoint is None else _Checkpoint(options, folder)
    if checkpoint is None and options.public_key is not None:
        raise Failure("--public-key is for the signature of a --checkpoint, and there is none")
    world = World(catalogue())
    began = time.perf_counter()

    def read(at_rest: Mapping[Path, bool]) -> Report:
        continuation = None if checkpoint is None else Continuation(checkpoint.head)
        with opening(folder, at_rest=at_rest[folder.secrets]) as secrets:
            report = audit(folder.ledger, folder.projections, at_rest, world, secrets, continuation)
        if checkpoint is not None and continuation is not None:
            report.checkpoint = checkpoint.held(continuation)
        return report

    report = read_undisturbed([folder.ledger, folder.projections, folder.secrets], read)
    report.seconds = time.perf_counter() - began
    print(_json(report) if options.json else _text(report))
    return 0 if report.sound else 1


class _Checkpoint:
    """A checkpoint that somebody kept, and whether its signature is right. Raises Failure where it cannot be read."""

    def __init__(self, options: argparse.Namespace, folder: DataFolder) -> None:
        note = _note(options.checkpoint)
        try:
            self.head: TreeHead = notes.read(note)
        except BadNote as error:
            raise Failure(f"--checkpoint {options.checkpoint} is no checkpoint: {error}") from error
        self._own_key = options.public_key is None
        key = _own_key(folder, self.head) if self._own_key else _public_key(options.public_key)
        self._forged: str | None = None
        try:
            notes.check(note, key)
        except BadNote as error:
            self._forged = str(error)

    def held(self, continuation: Continuation) -> Continuity:
        """What comes of it against the ledgers that were read. What is not signed is not looked at."""
        return Continuity(
            origin=self.head.origin,
            size=self.head.size,
            root=b64encode(self.head.root).decode(),
            own_key=self._own_key,
            problem=self._forged or continuation.problem(),
        )


def _note(path: str) -> str:
    text = _text_of("--checkpoint", path)
    if not text.lstrip().startswith("{"):
        return text
    try:
        return msgspec.json.decode(text, type=_Answer).data.checkpoint
    except msgspec.MsgspecError as error:
        raise Failure(f"--checkpoint {path} is no answer of /v1/checkpoint: {error}") from error


def _own_key(folder: DataFolder, head: TreeHead) -> PublicKey:
    try:
        return folder.signing_key(make=False).public(head.origin)
    except Failure as failure:
        raise Failure(f"{failure}; give the key that signed the checkpoint with --public-key") from failure


def _public_key(given: str) -> PublicKey:
    """The key itself, as it was given, or that in a file."""
    try:
        return PublicKey.parse(given)
    except BadNote as error:
        if "+" in given and not os.path.exists(given):
            raise Failure(f"--public-key {given} is no key: {error}") from error
    try:
        return PublicKey.parse(_text_of("--public-key", given))
    except BadNote as error:
        raise Failure(f"--public-key {given} holds no key: {error}") from error


def _text_of(flag: str, path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(BYTES_MAX + 1)
        if len(content) > BYTES_MAX:
            raise Failure(f"{flag} {path} is too large: it has more than {BYTES_MAX:,} bytes")
        return content.decode()
    except UnicodeError as error:
        raise Failure(f"{flag} {path} is no text: {error}") from error
    except (OSError, ValueError) as error:
        raise Failure(f"{flag} {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _json(report: Report) -> str:
    heads = {
        account: {**msgspec.structs.asdict(head), "recorded_at": from_microseconds(head.recorded_at)}
        for account, head in report.heads.items()
    }
    shown = {"sound": report.sound, **msgspec.to_builtins(report), "heads": heads, "note": _limits(report)}
    return msgspec.json.encode(shown).decode()


def _text(report: Report) -> str:
    rate = report.records / (report.seconds or 1)
    lines = [f"BROKEN {finding}" for finding in report.broken]
    if report.checkpoint is not None and report.checkpoint.problem is not None:
        lines.append(f"CHECKPOINT {report.checkpoint.problem}")
    lines += [f"SECRETS {loss}" for loss in report.secrets.losses]
    if report.secrets.lost > len(report.secrets.losses):
        lines.append(f"SECRETS and {report.secrets.lost - len(report.secrets.losses):,} more")
    lines += [f"DIFFERS {_difference(finding)}" for finding in report.differences]
    if report.differing > len(report.differences):
        lines.append(f"DIFFERS and {report.differing - len(report.differences):,} more")
    lines += [f"note: {finding}; from there on only the chain was checked" for finding in report.unknown_events]
    lines.append(
        f"{_counted(report.ledgers, 'ledger')}, {_counted(report.records, 'record')} "
        f"in {report.seconds:.2f} s ({rate:,.0f} records/s)"
    )
    lines += [_projections(report), _secrets(report.secrets)]
    if report.checkpoint is not None and report.checkpoint.problem is None:
        told = report.checkpoint
        lines.append(
            f"The ledger continues the one of the checkpoint: {_counted(told.size, 'record')}, root {told.root}"
        )
    if report.checkpoint is not None and report.checkpoint.own_key:
        lines.append(OWN_KEY)
    lines += [_limits(report), _verdict(report)]
    return "\n".join(lines)


def _limits(report: Report) -> str:
    """What even a sound ledger leaves open."""
    return CUT_TAIL if report.checkpoint is None or report.checkpoint.problem is not None else BEYOND


def _difference(finding: Finding) -> str:
    of_account = "" if finding.account is None else f" of {finding.account}"
    return f"projections{of_account}: {finding.problem}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _projections(report: Report) -> str:
    if report.projections == "damaged":
        return "projections: damaged"
    if report.projections != "compared":
        return f"projections: {report.projections}, nothing to compare; the next start of the service makes them"
    behind = f", {report.records_behind:,} records behind" if report.records_behind else ""
    return f"projections: compared with the fold{behind}, {report.differing:,} differences"


def _secrets(opened: Opened) -> str:
    if opened.state == "damaged":
        return "secrets: damaged"
    if opened.state != "opened":
        return f"secrets: {opened.state}, not checked"
    return f"secrets: {opened.opened:,} opened, {opened.lost:,} missing or unreadable"


def _verdict(report: Report) -> str:
    if report.broken:
        return "The ledger is not what was recorded."
    if report.checkpoint is not None and report.checkpoint.problem is not None:
        return "The ledger is not shown to continue the one of the checkpoint."
    if report.secrets.lost:
        return "The ledger is sound, the secrets are not: take `secrets.db` and `keys/secrets` from a backup."
    if report.unrecorded:
        return (
            "The projections know records that the ledger does not have: either an older ledger was put in its place, "
            "or records were removed or changed. Keep `projections.db`: what is made anew tells no more of it."
        )
    if report.differing:
        return "The ledger is sound, the projections are not: `iam-ledger rebuild` makes them anew."
    return "All is sound."
