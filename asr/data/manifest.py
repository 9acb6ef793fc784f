"""Manifests: JSONL files of utterances, one object a line, paths relative to the manifest's folder."""

import dataclasses
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio, files
from asr.errors import UserError
from asr.features import FeatureError, FeatureExtractor, Frames

_MAX_BYTES = 1 << 30  # of a manifest: of some million utterances
_MAX_S = 1e9  # of a time


class ManifestError(UserError):
    """A manifest or feature file that cannot be used; the message names file and line."""


@dataclass(frozen=True)
class Label:
    """What is in a part of a recording: in seconds from the start of its file, or one of evenly spaced ones."""

    name: str
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Utterance:
    """A segment of speech with its transcript; `audio` or `features` (or both) are the files that hold it.

    `label` is its class, for a classifier; `labels` are those of its parts, for a tagger.
    """

    id: str
    text: str
    audio: str | None = None
    features: str | None = None
    duration_s: float = 0.0
    speaker: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    label: str | None = None
    labels: tuple[Label, ...] = ()
    intent: str | None = None
    """What the sentence asks for, where a recogniser of sentences is to find it; empty: nearly a sentence, and none."""
    slots: Mapping[str, Any] | None = field(default=None, hash=False)
    """The values of its slots by name, as far as they are labelled."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^\s()\x00-\x1f\x7f-\x9f\ud800-\udfff]+", self.id):
            raise UserError(
                f"the id {self.id[:60]!r} must not be empty nor hold spaces, parentheses or control characters"
            )
        end_s = self.start_s if self.end_s is None else self.end_s
        if not (
            math.isfinite(self.duration_s + self.start_s + end_s) and self.duration_s >= 0 <= self.start_s <= end_s
        ):
            raise UserError(
                f"utterance {self.id}: duration_s, start_s and end_s must be finite, in order, not negative"
            )
        if self.features and not self.audio and (self.start_s or self.end_s is not None):
            raise UserError(f"utterance {self.id}: start_s and end_s cut sound, not features")
        if not self.audio and not self.features:
            raise UserError(f"utterance {self.id} names neither `audio` nor `features`")

    @property
    def where(self) -> str:
        """The file that messages name."""
        return self.audio or self.features or self.id


@dataclass(frozen=True)
class Skipped:
    """An utterance that is not used, and why."""

    id: str
    reason: str


def read(path: str | Path) -> list[Utterance]:
    """Read and check a manifest; relative paths come back joined to its folder.

    Raises ManifestError naming file and line: invalid JSON or UTF-8, an unknown or missing key, a value of the wrong
    type, an id that came before, or no line at all.
    """
    folder = Path(path).parent
    utterances: list[Utterance] = []
    earlier: dict[str, int] = {}
    lines = files.Lines(path, kind="manifest", max_bytes=_MAX_BYTES, error=ManifestError)
    for line in lines:
        if not line.strip():
            continue
        try:
            utterance = _parse(line)
        except (UserError, ValueError, RecursionError) as error:
            raise ManifestError(f"{lines.name}, line {lines.number}: {error}") from None
        if utterance.id in earlier:
            raise ManifestError(
                f"{lines.name}, line {lines.number}: the id {utterance.id} was on line {earlier[utterance.id]} before"
            )
        earlier[utterance.id] = lines.number
        utterances.append(_moved(utterance, lambda name: os.path.normpath(folder / name)))
    if not utterances:
        raise ManifestError(f"{lines.name}: no utterances in this manifest")
    return utterances


def check_ids(utterances: Iterable[Utterance], name: str) -> None:
    """Raise ManifestError where an id stands for two utterances."""
    known: set[str] = set()
    for utterance in utterances:
        if utterance.id in known:
            raise ManifestError(f"{name}: the id {utterance.id} stands for two utterances")
        known.add(utterance.id)


def distinct(utterances: list[Utterance]) -> list[Utterance]:
    """The same, where ids that repeat have the folders of their sound before them."""
    counts = Counter(utterance.id for utterance in utterances)

    def named(utterance: Utterance) -> Utterance:
        folders = clean(Path(utterance.where).parent.as_posix()).strip("/")
        return dataclasses.replace(utterance, id=f"{folders}/{utterance.id}" if folders else utterance.id)

    return [named(one) if counts[one.id] > 1 else one for one in utterances]


def write(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest whole or not at all; paths become relative to its folder where they share a drive with it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for utterance in utterances:
            moved = _moved(utterance, lambda name: relative(name, path.parent))
            values = {field.name: getattr(moved, field.name) for field in dataclasses.fields(moved)}
            values["labels"] = [_unparsed(label) for label in moved.labels]
            kept = {
                name: value for name, value in values.items() if value not in (None, 0.0, []) or name == "duration_s"
            }
            line = json.dumps(kept, ensure_ascii=False)
            # The bytes of a name that is not UTF-8 are written as escapes, from which Python makes them again.
            is_utf8 = not _SURROGATE.search(moved.audio or "") and not _SURROGATE.search(moved.features or "")
            file.write((line if is_utf8 else json.dumps(kept)) + "\n")


def read_waveform(utterance: Utterance, sample_rate: int) -> audio.Waveform:
    """The utterance's sound at `sample_rate`: float32 (num_samples,). Raises AudioError."""
    if utterance.audio is None:
        raise audio.AudioError(f"{utterance.where}: utterance {utterance.id} has features but no audio")
    return audio.read(utterance.audio, sample_rate, start_s=utterance.start_s, end_s=utterance.end_s)


