"""Last uses on disk: there after the file was opened anew, and never in anybody's way, whatever is wrong with it."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore import uses
from eventstore.uses import APPLICATION_ID, SCHEMA_VERSION, Uses, UsesError, read_uses, write_uses


class Use(msgspec.Struct, frozen=True):
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    place: str


def use(minute: int, place: str = "here") -> Use:
    return Use(datetime(2026, 11, 3, 14, minute, 0, 123456, tzinfo=UTC), place)


SOME = {"a": use(1), "b": use(2, 'ü"\\\u2028{"')}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "uses.db"


async def keep(path: Path, noted: dict[str, Use]) -> None:
    """A file with these uses, closed."""
    opened = Uses(path, Use)
    for id_, each in noted.items():
        opened.note(id_, each)
    await opened.close()


async def latest(path: Path | None) -> dict[str, Use]:
    opened = Uses(path, Use)
    await opened.close()
    return opened.latest


def execute(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def on_disk(path: Path) -> dict[str, Use]:
    """What another process reads."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return read_uses(connection, Use)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


async def test_uses_are_there_after_the_file_was_opened_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The last one of each thing, to the microsecond, whatever its text."""
    await keep(path, {**SOME, "a": use(0)})
    assert await latest(path) == {**SOME, "a": use(0)}
    await keep(path, {"a": use(1), "c": use(3)})
    assert await latest(path) == {**SOME, "c": use(3)}
    assert warnings(caplog) == []
    assert [file.name for file in path.parent.iterdir()] == ["uses.db"]


async def test_a_use_is_known_at_once_and_saved_soon(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that come after the first were saved. Nobody has to close the file for that."""
    monkeypatch.setattr(uses, "SAVE_SECONDS", 0.01)
    opened = Uses(path, Use)
    for id_, each in SOME.items():
        opened.note(id_, each)
        assert opened.latest[id_] == each
        await until(lambda: on_disk(path) == opened.latest)
    await opened.close()


async def test_in_memory_uses_are_forgotten_at_the_end() -> None:
    """There is no file."""
    opened = Uses(None, Use)
    opened.note("a", use(1))
    await opened.close()
    assert opened.latest == {"a": use(1)}
    assert await latest(None) == {}


async def test_what_could_not_be_written_is_written_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of once each time that it begins. What comes later goes before what waits."""
    monkeypatch.setattr(uses, "SAVE_SECONDS", 0.01)
    opened = Uses(path, Use)
    for minute in (1, 2):
        execute(path, "ALTER TABLE uses RENAME TO elsewhere")
        opened.note("a", use(minute))
        opened.note("b", use(minute))
        await until(lambda: bool(warnings(caplog)))
        await asyncio.sleep(0.05)  # a few more tries
        opened.note("b", use(minute + 10))
        execute(path, "ALTER TABLE elsewhere RENAME TO uses")
        await until(lambda: on_disk(path) == opened.latest)
        assert opened.latest == {"a": use(minute), "b": use(minute + 10)}
        [warning] = warnings(caplog)
        assert "uses.db cannot be written: no such table" in warning
        caplog.clear()
    await opened.close()


async def test_closing_succeeds_where_nothing_can_be_written(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is lost is told."""
    opened = Uses(path, Use)
    execute(path, "DROP TABLE uses")
    opened.note("a", use(1))
    await opened.close()
    assert len(warnings(caplog)) == 1


def foreign(path: Path) -> None:
    execute(path, "CREATE TABLE things (id)")


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def text(path: Path) -> None:
    path.write_bytes(b"no database")


def cut(path: Path) -> None:
    write_uses(path, {str(number): use(1) for number in range(200)})
    os.truncate(path, path.stat().st_size // 2)


def of_another_program(path: Path) -> None:
    write_uses(path, SOME)
    execute(path, "PRAGMA application_id = 1")


def of_a_newer_one(path: Path) -> None:
    write_uses(path, SOME)
    execute(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def without_its_table(path: Path) -> None:
    execute(path, f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}")


def holding(value: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        write_uses(path, SOME)
        execute(path, f"INSERT INTO uses VALUES ('c', {value})")

    return make


DAMAGES = [
    *(foreign, garbage, text, cut, of_another_program, of_a_newer_one, without_its_table),
    *map(
        holding,
        (
            "''",
            "'{}'",
            """'{"at": "2026-11-03T14:03:00", "place": "no zone"}'""",
            "CAST(x'ff' AS TEXT)",
            f"'{'[' * 5000}'",
        ),
    ),
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_file_that_is_damaged_or_unknown_is_made_anew(
    path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    """With a word in the log; from then on it is as good as any. Who copies it is told instead."""
    damage(path)
    with pytest.raises(UsesError):
        on_disk(path)
    assert await latest(path) == {}
    assert len(warnings(caplog)) == 1
    assert "uses.db is made anew, and what was used before is forgotten: " in warnings(caplog)[0]
    await keep(path, SOME)
    assert await latest(path) == SOME
    assert len(warnings(caplog)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1_000_000), st.binary(min_size=1, max_size=40)), min_size=1, max_size=8))
def test_whatever_damage_there_is_the_file_is_usable_afterwards(path: Path, patches: list[tuple[int, bytes]]) -> None:
    """Bytes overwritten anywhere: the header, the schema, the pages."""
    path.unlink(missing_ok=True)
    write_uses(path, {f"{number:020}": use(number % 60) for number in range(100)})
    content = bytearray(path.read_bytes())
    for place, patch in patches:
        place %= len(content) - len(patch)
        content[place : place + len(patch)] = patch
    path.write_bytes(content)
    asyncio.run(keep(path, SOME))
    assert asyncio.run(latest(path)).items() >= SOME.items()


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "something").touch()


@pytest.mark.parametrize(("name", "prepare"), [("uses.db", make_folder), ("none/uses.db", None)])
async def test_where_there_can_be_no_file_uses_are_kept_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, prepare: Callable[[Path], None] | None
) -> None:
    """With a word in the log, and without harm to what is there."""
    if prepare is not None:
        prepare(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    await keep(tmp_path / name, SOME)
    assert len(warnings(caplog)) == 1
    assert "cannot be used, so that uses are forgotten at the end: unable to open" in warnings(caplog)[0]
    assert sorted(tmp_path.rglob("*")) == before


async def test_an_empty_file_is_filled(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that was killed as it made the file leaves one."""
    path.touch()
    await keep(path, SOME)
    assert await latest(path) == SOME
    assert warnings(caplog) == []
