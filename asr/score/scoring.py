"""Word and character errors of transcripts paired by id: totals, speakers, utterances, confusions."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from asr import extras
from asr.score.alignment import Weights, align
from asr.score.counts import Counts, ErrorCount, count, single, total
from asr.score.normalise import Normaliser, all_words, default_rules, normalised_mapping
from asr.score.source import ScoreError, collector_paused

Spaces = Literal["counted", "ignored"]
Characters = Literal["codepoints", "graphemes"]


@dataclass(frozen=True)
class Counting:
    """How errors are counted; a result names it, since two results compare only where it is the same."""

    weights: Weights = "levenshtein"
    """levenshtein: fewest edits, then fewest substitutions; sclite: substitution 4, deletion and insertion 3."""
    spaces: Spaces | None = None
    """Whether one space between words is a character: counted as in jiwer, ignored as in sclite, whose weights make
    that the default."""
    characters: Characters = "codepoints"
    """What a character is: a Unicode code point, or what a reader sees as one (a grapheme cluster, UAX 29)."""

    def __post_init__(self) -> None:
        if self.spaces is None:
            object.__setattr__(self, "spaces", "ignored" if self.weights == "sclite" else "counted")

    def to_dict(self) -> dict[str, str | None]:
        """For JSON."""
        return {"weights": self.weights, "spaces": self.spaces, "characters": self.characters}


@dataclass(frozen=True)
class Utterance:
    """One utterance's words and errors."""

    id: str
    speaker: str
    """Empty where it is not known."""
    reference: list[str]
    hypothesis: list[str]
    word: ErrorCount
    character: ErrorCount


@dataclass(frozen=True)
class Confusions:
    """What was taken for what, most often first."""

    substitutions: list[tuple[tuple[str, str], int]]
    """(reference word, hypothesis word) and how often."""
    deletions: list[tuple[str, int]]
    insertions: list[tuple[str, int]]


@dataclass(frozen=True)
class Score:
    """Errors of one system, and the ids that stood on one side only. Made by `score`."""

    ids: list[str]
    references: list[list[str]] = field(repr=False)
    hypotheses: list[list[str]] = field(repr=False)
    word_counts: Counts = field(repr=False, compare=False)  # what they follow from is compared
    """(num_utterances, 4): correct, substitutions, deletions, insertions."""
    character_counts: Counts = field(repr=False, compare=False)
    speaker_of: Mapping[str, str] = field(default_factory=dict, repr=False)
    missing: tuple[str, ...] = ()
    """References without a hypothesis: scored as deletions."""
    extra: tuple[str, ...] = ()
    """Hypotheses without a reference: not scored."""
    counting: Counting = Counting()
    normalisation: tuple[str, ...] = ()

    @cached_property
    def word(self) -> ErrorCount:
        """Word errors of all utterances."""
        return total(self.word_counts)

    @cached_property
    def character(self) -> ErrorCount:
        """Character errors of all utterances."""
        return total(self.character_counts)

    @property
    def rates(self) -> dict[str, float]:
        """Word and character error rate."""
        return {"wer": self.word.rate, "cer": self.character.rate}

    @property
    def summary(self) -> str:
        """Both in a line."""
        kinds = (("WER", self.word, "words"), ("CER", self.character, "characters"))
        return "   ".join(
            f"{name} {_percent(count.rate)} ({count.errors} of {count.reference_length} {units})"
            for name, count, units in kinds
        )

    def to_text(self) -> str:
        """The same as a line of text; asr.score.tables has the tables."""
        return f"{self.summary}\n"

    def _repr_html_(self) -> str:
        """In a notebook: words and characters in a table."""
        head = "".join(f"<th>{name}" for name in ("", "rate", "errors", "of", "subst", "delet", "insert"))
        rows = [
            (
                name,
                _percent(one.rate),
                one.errors,
                one.reference_length,
                one.substitutions,
                one.deletions,
                one.insertions,
            )
            for name, one in (("words", self.word), ("characters", self.character))
        ]
        cells = "".join(f"<tr>{''.join(f'<td>{cell}' for cell in row)}" for row in rows)
        return f"<table><tr>{head}{cells}</table>"

    def utterances(self) -> Iterator[Utterance]:
        """Utterance by utterance, in the order of the references."""
        for index in range(len(self.ids)):
            yield self.utterance(index)

    def utterance(self, index: int) -> Utterance:
        """One utterance by its index among the references."""
        key = self.ids[index]
        return Utterance(
            key,
            self.speaker_of.get(key, ""),
            self.references[index],
            self.hypotheses[index],
            single(self.word_counts[index]),
            single(self.character_counts[index]),
        )

    def worst(self, limit: int | None = None) -> list[int]:
        """Indices of the utterances with errors: most word errors first, then the highest rate, then as they stood."""
        wrong = self.word_counts[:, 1:].sum(axis=1)
        rates = wrong / np.maximum(self.word_counts[:, :3].sum(axis=1), 1)
        order = np.lexsort((-rates, -wrong))
        return [int(index) for index in order[:limit] if wrong[index]]

    @cached_property
    def speakers(self) -> dict[str, tuple[ErrorCount, ErrorCount]]:
        """Word and character errors by speaker, in the order of their first utterance; empty without speakers."""
        if not self.speaker_of:
            return {}
        groups: dict[str, list[int]] = {}
        for index, key in enumerate(self.ids):
            groups.setdefault(self.speaker_of.get(key, ""), []).append(index)
        return {
            name: (total(self.word_counts[indices]), total(self.character_counts[indices]))
            for name, indices in groups.items()
        }

    @cached_property
    def alignments(self) -> list[str]:
        """One letter of C, S, D and I for each step of each utterance's word alignment."""
        indices = [int(index) for index in np.flatnonzero(self.word_counts[:, 1:].any(axis=1))]
        found = ["C" * len(words) for words in self.references]
        made = align(
            [self.references[index] for index in indices],
            [self.hypotheses[index] for index in indices],
            self.counting.weights,
        )
        for index, letters in zip(indices, made, strict=True):
            found[index] = letters
        return found

    @cached_property
    def confusions(self) -> Confusions:
        """Words substituted, deleted and inserted."""
        substitutions: Counter[tuple[str, str]] = Counter()
        deletions: Counter[str] = Counter()
        insertions: Counter[str] = Counter()
        for reference, hypothesis, letters in zip(self.references, self.hypotheses, self.alignments, strict=True):
            for letter, word, other in columns(reference, hypothesis, letters):
                if letter == "S":
                    substitutions[word, other] += 1
                elif letter == "D":
                    deletions[word] += 1
                elif letter == "I":
                    insertions[other] += 1
        return Confusions(_ranked(substitutions), _ranked(deletions), _ranked(insertions))

    def to_dict(self, *, has_utterances: bool = False) -> dict[str, Any]:
        """For JSON: totals, how they were counted, the ids on one side alone, speakers, and if wanted utterances."""
        result = {
            "word": self.word.to_dict(),
            "character": self.character.to_dict(),
            "counting": self.counting.to_dict(),
            "normalisation": list(self.normalisation),
            "missing_hypotheses": list(self.missing),
            "extra_hypotheses": list(self.extra),
            "speakers": {
                name: {"word": word.to_dict(), "character": character.to_dict()}
                for name, (word, character) in self.speakers.items()
            },
        }
        if has_utterances:
            result["utterances"] = [
                {
                    "id": one.id,
                    "speaker": one.speaker,
                    "word": one.word.to_dict(),
                    "character": one.character.to_dict(),
                    "reference": one.reference,
                    "hypothesis": one.hypothesis,
                    "alignment": letters,
                }
                for one, letters in zip(self.utterances(), self.alignments, strict=True)
            ]
        return result


