"""The server under load, on loopback: many requests, broken ones among them, and streams in real time."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import speech
from benchmarks.live import spread
from benchmarks.measuring import note

NUM_REQUESTS, NUM_CLIENTS, BROKEN = 1000, 32, 10  # one in so many is broken
NUM_STREAMS = 50
NUM_RECORDINGS = 40
BLOCK_S = 0.1
LATE_S = 0.5
LEXICON = "\n".join(speech.DIGITS) + "\n"


@dataclass
class Seen:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    """Of each answer that was waited for."""
    mistakes: Counter[str] = field(default_factory=Counter)
    """Answers that were lost, mixed up (another recording's) or late."""


@dataclass(frozen=True)
class Sounds:
    """WAV files with the texts that one thread of the recogniser gives of them, and streams with their final texts."""

    files: list[tuple[bytes, str]]
    streams: list[tuple[Any, str]]


def table() -> str:
    """The table in Markdown: requests alone, streams alone, and both at once."""
    title = f"## Load: {NUM_REQUESTS:,} requests from {NUM_CLIENTS} clients, and {NUM_STREAMS} streams in real time\n"
    try:
        import httpx  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ModuleNotFoundError as error:
        return f"{title}\nSkipped: {error}.\n"
    began = time.monotonic()
    lines = [title, "| | answers | lost | mixed up | late | milliseconds: median / 95th percentile / worst | "
             "seconds of sound a second |", "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        lexicon = Path(folder) / "digits.txt"
        lexicon.write_text(LEXICON, "utf-8")
        sounds = _sounds(lexicon)
        with subprocess.Popen(
            [sys.executable, "-c", "from asr.cli.serve import main; main()", "--port", "0", "--model", "digits",
             "--lexicon", str(lexicon), "--threads", "2"],
            stderr=subprocess.PIPE, text=True, preexec_fn=partial(_on_cores, 2),
        ) as process:  # fmt: skip
            assert process.stderr
            url = next(line for line in process.stderr if "http://" in line).split()[-1].rstrip(".")
            try:
                for names in (("requests",), ("streams",), ("requests", "streams")):
                    lines += asyncio.run(_load(url, sounds, names))
            finally:
                process.terminate()
    print(f"load: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return "\n".join([*lines, "", note("load")]) + "\n"


def _on_cores(count: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def _sounds(lexicon: Path) -> Sounds:
    import io

    import numpy as np
    import soundfile

    from asr.decode.decoder import DecoderConfig
    from asr.recognition.live import Live
    from asr.recognition.recognizer import Recognizer

    recognizer = Recognizer.load("digits", decoding=DecoderConfig(lexicon=lexicon))
    rng, rate = np.random.default_rng(4), speech.SAMPLE_RATE
    words = list(speech.speak(rng.choice(speech.DIGITS, NUM_RECORDINGS).tolist(), 5))
    quiet = [3e-4 * rng.standard_normal(round(seconds * rate)) for seconds in (0.3, 1.0)]
    files, streams = [], []
    for number in range(NUM_RECORDINGS):
        order = rng.permutation(NUM_RECORDINGS)[: 1 + number % 4]
        parts = [part for index in order for part in (quiet[1], 0.5 * words[index])]
        file = io.BytesIO()
        soundfile.write(file, np.concatenate([*parts, quiet[1]]), rate, "PCM_16", format="WAV")
        files.append((file.getvalue(), recognizer.transcribe(file.getvalue()).text))
    for _ in range(NUM_STREAMS):
        parts = [part for index in rng.permutation(NUM_RECORDINGS)[:8] for part in (quiet[1], 0.5 * words[index])]
        samples = np.round(np.concatenate([*parts, quiet[1]]) * 32767).astype("<i2")
        stream = Live(recognizer, sample_rate=rate)
        finals = [*stream.feed(samples, has_partial=False), *stream.flush()]
        streams.append((samples, " ".join(event.text for event in finals if event.text)))
    return Sounds(files, streams)


async def _load(url: str, sounds: Sounds, names: tuple[str, ...]) -> list[str]:
    """Rows of the table: what each kind of client saw while the others were there, too."""
    began = time.perf_counter()
    runs = {"requests": partial(_requests, url, sounds.files), "streams": partial(_streams, url, sounds.streams)}
    seen: list[tuple[Seen, float]] = await asyncio.gather(*(runs[name]() for name in names))
    rows = []
    for name, (one, sound_s) in zip(names, seen, strict=True):
        others = " and ".join(other for other in names if other != name)
        mistakes = " | ".join(str(one.mistakes[kind]) for kind in ("lost", "mixed up", "late"))
        rows.append(
            f"| {name}{f', beside {others}' if others else ''} | {len(one.seconds):,} | {mistakes} | "
            f"{spread(one.seconds)} | {sound_s / (time.perf_counter() - began):,.0f} |"
        )
    return rows


async def _requests(url: str, files: list[tuple[bytes, str]]) -> tuple[Seen, float]:
    import httpx

    seen, numbers, sound_s = Seen(), iter(range(NUM_REQUESTS)), 0.0

    async def client() -> None:
        nonlocal sound_s
        async with httpx.AsyncClient(timeout=60) as http:
            for number in numbers:
                data, text = files[number % len(files)]
                is_broken = number % BROKEN == BROKEN - 1
                began = time.perf_counter()
                try:
                    answer = await http.post(f"{url}/v1/audio/transcriptions", **_form(number, data, is_broken))
                    body = answer.json()
                except (httpx.HTTPError, ValueError):
                    seen.mistakes["lost"] += 1
                    continue
                seen.seconds.append(time.perf_counter() - began)
                sound_s += 0.0 if is_broken else len(data) / 2 / speech.SAMPLE_RATE
                if is_broken:
                    seen.mistakes["mixed up"] += not (400 <= answer.status_code < 500 and body["error"]["message"])
                else:
                    seen.mistakes["mixed up"] += answer.status_code != 200 or body["text"] != text

    await asyncio.gather(*(client() for _ in range(NUM_CLIENTS)))
    return seen, sound_s


def _form(number: int, data: bytes, is_broken: bool) -> dict[str, Any]:
    """What a request sends; of the broken ones every fourth is alike."""
    if not is_broken:
        return {"files": {"file": (f"{number}.wav", data)}, "data": {"model": "digits"}}
    broken: list[dict[str, Any]] = [
        {"files": {"file": ("cut.wav", data[: len(data) // 3])}},
        {"files": {"file": ("text.wav", b"no sound at all")}},
        {"files": {"file": ("a.wav", data)}, "data": {"model": "unknown"}},
        {"data": {"model": "digits"}},
    ]
    return broken[number // BROKEN % len(broken)]


async def _streams(url: str, streams: list[tuple[Any, str]]) -> tuple[Seen, float]:
    from websockets.asyncio.client import connect

    seen, size = Seen(), round(BLOCK_S * speech.SAMPLE_RATE)

    async def client(number: int, samples: Any, text: str) -> None:
        await asyncio.sleep(number * BLOCK_S / len(streams))  # people do not speak in step
        finals = []
        async with connect(url.replace("http", "ws")) as socket:
            await socket.send(json.dumps({"config": {"sample_rate": speech.SAMPLE_RATE}}))
            began, due = time.perf_counter(), []

            async def speak() -> None:
                for start in range(0, len(samples), size):
                    due.append(began + start / speech.SAMPLE_RATE)
                    await asyncio.sleep(max(0.0, due[-1] - time.perf_counter()))
                    await socket.send(samples[start : start + size].tobytes())
                due.append(time.perf_counter())
                await socket.send('{"eof": 1}')

            speaker = asyncio.create_task(speak())
            for index in range(len(range(0, len(samples), size)) + 1):
                try:
                    reply = json.loads(await asyncio.wait_for(socket.recv(), 30))
                except Exception:  # whatever ends it: an answer that does not come
                    seen.mistakes["lost"] += 1
                    break
                seen.seconds.append(time.perf_counter() - due[index])
                seen.mistakes["late"] += seen.seconds[-1] > LATE_S
                finals += [reply["text"]] if reply.get("text") else []
            await speaker
        seen.mistakes["mixed up"] += " ".join(finals) != text

    await asyncio.gather(*(client(number, *one) for number, one in enumerate(streams)))
    return seen, sum(len(samples) for samples, _ in streams) / speech.SAMPLE_RATE
