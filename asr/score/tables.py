"""What a score says, as tables; and the tables as text, Markdown and sclite's own `.sys` report."""

import math
import statistics
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asr.files import printable
from asr.score.counts import ErrorCount
from asr.score.scoring import Score, Utterance, columns
from asr.score.significance import Comparison, Interval

WEIGHTS = {
    "levenshtein": "fewest edits, of those fewest substitutions",
    "sclite": "sclite's weights: substitution 4, deletion 3, insertion 3",
}


class Rate(float):
    """A fraction, shown in percent."""

    def __str__(self) -> str:
        return "inf" if self == float("inf") else f"{self:.2%}"


class Difference(float):
    """A difference of two fractions, shown in percent with its sign."""

    def __str__(self) -> str:
        return f"{self:+.2%}"


class Statistic(float):
    """A test statistic, with its sign."""

    def __str__(self) -> str:
        return f"{self:+.3f}"


class Probability(float):
    """A p-value."""

    def __str__(self) -> str:
        return "<0.001" if self < 0.001 else f"{self:.3f}"


Cell = str | int | Rate | Difference | Statistic | Probability


@dataclass(frozen=True)
class Table:
    """Rows under a header; a column of numbers is set to the right."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]]

    def is_number(self, column: int) -> bool:
        """Whether a column's cells are numbers."""
        return any(isinstance(row[column], (int, float)) for row in self.rows)

    def to_text(self) -> str:
        """Columns separated by spaces, for a terminal."""
        cells = [self.header, *(tuple(printable(str(cell)) for cell in row) for row in self.rows)]
        widths = [max(width(row[column]) for row in cells) for column in range(len(self.header))]
        lines = []
        for row in cells:
            parts = [pad(text, widths[column], is_right=self.is_number(column)) for column, text in enumerate(row)]
            lines.append("  ".join(parts).rstrip())
        return "".join(f"{line}\n" for line in ([printable(self.title)] if self.title else []) + lines)

    def to_markdown(self) -> str:
        """A pipe table, as READMEs have."""
        rule = ["---:" if self.is_number(column) else "---" for column in range(len(self.header))]
        cells = [self.header, rule, *([_escape(printable(str(cell))) for cell in row] for row in self.rows)]
        title = f"**{printable(self.title)}**\n\n" if self.title else ""
        return title + "".join(f"| {' | '.join(row)} |\n" for row in cells)


def totals(names: Sequence[str], scores: Sequence[Score], intervals: Sequence[tuple[Interval, Interval]] = ()) -> Table:
    """Words and characters of each system, with confidence intervals where there are some."""
    rows: list[tuple[Cell, ...]] = []
    for system, (name, score) in enumerate(zip(names, scores, strict=True)):
        for index, (unit, count) in enumerate((("words", score.word), ("characters", score.character))):
            between = (_between(intervals[system][index]),) if intervals else ()
            rows.append(
                (
                    *((name,) if len(names) > 1 else ()),
                    unit,
                    Rate(count.rate),
                    *between,
                    count.errors,
                    count.reference_length,
                    count.correct,
                    count.substitutions,
                    count.deletions,
                    count.insertions,
                    f"{count.utterance_errors}/{count.utterances}",
                )
            )
    header = (
        *(("system",) if len(names) > 1 else ()),
        "tokens",
        "rate",
        *((f"{intervals[0][0].level:.0%} interval",) if intervals else ()),
        "errors",
        "of",
        "correct",
        "subst",
        "delet",
        "insert",
        "utterances wrong",
    )
    return Table("", header, rows)


def speakers(score: Score) -> Table:
    """Speakers, the worst first."""
    ordered = sorted(score.speakers.items(), key=lambda item: -item[1][0].rate)
    rows: list[tuple[Cell, ...]] = [
        (
            name or "(unknown)",
            Rate(word.rate),
            Rate(character.rate),
            word.errors,
            word.reference_length,
            word.substitutions,
            word.deletions,
            word.insertions,
            f"{word.utterance_errors}/{word.utterances}",
        )
        for name, (word, character) in ordered
    ]
    header = ("speaker", "WER", "CER", "errors", "words", "subst", "delet", "insert", "utterances wrong")
    return Table(f"{len(rows)} speakers, worst first", header, rows)


