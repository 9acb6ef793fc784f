"""Transcripts by id, out of the formats that recognisers and corpora write, and what was odd about a file.

trn and stm and ctm are NIST's (SCTK's documentation of file formats); text is Kaldi's `id words`.
"""

import csv
import gc
import gzip
import io
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from asr.errors import UserError

Format = Literal["trn", "kaldi", "jsonl", "csv", "tsv", "ctm", "stm", "lines"]
FORMATS: tuple[Format, ...] = get_args(Format)

ID_KEYS = ("id", "utt_id", "utterance_id", "utterance", "file", "path", "audio", "audio_filepath")
TEXT_KEYS = ("text", "transcript", "transcription", "sentence", "words")
SPEAKER_KEYS = ("speaker", "speaker_id", "spk", "client_id")
_SUFFIXES: dict[str, Format] = {".trn": "trn", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv", ".ctm": "ctm",
                                ".stm": "stm"}  # fmt: skip
_IGNORED = "ignore_time_segment_in_scoring"


class ScoreError(UserError):
    """Transcripts that cannot be scored; the message names the file and line."""


@dataclass(frozen=True)
class Transcripts:
    """What one file says: text by id, the speaker by id where the file knows, and what was odd, in sentences."""

    texts: dict[str, str]
    form: Format
    speakers: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Segment(NamedTuple):
    """A stretch of a recording in an stm (several words) or a ctm (one word)."""

    recording: str
    channel: str
    start_s: float
    end_s: float
    text: str
    speaker: str = ""


_Line = tuple[int, str, str, str]
"""Number of the line, id, text, speaker or nothing. A bare tuple: files of 100,000 lines are read."""


@dataclass(frozen=True)
class _Source:
    """A file's decoded lines, read once: standard input has no second time."""

    name: str
    suffix: str
    lines: list[str]
    notes: list[str]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Python's collector of circles walks all lists again and again while 100,000 more are made, none in a circle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read(path: str | Path, form: Format | None = None) -> Transcripts:
    """Transcripts of a file, gzipped or not; `-` is standard input. Plain lines are numbered from 1.

    Without `form` the format is told by the name's ending and the content. Raises ScoreError naming file and line: no
    such file, invalid UTF-8, a line that is not of the format, an id that stands twice with different texts.
    """
    source = _load(path)
    return _parse(source, form or _marked_format(source) or "kaldi")


@collector_paused()
def read_all(
    reference: str | Path, hypotheses: Sequence[str | Path], form: Format | None = None
) -> tuple[Transcripts, list[Transcripts]]:
    """Transcripts of a file of references, and of one file of hypotheses for each system.

    Without `form` each file's format is told by its name and content; formats that have ids may be mixed, and the
    words of a ctm go into the segments of an stm by the middle of their time. Raises ScoreError where utterances
    could only be paired by luck: ids on one side alone, or plain lines that differ in number.
    """
    sources = [_load(path) for path in (reference, *hypotheses)]
    forms = [form] * len(sources) if form else _guess_formats(sources)
    if forms[0] == "stm" and "ctm" in forms[1:]:
        segments = _segments(sources[0], "stm")
        first = _from_stm(sources[0], segments)
        others = [_place(source, segments) if one == "ctm" else _parse(source, one)
                  for source, one in zip(sources[1:], forms[1:], strict=True)]  # fmt: skip
    else:
        first, *others = (_parse(source, one) for source, one in zip(sources, forms, strict=True))
    if not first.texts:
        raise ScoreError(f"{sources[0].name}: no utterances")
    for source, other in zip(sources[1:], others, strict=True):
        if first.form == "lines" and len(first.texts) != len(other.texts):
            raise ScoreError(
                f"{sources[0].name} has {len(first.texts)} lines and {source.name} has {len(other.texts)}: plain "
                "lines are paired by number; give them ids, or name the format"
            )
    return first, others


def read_lines(path: str | Path) -> list[str]:
    """Lines of a UTF-8 file; raises ScoreError naming file and line as `read` does."""
    return _load(path).lines


