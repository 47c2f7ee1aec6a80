"""Power cuts: of a log's life on a recorded disk, the images that a cut at any step may leave, opened again."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

from eventstore.sqlite import SqliteLog
from faults.disk import Disk, PowerCut
from faults.ledgers import Ledgers
from faults.trial import Figures, Trial

BATCHES = 120
IMAGES = 100


def play(seed: int, folder: Path) -> Figures:
    """One life of a log, and the images of a hundred cuts."""
    chance = Random(seed)
    recorded, images = folder / "recorded", folder / "images"
    recorded.mkdir()
    images.mkdir()
    disk, ledgers = Disk(recorded), Ledgers(chance)
    with disk.in_use():
        asyncio.run(_live(disk, ledgers, chance))
    figures = {"images": 0, "batches_acknowledged": 0, "writes_at_stake": 0, "lossy": 0, "corrupt": 0}
    for _ in range(IMAGES):
        steps = disk.steps[: chance.randint(0, len(disk.steps))]
        acknowledged = max((step.at for step in steps if step.kind == "acknowledged"), default=0)
        cut = PowerCut(steps, chance)
        figures["images"] += 1
        figures["batches_acknowledged"] += acknowledged
        figures["writes_at_stake"] += sum(map(len, cut.unsynced.values()))
        found = asyncio.run(ledgers.examine(_put(images, cut), acknowledged))
        if found != "sound":
            figures[found] += 1
    return figures


def _put(folder: Path, cut: PowerCut) -> Path:
    """Make the image the content of the folder. The path of the log in it."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in cut.image().items():
        (folder / name).write_bytes(content)
    return folder / "ledger.db"


async def _live(disk: Disk, ledgers: Ledgers, chance: Random) -> None:
    """Write batches. Now and then the log is opened anew or reopened, or another program reads it for a while."""
    path = disk.folder / "ledger.db"
    log = await SqliteLog.open(path)
    try:
        while len(ledgers.lengths) <= BATCHES:
            match chance.choices(("write", "read", "open", "reopen"), (90, 6, 2, 2))[0]:
                case "write":
                    await _write(log, disk, ledgers)
                case "read":
                    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro")) as reader:
                        reader.execute("BEGIN")
                        reader.execute("SELECT 1 FROM records LIMIT 1")
                        for _ in range(chance.randint(1, 10)):  # what the WAL gets now cannot be copied to the end
                            await _write(log, disk, ledgers)
                case "open":
                    await log.close()
                    if chance.random() < 0.5:  # between two lives, somebody reads it
                        await (await SqliteLog.open_read_only(path)).close()
                    log = await SqliteLog.open(path)
                case "reopen":
                    await log.reopen()
    finally:
        await log.close()


async def _write(log: SqliteLog, disk: Disk, ledgers: Ledgers) -> None:
    await log.append(ledgers.batch())
    disk.acknowledge(len(ledgers.lengths) - 1)


TRIAL = Trial(
    name="power_cut",
    about="power cuts: a recorded disk, what was not synced kept, dropped or torn",
    rounds=100,
    play=play,
    must_be_zero=("lossy", "corrupt"),
    must_not_be_zero=("batches_acknowledged", "writes_at_stake"),
)
