"""The documentation is true: its commands run and answer what the page shows, and nothing that exists is missing.

A `console` block is a session. A line that begins with `$ ` is a command, `> ` goes on with it, and all else is what
it printed. All blocks of a page are one shell session, in an empty folder, beside a service started there as
`make run` does; that command itself is not run, its output is the service's own banner. Port 8080 stands for the port
in use. In the output, `…` stands for anything within a line, or for any lines where it stands alone; ids, times,
hashes, rates, process ids and user agents may differ.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from api import native
from api.errors import STATUS
from eventstore.record import Record
from iam.errors import IamError
from iam.quotas import Quotas
from tools import reference

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCHEMA = ROOT / "projections" / "tables.sql"
VIEWS = ROOT / "projections" / "views.sql"
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

LANGUAGES = {"console", "json", "python", "sql", "text", "xml"}
TOOLS = ("bash", "curl", "flock")
PERIOD = ("valid_from", "since", "valid_to", "until")
LAST_LINE_OF_BANNER = "Ctrl-C ends it."
END_OF_STEP = "--- end of step"

VOLATILE = (
    (re.compile(r"\b(AIDA|ANPA)[A-Z2-7]{17}\b"), r"\1…"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "an id"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "a hash"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "a time"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "8080"),
    (re.compile(r"\bprocess \d+"), "process 1"),
    (re.compile(r"\b(after|for) [\d.]+ s\b"), r"\1 0 s"),
    (re.compile(r"\bin [\d.]+ s \([\d,]+ records/s\)"), "in 0 s (0 records/s)"),
    (re.compile(r"\b(aws-cli|curl)/[^\s\",]+( md/[^\"\n]+)?"), r"\1/0"),
)


@dataclass(frozen=True)
class Step:
    """A command of a page, and what the page says it prints."""

    line: int
    command: str
    shown: str


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """The fenced blocks of a page: number of the first line, language, content."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, found.start()) + 2, found[1], found[2]


def steps(page: Path) -> list[Step]:
    """The commands of a page, in order."""
    found: list[Step] = []
    for first, language, content in blocks(page.read_text(encoding="utf-8")):
        if language != "console":
            continue
        for number, line in enumerate(content.splitlines(), first):
            if line.startswith("$ "):
                found.append(Step(number, line[2:], ""))
                continue
            step = found.pop()
            if line.startswith("> ") and not step.shown:
                found.append(Step(step.line, f"{step.command}\n{line[2:]}", ""))
            else:
                found.append(Step(step.line, step.command, f"{step.shown}{line}\n"))
    return found


def settled(text: str) -> str:
    """The text with all that differs from run to run made the same."""
    for pattern, replacement in VOLATILE:
        text = pattern.sub(replacement, text)
    return text.strip()


def pattern_of(shown: str) -> str:
    """What matches an output as the page shows it."""
    lines = settled(shown).splitlines()
    return "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line).replace("…", ".*") + "\n" for line in lines
    )


def differs(shown: str, printed: str) -> bool:
    """Whether what was printed is not what the page shows."""
    return re.fullmatch(pattern_of(shown), settled(printed) + "\n" if printed.strip() else "") is None


class Served:
    """A service beside an empty folder, as `make run` starts it, but on a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "IAM_LEDGER_"))}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {
            **inherited,
            "HOME": str(folder),
            "PATH": path,
            "PYTHONWARNINGS": "ignore",
            "LC_ALL": "C.UTF-8",
        }
        with (folder / "serve.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tools", "serve", "--port", "0"],
                cwd=folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.banner = ""
        assert self._process.stdout is not None
        while not self.banner.endswith(f"{LAST_LINE_OF_BANNER}\n"):
            line = self._process.stdout.readline()
            assert line, (folder / "serve.log").read_text()
            self.banner += line
        self.address = re.findall(r"127\.0\.0\.1:\d+", self.banner)[0]

    def run(self, commands: list[str]) -> list[str]:
        """What each command prints, in one shell."""
        script = "exec 2>&1\n" + "".join(f"{command}\nprintf '\\n{END_OF_STEP}\\n'\n" for command in commands)
        done = subprocess.run(
            ["bash", "-c", script.replace("127.0.0.1:8080", self.address)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout.split(f"\n{END_OF_STEP}\n")[:-1]

    def stop(self) -> None:
        """End it, if the page has not."""
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    service = Served(folder)
    try:
        yield service
    finally:
        service.stop()


@pytest.mark.parametrize("name", [name for name in NAMES if steps(ROOT / name)])
def test_the_commands_of_a_page_print_what_it_shows(name: str, tmp_path: Path) -> None:
    """Whoever follows the page sees what the page says, from the first command to the last."""
    page = steps(ROOT / name)
    made = [step for step in page if step.command.startswith("make ")]
    run = [step for step in page if step not in made]

    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"the commands need {', '.join(missing)}")

    with served(tmp_path) as service:
        printed = dict(zip(run, service.run([step.command for step in run]), strict=False))
        printed |= {step: service.banner for step in made if step.command == "make run"}

    wrong = [
        f"{name}:{step.line}: $ {step.command}\n{said}" for step, said in printed.items() if differs(step.shown, said)
    ]
    assert not wrong, "\n\n".join(wrong)
    assert len(printed) == len(page) - sum(step.command == "make test" for step in made), "the session ended early"


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", "an error\n"),
        ("2 ledgers", "3 ledgers"),
        ("{\n…\n}", "{\n  1\n"),
        ("a …", "b c"),
        ("one", "one\ntwo"),
    ],
)
def test_another_output_is_noticed(shown: str, printed: str) -> None:
    """What may differ is bounded; the rest is compared to the letter."""
    assert differs(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", ""),
        ("{\n…\n}", "{\n  1\n  2\n}\n"),
        ("a … d", "a b c d"),
        ("AIDAACFIOKWXSEITDNHPE at 2026-11-22T06:26:05Z", "AIDAZZZZZZZZZZZZZZZZZ at 2027-01-01T00:00:00.123456Z"),
    ],
)
def test_the_same_output_at_another_time_is_the_same(shown: str, printed: str) -> None:
    """Ids and times are nobody's promise."""
    assert not differs(shown, printed)