def format_trn(transcripts: Mapping[str, str]) -> str:
    """Transcripts as trn lines: words, then the id in parentheses."""
    return "".join(f"{text} ({key})\n" for key, text in transcripts.items())


def speaker_prefix(key: str) -> str:
    """Speaker of an id as sclite's spu_id has it: what stands before the first hyphen, or else underscore."""
    return key.partition("-" if "-" in key else "_")[0]


def read_speakers(where: str | None, reference: Transcripts) -> dict[str, str]:
    """Speaker by id: what the reference file knows, or from its ids (`prefix`), or none, or a file of `id speaker`.

    Raises ScoreError where the file lacks an id of the reference.
    """
    if where in (None, "none"):
        return {} if where else reference.speakers
    if where == "prefix":
        return {key: speaker_prefix(key) for key in reference.texts}
    speakers = read(str(where), "kaldi").texts
    unknown = [key for key in reference.texts if not speakers.get(key)]
    if unknown:
        raise ScoreError(f"{where}: no speaker for {_number(unknown, 'id')}: {some(unknown)}")
    return speakers


def _load(path: str | Path) -> _Source:
    name = "standard input" if str(path) == "-" else str(path)
    if str(path) == "-":
        data = sys.stdin.buffer.read()
    elif not Path(path).is_file():
        raise ScoreError(f"{name}: no such file")
    else:
        data = Path(path).read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ScoreError(f"{name}: damaged gzip: {error}") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ScoreError(f"{name}: UTF-16; save it as UTF-8")
    notes = []
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
        notes.append("begins with a byte-order mark, which is skipped")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        number, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ScoreError(f"{name}, line {number}: not UTF-8: {error.reason} at byte {column}") from None
    if text and not text.endswith("\n"):
        notes.append("has no line feed at its end; the last line counts")
    # Split at line feeds alone: form feeds and Unicode's line separators are blanks within a transcript.
    lines = text.removesuffix("\n").split("\n") if text else []
    if "\r\n" in text or text.endswith("\r"):
        lines = [line.removesuffix("\r") for line in lines]
        notes.append("has lines that end in CR LF; the CR is skipped")
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix.lower() != ".gz"]
    return _Source(name, suffixes[-1] if suffixes else "", lines, notes)


def _parse(source: _Source, form: Format) -> Transcripts:
    if form == "stm":
        return _from_stm(source, _segments(source, form))
    if form == "ctm":
        return _from_ctm(source)
    texts: dict[str, str] = {}
    speakers: dict[str, str] = {}
    repeated: list[str] = []
    empty = 0
    try:
        for number, key, text, speaker in _PARSERS[form](source.lines):
            if not text:
                empty += 1
            if key in texts:
                if texts[key] != text:
                    first = next(before for before, other, *_ in _PARSERS[form](source.lines) if other == key)
                    raise _BadLine(number, f"the id {key} was on line {first} before, with another text")
                repeated.append(key)
            texts[key] = text
            if speaker:
                speakers[key] = speaker
    except _BadLine as error:
        raise ScoreError(f"{source.name}, line {error.number}: {error}") from None
    notes = list(source.notes)
    if repeated:
        notes.append(f"has {_number(repeated, 'id')} twice with the same text, counted once: {some(repeated)}")
    if empty:
        notes.append(f"has {empty} {'line' if form == 'lines' else 'id'}{'s' * (empty > 1)} without text, counted as "
                     "empty utterances")  # fmt: skip
    notes += _notes_on_characters(texts.values(), form)
    return Transcripts(texts, form, speakers, tuple(f"{source.name} {note}" for note in notes))


def _notes_on_characters(texts: Iterable[str], form: Format) -> list[str]:
    joined = "\n".join(texts)
    notes = []
    for marks, name in (("\t", "tabs"), ("\u00a0\u202f\u2007", "no-break spaces")):
        if any(mark in joined for mark in marks):
            notes.append(f"has {name} within transcripts")
    if form in ("trn", "stm") and "{" in joined and re.search(r"(?:^|\s)\{\s.*\s/\s.*\s\}(?:\s|$)", joined):
        notes.append("has what looks like sclite's { alternatives / in braces }, scored as the words that stand there")
    return notes


