"""The machine that something was measured on, in words."""

import os
import platform
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("aiohttp", "uvloop", "msgspec", "aiosqlite")  # whose speed is a part of ours


def machine() -> str:
    """Its processor, memory and system, as far as the system tells."""
    return ", ".join(_parts())


def _parts() -> Iterator[str]:
    name = _value(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()
    yield f"{os.cpu_count()} cores of {name}"
    if memory := _value(Path("/proc/meminfo"), "MemTotal"):
        yield f"{int(memory.split()[0]) / 1e6:,.0f} GB of memory"
    yield f"{platform.system()} {platform.release()}"


def _value(path: Path, name: str) -> str:
    """The first value of this name in a file of lines such as `name: value`; empty where there is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def software() -> str:
    """Python, SQLite and the packages that the service stands on, with their versions."""
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    return ", ".join([f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}", *packages])
