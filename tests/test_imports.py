"""Who may import whom, read from the syntax trees.

tools → api → projections → eventstore; `iam` serves all but `eventstore`, and these two know nobody. The
domain is pure, and HTTP is known only where it is spoken. Imports inside of functions count like any others.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "iam": set(),
    "eventstore": set(),
    "projections": {"iam", "eventstore"},
    "api": {"iam", "eventstore", "projections"},
    "tools": {"iam", "eventstore", "projections", "api"},
}
SPEAKS_HTTP = ("api", "tools.bare", "tools.serve")
IMPURE = {
    "asyncio",
    "concurrent",
    "fcntl",
    "ftplib",
    "glob",
    "http",
    "importlib",
    "io",
    "logging",
    "mmap",
    "multiprocessing",
    "os",
    "pathlib",
    "platform",
    "random",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
PURE = set(sys.stdlib_module_names) - IMPURE | {"msgspec", "cryptography"}
CLOCKS = {"now", "utcnow", "today"}


def imported(tree: ast.Module) -> Iterator[str]:
    """The names of the modules imported; those named relative to the importer begin with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def violations(module: str, source: str) -> Iterator[str]:
    """What is wrong with the imports of a module of ours, in words."""
    package = module.partition(".")[0]
    tree = ast.parse(source)
    for name in imported(tree):
        top = name.partition(".")[0]
        if not top:
            yield f"{module} imports {name}: name the package"
        elif top in MAY_IMPORT and top != package and top not in MAY_IMPORT[package]:
            yield f"{module} imports {name}: {package} does not know {top}"
        elif top == "aiohttp" and not any(f"{module}.".startswith(f"{allowed}.") for allowed in SPEAKS_HTTP):
            yield f"{module} imports {name}: HTTP is spoken in {', '.join(SPEAKS_HTTP)}"
        elif package == "iam" and top not in PURE | {"iam"}:
            yield f"{module} imports {name}: the domain is pure"
    if package == "iam":
        yield from (f"{module} calls {call}: the domain has no clock and no I/O" for call in impure_calls(tree))


def impure_calls(tree: ast.Module) -> Iterator[str]:
    """The calls that ask for the time, or open files, which no import betrays."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                yield f"{name}()"
            case ast.Call(func=ast.Name(id="open" | "input" | "print" | "__import__" as name)):
                yield f"{name}()"


def modules() -> Iterator[tuple[str, Path]]:
    for package in MAY_IMPORT:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


MODULES = dict(modules())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_it_may(module: str) -> None:
    """Every arrow between packages is drawn above; anything else is a mistake of design."""
    assert list(violations(module, MODULES[module].read_text(encoding="utf-8"))) == []


def test_all_packages_are_looked_at() -> None:
    """A check that finds no files passes too easily."""
    assert {module.partition(".")[0] for module in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("iam.users", "import api"),
        ("iam.users", "from eventstore.record import Record"),
        ("iam.users", "import aiohttp"),
        ("iam.users", "import aiosqlite"),
        ("iam.users", "import msgspec, sqlite3"),
        ("iam.users", "def decide():\n    from time import time"),
        ("iam.users", "import os.path"),
        ("iam.users", "from datetime import datetime\nat = datetime.now()"),
        ("iam.users", "import datetime\nday = datetime.date.today()"),
        ("iam.users", "text = open('file').read()"),
        ("iam.users", "from .state import State"),
        ("eventstore.log", "from iam.events import AnyEvent"),
        ("eventstore.log", "import projections"),
        ("eventstore.log", "import aiohttp.web"),
        ("projections.store", "from api import xml"),
        ("projections.store", "import tools.serve"),
        ("projections.store", "from aiohttp import web"),
        ("api.app", "if TYPE_CHECKING:\n    from tools import serve"),
        ("api.app", "from tools.serve import run"),
        ("tools.verify", "import aiohttp"),
        ("tools.server", "import aiohttp"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str) -> None:
    """Wherever it stands, and in every form that an import has."""
    assert len(list(violations(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("iam.users", "import json\nfrom collections.abc import Iterator\nimport msgspec\nfrom iam import state"),
        ("iam.users", "from datetime import UTC, datetime\nat = datetime(2026, 11, 3, tzinfo=UTC)"),
        ("eventstore.log", "import asyncio, aiosqlite\nfrom eventstore.record import Head"),
        ("projections.store", "import sqlite3\nfrom eventstore import log\nfrom iam import events"),
        ("api.app", "from aiohttp import web\nimport iam, projections, eventstore.log"),
        ("tools.serve", "import aiohttp\nimport iam, eventstore, projections, api.app, tools.verify"),
        ("tools.bare", "from aiohttp import ClientSession"),
    ],
)
def test_a_right_import_is_not(module: str, source: str) -> None:
    """The direction forbids no more than it says."""
    assert list(violations(module, source)) == []
