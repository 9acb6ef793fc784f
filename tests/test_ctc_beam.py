"""Laws of the beam search, on emissions small enough to enumerate every path."""

import math
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode import kneser_ney, lm
from asr.decode.ctc_beam import BeamSearch
from asr.decode.greedy import Greedy
from asr.decode.hotwords import HotWords
from asr.decode.hypothesis import DecodeError
from asr.decode.lexicon import Lexicon
from asr.text import Tokenizer

ALPHABET = "ab "
TOKENIZER = Tokenizer(ALPHABET)
EVERYTHING = {"beam_width": 10**9, "beam_threshold": math.inf, "blank_skip": 1.0, "nbest": 10**9}
WORDS = ["a", "ab", "ba", "bab"]
CORPUS = ["a ab", "ba a ab", "ab", "ab ba", "b"]
emissions = st.builds(oracles.random_log_probs, st.integers(1, 5), st.just(4), st.integers(0, 10_000))


def language_model(is_character, order=2):
    return kneser_ney.estimate([lm.units(text, is_character=is_character) for text in CORPUS], order)


def scores(hypotheses):
    found = {hypothesis.text: hypothesis.score for hypothesis in hypotheses}
    assert len(found) == len(hypotheses), "every text once"
    return found


def agree(decoder, emission, **resources):
    got, expected = scores(decoder(emission)), oracles.hypotheses(emission, ALPHABET, **resources)
    assert got == pytest.approx(expected, abs=1e-9)
    assert list(got.values()) == sorted(got.values(), reverse=True), "best first"


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 12), num_frames=st.integers(1, 12))
def test_a_prefix_that_is_never_made_would_have_been_pruned(seed, width, num_frames):
    emission = oracles.random_log_probs(num_frames, 4, seed)
    decode = BeamSearch(Tokenizer("abc"), beam_width=width, beam_threshold=math.inf, blank_skip=1.0, nbest=width)
    expected = {
        "".join(" abc"[token] for token in prefix): math.log(mass)
        for prefix, mass in oracles.beam(np.exp(emission), width).items()
        if mass  # as aa in two frames has none
    }
    assert scores(decode(emission)) == pytest.approx(expected)


class TestABeamThatKeepsEverythingEqualsEnumeration:
    @settings(max_examples=40)
    @given(emission=emissions)
    def test_alone(self, emission):
        agree(BeamSearch(TOKENIZER, **EVERYTHING), emission)

    @settings(max_examples=40)
    @given(
        emission=emissions,
        is_character=st.booleans(),
        order=st.integers(1, 3),
        lm_weight=st.floats(0, 3),
        word_bonus=st.floats(-2, 2),
        entries=st.none() | st.lists(st.sampled_from([*WORDS, "a ba", "ab b"]), min_size=1, unique=True),
        hotwords=st.none() | st.dictionaries(st.sampled_from(["a", "ab", "a b", "b"]), st.floats(0, 4), min_size=1),
    )
    def test_with_all_that_is_known_of_the_words(
        self, emission, is_character, order, lm_weight, word_bonus, entries, hotwords
    ):
        model = language_model(is_character, order)
        decoder = BeamSearch(
            TOKENIZER, constraint=Lexicon(entries, TOKENIZER) if entries else None, lm=model, lm_weight=lm_weight,
            word_bonus=word_bonus, hotwords=hotwords, **EVERYTHING,
        )  # fmt: skip
        agree(
            decoder, emission, entries=entries, lm_weight=lm_weight, word_bonus=word_bonus, hotwords=hotwords,
            lm=lambda text: model.score_sentence(lm.units(text, is_character=is_character)),
        )  # fmt: skip

    @settings(max_examples=30)
    @given(emission=emissions, entries=st.lists(st.sampled_from(["a", "bc", "cab"]), min_size=1, unique=True))
    def test_an_alphabet_without_spaces_says_one_word(self, emission, entries):
        tokenizer = Tokenizer("abc")
        expected = oracles.hypotheses(emission, "abc", entries=entries)
        decoder = BeamSearch(tokenizer, constraint=Lexicon(entries, tokenizer), **EVERYTHING)
        assert scores(decoder(emission)) == pytest.approx(expected, abs=1e-9)


