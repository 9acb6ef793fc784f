"""Transcripts by id, out of the formats that recognisers and corpora write, and what is odd about a file."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from asr.score import guess
from asr.score import segments as timed
from asr.score.fields import Role
from asr.score.guess import Format
from asr.score.parsers import PARSERS, SEPARATORS, BadLineError, Chooser, separator
from asr.score.source import ScoreError, Source, collector_paused, load, number_of, some


@dataclass(frozen=True)
class Transcripts:
    """What one file holds: text by id, the speaker by id where the file knows, and what is odd, in sentences."""

    texts: dict[str, str]
    form: Format
    speakers: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read(path: str | Path, form: Format | None = None, *, role: Role = "reference") -> Transcripts:
    """Transcripts of a file, gzipped or not, or a pipe; `-` is standard input. Plain lines are numbered from 1.

    Without `form` the format is guessed from the name's ending and the content. `role` says which is read of a file
    that has both references and hypotheses. Raises ScoreError naming file and line: no such file, invalid UTF-8, a
    line that is not of the format, an id that stands twice with different texts.
    """
    source = load(path)
    return _parse(source, form or guess.single_format(source), role)


@collector_paused()
def read_all(
    reference: str | Path, hypotheses: Sequence[str | Path], form: Format | None = None
) -> tuple[Transcripts, list[Transcripts]]:
    """Transcripts of a file of references, and of one file of hypotheses for each system.

    Without `form` each file's format is guessed from its name and content; formats that have ids may be mixed, and
    the words of a ctm go into the segments of an stm by the middle of their time. Raises ScoreError where utterances
    could only be paired by luck: ids on one side alone, no id on both sides, or plain lines that differ in number.
    """
    sources = [load(path) for path in (reference, *hypotheses)]
    forms = [form] * len(sources) if form else guess.formats(sources, _ids)
    first = _parse(sources[0], forms[0], "reference")
    if forms[0] == "stm" and "ctm" in forms[1:]:
        segments = timed.read(sources[0], "stm")
        others = [
            _assigned(source, segments) if one == "ctm" else _parse(source, one, "hypothesis")
            for source, one in zip(sources[1:], forms[1:], strict=True)
        ]
    else:
        others = [_parse(source, one, "hypothesis") for source, one in zip(sources[1:], forms[1:], strict=True)]
    if not first.texts:
        raise ScoreError(f"{sources[0].name}: no utterances")
    for source, other in zip(sources[1:], others, strict=True):
        if first.form == "lines" and len(first.texts) != len(other.texts):
            raise ScoreError(
                f"{sources[0].name} has {len(first.texts)} lines and {source.name} has {len(other.texts)}: plain "
                "lines are paired by number; give them ids, or name the format"
            )
        if other.texts and first.texts.keys().isdisjoint(other.texts):
            raise ScoreError(_disjoint(sources[0].name, list(first.texts), source.name, list(other.texts)))
    return first, others


def read_sentences(path: str | Path, form: Format | None = None) -> tuple[Format, list[tuple[str, str]]]:
    """The format of a file, and the (position, text) of its utterances, whose ids may repeat.

    The position is `line 3`, or `utterance ID` where there are ids. Raises ScoreError as `read` does.
    """
    source = load(path)
    form = form or guess.single_format(source)
    if form in ("ctm", "stm"):
        return form, [(f"utterance {key}", text) for key, text in _parse(source, form, "reference").texts.items()]
    with _bad_line_named(source):
        lines = list(PARSERS[form](source.lines, Chooser("reference")))
    return form, [(f"line {line[0]}" if form == "lines" else f"utterance {line[1]}", line[2]) for line in lines]


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
        raise ScoreError(f"{where}: no speaker for {number_of(unknown, 'id')}: {some(unknown)}")
    return speakers


def _ids(source: Source, form: Format) -> list[str]:
    return list(_parse(source, form, "reference").texts)


def _parse(source: Source, form: Format, role: Role) -> Transcripts:
    if form == "stm":
        by_id, speaker_by_id, notes = timed.by_segment(source, timed.read(source, form))
        return _made(source, form, by_id, speaker_by_id, notes + _notes_on_characters(by_id.values(), form))
    if form == "ctm":
        return _made(source, form, timed.by_recording(timed.read(source, form)), {}, [])
    chooser = Chooser(role)
    texts: dict[str, str] = {}
    speakers: dict[str, str] = {}
    repeated: list[str] = []
    with _bad_line_named(source):
        for number, key, text, speaker in PARSERS[form](source.lines, chooser):
            if key in texts:
                if texts[key] != text:
                    raise _repeated_id(source, form, number, key)
                repeated.append(key)
            texts[key] = text
            if speaker:
                speakers[key] = speaker
    notes = chooser.notes()
    mark = separator(source.lines[:2]) if form == "csv" else None
    if mark and mark != ",":
        notes.append(f"has columns between {SEPARATORS.get(mark, repr(mark))}")
    if repeated:
        notes.append(f"has {number_of(repeated, 'id')} twice with the same text, counted once: {some(repeated)}")
    if "" in texts.values():
        empty = [key for key, text in texts.items() if not text]
        unit = "line" if form == "lines" else "id"
        notes.append(f"has {number_of(empty, unit)} without text, counted as empty utterances")
    return _made(source, form, texts, speakers, notes + _notes_on_characters(texts.values(), form))


@contextmanager
def _bad_line_named(source: Source) -> Iterator[None]:
    try:
        yield
    except BadLineError as error:
        raise ScoreError(f"{source.name}, {error.where}: {error}") from None


def _repeated_id(source: Source, form: Format, number: int, key: str) -> ScoreError:
    unit = "utterance" if form == "json" else "line"
    first = next(line[0] for line in PARSERS[form](source.lines, Chooser("hypothesis")) if line[1] == key)
    return ScoreError(f"{source.name}, {unit} {number}: the id {key} was on {unit} {first} before, with another text")


def _assigned(source: Source, segments: Sequence[timed.Segment]) -> Transcripts:
    texts, notes = timed.assign(source, timed.read(source, "ctm"), segments)
    return _made(source, "ctm", texts, {}, notes)


def _made(
    source: Source, form: Format, texts: dict[str, str], speakers: dict[str, str], notes: list[str]
) -> Transcripts:
    return Transcripts(texts, form, speakers, tuple(f"{source.name} {note}" for note in source.notes + notes))


def _notes_on_characters(texts: Iterable[str], form: Format) -> list[str]:
    joined = "\n".join(texts)
    notes = []
    for marks, name in (("\t", "tabs"), ("\u00a0\u202f\u2007", "no-break spaces")):
        if any(mark in joined for mark in marks):
            notes.append(f"has {name} within transcripts")
    if form in ("trn", "stm") and "{" in joined and re.search(r"(?:^|\s)\{\s.*\s/\s.*\s\}(?:\s|$)", joined):
        notes.append("has what looks like sclite's { alternatives / in braces }, scored as the words that stand there")
    return notes


def _disjoint(reference: str, references: list[str], hypothesis: str, hypotheses: list[str]) -> str:
    """Says that no id is on both sides, with examples of each, and what may have happened."""
    names = {PurePath(key).stem: key for key in references}
    twin = next((key for key in hypotheses if PurePath(key).stem in names), None)
    if twin is not None:
        advice = (
            f"{names[PurePath(twin).stem]} and {twin} have the same name without folder and ending: write one alike"
        )
    elif set(map(str.lower, references)) & set(map(str.lower, hypotheses)):
        advice = "they differ in case alone: ids are names, not text"
    else:
        advice = "give both files the same ids"
    return (
        f"{reference} and {hypothesis} share no id: {reference} has {_examples(references)}; {hypothesis} has "
        f"{_examples(hypotheses)}; {advice}"
    )


def _examples(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