def utterances(score: Score, limit: int | None) -> Table:
    """Utterances with errors, the worst first."""
    indices = score.worst()
    rows: list[tuple[Cell, ...]] = []
    for index in indices[:limit]:
        one = score.utterance(index)
        rows.append(
            (
                one.id,
                one.word.errors,
                Rate(one.word.rate),
                Rate(one.character.rate),
                one.word.substitutions,
                one.word.deletions,
                one.word.insertions,
            )
        )
    title = f"{len(indices)} utterances with errors, worst first{_of(len(indices), limit)}"
    return Table(title, ("utterance", "errors", "WER", "CER", "subst", "delet", "insert"), rows)


def confusions(score: Score, limit: int | None) -> list[Table]:
    """Substitutions, deletions and insertions by word, most often first."""
    found = score.confusions

    def title(what: str, number: int) -> str:
        return f"{number} {what}{_of(number, limit)}"

    return [
        Table(
            title("confusions", len(found.substitutions)),
            ("times", "reference", "hypothesis"),
            [(times, word, other) for (word, other), times in found.substitutions[:limit]],
        ),
        Table(
            title("words deleted", len(found.deletions)),
            ("times", "reference"),
            [(times, word) for word, times in found.deletions[:limit]],
        ),
        Table(
            title("words inserted", len(found.insertions)),
            ("times", "hypothesis"),
            [(times, word) for word, times in found.insertions[:limit]],
        ),
    ]


def comparisons(found: Sequence[Comparison]) -> Table:
    """Tests of each pair of systems."""
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        exact = "-" if one.mapsswe.p_exact is None else Probability(one.mapsswe.p_exact)
        rows.append(
            (
                one.a,
                one.b,
                Difference(one.bootstrap.difference),
                f"{Difference(one.bootstrap.low)} to {Difference(one.bootstrap.high)}",
                Probability(one.bootstrap.p),
                Statistic(one.mapsswe.z),
                Probability(one.mapsswe.p),
                exact,
                *((Probability(one.p_holm),) if len(found) > 1 else ()),
                f"{one.mcnemar.only_a_right}:{one.mcnemar.only_b_right}",
                Probability(one.mcnemar.p),
            )
        )
    header = (
        "A",
        "B",
        "WER A - B",
        "interval",
        "bootstrap p",
        "MAPSSWE z",
        "MAPSSWE p",
        "exact p",
        *(("p, Holm",) if len(found) > 1 else ()),
        "only A:B right",
        "McNemar p",
    )
    return Table("differences", header, rows)


def describe(score: Score) -> str:
    """How the errors were counted, in one line."""
    counting = score.counting
    rules = ", ".join(score.normalisation) or "no normalisation"
    characters = "code points" if counting.characters == "codepoints" else "grapheme clusters"
    return f"{WEIGHTS[counting.weights]}; {rules}; characters are {characters}, spaces {counting.spaces}"


def describe_interval(interval: Interval) -> str:
    """How an interval was made, in one line."""
    return (
        f"intervals: bootstrap over {interval.num_units} {interval.resampled}, {interval.num_resamples} resamples, "
        f"seed {interval.seed}"
    )


def aligned(utterance: Utterance, letters: str, *, width_limit: int = 80, has_color: bool = False) -> str:
    """Reference over hypothesis with a mark under each error: S, D or I.

    Lines are broken at `width_limit` terminal columns, between words.
    """
    head = printable(f"{utterance.id}{f' ({utterance.speaker})' if utterance.speaker else ''}")
    counts = utterance.word
    result = [
        f"{head}: {Rate(counts.rate)}, {counts.correct} correct, {counts.substitutions} S, {counts.deletions} D, "
        f"{counts.insertions} I"
    ]
    row: list[tuple[str, str, str]] = []
    used = 5

    def flush() -> None:
        for index, label in enumerate(("REF: ", "HYP: ", "     ")):
            line = label + " ".join(cells[index] for cells in row)
            if line.strip():
                result.append(line.rstrip())

    for letter, *pair in columns(utterance.reference, utterance.hypothesis, letters):
        word, other = map(printable, pair)
        size = max(width(word), width(other), 1)
        if row and used + size + 1 > width_limit:
            flush()
            row, used = [], 5
        used += size + 1
        if letter == "C":
            row.append((pad(word, size), pad(other, size), " " * size))
            continue
        marks = [pad(word or "*" * size, size), pad(other or "*" * size, size), pad(letter, size)]
        paint = _COLORS[letter] if has_color else ""
        row.append((*(f"{paint}{mark}\033[0m" if paint else mark for mark in marks),))  # type: ignore[arg-type]
    flush()
    return "".join(f"{line}\n" for line in result)


