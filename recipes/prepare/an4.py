"""CMU Census (AN4): spelled names and addresses, digits, dates and commands, 16 kHz, 84 speakers in all.

Corpus: Carnegie Mellon University, about 1991. Licence: BSD-like. Layout: SOURCE/etc/an4_{train,test}.{fileids,
transcription} and either SOURCE/wav/**/ID.sph (or headerless big-endian ID.raw) or Sphinx features
SOURCE/feat/**/ID.mfc. Dev speakers are carved from the training split; without an4_test files there is no test split.
"""

import re
from pathlib import Path

import numpy as np

from asr import audio
from asr.data import corpus, manifest
from asr.data.corpus import CorpusError, Splits
from asr.data.download import Archive, fetch
from asr.data.manifest import ManifestError, Skipped, Utterance
from asr.features import FeatureConfig
from asr.features.sphinx import from_sphinx

ARCHIVE = Archive(
    "https://dldata-public.s3.us-east-2.amazonaws.com/an4_sphere.tar.gz",
    "sha256:a0525579493735d32b60fb6fa5975dd0eaacde087b0a4eeb7f13b7ef33077b12",
)
SAMPLE_RATE, FRAMES_PER_S, NUM_CEPSTRA = 16000, 100, 13
FRONT_END = FeatureConfig(
    window_ms=25.6, window_function="hamming", energy="c0", num_filters=40, low_hz=130, high_hz=6800, lifter=0
)  # what the corpus's README says of its feature files, and Sphinx's defaults


def prepare(
    folder: Path, source: str, dev_share: float = 0.15, seed: int = 1, convert: bool = False, download: bool = False
) -> Splits:
    """Read the corpus below `source`; a seeded `dev_share` of the training speakers becomes dev.

    `convert` writes Sphinx features again as the cepstra of FRONT_END, so that they can be mixed with recordings.
    `download` fetches the recordings into `source`.
    """
    root = Path(source)
    if download:
        fetch([ARCHIVE], root, "AN4, Carnegie Mellon University: BSD-like")
    root = root / "an4" if (root / "an4" / "etc").is_dir() else root
    splits = Splits()
    train = _read_split(root, folder, "an4_train", splits.skipped, convert)
    if not train:
        raise CorpusError(f"data.source={source}: no etc/an4_train.fileids with sound or features below it")
    held_out = corpus.split_speakers((str(utterance.speaker) for utterance in train), dev_share, seed)
    for utterance in train:
        (splits.dev if utterance.speaker in held_out else splits.train).append(utterance)
    splits.test = _read_split(root, folder, "an4_test", splits.skipped, convert)
    return splits


def _read_split(root: Path, folder: Path, name: str, skipped: list[Skipped], convert: bool) -> list[Utterance]:
    fileids, transcription = root / "etc" / f"{name}.fileids", root / "etc" / f"{name}.transcription"
    if not fileids.is_file() or not transcription.is_file():
        return []
    texts = {}
    for line in transcription.read_text("utf-8").splitlines():
        words, _, key = line.strip().removesuffix(")").rpartition("(")
        texts[key] = " ".join(re.sub(r"<[^>]*>|\+\+[^+]*\+\+", " ", words).split())
    utterances = []
    for path in fileids.read_text("utf-8").split():
        key, speaker = Path(path).name, Path(path).parent.name
        try:
            if key not in texts:
                raise ManifestError(f"no transcript: {transcription} does not name {key}")
            utterances.append(
                _locate(root, folder, path, Utterance(key, texts[key].lower(), audio=path, speaker=speaker), convert)
            )
        except (ManifestError, audio.AudioError) as error:
            skipped.append(Skipped(key, f"missing: {error}"))
    with_sound, unreadable, _ = corpus.probe(utterance for utterance in utterances if utterance.audio)
    skipped += unreadable
    return with_sound + [utterance for utterance in utterances if utterance.features]


def _locate(root: Path, folder: Path, path: str, utterance: Utterance, convert: bool) -> Utterance:
    """The utterance with the file that it lies in; headerless .raw is written again as .wav below `folder`."""
    sphere, raw, features = (root / "wav" / f"{path}.sph", root / "wav" / f"{path}.raw", root / "feat" / f"{path}.mfc")
    if sphere.is_file():
        return Utterance(utterance.id, utterance.text, audio=str(sphere), speaker=utterance.speaker)
    if raw.is_file():
        wav = folder / "wav" / f"{path}.wav"
        wav.parent.mkdir(parents=True, exist_ok=True)
        audio.write(wav, np.fromfile(raw, ">i2").astype(np.float32) / np.float32(32768), SAMPLE_RATE)
        return Utterance(utterance.id, utterance.text, audio=str(wav), speaker=utterance.speaker)
    cepstra = manifest.read_features(features, NUM_CEPSTRA)
    if convert:
        features = folder / "cepstra" / f"{path}.npy"
        features.parent.mkdir(parents=True, exist_ok=True)
        np.save(features, from_sphinx(cepstra, FRONT_END))
    return Utterance(utterance.id, utterance.text, features=str(features), speaker=utterance.speaker,
                     duration_s=len(cepstra) / FRAMES_PER_S)  # fmt: skip


if __name__ == "__main__":
    corpus.main(prepare)
