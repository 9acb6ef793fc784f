"""CTC prefix beam search (Graves 2012, section 7.5.3; Hannun et al. 2014), with what is known about the words.

Probabilities are not kept as logarithms but scaled in every frame so that the best prefix has one: summing over paths
then costs no logarithm, and in Python that is most of the time.
"""

import math
from collections.abc import Mapping
from heapq import heapify, heapreplace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decode.constraint import Constraint
from asr.decode.hotwords import HotWords
from asr.decode.hypothesis import DecodeError, Emission, Hypothesis, probabilities
from asr.decode.lm import SPACE, LanguageModel, State
from asr.text import BLANK, Tokenizer

_MAX_PENALTY = 50.0  # nats; far less leaves no blank at all
_MAX_WEIGHT = 100.0  # of the language model, and nats of a word's bonus: far less leaves nothing of the sound
_MAX_GAIN = 600.0  # nats of them all: e to the 709 is the largest number there is
_FREE = (0, 0.0)  # a step without a constraint
_NO_CHILDREN: dict[int, "_Prefix"] = {}


class _Prefix:
    """A string of tokens, and the probability of all paths so far that collapse to it.

    Spaces between words are one, and none at the ends: a second space changes nothing. `bias` is the logarithm of
    what constraint, language model, word bonus and hot words add to the paths; it is part of the probabilities already.
    """

    __slots__ = (
        "ahead",
        "bias",
        "blank",
        "children",
        "factor",
        "hot",
        "is_kept",
        "lm_state",
        "next_blank",
        "next_token",
        "parent",
        "state",
        "token",
        "token_end",
        "word",
    )

    def __init__(
        self,
        parent: "_Prefix | None",
        token: int,
        word: str,
        state: int,
        lm_state: State,
        hot: Any,
        bias: float,
        ahead: float = 0.0,
        factor: float = 1.0,
    ) -> None:
        self.parent = parent
        self.token = token
        self.word = word  # what is spelled of the word that has begun
        self.state = state  # of the constraint
        self.lm_state = lm_state
        self.hot = hot
        self.bias = bias
        self.ahead = ahead  # what of it the language model is expected to say of the word that has begun
        self.factor = factor  # that its last token costs
        self.children = _NO_CHILDREN
        self.blank = self.token_end = 0.0  # paths that end in a blank, and in the last token
        self.next_blank = self.next_token = 0.0
        self.is_kept = False  # whether it is in the beam


