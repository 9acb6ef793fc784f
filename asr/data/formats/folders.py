"""Manifests that are folders: Kaldi's data folders, and words in folders with lists, as Speech Commands has them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr import files
from asr.audio import search
from asr.data import manifest
from asr.data.formats.records import MAX_BYTES, below, refuse
from asr.data.formats.tables import copy_sound
from asr.data.manifest import ManifestError, Utterance, clean
from asr.errors import UserError
from asr.files import Lines, shown

LISTS = {"dev": "validation_list.txt", "test": "testing_list.txt"}


def is_kaldi(path: Path) -> bool:
    """Whether it has a wav.scp."""
    return (path / "wav.scp").is_file()


def is_speech_commands(path: Path) -> bool:
    """Whether it has the lists of Speech Commands."""
    return all((path / name).is_file() for name in LISTS.values())


def _table(path: Path) -> dict[str, tuple[int, str]]:
    """The rest of each line by its first field, with the line's number. Raises ManifestError for a key that repeats."""
    lines = Lines(path, kind="manifest", max_bytes=MAX_BYTES, error=ManifestError)
    found: dict[str, tuple[int, str]] = {}
    for line in lines:
        key, *rest = line.split(maxsplit=1)[:2] or [""]
        if not key:
            continue
        if key in found:
            raise ManifestError(f"{lines.name}, line {lines.number}: {key} was on line {found[key][0]} before")
        found[key] = lines.number, rest[0].strip() if rest else ""
    return found


def read_kaldi(path: Path) -> list[Utterance]:
    """A data folder of Kaldi (Povey et al. 2011): wav.scp, text, and utt2spk and segments where they are there.

    Nothing is run: raises ManifestError for a wav.scp whose sound comes out of a command, and for an utterance without
    a text or a recording.
    """
    recordings: dict[str, str] = {}
    for key, (number, value) in _table(path / "wav.scp").items():
        where = f"{shown(path / 'wav.scp')}, line {number}"
        if value.endswith("|"):
            raise ManifestError(
                f"{where}: the sound of {key} comes out of a command, which is not run here; write it as a file first"
            )
        if not value:
            raise ManifestError(f"{where}: no file for {key}")
        recordings[key] = below(path, value)
    if not (path / "text").is_file():
        raise ManifestError(f"{shown(path)}: no file named text, which has the transcripts")
    texts = _table(path / "text")
    speakers = _table(path / "utt2spk") if (path / "utt2spk").is_file() else {}
    segments = _segments(path / "segments") if (path / "segments").is_file() else {}
    utterances = []
    for key, (number, text) in texts.items():
        name, *times = segments.get(key, (key,)) if segments else (key,)
        if name not in recordings or (segments and key not in segments):
            missing = "segments" if segments and key not in segments else "wav.scp"
            raise ManifestError(f"{shown(path / 'text')}, line {number}: {key} is not in {missing}")
        start, end = (float(times[0]), float(times[1])) if times else (0.0, None)
        speaker = speakers.get(key, (0, ""))[1]
        try:
            utterances.append(
                Utterance(
                    clean(key),
                    " ".join(text.split()),
                    recordings[name],
                    duration_s=0.0 if end is None else round(end - start, 4),
                    speaker=None if speaker in ("", key) else speaker,  # Kaldi's way of saying that it is not known
                    start_s=start,
                    end_s=end,
                )
            )
        except UserError as error:
            raise ManifestError(f"{shown(path / 'text')}, line {number}: {error}") from None
    return utterances


def _segments(path: Path) -> Mapping[str, tuple[str, str, str]]:
    found = {}
    for key, (number, value) in _table(path).items():
        fields = value.split()
        if len(fields) != 3 or not all(re.fullmatch(r"\d+(\.\d*)?", one) for one in fields[1:]):
            raise ManifestError(f"{shown(path)}, line {number}: not `utterance recording start end`")
        found[key] = (fields[0], fields[1], fields[2])
    return found


def write_kaldi(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write a data folder, sorted as Kaldi wants it; sound stays where it is, speakers stand before ids nowhere."""
    path.mkdir(parents=True, exist_ok=True)
    ordered = sorted(utterances, key=lambda one: one.id.encode())
    has_parts = any(one.start_s or one.end_s is not None for one in ordered)
    recordings: dict[str, str] = {}
    rows: dict[str, list[str]] = {"text": [], "utt2spk": [], "segments": []}
    for one in ordered:
        refuse(one, "kaldi", has_parts=True)
        sound = manifest.relative(str(one.audio), path)
        key = clean(sound).replace("/", "-") if has_parts else one.id
        recordings[key] = sound
        rows["text"].append(f"{one.id} {one.text}".strip())
        rows["utt2spk"].append(f"{one.id} {clean(one.speaker) if one.speaker else one.id}")
        if has_parts:
            end_s = one.end_s
            if end_s is None:
                raise ManifestError(f"utterance {one.id}: kaldi's segments need an end; give each utterance its end_s")
            rows["segments"].append(f"{one.id} {key} {one.start_s:.6f} {end_s:.6f}")
    rows["wav.scp"] = [f"{key} {sound}" for key, sound in sorted(recordings.items(), key=lambda item: item[0].encode())]
    for name, lines in rows.items():
        if lines:
            files.write_text(path / name, "".join(f"{line}\n" for line in lines))
        else:
            (path / name).unlink(missing_ok=True)


def read_speech_commands(path: Path) -> list[Utterance]:
    """Every recording below a folder of words; the hash before _nohash_ is the speaker (Warden 2018).

    What lies in folders that begin with an underscore is noise, with an empty text.
    """
    utterances = []
    for name in search.below(path).paths:
        key = Path(name).relative_to(path)
        if len(key.parts) != 2:
            continue
        word, (speaker, has_hash, _) = key.parts[0], key.stem.partition("_nohash_")
        is_noise = word.startswith("_")
        text = "" if is_noise else word.replace("_", " ")
        utterances.append(
            Utterance(manifest.key_of(key.as_posix()), text, name, speaker=speaker if has_hash else None, label=word)
        )
    return utterances


def split_of(path: Path, utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """The utterances of a folder by its lists: train, dev and test."""
    listed = {}
    for split, name in LISTS.items():
        for line in Lines(path / name, error=ManifestError):
            listed[manifest.key_of(line.strip())] = split
    found: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for one in utterances:
        found[listed.get(one.id, "train")].append(one)
    return found


def write_speech_commands(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write WORD/SPEAKER_nohash_N.wav and empty lists of dev and test; texts become names of folders."""
    counts: dict[tuple[str, str], int] = {}
    for one in utterances:
        refuse(one, "speech-commands", has_parts=True)
        word = one.text.replace(" ", "_") or "_background_noise_"
        if "/" in word or word.startswith("."):
            raise ManifestError(f"utterance {one.id}: its text {one.text!r:.60} cannot be the name of a folder")
        speaker = clean(one.speaker) if one.speaker else clean(one.id).replace("/", "-")
        number = counts[word, speaker] = counts.get((word, speaker), -1) + 1
        copy_sound(one, path / word / f"{speaker}_nohash_{number}.wav")
    for name in LISTS.values():
        files.write_text(path / name, "")