def any_search(test):
    given_search = given(emission=emissions, beam_width=st.integers(1, 6), nbest=st.integers(1, 5))
    return settings(max_examples=30)(given_search(test))


class TestWhatChangesNothing:
    @any_search
    def test_a_language_model_of_weight_0(self, emission, beam_width, nbest):
        plain = BeamSearch(TOKENIZER, beam_width=beam_width, nbest=nbest)
        for is_character in (False, True):
            weightless = BeamSearch(
                TOKENIZER, beam_width=beam_width, nbest=nbest, lm=language_model(is_character), lm_weight=0.0
            )
            assert weightless(emission) == plain(emission)

    @any_search
    def test_hot_words_without_a_boost(self, emission, beam_width, nbest):
        plain = BeamSearch(TOKENIZER, beam_width=beam_width, nbest=nbest)
        boosted = BeamSearch(TOKENIZER, beam_width=beam_width, nbest=nbest, hotwords={"ab": 0.0, "b a": 0.0})
        assert boosted(emission) == plain(emission)

    @any_search
    def test_asking_for_more_hypotheses(self, emission, beam_width, nbest):
        one = BeamSearch(TOKENIZER, beam_width=beam_width)
        more = BeamSearch(TOKENIZER, beam_width=beam_width, nbest=nbest)
        assert more(emission)[:1] == one(emission)

    @any_search
    def test_decoding_something_else_before(self, emission, beam_width, nbest):
        decoder = BeamSearch(TOKENIZER, beam_width=beam_width, nbest=nbest, lm=language_model(False))
        first = decoder(emission)
        decoder(emission[::-1])
        assert decoder(emission) == first


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    num_frames=st.integers(1, 40),
    beam_width=st.integers(1, 10),
    entries=st.lists(st.sampled_from([*WORDS, "b aa"]), min_size=1, unique=True),
)
def test_with_a_lexicon_every_text_is_made_of_its_entries(seed, num_frames, beam_width, entries):
    emission = oracles.random_log_probs(num_frames, 4, seed)
    decoder = BeamSearch(TOKENIZER, beam_width=beam_width, constraint=Lexicon(entries, TOKENIZER), nbest=5)
    hypotheses = decoder(emission)
    assert hypotheses
    for hypothesis in hypotheses:
        assert oracles.is_sequence(hypothesis.words, [tuple(entry.split()) for entry in entries])


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), num_frames=st.integers(1, 30))
def test_the_usual_beam_finds_what_the_widest_finds_where_the_emission_is_sure(seed, num_frames):
    emission = oracles.random_log_probs(num_frames, 4, seed) * 6
    emission -= np.logaddexp.reduce(emission, axis=1, keepdims=True)
    wide = BeamSearch(TOKENIZER, beam_width=300, beam_threshold=math.inf, blank_skip=1.0)(emission)[0]
    usual = BeamSearch(TOKENIZER)(emission)[0]
    assert wide.score - 0.5 <= usual.score <= wide.score + 1e-6


def peaks(text, alphabet, sure=0.98):
    """An emission that spells `text`: a frame for each character, and a blank after it."""
    tokens = [token for letter in text for token in (alphabet.index(letter) + 1, 0)]
    emission = np.full((len(tokens), len(alphabet) + 1), (1 - sure) / len(alphabet))
    emission[np.arange(len(tokens)), tokens] = sure
    return emission


def test_the_sum_over_paths_gives_a_where_the_best_path_gives_nothing():
    emission = np.log(np.array([[0.4, 0.35, 0.25], [0.4, 0.35, 0.25]]))
    assert Greedy(Tokenizer("ab"))(emission)[0].text == ""
    best = BeamSearch(Tokenizer("ab"))(emission)[0]
    assert best.text == "a"
    assert best.score == pytest.approx(math.log(0.35 * 0.35 + 2 * 0.35 * 0.4))


