"""What a check has found: a line for each kind, with its count, the worst examples and what mends it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MAX_EXAMPLES = 5


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
        shown = ", ".join(map(str, self.examples))
        more = f" and {self.count - len(self.examples)} more" if self.count > len(self.examples) > 0 else ""
        return f"{self.count} {self.what}{f': {shown}{more}' if shown else ''}. {self.fix}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def finding(
    kind: str, what: str, found: Sequence[Example], fix: str, *, is_error: bool = True, count: int | None = None
) -> list[Finding]:
    """A finding of these examples, the worst first; none where there are none."""
    if not found:
        return []
    number = len(found) if count is None else count
    return [Finding(kind, what, number, tuple(found[:MAX_EXAMPLES]), fix, is_error)]