_COLORS = {"S": "\033[33m", "D": "\033[31m", "I": "\033[36m"}


def sys_report(name: str, score: Score, unit: str = "word") -> str:
    """The table of sclite's `.sys` report: percentages by speaker, and mean, deviation and median over speakers.

    As there, speakers without a reference word show counts with * and stay out of the mean, then marked +.
    """
    index = 0 if unit == "word" else 1
    by_speaker = {key: counts[index] for key, counts in score.speakers.items()} or {
        "all": score.word if unit == "word" else score.character
    }
    whole = score.word if unit == "word" else score.character
    rows = [
        (printable(key), [f"{count.utterances}", f"{count.reference_length}"], _percentages(count))
        for key, count in by_speaker.items()
    ]
    some = [count for count in by_speaker.values() if count.reference_length]
    mark = "+" if len(some) < len(by_speaker) else ""
    numbers = [(count.utterances, count.reference_length) for count in by_speaker.values()]
    spreads = []
    measures: list[tuple[str, Callable[[Sequence[float]], float]]] = [
        ("Mean", statistics.fmean),
        ("S.D.", lambda values: statistics.stdev(values) if len(values) > 1 else 0.0),
        ("Median", statistics.median),
    ]
    for label, measure in measures:
        columns_ = [[getattr(count, key) / count.reference_length for count in some] for key in _PARTS]
        wrong = [count.utterance_errors / count.utterances for count in by_speaker.values()]
        values = [f"{_percent(measure(column) if column else 0.0)}{mark}" for column in columns_]
        spreads.append(
            (
                label,
                [f"{measure([pair[side] for pair in numbers]):.1f}" for side in (0, 1)],
                [*values, _percent(measure(wrong))],
            )
        )
    first = max(8, *(width(key) for key, *_ in rows))
    unit_name = "# Wrd" if unit == "word" else "# Chr"

    def line(label: str, numbers: Sequence[str], values: Sequence[str]) -> str:
        left = " ".join(f"{number:>6}" for number in numbers)
        return f"| {pad(label, first)} |{left} |" + "".join(f"{value:>7}" for value in values) + " |"

    body = [line("SPKR", ["# Snt", unit_name], ["Corr", "Sub", "Del", "Ins", "Err", "S.Err"])]
    blocks = [
        [line(*row) for row in rows],
        [line("Sum/Avg", [f"{whole.utterances}", f"{whole.reference_length}"], _percentages(whole))],
        [line(*row) for row in spreads],
    ]
    inner = len(body[0]) - 2
    parts = [
        f",{'-' * inner}.",
        f"| {pad(printable(name), inner - 2)} |",
        f"|{'-' * inner}|",
        *body,
        f"|{'-' * inner}|",
    ]
    for block in blocks:
        parts += [*block, f"|{'=' * inner}|"]
    parts[-1] = f"`{'-' * inner}'"
    return "".join(f"{part}\n" for part in parts)


_PARTS = ("correct", "substitutions", "deletions", "insertions", "errors")


def _percentages(count: ErrorCount) -> list[str]:
    wrong = _percent(count.utterance_errors / count.utterances)
    if not count.reference_length:
        return [*(f"{getattr(count, key)}*" for key in _PARTS), wrong]
    return [*(_percent(getattr(count, key) / count.reference_length) for key in _PARTS), wrong]


def _percent(fraction: float) -> str:
    """One decimal, by the very steps that sclite rounds in, so that the last digit is the same."""
    return f"{math.floor(fraction * 100 * 10 + 0.5) / 10:.1f}"


def width(text: str) -> int:
    """Columns of a terminal that a text takes: none for a combining mark, two for a wide character."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(mark) or unicodedata.category(mark) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(mark) in "WF"
        else 1
        for mark in text
    )


def pad(text: str, columns: int, *, is_right: bool = False) -> str:
    """Fill up with spaces to so many terminal columns, on the left where the text is set to the right."""
    spaces = " " * (columns - width(text))
    return spaces + text if is_right else text + spaces


def _between(interval: Interval) -> str:
    return f"{Rate(interval.low)} to {Rate(interval.high)}"


def _of(number: int, limit: int | None) -> str:
    return f", the first {limit}" if limit is not None and number > limit else ""


def _escape(text: str) -> str:
    return (
        text.replace("\\", "\\\\")
        .replace("|", "\\|")
        .replace("*", "\\*")
        .replace("_", "\\_")
        .replace("`", "\\`")
        .replace("<", "\\<")
    )