class _BadLine(ValueError):
    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def _parse_trn(lines: Sequence[str]) -> Iterator[_Line]:
    for number, line in enumerate(lines, start=1):
        text, bracket, key = line.rstrip().rpartition("(")
        if not bracket and not key:
            continue
        if not bracket or key[-1:] != ")" or len(key) == 1 or " " in key or "\t" in key or ")" in key[:-1]:
            raise _BadLine(number, "does not end in an (utterance-id), as trn lines do")
        yield number, key[:-1], text.strip(), ""


def _parse_kaldi(lines: Sequence[str]) -> Iterator[_Line]:
    for number, line in enumerate(lines, start=1):
        key, *text = line.split(maxsplit=1) or [""]
        if key:
            yield number, key, text[0].rstrip() if text else "", ""


def _parse_jsonl(lines: Sequence[str]) -> Iterator[_Line]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except RecursionError:
            raise _BadLine(number, "nested too deeply") from None
        except ValueError as error:
            raise _BadLine(number, f"not JSON: {error}") from None
        if not isinstance(values, dict):
            raise _BadLine(number, "not a JSON object with the strings id and text")
        found = [next((values[key] for key in keys if key in values), "" if keys is SPEAKER_KEYS else None)
                 for keys in (ID_KEYS, TEXT_KEYS, SPEAKER_KEYS)]  # fmt: skip
        if not isinstance(found[0], str) or not isinstance(found[1], str):
            raise _BadLine(number, "not a JSON object with the strings id and text")
        yield number, found[0], found[1].strip(), str(found[2] or "")


def _parse_csv(lines: Sequence[str]) -> Iterator[_Line]:
    return _parse_table(csv.reader(_restored(lines), strict=True))


def _parse_tsv(lines: Sequence[str]) -> Iterator[_Line]:
    return _parse_table(csv.reader(_restored(lines), delimiter="\t", quoting=csv.QUOTE_NONE))


def _restored(lines: Sequence[str]) -> Iterator[str]:
    return io.StringIO("".join(f"{line}\n" for line in lines), newline="\n")


def _parse_table(rows: Any) -> Iterator[_Line]:
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        columns = [_column(header, keys) for keys in (ID_KEYS, TEXT_KEYS, SPEAKER_KEYS)]
        if columns[0] is None or columns[1] is None:
            raise _BadLine(1, f"no header with an id ({', '.join(ID_KEYS)}) and a text ({', '.join(TEXT_KEYS)})")
        for row in rows:
            if not any(row):
                continue
            if len(row) <= max(columns[0], columns[1]):
                raise _BadLine(rows.line_num, f"{len(row)} columns; the header has {len(header)}")
            key, text = row[columns[0]].strip(), row[columns[1]].strip()
            if not key:
                raise _BadLine(rows.line_num, "no id")
            speaker = row[columns[2]].strip() if columns[2] is not None and columns[2] < len(row) else ""
            yield rows.line_num, key, text, speaker
    except csv.Error as error:
        raise _BadLine(max(1, rows.line_num), f"not CSV: {error}") from None


def _column(header: Sequence[str], keys: Sequence[str]) -> int | None:
    return next((header.index(key) for key in keys if key in header), None)


def _parse_plain(lines: Sequence[str]) -> Iterator[_Line]:
    for number, line in enumerate(lines, start=1):
        yield number, str(number), line.strip(), ""


_PARSERS: dict[str, Callable[[Sequence[str]], Iterator[_Line]]] = {
    "trn": _parse_trn, "kaldi": _parse_kaldi, "jsonl": _parse_jsonl, "csv": _parse_csv, "tsv": _parse_tsv,
    "lines": _parse_plain,
}  # fmt: skip


