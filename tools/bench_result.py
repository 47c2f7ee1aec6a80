"""What a run of the benchmark found, beside what is wanted: as tables, as JSON, and as a chart."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from tools.chart import bar_chart
from tools.figures import Figure
from tools.load import Measured

OURS, BARE, MOTO, MINISTACK = SIDES = ("iam-ledger", "bare handler", "moto", "ministack")
WRITES, READS, PAST, AUDIT = "durable writes", "reads", "reads at an instant", "audit pages"
CHARTED = 64  # clients


class Comparison(msgspec.Struct, frozen=True):
    """One kind of request by so many clients: what each side makes of it.

    `processor` is the processor time, in microseconds, that each side's server took for a request, in all of its
    threads; it is empty where the system does not tell.
    """

    kind: str
    name: str
    clients: int
    sides: Mapping[str, Measured]
    processor: Mapping[str, float]

    def ratio(self, side: str) -> float:
        """Our requests per second, of that side's."""
        return self.sides[OURS].requests_per_second / (self.sides[side].requests_per_second or 1)

    def spread(self) -> float:
        """Our p99, of our p50."""
        return self.sides[OURS].p99_ms / (self.sides[OURS].p50_ms or 1)


class Target(msgspec.Struct, frozen=True):
    """What is wanted, what was found where it is worst, and where that is."""

    name: str
    wanted: float
    at_most: bool
    found: float
    where: str

    @property
    def met(self) -> bool:
        """Whether it is met everywhere."""
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    def told(self) -> str:
        """One line of a table."""
        wanted = f"at {'most' if self.at_most else 'least'} {self.wanted:g}"
        return f"{self.name:62}{wanted:>14}{self.found:9.2f}  {'met' if self.met else 'missed':8}{self.where}"


class Result(msgspec.Struct, frozen=True):
    """All that one run found. `versions` are those of the sides that are other programs."""

    machine: str
    software: str
    versions: Mapping[str, str]
    comparisons: Sequence[Comparison]
    commit: Figure  # our p50 with one client, of that of a bare commit
    figures: Sequence[Figure]

    def failed(self) -> int:
        """How many requests went wrong, whichever side's."""
        compared = sum(one.failed for comparison in self.comparisons for one in comparison.sides.values())
        return compared + sum(figure.failed for figure in (self.commit, *self.figures))

    def client_busy(self) -> float:
        """The most that the client took of one core: where that is far from 1, it is not what was measured."""
        return max(one.client_busy for comparison in self.comparisons for one in comparison.sides.values())

    def targets(self) -> Iterator[Target]:
        """What is wanted of each part that was measured."""
        yield from self._worst("durable writes, of the bare handler, 64 clients", 0.45, BARE, WRITES, {64})
        yield from self._worst("reads, of the bare handler, 64 clients", 0.6, BARE, READS, {64})
        if self.commit.ratio is not None:
            name = "p50 of a durable write, of one bare SQLite commit, 1 client"
            yield Target(name, 4, True, self.commit.ratio, "AttachUserPolicy, 1")
        widest = max(self._of({WRITES, READS}, {64}), key=Comparison.spread)
        yield Target("p99, of p50, 64 clients", 4, True, widest.spread(), widest.name)
        yield from self._worst("durable writes, of moto's server", 20, MOTO, WRITES, {1, 16, 64})
        yield from self._worst("reads, of moto's server", 20, MOTO, READS, {1, 16, 64})
        yield from self._worst("durable writes, of ministack, 16 and 64 clients", 2.5, MINISTACK, WRITES, {16, 64})
        yield from self._worst("reads, of ministack, 16 and 64 clients", 3, MINISTACK, READS, {16, 64})

    def _worst(self, name: str, wanted: float, side: str, kind: str, clients: set[int]) -> Iterator[Target]:
        measured = [comparison for comparison in self._of({kind}, clients) if side in comparison.sides]
        if measured:
            worst = min(measured, key=lambda comparison: comparison.ratio(side))
            yield Target(name, wanted, False, worst.ratio(side), f"{worst.name}, {worst.clients}")

    def _of(self, kinds: set[str], clients: set[int]) -> Iterator[Comparison]:
        return (one for one in self.comparisons if one.kind in kinds and one.clients in clients)

    def as_json(self) -> bytes:
        """For a program: all fields, with the ratios, and the targets."""
        comparisons = [
            {
                **msgspec.to_builtins(comparison),
                "ratios": {side: comparison.ratio(side) for side in comparison.sides if side != OURS},
            }
            for comparison in self.comparisons
        ]
        return msgspec.json.encode(
            {
                **msgspec.to_builtins(self),
                "comparisons": comparisons,
                "commit": self.commit.as_json(),
                "figures": [figure.as_json() for figure in self.figures],
                "targets": [{**msgspec.to_builtins(target), "met": target.met} for target in self.targets()],
            }
        )

    def told(self) -> Iterator[str]:
        """For a person, line by line."""
        others = [side for side in SIDES[1:] if any(side in comparison.sides for comparison in self.comparisons)]
        yield self.machine
        yield ", ".join([self.software, *(f"{name} {version}" for name, version in self.versions.items())])
        yield f"the client took at most {self.client_busy():.0%} of a core"
        for clients, comparisons in groupby(self.comparisons, key=lambda one: one.clients):
            yield ""
            yield f"{'':43}{OURS:^25}" + "".join(f"{side:^17}" for side in others)
            yield f"{_clients(clients):43}{'req/s':>7}{'p50 ms':>9}{'p99 ms':>9}" + f"{'req/s':>9}{'ratio':>8}" * len(
                others
            )
            for comparison in comparisons:
                yield _row(comparison, others)
        yield ""
        yield f"{f'processor time of a request, {CHARTED} clients':43}" + "".join(
            f"{side:>17}" for side in (OURS, *others)
        )
        yield from (
            f"{one.name:43}" + "".join(f"{one.processor[side]:14.0f} µs" for side in SIDES if side in one.processor)
            for one in self.comparisons
            if one.clients == CHARTED
        )
        yield ""
        yield from (figure.told() for figure in (self.commit, *self.figures))
        yield ""
        yield f"{'':62}{'wanted':>14}{'found':>9}"
        yield from (target.told() for target in self.targets())

    def chart(self) -> str:
        """Requests per second by many clients, as SVG."""
        charted = [comparison for comparison in self.comparisons if comparison.clients == CHARTED]
        groups = {
            comparison.name: {side: one.requests_per_second for side, one in comparison.sides.items()}
            for comparison in charted
        }
        series = [side for side in SIDES if any(side in values for values in groups.values())]
        return bar_chart(f"Requests per second, {CHARTED} clients", series, groups)


def _clients(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


def _row(comparison: Comparison, others: Sequence[str]) -> str:
    ours = comparison.sides[OURS]
    line = f"{comparison.name:43}{ours.requests_per_second:7,.0f}{ours.p50_ms:9.2f}{ours.p99_ms:9.2f}"
    for side in others:
        theirs = comparison.sides.get(side)
        line += f"{theirs.requests_per_second:9,.0f}{comparison.ratio(side):8.2f}" if theirs else " " * 17
    failed = ", ".join(f"{side} failed {one.failed}" for side, one in comparison.sides.items() if one.failed)
    return f"{line}  {failed}".rstrip()
