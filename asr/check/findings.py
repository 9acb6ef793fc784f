"""What a check has found: a line for each kind, with its count, the worst examples and what mends it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MAX_EXAMPLES = 5
_NUM_SHOWN = 2  # of them in a printed line
_MAX_LETTERS = 60  # of one of those


@dataclass(frozen=True)
class Example:
    """One of those that a finding is about: an utterance's id, a character or a pair of words, and what is with it."""

    name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


@dataclass(frozen=True)
class Finding:
    """One kind of trouble."""

    kind: str
    """A word for scripts, as in too_long."""
    what: str
    """A sentence that follows the count."""
    count: int
    examples: Sequence[Example]
    """The worst first, MAX_EXAMPLES at most."""
    fix: str
    is_error: bool = True
    """Whether it costs utterances or makes figures wrong; what is no error is only worth a look."""

    def __str__(self) -> str:
        some = [_short(str(example)) for example in self.examples[:_NUM_SHOWN]]
        shown = ", ".join(some)
        more = f" and {self.count - len(some)} more" if self.count > len(some) > 0 else ""
        return f"{self.count} {self.what}{f': {shown}{more}' if shown else ''}. {self.fix}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_LETTERS else text[: _MAX_LETTERS - 3] + "..."


def finding(
    kind: str, what: str, found: Sequence[Example], fix: str, *, is_error: bool = True, count: int | None = None
) -> list[Finding]:
    """A finding of these examples, the worst first; none where there are none."""
    if not found:
        return []
    number = len(found) if count is None else count
    return [Finding(kind, what, number, tuple(found[:MAX_EXAMPLES]), fix, is_error)]
