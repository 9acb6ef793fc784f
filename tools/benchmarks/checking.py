"""Looking at a corpus before it is trained on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import section

_NUM, _RATE, _SECONDS = 10_000, 16_000, 2.0


def _make_corpus(folder: Path) -> None:
    """Noise whose spectrum falls as that of speech does, in pieces of which no two are the same, with sentences."""
    import numpy as np
    import soundfile

    rng = np.random.default_rng(1)
    white = rng.standard_normal(60 * _RATE)
    noise = (3000 * (white + np.roll(white, 1))).astype(np.int16)
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(3, 8))) for _ in range(2000)]
    starts = rng.choice(len(noise) - int(_SECONDS * _RATE), _NUM, replace=False)
    with (folder / "train.jsonl").open("w") as manifest:
        for number, start in enumerate(starts.tolist()):
            soundfile.write(folder / f"{number}.wav", noise[start : start + int(_SECONDS * _RATE)], _RATE)
            text = " ".join(rng.choice(words, 4))
            line = {"id": str(number), "audio": f"{number}.wav", "text": text, "duration_s": _SECONDS}
            manifest.write(json.dumps(line | {"speaker": str(number % 50)}) + "\n")


def _same_count(ours: Any, peer: Any) -> str:
    assert ours == peer == _NUM, (ours, peer)
    return "read all"


check = section(
    "check", "asr-check: a manifest of 10,000 recordings of 2 s, every sound decoded and measured", "utterances", _NUM,
    prepare=_make_corpus, same=_same_count,
)  # fmt: skip


@check.contender("asr.check")
def _(folder: Path) -> Iterator[Any]:
    from asr.check import corpus
    from asr.data import manifest
    from asr.features import FeatureConfig
    from asr.text import TextConfig

    settings = corpus.Settings(TextConfig(alphabet="abcdefghijklmnopqrstuvwxyz "), FeatureConfig(sample_rate=_RATE))
    yield
    yield corpus.full({"all": manifest.read(folder / "train.jsonl")}, settings).num_utterances


@check.contender("soundfile decodes, peaks by NumPy")
def _(folder: Path) -> Iterator[Any]:
    import numpy as np
    import soundfile

    yield
    peaks = [np.abs(soundfile.read(path, dtype="float32")[0]).max() for path in folder.glob("*.wav")]
    yield len(peaks)


@check.contender("librosa.load, peaks by NumPy")
def _(folder: Path) -> Iterator[Any]:
    import librosa
    import numpy as np

    yield
    peaks = [np.abs(librosa.load(path, sr=_RATE)[0]).max() for path in folder.glob("*.wav")]
    yield len(peaks)