def test_a_language_model_turns_bugs_into_bunny():
    """pyctcdecode's example: the sound prefers "bugs" by a hair, the model knows neither."""
    alphabet = "bugsny "
    sure, rest = 0.51, 0.49
    hair = np.full((10, len(alphabet) + 1), 1e-6)
    for frame, (one, other) in enumerate(zip("bugs ", "bunny", strict=True)):
        hair[2 * frame, 0] = hair[2 * frame + 1, 0] = 1e-6
        hair[2 * frame + 1, 0] = 1.0
        if one == other:
            hair[2 * frame, alphabet.index(one) + 1] = 1.0
        else:
            hair[2 * frame, alphabet.index(one) + 1], hair[2 * frame, alphabet.index(other) + 1] = sure, rest
    emission = np.log(hair / hair.sum(axis=1, keepdims=True))
    tokenizer = Tokenizer(alphabet)
    assert BeamSearch(tokenizer)(emission)[0].text == "bugs"
    model = kneser_ney.estimate([["bunny"], ["bunny", "bunny"], ["gun"]], 2)
    assert BeamSearch(tokenizer, lm=model, lm_weight=1.0)(emission)[0].text == "bunny"
    assert BeamSearch(tokenizer, hotwords={"bunny": 2.0})(emission)[0].text == "bunny"
    assert BeamSearch(tokenizer, constraint=Lexicon(["bunny", "gun"], tokenizer))(emission)[0].text == "bunny"


def test_the_language_model_counts_before_a_word_ends():
    """Of two words that sound alike until their end the likelier one survives a beam of one prefix."""
    tokens = Tokenizer("abc ")
    emission = np.full((3, 5), 0.01)
    emission[0, 1], emission[0, 2], emission[1, 3], emission[2, 0] = 0.46, 0.51, 0.97, 0.97
    emission /= emission.sum(axis=1, keepdims=True)
    words = Lexicon(["ac", "bc"], tokens)
    model = kneser_ney.estimate([["ac"]] * 9 + [["bc"]], 1)
    for weight, best in ((1.0, "ac"), (0.0, "bc")):
        decoder = BeamSearch(tokens, constraint=words, lm=model, lm_weight=weight, beam_width=1)
        assert decoder(np.log(emission))[0].text == best


def test_hot_words_survive_a_narrow_beam():
    """Their first letters are paid for in advance: the beam of two would drop them otherwise."""
    alphabet = "abcx"
    emission = peaks("xbc", alphabet)
    emission[0] = [0.01, 0.15, 0.2, 0.24, 0.4]
    decoder = BeamSearch(Tokenizer(alphabet), beam_width=2, hotwords={"abc": 4.0})
    assert decoder(np.log(emission))[0].text == "abc"


def test_something_outside_the_lexicon_still_gives_an_entry_or_nothing():
    tokenizer = Tokenizer("abcdefgh ")
    emission = np.log(peaks("hhhh", "abcdefgh ", sure=1 - 1e-9))
    hypothesis = BeamSearch(tokenizer, beam_width=1, constraint=Lexicon(["abcdefg"], tokenizer))(emission)[0]
    assert hypothesis.text in ("", "abcdefg")


@pytest.mark.parametrize("decoder", [BeamSearch(TOKENIZER), Greedy(TOKENIZER)])
class TestEmissions:
    def test_those_that_do_not_sum_to_one_are_an_error(self, decoder):
        good = oracles.random_log_probs(5, 4)
        for bad in (good * 2, np.exp(good), np.zeros((5, 4)), np.full((5, 4), np.nan), np.full((5, 4), -np.inf)):
            with pytest.raises(DecodeError, match=r"frame 0 .* not to 1"):
                decoder(bad)
        padded = np.vstack([good, np.zeros((2, 4))])
        with pytest.raises(DecodeError, match="frame 5"):
            decoder(padded)
        with pytest.raises(DecodeError, match="two axes"):
            decoder(good[None])

    def test_without_frames_the_text_is_empty(self, decoder):
        assert [hypothesis.text for hypothesis in decoder(np.zeros((0, 4)))] == [""]

    def test_precision_changes_nothing(self, decoder):
        emission = oracles.random_log_probs(30, 4, 3)
        assert decoder(emission.astype(np.float32))[0].text == decoder(emission)[0].text

    def test_impossible_tokens_are_no_trouble(self, decoder):
        with np.errstate(divide="ignore"):
            emission = np.log(np.eye(4)[[0, 1, 0, 2, 3, 3, 0, 1]])
        assert decoder(emission)[0].text == "ab a"
        assert decoder(emission)[0].score == pytest.approx(0)


