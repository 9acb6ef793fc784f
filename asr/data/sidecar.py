"""Transcripts that lie beside sound files, one file each, and tables that hold those of a whole folder."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath

from asr.errors import UserError
from asr.files import Lines, shown

_READ = (".normalized.txt", ".txt", ".lab")
"""Endings of transcripts: of LibriTTS; of TIMIT and most others; of MFA, HTK and Prosodylab."""
_NOT_READ = ".textgrid .trs .srt .vtt .eaf .json .xml .phn .wrd .ctm .stm .sbv .trn .tra .text .rtf .doc .docx".split()
_TABLES = {".tsv", ".csv", ".txt", ".jsonl", ".json", ".trn", ".scp", ".stm", ".ctm", ""}
_MAX_TABLE = 1 << 26  # bytes


class TranscriptError(UserError):
    """A transcript that is there and cannot be used; the message names its file."""


def transcript(path: Path) -> str | None:
    """What the file beside a sound file says: NAME.txt or NAME.lab, in lower or upper case; None if there is none.

    Line ends and runs of spaces become spaces. Raises TranscriptError where it is empty, is not UTF-8, holds times, or
    is in a form that is not read here.
    """
    beside = _names(str(path.parent))
    stem = path.stem.lower()
    for ending in _READ:
        if name := beside.get(stem + ending):
            return _read(path.parent / name)
    for ending in _NOT_READ:
        if name := beside.get(stem + ending) or beside.get(path.name.lower() + ending):
            found = shown(path.parent / name)
            raise TranscriptError(f"{found} is beside it, in a form that is not read; make NAME.txt of it")
    return None


def elsewhere(root: Path, labels: Mapping[str, str]) -> dict[str, str]:
    """Sound files whose transcript stands elsewhere than in the name of their folder, and the file that has it.

    `labels` is by path, below `root`, the text that the folder of each gives. A table has it whose line names the file
    and says something else (Common Voice, LJSpeech, LibriSpeech, Kaldi), or a text file of the same name in another
    folder (VCTK).
    """
    if not labels:
        return {}
    by_name: dict[str, str] = {}
    stems = Counter(PurePosixPath(path).stem for path in labels)
    for path in labels:
        by_name[PurePosixPath(path).name] = path
        if stems[stem := PurePosixPath(path).stem] == 1 and not re.fullmatch(r".{1,3}|\d{1,5}", stem):
            by_name[stem] = path
    found: dict[str, str] = {}
    for table in _text_files(root):
        if table.stem in by_name and table.suffix.lower() in _READ:
            found.setdefault(by_name[table.stem], str(table))
        else:
            for path in _named(table, by_name, labels):
                found.setdefault(path, str(table))
    return found


def _named(table: Path, by_name: Mapping[str, str], labels: Mapping[str, str]) -> Iterable[str]:
    """The sound files of which a table says something else than the name of their folder."""
    try:
        for line in Lines(table, max_bytes=_MAX_TABLE):
            fields = re.split(r"""[\t,;|"'(){}\s]+""", line)
            for field in fields:
                path = by_name.get(field.replace("\\", "/").rpartition("/")[2])
                if path is None:
                    continue
                others = f" {' '.join(other for other in fields if other != field)} ".casefold()
                label = labels[path].casefold()
                is_said = any(f" {form} " in others for form in (label, label.replace(" ", "_")))
                if re.search(r"[^\W\d_]{2}", others) and not is_said:
                    yield path
                break
    except (UserError, OSError):
        return  # no text, or too much of it


def _text_files(root: Path) -> Iterable[Path]:
    for where, below, names in os.walk(root, followlinks=False):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            if not name.startswith(".") and path.suffix.lower() in _TABLES and path.is_file():
                yield path


@lru_cache(maxsize=4)
def _names(folder: str) -> dict[str, str]:
    """The names of files in a folder, by their lower-case form; lower case itself comes first."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return {}
    return {name.lower(): name for name in names}


def _read(path: Path) -> str:
    lines = [" ".join(line.split()) for line in Lines(path, error=TranscriptError)]
    if path.suffix.lower() == ".lab" and any(re.match(r"\d+ \d+ \S", line) for line in lines):
        raise TranscriptError(f"{shown(path)} holds times, as HTK's labels do, rather than a transcript")
    # TIMIT's transcripts begin with the first and the last sample.
    text = re.sub(r"^0 \d{4,} ", "", " ".join(line for line in lines if line))
    if not text:
        raise TranscriptError(f"{shown(path)} is empty")
    return text
