"""The whole report on one or more systems and one reference: as text, Markdown, JSON and sclite's table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from asr.files import printable
from asr.score import tables
from asr.score.scoring import Score
from asr.score.significance import Comparison, Interval, compare, interval
from asr.score.tables import Table


@dataclass(frozen=True)
class Report:
    """Scores of systems by name, how certain they are, and how the systems differ. Made by `of`."""

    names: list[str]
    scores: list[Score]
    intervals: list[tuple[Interval, Interval]]
    """Of words and of characters, for each system; empty without a bootstrap."""
    comparisons: list[Comparison]
    notes: list[str]
    """What was odd about the files."""

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        scores: Sequence[Score],
        *,
        level: float = 0.95,
        resamples: int = 1000,
        seed: int = 0,
        notes: Sequence[str] = (),
    ) -> "Report":
        """Work out intervals and comparisons of systems on the same references; no `resamples`, no intervals.

        Raises ScoreError where the references or the ways of counting differ, or where several systems are to be
        compared without resamples.
        """
        intervals = (
            [
                (
                    interval(score, "word", level=level, resamples=resamples, seed=seed),
                    interval(score, "character", level=level, resamples=resamples, seed=seed),
                )
                for score in scores
            ]
            if resamples
            else []
        )
        compared = compare(scores, names, level=level, resamples=resamples, seed=seed)
        return cls(list(names), list(scores), intervals, compared, list(notes))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: one system's score as it is, several under `systems`."""
        systems = [
            {"system": name, **score.to_dict(has_utterances=True)}
            for name, score in zip(self.names, self.scores, strict=True)
        ]
        for system, (word, character) in zip(systems, self.intervals, strict=False):
            system["intervals"] = {"word": word.to_dict(), "character": character.to_dict()}
        if len(systems) == 1:
            return {**systems[0], "notes": self.notes}
        return {"systems": systems, "comparisons": [one.to_dict() for one in self.comparisons], "notes": self.notes}

    def to_sys(self) -> str:
        """sclite's `.sys` table of each system."""
        return "\n".join(tables.sys_report(name, score) for name, score in zip(self.names, self.scores, strict=True))

    def to_text(self, *, has_details: bool = False, top: int = 10) -> str:
        """Totals, comparisons and speakers; with details the `top` utterances, confusions, deletions, insertions."""
        how = "".join(f"{line}\n" for line in self._how())
        return "\n".join([how, *(table.to_text() for table in self._tables(has_details, top))])

    def to_markdown(self, *, has_details: bool = False, top: int = 10) -> str:
        """The same as `to_text`, for READMEs."""
        how = [f"{line}\n" for line in self._how()]
        return "\n".join([*how, *(table.to_markdown() for table in self._tables(has_details, top))])

    def to_alignments(self, *, top: int = 10, width: int = 100, has_color: bool = False) -> str:
        """References over hypotheses, for the `top` worst utterances of each system."""
        blocks = []
        for name, score in zip(self.names, self.scores, strict=True):
            for index in score.worst(top):
                of = f"{name}: " if len(self.names) > 1 else ""
                utterance, letters = score.utterance(index), score.alignments[index]
                blocks.append(
                    printable(of) + tables.aligned(utterance, letters, width_limit=width, has_color=has_color)
                )
        return "\n".join(blocks)

    def _how(self) -> list[str]:
        return [tables.describe(self.scores[0]), *(tables.describe_interval(word) for word, _ in self.intervals[:1])]

    def _tables(self, has_details: bool, top: int) -> list[Table]:
        found = [tables.totals(self.names, self.scores, self.intervals)]
        if self.comparisons:
            found.append(tables.comparisons(self.comparisons))
        for name, score in zip(self.names, self.scores, strict=True):
            some = [tables.speakers(score)] if score.speakers else []
            if has_details:
                some += [tables.utterances(score, top), *tables.confusions(score, top)]
            of = f"{name}: " if len(self.names) > 1 else ""
            found += [replace(table, title=of + table.title) for table in some if table.rows]
        return found
