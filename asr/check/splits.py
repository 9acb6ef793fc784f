"""What stands on both sides of a split, and what does not fit together: speakers, sound, lengths, texts and frames."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from asr.check.findings import Example, Finding, finding
from asr.data.manifest import Utterance
from asr.decode import ctc_paths
from asr.features import FeatureConfig
from asr.text import TextConfig, Tokenizer

Splits = Mapping[str, Sequence[Utterance]]
MIN_FOR_STATISTICS = 30  # utterances


def speakers(splits: Splits) -> list[Finding]:
    """Speakers who are trained on and tested with: the figures are those of known voices."""
    by_split = {name: Counter(one.speaker for one in part if one.speaker) for name, part in splits.items()}
    found = [
        Example(str(speaker), f"{by_split['train'][speaker]} in train, {count} in {name}")
        for name, counts in by_split.items()
        if name != "train"
        for speaker, count in counts.most_common()
        if speaker in by_split.get("train", ())
    ]
    fix = "If the model is for other voices, split by speaker; else say that the speakers are known"
    return finding("speakers", "speakers are in train and in another split", found, fix, is_error=False)


def same_sound(splits: Splits, digests: Mapping[str, str]) -> list[Finding]:
    """Sounds, by their samples, that are trained on and tested with, and those that have two transcripts."""
    where: dict[str, list[tuple[str, Utterance]]] = defaultdict(list)
    for name, part in splits.items():
        for utterance in part:
            if digest := digests.get(f"{name}/{utterance.id}"):
                where[digest].append((name, utterance))
    across = [
        Example(f"{name}/{one.id}", f"the same as train/{trained.id}")
        for same in where.values()
        if (trained := next((one for name, one in same if name == "train"), None))
        for name, one in same
        if name != "train"
    ]
    differ = [
        Example(f"{name}/{one.id}", f"{one.text!r}, and {same[0][1].text!r} as {same[0][0]}/{same[0][1].id}")
        for same in where.values()
        for name, one in same[1:]
        if one.text != same[0][1].text
    ]
    return [
        *finding("same_sound", "sounds of other splits are trained on", across, "Take them out of one of the splits"),
        *finding("two_texts", "sounds have more than one transcript", differ, "Keep the right one"),
    ]


def fit(
    splits: Splits, text: TextConfig, features: FeatureConfig, *, tempo: float = 0.0, speed: float = 0.0
) -> list[Finding]:
    """Transcripts with more tokens, and blanks between equal ones, than their sound has frames.

    Also those that the recipe's fastest tempo and speed leave no room for: they are perturbed less than the others.
    """
    tokenizer = Tokenizer(text.alphabet)
    too_long: list[tuple[float, Example]] = []
    tight: list[tuple[float, Example]] = []
    fastest = (1 + tempo) * (1 + speed)
    for name, part in splits.items():
        for utterance in part:
            normal = text.normalise(utterance.text)
            if not normal or not utterance.duration_s or not set(normal) <= set(text.alphabet):
                continue
            needed = ctc_paths.min_frames(tokenizer.encode(normal))
            num_frames = features.num_stacked(features.num_frames(round(utterance.duration_s * features.sample_rate)))
            example = Example(f"{name}/{utterance.id}", f"{normal[:40]!r} needs {needed} frames and has {num_frames}")
            if needed > num_frames:
                too_long.append((num_frames / needed, example))
            elif name == "train" and needed > num_frames / fastest:
                tight.append((num_frames / needed, example))
    shorter = f"features.stack=1 or a features.hop_ms below {features.hop_ms:g}"
    if features.stack == 1:
        shorter = f"a features.hop_ms below {features.hop_ms:g}"
    return [
        *finding(
            "too_long",
            "transcripts do not fit their frames, and are skipped",
            _worst(too_long),
            f"Mend the transcripts or the cuts, or set {shorter}",
        ),
        *finding(
            "tight",
            f"transcripts would not fit where augment makes them {fastest:.2f} times as fast",
            _worst(tight),
            f"Set a smaller augment.tempo or augment.speed, or {shorter}",
            is_error=False,
        ),
    ]


def _worst(pairs: Sequence[tuple[float, Example]]) -> list[Example]:
    """Examples by their numbers, the smallest first."""
    return [example for _, example in sorted(pairs, key=lambda pair: pair[0])]


def lengths(splits: Splits, text: TextConfig) -> list[Finding]:
    """Utterances whose seconds per character are far from the others', and texts that do not go with their sounds."""
    rows = [
        (f"{name}/{one.id}", one.duration_s, len(text.normalise(one.text)))
        for name, part in splits.items()
        for one in part
        if one.duration_s and text.normalise(one.text)
    ]
    if len(rows) < MIN_FOR_STATISTICS:
        return []
    seconds, sizes = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    rates = np.log(seconds / sizes)
    middle = float(np.median(rates))
    spread = max(0.15, 1.4826 * float(np.median(np.abs(rates - middle))))
    far = np.abs(rates - middle) / spread
    odd = [index for index in np.argsort(-far, kind="stable") if far[index] > 5]
    found = [
        Example(rows[index][0], f"{seconds[index] / sizes[index]:.2f} s per character; usual {np.exp(middle):.2f}")
        for index in odd
    ]
    shuffled = []
    correlation = length_correlation(seconds, sizes)
    if correlation is not None and correlation < 0.1:
        shuffled = [Example("", f"their correlation is {correlation:.2f}")]
    return [
        *finding(
            "seconds_per_character",
            "utterances are far longer or shorter than their transcripts",
            found,
            "Listen to them: a wrong transcript, a wrong cut or a wrong sample rate",
            is_error=False,
        ),
        *finding(
            "shuffled",
            "transcripts are no longer where the sound is longer",
            shuffled,
            "The transcripts may belong to other sounds: look at how the manifest was made",
            count=len(rows),
        ),
    ]


def length_correlation(seconds: npt.ArrayLike, sizes: npt.ArrayLike) -> float | None:
    """How far longer sounds have longer texts, from -1 to 1; None where too few or too like lengths say nothing."""
    ours, theirs = np.asarray(seconds, np.float64), np.asarray(sizes, np.float64)
    if len(theirs) < MIN_FOR_STATISTICS or theirs.std() <= 0.2 * theirs.mean() or ours.std() <= 0.05 * ours.mean():
        return None
    one, other = (values.argsort(kind="stable").argsort(kind="stable") for values in (ours, theirs))
    return float(np.corrcoef(one, other)[0, 1])
