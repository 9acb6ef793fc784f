"""A whole corpus checked: quickly by its manifests, or fully with every sound decoded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from asr import workers
from asr.audio import AudioError
from asr.check import sound, splits, texts
from asr.check.findings import Example, Finding
from asr.check.sound import Measured
from asr.check.splits import Splits
from asr.data.manifest import Utterance
from asr.features import FeatureConfig
from asr.synthesis.errors import SynthesisError
from asr.synthesis.espeak import Synthesizer
from asr.text import TextConfig

_STRESS = "ˈˌː ."


@dataclass(frozen=True)
class Settings:
    """What of a recipe decides what is wrong with a corpus."""

    text: TextConfig
    features: FeatureConfig
    tempo: float = 0.0
    speed: float = 0.0


@dataclass(frozen=True)
class Report:
    """What was found, and in how much."""

    num_utterances: int
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        """Whether nothing costs utterances or makes figures wrong."""
        return not any(finding.is_error for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "num_utterances": self.num_utterances,
            "is_good": self.is_good,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def quick(parts: Splits, settings: Settings) -> Report:
    """What the manifests alone say: no sound is read."""
    every = [utterance for part in parts.values() for utterance in part]
    found = [
        *texts.alphabet(every, settings.text),
        *splits.fit(parts, settings.text, settings.features, tempo=settings.tempo, speed=settings.speed),
        *splits.speakers(parts),
        *splits.lengths(parts, settings.text),
    ]
    return Report(len(every), found)


def full(
    parts: Splits,
    settings: Settings,
    *,
    jobs: int = 2,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = lambda items: items,
) -> Report:
    """The whole check: every sound is decoded, on `jobs` threads; `progress` wraps what has been."""
    named = [(f"{name}/{one.id}", one) for name, part in parts.items() for one in part]
    measured: dict[str, Measured] = {}
    unreadable: list[Example] = []
    for (name, _), result in zip(
        named, progress(workers.ahead(_measure, [one for _, one in named], depth=32 * jobs, threads=jobs)), strict=True
    ):
        if isinstance(result, Measured):
            measured[name] = result
        elif result is not None:
            unreadable.append(Example(name, str(result)))
    timed = {name: [_timed(one, measured.get(f"{name}/{one.id}")) for one in part] for name, part in parts.items()}
    every = [one for _, one in named]
    found = [
        *quick(timed, settings).findings,
        *sound.findings(measured, unreadable, settings.features.sample_rate),
        *splits.same_sound(parts, {name: one.digest for name, one in measured.items()}),
        *texts.classes(every, settings.text, pronouncer()),
    ]
    return Report(len(every), sorted(found, key=lambda finding: not finding.is_error))


def _measure(utterance: Utterance) -> Measured | AudioError | None:
    if utterance.audio is None:
        return None
    try:
        return sound.measure(utterance)
    except AudioError as error:
        return error


def _timed(utterance: Utterance, measured: Measured | None) -> Utterance:
    return replace(utterance, duration_s=measured.duration_s) if measured else utterance


@cache
def pronouncer() -> texts.Pronounce | None:
    """What spells a text in phonemes; None where espeak-ng is not installed."""
    try:
        synthesizer = Synthesizer()
    except SynthesisError:
        return None

    def pronounce(text: str) -> str:
        return "".join(mark for mark in synthesizer.phonemes(text, "en-us") if mark not in _STRESS)

    return pronounce


def lines(report: Report) -> list[str]:
    """A report as it is read: errors first."""
    made = [f"{'error' if finding.is_error else 'note'}: {finding}" for finding in report.findings]
    verdict = "nothing is wrong" if not made else f"{len(made)} kinds of trouble"
    return [*made, f"{report.num_utterances} utterances checked: {verdict}"]


def splits_of(parts: Mapping[str, Sequence[Utterance]]) -> Splits:
    """The splits that hold something."""
    return {name: part for name, part in parts.items() if part}
