"""Manifests that are tables: Common Voice's TSV, Hugging Face's audiofolder, LJSpeech."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asr import audio, files
from asr.data import manifest
from asr.data.formats.records import MAX_BYTES, below, refuse
from asr.data.manifest import ManifestError, Utterance, clean, key_of
from asr.errors import UserError
from asr.files import Lines

_TEXTS = ("transcription", "text", "sentence", "transcript", "normalized_text")
_SPEAKERS = ("speaker", "speaker_id", "client_id", "user_id")
_LABELS = ("label", "intent")


def is_common_voice(path: Path) -> bool:
    """Whether its first line has client_id, path and sentence."""
    if path.suffix.lower() != ".tsv" or not path.is_file():
        return False
    return {"client_id", "path", "sentence"} <= set(_first(path).split("\t"))


def is_audiofolder(path: Path) -> bool:
    """Whether a folder, or the folders of its splits, hold a metadata.csv or .jsonl that names file_name."""
    return bool(_metadata(path))


def is_ljspeech(path: Path) -> bool:
    """Whether a metadata.csv has bars between its columns, and wavs/ is beside it."""
    table = _ljspeech_table(path)
    return table.is_file() and (table.parent / "wavs").is_dir() and "|" in _first(table)


def _first(path: Path) -> str:
    try:
        return next(iter(Lines(path)), "")
    except UserError:
        return ""


def _ljspeech_table(path: Path) -> Path:
    return path if path.name == "metadata.csv" else path / "metadata.csv"


def _metadata(path: Path) -> list[Path]:
    """The tables of an audiofolder: its own, else those of the folders in it, in order."""
    if not path.is_dir():
        return [path] if path.name in ("metadata.csv", "metadata.jsonl") and "file_name" in _first(path) else []
    for folders in ([path], sorted(one for one in path.iterdir() if one.is_dir())):
        tables = [one / name for one in folders for name in ("metadata.csv", "metadata.jsonl")]
        if found := [table for table in tables if table.is_file() and "file_name" in _first(table)]:
            return found
    return []


def _rows(path: Path, dialect: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The number of the line and the values of each row under the header; raises ManifestError naming the line."""
    lines = Lines(path, kind="manifest", max_bytes=MAX_BYTES, error=ManifestError)
    if dialect == "jsonl":
        for line in lines:
            if line.strip():
                try:
                    yield lines.number, dict(json.loads(line))
                except (ValueError, TypeError, RecursionError) as error:
                    raise ManifestError(f"{lines.name}, line {lines.number}: {error}") from None
        return
    form: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if dialect == "tsv" else {"strict": True}
    # Ends of lines within quotes are part of a value.
    reader = csv.DictReader((f"{line}\n" for line in lines), **form)
    try:
        for row in reader:
            if None in row or None in row.values():
                width = len(reader.fieldnames or ())
                raise ManifestError(f"{lines.name}, line {lines.number}: not the {width} columns of the header")
            yield lines.number, row
    except csv.Error as error:
        raise ManifestError(f"{lines.name}, line {lines.number}: {error}") from None


def _made(table: Path, number: int, key: str, text: Any, sound: str, **more: Any) -> Utterance:
    try:
        return Utterance(clean(key), " ".join(str(text).split()), sound, **more)
    except UserError as error:
        raise ManifestError(f"{files.shown(table)}, line {number}: {error}") from None


def read_common_voice(path: Path) -> list[Utterance]:
    """A table of Common Voice (Ardila et al. 2020), whose clips lie in clips/ beside it; an id is a clip's name."""
    made = [
        _made(path, number, key_of(Path(row["path"]).name), row["sentence"], below(path.parent, f"clips/{row['path']}"),
              speaker=row["client_id"] or None)
        for number, row in _rows(path, "tsv")
    ]  # fmt: skip
    return manifest.distinct(made)


