"""The control of `power_cut`: with synchronous=NORMAL, which does not sync each commit, the same cuts must lose."""

from pathlib import Path
from unittest.mock import patch

from eventstore import sqlite
from faults import power_cut
from faults.trial import Figures, Trial


def play(seed: int, folder: Path) -> Figures:
    """The same life and the same cuts, without a sync at each commit."""
    pragmas = sqlite._WRITER_PRAGMAS.replace("synchronous = FULL", "synchronous = NORMAL")
    assert pragmas != sqlite._WRITER_PRAGMAS
    with patch.object(sqlite, "_WRITER_PRAGMAS", pragmas):
        return power_cut.play(seed, folder)


TRIAL = Trial(
    name="power_cut_normal",
    about="the control of power_cut: synchronous=NORMAL, which must lose",
    rounds=10,
    play=play,
    must_be_zero=("corrupt",),
    must_not_be_zero=("lossy",),
)