@pytest.mark.parametrize("name", NAMES)
def test_commands_stand_where_they_are_run(name: str) -> None:
    """A block in another language than these might hold a command that nobody tries."""
    found = {language for _, language, _ in blocks((ROOT / name).read_text(encoding="utf-8"))}
    assert found <= LANGUAGES


def test_the_reference_is_current() -> None:
    """docs/api.md is what the code's tables say; `python -m tools.reference` writes it."""
    assert reference.stale(reference.PAGE.read_text(encoding="utf-8")) == []


def test_a_stale_reference_is_noticed() -> None:
    """A flag, an action or an error that the page does not know makes its section stale."""
    written = reference.page().replace("--port", "--harbour").replace("#### GetUser\n", "")

    assert reference.stale(written) == ["Actions", "Command line"]


def test_another_model_of_aws_does_not_make_the_reference_stale() -> None:
    """A new release of botocore must not break the tests of a program that has not changed."""
    other = reference.page().replace(" ".join(reference.MODEL.split()[1:]), "0.0.0").replace("1 to 64", "1 to 65")

    assert reference.stale(other) == []


def operations() -> str:
    return (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", reference.verbs())
def test_every_verb_and_flag_is_in_the_operations_guide(verb: str) -> None:
    """With its twin in the environment, where it has one."""
    guide = operations()
    wanted = [f"iam-ledger {verb}"]
    for flag in reference.flags(reference.verbs()[verb]):
        wanted += [f"`{flag.option_strings[0]}", *re.findall(r"IAM_LEDGER_\w+", flag.help or "")]
    assert [text for text in wanted if text not in guide] == []


@pytest.mark.parametrize("field", Quotas.__struct_fields__)
def test_every_quota_is_in_the_operations_guide(field: str) -> None:
    """With its default."""
    assert f"| `{reference.quota_name(field)}` | {getattr(Quotas(), field):,} |" in operations()


@pytest.mark.parametrize("error", STATUS)
def test_every_error_is_in_the_operations_guide(error: type[IamError]) -> None:
    """With what it means, and what to do."""
    told = re.escape(f"| {STATUS[error]} | `{error.code}` | {' '.join((error.__doc__ or '').split())} | ")
    assert len(re.findall(rf"^{told}[^|]+\. \|$", operations(), re.MULTILINE)) == 1


def test_a_native_route_takes_the_parameters_that_it_tells_of(tmp_path: Path) -> None:
    """The service itself lists the parameters that a route knows, when it is given one that it does not."""
    with served(tmp_path) as service:
        for route in native.ROUTES:
            path = re.sub("{[a-z]+}", "1", route.path)
            parameters = route.named("query")
            asked = Request(f"http://{service.address}{path}?nonsense=1", method=route.method)
            with pytest.raises(HTTPError) as refused, urlopen(asked):
                pass
            with refused.value as answer:
                message = json.loads(answer.read())["error"]["message"]
            known = f"There is no parameter nonsense here; there are: {', '.join(parameters)}."
            assert message == (known if parameters else "There are no parameters here."), route.name


@pytest.mark.parametrize("field", [*Record.__struct_fields__])
def test_every_field_of_a_record_is_explained(field: str) -> None:
    """Whoever reads a ledger without this program finds all that stands in it on the architecture page."""
    assert f"| `{field}` |" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_table_of_the_projections_is_explained() -> None:
    """People open the file with their own tools, and want to know what they see beside the views."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = re.findall(r"^CREATE TABLE (\w+)", SCHEMA.read_text(encoding="utf-8"), re.MULTILINE)

    assert names
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_view_is_in_the_audit_guide_with_its_columns() -> None:
    """The guide's table is the schema: each view, and all columns beside the account and the period."""
    schema = SCHEMA.read_text(encoding="utf-8") + VIEWS.read_text(encoding="utf-8")
    guide = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    told = {
        view: re.findall(r"`(\w+)`", columns)
        for names, columns in re.findall(r"^\| (`\w+`(?:, `\w+`)?) \| (`.+`) \|$", guide, re.MULTILINE)
        for view in re.findall(r"`(\w+)`", names)
    }

    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        views = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")]
        for view in views:
            columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (view,))]
            period = PERIOD if view.endswith("_history") else () if view == "events" else PERIOD[:2]
            assert columns == ["account", *told[view], *period], view

    assert told.keys() == set(views)


def test_decisions_are_numbered_and_listed() -> None:
    """Each has its context, the decision and what follows from it, and the architecture page leads there."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    assert [decision.name[:5] for decision in pages] == [f"{number:04}-" for number in range(1, len(pages) + 1)]
    for decision in pages:
        headings = re.findall(r"^## (.+)$", decision.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], decision.name
        assert f"(decisions/{decision.name})" in page


@pytest.mark.parametrize("name", NAMES)
def test_links_between_pages_resolve(name: str) -> None:
    """To a file that is there and, where they name one, to a heading in it."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)  # a pattern may look like a link
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
