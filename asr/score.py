"""Word and character error rates: counts that add, over transcripts paired by id.

Counts come from a minimum edit distance alignment (Levenshtein 1966); where several are minimal, from one with the
fewest substitutions, the most words correct.
"""

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Format = Literal["trn", "kaldi", "jsonl", "lines"]
FORMATS: tuple[Format, ...] = get_args(Format)

_CELLS = 1 << 16  # of one table row over a batch of pairs: what stays in the processor's cache


class ScoreError(ValueError):
    """Transcripts that cannot be scored; the message names the file and line."""


@dataclass(frozen=True)
class ErrorCount:
    """Errors of one or more utterances; they add, so that rates are over all tokens and never averaged."""

    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    utterances: int = 0
    utterance_errors: int = 0

    def __add__(self, other: "ErrorCount") -> "ErrorCount":
        return ErrorCount(*(mine + its for mine, its in zip(_counts(self), _counts(other), strict=True)))

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Tokens in the references."""
        return self.correct + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per reference token: above 1 where much is inserted, infinite without any reference token."""
        if self.reference_length == 0:
            return 0.0 if self.errors == 0 else float("inf")
        return self.errors / self.reference_length

    def to_dict(self) -> dict[str, int | float | None]:
        """For JSON, which has no infinity: the rate is null there."""
        return {
            "utterances": self.utterances,
            "utterance_errors": self.utterance_errors,
            "reference_length": self.reference_length,
            "correct": self.correct,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
            "errors": self.errors,
            "rate": self.rate if np.isfinite(self.rate) else None,
        }


