"""Lines of each format that has ids -> utterances: trn, Kaldi's text, JSON, tables, plain lines.

trn is NIST's (SCTK's documentation of file formats); text is Kaldi's `id words`. ctm and stm, which have times, are in
`segments`.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from asr.score.fields import (
    ID_KEYS,
    OFFSET_KEYS,
    SOUND_KEYS,
    SPEAKER_KEYS,
    FieldError,
    Role,
    TextField,
    id_of,
    segment_id,
    text_field,
    text_of,
    wanted,
)

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""Between the columns of a table; Excel writes semicolons where a comma is the decimal point."""

_CONTAINERS = ("utts", "utterances", "data", "results", "segments", "items", "samples")
"""Names under which a JSON document may hold its utterances."""


Line = tuple[int, str, str, str]
"""Number of the line (in a JSON document over several lines: of the utterance), id, text, speaker or nothing.

A bare tuple, since files of 100,000 lines are read.
"""


class BadLineError(ValueError):
    """A line that is not of its format; the message is the end of a sentence that begins with `where` it stands."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Chooser:
    """The fields of records -> id, text and speaker. In one file all texts stand in the same kind of field."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.field: TextField | None = None
        """Of the first record."""

    def __call__(self, values: Mapping[str, Any]) -> tuple[str, str, str]:
        """(id, text, speaker) from the fields of a record, their names in lower case; raises FieldError."""
        key, field = id_of(values), text_field(tuple(values), self.role)
        if not key or field is None:
            raise FieldError(f"not a record with {wanted()}")
        self.check(field)
        return key, text_of(values[field.key], field.key), _speaker(values)

    def check(self, field: TextField) -> None:
        """Raises FieldError where only some records have a hypothesis beside the reference."""
        self.field = self.field or field
        if field.is_predicted and not self.field.is_predicted:
            raise FieldError(f"has {field.key!r}, which those before lack")
        if self.field.is_predicted and not field.is_predicted:
            raise FieldError(f"has no {self.field.key!r}, which those before have")

    def notes(self) -> list[str]:
        """Notes on the choice."""
        if self.field and self.field.beside:
            return [f"has references in {self.field.beside!r}; hypotheses are those in {self.field.key!r}"]
        return []


def _speaker(values: Mapping[str, Any]) -> str:
    speaker = next((values[key] for key in SPEAKER_KEYS if key in values), None)
    return "" if speaker is None else str(speaker)


def _parse_trn(lines: Sequence[str], _chooser: Chooser) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        text, bracket, key = line.rstrip().rpartition("(")
        if not bracket and not key:
            continue
        if not bracket or key[-1:] != ")" or len(key) == 1 or " " in key or "\t" in key or ")" in key[:-1]:
            raise BadLineError(f"line {number}", "does not end in an (utterance-id), as trn lines do")
        yield number, key[:-1], text.strip(), ""


def _parse_kaldi(lines: Sequence[str], _chooser: Chooser) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        key, *text = line.split(maxsplit=1) or [""]
        if key:
            yield number, key, text[0].rstrip() if text else "", ""


def _parse_plain(lines: Sequence[str], _chooser: Chooser) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        yield number, str(number), line.strip(), ""


def _parse_jsonl(lines: Sequence[str], chooser: Chooser) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, *_from_object(json.loads(line), chooser)
        except RecursionError:
            raise BadLineError(f"line {number}", "nested too deeply") from None
        except FieldError as error:
            raise BadLineError(f"line {number}", str(error)) from None
        except ValueError as error:
            raise BadLineError(f"line {number}", f"not JSON: {error}") from None


def _parse_json(lines: Sequence[str], chooser: Chooser) -> Iterator[Line]:
    for number, values in enumerate(_entries(_documents("\n".join(lines))), start=1):
        try:
            yield number, *_from_object(values, chooser)
        except FieldError as error:
            raise BadLineError(f"utterance {number}", str(error)) from None


def _from_object(values: Any, chooser: Chooser) -> tuple[str, str, str]:
    if not isinstance(values, dict):
        raise FieldError(f"not a JSON object with {wanted()}")
    return chooser({key.lower(): value for key, value in values.items()})


