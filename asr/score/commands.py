"""Commands: intents with slots against what was recognised, as the public speech-to-intent benchmarks count them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from asr.score.rejection import Range, poisson_range, wilson_range


class Labelled(Protocol):
    """What has an intent and slots, or none."""

    @property
    def intent(self) -> str | None:
        """None: nothing is asked for, or it is not known."""

    @property
    def slots(self) -> Mapping[str, Any] | None:
        """Values by name."""


@dataclass(frozen=True)
class Command:
    """What was asked for; an intent of None: nothing."""

    intent: str | None
    slots: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, labelled: "Labelled") -> "Command":
        """That of an utterance, or of a transcript."""
        return cls(labelled.intent, labelled.slots or {})

    def is_met_by(self, other: "Command") -> bool:
        """Whether the other has this intent and all these slots; what it has beyond them is not punished."""
        return self.intent == other.intent and all(
            is_same(value, other.slots.get(name)) for name, value in self.slots.items()
        )


def is_same(value: Any, other: Any) -> bool:
    """Whether two values of slots are the same: 20 and "20" are, and so are On and on."""
    return other is not None and str(value).casefold() == str(other).casefold()


@dataclass(frozen=True)
class Share:
    """How many of how many are right."""

    right: int
    total: int

    @property
    def rate(self) -> float:
        """The accuracy; NaN of nothing."""
        return self.right / self.total if self.total else float("nan")

    @property
    def range(self) -> Range:
        """Wilson's 95 % interval of the accuracy."""
        return wilson_range(self.right, self.total)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"right": self.right, "total": self.total, "accuracy": self.rate, "interval": list(self.range)}

    def __str__(self) -> str:
        return f"{self.rate:6.1%}  {self.range.low:6.1%} to {self.range.high:6.1%}  {self.right} of {self.total}"


@dataclass(frozen=True)
class CommandScore:
    """Commands that are wholly right, and what the others lack."""

    commands: Share
    intents: Share
    slots: dict[str, Share]
    """By name, over the labelled ones."""
    words: dict[str, Share]
    """By word of the labelled values: whether it is in the value that was recognised."""
    confusions: list[tuple[tuple[str, str, str], int]]
    """(slot, labelled value, recognised value or empty) and how often, most often first."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "commands": self.commands.to_dict(),
            "intents": self.intents.to_dict(),
            "slots": {name: share.to_dict() for name, share in self.slots.items()},
            "words": {word: share.to_dict() for word, share in self.words.items()},
            "confusions": [
                {"slot": slot, "wanted": wanted, "got": got, "count": count}
                for (slot, wanted, got), count in self.confusions
            ],
        }


def score_commands(wanted: Sequence[Command], got: Sequence[Command]) -> CommandScore:
    """Commands by position; raises ValueError where there are not as many of both."""
    right, intents = 0, 0
    slots: dict[str, list[bool]] = {}
    words: dict[str, list[bool]] = {}
    confusions: Counter[tuple[str, str, str]] = Counter()
    for one, other in zip(wanted, got, strict=True):
        right += one.is_met_by(other)
        intents += one.intent == other.intent
        for name, value in one.slots.items():
            found = other.slots.get(name)
            is_right = is_same(value, found)
            slots.setdefault(name, []).append(is_right)
            known = str("" if found is None else found).casefold().split()
            for word in str(value).casefold().split():
                words.setdefault(word, []).append(is_right or word in known)
            if not is_right:
                confusions[name, str(value), "" if found is None else str(found)] += 1
    return CommandScore(
        Share(right, len(wanted)),
        Share(intents, len(wanted)),
        {name: _share(slots[name]) for name in sorted(slots)},
        {word: _share(words[word]) for word in sorted(words, key=lambda word: (_share(words[word]).rate, word))},
        confusions.most_common(),
    )


@dataclass(frozen=True)
class Accepted:
    """Commands that were found where nobody gave one."""

    accepts: int
    count: int
    """Recordings."""
    hours: float

    @property
    def per_hour(self) -> float:
        """False accepts an hour; NaN without audio."""
        return self.accepts / self.hours if self.hours else float("nan")

    @property
    def range(self) -> Range:
        """Garwood's 95 % interval of `per_hour`."""
        counts = poisson_range(self.accepts)
        hours = self.hours or float("nan")
        return Range(counts.low / hours, counts.high / hours)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "accepts": self.accepts,
            "recordings": self.count,
            "hours": self.hours,
            "per_hour": self.per_hour,
            "interval": list(self.range),
        }

    def __str__(self) -> str:
        return (
            f"{self.accepts} false accepts in {self.count} recordings of other speech, {self.hours:.2f} h: "
            f"{self.per_hour:.1f} an hour ({self.range.low:.1f} to {self.range.high:.1f})"
        )


def to_text(score: CommandScore, most: int = 12) -> str:
    """Tables: commands and slots, the words that are missed most, and the values that are taken for others."""
    width = max(map(len, ["commands", "intents", *score.slots, *score.words]))
    lines = [f"{'':{width}}  {'right':>6}  {'95 % interval':>16}"]
    lines += [f"{name:{width}}  {share}" for name, share in (("commands", score.commands), ("intents", score.intents))]
    lines += [f"{name:{width}}  {share}" for name, share in score.slots.items()]
    missed = [(word, share) for word, share in score.words.items() if share.right < share.total][:most]
    if missed:
        lines += ["", "words missed", *(f"{word:{width}}  {share}" for word, share in missed)]
    if score.confusions:
        lines += ["", "slots missed"]
    for (slot, wanted, got), count in score.confusions[:most]:
        lines.append(f"{count:4}  {slot}: {wanted} -> {got or 'nothing'}")
    return "\n".join(lines)


def _share(found: Iterable[bool]) -> Share:
    judged = list(found)
    return Share(sum(judged), len(judged))