@settings(max_examples=30)
@given(emission=emissions, penalty=st.floats(0, 8))
def test_a_blank_penalty_is_another_emission(emission, penalty):
    penalised = np.exp(emission) * np.exp([-penalty] + [0.0] * (emission.shape[1] - 1))
    penalised /= penalised.sum(axis=1, keepdims=True)
    lexicon = Lexicon(WORDS, TOKENIZER)
    for resources in ({}, {"constraint": lexicon, "word_bonus": 1.0}):
        decoder = BeamSearch(TOKENIZER, blank_penalty=penalty, **resources, **EVERYTHING)
        expected = BeamSearch(TOKENIZER, **resources, **EVERYTHING)(np.log(penalised))
        assert scores(decoder(emission)) == pytest.approx(scores(expected), abs=1e-9)


def test_a_faint_letter_is_recognised_when_the_blank_costs_something():
    emission = np.log(np.array([[0.9, 0.1, 0, 0], [0.9, 0, 0.1, 0]]).clip(1e-12))
    emission -= np.logaddexp.reduce(emission, axis=1, keepdims=True)
    assert BeamSearch(TOKENIZER)(emission)[0].text == ""
    assert BeamSearch(TOKENIZER, blank_penalty=3.0)(emission)[0].text == "ab"


@settings(max_examples=60)
@given(
    emission=emissions,
    lm_weight=st.floats(0, 200),
    word_bonus=st.floats(-200, 200),
    boosts=st.dictionaries(st.sampled_from(["a", "b a", "ab b a", "a ab b a", "ab"]), st.floats(0, 200)),
    log_prob=st.floats(-1e9, 0),
    backoff=st.floats(-10, 1e9),
    is_closed=st.booleans(),
    is_character=st.booleans(),
)
def test_numbers_are_refused_or_give_scores(
    emission, lm_weight, word_bonus, boosts, log_prob, backoff, is_closed, is_character
):
    """However large: none overflows while it is decoded with."""
    alone = dict.fromkeys([("a",), ("b",), ("<space>",)] if is_character else [("a",), ("ab",)], (log_prob, backoff))
    model = lm.LanguageModel([alone, {("a", "b" if is_character else "ab"): (0.0, 0.0)}])
    lexicon = Lexicon(WORDS, TOKENIZER) if is_closed else None
    try:
        decoder = BeamSearch(TOKENIZER, constraint=lexicon, lm=model, lm_weight=lm_weight, word_bonus=word_bonus,
                             hotwords=boosts)  # fmt: skip
    except DecodeError as error:
        assert "lm_weight" in str(error) or "word_bonus" in str(error)
    else:
        found = decoder(emission)
        assert found and not any(math.isnan(hypothesis.score) for hypothesis in found)


def test_an_emission_over_another_alphabet_is_an_error():
    with pytest.raises(DecodeError, match="5 tokens"):
        BeamSearch(TOKENIZER)(oracles.random_log_probs(3, 5))


@pytest.mark.parametrize("wrong", [{"beam_width": 0}, {"nbest": 0}, {"lm_weight": -1}, {"word_bonus": math.nan},
                                   {"beam_threshold": 0}, {"blank_penalty": -1},
                                   {"blank_penalty": math.inf}, {"word_bonus": 800}, {"lm_weight": 500},
                                   {"lm_weight": math.nan}, {"hotwords": {"a": 1000}},
                                   {"hotwords": {"a": math.nan}}])  # fmt: skip
def test_numbers_that_make_no_sense_are_errors(wrong):
    with pytest.raises(DecodeError):
        BeamSearch(TOKENIZER, **wrong)