def read_features(path: str | Path, width: int) -> npt.NDArray[np.float32]:
    """Precomputed features (num_frames, width) from a NumPy .npy or Sphinx .mfc file of either byte order.

    A Sphinx file is an int32 count of values, then that many float32 (CMU Sphinx, feature file format); the count
    tells the byte order. Raises ManifestError naming the file.
    """
    path, name = Path(path), files.shown(path)
    if not os.path.isfile(path):  # noqa: PTH113 -- Path's raises where a name is too long
        raise ManifestError(f"{name}: no such file")
    matrix = _read_npy(path) if path.suffix == ".npy" else _read_mfc(path, width)
    if matrix.ndim != 2 or matrix.shape[1] != width or not len(matrix):
        raise ManifestError(f"{name}: features of shape {matrix.shape}, where (frames, {width}) is wanted")
    with np.errstate(over="ignore"):
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    if not np.isfinite(matrix).all():
        raise ManifestError(f"{name}: holds values that are not finite numbers")
    return matrix


def _read_npy(path: Path) -> npt.NDArray[Any]:
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, is_fortran, dtype = read(file)
        except Exception as error:  # whatever Python's parser has against a header that is not one
            raise ManifestError(f"{files.shown(path)}: not a NumPy array: {_short(error)}") from None
        if dtype.kind not in "fiu":
            raise ManifestError(f"{files.shown(path)}: not an array of real numbers")
        # Before anything is made of the size that it claims.
        claimed, held = math.prod(shape) * dtype.itemsize, path.stat().st_size - file.tell()
        if claimed != held or min(shape, default=1) < 0:
            raise ManifestError(
                f"{files.shown(path)}: damaged: its header claims {_short(shape)} numbers of "
                f"{dtype.itemsize} bytes, and {held} bytes follow"
            )
        matrix = np.fromfile(file, dtype)
    return matrix.reshape(shape, order="F" if is_fortran else "C")


def _read_mfc(path: Path, width: int) -> npt.NDArray[Any]:
    data, name = path.read_bytes(), files.shown(path)
    count = len(data) // 4 - 1
    orders = [order for order in "<>" if len(data) >= 4 and np.frombuffer(data[:4], f"{order}i4")[0] == count]
    if count < 1 or len(data) % 4 or not orders:
        raise ManifestError(f"{name}: not a Sphinx feature file: its first four bytes do not count its values")
    matrix = np.frombuffer(data, f"{orders[0]}f4", offset=4)
    if len(matrix) % width:
        raise ManifestError(f"{name}: {len(matrix)} values do not make frames of {width}")
    return matrix.reshape(-1, width)


