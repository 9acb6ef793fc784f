"""Manifests in the formats that people have, read and written: a table of formats, and the guess which one it is.

Relative paths of sound are relative to the file that names them. What a format has no place for is refused on writing,
never dropped in silence.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from asr.data import manifest
from asr.data.formats import folders, records, tables
from asr.data.manifest import ManifestError, Utterance
from asr.files import shown


class Format(NamedTuple):
    """How utterances are read and written, and what makes a path one of this format."""

    what: str
    is_one: Callable[[Path], bool]
    read: Callable[[Path], list[Utterance]]
    write: Callable[[Path, Sequence[Utterance]], None]


FORMATS: dict[str, Format] = {
    "kaldi": Format(
        "Kaldi's data folder: wav.scp, text, utt2spk, segments", folders.is_kaldi, folders.read_kaldi,
        folders.write_kaldi,
    ),
    "speech-commands": Format(
        "folders named for words, with testing_list.txt and validation_list.txt", folders.is_speech_commands,
        folders.read_speech_commands, folders.write_speech_commands,
    ),
    "ljspeech": Format(
        "LJSpeech: metadata.csv of id|text|normalised text, wavs/ID.wav", tables.is_ljspeech, tables.read_ljspeech,
        tables.write_ljspeech,
    ),
    "audiofolder": Format(
        "Hugging Face's audiofolder: metadata.csv or metadata.jsonl with file_name", tables.is_audiofolder,
        tables.read_audiofolder, tables.write_audiofolder,
    ),
    "common-voice": Format(
        "Common Voice's TSV beside clips/; client_id is the speaker", tables.is_common_voice, tables.read_common_voice,
        tables.write_common_voice,
    ),
    "nemo": Format(
        "NeMo's JSONL: audio_filepath, duration, text", records.is_nemo, records.read_nemo, records.write_nemo
    ),
    "lhotse": Format(
        "Lhotse's cuts, JSONL, gzipped or not", records.is_lhotse, records.read_lhotse, records.write_lhotse
    ),
    "jsonl": Format("ours: JSONL of id, audio, text, ...", records.is_jsonl, manifest.read, manifest.write),
}  # fmt: skip
"""By name, in the order in which a path is tried."""


def guess(path: Path) -> str | None:
    """The name of the format of a path, or None: a folder of plain recordings, a sound, something else."""
    return next((name for name, one in FORMATS.items() if one.is_one(path)), None)


def is_manifest(path: str | Path) -> bool:
    """Whether a path is one that `read` takes, by its files' names and its first line."""
    return guess(Path(path)) is not None


def read(path: str | Path, form: str | None = None) -> list[Utterance]:
    """The utterances of a manifest in any of FORMATS, guessed if `form` is None.

    Raises ManifestError naming file and line for what is wrong with it, or where it is of no known format.
    """
    path = Path(path)
    name = form or guess(path)
    if name is None:
        if not path.exists():
            raise ManifestError(f"{shown(path)}: no such file")
        if path.is_dir():
            raise ManifestError(f"{shown(path)}: a folder of none of the formats {', '.join(FORMATS)}")
        return manifest.read(path)  # which says what is wrong with it
    utterances = FORMATS[name].read(path)
    if not utterances:
        raise ManifestError(f"{shown(path)}: no utterances in this manifest")
    manifest.check_ids(utterances, shown(path))
    return utterances


def form_of(path: Path) -> str:
    """The format that the name of a file or folder to be written asks for. Raises ManifestError for none."""
    name = path.name.lower()
    if name.endswith(".jsonl"):
        return "jsonl"
    if name.endswith(".jsonl.gz"):
        return "lhotse"
    if name.endswith(".tsv"):
        return "common-voice"
    raise ManifestError(f"{shown(path)}: its name does not tell the format; name one of {', '.join(FORMATS)} with --to")