def test_hot_words_have_a_share_of_their_boost_while_they_are_spelled():
    hot = HotWords({"ab": 4.0, "b a": 3.0}, TOKENIZER)
    a, b, space = TOKENIZER.encode("ab ")
    state, completed = hot.step(HotWords.START, a, is_start=True)
    assert (hot.share(state), hot.end(state), completed) == (2.0, 0.0, 0.0)
    state, _ = hot.step(state, b, is_start=False)
    assert (hot.share(state), hot.end(state)) == (4.0, 4.0)
    state, completed = hot.step(state, space, is_start=False)
    assert (completed, hot.share(state)) == (4.0, 0.0)


class Sentences:
    """A Constraint of whole sentences, each with the logarithm of its probability: spread evenly over its tokens."""

    START = 0

    def __init__(self, weights):
        self.weights = weights
        self.prefixes = [""]
        self.total = lambda prefix: max(
            (weight * len(prefix) / len(text) for text, weight in weights.items() if text.startswith(prefix) and text),
            default=0.0,
        )

    def steps(self, state):
        prefix, steps = self.prefixes[state], {}
        for text in [*self.weights, *(f"{text} " for text in self.weights)]:
            if text.startswith(prefix) and len(text) > len(prefix):
                longer = text[: len(prefix) + 1]
                if longer not in self.prefixes:
                    self.prefixes.append(longer)
                token = TOKENIZER.encode(longer[-1])[0]
                steps[token] = (self.prefixes.index(longer), min(0.0, self.total(longer) - self.total(prefix)))
        return steps

    def is_end(self, state):
        return self.prefixes[state].rstrip() in {"", *self.weights}

    def end_weight(self, state):
        return -0.25 if self.prefixes[state] else 0.0

    def resume(self, state):
        raise NotImplementedError

    def words(self, state):
        prefix = self.prefixes[state]
        begun = prefix.rpartition(" ")[2]
        at = len(prefix.split()) - 1
        return {text.split()[at] for text in self.weights if begun and text.startswith(prefix)}

    def weight(self, text):
        steps = [self.total(text[:end]) - self.total(text[: end - 1]) for end in range(1, len(text) + 1)]
        return sum(min(0.0, step) for step in steps) - 0.25 * bool(text)


@settings(max_examples=40)
@given(
    emission=emissions,
    weights=st.dictionaries(st.sampled_from(["a", "ab", "a b", "b a b", "ba", "ab a"]), st.floats(-9, 0), min_size=1),
    lm_weight=st.floats(0, 2),
    word_bonus=st.floats(-2, 2),
)
def test_any_constraint_says_what_is_accepted_and_what_it_weighs(emission, weights, lm_weight, word_bonus):
    constraint, model = Sentences(weights), language_model(False)
    decoder = BeamSearch(
        TOKENIZER, constraint=constraint, lm=model, lm_weight=lm_weight, word_bonus=word_bonus, **EVERYTHING
    )
    everything = oracles.hypotheses(
        emission,
        ALPHABET,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        lm=lambda text: model.score_sentence(text.split()),
    )
    expected = {text: score + constraint.weight(text) for text, score in everything.items() if text in {"", *weights}}
    assert scores(decoder(emission)) == pytest.approx(expected, abs=1e-9)


def test_threads_may_share_a_decoder():
    model, switch = language_model(False), sys.getswitchinterval()
    expected = [oracles.random_log_probs(12, 4, seed) for seed in range(6)]
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(4):
            words = Lexicon([*WORDS, "a ba", "ab b", "b a b"], TOKENIZER)
            decoder = BeamSearch(TOKENIZER, constraint=words, lm=model, beam_width=8)
            with ThreadPoolExecutor(6) as pool:
                together = list(pool.map(decoder, expected))
            alone = BeamSearch(TOKENIZER, constraint=Lexicon([*WORDS, "a ba", "ab b", "b a b"], TOKENIZER), lm=model,
                               beam_width=8)  # fmt: skip
            assert together == [alone(emission) for emission in expected]
    finally:
        sys.setswitchinterval(switch)
