"""Real sound on disk, a corpus small enough to learn in seconds, and the place of real speech where there is any."""

import io
import logging
import os
import tempfile

# Before numpy is imported, which reads them. Threads that wait by spinning make a small network hundreds of times
# slower where the cores are busy; with another number of them sums round otherwise, and another network is learned.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ["ASR_CACHE"] = tempfile.mkdtemp(prefix="asr-cache-")  # no test speaks what another run has kept

from pathlib import Path

import hypothesis
import numpy as np
import pytest

from asr import audio
from asr.data import manifest
from asr.data.manifest import Utterance

# A busy machine makes an example slow, not wrong.
hypothesis.settings.register_profile("asr", deadline=None)
hypothesis.settings.load_profile("asr")

REPOSITORY = Path(__file__).resolve().parent.parent
PITCHES = {"a": 300.0, "b": 700.0, "c": 1500.0, "d": 2600.0}


def spell(text, rng, sample_rate=16000):
    """A "voice" whose letters are tones: float32 (num_samples,), each letter about 120 ms, with a gap between."""
    parts = [np.zeros(int(0.05 * sample_rate))]
    for letter in text:
        length = int(sample_rate * rng.uniform(0.1, 0.14))
        seconds = np.arange(length) / sample_rate
        parts.append(0.3 * np.sin(2 * np.pi * PITCHES[letter] * rng.uniform(0.97, 1.03) * seconds))
        parts.append(np.zeros(int(0.04 * sample_rate)))
    waveform = np.concatenate(parts)
    return (waveform + 0.002 * rng.standard_normal(len(waveform))).astype(np.float32)


def write_tones(folder, num_utterances, seed, sample_rate=16000):
    """Sound files and their manifest: words of two to four tone letters."""
    rng = np.random.default_rng(seed)
    utterances = []
    for number in range(num_utterances):
        text = "".join(rng.choice(list(PITCHES), size=rng.integers(2, 5)))
        waveform = spell(text, rng, sample_rate)
        path = folder / f"{number:03}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        audio.write(path, waveform, sample_rate)
        utterances.append(Utterance(f"{folder.name}-{number:03}", text, audio=str(path), speaker=f"s{number % 3}",
                                    duration_s=len(waveform) / sample_rate))  # fmt: skip
    return utterances


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """A folder with train.jsonl, dev.jsonl and test.jsonl of tone words, and the sound."""
    folder = tmp_path_factory.mktemp("tones")
    for seed, (name, count) in enumerate({"train": 96, "dev": 24, "test": 24}.items()):
        manifest.write(folder / f"{name}.jsonl", write_tones(folder / name, count, seed))
    return folder


TONES_SCRIPT = """
from asr.data import manifest
from asr.data.corpus import Splits


def prepare(folder, source: str, limit: int = 1000) -> Splits:
    parts = {name: manifest.read(f"{source}/{name}.jsonl")[:limit] for name in ("train", "dev", "test")}
    return Splits(**parts)
"""

TONES_RECIPE = """
data:
  prepare: prepare_tones.py
  folder: {folder}
  source: {source}
text: {{alphabet: abcd}}
model: {{hidden_size: 24, dropout: 0.05}}
augment: {{gain_db: 3, time_masks: 1, time_mask_ms: 40}}
train: {{epochs: 25, batch_size: 4, learning_rate: 0.03}}
"""


def speak_digits(pause_s):
    """Seven, two, nine by espeak-ng at 16 kHz in faint noise, a second before the first and a pause after each."""
    from asr.synthesis import espeak

    synthesizer, rng = espeak.Synthesizer(), np.random.default_rng(0)
    parts = [np.zeros(16000, np.float32)]
    for word in ("seven", "two", "nine"):
        waveform = synthesizer.speak(espeak.Line("", word, "en-us+m3"))
        parts += [0.5 * audio.resample(waveform, synthesizer.sample_rate, 16000)]
        parts += [np.zeros(round(pause_s * 16000), np.float32)]
    waveform = np.concatenate(parts)
    return waveform + (3e-4 * rng.standard_normal(len(waveform))).astype(np.float32)


@pytest.fixture
def tones_recipe(tones, tmp_path):
    """A recipe that learns the tone words in a few seconds."""
    (tmp_path / "prepare_tones.py").write_text(TONES_SCRIPT)
    path = tmp_path / "tones.yaml"
    path.write_text(TONES_RECIPE.format(folder=tmp_path / "manifests", source=tones))
    return path


@pytest.fixture(scope="session")
def tones_run(tones, tmp_path_factory):
    """A finished run on the tone words: (folder of the run, Result)."""
    from asr.training import run

    folder = tmp_path_factory.mktemp("trained")
    (folder / "prepare_tones.py").write_text(TONES_SCRIPT)
    path = folder / "tones.yaml"
    path.write_text(TONES_RECIPE.format(folder=folder / "manifests", source=tones))
    return folder / "run", run.start(path, [f"run_dir={folder / 'run'}"])


@pytest.fixture
def log():
    """What the library logs during a test, as it is read on stderr; log.getvalue()."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("asr")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture(scope="session")
def real_speech():
    """The folder of real recordings, named by $ASR_DATA or lying at ../shared/data; skips where there is none."""
    folder = Path(os.environ.get("ASR_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real speech at {folder}: set ASR_DATA to its folder")
    return folder
