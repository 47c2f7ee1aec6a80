"""The short form of the trial: one round. And it does find what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from faults import openapi
from faults.openapi import TRIAL
from faults.trial import broken, play


def test_every_answer_is_what_the_document_says() -> None:
    """No 5xx, no other status, type, header or member than `/openapi.json` tells of."""
    rounds = list(play(TRIAL, 1, seed=2))
    assert not broken(TRIAL, rounds), rounds


def test_an_answer_that_the_document_does_not_tell_of_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one member of one answer left out of the document, the trial finds that member."""

    def lacking(document: dict[str, Any]) -> dict[str, Any]:
        del document["components"]["schemas"]["Healthy"]["properties"]["healthy"]
        return closed(document)

    closed = openapi.closed
    monkeypatch.setattr(openapi, "closed", lacking)
    monkeypatch.setattr(openapi, "EXAMPLES", 1)

    assert TRIAL.play(2, tmp_path)["schema_violations"] != 0