def _segments(source: _Source, form: Format) -> list[Segment]:
    """Segments of an stm or words of a ctm, in the file's order."""
    least = 5 if form == "stm" else 4
    expected = "recording channel speaker start end words" if form == "stm" else "recording channel start duration word"
    segments = []
    for number, line in enumerate(source.lines, start=1):
        fields = line.split(maxsplit=least)
        if not fields or fields[0].startswith(";;"):
            continue
        try:
            if len(fields) < least + (form == "ctm"):
                raise ValueError
            first, second = float(fields[least - 2]), float(fields[least - 1])
        except ValueError:
            raise ScoreError(f"{source.name}, line {number}: not a line of {form}: {expected}") from None
        end = second if form == "stm" else first + second
        if not 0 <= first <= end < float("inf"):
            raise ScoreError(f"{source.name}, line {number}: from {first:g} s to {end:g} s is no stretch of time")
        rest = fields[least] if len(fields) > least else ""
        if form == "ctm":
            segments.append(Segment(fields[0], fields[1], first, end, rest.split()[0]))
        else:
            rest = re.sub(r"^<[^>]*>\s*", "", rest).strip()  # labels: <o,f0,male>
            segments.append(Segment(fields[0], fields[1], first, end, rest, fields[2]))
    return segments


def _from_stm(source: _Source, segments: Sequence[Segment]) -> Transcripts:
    scored = [segment for segment in segments if segment.text.lower() != _IGNORED]
    texts = {_segment_id(segment): segment.text for segment in scored}
    if len(texts) < len(scored):
        twice, _ = Counter(map(_segment_id, scored)).most_common(1)[0]
        raise ScoreError(f"{source.name}: the segment {twice} stands there twice")
    notes = [*source.notes, *_notes_on_characters(texts.values(), "stm")]
    if len(scored) < len(segments):
        notes.append(f"leaves {len(segments) - len(scored)} segments out of scoring")
    speakers = {_segment_id(segment): segment.speaker for segment in scored}
    return Transcripts(texts, "stm", speakers, tuple(f"{source.name} {note}" for note in notes))


def _from_ctm(source: _Source) -> Transcripts:
    """The words of each recording in the order of their times: one utterance each, or one for each channel."""
    words = _segments(source, "ctm")
    has_channels = len({word.channel for word in words}) > 1
    texts: dict[str, list[str]] = {}
    for word in sorted(words, key=lambda word: word.start_s):
        key = f"{word.recording}_{word.channel}" if has_channels else word.recording
        texts.setdefault(key, []).append(word.text)
    joined = {key: " ".join(texts[key]) for key in sorted(texts)}
    return Transcripts(joined, "ctm", {}, tuple(f"{source.name} {note}" for note in source.notes))


def _place(source: _Source, segments: Sequence[Segment]) -> Transcripts:
    """The words of a ctm in the segments of an stm: where the middle of the word is, or else the nearest segment.

    A word at the border of two segments belongs to the later one.
    """
    by_channel: dict[tuple[str, str], list[Segment]] = {}
    for segment in sorted(segments, key=lambda segment: segment.start_s):
        by_channel.setdefault((segment.recording, segment.channel), []).append(segment)
    times = {key: np.array([(segment.start_s, segment.end_s) for segment in some]) for key, some in by_channel.items()}
    texts: dict[str, list[str]] = {}
    outside, unknown = 0, set()
    for word in sorted(_segments(source, "ctm"), key=lambda word: word.start_s):
        key = (word.recording, word.channel)
        if key not in times:
            unknown.add(" ".join(key))
            continue
        middle = (word.start_s + word.end_s) / 2
        distances = np.maximum(times[key][:, 0] - middle, middle - times[key][:, 1]).clip(0)
        place = len(distances) - 1 - int(np.argmin(distances[::-1]))  # the last of several
        outside += distances[place] > 0
        nearest = by_channel[key][place]
        if nearest.text.lower() != _IGNORED:
            texts.setdefault(_segment_id(nearest), []).append(word.text)
    notes = list(source.notes)
    if outside:
        notes.append(f"has {outside} words outside all segments, counted in the nearest one")
    if unknown:
        notes.append(f"has words of recordings that the references lack, not counted: {some(sorted(unknown))}")
    # A segment in which nothing was heard is an empty hypothesis, not a missing one.
    joined = {_segment_id(segment): " ".join(texts.get(_segment_id(segment), [])) for segment in segments
              if segment.text.lower() != _IGNORED}  # fmt: skip
    return Transcripts(joined, "ctm", {}, tuple(f"{source.name} {note}" for note in notes))


