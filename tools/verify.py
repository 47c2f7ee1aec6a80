"""`iam-ledger verify`: is every ledger whole, and do the projections say what it says?"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from iam.state import World
from tools.auditing import Finding, Report, audit
from tools.data import DataFolder, catalogue
from tools.undisturbed import read_undisturbed

CUT_TAIL = (
    "Records cut off the end of a ledger leave no trace in it: compare its head with one that was kept elsewhere."
)


def run(options: argparse.Namespace) -> int:
    """Audit the data folder and say what was found. The exit status is 1 if anything is wrong."""
    folder = DataFolder(options.data)
    folder.must_exist()
    world = World(catalogue())
    began = time.perf_counter()

    def read(at_rest: Mapping[Path, bool]) -> Report:
        return audit(folder.ledger, folder.projections, at_rest, world)

    report = read_undisturbed([folder.ledger, folder.projections], read)
    report.seconds = time.perf_counter() - began
    print(_json(report) if options.json else _text(report))
    return 0 if report.sound else 1


def _json(report: Report) -> str:
    shown = {"sound": report.sound, **msgspec.to_builtins(report), "note": CUT_TAIL}
    return msgspec.json.encode(shown).decode()


def _text(report: Report) -> str:
    rate = report.records / (report.seconds or 1)
    lines = [f"BROKEN {finding}" for finding in report.broken]
    lines += [f"DIFFERS {_difference(finding)}" for finding in report.differences]
    if report.differing > len(report.differences):
        lines.append(f"DIFFERS and {report.differing - len(report.differences):,} more")
    lines += [f"note: {finding}; from there on only the chain was checked" for finding in report.unknown_events]
    lines.append(
        f"{_counted(report.ledgers, 'ledger')}, {_counted(report.records, 'record')} "
        f"in {report.seconds:.2f} s ({rate:,.0f} records/s)"
    )
    lines += [_projections(report), CUT_TAIL, _verdict(report)]
    return "\n".join(lines)


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


def _verdict(report: Report) -> str:
    if report.broken:
        return "The ledger is not what was recorded."
    if report.differing:
        return "The ledger is sound, the projections are not: `iam-ledger rebuild` makes them anew."
    return "All is sound."
