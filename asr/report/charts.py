"""Charts for a page: matplotlib's SVG, whose colours are those of the page, so that they follow its light and dark."""

import hashlib
import io
import re
from collections.abc import Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that stand for the page's variables until the SVG is written.
INK, SOFT, LINE = "#010101", "#020202", "#030303"
SERIES = ("#110101", "#110102", "#110103", "#110104", "#110105", "#110106")
_VARIABLES = {INK: "--ink", SOFT: "--soft", LINE: "--line"} | {one: f"--c{n}" for n, one in enumerate(SERIES, 1)}
STYLE = """:root { --c1: #0072b2; --c2: #d55e00; --c3: #009e73; --c4: #b3478b; --c5: #a07000; --c6: #3a6ea5; }
@media (prefers-color-scheme: dark) { :root { --c1: #56b4e9; --c2: #ff9a62; --c3: #4fd1a5; --c4: #f0a8cc; --c5: #f2c14e;
  --c6: #9ad0ff; } }
.charts { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; } figure.scroll { overflow-x: auto; }
figcaption { font-size: .85rem; color: var(--soft); }
svg.chart { display: block; height: auto; }
@media print { :root { --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --band: #eee; }
  figure { break-inside: avoid; } }
"""
"""CSS that the charts need; the colours of series are Okabe and Ito's, for the colour-blind, lighter on dark paper."""
_INCHES = (3.7, 2.5)
_SHADE = np.array([0.18, 0.5, 0.78])  # of cells; their share of it is the opacity, so that any paper shines through
_ROW = 0.19  # inches of a bar


@contextmanager
def _plain() -> "Iterator[None]":
    import matplotlib

    look: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "asr",
        "font.size": 9,
        "axes.edgecolor": LINE,
        "text.color": INK,
    }
    look |= {"axes.labelcolor": INK, "xtick.color": SOFT, "ytick.color": SOFT}
    with matplotlib.rc_context(look):  # type: ignore[arg-type, unused-ignore]
        yield


def _new(width: float, height: float, box: tuple[float, float, float, float]) -> "tuple[Figure, Axes]":
    """A figure in inches and its axes, which leave (left, bottom, right, top) inches free."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure((width, height))
    FigureCanvasAgg(picture)
    left, bottom, right, top = box
    axes = picture.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return picture, axes


def svg(picture: "Figure", what: str, *, is_wide: bool = False) -> str:
    """A figure as HTML; `what` describes it to those who cannot see it. A wide one keeps its size and scrolls."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    picture.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    prefix = "s" + hashlib.blake2b(text.encode(), digest_size=5).hexdigest()  # ids are of the whole page
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    text = re.sub(r"font: (\S+) [^;\"]+", r"font: \1 system-ui, sans-serif", text)
    width = picture.get_figwidth()
    size = f"width:{width:.2f}in" + ("" if is_wide else ";max-width:100%")
    head = f'<svg class="chart" role="img" aria-label="{escape(what)}" style="{size}"'
    return re.sub(r'^<svg width="[^"]*" height="[^"]*"|^<svg', head, _without_size(text), count=1)


def _without_size(text: str) -> str:
    head, end, rest = text.partition(">")
    return re.sub(r'\s(width|height|version|xmlns:?\w*)="[^"]*"', "", head) + end + rest


def figure(made: str, caption: str = "", *, is_wide: bool = False) -> str:
    """A chart with its caption."""
    kind = ' class="scroll"' if is_wide else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure{kind}>{made}{below}</figure>"


def lines(
    series: Sequence[tuple[str, Sequence[float], Sequence[float], int, str]], title: str, *, is_log: bool = False
) -> str:
    """Lines over epochs: (name, epochs, values, number of the colour, style of the line)."""
    from matplotlib.ticker import MaxNLocator

    with _plain():
        picture, axes = _new(*_INCHES, (0.7, 0.42, 0.1, 0.3))
        for name, epochs, values, number, style in series:
            mark = "o" if len(values) < 3 else None
            color = SERIES[number % len(SERIES)]
            axes.plot(epochs, values, style, color=color, linewidth=1.5, label=name, marker=mark, markersize=3)
        if is_log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            every = [value for _, _, values, *_ in series for value in values if value > 0] or [1.0]
            is_narrow = max(every) < 8 * min(every)  # no power of ten, or one alone, is between them
            axes.yaxis.set_minor_formatter(lambda value, _: f"{value:.2g}" if is_narrow else "")
        else:
            highest = max((value for _, _, values, *_ in series for value in values), default=0.0)
            axes.set_ylim(0, 1.05 * highest or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=LINE, linewidth=0.5)
        axes.set_xlabel("epoch")
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        if 1 < len(series) <= 12:
            legend = axes.legend(fontsize=7.5, frameon=False)
            for text in legend.get_texts():
                text.set_parse_math(False)
        return svg(picture, f"{title} over epochs")


