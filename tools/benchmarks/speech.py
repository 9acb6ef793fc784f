"""What the sections listen to: words spoken by espeak-ng, with voices that their model was not trained on."""

import inspect
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import REPOSITORY

SAMPLE_RATE = 16000
SECONDS = 2.5  # of each file
# Of recipes/english_letters.yaml, seed 1: a frame for each 10 ms of sound at 16 kHz, as the ways beside it have.
MODEL = Path(__file__).with_name("english_letters.onnx")
DIGITS = "zero one two three four five six seven eight nine".split()


def vocabulary() -> list[str]:
    """The words of MODEL."""
    words: list[str] = sorted(set(_synthetic().WORDS))
    return words


def speak(words: Sequence[str], seed: int = 0) -> Iterator[Any]:
    """Each word as a float32 waveform at SAMPLE_RATE, in a drawn voice, the silence around it cut off."""
    import numpy as np

    from asr import audio
    from asr.synthesis import cast
    from asr.synthesis.espeak import Line, Synthesizer
    from asr.synthesis.speak import trim

    script, rng = _synthetic(), np.random.default_rng(seed)
    synthesizer = Synthesizer(dict.fromkeys(cast.TEST_VOICES))
    for word in words:
        voice = f"{rng.choice(cast.ENGLISH_ACCENTS)}+{rng.choice(cast.TEST_VOICES)}"
        line = Line("", script.spoken(word), voice, int(rng.integers(130, 220)), int(rng.integers(20, 80)))
        yield trim(audio.resample(synthesizer.speak(line), synthesizer.sample_rate, SAMPLE_RATE), SAMPLE_RATE // 33)


def write_files(folder: Path, count: int) -> None:
    """`count` WAV files of exactly SECONDS in which words follow each other without a pause."""
    import numpy as np

    from asr import audio

    rng, wanted = np.random.default_rng(1), round(SECONDS * SAMPLE_RATE)
    spoken = list(speak(rng.choice(vocabulary(), 200).tolist()))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        waveform = np.concatenate([spoken[index] for index in rng.integers(len(spoken), size=20)])
        audio.write(folder / f"{number:06d}.wav", np.resize(waveform, wanted), SAMPLE_RATE)


def write_corpus(folder: Path, count: int, shortest_s: float | None = None) -> None:
    """`count` such files with a text of ten letters each, and their manifest; parts of them from `shortest_s` on."""
    from asr.data import manifest
    from asr.data.manifest import Utterance

    write_files(folder / "sounds", count)
    source, utterances = random.Random(0), []
    for path in sorted((folder / "sounds").iterdir()):
        text = "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=10))
        end_s = round(source.uniform(shortest_s, SECONDS), 2) if shortest_s else None
        utterances.append(Utterance(path.stem, text, str(path), end_s=end_s, duration_s=end_s or SECONDS))
    manifest.write(folder / "train.jsonl", utterances)


def _synthetic() -> Any:
    from asr.data import corpus

    return inspect.getmodule(corpus.load_script(REPOSITORY / "recipes" / "prepare" / "synthetic.py"))
