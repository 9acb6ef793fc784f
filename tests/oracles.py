"""Slow and obvious versions that judge the fast ones."""

import itertools
import math
from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def collapse(path):
    """CTC's B: merge repeats, drop blanks, one symbol at a time."""
    tokens, previous = [], None
    for token in path:
        if token != previous and token != 0:
            tokens.append(token)
        previous = token
    return tokens


def ctc_loss(log_probs, tokens):
    """Negative log of the summed probability of every path (T frames, V tokens) that collapses to `tokens`."""
    total = 0.0
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        if collapse(path) == list(tokens):
            total += math.exp(sum(log_probs[frame, token] for frame, token in enumerate(path)))
    return -math.log(total) if total else math.inf


def disagreement(log_probs, again):
    """Half of what two emissions (T frames, V tokens) diverge by in either direction, frame by frame."""
    total = 0.0
    for one, other in zip(log_probs, again, strict=True):
        for p, q in ((one, other), (other, one)):
            total += sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True)) / 2
    return total


def beam(probability, width):
    """Prefixes and their probability after a beam of so many: (T frames, V tokens), every prefix made first."""
    kept = {(): (1.0, 0.0)}  # paths that end in a blank, and in the last token
    for row in probability:
        made = {}
        for prefix, (blank, end) in kept.items():
            for token, share in enumerate(row):
                if token == 0:
                    grown, more = prefix, ((blank + end) * share, 0.0)
                elif prefix and token == prefix[-1]:
                    stay = made.get(prefix, (0.0, 0.0))
                    made[prefix] = (stay[0], stay[1] + end * share)
                    grown, more = (*prefix, token), (0.0, blank * share)
                else:
                    grown, more = (*prefix, token), (0.0, (blank + end) * share)
                before = made.get(grown, (0.0, 0.0))
                made[grown] = (before[0] + more[0], before[1] + more[1])
        kept = dict(sorted(made.items(), key=lambda item: -sum(item[1]))[:width])
    return {prefix: sum(mass) for prefix, mass in kept.items()}


def min_frames(tokens, most=12):
    """Shortest path that collapses to `tokens`, by trying every length."""
    alphabet = [0, *sorted(set(tokens))]
    for length in range(most):
        if any(collapse(path) == list(tokens) for path in itertools.product(alphabet, repeat=length)):
            return length
    raise AssertionError("longer than the oracle goes")


def edits(reference, hypothesis):
    """(fewest edits, fewest substitutions among alignments with so few), by recursion."""

    @cache
    def best(i, j):
        if i == len(reference) or j == len(hypothesis):
            return len(reference) - i + len(hypothesis) - j, 0
        is_substitution = int(reference[i] != hypothesis[j])
        diagonal, deletion, insertion = best(i + 1, j + 1), best(i + 1, j), best(i, j + 1)
        return min(
            (diagonal[0] + is_substitution, diagonal[1] + is_substitution),
            (deletion[0] + 1, deletion[1]),
            (insertion[0] + 1, insertion[1]),
        )

    return best(0, 0)


PACKED = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def packed_log_probs(model, frames, lengths):
    """The encoder as PyTorch's own bidirectional module over packed sequences, with the weights of `model`.

    PyTorch has none with peepholes: that one goes frame by frame.
    """
    config = model.config
    if config.cell not in PACKED:
        return stepped_log_probs(model, frames, lengths)
    peer = PACKED[config.cell](
        frames.shape[2], config.hidden_size, config.num_layers, bidirectional=config.bidirectional
    )
    for layer in range(config.num_layers):
        for suffix, owners in (("", model.forwards), ("_reverse", model.backwards)):
            if len(owners):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    ours = getattr(owners[layer], f"{name}_l0")
                    getattr(peer, f"{name}_l{layer}{suffix}").data = ours.data
    packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
    output, _ = pad_packed_sequence(peer(packed)[0], batch_first=True, total_length=frames.shape[1])
    return model.head(output).log_softmax(dim=2)


def peephole_step(layer, inputs, output, cell):
    """Equations of Gers and Schmidhuber 2000 for one frame: inputs (F,), output and cell (H,) -> output and cell."""
    given = layer.weight_ih_l0 @ inputs + layer.bias_ih_l0 + layer.weight_hh_l0 @ output + layer.bias_hh_l0
    i, f, g, o = given.chunk(4)
    see_i, see_f, see_o = layer.peepholes
    i, f = torch.sigmoid(i + see_i * cell), torch.sigmoid(f + see_f * cell)
    cell = f * cell + i * torch.tanh(g)
    return torch.sigmoid(o + see_o * cell) * torch.tanh(cell), cell


