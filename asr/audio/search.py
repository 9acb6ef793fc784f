"""The sound files below a folder, and what lies there that cannot be used, by name."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asr.audio import container, source

SUFFIXES = frozenset(
    ".wav .wave .flac .ogg .oga .opus .mp3 .mp2 .aiff .aif .aifc .au .snd .sph .nist .wv1 .wv2 .w64 .caf .rf64 .voc "
    ".8svx .avr .ircam .paf .pvf .sds .wve".split()
)
"""File names that a folder search takes for sound."""

_SYSTEM = {"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "#recycle", "lost+found"}
"""Folders of file systems and archives: what lies in them was deleted, or is no sound."""


@dataclass
class Below:
    """What lies below a folder: paths in the order of their names, and (path, why) of what cannot be used."""

    paths: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def below(folder: str | Path, suffixes: Collection[str] = SUFFIXES) -> Below:
    """Files with these suffixes, in lower or upper case, anywhere below a folder, through links to folders, too.

    Hidden files and folders and those of the system are passed over. Skipped, with the reason: formats that libsndfile
    does not read (where sound is searched), links to nothing, links that lead round in a circle, folders that may not
    be read, and what is no file.
    """
    found = Below()
    is_sound = not SUFFIXES.isdisjoint(suffixes)
    known = {*suffixes, *(container.READABLE_BY_FFMPEG if is_sound else ())}
    for path in _walk(Path(folder), (), found, known):
        suffix = path.suffix.lower()
        if suffix in suffixes:
            found.paths.append(str(path))
        elif suffix in known:
            why = f"{suffix[1:]}, which libsndfile does not read; convert it: {source.conversion(path)}"
            found.skipped.append((str(path), why))
    found.paths.sort(key=lambda path: Path(path).parts)
    found.skipped.sort(key=lambda item: Path(item[0]).parts)
    return found


def _walk(folder: Path, above: tuple[tuple[int, int], ...], found: Below, known: Collection[str]) -> Iterator[Path]:
    try:
        state = folder.stat()
        here = (state.st_dev, state.st_ino)
        if here in above:
            found.skipped.append((str(folder), "a link to a folder that it lies in"))
            return
        entries = list(os.scandir(folder))
    except OSError as error:
        found.skipped.append((str(folder), error.strerror or str(error)))
        return
    for entry in entries:
        path = folder / entry.name
        is_known = path.suffix.lower() in known
        if entry.name.startswith(".") or entry.name in _SYSTEM:
            continue
        try:
            if entry.is_dir():
                yield from _walk(path, (*above, here), found, known)
            elif entry.is_file():
                yield path
            elif is_known or (entry.is_symlink() and not path.suffix):
                is_link = entry.is_symlink()
                found.skipped.append((str(path), "a link to what is not there" if is_link else "a pipe or device"))
        except OSError as error:  # a circle of links
            found.skipped.append((str(path), error.strerror or str(error)))