def _segment_id(segment: Segment) -> str:
    return f"{segment.recording}_{segment.channel}_{segment.start_s:.2f}_{segment.end_s:.2f}"


def _guess_formats(sources: Sequence[_Source]) -> list[Format]:
    forms = [_marked_format(source) for source in sources]
    texts = [[line for line in source.lines if line.strip()] for source in sources]
    known = next((form for form in forms if form), None)
    if None not in forms:
        return forms  # type: ignore[return-value]
    firsts = [[line.split(maxsplit=1)[0] for line in lines] for lines in texts]
    open_places = [place for place, form in enumerate(forms) if form is None and texts[place]]
    if known is None:
        is_kaldi = len(open_places) > 1 and all(
            _are_ids(firsts[open_places[0]], firsts[place]) for place in open_places[1:]
        )
        return ["kaldi" if is_kaldi else "lines"] * len(forms)
    marked = next(place for place, form in enumerate(forms) if form)
    ids = set(_parse(sources[marked], known).texts) if open_places else set()
    for place in open_places:
        if 2 * len(ids.intersection(firsts[place])) <= min(len(ids), len(firsts[place])):
            raise ScoreError(
                f"{sources[marked].name} has ids and {sources[place].name} has none of them: utterances are paired "
                "by id, not by luck"
            )
    return [form or ("kaldi" if texts[place] else known) for place, form in enumerate(forms)]


def _marked_format(source: _Source) -> Format | None:
    """The format that the name or most lines show; a line that differs is an error when it is read."""
    if source.suffix in _SUFFIXES:
        return _SUFFIXES[source.suffix]
    lines = [line for line in source.lines if line.strip() and not line.startswith(";;")]
    if not lines:
        return None
    if lines[0].lstrip().startswith("{") and lines[0].rstrip().endswith("}") and '"' in lines[0]:
        return "jsonl"
    for mark, form in (("\t", "tsv"), (",", "csv")):
        header = [name.strip(' "').lower() for name in lines[0].split(mark)]
        if len(header) > 1 and _column(header, ID_KEYS) is not None and _column(header, TEXT_KEYS) is not None:
            return form  # type: ignore[return-value]
    if all(re.match(r"\S+\s+\S+\s+\d+\.\d*\s+\d*\.\d+\s+\S+(\s+[\d.]+)?\s*$", line) for line in lines):
        return "ctm"
    if all(re.match(r"\S+\s+\S+\s+\S+\s+\d+\.\d*\s+\d+\.\d*(\s|$)", line) for line in lines):
        return "stm"
    return "trn" if 2 * sum(line.rstrip().endswith(")") and " (" in f" {line}" for line in lines) > len(lines) else None


def _are_ids(references: Sequence[str], hypotheses: Sequence[str]) -> bool:
    """Whether the first words of the lines are ids: unique, mostly shared, and either in another order or not words."""
    shared = set(references) & set(hypotheses)
    if len(set(references)) < len(references) or len(set(hypotheses)) < len(hypotheses):
        return False
    if 2 * len(shared) <= max(len(references), len(hypotheses)):
        return False
    order = [[word for word in words if word in shared] for words in (references, hypotheses)]
    looks = re.compile(r"(?!\d+$).*[\d_-]")  # a bare number is rather a word
    return order[0] != order[1] or all(looks.match(word) for word in (*references, *hypotheses))


def _number(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def some(names: Sequence[str]) -> str:
    """The first ten of several names."""
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
