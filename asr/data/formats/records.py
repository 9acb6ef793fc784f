"""Manifests of one JSON object a line: NeMo's, Lhotse's cuts, and which of them, or of ours, a file is."""

import gzip
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asr import audio, files
from asr.data import manifest
from asr.data.manifest import ManifestError, Utterance, clean, key_of
from asr.errors import UserError

MAX_BYTES = 1 << 30


def is_nemo(path: Path) -> bool:
    """Whether the first line names an audio_filepath."""
    return "audio_filepath" in _first(path)


def is_lhotse(path: Path) -> bool:
    """Whether the first line is a cut."""
    return str(_first(path).get("type", "")).endswith("Cut")


def is_jsonl(path: Path) -> bool:
    """Whether it is named as ours are."""
    return path.suffix.lower() == ".jsonl" and not path.is_dir()


def _first(path: Path) -> Mapping[str, Any]:
    """The first line of a .json, .jsonl or .jsonl.gz as an object; empty for anything else."""
    if not path.is_file() or not path.name.lower().endswith((".json", ".jsonl", ".jsonl.gz", ".json.gz")):
        return {}
    try:
        found = json.loads(next(line for line in files.Lines(path) if line.strip()))
    except (UserError, ValueError, RecursionError, StopIteration):
        return {}
    return found if isinstance(found, dict) else {}


def _each(path: Path, parse: Callable[[dict[str, Any]], Iterator[Utterance]]) -> list[Utterance]:
    """What `parse` makes of each line. Raises ManifestError naming it."""
    lines = files.Lines(path, kind="manifest", max_bytes=MAX_BYTES, error=ManifestError)
    utterances: list[Utterance] = []
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise UserError("not a JSON object")
            utterances += parse(record)
        except KeyError as error:
            raise ManifestError(f"{lines.name}, line {lines.number}: the key {error} is missing") from None
        except (UserError, ValueError, TypeError, RecursionError, OverflowError) as error:
            raise ManifestError(f"{lines.name}, line {lines.number}: {error}") from None
    return utterances


def below(folder: Path, name: Any) -> str:
    """A path as a manifest in `folder` names it."""
    if not isinstance(name, str) or not name:
        raise UserError(f"the path of a sound must be text, not {name!r:.60}")
    return os.path.normpath(folder / name)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"the text must be text, not {value!r:.60}")
    return " ".join(value.split())


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"a time must be a number of seconds, not {value!r:.60}")
    return float(value)


def read_nemo(path: Path) -> list[Utterance]:
    """NeMo's manifest (NVIDIA NeMo, ASR datasets): an id is the file's name, with its offset where it has one.

    A name that repeats gets its folders as well.
    """

    def parse(record: dict[str, Any]) -> Iterator[Utterance]:
        name, duration = below(path.parent, record["audio_filepath"]), record.get("duration")
        start = _number(record.get("offset") or 0.0)
        length = None if duration is None else _number(duration)
        speaker = record.get("speaker")
        key = record.get("id") or key_of(Path(name).name) + (f"@{start:g}" if start else "")
        yield Utterance(
            clean(str(key)),
            _text(record["text"]),
            name,
            duration_s=length or 0.0,
            speaker=None if speaker is None else str(speaker),
            start_s=start,
            end_s=start + length if "offset" in record and length is not None else None,
        )

    return manifest.distinct(_each(path, parse))


def write_nemo(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write NeMo's manifest, with the id of ours beside what NeMo knows."""
    lines = []
    for one in utterances:
        refuse(one, "nemo", has_parts=True)
        record = {"audio_filepath": manifest.relative(str(one.audio), path.parent), "text": one.text}
        cut: dict[str, Any] = {"duration": length_of(one)}
        if one.start_s or one.end_s is not None:
            cut["offset"] = one.start_s
        lines.append({**record, **cut, **({"speaker": one.speaker} if one.speaker else {}), "id": one.id})
    files.write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_lhotse(path: Path) -> list[Utterance]:
    """Lhotse's cuts: an utterance for each supervision of each cut of one recording in a file (Żelasko et al. 2021)."""

    def parse(record: dict[str, Any]) -> Iterator[Utterance]:
        if record.get("type") not in ("MonoCut", "MultiCut"):
            raise UserError(f"a cut of type {record.get('type')!r} is not read; only MonoCut and MultiCut are")
        recording = record["recording"]
        sources = recording["sources"]
        if len(sources) != 1 or sources[0].get("type") != "file":
            raise UserError("its recording is not one file; commands and URLs are not run, save it as a file first")
        name, start = below(path.parent, sources[0]["source"]), _number(record["start"])
        supervisions = record.get("supervisions") or []
        for number, one in enumerate(supervisions):
            first, length = start + _number(one["start"]), _number(one["duration"])
            is_whole = first <= 0 and length >= _number(recording["duration"]) - 1e-3
            yield Utterance(
                clean(record["id"] if len(supervisions) == 1 else f"{record['id']}-{number}"),
                _text(one.get("text") or ""),
                name,
                duration_s=round(length, 4),
                speaker=one.get("speaker"),
                start_s=0.0 if is_whole else round(first, 6),
                end_s=None if is_whole else round(first + length, 6),
            )

    return _each(path, parse)


def write_lhotse(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write Lhotse's cuts, gzipped where the name ends in .gz; raises AudioError for sound that cannot be read."""
    lines = []
    for one in utterances:
        refuse(one, "lhotse", has_parts=True)
        info, length, key = audio.info(str(one.audio)), length_of(one), Path(str(one.audio)).stem
        source = {"type": "file", "channels": [0], "source": manifest.relative(str(one.audio), path.parent)}
        recording = {
            "id": key, "sources": [source], "sampling_rate": info.sample_rate, "num_samples": info.num_samples,
            "duration": info.duration_s, "channel_ids": [0],
        }  # fmt: skip
        spoken = {"id": one.id, "recording_id": key, "start": 0.0, "duration": length, "channel": 0, "text": one.text}
        if one.speaker:
            spoken["speaker"] = one.speaker
        cut = {"id": one.id, "start": one.start_s, "duration": length, "channel": 0, "supervisions": [spoken]}
        lines.append({**cut, "recording": recording, "type": "MonoCut"})
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    files.write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def length_of(utterance: Utterance) -> float:
    """Seconds of an utterance, from its header where the manifest does not say. Raises AudioError."""
    if utterance.end_s is not None:
        return utterance.end_s - utterance.start_s
    return utterance.duration_s or audio.info(str(utterance.audio)).duration_s - utterance.start_s


def refuse(utterance: Utterance, form: str, *, has_parts: bool = False, has_speaker: bool = True) -> None:
    """Raise ManifestError where a format has no place for what an utterance holds."""
    lost = {
        "features instead of sound": not utterance.audio,
        "labels": (utterance.label is not None and utterance.label != utterance.text) or bool(utterance.labels),
        "intents": utterance.intent is not None,
        "parts of a recording": not has_parts and (bool(utterance.start_s) or utterance.end_s is not None),
        "speakers": not has_speaker and bool(utterance.speaker),
    }
    for what, is_lost in lost.items():
        if is_lost:
            raise ManifestError(f"utterance {utterance.id}: {form} has no place for {what}; convert to jsonl instead")
