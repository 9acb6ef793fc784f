"""Words that sound alike: what a recogniser of a few words must not take for one of them."""

import re
from collections.abc import Collection, Mapping

from asr.synthesis.espeak import Synthesizer

_MARKS = re.compile("[ˈˌː̩‍ ]")
"""Stress and length: a speaker of another accent has others."""


def sounds(reads: Mapping[str, str], voice: str = "en-us") -> dict[str, str]:
    """The phonemes of each word, given with what is read for it, by a voice of espeak-ng; without stress and length.

    Raises SynthesisError.
    """
    synthesizer = Synthesizer()
    return {word: _MARKS.sub("", synthesizer.phonemes(read, voice)) for word, read in reads.items()}


def alike(readings: Mapping[str, Collection[str]], others: Mapping[str, str]) -> set[str]:
    """Which of `others`, given with their phonemes, are a word of `readings` or sound as one does."""
    spoken = {phonemes for reading in readings.values() for phonemes in reading}
    return {other for other, phonemes in others.items() if other in readings or phonemes in spoken}


def near(readings: Mapping[str, Collection[str]], others: Mapping[str, str]) -> list[str]:
    """Which of `others` differ by one phoneme from a word: one more, one less, or another."""
    shapes = {shape for phonemes in readings.values() for reading in phonemes for shape in _shapes(reading)}
    return sorted(other for other, phonemes in others.items() if not shapes.isdisjoint(_shapes(phonemes)))


def _shapes(phonemes: str) -> set[str]:
    """What two strings of which one has a phoneme more, or another, have in common."""
    gaps = {f"{phonemes[:index]}*{phonemes[index:]}" for index in range(len(phonemes) + 1)}
    return gaps | {f"{phonemes[:index]}*{phonemes[index + 1 :]}" for index in range(len(phonemes))}
