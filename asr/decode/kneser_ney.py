"""Interpolated modified Kneser-Ney estimation of n-gram models (Chen & Goodman 1999, section 3)."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from asr.decode.hypothesis import DecodeError
from asr.decode.lm import BEGIN, END, UNKNOWN, LanguageModel

Ngram = tuple[str, ...]
_DEFAULT = (0.5, 1.0, 1.5)  # discounts where a small corpus has too few counts of counts to estimate them


def estimate(sentences: Iterable[Sequence[str]], order: int, vocabulary: Iterable[str] = ()) -> LanguageModel:
    """A model of `order` over the words of `sentences` and of `vocabulary`, sentence ends and <unk>.

    One <s> opens each sentence. n-grams below the highest order, and not opening a sentence, count the words that
    they follow instead of their occurrences. 1-grams are interpolated with the uniform distribution, which is all
    that <unk> and unseen words of `vocabulary` get. Raises DecodeError where no sentence has a word, and as
    `check` does.
    """
    if order < 1:
        raise DecodeError(f"the order of a language model is at least 1, not {order}")
    counts = _counts(sentences, order)
    if not counts[0]:
        raise DecodeError("there are no words to estimate a language model from")
    words = {word for (word,) in counts[0]} | set(vocabulary) | {END, UNKNOWN}
    adjusted = _adjusted(counts)
    # P of the order below, by n-gram: the uniform distribution at first.
    uniform = 1 / len(words)
    below: dict[Ngram, float] = {}
    tables: list[dict[Ngram, tuple[float, float]]] = []
    for n, table in enumerate(adjusted, start=1):
        discounts = _discounts(table.values())
        totals: Counter[Ngram] = Counter()
        given: defaultdict[Ngram, float] = defaultdict(float)
        for ngram, count in table.items():
            totals[ngram[:-1]] += count
            given[ngram[:-1]] += discounts[min(count, 3) - 1]
        probabilities: dict[Ngram, float] = {}
        ngrams = table if n > 1 else [(word,) for word in sorted(words)]
        for ngram in ngrams:
            context, count = ngram[:-1], table.get(ngram, 0)
            discounted = count - discounts[min(count, 3) - 1] if count else 0.0
            lower = uniform if n == 1 else below[ngram[1:]]
            probabilities[ngram] = (discounted + given[context] * lower) / totals[context]
        for context, total in totals.items():
            if n > 1:
                tables[-1][context] = (tables[-1][context][0], math.log(given[context] / total))
        tables.append({ngram: (math.log(value), 0.0) for ngram, value in probabilities.items()})
        if n == 1 and order > 1:
            tables[0][(BEGIN,)] = (-99 * math.log(10), 0.0)  # never follows anything; its line holds its back-off
        below = probabilities
    return LanguageModel(tables)


def check(words: Iterable[str]) -> None:
    """Raises DecodeError for a word that language models keep for themselves."""
    for word in words:
        if word in (BEGIN, END, UNKNOWN):
            raise DecodeError(f"the word {word} is reserved in language models")


def _counts(sentences: Iterable[Sequence[str]], order: int) -> list[Counter[Ngram]]:
    """How often each n-gram occurs, for n of 1 to `order`."""
    counts: list[Counter[Ngram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        if not sentence:
            continue
        check(sentence)
        padded = (BEGIN, *sentence, END)
        for n, table in enumerate(counts, start=1):
            table.update(padded[start : start + n] for start in range(n == 1, len(padded) - n + 1))
    return counts


def _adjusted(counts: list[Counter[Ngram]]) -> list[Counter[Ngram]]:
    """Below the highest order: how many words each n-gram follows, but for those at <s>, which follow none."""
    adjusted = []
    for table, longer in itertools.pairwise(counts):
        follows = Counter(ngram[1:] for ngram in longer)
        adjusted.append(
            Counter({ngram: count if ngram[0] == BEGIN else follows[ngram] for ngram, count in table.items()})
        )
    return [*adjusted, counts[-1]]


def _discounts(counts: Iterable[int]) -> tuple[float, ...]:
    """What is taken from counts of 1, of 2, and of 3 and more (Chen & Goodman 1999, equation 26)."""
    of = Counter(counts)
    if not all(of[k] for k in (1, 2, 3, 4)):
        return _DEFAULT
    y = of[1] / (of[1] + 2 * of[2])
    discounts = tuple(k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3))
    return discounts if all(0 < discount < k for k, discount in enumerate(discounts, start=1)) else _DEFAULT