class BeamSearch:
    """The Decoder that sums over the paths of each prefix and knows what the user knows.

    score = log P(text | emission) + lm_weight log P(text) + word_bonus words + boosts of hot words

    Words end at a space or with the utterance. With a `constraint`, such as a lexicon, an utterance is one that it
    accepts, and the weights of its steps are part of the score. With a language model over characters (see
    LanguageModel.is_character) an utterance is scored by tokens instead of by words.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        beam_width: int = 50,
        constraint: Constraint | None = None,
        lm: LanguageModel | None = None,
        lm_weight: float = 0.5,
        word_bonus: float = 0.0,
        blank_penalty: float = 0.0,
        hotwords: Mapping[str, float] | None = None,
        nbest: int = 1,
        beam_threshold: float = 14.0,
        blank_skip: float = 0.999,
    ) -> None:
        """`beam_width` prefixes at most are kept, and none that is `beam_threshold` nats worse than the best.

        Frames whose blank has a probability above `blank_skip` are taken to be nothing else. With inf, inf and 1
        every prefix is kept. Before all else `blank_penalty` is taken from the log-probability of each frame's blank,
        and the frame normalised again: networks that say letters in single frames are surest of the blank, and what
        they say faintly is lost to it. Raises DecodeError for numbers that make no sense.
        """
        if beam_width < 1 or nbest < 1:
            raise DecodeError("beam_width and nbest must be at least 1")
        if not beam_threshold > 0:
            raise DecodeError(f"beam_threshold must be above 0, not {beam_threshold}")
        for name, value, low, high in (
            ("lm_weight", lm_weight, 0, _MAX_WEIGHT),
            ("word_bonus", word_bonus, -_MAX_WEIGHT, _MAX_WEIGHT),
            ("blank_penalty", blank_penalty, 0, _MAX_PENALTY),
        ):
            if not low <= value <= high:
                raise DecodeError(f"{name} must be in [{low:g}, {high:g}], not {value}")
        self.tokenizer = tokenizer
        self.beam_width, self.nbest = beam_width, nbest
        self.beam_threshold, self.blank_skip = beam_threshold, blank_skip
        self.lm_weight, self.word_bonus, self.blank_penalty = lm_weight, word_bonus, blank_penalty
        self._space = tokenizer.tokens.index(" ") if " " in tokenizer.tokens else -1
        self._constraint = constraint
        self._lm = lm if lm_weight else None
        self._is_character = lm is not None and lm.is_character(has_space=self._space > 0)
        self._hot = HotWords(hotwords, tokenizer) if hotwords else None
        self._looks_ahead = constraint is not None and self._lm is not None and not self._is_character
        # No token can make a prefix likelier by more than this: what is too bad even so need not be looked at.
        gain = np.full(len(tokenizer), self._hot.max_gain if self._hot else 0.0)
        if self._space > 0:
            gain[self._space] += max(0.0, word_bonus)
            if self._lm and self._looks_ahead:
                gain[self._space] += lm_weight * self._lm.max_gain()
        if not gain.max() <= _MAX_GAIN:
            raise DecodeError(
                f"boosts, word_bonus and lm_weight make a word likelier by up to {gain.max():.0f} nats, "
                f"of which at most {_MAX_GAIN:g} can be computed with: take less of them"
            )
        self._max_gain = np.exp(gain)
        # By state of the constraint: the only word that may be meant, if it is one, and what the likeliest has alone.
        self._only: dict[int, str] = {}
        self._likeliest: dict[int, float] = {}
        self._is_plain = self._hot is None and not (self._lm and self._is_character)

    def __call__(self, log_probs: Emission, nbest: int | None = None) -> list[Hypothesis]:
        """log_probs (T, V) -> up to `nbest` hypotheses with different texts, best first; None: as was asked for above.

        Raises DecodeError if they are not log-probabilities, or not of this alphabet.
        """
        probability = probabilities(log_probs)
        if log_probs.shape[1] != len(self.tokenizer):
            raise DecodeError(f"an emission over {log_probs.shape[1]} tokens, and an alphabet of {len(self.tokenizer)}")
        if self.blank_penalty:
            probability[:, BLANK] *= math.exp(-self.blank_penalty)
            probability /= probability.sum(axis=1, keepdims=True)
        # Where a beam has lost all that the constraint accepts the emission says something else: look further.
        for further in (1, 2, 10):
            beam, log_scale = self._search(probability, further * self.beam_width, further * self.beam_threshold)
            if hypotheses := self._finished(beam, log_scale):
                return hypotheses[: nbest or self.nbest]
        return [Hypothesis("", -math.inf)]

    def _search(
        self, probability: npt.NDArray[np.float64], beam_width: int, threshold: float
    ) -> tuple[list[_Prefix], float]:
        """The prefixes after the last frame, scaled, and the logarithm of their scale."""
        root = self._root()
        beam, log_scale, floor = [root], 0.0, math.exp(-threshold)
        space, constraint = self._space, self._constraint
        steps: Mapping[int, tuple[int, float]] | None = None
        for row, tokens, log_blank in _frames(probability, self.blank_skip, floor, self._max_gain):
            if row is None:  # a run of blanks
                log_scale += log_blank
                for prefix in beam:
                    prefix.blank += prefix.token_end
                    prefix.token_end = 0.0
                continue
            best, reached = self._stay(beam, row)
            # A prefix that does not reach what `beam_width` others have will be pruned: it need not be made.
            is_full = len(beam) >= beam_width
            if is_full:
                heapify(reached)
            cut = max(best * floor, reached[0]) if is_full else best * floor
            fresh = []
            for prefix in beam:
                total = prefix.blank + prefix.token_end
                if not tokens or total * tokens[0][2] < cut:
                    continue
                last, children = prefix.token, prefix.children
                if constraint:
                    steps = constraint.steps(prefix.state)
                for token, p_token, reach in tokens:
                    if total * reach < cut:
                        break
                    mass = total * p_token
                    if token == last:
                        if token == space:
                            continue  # a second space changes nothing, and has been counted already
                        mass = prefix.blank * p_token
                    child = children.get(token)
                    if child is None:
                        if steps is not None and token not in steps:
                            continue
                        if not children:  # most prefixes never have any
                            children = prefix.children = {}
                        child = children[token] = self._extended(prefix, token, *(steps[token] if steps else _FREE))
                    mass *= child.factor
                    if child.is_kept or mass < cut:
                        continue
                    child.next_token = mass
                    fresh.append(child)
                    best = max(best, mass)
                    if is_full:
                        heapreplace(reached, mass)
                    else:
                        reached.append(mass)
                        if len(reached) == beam_width:
                            is_full = True
                            heapify(reached)
                    cut = max(cut, best * floor, reached[0] if is_full else 0.0)
            if not best:
                raise DecodeError("the emission gives no probability to anything that the decoder may output")
            log_scale += math.log(best)
            beam = self._pruned(beam + fresh, beam_width, best, floor)
        return beam, log_scale

    def _stay(self, beam: list[_Prefix], row: list[float]) -> tuple[float, list[float]]:
        """What a frame makes of each prefix of the beam: by itself, and from its parent, if that is in the beam, too.

        Returns the greatest of their scaled probabilities, and all of them.
        """
        p_blank, space = row[BLANK], self._space
        reached = []
        for prefix in beam:
            token, parent = prefix.token, prefix.parent
            total = prefix.blank + prefix.token_end
            prefix.next_blank = stay = total * p_blank
            mass = total if token == space else prefix.token_end
            if parent and parent.is_kept:
                before = parent.blank if parent.token == token else parent.blank + parent.token_end
                mass += before * prefix.factor
            prefix.next_token = again = mass * row[token]
            reached.append(stay + again)
        return max(reached), reached

    @staticmethod
    def _pruned(offered: list[_Prefix], beam_width: int, scale: float, floor: float) -> list[_Prefix]:
        """Those that go on to the next frame, scaled; the others are forgotten, and may come back."""
        kept, cut = [], scale * floor
        for prefix in offered:
            blank, token_end = prefix.next_blank, prefix.next_token
            prefix.next_blank = prefix.next_token = 0.0
            prefix.is_kept = False
            if blank + token_end >= cut:
                prefix.blank, prefix.token_end = blank / scale, token_end / scale
                kept.append(prefix)
        if len(kept) > beam_width:
            kept.sort(key=lambda prefix: prefix.blank + prefix.token_end, reverse=True)
            del kept[beam_width:]
        for prefix in kept:
            prefix.is_kept = True
        return kept

    def _root(self) -> _Prefix:
        # An utterance begins as if after a space: another space changes nothing.
        token = self._space if self._space > 0 else BLANK
        lm_state = self._lm.begin if self._lm else ()
        start = self._constraint.START if self._constraint else 0
        root = _Prefix(None, token, "", start, lm_state, HotWords.START, 0.0)
        root.blank = 1.0
        root.is_kept = True
        return root

    def _extended(self, prefix: _Prefix, token: int, state: int, weight: float) -> _Prefix:
        """The prefix with one more token, which has the factor that the token costs beside its acoustic probability.

        The token leads to a `state` of the constraint, which gives it a `weight`.
        """
        is_space = token == self._space
        word = "" if is_space else prefix.word + self.tokenizer.tokens[token]
        ahead = 0.0
        if self._looks_ahead and not is_space:
            ahead = self._ahead(prefix, state)
        step = weight + ahead - prefix.ahead
        if self._is_plain and not is_space:
            factor = math.exp(step) if step else 1.0
            return _Prefix(prefix, token, word, state, prefix.lm_state, prefix.hot, prefix.bias + step, ahead, factor)
        if is_space:
            step += self.word_bonus
        lm_state, hot = prefix.lm_state, prefix.hot
        if self._lm and (is_space or self._is_character):
            unit = prefix.word
            if self._is_character:
                unit = SPACE if is_space else self.tokenizer.tokens[token]
            log_prob, lm_state = self._lm.score(lm_state, unit)
            step += self.lm_weight * log_prob
        if self._hot:
            hot, completed = self._hot.step(hot, token, is_start=len(word) == 1)
            step += completed + self._hot.share(hot) - self._hot.share(prefix.hot)
        return _Prefix(prefix, token, word, state, lm_state, hot, prefix.bias + step, ahead, math.exp(step))

    def _ahead(self, prefix: _Prefix, state: int) -> float:
        """What the language model will add at best for a word once it has reached a state of the constraint.

        It is added while the word is spelled and taken back at its end (Ortmanns, Ney & Eiden 1996), so that a beam
        compares prefixes in the middle of words with those at their ends. Of several words the likeliest is taken, in
        no context; never more than was expected before, so that no letter makes a prefix likelier.
        """
        assert self._lm and self._constraint
        if self._only.get(prefix.state):
            return prefix.ahead
        if state not in self._only:
            words = self._constraint.words(state)
            # In this order: another thread that finds the one finds the other.
            self._likeliest[state] = max((self._lm.score((), word)[0] for word in words), default=0.0)
            self._only[state] = next(iter(words)) if len(words) == 1 else ""
        word = self._only[state]
        log_prob = self._lm.score(prefix.lm_state, word)[0] if word else self._likeliest[state]
        return min(prefix.ahead, self.lm_weight * log_prob)

    def _finished(self, beam: list[_Prefix], log_scale: float) -> list[Hypothesis]:
        """Hypotheses of the prefixes that may end here, those with the same words added up, best first."""
        acoustic: dict[_Prefix, float] = {}
        for prefix in beam:
            total = prefix.blank + prefix.token_end
            if total <= 0 or (self._constraint and not self._constraint.is_end(prefix.state)):
                continue
            # "one " and "one" are the same words.
            end = prefix.parent if prefix.parent and prefix.token == self._space else prefix
            log_prob = math.log(total) + log_scale - prefix.bias
            acoustic[end] = float(np.logaddexp(acoustic.get(end, -math.inf), log_prob))
        scored = [
            Hypothesis(self._text(prefix), log_prob + self._final_bias(prefix)) for prefix, log_prob in acoustic.items()
        ]
        return sorted(scored, key=lambda hypothesis: (-hypothesis.score, hypothesis.text))

    def _final_bias(self, prefix: _Prefix) -> float:
        """All that is added to the acoustic log-probability of a text that ends here."""
        bias, state = prefix.bias - prefix.ahead, prefix.lm_state
        if self._constraint:
            bias += self._constraint.end_weight(prefix.state)
        if prefix.word:
            bias += self.word_bonus
        if self._lm:
            if prefix.word and not self._is_character:
                log_prob, state = self._lm.score(state, prefix.word)
                bias += self.lm_weight * log_prob
            bias += self.lm_weight * self._lm.score_end(state)
        if self._hot:
            bias += self._hot.end(prefix.hot) - self._hot.share(prefix.hot)
        return bias

    def _text(self, prefix: _Prefix) -> str:
        tokens = []
        node: Any = prefix
        while node.parent:
            tokens.append(node.token)
            node = node.parent
        return self.tokenizer.decode(tokens[::-1])


_Row = tuple[list[float] | None, list[tuple[int, float, float]], float]


def _frames(
    probability: npt.NDArray[np.float64], blank_skip: float, floor: float, max_gain: npt.NDArray[np.float64]
) -> list[_Row]:
    """What each frame can be: probabilities by token, and the tokens worth a look as (token, its probability, the
    same times the `max_gain` that it may have), best first; or, for a run of frames with a confident blank, None and
    the run's log-probability.
    """
    is_blank = probability[:, BLANK] > blank_skip
    until = np.concatenate([[0.0], np.cumsum(np.log(np.where(is_blank, probability[:, BLANK], 1.0)))]).tolist()
    others = np.flatnonzero(~is_blank)
    rows = probability[others]
    reach = rows * max_gain
    order = np.argsort(-reach, axis=1, kind="stable").tolist()
    counts = (reach >= floor * rows.max(axis=1, keepdims=True)).sum(axis=1).tolist()
    frames: list[_Row] = []
    previous = 0
    for frame, row, reached, tokens, count in zip(
        others.tolist(), rows.tolist(), reach.tolist(), order, counts, strict=True
    ):
        if frame > previous:
            frames.append((None, [], until[frame] - until[previous]))
        looked = [(token, row[token], reached[token]) for token in tokens[:count] if token != BLANK]
        frames.append((row, looked, 0.0))
        previous = frame + 1
    if len(probability) > previous:
        frames.append((None, [], until[-1] - until[previous]))
    return frames
