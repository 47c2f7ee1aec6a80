"""The `iam-ledger` command: which verbs there are and what flags they take. Each verb has its own module."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from iam.arns import DEFAULT_PARTITION, PARTITIONS
from tools.failure import Failure

DEFAULT_ACCOUNT = "123456789012"
SECONDS_MAX = 3600  # of a measurement
RECORDS_MIN = 1000  # of a history to measure: a tenth of them is measured beside it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns the exit status: 0 done, 1 found wrong or failed, 2 not understood, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], int] = import_module(f"tools.{options.module}").run
        return run(options)
    except Failure as failure:
        print(f"iam-ledger {options.verb}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has seen enough
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iam-ledger", description="IAM state that never forgets.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the program")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    serve = _verb(verbs, "serve", "serve", "answer AWS clients and auditors over HTTP")
    _flag(serve, "--host", "127.0.0.1", "address to listen on")
    _flag(serve, "--port", 8080, "port to listen on; 0 takes any free one", kind=_port)
    _flag(serve, "--auth", "off", "whether requests must be signed; only off exists so far", choices=("off", "sigv4"))
    _flag(serve, "--account", DEFAULT_ACCOUNT, "account of callers whose access key id names none")
    text = "partition of new accounts whose callers name no region that is known"
    _flag(serve, "--partition", DEFAULT_PARTITION, text, choices=PARTITIONS)
    _flag(serve, "--log", None, "where the log is: a URL, or memory: to forget everything at the end")
    _flag(serve, "--quota", [], "set a quota of IAM, as in PoliciesPerUser=20; may be repeated", action="append")

    verify = _verb(verbs, "verify", "verify", "recompute every hash chain and compare the projections with the fold")
    _flag(verify, "--checkpoint", None, "a checkpoint that was kept; the ledger must continue the one that it tells of")
    _flag(verify, "--public-key", None, "the key that signed it, or a file with it; this service's own if not given")
    _json(verify)
    _verb(verbs, "rebuild", "rebuild", "make the projections anew from the ledger")
    replay = _verb(verbs, "replay", "replay", "print an account's state at an instant, folded from the ledger")
    _flag(replay, "--account", DEFAULT_ACCOUNT, "whose state", kind=_account)
    _flag(replay, "--user", None, "of this user only, by name or id")
    _flag(replay, "--at", None, "an RFC 3339 time or @position; the present if not given")
    history = _verb(verbs, "history", "history", "tell what happened to USER, change by change, from the ledger alone")
    _user(history, "everyone who ever bore this name, or the user with this id")
    _flag(history, "--account", DEFAULT_ACCOUNT, "whose user", kind=_account)
    _json(history)
    diff = _verb(
        verbs, "diff", "diff", "tell what differs about USER between two instants; status 0 also where much does"
    )
    _user(diff, "whoever has this name at either end, or the user with this id")
    _flag(diff, "--account", DEFAULT_ACCOUNT, "whose user", kind=_account)
    _flag(diff, "--from", None, "the earlier instant, an RFC 3339 time or @position; must be given")
    _flag(diff, "--to", None, "the later instant; the present if not given")
    _json(diff)
    export = _verb(verbs, "export", "export", "print records for other tools, as many as there are")
    _flag(export, "--account", None, "of this account only; of every account if not given", kind=_account_or_all)
    _flag(export, "--from", None, "recorded at or after this instant, an RFC 3339 time or @position")
    _flag(export, "--to", None, "recorded at or before this instant")
    _flag(export, "--format", "jsonl", "how records are written", choices=("jsonl", "csv", "cloudtrail"))
    backup = _verb(
        verbs, "backup", "backup", "copy the ledger, the secrets and the keys to a new folder DEST, and check the copy"
    )
    text = "a folder that is empty, or not there yet; a service may be started on it, or on a copy of it"
    backup.add_argument("destination", metavar="DEST", type=Path, help=text)
    _json(backup)
    bench = _verb(
        verbs, "bench", "bench", "measure this service beside a bare HTTP handler on this machine", data=False
    )
    _flag(bench, "--seconds", 3.0, "how long each measurement takes", kind=_seconds)
    _flag(bench, "--moto", None, "a virtual environment with moto's server, to measure it too", kind=Path)
    _flag(bench, "--ministack", None, "a virtual environment with ministack, to measure it too", kind=Path)
    _flag(bench, "--chart", None, "a file to draw the chart into, as SVG", kind=Path)
    _flag(bench, "--events", None, "measure what a history of so many records costs instead", kind=_records)
    _flag(bench, "--data", None, "with --events, the folder that keeps the made ledgers for the next run", kind=Path)
    _json(bench)
    return parser


class _Version(argparse.Action):
    """Looks the version up when it is asked for: that takes longer than all else before a verb begins."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"{parser.prog} {version(parser.prog)}")
        parser.exit()


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    module: str,
    text: str,
    *,
    data: bool = True,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    verb.set_defaults(module=module)
    if data:
        _flag(verb, "--data", Path("data"), "folder that holds the ledger, the keys and the projections")
    return verb


def _flag(
    parser: argparse.ArgumentParser,
    name: str,
    default: object,
    text: str,
    *,
    choices: Sequence[str] | None = None,
    action: str | None = None,
    kind: Callable[[str], object] | None = None,
) -> None:
    """A flag with its twin in the environment; the flag wins."""
    twin = "IAM_LEDGER_" + name.removeprefix("--").replace("-", "_").upper()
    value = os.environ.get(twin)
    shown = "" if default in (None, []) else f", {default} if not given"
    text = f"{text}{shown} (or ${twin})"
    if action == "append":
        parser.add_argument(name, action=action, default=value.split(",") if value else [], metavar="N=V", help=text)
        return
    shape = "{" + ",".join(choices) + "}" if choices else None
    if choices:
        kind = _one_of(choices)
    elif kind is None:
        kind = Path if isinstance(default, Path) else str if default is None else type(default)
    parser.add_argument(name, type=kind, default=default if value is None else value, metavar=shape, help=text)


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """argparse does not hold a default, such as one from the environment, against its own choices."""

    def check(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(choices)}")
        return text

    return check


def _user(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("user", metavar="USER", help=text)


def _json(parser: argparse.ArgumentParser) -> None:
    given = os.environ.get("IAM_LEDGER_JSON", "").lower() not in ("", "0", "false", "no")
    text = "print for a program, not for a person (or $IAM_LEDGER_JSON)"
    parser.add_argument("--json", action="store_true", default=given, help=text)


def _port(text: str) -> int:
    if re.fullmatch("[0-9]{1,5}", text) is None or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, from 0 to 65535")
    return int(text)


def _account(text: str) -> str:
    if re.fullmatch("[0-9]{12}|aws", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no account, which has 12 digits or is aws")
    return text


def _account_or_all(text: str) -> str:
    """Nothing is every account: so a flag can overrule its twin."""
    return text and _account(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is no time to measure, up to {SECONDS_MAX:,} seconds")
    return seconds


def _records(text: str) -> int:
    if re.fullmatch("[0-9]{1,18}", text) is None or int(text) < RECORDS_MIN:
        raise argparse.ArgumentTypeError(f"{text} records are no history: give {RECORDS_MIN:,} or more")
    return int(text)


def entry() -> NoReturn:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