@collector_paused()
def score(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    speakers: Mapping[str, str] | None = None,
    counting: Counting = Counting(),
    normaliser: Normaliser | None = None,
) -> Score:
    """Score transcripts by id: word and character errors.

    A reference without a hypothesis counts as deletions; a hypothesis without a reference does not count; both are
    named in the result. `speakers` has the speaker of each id. Without `normaliser` the default rules apply, or with
    sclite's weights none.
    """
    normaliser = normaliser or Normaliser(default_rules(counting.weights))
    if normaliser.mapping:
        plain = Normaliser(normaliser.rules)
        normaliser = Normaliser(normaliser.rules, normalised_mapping(normaliser.mapping, plain))
    ids = list(references)
    reference_words = all_words(references.values(), normaliser)
    hypothesis_words = all_words([hypotheses.get(key, "") for key in ids], normaliser)
    words = count(reference_words, hypothesis_words, counting.weights)
    return Score(
        ids=ids,
        references=reference_words,
        hypotheses=hypothesis_words,
        word_counts=words,
        character_counts=_count_characters(reference_words, hypothesis_words, words, counting),
        speaker_of=speakers or {},
        missing=tuple(key for key in ids if key not in hypotheses),
        extra=tuple(key for key in hypotheses if key not in references),
        counting=counting,
        normalisation=normaliser.names,
    )


def _percent(fraction: float) -> str:
    return "inf" if math.isinf(fraction) else f"{fraction:.2%}"


def columns(reference: Sequence[str], hypothesis: Sequence[str], letters: str) -> Iterator[tuple[str, str, str]]:
    """Steps of an alignment with the tokens that they take; empty where a side has none."""
    words, others = iter(reference), iter(hypothesis)
    for letter in letters:
        yield letter, "" if letter == "I" else next(words), "" if letter == "D" else next(others)


def _count_characters(
    references: list[list[str]], hypotheses: list[list[str]], words: Counts, counting: Counting
) -> Counts:
    space = " " if counting.spaces == "counted" else ""
    sides: list[list[Any]] = [[space.join(words) for words in side] for side in (references, hypotheses)]
    if counting.characters == "graphemes":
        sides = [_graphemes(side) for side in sides]
    counts = np.zeros((len(references), 4), dtype=np.int64)
    counts[:, 0] = [len(characters) for characters in sides[0]]
    # Equal words have equal characters, and most utterances of a good recogniser are equal.
    indices = np.flatnonzero(words[:, 1:].any(axis=1))
    first, second = ([side[index] for index in indices.tolist()] for side in sides)
    counts[indices] = count(first, second, counting.weights)
    return counts


def _graphemes(texts: Sequence[str]) -> list[list[str]]:
    try:
        import regex
    except ModuleNotFoundError:
        raise ScoreError(extras.missing("counting grapheme clusters", "regex", "text")) from None
    return [regex.findall(r"\X", text) for text in texts]


def _ranked(counter: Counter[Any]) -> list[tuple[Any, int]]:
    """Most often first, then by the words, so that a result does not depend on the order of the files."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))
