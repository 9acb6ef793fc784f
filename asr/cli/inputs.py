"""The recordings that a command is given: files, and those below folders, each with an id of its own."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from asr.audio.search import SUFFIXES, below
from asr.data.manifest import clean, key_of
from asr.errors import UserError
from asr.files import shown


def find(
    paths: Sequence[str], suffixes: Collection[str] = SUFFIXES
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(path, id) of files as given and of those with `suffixes` below folders, in the order of their names.

    An id is the file's name without suffix, below a folder with the folders on the way to it, as `key_of` spells it;
    standard input's is stdin. Beside them, (path, why) of what cannot be used below folders, see `search.below`. Raises
    UserError for a folder without any of both.
    """
    found: list[tuple[str, str]] = []
    skipped: list[tuple[str, str]] = []
    for path in paths:
        if path == "-" or not os.path.isdir(path):  # noqa: PTH112 -- Path's raises where a name is too long
            found.append((path, "stdin" if path == "-" else key_of(Path(path).name)))
            continue
        here = below(path, suffixes)
        if not here.paths and not here.skipped:
            raise UserError(f"{shown(path)}: no sound files in this folder")
        found += [(file, key_of(Path(file).relative_to(path).as_posix())) for file in here.paths]
        skipped += here.skipped
    return found, skipped


def is_batch(paths: Sequence[str]) -> bool:
    """Whether what a command is given may be several recordings, so that results name theirs."""
    return len(paths) > 1 or Path(paths[0]).is_dir()


def distinct(files: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same (path, id), where ids that repeat have as much more of the path as tells their files apart.

    That is the suffix within a folder (rec.wav, rec.flac), else the folders before it, one by one (A/rec, B/rec).
    Raises UserError where names differ only in what an id cannot hold.
    """
    # Every ".." resolved, which would lead out of a folder that files are named for ids in.
    wholes = [Path(os.path.abspath(path)) for path, _ in files]  # noqa: PTH100
    ids: dict[Path, str] = {}
    for whole, (_, key) in zip(wholes, files, strict=True):
        ids.setdefault(whole, key)
    while repeated := {key for key, count in Counter(ids.values()).items() if count > 1}:
        beside = Counter((key, whole.with_suffix("")) for whole, key in ids.items())
        longer = {
            whole: key if key not in repeated else _longer(key, whole, is_beside=beside[key, whole.with_suffix("")] > 1)
            for whole, key in ids.items()
        }
        if longer == ids:
            key = min(repeated)
            one, other, *_ = (shown(whole) for whole in ids if ids[whole] == key)
            raise UserError(f"{one} and {other}: both have the id {key}; rename one of them")
        ids = longer
    return [(path, ids[whole]) for whole, (path, _) in zip(wholes, files, strict=True)]


def _longer(key: str, whole: Path, *, is_beside: bool) -> str:
    """An id with the suffix of its file, where others are beside it, or with one more folder, while there is one."""
    if is_beside and not key.endswith(suffix := clean(whole.suffix)):
        return key + suffix
    folder = clean(whole.parents[key.count("/")].name)
    return f"{folder}/{key}" if folder else key
