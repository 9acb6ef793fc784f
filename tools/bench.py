#!/usr/bin/env python3
"""Measure what users wait for against what they would use instead; writes BENCHMARKS.md.

    python tools/bench.py                 # everything, under 10 minutes on 2 cores
    python tools/bench.py scoring         # some sections, printed and not written

Each contender runs in a process of its own, on one core and with one thread, in turns with the others, as its user
would start it and once more with an allocator that keeps its memory (MALLOC_*_ variables of glibc); the median of the
rounds counts. Only ratios within one run mean anything: the machine is shared. Peers that are not installed are left
out and named: pip install '.[bench]'.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
KEEPS_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Result:
    """What one contender needed, and what it found, for the check of equality."""

    seconds: float
    check: Any = None
    peak_mb: float = 0.0


@dataclass
class Section:
    """One table: contenders by name, ours first; `unit` is what a second holds so many of."""

    title: str
    unit: str
    amount: float
    contenders: dict[str, Callable[[Path], Iterator[Any]]] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda _folder: None
    same: Callable[[Any, Any], str] = lambda _ours, _peer: ""
    """What the check of equality found, for the table; raises AssertionError where it fails."""
    note: str = ""
    repeats: int = 1
    """Turns of a contender within its process, after one that warms it up; with 1 the first one counts."""

    def contender(self, name: str) -> Callable[[Callable[[Path], Iterator[Any]]], Callable[[Path], Iterator[Any]]]:
        """A generator that sets up and yields, works and yields what it found."""

        def add(function: Callable[[Path], Iterator[Any]]) -> Callable[[Path], Iterator[Any]]:
            self.contenders[name] = function
            return function

        return add


SECTIONS: dict[str, Section] = {}


def section(key: str, *args: Any, **settings: Any) -> Section:
    """A new section under a key of the command line."""
    SECTIONS[key] = Section(*args, **settings)
    return SECTIONS[key]


# --- scoring ------------------------------------------------------------------------------------------------------


def _make_transcripts(folder: Path) -> None:
    import random

    source = random.Random(1)
    vocabulary = [f"w{number}" for number in range(2000)]
    with (folder / "ref.trn").open("w") as references, (folder / "hyp.trn").open("w") as hypotheses:
        for number in range(100_000):
            said = source.choices(vocabulary, k=12)
            heard = []
            for word in said:
                kind = source.random()
                if kind >= 0.03:
                    heard.append(source.choice(vocabulary) if kind < 0.13 else word)
                if source.random() < 0.03:
                    heard.append(source.choice(vocabulary))
            key = f"spk{number % 50}-{number:06d}"
            references.write(f"{' '.join(said)} ({key})\n")
            hypotheses.write(f"{' '.join(heard)} ({key})\n")


def _read_trn(path: Path) -> dict[str, list[str]]:
    transcripts = {}
    for line in path.read_text("utf-8").splitlines():
        text, _, key = line.rpartition("(")
        transcripts[key[:-1]] = text.split()
    return transcripts


def _same_words(ours: Any, peer: Any) -> str:
    assert ours["errors"] == peer["errors"], (ours, peer)
    return "the same errors" + (", another split" if peer.get("split", ours["split"]) != ours["split"] else "")


scoring = section(
    "scoring", "Scoring: 100,000 pairs of 12 words, trn files to counts", "pairs", 100_000, prepare=_make_transcripts,
    same=_same_words, note="CPU time. To reach: at most 1.5 times rapidfuzz's editops with the reading of the files. "
    "asr counts words and characters and pairs ids; the others words alone, the split as they find it, or "
    "(editdistance) no split at all. NIST's sclite is not on the package index, so its time is not here; its counts "
    "are in the tests.",
)  # fmt: skip


@scoring.contender("asr.score")
def _(folder: Path) -> Iterator[Any]:
    from asr import score

    yield
    reference, (hypothesis,) = score.read_all(folder / "ref.trn", [folder / "hyp.trn"])
    result = score.score(reference.texts, hypothesis.texts)
    word = result.word
    assert result.character.errors
    yield {"errors": word.errors, "split": [word.substitutions, word.deletions, word.insertions]}


@scoring.contender("asr.score, words alone")
def _(folder: Path) -> Iterator[Any]:
    from asr import score
    from asr.score.counts import total

    yield
    reference, (hypothesis,) = score.read_all(folder / "ref.trn", [folder / "hyp.trn"])
    said = [text.split() for text in reference.texts.values()]
    heard = [hypothesis.texts[key].split() for key in reference.texts]
    word = total(score.count(said, heard))
    yield {"errors": word.errors, "split": [word.substitutions, word.deletions, word.insertions]}


@scoring.contender("rapidfuzz editops")
def _(folder: Path) -> Iterator[Any]:
    from rapidfuzz.distance import Levenshtein

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    split = {"replace": 0, "delete": 0, "insert": 0}
    for key, said in references.items():
        for tag, _, _ in Levenshtein.editops(said, hypotheses[key]).as_list():
            split[tag] += 1
    yield {"errors": sum(split.values()), "split": list(split.values())}


@scoring.contender("rapidfuzz distance")
def _(folder: Path) -> Iterator[Any]:
    from rapidfuzz.distance import Levenshtein

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    yield {"errors": sum(Levenshtein.distance(said, hypotheses[key]) for key, said in references.items())}


@scoring.contender("editdistance")
def _(folder: Path) -> Iterator[Any]:
    import editdistance

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    yield {"errors": sum(editdistance.eval(said, hypotheses[key]) for key, said in references.items())}


@scoring.contender("jiwer")
def _(folder: Path) -> Iterator[Any]:
    import jiwer

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    found = jiwer.process_words(
        [" ".join(said) for said in references.values()], [" ".join(hypotheses[key]) for key in references]
    )
    split = [found.substitutions, found.deletions, found.insertions]
    yield {"errors": sum(split), "split": split}


# --- features -----------------------------------------------------------------------------------------------------


def _waveforms() -> list[Any]:
    """300 waveforms of 2.5 s at 16 kHz: noise whose spectrum falls as that of speech does."""
    import numpy as np

    rng = np.random.default_rng(0)
    white = rng.standard_normal((300, 40_000))
    return list((0.1 * (white + np.roll(white, 1, axis=1))).astype(np.float32))


def _same_cepstra(ours: Any, peer: Any) -> str:
    import numpy as np

    if len(peer) != len(ours):
        return "another definition of MFCC"
    difference = np.abs(np.array(ours) - np.array(peer)).max()
    if difference > 1:
        return "another definition of MFCC"
    assert difference < 1e-3, difference
    return f"within {max(difference, 1e-9):.0e}"


features = section(
    "features", "MFCC: 300 waveforms of 2.5 s in memory", "seconds of sound", 750, same=_same_cepstra, repeats=5,
    note="To reach: 7 times python_speech_features, 1.6 times the fastest peer. The check compares the last frame of "
    "the last waveform.",
)  # fmt: skip


@features.contender("asr")
def _(_folder: Path) -> Iterator[Any]:
    from asr.features import FeatureConfig, FeatureExtractor

    waveforms, extractor = _waveforms(), FeatureExtractor(FeatureConfig())
    yield
    made = [extractor.static(waveform) for waveform in waveforms]
    yield made[-1][-1].tolist()


@features.contender("python_speech_features")
def _(_folder: Path) -> Iterator[Any]:
    import python_speech_features

    waveforms = _waveforms()
    yield
    made = [python_speech_features.mfcc(waveform, 16000) for waveform in waveforms]
    yield made[-1][-1].tolist()


@features.contender("kaldi-native-fbank")
def _(_folder: Path) -> Iterator[Any]:
    import kaldi_native_fbank
    import numpy as np

    waveforms, options = _waveforms(), kaldi_native_fbank.MfccOptions()
    options.frame_opts.dither = 0
    yield
    made = []
    for waveform in waveforms:
        mfcc = kaldi_native_fbank.OnlineMfcc(options)
        mfcc.accept_waveform(16000, waveform)
        mfcc.input_finished()
        made.append(np.stack([mfcc.get_frame(place) for place in range(mfcc.num_frames_ready)]))
    yield made[-1][-1].tolist()


@features.contender("librosa")
def _(_folder: Path) -> Iterator[Any]:
    import librosa

    waveforms = _waveforms()
    settings = {"sr": 16000, "n_mfcc": 13, "n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 26}
    librosa.feature.mfcc(y=waveforms[0], **settings)
    yield
    made = [librosa.feature.mfcc(y=waveform, **settings) for waveform in waveforms]
    yield made[-1][:, -1].tolist()


@features.contender("torchaudio.transforms")
def _(_folder: Path) -> Iterator[Any]:
    import torch
    from torchaudio.transforms import MFCC

    torch.set_num_threads(1)
    waveforms = [torch.from_numpy(waveform) for waveform in _waveforms()]
    transform = MFCC(16000, 13, melkwargs={"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 26})
    yield
    made = [transform(waveform) for waveform in waveforms]
    yield made[-1][:, -1].tolist()


# --- one step of training -----------------------------------------------------------------------------------------


def _training_batch() -> tuple[Any, ...]:
    """32 utterances of 1 to 2.5 s, 13 features, 27 tokens, 20 letters each."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    lengths = torch.randint(100, 251, (32,))
    frames = torch.randn(32, int(lengths.max()), 13)
    frames *= (torch.arange(frames.shape[1])[None] < lengths[:, None])[:, :, None]
    return frames, lengths, torch.randint(1, 27, (32, 20)), torch.full((32,), 20)


