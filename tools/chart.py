"""A bar chart as SVG, readable on white pages and on dark ones, with the figures at the bars."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from tools.figures import number

COLOURS = ("#2563eb", "#9ca3af", "#d97706", "#059669")  # of the series, in their order
WIDTH, LABELS, FIGURES = 860, 270, 70  # what the names take on the left, and the figures on the right
BAR, GAP, HEAD = 13, 10, 64

_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2937}.title{font-size:15px;font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}}"
)


def bar_chart(title: str, series: Sequence[str], groups: Mapping[str, Mapping[str, float]]) -> str:
    """A group of horizontal bars for each name, with a bar for each of the series that it has a value of.

    There are at most as many series as colours. Values are not negative.
    """
    scale = (WIDTH - LABELS - FIGURES) / (max((max(values.values()) for values in groups.values()), default=0) or 1)
    height = HEAD + sum(len(values) * BAR + GAP for values in groups.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="10" y="22">{escape(title)}</text>',
        *_legend(series),
    ]
    top = HEAD
    for name, values in groups.items():
        middle = top + len(values) * BAR / 2 + 4
        parts.append(f'<text x="{LABELS - 10}" y="{middle:.1f}" text-anchor="end">{escape(name)}</text>')
        for one in (one for one in series if one in values):
            width = values[one] * scale
            parts.append(
                f'<rect x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR - 2}" fill="{_colour(series, one)}"/>'
                f'<text x="{LABELS + width + 5:.1f}" y="{top + BAR - 3}">{number(values[one])}</text>'
            )
            top += BAR
        top += GAP
    return "\n".join([*parts, "</svg>\n"])


def _legend(series: Sequence[str]) -> Iterator[str]:
    left = LABELS
    for one in series:
        yield f'<rect x="{left}" y="36" width="11" height="11" fill="{_colour(series, one)}"/>'
        yield f'<text x="{left + 16}" y="46">{escape(one)}</text>'
        left += 40 + 7 * len(one)


def _colour(series: Sequence[str], one: str) -> str:
    return COLOURS[series.index(one)]
