"""A picture of one recognition: waveform, MFCCs, probabilities of the letters and words, on one time axis."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import audio, extras, files
from asr.decode.hypothesis import Emission
from asr.errors import UserError
from asr.features import FeatureConfig
from asr.modelfile.card import ModelCard
from asr.recognition.frontend import Segment
from asr.recognition.recognizer import Options, Part, Recognizer
from asr.recognition.source import Sound
from asr.recognition.transcript import Transcript
from asr.text import BLANK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
_INCHES_PER_S, _NARROWEST, _MARGINS = 1.6, 9.0, 1.9  # of the picture's width, the last for the labels at its sides
_LIKELY = 0.1  # a letter that nowhere reaches this has no row
_MEAN_SPREAD = 2.5  # standard deviations at the ends of the colours of the MFCCs
_INK, _PALE, _WAVE = "#222222", "#bbbbbb", "#2171b5"  # ColorBrewer's Blues and RdBu: safe for the colour-blind
_WORD_PT, _SMALL_PT, _POINTS = 11, 8, 72  # sizes of letters, and points in an inch


class PlotError(UserError):
    """A picture that cannot be drawn; the message is one sentence."""


def check(path: Path) -> None:
    """Raises PlotError, before anything is recognised, if nothing can be drawn into this file."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise PlotError(extras.missing("a picture", "matplotlib", "plot")) from None
    if path.suffix.lower() not in SUFFIXES:
        raise PlotError(f"{path}: a picture's name ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not path.parent.is_dir():
        raise PlotError(f"{path}: there is no folder {path.parent}")


def write(path: Path, picture: "Figure") -> None:
    """Write a picture whole or not at all; its suffix names the format."""
    with files.whole(path) as part:
        picture.savefig(part, format=path.suffix[1:].lower(), dpi=110, facecolor="white")


def draw(recognizer: Recognizer, sound: Sound, options: Options = Options()) -> "tuple[Figure, Transcript]":  # noqa: B008
    """Transcribe a sound, which goes through the network once, and draw how it was recognised.

    Raises PlotError where matplotlib is missing or the sound is too long for a picture; and what is wrong with it.
    """
    features = recognizer.card.features
    held = sound.held(features.sample_rate)
    duration_s = len(held.waveform()) / features.sample_rate
    max_s = recognizer.frontend.speech.max_segment_s
    if duration_s > max_s:
        raise PlotError(f"{sound.name}: a picture shows at most {max_s:g} s, and this lasts {duration_s:.0f} s")
    (result,) = recognizer.recognise([held])
    if isinstance(result, UserError):
        raise result
    _, parts = result
    transcript = recognizer.transcript(parts, options)
    return figure(recognizer.card, held, recognizer.network.join(parts), transcript), transcript


def figure(
    card: ModelCard, sound: Sound, whole: Part, transcript: Transcript, expected: Transcript | None = None
) -> "Figure":
    """The picture of a sound, of its cepstra and log-probabilities as one segment, and of its transcript.

    Below it where the words `expected` would lie, if they are given.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    segment, emission = whole
    waveform, duration_s = sound.waveform(), segment.end_s
    rows = likely(emission)
    width = max(_NARROWEST, duration_s * _INCHES_PER_S + _MARGINS)
    is_upright = _are_upright(transcript, (width - _MARGINS) / max(duration_s, 1e-9))
    longest = max((len(word.text) for word in transcript.words), default=0)
    heights = [1.3, 1.9, max(1.2, 0.17 * len(rows)), 0.75 if is_upright else 0.35 + 0.1 * (longest + 6)]
    heights += [heights[3]] if expected else []
    title = textwrap.fill(transcript.text, max(40, round(9 * width))) or "(empty transcript)"
    picture = Figure((width, sum(heights) + 1.0 + 0.25 * title.count("\n")), layout="constrained")
    FigureCanvasAgg(picture)
    grid = picture.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=[width - 0.15, 0.15])
    axes: list[Axes] = []
    for row in range(len(heights)):
        axes.append(picture.add_subplot(grid[row, 0], sharex=axes[0] if axes else None))
    picture.suptitle(title, fontsize=14, color=_INK, parse_math=False)
    axes[0].set_title(sound.name, fontsize=9, color="#666666", loc="left", parse_math=False)

    _waveform(axes[0], waveform, card.features.sample_rate)
    image = _cepstra(axes[1], segment, card.features)
    picture.colorbar(image, cax=picture.add_subplot(grid[1, 1]), label="standard\ndeviations", ticks=[-2, 0, 2])
    image = _letters(axes[2], emission, rows, card, segment.origin_s)
    picture.colorbar(image, cax=picture.add_subplot(grid[2, 1]), label="probability", ticks=[0, 0.5, 1])
    _words(axes[3], transcript, is_upright=is_upright)
    if expected:
        _words(axes[4], expected, is_upright=is_upright)
        axes[4].set_ylabel("expected", color=_INK)
    _style(axes, transcript, segment.padding_s, duration_s)
    picture.align_ylabels(axes)
    return picture


def _are_upright(transcript: Transcript, inches_per_s: float) -> bool:
    """Whether every word is long enough for its text to be written along it."""
    widths = [((word.end_s - word.start_s) * inches_per_s, len(word.text)) for word in transcript.words]
    return all(length * 0.65 * _WORD_PT / _POINTS < width and width > 0.45 for width, length in widths)


def _style(axes: "list[Axes]", transcript: Transcript, padding_s: float, duration_s: float) -> None:
    """The seconds and the bounds of the words, alike on all rows; the network may spell a word in the padding."""
    for row, axis in enumerate(axes):
        axis.set_xlim(-padding_s, max(duration_s, 1e-3) + padding_s)
        axis.tick_params(labelbottom=axis is axes[-1], labelsize=9, colors=_INK)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for word in [] if row == 4 else transcript.words:
            for second in {word.start_s, word.end_s}:
                axis.axvline(
                    second, color=_PALE if row in (0, 3, 4) else _INK, linewidth=0.6, linestyle=":", zorder=0.5
                )
    axes[-1].set_xlabel("seconds", color=_INK)


def likely(emission: Emission) -> list[int]:
    """Tokens of log_probs (T, V) that are somewhere likely: the blank, then the others from the last to the first."""
    peaks = np.exp(emission).max(axis=0, initial=0)
    return [BLANK, *(token for token in reversed(np.flatnonzero(peaks >= _LIKELY).tolist()) if token != BLANK)]


def _waveform(axis: "Axes", waveform: audio.Waveform, sample_rate: int) -> None:
    # The range of the samples in each dot, not a line through every sample.
    step = max(1, len(waveform) // 4000)
    dots = np.pad(waveform, (0, -len(waveform) % step), mode="edge").reshape(-1, step)
    seconds = np.arange(len(dots)) * step / sample_rate
    axis.fill_between(seconds, dots.min(axis=1), dots.max(axis=1), color=_WAVE, linewidth=0.6)
    loudest = max(float(np.abs(waveform).max(initial=0)), 1e-3) * 1.05
    axis.set_ylim(-loudest, loudest)
    axis.set_ylabel("amplitude", color=_INK)


def _cepstra(axis: "Axes", segment: Segment, features: FeatureConfig) -> Any:
    cepstra, hop_s = segment.cepstra, features.hop_s
    spread = cepstra.std(axis=0)
    scaled = (cepstra - cepstra.mean(axis=0)) / np.where(spread > 0, spread, 1)
    # A frame is drawn where the middle of its window lies.
    first_s = segment.origin_s + (features.window_ms / 1000 - hop_s) / 2
    extent = (first_s, first_s + len(cepstra) * hop_s, -0.5, cepstra.shape[1] - 0.5)
    image = axis.imshow(
        scaled.T,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        cmap="RdBu_r",
        vmin=-_MEAN_SPREAD,
        vmax=_MEAN_SPREAD,
        extent=extent,
    )
    axis.set_yticks(range(0, cepstra.shape[1], 4))
    axis.set_ylabel("MFCC\n(0: energy)", color=_INK)
    return image


def _letters(axis: "Axes", emission: Emission, rows: list[int], card: ModelCard, start_s: float) -> Any:
    tokens = card.tokenizer.tokens
    end_s = start_s + len(emission) * card.features.frame_ms / 1000
    extent = (start_s, end_s, -0.5, len(rows) - 0.5)
    image = axis.imshow(
        np.exp(emission[:, rows]).T,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        cmap="Blues",
        vmin=0,
        vmax=1,
        extent=extent,
    )
    names = {"<blank>": "blank", " ": "space"}
    axis.set_yticks(range(len(rows)), [names.get(tokens[token], tokens[token]) for token in rows], parse_math=False)
    axis.set_ylabel("letter", color=_INK)
    return image


def _words(axis: "Axes", transcript: Transcript, *, is_upright: bool) -> None:
    from matplotlib import colormaps

    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_ylabel("words and\nconfidence", color=_INK)
    for word in transcript.words:
        colour = colormaps["Blues"](0.1 + 0.7 * word.confidence)
        is_dark = np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.5
        ink = "white" if is_dark else _INK
        axis.broken_barh([(word.start_s, word.end_s - word.start_s)], (0.04, 0.92), facecolor=colour, edgecolor="white")
        middle = (word.start_s + word.end_s) / 2
        confidence = f"{word.confidence:.0%}".replace("%", " %")
        styles: dict[str, Any] = {"ha": "center", "color": ink, "parse_math": False, "clip_on": True}
        if is_upright:
            axis.text(middle, 0.62, word.text, va="center", fontsize=_WORD_PT, **styles)
            axis.text(middle, 0.25, confidence, va="center", fontsize=_SMALL_PT, **styles)
        else:
            axis.text(
                middle, 0.5, f"{word.text}  {confidence}", va="center", fontsize=_SMALL_PT + 1, rotation=90, **styles
            )