def bars(rows: Sequence[tuple[str, float, float, float, str]], title: str) -> str:
    """A line for each (name, rate, low, high, note): a bar of the rate in percent with its interval."""
    with _plain():
        longest = max(len(name) for name, *_ in rows)
        left = min(0.35 + 0.075 * longest, 1.9)
        picture, axes = _new(_INCHES[0], 0.75 + _ROW * len(rows), (left, 0.42, 0.55, 0.3))
        places = np.arange(len(rows))
        rates = [100 * row[1] for row in rows]
        axes.barh(places, rates, color=SERIES[0], height=0.62, alpha=0.75)
        axes.hlines(places, [100 * row[2] for row in rows], [100 * row[3] for row in rows], color=INK, linewidth=1)
        names = [name if len(name) <= 22 else f"{name[:21]}…" for name, *_ in rows]
        axes.set_yticks(places, names, parse_math=False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, max(max(100 * row[3] for row in rows), 1) * 1.02)
        for place, row in zip(places, rows, strict=True):
            axes.annotate(
                row[4], (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=7, color=SOFT
            )
        axes.grid(axis="x", color=LINE, linewidth=0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("%")
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        return svg(picture, title)


def matrix(counts: npt.NDArray[np.int64], rows: Sequence[str], columns: Sequence[str], what: str) -> str:
    """Counts (num_rows, num_columns): a cell is as dark as its share of the row, and holds its number."""
    with _plain():
        cell, side, top = 0.27, 0.25 + 0.075 * max(map(len, rows)), 0.25 + 0.075 * max(map(len, columns))
        width, height = side + cell * len(columns) + 0.1, top + cell * len(rows) + 0.1
        picture, axes = _new(width, height, (side, 0.1, 0.1, top))
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(_shaded(shares), aspect="auto", interpolation="nearest")
        axes.xaxis.tick_top()
        axes.set_xticks(range(len(columns)), columns, rotation=90, parse_math=False)
        axes.set_yticks(range(len(rows)), rows, parse_math=False)
        axes.tick_params(length=0)
        for row, column in np.argwhere(counts).tolist():
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7)
        return svg(picture, what, is_wide=True)


def tradeoff(
    misses: Sequence[float], accepts: Sequence[float], what: str, marks: Sequence[tuple[float, float, str]]
) -> str:
    """A DET curve: misses (K,) over false accepts an hour (K,), with marked thresholds (accepts, misses, label)."""
    with _plain():
        picture, axes = _new(_INCHES[0], 3.0, (0.6, 0.42, 0.15, 0.3))
        axes.step(accepts, [100 * miss for miss in misses], color=SERIES[0], linewidth=1.5, where="post")
        for accepted, missed, label in marks:
            axes.plot([accepted], [100 * missed], "o", color=SERIES[1], markersize=4)
            axes.annotate(label, (accepted, 100 * missed), (4, 4), textcoords="offset points", fontsize=7, color=SOFT)
        axes.set_xlim(left=0)
        axes.set_ylim(0, max(1.0, *(100 * miss for _, miss, _ in marks)) * 1.1)
        axes.grid(color=LINE, linewidth=0.5)
        axes.set_xlabel("false accepts an hour")
        axes.set_title(f"{what} missed, %", loc="left", fontsize=10)
        return svg(picture, f"{what} missed over false accepts an hour")


def _shaded(shares: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Shares (H, W) in [0, 1] -> RGBA (H, W, 4): one colour, as opaque as the share."""
    colors = np.empty((*shares.shape, 4))
    colors[..., :3] = _SHADE
    colors[..., 3] = np.clip(shares, 0, 1)
    return np.asarray(np.round(255 * colors), np.uint8)


def recognition(
    levels: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    duration_s: float,
    letters: "tuple[npt.NDArray[Any], Sequence[str], float, float] | None",
    words: Sequence[tuple[str, Sequence[tuple[str, float, float]]]],
) -> str:
    """A waveform of (lowest, highest) samples, letters over time, and words with their times, on one axis of seconds.

    `letters` are the probabilities (V, T) of the rows named, of frames from one second to another.
    """
    with _plain():
        width = max(4.2, 0.9 + 1.25 * duration_s)
        below = 0.35 + 0.2 * len(words)
        tall = 0.13 * len(letters[1]) if letters else 0.0
        height = 0.55 + tall + below
        picture, axes = _new(width, height, (0.75, below + tall, 0.1, 0.05))
        places = np.linspace(0, duration_s, len(levels[0]))
        axes.fill_between(places, *levels, color=SERIES[0], linewidth=0.4)
        axes.set_yticks([])
        every = [axes]
        rows: list[tuple[float, float]] = [(below, tall)] if letters else []
        rows += [(0.32 + 0.2 * (len(words) - 1 - row), 0.18) for row in range(len(words))]
        for bottom, tallness in rows:
            box = (
                0.75 / width,
                bottom / (0.55 + tall + below),
                (width - 0.85) / width,
                tallness / (0.55 + tall + below),
            )
            every.append(picture.add_axes(box))
        if letters:
            shares, names, start_s, end_s = letters
            every[1].imshow(
                _shaded(shares), aspect="auto", interpolation="nearest", extent=(start_s, end_s, len(names) - 0.5, -0.5)
            )
            every[1].set_yticks(range(len(names)), names, fontsize=7, parse_math=False)
            every[1].tick_params(axis="y", length=0)
        for axis, (name, spans) in zip(every[-len(words) :] if words else [], words, strict=True):
            axis.set_yticks([0.5], [name], fontsize=7)
            axis.tick_params(axis="y", length=0)
            axis.set_ylim(0, 1)
            for word, start, end in spans:
                axis.axvspan(start, end, color=SERIES[0], alpha=0.18, linewidth=0)
                axis.axvline(start, color=LINE, linewidth=0.6)
                if (end - start) / max(duration_s, 1e-3) * (width - 0.85) < 0.05 * len(word):
                    continue  # it would lie on its neighbours
                axis.text(
                    (start + end) / 2, 0.45, word, ha="center", va="center", fontsize=8, parse_math=False, clip_on=True
                )
        for axis in every:
            axis.set_xlim(0, duration_s)
            axis.tick_params(labelbottom=axis is every[-1], labelsize=7, length=2)
            for side in axis.spines.values():
                side.set_visible(False)
        return svg(picture, "waveform, letters and words over seconds", is_wide=True)
