"""A picture of what was heard: waveform, MFCCs, probabilities of the letters and words, on one time axis."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import audio, extras, files
from asr.decode.hypothesis import Emission
from asr.errors import UserError
from asr.features import Frames
from asr.recognition.recognizer import Recognizer, Transcript
from asr.segment import LONGEST_S
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
    """Raises PlotError, before anything is heard, if nothing can be drawn into this file."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise PlotError(extras.missing("--plot", "matplotlib", "plot")) from None
    if path.suffix.lower() not in SUFFIXES:
        raise PlotError(f"{path}: a picture's name ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not path.parent.is_dir():
        raise PlotError(f"{path}: there is no folder {path.parent}")


def draw(path: Path, recognizer: Recognizer, waveform: audio.Waveform, name: str = "") -> Transcript:
    """Transcribe a waveform (num_samples,) at the model's rate, and draw how it was understood.

    Raises PlotError where matplotlib is missing or the sound is too long to be one utterance; FeatureError where the
    model hears no sound.
    """
    check(path)
    duration_s = len(waveform) / recognizer.card.features.sample_rate
    if duration_s > LONGEST_S:
        raise PlotError(
            f"{name or 'the sound'}: a picture shows at most {LONGEST_S:g} s, and this lasts {duration_s:.0f} s"
        )
    stretch, emission = recognizer.emission(waveform, recognizer.card.features.sample_rate)
    transcript = recognizer.transcribe(waveform, recognizer.card.features.sample_rate)
    picture = figure(recognizer, waveform, stretch.static, emission, transcript, name)
    with files.whole(path) as part:
        picture.savefig(part, format=path.suffix[1:].lower(), dpi=110, facecolor="white")
    return transcript


def figure(
    recognizer: Recognizer,
    waveform: audio.Waveform,
    static: Frames,
    emission: Emission,
    transcript: Transcript,
    name: str = "",
) -> "Figure":
    """The picture of a waveform (num_samples,), its cepstra (T', C), log_probs (T, V) and transcript."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    config = recognizer.card.features
    duration_s = len(waveform) / config.sample_rate
    rows = likely(emission)
    width = max(_NARROWEST, duration_s * _INCHES_PER_S + _MARGINS)
    inches_per_s = (width - _MARGINS) / max(duration_s, 1e-9)
    is_upright = all(
        len(word.text) * 0.65 * _WORD_PT / _POINTS < (word.end_s - word.start_s) * inches_per_s
        and (word.end_s - word.start_s) * inches_per_s > 0.45
        for word in transcript.words
    )
    longest = max((len(word.text) for word in transcript.words), default=0)
    heights = [1.3, 1.9, max(1.2, 0.17 * len(rows)), 0.75 if is_upright else 0.35 + 0.1 * (longest + 6)]
    title = textwrap.fill(transcript.text, max(40, round(9 * width))) or "(nothing heard)"
    picture = Figure((width, sum(heights) + 1.0 + 0.25 * title.count("\n")), layout="constrained")
    FigureCanvasAgg(picture)
    grid = picture.add_gridspec(4, 2, height_ratios=heights, width_ratios=[width - 0.15, 0.15])
    axes: list[Axes] = []
    for place in range(4):
        axes.append(picture.add_subplot(grid[place, 0], sharex=axes[0] if axes else None))
    picture.suptitle(title, fontsize=14, color=_INK, parse_math=False)
    if name:
        axes[0].set_title(name, fontsize=9, color="#666666", loc="left", parse_math=False)

    _waveform(axes[0], waveform, config.sample_rate)
    edge_s = config.edge_ms / 1000  # the network may spell a word in the noise after it
    image = _cepstra(axes[1], static, config.hop_s, config.window_ms / 1000, -edge_s)
    picture.colorbar(image, cax=picture.add_subplot(grid[1, 1]), label="standard\ndeviations", ticks=[-2, 0, 2])
    frame_s = config.frame_ms / 1000
    image = _letters(axes[2], emission, rows, recognizer.tokenizer.tokens, frame_s, -edge_s)
    picture.colorbar(image, cax=picture.add_subplot(grid[2, 1]), label="probability", ticks=[0, 0.5, 1])
    _words(axes[3], transcript, is_upright=is_upright)

    for place, axis in enumerate(axes):
        axis.set_xlim(-edge_s, max(duration_s, 1e-3) + edge_s)
        axis.tick_params(labelbottom=place == 3, labelsize=9, colors=_INK)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for word in transcript.words:
            for second in {word.start_s, word.end_s}:
                axis.axvline(second, color=_PALE if place in (0, 3) else _INK, linewidth=0.6, linestyle=":", zorder=0.5)
    axes[3].set_xlabel("seconds", color=_INK)
    picture.align_ylabels(axes)
    return picture


def likely(emission: Emission) -> list[int]:
    """Tokens of log_probs (T, V) that are somewhere likely: the blank, then the others from the last to the first."""
    peaks = np.exp(emission).max(axis=0, initial=0)
    return [BLANK, *(token for token in reversed(np.flatnonzero(peaks >= _LIKELY).tolist()) if token != BLANK)]


def _waveform(axis: "Axes", waveform: audio.Waveform, sample_rate: int) -> None:
    # The range of each stretch: as many as there are dots, not a line through every sample.
    step = max(1, len(waveform) // 4000)
    stretches = np.pad(waveform, (0, -len(waveform) % step), mode="edge").reshape(-1, step)
    seconds = np.arange(len(stretches)) * step / sample_rate
    axis.fill_between(seconds, stretches.min(axis=1), stretches.max(axis=1), color=_WAVE, linewidth=0.6)
    loudest = max(float(np.abs(waveform).max(initial=0)), 1e-3) * 1.05
    axis.set_ylim(-loudest, loudest)
    axis.set_ylabel("amplitude", color=_INK)


def _cepstra(axis: "Axes", static: Frames, hop_s: float, window_s: float, start_s: float) -> Any:
    spread = static.std(axis=0)
    scaled = (static - static.mean(axis=0)) / np.where(spread > 0, spread, 1)
    # A frame is drawn where the middle of its window lies.
    first_s = start_s + (window_s - hop_s) / 2
    extent = (first_s, first_s + len(static) * hop_s, -0.5, static.shape[1] - 0.5)
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
    axis.set_yticks(range(0, static.shape[1], 4))
    axis.set_ylabel("MFCC\n(0: energy)", color=_INK)
    return image


def _letters(
    axis: "Axes", emission: Emission, rows: list[int], tokens: tuple[str, ...], frame_s: float, start_s: float
) -> Any:
    extent = (start_s, start_s + len(emission) * frame_s, -0.5, len(rows) - 0.5)
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
        sure = f"{word.confidence:.0%}".replace("%", " %")
        styles: dict[str, Any] = {"ha": "center", "color": ink, "parse_math": False, "clip_on": True}
        if is_upright:
            axis.text(middle, 0.62, word.text, va="center", fontsize=_WORD_PT, **styles)
            axis.text(middle, 0.25, sure, va="center", fontsize=_SMALL_PT, **styles)
        else:
            axis.text(middle, 0.5, f"{word.text}  {sure}", va="center", fontsize=_SMALL_PT + 1, rotation=90, **styles)
