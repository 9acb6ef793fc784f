"""Accuracy by the ratio of speech to noise: lines, and a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr import files
from asr.report import plot
from asr.score import Score
from asr.score.commands import CommandScore

check = plot.check


@dataclass(frozen=True)
class Point:
    """What came out at one ratio; None: no noise was added."""

    snr_db: float | None
    score: Score
    commands: CommandScore | None

    @property
    def rate(self) -> float:
        """Of commands that are right where they are labelled, else of words: 1 - WER."""
        return self.commands.commands.rate if self.commands else 1 - self.score.word.rate

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        commands = {"commands": self.commands.to_dict()} if self.commands else {}
        return {"snr_db": self.snr_db, **self.score.to_dict(), **commands}


def line(point: Point) -> str:
    """One line of the table."""
    name = "as recorded" if point.snr_db is None else f"{point.snr_db:g} dB"
    words = f"WER {point.score.word.rate:.2%}" if point.score.word.reference_length else ""
    if point.commands:
        return f"{name:12}  commands {point.commands.commands}  {words}".rstrip()
    return f"{name:12}  {words}"


def write(path: Path, points: Sequence[Point]) -> None:
    """Draw accuracy over the ratio, with 95 % intervals of commands and a line for speech without noise added.

    Written whole or not at all.
    """
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = picture.subplots()
    noisy = [point for point in points if point.snr_db is not None]
    ratios = [float(point.snr_db) for point in noisy if point.snr_db is not None]
    rates = [100 * point.rate for point in noisy]
    axis.plot(ratios, rates, marker="o")
    if ranges := [point.commands.commands.range for point in noisy if point.commands]:
        axis.fill_between(ratios, [100 * one.low for one in ranges], [100 * one.high for one in ranges], alpha=0.2)
    for point in points:
        if point.snr_db is None:
            axis.axhline(100 * point.rate, linestyle="--", color="gray", label="as recorded")
            axis.legend(loc="lower right")
    axis.set_xlabel("speech to noise, dB")
    axis.set_ylabel("commands right, %" if points[0].commands else "1 - WER, %")
    axis.grid(alpha=0.3)
    with files.whole(path) as part:
        picture.savefig(part, format=path.suffix[1:].lower(), dpi=110, facecolor="white")