def _same_gradients(ours: Any, peer: Any) -> str:
    import numpy as np

    difference = np.abs(np.array(ours) - np.array(peer)).max() / np.abs(ours).max()
    assert difference < 1e-5, difference
    return f"gradients within {max(difference, 1e-9):.0e} of the largest"


step = section(
    "step", "Training: forward, CTC loss and backward of 32 utterances of 1 to 2.5 s", "utterances", 32, repeats=7,
    same=_same_gradients, note="To reach: 4 times nn.LSTM on packed sequences.",
)  # fmt: skip


@step.contender("asr")
def _(_folder: Path) -> Iterator[Any]:
    from asr import ctc
    from asr.model import AcousticModel, ModelConfig

    frames, lengths, tokens, token_lengths = _training_batch()
    model = AcousticModel(ModelConfig(dropout=0.0), 13, 27)
    yield
    log_probs, output_lengths = model(frames, lengths)
    ctc.loss(log_probs, output_lengths, tokens, token_lengths).sum().backward()
    yield [float(model.head.bias.grad[place]) for place in range(27)]


@step.contender("nn.LSTM on packed sequences")
def _(_folder: Path) -> Iterator[Any]:
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    from asr import ctc
    from asr.model import AcousticModel, ModelConfig

    frames, lengths, tokens, token_lengths = _training_batch()
    model = AcousticModel(ModelConfig(dropout=0.0), 13, 27)
    lstm = nn.LSTM(13, 40, 2, bidirectional=True, batch_first=True)
    for layer in range(2):
        for suffix, own in (("", model.forwards[layer]), ("_reverse", model.backwards[layer])):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(lstm, f"{name}_l{layer}{suffix}").data = getattr(own, f"{name}_l0").data
    head = nn.Linear(80, 27)
    head.load_state_dict(model.head.state_dict())
    yield
    packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
    hidden, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
    log_probs = torch.log_softmax(head(hidden), dim=2)
    ctc.loss(log_probs, lengths, tokens, token_lengths).sum().backward()
    yield [float(head.bias.grad[place]) for place in range(27)]


