"""From sound files to text: the start of the program, many files, the network alone, and PocketSphinx."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from benchmarks import speech, torch_way
from benchmarks.measuring import big_products, section
from benchmarks.speech import MODEL, SECONDS
from benchmarks.torch_way import TorchWay

NUM_FILES = 300


def _make_files(folder: Path) -> None:
    speech.write_files(folder / "sounds", NUM_FILES)
    torch_way.convert(MODEL, folder / "weights.pt")


def _same_texts(ours: Any, peer: Any) -> str:
    if peer is None:
        return "no text: only the imports"
    assert len(ours) == len(peer) and sum(map(bool, ours)) > len(ours) / 2, "no text was recognised"
    different = sum(one != other for one, other in zip(ours, peer, strict=True))
    # float32 features against float64 ones: a letter may turn where two are almost as likely.
    assert different <= len(ours) / 100, (different, len(ours))
    return "the same texts" if not different else f"the same texts but for {different} of {len(ours)}"


# --- the start ------------------------------------------------------------------------------------------------------

startup = section(
    "startup", "Start-up: `asr-transcribe one.wav`, the whole process", "runs", 1, prepare=_make_files,
    same=_same_texts, repeats=2, in_ms=True,
)  # fmt: skip


def _run(command: list[Any], folder: Path) -> list[str]:
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@startup.contender("asr-transcribe")
def _(folder: Path) -> Iterator[Any]:
    command = Path(sys.executable).parent / "asr-transcribe"
    yield
    yield _run([command, "--model", MODEL, "sounds/000000.wav"], folder)


@startup.contender('python -c "import numpy, onnxruntime"')
def _(folder: Path) -> Iterator[Any]:
    yield
    _run([sys.executable, "-c", "import numpy, onnxruntime"], folder)
    yield None


@startup.contender("torch, python_speech_features, soundfile")
def _(folder: Path) -> Iterator[Any]:
    import importlib.util

    for package in ("torch", "python_speech_features"):
        if not importlib.util.find_spec(package):
            raise ModuleNotFoundError(f"No module named {package!r}")
    yield
    yield _run([sys.executable, torch_way.__file__, "weights.pt", "sounds/000000.wav"], folder)


# --- many files -----------------------------------------------------------------------------------------------------

bulk = section(
    "bulk", f"Transcription: {NUM_FILES} WAV files of {SECONDS} s, files to text", "seconds of sound",
    NUM_FILES * SECONDS, prepare=_make_files, same=_same_texts, repeats=2,
)  # fmt: skip


def transcribe(arguments: list[str]) -> list[str]:
    """What `asr-transcribe` prints with MODEL and these arguments, without starting a process."""
    from asr.cli import transcribe as command

    argv, sys.argv = sys.argv, ["asr-transcribe", "--model", str(MODEL), *arguments]
    with redirect_stdout(StringIO()) as printed, redirect_stderr(StringIO()) as errors:
        try:
            command.main()
        except SystemExit as leaving:
            assert not leaving.code, errors.getvalue()
        finally:
            sys.argv = argv
    return [line.rpartition("\t")[2] for line in printed.getvalue().splitlines()]


@bulk.contender("asr-transcribe, once it has started")
def _(folder: Path) -> Iterator[Any]:
    os.chdir(folder)
    yield
    yield transcribe(["sounds"])


@bulk.contender("asr-transcribe, the whole process")
def _(folder: Path) -> Iterator[Any]:
    command = Path(sys.executable).parent / "asr-transcribe"
    yield
    yield [line.rpartition("\t")[2] for line in _run([command, "--model", MODEL, "sounds"], folder)]


@bulk.contender("torch, python_speech_features, soundfile")
def _(folder: Path) -> Iterator[Any]:
    import python_speech_features  # noqa: F401

    recognizer, files = TorchWay(folder / "weights.pt"), sorted((folder / "sounds").iterdir())
    yield
    yield [recognizer.transcribe(file) for file in files]


# --- the network alone ----------------------------------------------------------------------------------------------


def _same_log_probs(ours: Any, peer: Any) -> str:
    import numpy as np

    difference = np.abs(np.array(ours) - np.array(peer)).max()
    assert difference < 1e-4, difference
    return f"log-probabilities within {max(difference, 1e-9):.0e}"


forward = section(
    "forward", f"The network alone: {NUM_FILES} utterances of {SECONDS} s, frames to log-probabilities",
    "seconds of sound", NUM_FILES * SECONDS, prepare=_make_files, same=_same_log_probs, repeats=2,
)  # fmt: skip


@cache
def _frames(folder: Path) -> tuple[Any, list[Any]]:
    from asr import Recognizer, audio

    recognizer = Recognizer.load(MODEL)
    waveforms = [audio.read(file) for file in sorted((folder / "sounds").iterdir())]
    return recognizer, [recognizer.frontend.extractor(waveform) for waveform in waveforms]


@forward.contender("onnxruntime, one by one")
def _(folder: Path) -> Iterator[Any]:
    recognizer, frames = _frames(folder)
    yield
    found = [recognizer.network.log_probs([one])[0] for one in frames]
    yield found[-1][::25].tolist()


@forward.contender("onnxruntime, batches of 8")
def _(folder: Path) -> Iterator[Any]:
    recognizer, frames = _frames(folder)
    yield
    found = [
        one for first in range(0, len(frames), 8) for one in recognizer.network.log_probs(frames[first : first + 8])
    ]
    yield found[-1][::25].tolist()


@forward.contender("torch, one by one")
def _(folder: Path) -> Iterator[Any]:
    import torch

    frames = [torch.from_numpy(one)[None] for one in _frames(folder)[1]]
    recognizer = TorchWay(folder / "weights.pt")
    yield
    found = [recognizer.log_probs(one) for one in frames]
    yield found[-1][0, ::25].tolist()


@forward.contender("torch, batches of 8")
def _(folder: Path) -> Iterator[Any]:
    import torch

    frames = [torch.from_numpy(one) for one in _frames(folder)[1]]
    recognizer = TorchWay(folder / "weights.pt")
    yield
    found = [recognizer.log_probs(torch.stack(frames[first : first + 8])) for first in range(0, len(frames), 8)]
    yield found[-1][-1, ::25].tolist()


@forward.contender("numpy, as many products in big matrices (sgemm)", is_limit=True)
def _(folder: Path) -> Iterator[Any]:
    from asr.network.onnx_graph import read

    products = sum(weight.numel() for weight in read(MODEL)[0].values() if weight.ndim == 2)  # for a frame
    yield from big_products(products * sum(map(len, _frames(folder)[1])))


# --- PocketSphinx ---------------------------------------------------------------------------------------------------

NUM_DIGITS = 200


@cache
def _spoken_digits() -> tuple[list[str], list[Any]]:
    import numpy as np

    words = np.random.default_rng(2).permutation(speech.DIGITS * (NUM_DIGITS // 10)).tolist()
    return words, list(speech.speak(words))


def _recognised_alike(_ours: Any, peer: Any) -> str:
    return f"WER {peer:.1%}"


pocketsphinx = section(
    "pocketsphinx", f"The ten digits: {NUM_DIGITS} recordings of one digit, in memory", "digits", NUM_DIGITS,
    same=_recognised_alike, repeats=2,
)  # fmt: skip


def _recognise_digits(decoding: Any = None) -> Iterator[Any]:
    from asr import Options, Recognizer

    recognizer, (words, waveforms) = Recognizer.load(MODEL, decoding=decoding), _spoken_digits()
    yield
    hypotheses = [
        recognizer.transcribe(waveform, speech.SAMPLE_RATE, Options(has_words=False)).text for waveform in waveforms
    ]
    yield _error_rate(words, hypotheses)


def _error_rate(words: list[str], hypotheses: list[str]) -> float:
    return sum(one != other for one, other in zip(words, hypotheses, strict=True)) / len(words)


@pocketsphinx.contender("asr, best path")
def _(_folder: Path) -> Iterator[Any]:
    yield from _recognise_digits()


@pocketsphinx.contender("asr, best path, in batches")
def _(_folder: Path) -> Iterator[Any]:
    from asr import Options, Recognizer
    from asr.errors import UserError

    recognizer, (words, waveforms) = Recognizer.load(MODEL), _spoken_digits()
    yield
    transcripts = recognizer.transcribe_all(waveforms, speech.SAMPLE_RATE, Options(has_words=False))
    yield _error_rate(words, ["" if isinstance(found, UserError) else found.text for found in transcripts])


@pocketsphinx.contender("asr, beam with a lexicon of the digits")
def _(folder: Path) -> Iterator[Any]:
    from asr.decode.decoder import DecoderConfig

    (folder / "digits.txt").write_text("\n".join(speech.DIGITS) + "\n", "utf-8")
    yield from _recognise_digits(DecoderConfig(lexicon=folder / "digits.txt"))


@pocketsphinx.contender("PocketSphinx 5, en-us, a grammar of the digits")
def _(folder: Path) -> Iterator[Any]:
    import numpy as np
    from pocketsphinx import Decoder, get_model_path

    grammar = folder / "digits.gram"
    grammar.write_text(f"#JSGF V1.0;\ngrammar digits;\npublic <digit> = {' | '.join(speech.DIGITS)};\n", "utf-8")
    decoder = Decoder(hmm=get_model_path("en-us/en-us"), dict=get_model_path("en-us/cmudict-en-us.dict"),
                      jsgf=str(grammar), loglevel="FATAL")  # fmt: skip
    words, waveforms = _spoken_digits()
    # It expects the silence around the digit that ours does not.
    padded = [np.pad(waveform, speech.SAMPLE_RATE // 10) for waveform in waveforms]
    sounds = [(np.clip(waveform, -1, 1) * 32767).astype(np.int16).tobytes() for waveform in padded]
    yield
    hypotheses = []
    for sound in sounds:
        decoder.start_utt()
        decoder.process_raw(sound, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        hypotheses.append(hypothesis.hypstr if hypothesis else "")
    yield _error_rate(words, hypotheses)
