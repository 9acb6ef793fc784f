"""A confusion matrix as a picture."""

from typing import TYPE_CHECKING

import numpy as np

from asr.score.classes import Classes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERED = 30  # classes up to which each cell has its number


def figure(scored: Classes) -> "Figure":
    """Rows are references, columns hypotheses; a cell is as dark as its share of the row, and holds its count."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = len(scored.labels)
    inches = min(3.0 + 0.45 * size, 16.0)
    picture = Figure((inches, inches), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.add_subplot()
    shares = scored.counts / np.maximum(scored.counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [label or "(none)" for label in scored.labels]
    axes.set_xticks(range(size), names, rotation=90, parse_math=False)
    axes.set_yticks(range(size), names, parse_math=False)
    axes.set_xlabel("hypothesis")
    axes.set_ylabel("reference")
    axes.set_title(scored.summary, fontsize=11)
    if size <= _MOST_NUMBERED:
        for row, column in np.argwhere(scored.counts).tolist():
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(scored.counts[row, column]), ha="center", va="center", color=color, fontsize=8)
    return picture
