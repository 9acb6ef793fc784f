"""Sentences drawn from a network: what a recogniser of sentences is trained and tested on."""

import math
from collections.abc import Iterator

import numpy as np

from asr.grammar.intent import Meaning, Trace, meaning
from asr.grammar.network import Network


def sample(network: Network, rng: np.random.Generator) -> tuple[str, Meaning]:
    """A normalised sentence, and the meaning of the path that it was drawn on.

    Each arc is taken with its probability, so that every choice of the grammar is equally likely.
    """
    state, text, score = 0, "", 0.0
    trace: Trace | None = None
    is_owed = False
    while state != network.end:
        arcs = network.arcs[state]
        drawn = 0
        if len(arcs) > 1:
            likely = np.exp([arc.log_probability for arc in arcs])
            drawn = int(rng.choice(len(arcs), p=likely / likely.sum()))
        arc = arcs[drawn]
        score += arc.log_probability
        if arc.mark:
            trace = Trace(arc.mark, len(text), trace)
        if arc.character == " ":
            is_owed = bool(text)
        elif arc.character:
            text += " " * is_owed + arc.character
            is_owed = False
        state = arc.target
    return text, meaning(text, score, trace)


def samples(network: Network, count: int, rng: np.random.Generator) -> Iterator[tuple[str, Meaning]]:
    """So many sentences, drawn one by one; where there are few they repeat."""
    for _ in range(count):
        yield sample(network, rng)


def enumerate_sentences(network: Network, most: int) -> set[str]:
    """Every sentence of a network of at most `most` paths; raises ValueError where there are more."""
    if network.count_paths() > most:
        raise ValueError(f"more than {most} paths")
    found: set[str] = set()
    stack = [(0, "", False)]
    while stack:
        state, text, is_owed = stack.pop()
        if state == network.end:
            found.add(text)
        for arc in network.arcs[state]:
            if arc.character == " ":
                stack.append((arc.target, text, bool(text)))
            elif arc.character:
                stack.append((arc.target, text + " " * is_owed + arc.character, False))
            else:
                stack.append((arc.target, text, is_owed))
    return found


def perplexity(network: Network) -> float:
    """Number of equally likely sentences that are as hard to guess: e to the entropy of a path, in nats."""
    entropy: dict[int, float] = {}
    for state in network.post_order():
        entropy[state] = sum(
            math.exp(arc.log_probability) * (entropy[arc.target] - arc.log_probability) for arc in network.arcs[state]
        )
    return math.exp(min(entropy[0], 700.0))