@dataclass(frozen=True)
class Score:
    """Word and character errors, and the ids that stood on one side only."""

    word: ErrorCount
    character: ErrorCount
    missing: tuple[str, ...] = ()
    """References without a hypothesis: scored as deletions."""
    extra: tuple[str, ...] = ()
    """Hypotheses without a reference: not scored."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"word": self.word.to_dict(), "character": self.character.to_dict(),
                "missing_hypotheses": list(self.missing), "extra_hypotheses": list(self.extra)}  # fmt: skip


def errors(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> ErrorCount:
    """Count the errors of one utterance; its tokens may be words, characters or anything that can be compared."""
    return count([reference], [hypothesis])[0]


def count(references: Sequence[Sequence[Hashable]], hypotheses: Sequence[Sequence[Hashable]]) -> list[ErrorCount]:
    """Count the errors of each pair, many pairs at a time; memory grows with the longest pair, not its square."""
    ids: dict[Hashable, int] = {}
    pairs = [
        tuple(np.array([ids.setdefault(token, len(ids)) for token in side], dtype=np.int64) for side in pair)
        for pair in zip(references, hypotheses, strict=True)
    ]
    counts: list[ErrorCount] = [ErrorCount()] * len(pairs)
    order = sorted(range(len(pairs)), key=lambda place: (len(pairs[place][1]), len(pairs[place][0])))
    while order:
        width = len(pairs[order[-1]][1]) + 1
        batch = order[-max(1, _CELLS // width) :]
        del order[-len(batch) :]
        for place, (edits, substitutions) in zip(batch, _distances([pairs[place] for place in batch]), strict=True):
            reference, hypothesis = map(len, pairs[place])
            # Deletions and insertions make up the other edits, and their difference is that of the lengths.
            deletions = (edits - substitutions + reference - hypothesis) // 2
            counts[place] = ErrorCount(
                correct=reference - substitutions - deletions,
                substitutions=substitutions,
                deletions=deletions,
                insertions=deletions - reference + hypothesis,
                utterances=1,
                utterance_errors=int(edits > 0),
            )
    return counts


def score(references: Mapping[str, str], hypotheses: Mapping[str, str]) -> Score:
    """Score transcripts by id. Words are split at white space; one blank between words is a character, as in jiwer."""
    ids = list(references)
    sides = [(references[key].split(), hypotheses.get(key, "").split()) for key in ids]
    words = count([reference for reference, _ in sides], [hypothesis for _, hypothesis in sides])
    characters = count(*([" ".join(pair[side]) for pair in sides] for side in (0, 1)))
    return Score(
        word=sum(words, ErrorCount()),
        character=sum(characters, ErrorCount()),
        missing=tuple(key for key in ids if key not in hypotheses),
        extra=tuple(key for key in hypotheses if key not in references),
    )


def read(path: str | Path, form: Format) -> dict[str, str]:
    """Transcripts by id from a file; plain lines are numbered from 1.

    Raises ScoreError naming file and line: no such file, invalid UTF-8, a line that is not of the format, an id twice.
    """
    transcripts: dict[str, str] = {}
    first: dict[str, int] = {}
    for number, line in _lines(path):
        if not line.strip() and form != "lines":
            continue
        try:
            key, text = _PARSERS[form](line, number)
        except ValueError as error:
            raise ScoreError(f"{path}, line {number}: {error}") from None
        if key in transcripts:
            raise ScoreError(f"{path}, line {number}: the id {key} was on line {first[key]} before")
        transcripts[key], first[key] = text, number
    return transcripts


def read_pair(
    reference: str | Path, hypothesis: str | Path, form: Format | None = None
) -> tuple[dict[str, str], dict[str, str], tuple[Format, Format]]:
    """Transcripts by id from a file of references and one of hypotheses, and the format that each was read as.

    Without `form` each file's format is told by its content; two formats that have ids may be mixed. Raises
    ScoreError where utterances could only be paired by luck: ids on one side alone, or plain lines that differ in
    number.
    """
    forms = (form, form) if form else _guess_formats(reference, hypothesis)
    references, hypotheses = read(reference, forms[0]), read(hypothesis, forms[1])
    if not references:
        raise ScoreError(f"{reference}: no utterances")
    if forms[0] == "lines" and len(references) != len(hypotheses):
        raise ScoreError(
            f"{reference} has {len(references)} lines and {hypothesis} has {len(hypotheses)}: plain lines are paired "
            "by number; give them ids, or name the format"
        )
    return references, hypotheses, forms


def _guess_formats(reference: str | Path, hypothesis: str | Path) -> tuple[Format, Format]:
    paths = (reference, hypothesis)
    texts = [[line for _, line in _lines(path) if line.strip()] for path in paths]
    forms = [_marked_format(lines) for lines in texts]
    if None not in forms or not all(texts):
        known = next((form for form in forms if form), "lines")
        return tuple(form or known for form in forms)  # type: ignore[return-value]
    firsts = [[line.split(maxsplit=1)[0] for line in lines] for lines in texts]
    if forms == [None, None]:
        return ("kaldi", "kaldi") if _are_ids(*firsts) else ("lines", "lines")
    marked = 0 if forms[0] else 1
    ids = set(read(paths[marked], forms[marked]))  # type: ignore[arg-type]
    if 2 * len(ids.intersection(firsts[1 - marked])) <= min(len(ids), len(firsts[1 - marked])):
        other = paths[1 - marked]
        raise ScoreError(
            f"{paths[marked]} has ids and {other} has none of them: utterances are paired by id, not by luck"
        )
    return tuple(form or "kaldi" for form in forms)  # type: ignore[return-value]


def _marked_format(lines: Sequence[str]) -> Format | None:
    """The format that most lines show by their punctuation; a line that differs is an error when it is read."""
    if lines and lines[0].lstrip().startswith("{"):
        return "jsonl"
    return "trn" if 2 * sum(line.rstrip().endswith(")") and " (" in f" {line}" for line in lines) > len(lines) else None


def _are_ids(references: Sequence[str], hypotheses: Sequence[str]) -> bool:
    """Whether the first words of the lines are ids: unique, mostly shared, and either in another order or not words."""
    shared = set(references) & set(hypotheses)
    if len(set(references)) < len(references) or len(set(hypotheses)) < len(hypotheses):
        return False
    if 2 * len(shared) <= max(len(references), len(hypotheses)):
        return False
    order = [[word for word in words if word in shared] for words in (references, hypotheses)]
    return order[0] != order[1] or all(re.search(r"[\d_-]", word) for word in (*references, *hypotheses))


def format_trn(transcripts: Mapping[str, str]) -> str:
    """Transcripts as trn lines: words, then the id in parentheses."""
    return "".join(f"{text} ({key})\n" for key, text in transcripts.items())


def _parse_trn(line: str, _number: int) -> tuple[str, str]:
    text, bracket, key = line.rstrip().removesuffix(")").rpartition("(")
    if not bracket or not line.rstrip().endswith(")") or not key or re.search(r"[\s)]", key):
        raise ValueError("does not end in an (utterance-id), as trn lines do")
    return key, text.strip()


def _parse_kaldi(line: str, _number: int) -> tuple[str, str]:
    key, *text = line.split(maxsplit=1)
    return key, text[0].strip() if text else ""


def _parse_jsonl(line: str, _number: int) -> tuple[str, str]:
    try:
        values = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(values, dict) or not isinstance(values.get("id"), str) or not isinstance(values.get("text"), str):
        raise ValueError("not a JSON object with the strings id and text")
    return values["id"], values["text"]


def _parse_plain(line: str, number: int) -> tuple[str, str]:
    return str(number), line.strip()


_PARSERS = {"trn": _parse_trn, "kaldi": _parse_kaldi, "jsonl": _parse_jsonl, "lines": _parse_plain}


def _lines(path: str | Path) -> list[tuple[int, str]]:
    path = Path(path)
    if not path.is_file():
        raise ScoreError(f"{path}: no such file")
    data = path.read_bytes()
    if not data:
        return []
    lines = []
    # Split at line feeds alone: form feeds and Unicode's line separators are blanks within a transcript.
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), start=1):
        try:
            lines.append((number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")))
        except UnicodeDecodeError as error:
            raise ScoreError(f"{path}, line {number}: not UTF-8: {error.reason} at byte {error.start + 1}") from None
    return lines


def _distances(pairs: Sequence[tuple[npt.NDArray[np.int64], ...]]) -> list[tuple[int, int]]:
    """Fewest edits, and fewest substitutions among alignments with so few, of each pair of token arrays.

    One table row at a time for all pairs (Wagner & Fischer 1974). A cell holds edits x scale + substitutions, so
    that one minimum orders both; the insertions along a row are a running minimum (Myers' observation that the
    cheapest way to column j is the cheapest start i <= j plus j - i insertions).
    """
    reference_lengths, hypothesis_lengths = (np.array([len(pair[side]) for pair in pairs]) for side in (0, 1))
    rows, columns = int(reference_lengths.max()), int(hypothesis_lengths.max())
    reference = np.full((len(pairs), rows), -1)
    hypothesis = np.full((len(pairs), columns), -2)
    for place, pair in enumerate(pairs):
        reference[place, : len(pair[0])], hypothesis[place, : len(pair[1])] = pair
    scale = min(rows, columns) + 1
    insertions = np.arange(columns + 1) * scale
    cost = np.broadcast_to(insertions, (len(pairs), columns + 1)).copy()
    final = cost[np.arange(len(pairs)), hypothesis_lengths]
    for row in range(rows):
        diagonal = cost[:, :-1] + (hypothesis != reference[:, row, None]) * (scale + 1)
        cost += scale
        np.minimum(cost[:, 1:], diagonal, out=cost[:, 1:])
        cost -= insertions
        np.minimum.accumulate(cost, axis=1, out=cost)
        cost += insertions
        ends = np.flatnonzero(reference_lengths == row + 1)
        final[ends] = cost[ends, hypothesis_lengths[ends]]
    return [(int(value) // scale, int(value) % scale) for value in final]


def _counts(count: ErrorCount) -> tuple[int, ...]:
    return (count.correct, count.substitutions, count.deletions, count.insertions, count.utterances,
            count.utterance_errors)  # fmt: skip
