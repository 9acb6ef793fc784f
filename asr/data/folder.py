"""Recordings in a folder, as people have them: in folders named for their words, or beside a transcript each."""

from dataclasses import dataclass
from pathlib import Path

from asr.audio import search
from asr.data import sidecar
from asr.data.manifest import Skipped, Utterance, clean, key_of
from asr.errors import UserError
from asr.files import shown


@dataclass(frozen=True)
class Recordings:
    """What a folder of recordings holds, what of it cannot be used, and the texts that are names of folders."""

    utterances: list[Utterance]
    skipped: list[Skipped]
    folder_texts: set[str]


def read(root: Path, *, has_texts: bool = True) -> Recordings:
    """The sound files below a folder with their transcripts, or without them (`has_texts`): then every text is empty.

    Raises UserError where nothing below it is a sound file.
    """
    skipped: list[Skipped] = []
    below = search.below(root) if root.is_dir() else search.Below()
    for path, why in below.skipped:
        key = clean(Path(path).relative_to(root).as_posix())
        skipped.append(Skipped(key if key != "." else str(root), f"unreadable audio: {shown(path)}: {why}"))
    if not below.paths:
        reasons = "; ".join(item.reason for item in skipped[:3])
        raise UserError(f"{root}: no sound files below it{': ' + reasons if reasons else ''}")
    labels: dict[str, str] = {}  # by path: texts that are the name of a folder
    utterances: dict[str, Utterance] = {}
    for path in below.paths:
        key = key_of(Path(path).relative_to(root).as_posix())
        try:
            text = _text(Path(path), root) if has_texts else ""
            if text is None:
                text = labels[path] = _label(Path(path), root)
            if key in utterances:
                raise UserError(f"the same name as {shown(str(utterances[key].audio))}")
            label = None if Path(path).parent == root else shown(Path(path).parent.name)
            utterances[key] = Utterance(key, text, audio=path, label=label)
        except UserError as error:
            skipped.append(Skipped(key, f"no text: {error}"))
    elsewhere = sidecar.elsewhere(root, labels)
    for key, utterance in list(utterances.items()):
        if where := elsewhere.get(str(utterance.audio)):
            why = f"it seems to lie in {shown(where)}, which is not read here; write NAME.txt beside each sound"
            skipped.append(Skipped(key, f"no text: {why}"))
            del utterances[key]
    return Recordings(list(utterances.values()), skipped, set(labels.values()))


def _text(path: Path, root: Path) -> str | None:
    """The transcript beside a file, or nothing below a folder whose name begins with an underscore; else None."""
    if any(name.startswith("_") for name in path.relative_to(root).parts[:-1]):
        return ""
    return sidecar.transcript(path)


def _label(path: Path, root: Path) -> str:
    """The name of the file's folder. Raises UserError if there is none, or none of letters."""
    if path.parent == root:
        raise UserError("neither NAME.txt beside it nor a folder named for it")
    name = shown(path.parent.name)
    if name != path.parent.name:
        raise UserError(f"the name of its folder, {name}, is not UTF-8, or not of letters alone; rename it")
    return path.parent.name.replace("_", " ")
