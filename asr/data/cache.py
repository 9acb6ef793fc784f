"""What a corpus is trained from, made once and mapped into memory: memory does not grow with the corpus.

One file holds the arrays one behind the other, another one says where each begins, or why there is none. Both are
named for a digest of everything that they follow from, so that a change of a setting or of a sound file makes them
anew, and nothing else does.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import files
from asr.data.manifest import Skipped, Utterance
from asr.errors import UserError
from asr.features import FeatureConfig

Source = npt.NDArray[Any]
"""Of an utterance: its waveform (num_samples,) int16 or its cepstra (num_frames, num_cepstra) float32."""

_VERSION = 2  # of the files; and of what cepstra are made of, if their numbers should ever change
_BLOCK = 1 << 24  # bytes digested at a time
_STALE_S = 3600  # an unfinished file that nobody has written to for so long was left by a run that was killed
_FINISHED_LATER = {"deltas", "delta_window", "mean", "prior_frames", "variance", "stack"}  # not of cepstra


def digest(utterances: Sequence[Utterance], config: FeatureConfig, *, is_sound: bool) -> str:
    """Name of what these utterances give under these settings; changes with the time and size of their files."""
    settings = (
        {"sample_rate": config.sample_rate}
        if is_sound
        else {name: value for name, value in asdict(config).items() if name not in _FINISHED_LATER}
    )
    found = hashlib.sha256(json.dumps([_VERSION, settings], sort_keys=True).encode())
    for utterance in utterances:
        path = utterance.features if utterance.features and not (is_sound and utterance.audio) else utterance.audio
        try:
            state = os.stat(path or "")  # noqa: PTH116 -- many thousand times, and Path is ten times slower
            seen = (state.st_size, state.st_mtime_ns)
        except (OSError, ValueError):  # ValueError: a name with a NUL
            seen = (-1, -1)
        where = os.path.abspath(path or "")  # noqa: PTH100
        found.update(
            repr((utterance.id, where, utterance.start_s, utterance.end_s, *seen)).encode("utf-8", "surrogateescape")
        )
    return found.hexdigest()[:16]


def sources(
    folder: Path,
    name: str,
    key: str,
    make: Callable[[], Iterable[Source | Skipped]],
) -> Iterator[Source | Skipped]:
    """The sources called `name` under the digest `key`, mapped from `folder`; made and written there if they are not.

    So are those whose files have been damaged: the index holds their size and a digest of them. Older ones of that
    name are deleted: a corpus has one set of each kind.
    """
    data, index = (folder / f"{name}-{key}.{suffix}" for suffix in ("bin", "json"))
    found = _read(data, index)
    if not found:
        _write(data, index, make())
        for old in folder.glob(f"{name}-*"):
            with suppress(OSError):  # Windows keeps what another run has mapped
                is_being_written = old.suffix == ".part" and time.time() - old.stat().st_mtime < _STALE_S
                if old not in (data, index) and not is_being_written:
                    old.unlink()
        found = _read(data, index)
    if not found:
        raise UserError(f"{data}: is not what was just written there; is the disk damaged, or does another run write?")
    yield from found


def _read(data: Path, index: Path) -> list[Source | Skipped] | None:
    """What the two files hold, mapped; None where they are missing or damaged, and must be made again."""
    try:
        content = json.loads(index.read_bytes())
        # As a plain array: each part of a memmap would carry a dictionary of its own.
        mapped = np.asarray(np.memmap(data, np.uint8, "r") if content["num_bytes"] else np.empty(0, np.uint8))
        if len(mapped) != content["num_bytes"] or _digest(mapped) != content["digest"]:
            return None
        made: list[Source | Skipped] = []
        for entry in content["entries"]:
            if isinstance(entry[1], str):
                made.append(Skipped(*entry))
            else:
                start, shape, dtype = entry[0], entry[1], np.dtype(entry[2])
                made.append(mapped[start : start + dtype.itemsize * math.prod(shape)].view(dtype).reshape(shape))
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return made


def _digest(data: npt.NDArray[np.uint8]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for start in range(0, len(data), _BLOCK):
        found.update(data[start : start + _BLOCK].data)
    return found.hexdigest()


def _write(data: Path, index: Path, made: Iterable[Source | Skipped]) -> None:
    """Both files whole or not at all; the index last, so that one without the other is never believed."""
    data.parent.mkdir(parents=True, exist_ok=True)
    entries: list[tuple[Any, ...]] = []
    digest = hashlib.blake2b(digest_size=16)
    with files.whole(data) as part, part.open("wb") as file:
        for source in made:
            if isinstance(source, Skipped):
                entries.append((source.id, source.reason))
                continue
            padding = bytes(-file.tell() % 8)  # alignment
            entries.append((file.tell() + len(padding), source.shape, str(source.dtype)))
            packed = padding + np.ascontiguousarray(source).tobytes()
            file.write(packed)
            digest.update(packed)
        num_bytes = file.tell()
    content = {"num_bytes": num_bytes, "digest": digest.hexdigest(), "entries": entries}
    files.write_text(index, json.dumps(content))
