"""One model, every home: how far log-probabilities are apart, which texts differ, and how fast each home is.

    python tools/parity.py MODEL FOLDER_OR_FILE... [--count 300] [--lexicon FILE] [--sentences FILE]

Recordings of up to half a minute are recognised by NumPy (which the others are compared with), onnxruntime,
JavaScript (node) and C (gcc and clang), with weights of 32 and 8 bits. Prints rows of a Markdown table.
"""

import argparse
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.search import SUFFIXES
from asr.decode.decoder import DecoderConfig
from asr.modelfile import convert
from asr.modelfile.locate import model_file
from asr.modelfile.session import Runtime
from asr.recognition import source
from asr.recognition.recognizer import Recognizer
from asr.twins import header, page
from asr.twins.twin import Twin

Waveform = npt.NDArray[np.float32]
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsanitize=address,undefined"]
MAX_S = 30.0
_JAVASCRIPT = """
const held = require("fs").readFileSync(0), sounds = [];
const { makeRecognizer } = require(process.argv[2]), recognizer = makeRecognizer(require(process.argv[3]));
for (let at = 0; at < held.length;) {
  const count = held.readInt32LE(at);
  sounds.push(new Float32Array(held.buffer.slice(held.byteOffset + at + 4, held.byteOffset + at + 4 + 4 * count)));
  at += 4 + 4 * count;
}
recognizer.recognise(sounds[0]); // compiled, as it is in a page after a moment
const start = process.cpuUsage().user;
const found = sounds.map((sound) => recognizer.recognise(sound));
const seconds = (process.cpuUsage().user - start) / 1e6;
for (const { text, meaning, parts } of found) {
  const rows = parts.flatMap(({ emission }) => emission.map((row) => [...row]));
  console.log(JSON.stringify({ text, meaning, rows }));
}
console.log(seconds);
"""
_C = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#define ASR_ON_LOG_PROBS(rows, count) keep((const float *)(rows), count)
static void keep(const float *rows, int count);
#include "model.h"
static asr_recognizer recognizer;
static int num_rows;
static float *held;
static void keep(const float *rows, int count) {
  held = realloc(held, sizeof *held * ASR_NUM_TOKENS * (size_t)(num_rows + count));
  memcpy(held + ASR_NUM_TOKENS * num_rows, rows, sizeof *held * ASR_NUM_TOKENS * (size_t)count);
  num_rows += count;
}
int main(void) {
  int32_t count;
  double seconds = 0;
  while (fread(&count, sizeof count, 1, stdin) == 1) {
    float *samples = malloc(sizeof *samples * (size_t)count + 1);
    const char *text;
    clock_t start;
    if (fread(samples, sizeof *samples, (size_t)count, stdin) != (size_t)count) return 1;
    num_rows = 0;
    start = clock();
    asr_start(&recognizer, 0);
    if (asr_feed_float(&recognizer, samples, (size_t)count) != (size_t)count) return 2;
    text = asr_result(&recognizer);
    seconds += (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("%s\\n%d\\n", text, num_rows);
    fwrite(held, sizeof *held, (size_t)(ASR_NUM_TOKENS * num_rows), stdout);
    free(samples);
  }
  printf("%f\\n", seconds);
  free(held);
  return 0;
}
"""


@dataclass(frozen=True)
class Found:
    """What a home gives of one sound: log-probabilities (T, V) of all segments of speech, and the text."""

    text: str
    log_probs: npt.NDArray[np.floating[Any]]
    intent: str | None = None
    slots: Any = None


Home = Callable[[Sequence[Waveform]], tuple[list[Found], float]]
"""Waveforms -> what is found in each, and the seconds of processor that it took."""


def python(model: Path, decoding: DecoderConfig | None, runtime: Runtime) -> Home:
    """The package itself."""
    recognizer = Recognizer.load(model, decoding=decoding, runtime=runtime)

    def run(waveforms: Sequence[Waveform]) -> tuple[list[Found], float]:
        found, start = [], time.process_time()
        for result in recognizer.recognise(waveforms, recognizer.card.features.sample_rate):
            if isinstance(result, Exception):
                raise result
            transcript = recognizer.transcript(result[1])
            rows = np.concatenate([emission for _, emission in result[1]])
            found.append(Found(transcript.text, rows, transcript.intent, dict(transcript.slots)))
        return found, time.process_time() - start

    return run


def javascript(twin: Twin, folder: Path) -> Home:
    """The script of the page, in node."""
    (folder / "recognizer.js").write_text(page.script(), "utf-8")
    (folder / "model.json").write_text(json.dumps(page.settings(twin)), "utf-8")
    (folder / "run.js").write_text(_JAVASCRIPT, "utf-8")

    def run(waveforms: Sequence[Waveform]) -> tuple[list[Found], float]:
        command = ["node", str(folder / "run.js"), str(folder / "recognizer.js"), str(folder / "model.json")]
        *lines, seconds = subprocess.run(command, input=_packed(waveforms), stdout=-1, check=True).stdout.splitlines()
        found = []
        for values in map(json.loads, lines):
            meaning = values["meaning"] or {"intent": None, "slots": {}}
            rows = np.array(values["rows"]).reshape(-1, len(twin.card.outputs))
            found.append(Found(values["text"], rows, meaning["intent"], meaning["slots"]))
        return found, float(seconds)

    return run


def c(twin: Twin, folder: Path, compiler: str = "gcc", flags: Sequence[str] = ()) -> Home:
    """The C file, compiled for utterances of up to half a minute."""
    header.write(twin, folder / "model.h")
    (folder / "run.c").write_text(_C, "utf-8")
    program = folder / f"run-{compiler}"
    fixed = [f"-DASR_MAX_MS={MAX_S * 1000:.0f}", "-std=c99", "-O2", str(folder / "run.c"), "-o", str(program), "-lm"]
    subprocess.run([compiler, *flags, *fixed], check=True)

    def run(waveforms: Sequence[Waveform]) -> tuple[list[Found], float]:
        output = subprocess.run([program], input=_packed(waveforms), stdout=-1, check=True).stdout
        found = []
        for _ in waveforms:
            text, count, output = output.split(b"\n", 2)
            size = 4 * int(count) * len(twin.card.outputs)
            rows = np.frombuffer(output[:size], "<f4").reshape(-1, len(twin.card.outputs))
            found.append(Found(text.decode("utf-8"), rows))
            output = output[size:]
        return found, float(output)

    return run


def _packed(waveforms: Sequence[Waveform]) -> bytes:
    return b"".join(struct.pack("<i", len(sound)) + sound.astype("<f4").tobytes() for sound in waveforms)


def homes(model: Path, decoding: DecoderConfig | None, folder: Path) -> dict[tuple[str, int], Home]:
    """Every home that this machine has a program for, by its name and the bits of its weights."""
    small = folder / "small.onnx"
    convert.quantise(model, small)
    made: dict[tuple[str, int], Home] = {}
    for path, bits in ((model, 32), (small, 8)):
        made["NumPy", bits] = python(path, decoding, "numpy")
        made["onnxruntime", bits] = python(path, decoding, "onnxruntime")
        twin = Twin.read(path, 8 if bits == 8 else 32, decoding)
        own = folder / str(bits)
        own.mkdir()
        if shutil.which("node"):
            made["JavaScript", bits] = javascript(twin, own)
        for compiler in filter(shutil.which, ("gcc", "clang")):
            made[f"C, {compiler}", bits] = c(twin, own, compiler)
    return made


def sounds(paths: Sequence[Path], count: int, recognizer: Recognizer) -> list[Waveform]:
    """Up to `count` recordings of at most half a minute, spread evenly over all, at the rate of the model."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    found: list[Waveform] = []
    for index in np.unique(np.linspace(0, len(files) - 1, 2 * count).round().astype(int)):
        opened = source.open(str(files[index]), recognizer.card.features, None)
        waveform = np.concatenate(list(opened.blocks()))
        scale = 1 / 32768 if waveform.dtype == np.int16 else 1
        if len(waveform) <= MAX_S * recognizer.card.features.sample_rate:
            found.append(waveform.astype(np.float32) * np.float32(scale))
    step = max(1.0, len(found) / count)
    return [found[int(number * step)] for number in range(min(count, len(found)))]


def difference(one: Found, other: Found) -> float:
    """The largest difference of log-probabilities; those below -20 nats are alike. inf: another number of frames."""
    if one.log_probs.shape != other.log_probs.shape:
        return float("inf")
    return float(np.abs(np.maximum(one.log_probs, -20) - np.maximum(other.log_probs, -20)).max(initial=0))


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--lexicon", type=Path)
    parser.add_argument("--sentences", type=Path)
    arguments = parser.parse_args()
    decoding = DecoderConfig(lexicon=arguments.lexicon, sentences=arguments.sentences)
    model = model_file(Path(arguments.model))
    recognizer = Recognizer.load(model, decoding=decoding, runtime="numpy")
    waveforms = sounds(arguments.paths, arguments.count, recognizer)
    seconds = sum(map(len, waveforms)) / recognizer.card.features.sample_rate
    print(f"{len(waveforms)} recordings, {seconds / 60:.1f} minutes", file=sys.stderr)
    kind = "a lexicon" if arguments.lexicon else "sentences" if arguments.sentences else "best path"
    with tempfile.TemporaryDirectory() as folder:
        expected: list[Found] = []
        for (name, bits), home in homes(model, decoding, Path(folder)).items():
            found, took = home(waveforms)
            if name == "NumPy":
                expected = found
            worst = max(map(difference, expected, found))
            others = sum(one.text != other.text for one, other in zip(expected, found, strict=True))
            shown = "" if name == "NumPy" else f"{worst:.0e}"
            print(
                f"| {model.stem}, {kind} | {name} | {bits} | {shown} | {others} | {seconds / took:,.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