def stepped_log_probs(model, frames, lengths):
    """The encoder of peephole cells, one utterance, one layer, one direction and one frame at a time."""
    rows = []
    for utterance, length in zip(frames, lengths.tolist(), strict=True):
        hidden = list(utterance[:length])
        for layer in range(model.config.num_layers):
            directions = []
            for owners, step in ((model.forwards, 1), (model.backwards, -1)):
                if len(owners):
                    output = cell = torch.zeros(model.config.hidden_size)
                    outputs = []
                    for frame in hidden[::step]:
                        output, cell = peephole_step(owners[layer], frame, output, cell)
                        outputs.append(output)
                    directions.append(outputs[::step])
            hidden = [torch.cat(together) for together in zip(*directions, strict=True)]
        hidden += [torch.zeros_like(hidden[0])] * (frames.shape[1] - length)
        rows.append(torch.stack(hidden))
    return model.head(torch.stack(rows)).log_softmax(dim=2)


def random_log_probs(num_frames, num_tokens, seed=0):
    """A proper emission (T, V) in float64."""
    logits = np.random.default_rng(seed).standard_normal((num_frames, num_tokens)) * 2
    return torch.from_numpy(logits).log_softmax(dim=1).numpy()


def sclite_alignment(reference, hypothesis):
    """sclite's choice among its cheapest alignments, as letters of C, S, D and I: the whole table, cell by cell."""
    cost = {(0, 0): 0}
    way = {}
    for i in range(len(reference) + 1):
        for j in range(len(hypothesis) + 1):
            if i and j:
                is_same = reference[i - 1] == hypothesis[j - 1]
                pair = cost[i - 1, j - 1] + (0 if is_same else 4)
                deletion, insertion = cost[i - 1, j] + 3, cost[i, j - 1] + 3
                if pair <= deletion and pair <= insertion:
                    cost[i, j], way[i, j] = pair, "C" if is_same else "S"
                elif deletion < insertion:
                    cost[i, j], way[i, j] = deletion, "D"
                else:
                    cost[i, j], way[i, j] = insertion, "I"
            elif i or j:
                cost[i, j], way[i, j] = 3 * (i + j), "D" if i else "I"
    letters = ""
    i, j = len(reference), len(hypothesis)
    while i or j:
        letters = way[i, j] + letters
        i, j = i - (way[i, j] != "I"), j - (way[i, j] != "D")
    return letters


def sign_test(differences):
    """Share of all sign patterns whose sum is as far from 0 as the one seen."""
    seen = abs(sum(differences))
    sums = [abs(sum(signs)) for signs in itertools.product(*((difference, -difference) for difference in differences))]
    return sum(one >= seen for one in sums) / len(sums)


def hypotheses(log_probs, alphabet, *, entries=None, lm=None, lm_weight=0.0, word_bonus=0.0, hotwords=None):
    """Every text that any path spells -> its score, by enumerating all paths (T frames, V tokens).

    `entries`: words and phrases that a text must be a sequence of; `lm(units)`: log-probability of a sentence.
    """
    totals = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        text = " ".join("".join(alphabet[token - 1] for token in collapse(path)).split())
        probability = math.exp(sum(log_probs[frame, token] for frame, token in enumerate(path)))
        totals[text] = totals.get(text, 0.0) + probability
    scores = {}
    for text, total in totals.items():
        words = text.split()
        if entries is not None and not is_sequence(tuple(words), [tuple(entry.split()) for entry in entries]):
            continue
        score = math.log(total) + word_bonus * len(words)
        if lm:
            score += lm_weight * lm(text)
        for phrase, boost in (hotwords or {}).items():
            parts = phrase.split()
            score += boost * sum(words[at : at + len(parts)] == parts for at in range(len(words)))
        scores[text] = score
    return scores


def is_sequence(words, entries):
    """Whether `words` can be cut into `entries`, all tuples of words."""
    return not words or any(
        words[: len(entry)] == entry and is_sequence(words[len(entry) :], entries) for entry in entries
    )


def best_alignment(log_probs, tokens):
    """(log-probability, path) of the best path that collapses to `tokens`, by trying them all."""
    paths = [path for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs))
             if collapse(path) == list(tokens)]  # fmt: skip
    return max((sum(log_probs[frame, token] for frame, token in enumerate(path)), path) for path in paths)
