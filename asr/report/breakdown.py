"""Error rates by what utterances have in common: the word, the speaker, the length, the level of speech over noise."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from asr import audio
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.score import Score
from asr.score.rejection import wilson_range
from asr.score.scoring import columns
from asr.score.tables import Cell, Rate, Table

MAX_BARS = 15
_MAX_MEASURED = 2000  # utterances whose sound is read for a chart
_LENGTHS = ((1, 1), (2, 2), (3, 4), (5, 7), (8, 12), (13, 20), (21, 10**9))  # words
_FRAME_S = 0.02
_STEP_DB = 10


@dataclass(frozen=True)
class Group:
    """What several utterances, or the occurrences of a word, have come to."""

    name: str
    errors: int
    total: int
    """Words of the references."""

    @property
    def rate(self) -> float:
        """Errors by words."""
        return self.errors / max(1, self.total)

    @property
    def bar(self) -> tuple[str, float, float, float, str]:
        """For charts.bars. The interval is Wilson's, as if each word were drawn by itself; insertions widen no bar."""
        between = wilson_range(min(self.errors, self.total), self.total)
        return self.name, self.rate, min(between.low, self.rate), max(between.high, self.rate), f"of {self.total}"


def by_word(scored: Score) -> list[Group]:
    """Each word of the references: how often it was deleted or taken for another; most errors first."""
    wrong: Counter[str] = Counter()
    spoken: Counter[str] = Counter()
    for reference, hypothesis, letters in zip(scored.references, scored.hypotheses, scored.alignments, strict=True):
        spoken.update(reference)
        wrong.update(word for letter, word, _ in columns(reference, hypothesis, letters) if letter in "SD")
    order = sorted(spoken, key=lambda word: (-wrong[word], spoken[word], word))
    return [Group(word, wrong[word], spoken[word]) for word in order]


def by_speaker(scored: Score) -> list[Group]:
    """Speakers that are known, the worst first."""
    found = [Group(name, word.errors, word.reference_length) for name, (word, _) in scored.speakers.items() if name]
    return sorted(found, key=lambda group: -group.rate)


def by_length(scored: Score) -> list[Group]:
    """Utterances by how many words their references have."""

    def bin_of(index: int) -> int | None:
        length = len(scored.references[index])
        return next((place for place, (low, high) in enumerate(_LENGTHS) if low <= length <= high), None)

    def name(place: int) -> str:
        low, high = _LENGTHS[place]
        return (
            f"{low} word{'s' * (low > 1)}"
            if low == high
            else f"{low}+ words"
            if high > 999
            else f"{low} to {high} words"
        )

    return _grouped(scored, bin_of, name)


def by_noise(scored: Score, utterances: Mapping[str, Utterance]) -> list[Group]:
    """Utterances by how far their speech stands above their background, in steps of 10 dB, where there is sound."""
    levels = {}
    for key in scored.ids[:_MAX_MEASURED]:
        if (one := utterances.get(key)) and one.audio and (ratio := _ratio_of(one)) is not None:
            levels[key] = int(min(ratio, 60) // _STEP_DB)

    def name(place: int) -> str:
        return f"{place * _STEP_DB}+ dB" if place >= 6 else f"{place * _STEP_DB} to {(place + 1) * _STEP_DB} dB"

    return _grouped(scored, lambda index: levels.get(scored.ids[index]), name)


def _ratio_of(utterance: Utterance) -> float | None:
    try:
        rate = audio.info(str(utterance.audio)).sample_rate
        return speech_over_background(manifest.read_waveform(utterance, rate), rate)
    except audio.AudioError:
        return None


def speech_over_background(waveform: audio.Waveform, sample_rate: int) -> float:
    """Decibels between the 95th and the 10th percentile of the levels of 20 ms of (num_samples,): an estimate.

    It is the ratio of speech to noise as far as speech fills a twentieth of a sound, and pauses a tenth.
    """
    size = max(1, round(_FRAME_S * sample_rate))
    frames = waveform[: len(waveform) // size * size].reshape(-1, size)
    if not len(frames):
        return 0.0
    levels = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-10)
    return float(np.percentile(levels, 95) - np.percentile(levels, 10))


def _grouped(scored: Score, bin_of: Callable[[int], int | None], name: Callable[[int], str]) -> list[Group]:
    errors: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for index in range(len(scored.ids)):
        if (place := bin_of(index)) is not None:
            errors[place] += int(scored.word_counts[index, 1:].sum())
            total[place] += len(scored.references[index])
    return [Group(name(place), errors[place], total[place]) for place in sorted(total)]


def table(groups: list[Group], title: str, what: str) -> Table:
    """Groups as a table that can be sorted."""
    rows: list[tuple[Cell, ...]] = [(group.name, Rate(group.rate), group.errors, group.total) for group in groups]
    return Table(title, (what, "wrong", "errors", "words"), rows)


def confused(scored: Score, most: int = 24) -> tuple[np.ndarray, list[str], list[str]] | None:
    """The words most often taken for others: counts (N, M + 1), the words that were spoken, and those of the columns.

    The last column counts what was deleted or taken for a word that has no column. None where nothing was taken for
    something else.
    """
    found = scored.confusions.substitutions
    if not found:
        return None
    weight: Counter[str] = Counter()
    for (word, other), times in found:
        weight[word] += times
        weight[other] += times
    names = sorted(word for word, _ in weight.most_common(most))
    spoken = {word for reference in scored.references for word in reference}
    rows = [word for word in names if word in spoken]
    index = {word: place for place, word in enumerate(names)}
    counts = np.zeros((len(rows), len(names) + 1), np.int64)
    for reference, hypothesis, letters in zip(scored.references, scored.hypotheses, scored.alignments, strict=True):
        for letter, word, other in columns(reference, hypothesis, letters):
            if letter != "I" and word in index:
                counts[rows.index(word), index.get(word if letter == "C" else other, len(names))] += 1
    return counts, rows, [*names, "(other)"]