def write_common_voice(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write a table of Common Voice; sound is named as seen from clips/ and stays where it is."""
    lines = ["client_id\tpath\tsentence"]
    for one in utterances:
        refuse(one, "common-voice")
        lines.append(f"{one.speaker or ''}\t{manifest.relative(str(one.audio), path.parent / 'clips')}\t{one.text}")
    files.write_text(path, "".join(f"{line}\n" for line in lines))


def read_audiofolder(path: Path) -> list[Utterance]:
    """Metadata of an audiofolder (Hugging Face datasets): text, speaker and label in columns of the usual names."""
    utterances = []
    for table in _metadata(path):
        split = "" if table.parent == path or table == path else f"{table.parent.name}/"
        for number, row in _rows(table, table.suffix[1:]):
            named = {one: str(row[one]) for one in (*_TEXTS, *_SPEAKERS, *_LABELS) if row.get(one) is not None}
            text = next((named[one] for one in _TEXTS if one in named), None)
            label = next((named[one] for one in _LABELS if one in named), None)
            if text is None and label is None:
                columns = ", ".join(_TEXTS)
                raise ManifestError(f"{files.shown(table)}, line {number}: no text: none of the columns {columns}")
            speaker = next((named[one] for one in _SPEAKERS if named.get(one)), None)
            name = str(row.get("file_name") or "")
            sound = below(table.parent, name) if name else ""
            more = {"speaker": speaker, "label": label}
            utterances.append(_made(table, number, split + key_of(name), text or "", sound, **more))
    return utterances


def write_audiofolder(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write a folder with metadata.csv and the sound of each utterance as ID.wav."""
    rows = []
    for one, name in zip(utterances, _sounds(path, utterances, "audiofolder"), strict=True):
        rows.append({"file_name": name, "transcription": one.text, "speaker_id": one.speaker or ""})
    text = io.StringIO()
    writer = csv.DictWriter(text, ["file_name", "transcription", "speaker_id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path / "metadata.csv", text.getvalue())


def read_ljspeech(path: Path) -> list[Utterance]:
    """LJSpeech (Ito and Johnson 2017): the normalised text where there is one."""
    table = _ljspeech_table(path)
    lines = Lines(table, kind="manifest", max_bytes=MAX_BYTES, error=ManifestError)
    utterances = []
    for line in lines:
        fields = line.split("|")
        if not line.strip():
            continue
        if len(fields) not in (2, 3):
            raise ManifestError(f"{lines.name}, line {lines.number}: not id|text|normalised text")
        utterances.append(_made(table, lines.number, fields[0], fields[-1] or fields[1],
                                below(table.parent, f"wavs/{fields[0]}.wav")))  # fmt: skip
    return utterances


def write_ljspeech(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write metadata.csv and wavs/ID.wav; texts with a bar are refused."""
    lines = []
    for one in utterances:
        refuse(one, "ljspeech", has_parts=True, has_speaker=False)
        if "|" in one.text or "/" in one.id:
            raise ManifestError(f"utterance {one.id}: ljspeech has no place for bars in texts nor folders in ids")
        lines.append(f"{one.id}|{one.text}|{one.text}\n")
    _sounds(path / "wavs", utterances, "ljspeech")
    files.write_text(path / "metadata.csv", "".join(lines))


def _sounds(folder: Path, utterances: Iterable[Utterance], form: str) -> list[str]:
    """Write the sound of each utterance as ID.wav, at its own rate; their names below the folder."""
    names = []
    for one in utterances:
        refuse(one, form, has_parts=True)
        names.append(f"{one.id}.wav")
        copy_sound(one, folder / names[-1])
    return names


def copy_sound(utterance: Utterance, path: Path) -> None:
    """The utterance's part of its recording as a 16-bit WAV of its own; raises AudioError."""
    rate = audio.info(str(utterance.audio)).sample_rate
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, manifest.read_waveform(utterance, rate), rate)
