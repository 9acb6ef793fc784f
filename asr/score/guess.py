"""Which format a file of transcripts has, by its name and its content."""

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import Literal, get_args

from asr.score.fields import FieldError, id_of, text_field
from asr.score.parsers import SEPARATORS, separator
from asr.score.source import ScoreError, Source, some

Format = Literal["trn", "kaldi", "jsonl", "json", "csv", "tsv", "ctm", "stm", "lines"]
FORMATS: tuple[Format, ...] = get_args(Format)
NAMES: dict[Format, str] = {
    "trn": "trn: words (id)",
    "kaldi": "Kaldi text: id words",
    "jsonl": "JSON lines",
    "json": "JSON",
    "csv": "CSV",
    "tsv": "tab-separated columns",
    "ctm": "ctm: words with times",
    "stm": "stm: segments with times",
    "lines": "plain lines, paired by number",
}
"""What messages call them."""

_SUFFIXES: dict[str, Format] = {".trn": "trn", ".csv": "csv", ".tsv": "tsv", ".ctm": "ctm", ".stm": "stm"}
_JSON = re.compile(r'\{\s*("|\}|$)|\[\s*(\{|\[|"|\]|$)')  # and neither [noise] nor { alternatives / in braces }
_CTM = re.compile(r"\S+\s+\S+\s+\d+\.\d*\s+\d*\.\d+\s+\S+(\s+[\d.]+)?\s*$")
_STM = re.compile(r"\S+\s+\S+\s+\S+\s+\d+\.\d*\s+\d+\.\d*(\s|$)")
_ID = re.compile(r"(?!\d+$).*[\d_-]")  # a bare number is rather a word
_SURE_ID = re.compile(r".*[^\W\d]\W*\d|\d+([_-]\d+)+$|.*_")  # utt7, spk-01, 61-70968-0000, a_b; neither 4th nor x-ray


def marked_format(source: Source) -> Format | None:
    """The format that the name or most lines show; a line that differs is an error when it is read."""
    lines = [line for line in source.lines if line.strip() and not line.startswith(";;")]
    if source.suffix in (".json", ".jsonl") or (lines and _JSON.match(lines[0].strip())):
        return _json_format(lines) if lines else "jsonl"
    if source.suffix in _SUFFIXES:
        return _SUFFIXES[source.suffix]
    if not lines:
        return None
    mark = separator(lines[:2])
    if mark:
        return "tsv" if SEPARATORS.get(mark) == "tabs" else "csv"
    if all(map(_CTM.match, lines)):
        return "ctm"
    if all(map(_STM.match, lines)):
        return "stm"
    is_trn = 2 * sum(line.rstrip().endswith(")") and " (" in f" {line}" for line in lines) > len(lines)
    return "trn" if is_trn else None


def single_format(source: Source) -> Format:
    """The format of a file that stands alone: without a mark, Kaldi's text where every line begins with a sure id."""
    return marked_format(source) or ("kaldi" if _begin_with_ids(_first_words(source)) else "lines")


def formats(sources: Sequence[Source], ids_of: Callable[[Source, Format], Collection[str]]) -> list[Format]:
    """The format of each of several files of the same utterances.

    `ids_of` reads the ids of a file whose format is known. Raises ScoreError where one file has ids, and
    another has no format that could have them.
    """
    forms = [marked_format(source) for source in sources]
    firsts = [[] if form else _first_words(source) for form, source in zip(forms, sources, strict=True)]
    open_files = [index for index, words in enumerate(firsts) if words]
    known = next((form for form in forms if form), None)
    if known is None:
        is_kaldi = len(open_files) > 1 and all(_are_ids(firsts[open_files[0]], firsts[one]) for one in open_files[1:])
        return ["kaldi" if is_kaldi else "lines"] * len(forms)
    marked = forms.index(known)
    ids = ids_of(sources[marked], known) if open_files else []
    for index in open_files:
        shared = set(ids).intersection(firsts[index])
        if 2 * len(shared) <= min(len(ids), len(firsts[index])) and not _begin_with_ids(firsts[index]):
            raise ScoreError(
                f"{sources[marked].name} has ids ({some(list(ids))}), and few of them begin the lines of "
                f"{sources[index].name}: utterances are paired by id; give it ids, or name the format"
            )
    return [form or ("kaldi" if firsts[index] else known) for index, form in enumerate(forms)]


def _json_format(lines: Sequence[str]) -> Format:
    """Whether each line is a record of its own, or all of them one document."""
    first, *others = (_object(line) for line in lines[:2])
    if first is None:  # a damaged line of many is to be named; the second line of a document is no object
        return "jsonl" if others and others[0] is not None else "json"
    return "jsonl" if len(lines) > 1 or _is_record({key.lower(): value for key, value in first.items()}) else "json"


def _object(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_record(values: dict[str, object]) -> bool:
    try:
        return id_of(values) is not None and text_field(tuple(values), "hypothesis") is not None
    except FieldError:
        return True


def _first_words(source: Source) -> list[str]:
    return [line.split(maxsplit=1)[0] for line in source.lines if line.strip()]


def _begin_with_ids(words: Sequence[str]) -> bool:
    return bool(words) and len(set(words)) == len(words) and all(map(_SURE_ID.match, words))


def _are_ids(references: Sequence[str], hypotheses: Sequence[str]) -> bool:
    """Whether the first words of the lines are ids: unique, and either surely so or mostly shared.

    Those that are shared are ids where they stand in another order, or do not look like words.
    """
    shared = set(references) & set(hypotheses)
    if len(set(references)) < len(references) or len(set(hypotheses)) < len(hypotheses):
        return False
    if 2 * len(shared) <= max(len(references), len(hypotheses)):
        return _begin_with_ids(references) and _begin_with_ids(hypotheses)
    order = [[word for word in words if word in shared] for words in (references, hypotheses)]
    return order[0] != order[1] or all(map(_ID.match, (*references, *hypotheses)))
