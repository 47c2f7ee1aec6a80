"""What the writer keeps count of, for whoever watches it: plain numbers, so that it costs next to nothing."""

from bisect import bisect_left


class Histogram:
    """How many values were at most each bound, or above them all, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # each value once; the last is for what is above all bounds
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Statistics:
    """Of one writer, since it was made."""

    __slots__ = ("not_written", "outcome_unknown", "records", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)  # of an append
        self.records = Histogram(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # in an append
        self.not_written = 0  # appends that left nothing behind
        self.outcome_unknown = 0  # appends after which the log had to be reopened

    def appended(self, records: int, seconds: float) -> None:
        """An append is durable."""
        self.records.observe(records)
        self.seconds.observe(seconds)
