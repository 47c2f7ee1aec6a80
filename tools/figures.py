"""Single figures of a benchmark, each with what it is compared with, told in a line."""

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """A figure, and the one that it is compared with. `failed` counts requests that went wrong on the way."""

    name: str
    value: float
    unit: str
    compared_with: str | None = None
    other: float | None = None
    failed: int = 0

    @property
    def ratio(self) -> float | None:
        """The value, of the other one; None where there is nothing to compare."""
        return self.value / self.other if self.other else None

    def told(self) -> str:
        """One line of a table."""
        line = f"{self.name:62}{number(self.value):>9} {self.unit:10}"
        if self.other is not None and self.ratio is not None:
            line += f"{self.ratio:6.2f} of {number(self.other)} {self.unit} {self.compared_with}"
        return f"{line}   {self.failed} failed" if self.failed else line.rstrip()

    def as_json(self) -> object:
        """What a program gets: all fields, and the ratio."""
        return {**msgspec.to_builtins(self), "ratio": self.ratio}


def number(value: float) -> str:
    """As many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