# --- the machinery ------------------------------------------------------------------------------------------------


def contend(key: str, name: str, folder: Path, repeats: int) -> Result:
    """Run one contender here, `repeats` times after a first one that does not count where there are several."""
    function = SECTIONS[key].contenders[name]
    seconds = []
    check: Any = None
    for turn in range(repeats + (repeats > 1)):
        run = function(folder)
        next(run)
        began = time.process_time()
        check = next(run)
        if turn or repeats == 1:
            seconds.append(time.process_time() - began)
        del run
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Result(statistics.median(seconds), check, peak)


def spawn(key: str, name: str, folder: Path, extra: dict[str, str]) -> Result | str:
    """Run one contender in a process of its own; the reason, where it cannot."""
    command = [sys.executable, __file__, "--contend", key, name, "--folder", str(folder)]
    environment = {**os.environ, **ONE_THREAD, **extra}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=_on_one_core)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        if "ModuleNotFoundError" in last:
            return last.partition(": ")[2]
        raise SystemExit(f"{key}, {name}: {done.stderr}")
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def _on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(key: str, rounds: int) -> str:
    """A section's table in Markdown."""
    one = SECTIONS[key]
    found: dict[str, dict[str, list[Result]]] = {name: {"": [], "keeps": []} for name in one.contenders}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        one.prepare(folder)
        for _ in range(rounds):
            for name in one.contenders:
                for setting, extra in (("", {}), ("keeps", KEEPS_MEMORY)):
                    if name in left_out:
                        continue
                    result = spawn(key, name, folder, extra)
                    if isinstance(result, str):
                        left_out[name] = result
                    else:
                        found[name][setting].append(result)
            print(f"{key}: a round is done", file=sys.stderr)
    ours = next(iter(one.contenders))
    lines = [f"## {one.title}", "", f"| | {one.unit} a second | with an allocator that keeps memory | "
             f"times {ours} | peak MB | check |", "|---|---:|---:|---:|---:|---|"]  # fmt: skip
    base = statistics.median(result.seconds for result in found[ours][""])
    for name, results in found.items():
        if name in left_out:
            continue
        plain, kept = (statistics.median(result.seconds for result in results[way]) for way in ("", "keeps"))
        check = one.same(found[ours][""][0].check, results[""][0].check)
        peak = max(result.peak_mb for result in results[""])
        rates = f"{one.amount / plain:,.0f} | {one.amount / kept:,.0f}"
        lines.append(f"| {name} | {rates} | {plain / base:.2f} | {peak:.0f} | {check} |")
    lines += ["", one.note] if one.note else []
    lines += [f"Left out: {name} ({reason})." for name, reason in left_out.items()]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """The machine and the versions, in one paragraph."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        model = next((line.partition(":")[2].strip() for line in information.read_text().splitlines()
                      if line.startswith("model name")), model)  # fmt: skip
    packages = []
    for name in ("numpy", "torch", "onnxruntime", "rapidfuzz", "jiwer", "editdistance", "python_speech_features",
                 "kaldi-native-fbank", "librosa", "torchaudio", "scipy"):  # fmt: skip
        try:
            packages.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{model}, {os.cpu_count()} cores, shared; Python {platform.python_version()}; {', '.join(packages)}."


def main() -> None:
    """Measure the sections asked for, or all of them into BENCHMARKS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)} (default: all, into BENCHMARKS.md)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender gets its turn (default 3)")
    parser.add_argument("--contend", nargs=2, metavar=("SECTION", "NAME"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contend:
        key, name = arguments.contend
        result = contend(key, name, arguments.folder, SECTIONS[key].repeats)
        print(json.dumps({"seconds": result.seconds, "check": result.check, "peak_mb": result.peak_mb}))
        return
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    began = time.monotonic()
    tables = [measure(key, arguments.rounds) for key in arguments.sections or SECTIONS]
    print("\n".join(tables))
    if not arguments.sections:
        minutes = (time.monotonic() - began) / 60
        head = f"# Benchmarks\n\nMade by `python tools/bench.py` in {minutes:.1f} minutes.\n\n{machine()}\n"
        (REPOSITORY / "BENCHMARKS.md").write_text("\n".join([head, *tables]), encoding="utf-8")


if __name__ == "__main__":
    main()
