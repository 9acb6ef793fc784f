"""Other speech beside a lexicon or sentences: what it costs, and which words it is, against every reading there is."""

import itertools
import math

import numpy as np
import pytest

from asr.decode.ctc_beam import BeamSearch
from asr.decode.decoder import DecoderConfig, DecodingResources
from asr.decode.garbage import GarbageDecoder, WithGarbage
from asr.decode.hypothesis import DecodeError
from asr.decode.lexicon import Lexicon
from asr.grammar import network, rules
from asr.grammar.graph import Graph
from asr.grammar.intent import Parser
from asr.text import TextConfig, Tokenizer

TEXT = TextConfig(alphabet="ab ")
TOKENIZER = Tokenizer(TEXT.alphabet)
PENALTY = 1.5


def texts(longest):
    """Every text of two letters with single spaces."""
    for length in range(longest + 1):
        for letters in itertools.product("ab ", repeat=length):
            text = "".join(letters)
            if text == " ".join(text.split()):
                yield text


def cost(constraint, text):
    """What a text costs; None: it is not accepted."""
    state, total = constraint.START, 0.0
    for token in TOKENIZER.encode(text):
        step = constraint.steps(state).get(token)
        if step is None:
            return None
        state, weight = step
        assert weight <= 0
        total -= weight
    return total - constraint.end_weight(state) if constraint.is_end(state) else None


@pytest.mark.parametrize("entries", [["a"], ["ab", "ba"], ["a", "a b"], ["ab a", "b"]])
def test_a_word_that_is_in_no_entry_costs_one_penalty(entries):
    known = [tuple(entry.split()) for entry in entries]

    def cheapest(words):
        if not words:
            return 0.0
        kept = [cheapest(words[len(entry) :]) for entry in known if words[: len(entry)] == entry]
        return min([PENALTY + cheapest(words[1:]), *kept])

    opened = WithGarbage(Lexicon(entries, TOKENIZER), TOKENIZER, PENALTY)
    for text in texts(6):
        words = tuple(text.split())
        assert cost(opened, text) == pytest.approx(cheapest(words))
        others = opened.others(text)
        assert PENALTY * len(others) == pytest.approx(cheapest(words))
        kept = [word for index, word in enumerate(words) if index not in others]
        assert cheapest(tuple(kept)) == 0


def test_before_and_after_a_sentence_and_nowhere_in_it():
    made = network.build(rules.parse("intents: {A: ['a b [a]', 'bb a']}"), TEXT)
    opened = WithGarbage(Graph(made, TOKENIZER), TOKENIZER, PENALTY)
    sentences = [("a", "b"), ("a", "b", "a"), ("bb", "a")]
    for text in texts(7):
        words = tuple(text.split())
        spans = [end - start for start in range(len(words)) for end in range(start, len(words) + 1)
                 if words[start:end] in sentences]  # fmt: skip
        assert cost(opened, text) == pytest.approx(PENALTY * (len(words) - max(spans, default=0)))


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_a_sentence_weighs_what_its_best_path_is_worth(weight):
    grammar = rules.parse(
        "intents: {A: ['(a|b|ab) [a] (b|bb)', 'a {x}'], B: ['ab b', '(a;b;bb)']}\n"
        "lists: {x: {values: [b, a b, bb a]}}\nskip_words: [aa]"
    )
    made = network.build(grammar, TEXT)
    graph, parse = Graph(made, TOKENIZER, grammar.skip_words, weight), Parser(made, grammar.skip_words)
    accepted = 0
    for text in texts(7):
        meaning = parse(text)
        found = cost(graph, text)
        if text:
            assert (found is None) == (meaning is None)
        if meaning and found is not None:
            accepted += 1
            assert found == pytest.approx(-weight * meaning.score, abs=1e-4)
    assert accepted > 20
    assert graph.weighted(weight) is graph and graph.weighted(weight + 1) is not graph


def spelled(text, doubt=1e-3):
    """An emission that says a text, a frame a token with a blank after each."""
    rows = []
    for token in TOKENIZER.encode(text):
        for certain in (token, 0):
            row = np.full(len(TOKENIZER), doubt)
            row[certain] = 1 - doubt * (len(row) - 1)
            rows.append(row)
    return np.log(rows)


def test_other_speech_is_left_out_and_what_is_near_is_named():
    lexicon = Lexicon(["ab", "bb"], TOKENIZER)
    opened = WithGarbage(lexicon, TOKENIZER, 3.0)
    decode = GarbageDecoder(BeamSearch(TOKENIZER, constraint=opened), opened,
                            BeamSearch(TOKENIZER, constraint=lexicon))  # fmt: skip
    (best,) = decode(spelled("aba ab aa"), 1)
    assert (best.text, best.spoken, best.others) == ("ab", "aba ab aa", (0, 2))
    (refused,) = decode(spelled("aaaa"), 1)
    assert (refused.text, refused.others) == ("", (0,)) and decode.nearest(spelled("aaaa")).startswith("ab")
    (known,) = decode(spelled("bb ab"), 1)
    assert (known.text, known.others) == ("bb ab", ())


def test_it_is_off_unless_asked_for():
    emission = spelled("aba")
    for given, stored, others in ((None, None, ()), (None, 2.0, (0,)), (math.inf, 2.0, ()), (2.0, None, (0,))):
        resources = DecodingResources.read(DecoderConfig(lexicon=["ab"], garbage_penalty=given), TEXT)
        assert resources.decoder(garbage_penalty=stored)(emission)[0].others == others
    with pytest.raises(DecodeError, match="garbage_penalty must be above 0"):
        DecoderConfig(garbage_penalty=0.0)
    with pytest.raises(DecodeError, match="grammar_weight must be at least 0"):
        DecoderConfig(grammar_weight=-1.0)
