"""Live recognition in real time, on one core: how long a speaker waits, and what listening costs."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import speech
from benchmarks.measuring import SECTIONS, Section, note, section, spawn

BLOCK_S = 0.03  # what PocketSphinx's end-pointer takes
PAUSE_S = 1.5
SILENT_S = 20.0
KINDS = ("answered", "waited", "final clock", "final processor", "partial clock", "partial processor")
NUM_SPOKEN = 20
SENTENCES = """
language: en
intents: {Digits: {data: [{sentences: ["{one} {two} {three}"]}]}}
lists: {one: {values: [DIGITS]}, two: {values: [DIGITS]}, three: {values: [DIGITS]}}
""".replace("DIGITS", ", ".join(speech.DIGITS))

live = section("live", f"Live: {NUM_SPOKEN} sentences of three digits in real time", "sentences", NUM_SPOKEN)


class Result(NamedTuple):
    """What a block gave: a partial result, final texts, or both."""

    partial: str | None
    finals: list[str]


class Spoken(NamedTuple):
    """16 bits (num_samples,) of a stream, its sentences, and when each ends, in seconds."""

    samples: Any
    texts: list[str]
    ends_s: list[float]


@cache
def spoken(count: int = NUM_SPOKEN, seed: int = 3) -> Spoken:
    """Sentences of three digits in drawn voices, with pauses and faint noise; SILENT_S of silence come first."""
    import numpy as np

    rng, rate = np.random.default_rng(seed), speech.SAMPLE_RATE
    texts = [rng.choice(speech.DIGITS, 3).tolist() for _ in range(count)]
    words = speech.speak([word for text in texts for word in text], seed)
    parts, ends_s = [np.zeros(round(SILENT_S * rate), np.float32)], []
    for text in texts:
        for _ in text:
            parts += [0.5 * next(words), np.zeros(round(0.08 * rate), np.float32)]
        ends_s.append((sum(map(len, parts)) - len(parts[-1])) / rate)
        parts.append(np.zeros(round(PAUSE_S * rate), np.float32))
    waveform = np.concatenate(parts)
    waveform += (3e-4 * rng.standard_normal(len(waveform))).astype(np.float32)
    samples = np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)
    return Spoken(samples, [" ".join(text) for text in texts], ends_s)


def _in_real_time(feed: Callable[[Any, bool], Result]) -> Iterator[Any]:
    """Each block when its last sample would have been recorded; yields what was waited for, as a dict of seconds.

    `feed` is told whether a partial result is wanted: it is not where the next block has come meanwhile.
    """
    stream, size = spoken(), round(BLOCK_S * speech.SAMPLE_RATE)
    yield
    partial_s: list[tuple[float, float]] = []  # on the clock from the block on, and of the processor
    final_s: list[tuple[float, float]] = []
    finals: list[tuple[float, float, str]] = []  # after so much of the stream, when on the clock, and what
    silent_s = 0.0
    began, processor = time.perf_counter(), time.process_time()
    for start in range(0, len(stream.samples) - size + 1, size):
        due = began + (start + size) / speech.SAMPLE_RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        before = time.thread_time()
        found = feed(stream.samples[start : start + size], time.perf_counter() < due + BLOCK_S)
        needed = time.perf_counter() - due, time.thread_time() - before
        if found.finals:
            final_s.append(needed)
        elif found.partial is not None:
            partial_s.append(needed)
        finals += [(due - began, time.perf_counter() - began, text) for text in found.finals if text]
        if not silent_s and due - began >= SILENT_S:
            silent_s = time.process_time() - processor
    used_s, clock_s = time.process_time() - processor, time.perf_counter() - began
    answered_s, waited_s, num_right = [], [], 0
    for end_s, next_s, text in zip(stream.ends_s, [*stream.ends_s[1:], clock_s + 9], stream.texts, strict=True):
        own = [one for one in finals if end_s < one[0] < next_s]
        answered_s += [own[0][1] - end_s] if own else []
        waited_s += [own[0][0] - end_s] if own else []
        num_right += bool(own) and own[-1][2] == text
    yield {
        "answered": answered_s, "waited": waited_s, "num_right": num_right,
        **{f"{kind} {way}": [one[at] for one in found] for kind, found in (("final", final_s), ("partial", partial_s))
           for at, way in enumerate(("clock", "processor"))},
        "silent": silent_s / SILENT_S, "speech": (used_s - silent_s) / (clock_s - SILENT_S),
    }  # fmt: skip


def _asr(folder: Path, **settings: float) -> Iterator[Any]:
    from asr.decode.decoder import DecoderConfig
    from asr.recognition.live import Final, Live, LiveConfig, Partial
    from asr.recognition.recognizer import Recognizer

    (folder / "digits.yaml").write_text(SENTENCES, "utf-8")
    decoding = DecoderConfig(sentences=folder / "digits.yaml")
    recognizer = Recognizer.load("english_small", decoding=decoding, runtime="numpy")
    stream = Live(recognizer, LiveConfig(**settings), sample_rate=speech.SAMPLE_RATE)

    def feed(block: Any, has_partial: bool) -> Result:
        events = stream.feed(block, has_partial=has_partial)
        partials = [event.text for event in events if isinstance(event, Partial)]
        return Result(partials[-1] if partials else None, [event.text for event in events if isinstance(event, Final)])

    yield from _in_real_time(feed)


@live.contender("asr, english_small, a grammar of the digits")
def _(folder: Path) -> Iterator[Any]:
    yield from _asr(folder)


@live.contender("asr, final where nothing can follow (--early-silence-ms 300)")
def _(folder: Path) -> Iterator[Any]:
    yield from _asr(folder, early_silence_ms=300.0)


@live.contender("PocketSphinx 5, en-us, the same grammar, its end-pointer")
def _(folder: Path) -> Iterator[Any]:
    from pocketsphinx import Decoder, Endpointer, get_model_path

    grammar, digit = folder / "digits.gram", " | ".join(speech.DIGITS)
    rules = f"public <digits> = <one> <one> <one>;\n<one> = {digit};\n"
    grammar.write_text(f"#JSGF V1.0;\ngrammar digits;\n{rules}", "utf-8")
    decoder = Decoder(hmm=get_model_path("en-us/en-us"), dict=get_model_path("en-us/cmudict-en-us.dict"),
                      jsgf=str(grammar), loglevel="FATAL")  # fmt: skip
    pointer = Endpointer(sample_rate=speech.SAMPLE_RATE, frame_length=BLOCK_S)

    def hypothesis() -> str:
        found = decoder.hyp()
        return str(found.hypstr) if found else ""

    def feed(block: Any, _has_partial: bool) -> Result:  # as its own example of live speech does
        was_speech = pointer.in_speech
        sound = pointer.process(block.tobytes())
        if sound is None:
            return Result(None, [])
        if not was_speech:
            decoder.start_utt()
        decoder.process_raw(sound)
        if pointer.in_speech:
            return Result(hypothesis(), [])
        decoder.end_utt()
        return Result(None, [hypothesis()])

    yield from _in_real_time(feed)


def table(script: Path) -> str:
    """The table in Markdown: each contender once, as its time is that of the sound."""
    one: Section = SECTIONS["live"]
    lines = [
        f"## {one.title}", "",
        "| | end of speech to final | of it the silence waited for | the rest | of the processor | block to partial "
        "| of the processor | core while somebody speaks | in silence | peak MB | right |",
        f"|---|{'---:|' * 10}",
    ]  # fmt: skip
    began, skipped = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        for name in one.contenders:
            done = spawn(["--contend", "live", name, "--folder", folder], {}, script=script)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                if "ModuleNotFoundError" not in last:
                    raise SystemExit(f"live, {name}: {done.stderr}")
                skipped.append(f"Skipped: {name} ({last.partition(': ')[2]}).")
                continue
            result = json.loads(done.stdout.splitlines()[-1])
            found = result["check"]
            times = " | ".join(spread(found[kind]) for kind in KINDS)
            lines.append(
                f"| {name} | {times} | {found['speech']:.1%} | {found['silent']:.1%} | {result['peak_mb']:.0f} | "
                f"{found['num_right']} of {one.amount:g} |"
            )
    print(f"live: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return "\n".join([*lines, "", "Milliseconds: median, 95th percentile, worst. " + note("live"), *skipped]) + "\n"


def spread(seconds: list[float]) -> str:
    """Median, 95th percentile and worst, in milliseconds."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    at = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return " / ".join(f"{1000 * one:,.0f}" for one in (statistics.median(ordered), at, ordered[-1]))
