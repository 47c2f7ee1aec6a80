"""`GET /metrics`: what goes on in the service, in Prometheus's text format.

The parts of the service keep plain numbers. They are put into Prometheus's form here, and only when somebody asks.
"""

import os
import platform
import sqlite3
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from api.routes import Route
from api.service import Service
from eventstore.statistics import Histogram
from iam.errors import AccessDenied

METRICS: Final = Route(
    method="GET",
    path="/metrics",
    about="What goes on in the service, for Prometheus. Also answered before it is ready. "
    "[Operations](operations.md#metrics) has the list.",
    other="text/plain",
    refusals=(AccessDenied,),
)
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_BUILD: Final = {
    "version": version("iam-ledger"),
    "python": platform.python_version(),
    "sqlite": sqlite3.sqlite_version,
}


class Metrics(Collector):
    """The numbers of one service."""

    def __init__(self, service: Service) -> None:
        self.answers: Counter[int] = Counter()  # by status; whoever answers counts
        self._service = service
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of them, as they are now."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        yield from self._commands()
        yield from self._commits()
        yield from self._projections()
        yield from self._files()
        service = self._service
        answers = CounterMetricFamily("iam_ledger_answers", "Answers to requests, by HTTP status.", labels=["status"])
        for status, count in sorted(self.answers.items()):
            answers.add_metric([str(status)], count)
        yield answers
        yield _gauge("streams", "Streams of events that are open.", service.followers.count)
        yield _gauge("accounts_in_memory", "Accounts in memory.", service.accounts.loaded)
        yield _gauge("accounts_in_memory_bytes", "What they take, by an estimate.", service.accounts.bytes)
        yield _gauge("ready", "1 while requests are served, else 0.", service.ready)
        yield InfoMetricFamily("iam_ledger_build", "Always 1; the labels say what is running.", _BUILD)

    def _commands(self) -> Iterator[Metric]:
        commands = CounterMetricFamily(
            "iam_ledger_commands", "Commands, by action and what came of them.", labels=["action", "outcome"]
        )
        for (action, outcome), count in sorted(self._service.commands.items()):
            commands.add_metric([action, outcome], count)
        yield commands
        yield _gauge("commands_waiting", "Commands that are not answered yet.", self._service.commands_waiting)

    def _commits(self) -> Iterator[Metric]:
        statistics = self._service.statistics
        yield _histogram("commit_seconds", "How long it took to make a batch durable.", statistics.seconds)
        yield _histogram("commit_records", "How many records a batch had.", statistics.records)
        failures = CounterMetricFamily(
            "iam_ledger_commit_failures", "Batches that failed, by what is known of them.", labels=["kind"]
        )
        failures.add_metric(["not_written"], statistics.not_written)
        failures.add_metric(["outcome_unknown"], statistics.outcome_unknown)
        yield failures

    def _projections(self) -> Iterator[Metric]:
        projector = self._service.projector
        yield _gauge("projection_lag_records", "Records that are not projected yet.", self._service.lag)
        yield _counter("projected_records", "Records that were projected since the start.", projector.projected)
        yield _counter("projection_failures", "Times that projections could not be written.", projector.failures)

    def _files(self) -> Iterator[Metric]:
        sizes = GaugeMetricFamily("iam_ledger_file_bytes", "The size of each file of data.", labels=["file"])
        log, projections = self._service.log.path, self._service.projections.path
        for path in (projections,) if log is None else (log, projections):
            for file in (path, path.with_name(f"{path.name}-wal")):
                sizes.add_metric([file.name], _size(file))
        yield sizes
        room = os.statvfs(projections.parent)
        yield _gauge("disk_free_bytes", "What is free where the data lies.", room.f_bavail * room.f_frsize)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"iam_ledger_{name}", about, value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"iam_ledger_{name}", about, value)


def _histogram(name: str, about: str, values: Histogram) -> Metric:
    bounds = [*map(floatToGoString, values.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(values.counts), strict=True))
    return HistogramMetricFamily(f"iam_ledger_{name}", about, buckets, values.sum)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
