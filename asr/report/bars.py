"""Means and ranges of several settings as a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(names: Sequence[str], values: Sequence[tuple[float, float, float]], what: str) -> "Figure":
    """A line for each name: (mean, lowest, highest) of fractions, drawn in percent."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure((7.0, 1.2 + 0.35 * len(names)), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.add_subplot()
    for row, (mean, low, high) in enumerate(values):
        axes.plot([100 * low, 100 * high], [row, row], color="#2171b5", linewidth=2)
        axes.plot([100 * mean], [row], "o", color="#2171b5")
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{what} (%): mean, lowest and highest seed", parse_math=False)
    axes.grid(axis="x", color="#dddddd")
    return picture
