"""Which decoder, and what it knows: settings -> a Decoder for one alphabet.

What only the beam needs is imported where a beam is made: most starts are for the best path alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asr.decode.greedy import Greedy
from asr.decode.hypothesis import DecodeError, Decoder
from asr.text import TextConfig, Tokenizer

if TYPE_CHECKING:
    from asr.decode.constraint import Constraint
    from asr.decode.lexicon import Lexicon
    from asr.decode.lm import LanguageModel

LM_WEIGHT, WORD_BONUS, BEAM_WIDTH = 0.5, 1.5, 50
_CONSTRAINTS = ("lexicon", "sentences")
_OF_THE_BEAM = (
    *_CONSTRAINTS, "lm", "hotwords", "beam_width", "lm_weight", "word_bonus", "blank_penalty", "garbage_penalty",
    "grammar_weight"
)  # fmt: skip


@dataclass(frozen=True)
class DecoderConfig:
    """How log-probabilities become text. None: what suits the other settings."""

    decoder: Literal["greedy", "beam"] | None = None
    """None: beam where anything below asks for one."""
    lexicon: str | Path | Sequence[str] | None = None
    """A file of words and phrases, one on a line, or the words and phrases: nothing else is recognised."""
    sentences: str | Path | None = None
    """A file of sentences, see asr.grammar: nothing else is recognised; None: those of the model, if it has some."""
    lm: str | Path | None = None
    """An n-gram model in ARPA format, over words or characters."""
    hotwords: str | Path | Sequence[str] | Mapping[str, float] | None = None
    """Words and phrases that are likelier here: a file of them, one on a line, each with a tab and its boost where
    wanted; or the words and phrases, or their boosts by word."""
    beam_width: int | None = None
    """Prefixes that are kept; None: BEAM_WIDTH."""
    lm_weight: float | None = None
    """None: what was tuned for the model, else LM_WEIGHT."""
    word_bonus: float | None = None
    """Added for each word; None: what was tuned for the model, else with an `lm` WORD_BONUS, without one 0."""
    blank_penalty: float | None = None
    """Taken from the log-probability of the blank in every frame; None: what was tuned for the model, else 0."""
    garbage_penalty: float | None = None
    """Nats that a word of other speech costs beside a lexicon or sentences; inf: there is none; None: what was tuned,
    else inf."""
    grammar_weight: float | None = None
    """Weight of the log-probabilities that sentences have in their grammar; None: what was tuned, else 0."""
    nbest: int = 1
    """Hypotheses wanted."""

    def __post_init__(self) -> None:
        for name in ("lexicon", "hotwords"):
            given = getattr(self, name)
            if isinstance(given, Sequence) and not isinstance(given, str):
                object.__setattr__(self, name, tuple(given))
        wanted = [name for name in _OF_THE_BEAM if getattr(self, name) is not None]
        wanted += ["nbest"] * (self.nbest != 1)
        if self.decoder == "greedy" and wanted:
            raise DecodeError(f"the greedy decoder has no {wanted[0]}; leave it out, or take the beam")
        if self.decoder is None:
            object.__setattr__(self, "decoder", "beam" if wanted else "greedy")
        if self.lexicon is not None and self.sentences is not None:
            raise DecodeError("a lexicon and sentences both say all that is recognised; name one of them")
        if self.garbage_penalty is not None and not self.garbage_penalty > 0:
            raise DecodeError(f"garbage_penalty must be above 0, not {self.garbage_penalty:g}")
        if self.grammar_weight is not None and not 0 <= self.grammar_weight < math.inf:
            raise DecodeError(f"grammar_weight must be at least 0, not {self.grammar_weight:g}")
        if self.lm_weight is not None and self.lm is None:
            raise DecodeError("an lm_weight without an lm weighs nothing; name the model, or leave the weight out")

    @property
    def kind(self) -> str:
        """The name under which what was tuned for such a decoder is stored with a model, as in "beam+lexicon+lm"."""
        named = [name for name in (*_CONSTRAINTS, "lm") if getattr(self, name) is not None]
        return "+".join([str(self.decoder), *named])


@dataclass(frozen=True)
class DecodingResources:
    """The files that a configuration names, read once; `decoder` may then be called with many weights."""

    config: DecoderConfig
    tokenizer: Tokenizer
    lexicon: "Lexicon | None"
    lm: "LanguageModel | None"
    hotwords: dict[str, float] | None

    @classmethod
    def read(cls, config: DecoderConfig, text: TextConfig) -> "DecodingResources":
        """Read the files; raises DecodeError naming file and line, and where two of them contradict each other."""
        tokenizer = Tokenizer(text.alphabet)
        if config.decoder == "greedy":
            return cls(config, tokenizer, None, None, None)
        from asr.decode import hotwords, lexicon, lm

        words = lexicon.read_words(config.lexicon, text) if config.lexicon is not None else None
        model = lm.read(config.lm) if config.lm is not None else None
        if model and not any(_is_spelled(word, text) for word in model.vocabulary):
            raise DecodeError(
                f"{config.lm}: the model's alphabet, {text.alphabet!r}, cannot spell a word of it; is it "
                "of the same case?"
            )
        hot = hotwords.read_hotwords(config.hotwords, text) if config.hotwords is not None else None
        if words is not None and hot:
            _check_hotwords(hot, words)
        if model:
            for kind, entries in (("the lexicon", words), ("the hot words", hot)):
                lm.check_vocabulary(model, entries or (), kind, str(config.lm), has_space=" " in text.alphabet)
        return cls(config, tokenizer, lexicon.Lexicon(words, tokenizer) if words is not None else None, model, hot)

    def weights(
        self, lm_weight: float | None, word_bonus: float | None, blank_penalty: float | None
    ) -> tuple[float, float, float]:
        """Weight of the language model, bonus of a word, penalty of a blank.

        Each is the configuration's, else that which is given, else the default.
        """
        config = self.config
        choices = (
            (config.lm_weight, lm_weight, LM_WEIGHT),
            (config.word_bonus, word_bonus, WORD_BONUS if self.lm else 0.0),
            (config.blank_penalty, blank_penalty, 0.0),
        )
        first, second, third = (next(value for value in values if value is not None) for values in choices)
        return first, second, third

    def decoder(
        self,
        lm_weight: float | None = None,
        word_bonus: float | None = None,
        blank_penalty: float | None = None,
        constraint: "Constraint | None" = None,
        garbage_penalty: float | None = None,
    ) -> Decoder:
        """The decoder, with the `weights` that follow from these; `constraint` instead of the lexicon.

        `garbage_penalty` is that of the configuration where it names one; without any there is no other speech.
        """
        config = self.config
        if config.decoder == "greedy" and constraint is None:
            return Greedy(self.tokenizer)
        lm_weight, word_bonus, blank_penalty = self.weights(lm_weight, word_bonus, blank_penalty)
        weights = {"lm_weight": lm_weight, "word_bonus": word_bonus, "blank_penalty": blank_penalty}
        accepted = constraint or self.lexicon
        penalty = garbage_penalty if config.garbage_penalty is None else config.garbage_penalty
        if accepted is None or penalty is None or penalty == math.inf:
            return self._beam(accepted, weights)
        from asr.decode.garbage import GarbageDecoder, WithGarbage

        with_garbage = WithGarbage(accepted, self.tokenizer, penalty)
        return GarbageDecoder(self._beam(with_garbage, weights), with_garbage, self._beam(accepted, weights))

    def _beam(self, constraint: "Constraint | None", weights: Mapping[str, float]) -> Decoder:
        from asr.decode.ctc_beam import BeamSearch

        config = self.config
        return BeamSearch(
            self.tokenizer,
            constraint=constraint,
            lm=self.lm,
            hotwords=self.hotwords,
            beam_width=config.beam_width or BEAM_WIDTH,
            nbest=config.nbest,
            **weights,
        )


def _check_hotwords(hot: Iterable[str], words: Iterable[str]) -> None:
    known = {word for entry in words for word in entry.split()}
    for phrase in hot:
        if not known.issuperset(phrase.split()):
            raise DecodeError(
                f"the hot word {phrase!r} is not in the lexicon, so that it is never recognised; add it there"
            )


def _is_spelled(word: str, text: TextConfig) -> bool:
    from asr.decode import lm

    return word not in (lm.BEGIN, lm.END, lm.UNKNOWN, lm.SPACE) and set(word) <= set(text.alphabet)
