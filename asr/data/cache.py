"""What a corpus is trained from, made once and mapped into memory: memory does not grow with the corpus.

One file holds the arrays one behind the other, another one says where each begins, or why there is none. Both are
named for a digest of everything that they follow from, so that a change of a setting or of a sound file makes them
anew, and nothing else does.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.data.manifest import LeftOut, Utterance
from asr.features import FeatureConfig

Source = npt.NDArray[Any]
"""Of an utterance: its waveform (num_samples,) int16 or its cepstra (num_frames, num_cepstra) float32."""

_VERSION = 1  # of the files; and of what static features are made of, if their numbers should ever change
_STALE_S = 3600  # an unfinished file that nobody has written to for so long was left by a run that was killed
_FINISHED_LATER = {"deltas", "delta_window", "mean", "variance", "stack"}  # settings of frames, not of cepstra


def digest(utterances: Sequence[Utterance], config: FeatureConfig, *, is_sound: bool) -> str:
    """Name of what these utterances give under these settings; changes with the time and size of their files."""
    settings = {"sample_rate": config.sample_rate} if is_sound else {
        name: value for name, value in asdict(config.in_training).items() if name not in _FINISHED_LATER
    }  # fmt: skip
    found = hashlib.sha256(json.dumps([_VERSION, settings], sort_keys=True).encode())
    for utterance in utterances:
        path = utterance.audio if is_sound or not utterance.features else utterance.features
        try:
            state = os.stat(path or "")  # noqa: PTH116 -- many thousand times, and Path is ten times slower
            seen = (state.st_size, state.st_mtime_ns)
        except OSError:
            seen = (-1, -1)
        where = os.path.abspath(path or "")  # noqa: PTH100
        found.update(repr((utterance.id, where, utterance.start_s, utterance.end_s, *seen)).encode())
    return found.hexdigest()[:16]


def sources(
    folder: Path,
    name: str,
    key: str,
    make: Callable[[], Iterable[Source | LeftOut]],
) -> Iterator[Source | LeftOut]:
    """The sources called `name` under the digest `key`, mapped from `folder`; made and written there if they are not.

    Older ones of that name are deleted: a corpus has one set of each kind.
    """
    data, index = (folder / f"{name}-{key}.{suffix}" for suffix in ("bin", "json"))
    if not index.is_file() or not data.is_file():
        _write(data, index, make())
        for old in folder.glob(f"{name}-*"):
            with suppress(OSError):  # Windows keeps what another run has mapped
                is_being_written = old.suffix == ".part" and time.time() - old.stat().st_mtime < _STALE_S
                if old not in (data, index) and not is_being_written:
                    old.unlink()
    entries = json.loads(index.read_text("utf-8"))
    # As a plain array: each part of a memmap would carry a dictionary of its own.
    mapped = np.asarray(np.memmap(data, np.uint8, "r") if data.stat().st_size else np.empty(0, np.uint8))
    dtype = np.dtype(entries["dtype"])
    for entry in entries["entries"]:
        if isinstance(entry[1], str):
            yield LeftOut(*entry)
        else:
            start, shape = entry
            yield mapped[start : start + dtype.itemsize * int(np.prod(shape))].view(dtype).reshape(shape)


def _write(data: Path, index: Path, made: Iterable[Source | LeftOut]) -> None:
    """Both files whole or not at all; the index last, so that one without the other is never believed."""
    data.parent.mkdir(parents=True, exist_ok=True)
    part = data.with_name(f"{data.name}.{os.getpid()}.part")
    entries: list[tuple[Any, Any]] = []
    dtype = "float32"
    try:
        with part.open("wb") as file:
            for source in made:
                if isinstance(source, LeftOut):
                    entries.append((source.id, source.reason))
                    continue
                file.write(bytes(-file.tell() % 8))  # alignment
                entries.append((file.tell(), source.shape))
                file.write(np.ascontiguousarray(source).data)
                dtype = str(source.dtype)
        part.replace(data)
        part.write_text(json.dumps({"dtype": dtype, "entries": entries}), encoding="utf-8")
        part.replace(index)
    finally:
        part.unlink(missing_ok=True)