def load_frames(utterance: Utterance, extractor: FeatureExtractor) -> Frames:
    """Cepstra (T, C) of an utterance, from its sound or its precomputed features.

    Raises AudioError, ManifestError or FeatureError, in one sentence.
    """
    config = extractor.config
    if config.source == "audio":
        return extractor.cepstra(read_waveform(utterance, config.sample_rate))
    if utterance.features is None:
        raise FeatureError(
            f"{utterance.where}: precomputed features are wanted and the manifest has none for {utterance.id}; "
            "to train on sound set features.source=audio"
        )
    return read_features(utterance.features, config.num_cepstra)


_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,), "text": (str,), "audio": (str,), "features": (str,), "speaker": (str,),
    "duration_s": (int, float), "start_s": (int, float), "end_s": (int, float), "label": (str,), "labels": (list,),
    "intent": (str,), "slots": (dict,),
}  # fmt: skip


_NUMBERS = [name for name, kinds in _TYPES.items() if float in kinds]
_SURROGATE = re.compile("[\ud800-\udfff]")


def _parse(line: str) -> Utterance:
    values: Any = json.loads(line)
    if not isinstance(values, dict):
        raise UserError("not a JSON object")
    for name, value in values.items():
        if name not in _TYPES:
            raise UserError(f"unknown key {_short(name)!r}; the keys are {', '.join(_TYPES)}")
        if value is not None and (not isinstance(value, _TYPES[name]) or isinstance(value, bool)):
            raise UserError(f"{name} must be a {_TYPES[name][-1].__name__}, not {_short(json.dumps(value))}")
    if any(values.get(name) is not None for name in ("label", "labels")):  # what no text is needed for
        values.setdefault("text", "")
    for name in ("id", "text"):
        if values.get(name) is None:
            raise UserError(f"the key {name!r} is missing")
    if values.get("labels") is not None:
        values["labels"] = tuple(_label(label) for label in values["labels"])
    try:
        numbers = {name: float(values[name]) for name in _NUMBERS if values.get(name) is not None}
    except OverflowError:
        raise UserError("a time of more than 300 digits") from None
    return Utterance(**{name: value for name, value in values.items() if value is not None} | numbers)


def _label(value: Any) -> Label:
    """A name, or an object with a name and its times."""
    if isinstance(value, str) and value:
        return Label(value)
    if isinstance(value, dict) and set(value) == {"label", "start_s", "end_s"} and isinstance(value["label"], str):
        times = value["start_s"], value["end_s"]
        if all(isinstance(time, int | float) for time in times) and 0 <= times[0] <= times[1] <= _MAX_S:
            return Label(value["label"], float(times[0]), float(times[1]))
    raise UserError(f"labels holds names, or objects of label, start_s and end_s, not {_short(json.dumps(value))}")


def _unparsed(label: Label) -> str | dict[str, Any]:
    if label.end_s is None:
        return label.name
    return {"label": label.name, "start_s": label.start_s, "end_s": label.end_s}


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _moved(utterance: Utterance, move: Any) -> Utterance:
    paths = {name: move(value) for name in ("audio", "features") if (value := getattr(utterance, name))}
    return dataclasses.replace(utterance, **paths)


def key_of(name: str) -> str:
    """The id of a file: its name, or its path below a folder, without suffix and as `clean` has it."""
    return clean(str(PurePosixPath(name).with_suffix("")))


def clean(text: str) -> str:
    """Without what an id cannot hold: spaces, parentheses and control characters become underscores.

    Bytes of a name that are not UTF-8 become %E9.
    """
    text = re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)
    return re.sub(r"[\s()\x00-\x1f\x7f-\x9f\ud800-\udfff]", "_", text)


def relative(path: str, folder: Path) -> str:
    """`path` as seen from `folder`, or absolute where they share no drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive on Windows
        return Path(path).resolve().as_posix()
