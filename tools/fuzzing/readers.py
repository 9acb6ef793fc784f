"""What reads files of strangers, each with inputs that it reads well, all made here."""

import gzip
import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from asr import audio
from asr.errors import UserError
from asr.text import TextConfig

_TEXT = TextConfig("abcdefghijklmnopqrstuvwxyz' ")


@dataclass(frozen=True)
class Reader:
    """`read` takes the bytes of an input and raises nothing but UserError; `seeds` are inputs that it reads.

    Where inputs are files, `file` is theirs, and `read_file` reads what lies there.
    """

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    file: Path | None = None
    read_file: Callable[[Path], object] | None = None


READERS: dict[str, Callable[[Path], Reader]] = {}
"""By name; each is given an empty folder that it may write to."""


def reader(make: Callable[[Path], Reader]) -> Callable[[Path], Reader]:
    """Enter it under the name of its function."""
    READERS[make.__name__] = make
    return make


def _at(path: Path, read: Callable[[Path], object], *seeds: str | bytes) -> Reader:
    """A reader of files, which are written to `path`."""

    def written(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return Reader(written, tuple(seed.encode() if isinstance(seed, str) else seed for seed in seeds), path, read)


# Sound


@cache
def _sound(form: str, subtype: str, channels: int = 1, seconds: float = 0.05, endian: str = "FILE") -> bytes:
    import soundfile

    count = round(8000 * seconds)
    tone = 0.3 * np.sin(np.arange(count * channels) ** 1.3).reshape(count, channels)
    file = io.BytesIO()
    soundfile.write(file, tone, 8000, format=form, subtype=subtype, endian=endian)
    return file.getvalue()


def _read_sound(data: bytes | Path) -> int:
    return sum(len(block) for block in audio.blocks(data, 16000, block_s=1.0))


def _sounds(*kinds: tuple[Any, ...]) -> Callable[[Path], Reader]:
    return lambda folder: Reader(
        _read_sound, tuple(_sound(*kind) for kind in kinds), folder / f"a.{kinds[0][0].lower()}", _read_sound
    )


READERS |= {
    "wav": _sounds(("WAV", "PCM_16"), ("WAV", "FLOAT", 2), ("WAV", "MS_ADPCM"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"),
                   ("WAV", "ULAW"), ("WAV", "PCM_16", 1, 0.05, "BIG")),
    "flac": _sounds(("FLAC", "PCM_16"), ("FLAC", "PCM_24", 2), ("FLAC", "PCM_S8")),
    "ogg": _sounds(("OGG", "VORBIS"), ("OGG", "OPUS"), ("OGG", "VORBIS", 2)),
    "mp3": _sounds(("MP3", "MPEG_LAYER_III"), ("MP3", "MPEG_LAYER_III", 2, 0.3)),
    "other_sounds": _sounds(("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"),
                            ("W64", "PCM_16"), ("NIST", "PCM_16"), ("VOC", "PCM_16"), ("SVX", "PCM_16"),
                            ("IRCAM", "PCM_16"), ("AVR", "PCM_16"), ("PAF", "PCM_16"), ("MAT5", "PCM_16")),
}  # fmt: skip


# Corpora


@reader
def manifest(folder: Path) -> Reader:
    """Manifests: JSONL."""
    from asr.data import manifest as manifests

    records: list[dict[str, Any]] = [
        {"id": "a/1", "text": "one two", "audio": "a.wav", "duration_s": 1.25, "speaker": "s1"},
        {"id": "b", "text": "", "audio": "b.flac", "start_s": 0.5, "end_s": 1, "label": "dog"},
        {"id": "c", "text": "x", "features": "c.npy", "intent": "Light", "slots": {"room": "hall", "level": 3}},
        {"id": "d", "audio": "d.wav", "labels": ["a", {"label": "b", "start_s": 0.1, "end_s": 0.2}]},
    ]
    lines = [json.dumps(record) for record in records]
    return _at(folder / "m.jsonl", manifests.read, "\n".join(lines) + "\n", *lines)


@reader
def transcripts_beside(folder: Path) -> Reader:
    """Transcripts beside sound files: .txt, .lab."""
    from asr.data import sidecar

    def read(data: bytes) -> object:
        for name in ("a.txt", "b.lab"):
            (folder / name).write_bytes(data)
        sidecar.elsewhere(folder, {"one/a.wav": "one", "two/b.wav": "two"})
        return [sidecar.transcript(folder / name) for name in ("a.wav", "b.wav")]

    return Reader(read, (b"one two three\n", b"0 46797 She had\n", b"0 5000000 sil\n", b"b.wav\ttwo and more\n"))


@reader
def matrices(folder: Path) -> Reader:
    """Precomputed features: .npy."""
    from asr.data.manifest import read_features

    def saved(array: Any) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    frames = np.arange(26, dtype=np.float32).reshape(2, 13)
    seeds = [saved(frames), saved(np.asfortranarray(frames.astype(">f8"))), saved(frames.astype(np.int16))]
    return _at(folder / "a.npy", lambda path: read_features(path, 13), *seeds)


@reader
def sphinx(folder: Path) -> Reader:
    """Precomputed features of CMU Sphinx: .mfc."""
    from asr.data.manifest import read_features

    values = np.arange(26, dtype="<f4")
    seeds = [np.array(26, f"{order}i4").tobytes() + values.astype(f"{order}f4").tobytes() for order in "<>"]
    return _at(folder / "a.mfc", lambda path: read_features(path, 13), *seeds)


# Decoding


@reader
def lexicon(folder: Path) -> Reader:
    """Lexicons: words, pronunciations, JSON."""
    from asr.decode import lexicon as lexicons

    seeds = ("one\ntwo three\n", "one w ah n\ntwo t uw\n", "one\tw ah n\n", '["one", "two [unk]"]', "tomato(2) t ah\n")
    return _at(folder / "l.txt", lambda path: lexicons.read_words(path, _TEXT), *seeds)


@reader
def hot_words(folder: Path) -> Reader:
    """Files of hot words."""
    from asr.decode import hotwords

    return _at(folder / "h.txt", lambda path: hotwords.read_hotwords(path, _TEXT), "one\ntwo three\t4.5\n")


@reader
def language_model(folder: Path) -> Reader:
    """ARPA files, gzipped and not."""
    from asr.decode import lm

    text = (
        "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-1.0\t<s>\t-0.3\n-0.5\tone\t-0.2\n-0.7\ttwo\n-0.4\t</s>\n\n"
        "\\2-grams:\n-0.1\t<s> one\n-0.2\tone </s>\n\n\\end\\\n"
    )
    return _at(folder / "m.arpa", lm.read, text, gzip.compress(text.encode(), mtime=0))


def _sentences(folder: Path, name: str, *seeds: str) -> Reader:
    from asr.grammar import compiled

    return _at(folder / name, lambda path: compiled.read(path, _TEXT), *seeds)


@reader
def sentences(folder: Path) -> Reader:
    """Sentences as Home Assistant has them."""
    return _sentences(
        folder,
        "s.yaml",
        "language: en\nintents:\n  Light:\n    data:\n      - sentences: ['turn <way> [the] light {room}']\n"
        "        slots: {domain: light}\nlists:\n  room:\n    values: [kitchen, {in: 'living room', out: lr}]\n"
        "expansion_rules:\n  way: (on|off)\nskip_words: [please]\n",
        "language: en\nintents:\n  Set:\n    data:\n      - sentences: ['set {n} percent']\n"
        "lists:\n  n:\n    range: {from: 0, to: 10, step: 5}\n",
    )


@reader
def jsgf(folder: Path) -> Reader:
    """Sentences in JSGF."""
    text = "#JSGF V1.0;\ngrammar a;\npublic <order> = [please] (turn <way> | /0.5/ stop {halt}) ;\n<way> = on | off ;\n"
    return _sentences(folder, "s.jsgf", text)


@reader
def rhino(folder: Path) -> Reader:
    """Sentences as Picovoice's Rhino has them."""
    text = (
        "context:\n  expressions:\n    order:\n      - '[turn, switch] (the) $state:s @thing'\n"
        "  slots:\n    state: ['on', 'off']\n  macros:\n    thing: [light, lamp]\n"
    )
    return _sentences(folder, "s.yml", text)


# Training


@reader
def recipe(folder: Path) -> Reader:
    """Recipes."""
    from asr.training import recipe as recipes

    (folder / "prepare.py").write_text("def prepare(folder, source: str, share: float = 0.5, limit: int = 9): ...\n")
    (folder / "base.yaml").write_text("data: {prepare: prepare.py, folder: x, source: y}\ntrain: {epochs: 3}\n")
    seeds = (
        "data:\n  prepare: prepare.py\n  folder: x\n  source: y\n  share: 0.3\ntext: {alphabet: abcd}\n"
        "features: {sample_rate: 8000, window_ms: 25, deltas: 1, mean: corpus}\n"
        "recognition: {vtln_warps: [0.9, 1]}\nmodel: {hidden_size: 24, cell: gru, dropout: 0.1}\n"
        "augment: {speed: 0.1, time_masks: 2}\ntrain: {epochs: 5, learning_rate: 0.01, shards: 2}\n",
        "extends: base.yaml\nname: other\ntask: classify\ntrain: {save_minutes: 5, device: cpu}\nrun_dir: null\n",
    )
    return _at(folder / "r.yaml", recipes.load, *seeds)


@reader
def state(folder: Path) -> Reader:
    """States of a training, and the weights of the best epoch."""
    import torch

    from asr.training import state as states

    file = io.BytesIO()
    torch.save({"weights": {"a": torch.zeros(2)}, "epoch": 3}, file)

    def read(path: Path) -> object:
        return states.load_state(path), states.best_weights(path.parent)

    return _at(folder / states.BEST, read, file.getvalue())


# Models


@cache
def _small_model() -> bytes:
    import tempfile

    from asr.features import FeatureConfig
    from asr.modelfile.card import ModelCard
    from asr.network.encoder import AcousticModel, ModelConfig
    from asr.network.onnx_graph import export

    card = ModelCard(FeatureConfig(mean="utterance", variance="none"), TextConfig("abc"))
    network = AcousticModel(ModelConfig(hidden_size=2, num_layers=1), card.features.num_features, 4)
    network.reset()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        export(network, card, path)
        return path.read_bytes()


@reader
def model(folder: Path) -> Reader:
    """Model files, which then transcribe a second of noise."""
    from asr.recognition.recognizer import Recognizer

    noise = (0.1 * np.cos(np.arange(8000.0) ** 2)).astype(np.float32)

    def read(path: Path) -> object:
        return Recognizer.load(path).transcribe(noise, sample_rate=8000)

    return _at(folder / "m.onnx", read, _small_model())


@reader
def model_card(_folder: Path) -> Reader:
    """The metadata of model files."""
    from asr.modelfile import graph
    from asr.modelfile.card import ModelCard

    metadata = graph.read(_small_model()).metadata

    def read(data: bytes) -> object:
        lines = (line.partition(b"\t") for line in data.split(b"\n"))
        found = {name.decode("latin-1"): value.decode("utf-8", "replace") for name, _, value in lines}
        card = ModelCard.from_metadata(found)
        card.check_statistics()
        return card.extractor, card.outputs

    return Reader(read, ("\n".join(f"{name}\t{value}" for name, value in metadata.items()).encode(),))


# Scoring


def _scored(name: str, form: str | None, *seeds: str) -> Callable[[Path], Reader]:
    def make(folder: Path) -> Reader:
        from asr.score.transcripts import read, read_all, read_sentences

        def read_it(path: Path) -> object:
            kind: Any = form
            read(path, kind), read(path, kind, role="hypothesis"), read_sentences(path, kind)
            return read_all(path, [path], None)

        return _at(folder / name, read_it, *seeds)

    return make


_STM = ";; a comment\nrec 1 anna 0.0 1.5 <o,f0> one two\nrec 1 bert 1.5 2.5 ignore_time_segment_in_scoring\n"
_CTM = "rec 1 0.10 0.30 one 0.9\nrec 1 0.50 0.30 two\n"
_TABLE = 'id,reference,hypothesis\na,one two,one\nb,"three, four",\n'
READERS |= {
    "scored_trn": _scored("a.trn", "trn", "one two (anna_1)\nthree (bert-2)\n(anna_3)\n"),
    "scored_kaldi": _scored("text", "kaldi", "a one two\nb three\nc\n"),
    "scored_jsonl": _scored("a.jsonl", "jsonl", '{"id": "a", "text": "one", "pred_text": "two"}\n'),
    "scored_json": _scored("a.json", "json", '[{"id": "a", "text": "one"}, {"id": "b", "text": ""}]', '{"a": "one"}'),
    "scored_csv": _scored("a.csv", "csv", _TABLE, _TABLE.replace(",", ";")),
    "scored_tsv": _scored("a.tsv", "tsv", _TABLE.replace(",", "\t")),
    "scored_stm": _scored("a.stm", "stm", _STM),
    "scored_ctm": _scored("a.ctm", "ctm", _CTM),
    "scored_any": _scored("a.txt", None, "one\ntwo\n", _STM, _CTM, _TABLE, "a one\n", "one (a_1)\n", '{"a": "b"}'),
}


@reader
def segments_and_words(folder: Path) -> Reader:
    """Words of a ctm in the segments of an stm."""
    from asr.score.transcripts import read_all

    (folder / "r.stm").write_text(_STM)
    return _at(folder / "h.ctm", lambda path: read_all(folder / "r.stm", [path]), _CTM)


@reader
def replacements(folder: Path) -> Reader:
    """Files of words that are written in two ways, and of speakers."""
    from asr.score.normalise import read_mapping
    from asr.score.transcripts import Transcripts, read_speakers

    reference = Transcripts({"a": "one", "b": "two"}, "kaldi")

    def read(path: Path) -> object:
        try:
            return read_speakers(str(path), reference)
        except UserError:
            return read_mapping(path)

    return _at(folder / "map", read, "colour -> color\nok -> okay\n", "a anna\nb bert\n")


def quiet() -> None:
    """No warnings about inputs that nobody wrote."""
    logging.getLogger("asr").setLevel(logging.ERROR)


def made(names: Sequence[str], folder: Path) -> dict[str, Reader]:
    """The readers of these names, each in a folder of its own below `folder`."""
    found = {}
    for name in names:
        (folder / name).mkdir(parents=True)
        found[name] = READERS[name](folder / name)
    return found