def _documents(text: str) -> list[Any]:
    """The values that stand one after another in a JSON text."""
    decoder, blanks = json.JSONDecoder(object_pairs_hook=_unique), re.compile(r"\s*")
    values: list[Any] = []
    at = blanks.match(text).end()  # type: ignore[union-attr]  # which matches always
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at = blanks.match(text, at).end()  # type: ignore[union-attr]
    except RecursionError:
        raise BadLineError("line 1", "nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadLineError(f"line {error.lineno}", f"not JSON: {error.msg} at column {error.colno}") from None
    except ValueError as error:
        raise BadLineError("line 1", f"not JSON: {error}") from None
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise ValueError(f"an object has {twice!r} twice")
    return values


def _entries(documents: list[Any]) -> list[Any]:
    """The objects of a JSON text: those of a list, those one after another, or those that stand by their ids."""
    value: Any = documents[0] if len(documents) == 1 else documents
    while isinstance(value, dict):
        inner = next((value[key] for key in _CONTAINERS if isinstance(value.get(key), (list, dict))), None)
        if inner is None or any(key.lower() in ID_KEYS for key in value):
            break
        value = inner
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not all(isinstance(one, (str, dict)) for one in value.values()):
        return [value]
    if any(isinstance(one, str) for one in value.values()) and any(key.lower() in ID_KEYS for key in value):
        return [value]
    return [{"text": one, "id": key} if isinstance(one, str) else {**one, "id": key} for key, one in value.items()]


def separator(lines: Sequence[str]) -> str | None:
    """What stands between the columns of a table, by its header, which names an id and a text; None without one."""
    hint = _hint(lines)
    header = lines[1:2] if hint else lines[:1]
    return next((mark for mark in SEPARATORS if is_header(_columns(header, mark))), hint or None)


def is_header(columns: Sequence[str]) -> bool:
    """Whether there is a column of ids, and one of texts."""
    try:
        return any(key in columns for key in ID_KEYS) and text_field(tuple(columns), "hypothesis") is not None
    except FieldError:  # several of texts
        return True


def _hint(lines: Sequence[str]) -> str:
    """Excel's own first line, `sep=;`, which says what stands between columns."""
    hint = re.fullmatch(r'"?sep=(.)"?', lines[0].strip(), re.IGNORECASE) if lines else None
    return hint[1] if hint else ""


def _columns(lines: Sequence[str], mark: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader(lines, delimiter=mark), [])]
    except csv.Error:
        return []


def _parse_csv(lines: Sequence[str], chooser: Chooser) -> Iterator[Line]:
    return _parse_table(csv.reader(_restored(lines), delimiter=separator(lines) or ",", strict=True), lines, chooser)


def _parse_tsv(lines: Sequence[str], chooser: Chooser) -> Iterator[Line]:
    return _parse_table(csv.reader(_restored(lines), delimiter="\t", quoting=csv.QUOTE_NONE), lines, chooser)


def _restored(lines: Sequence[str]) -> Iterator[str]:
    return io.StringIO("".join(f"{line}\n" for line in lines), newline="\n")


def _parse_table(rows: Any, lines: Sequence[str], chooser: Chooser) -> Iterator[Line]:
    try:
        if _hint(lines):
            next(rows)
        header = [name.strip().lower() for name in next(rows, [])]
        field = text_field(tuple(header), chooser.role) if is_header(header) else None
        if field is None:
            raise FieldError(f"no header with {wanted()}; its columns are {', '.join(header)}")
        chooser.check(field)
        id_at, speaker_at, offset_at = (
            next((header.index(key) for key in keys if key in header), None)
            for keys in (ID_KEYS, SPEAKER_KEYS, OFFSET_KEYS)
        )
        assert id_at is not None  # or it were no header
        is_sound, text_at = header[id_at] in SOUND_KEYS, header.index(field.key)
        for row in rows:
            if not any(row):
                continue
            if len(row) <= max(id_at, text_at):
                raise FieldError(f"{len(row)} columns; the header has {len(header)}")
            key, speaker, offset = (
                "" if at is None or at >= len(row) else row[at].strip() for at in (id_at, speaker_at, offset_at)
            )
            if not key:
                raise FieldError("no id")
            yield rows.line_num, segment_id(key, offset) if is_sound else key, row[text_at].strip(), speaker
    except csv.Error as error:
        raise BadLineError(f"line {max(1, rows.line_num)}", f"not CSV: {error}") from None
    except FieldError as error:
        raise BadLineError(f"line {max(1, rows.line_num)}", str(error)) from None


PARSERS: dict[str, Callable[[Sequence[str], Chooser], Iterator[Line]]] = {
    "trn": _parse_trn,
    "kaldi": _parse_kaldi,
    "jsonl": _parse_jsonl,
    "json": _parse_json,
    "csv": _parse_csv,
    "tsv": _parse_tsv,
    "lines": _parse_plain,
}
"""By format: (lines, what chooses the fields) -> utterances; each raises BadLineError."""
