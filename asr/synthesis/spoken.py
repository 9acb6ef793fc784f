"""What neural voices said, kept on this machine for every corpus: the same line is spoken once.

A line is known by all that its sound follows from. Sounds are kept in $ASR_CACHE, or where that is not set in
~/.cache/asr, below `speech`; whoever deletes them loses nothing but minutes.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from asr import audio
from asr.synthesis import neural
from asr.synthesis.espeak import Line

_VERSION = 1  # of what voices make of a line


def folder() -> Path:
    """Where sounds are kept."""
    named = os.environ.get("ASR_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "asr") / "speech"


def path_of(line: Line, sample_rate: int, margin_ms: float) -> Path:
    """Where the sound of a line of a neural voice is kept."""
    speaker = neural.speaker_of(line.voice)
    model = Path(speaker[0]) if speaker else Path()
    # Of a model of one's own, its size: another file of that name is another voice.
    size = model.stat().st_size if model.is_file() else 0
    said = asdict(line) | {"path": "", "voice": line.voice.replace(str(model), model.name), "size": size}
    key = hashlib.sha256(repr((_VERSION, sorted(said.items()), sample_rate, margin_ms)).encode()).hexdigest()
    return folder() / key[:2] / f"{key[2:32]}.wav"


def take(line: Line, sample_rate: int, margin_ms: float) -> float | None:
    """Put the sound of a line that was spoken before into its file; returns its duration in s, or None."""
    kept = path_of(line, sample_rate, margin_ms)
    try:
        duration_s = audio.info(str(kept)).duration_s
        Path(line.path).parent.mkdir(parents=True, exist_ok=True)
        _link(kept, Path(line.path))
    except (audio.AudioError, OSError):
        return None
    return duration_s


def keep(line: Line, sample_rate: int, margin_ms: float) -> None:
    """Keep the sound of a line that has just been spoken; where that fails it is spoken again another time."""
    kept = path_of(line, sample_rate, margin_ms)
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        _link(Path(line.path), kept)


def _link(source: Path, target: Path) -> None:
    """The same file under another name where the file system can, else a copy."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
        part.replace(target)
        part.unlink(missing_ok=True)  # names of one and the same file: replacing does nothing
    finally:
        part.unlink(missing_ok=True)
