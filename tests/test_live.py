"""Live recognition: blocks change nothing, a recording gives the same, memory does not grow, partials come in time."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr import audio
from asr.audio import AudioError
from asr.decode.decoder import DecoderConfig
from asr.errors import UserError
from asr.recognition.live import Final, Live, LiveConfig, Partial
from asr.recognition.recognizer import Recognizer
from asr.synthesis import espeak

RATE = 8000
WORDS = "seven two nine four six one eight three".split()


def silence(seconds, rng, rate=RATE):
    return (3e-4 * rng.standard_normal(round(seconds * rate))).astype(np.float32)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load()


@pytest.fixture(scope="module")
def spoken():
    """Eight digits in faint noise, with pauses of 0.7 to 1.5 s: (num_samples,) at 8 kHz, 15 s of it."""
    synthesizer, rng = espeak.Synthesizer(), np.random.default_rng(0)
    parts = [silence(1.2, rng)]
    for word in WORDS:
        waveform = synthesizer.speak(espeak.Line("", word, "en-us+m3"))
        waveform = audio.resample(waveform, synthesizer.sample_rate, RATE)
        parts += [0.5 * waveform, silence(rng.uniform(0.7, 1.5), rng)]
    waveform = np.concatenate(parts)
    return waveform + silence(len(waveform) / RATE, rng)


def events(live, waveform, sizes):
    """What comes of a waveform in blocks of these sizes, over and over."""
    found, start, turn = [], 0, 0
    while start < len(waveform):
        size = sizes[turn % len(sizes)]
        found += live.feed(waveform[start : start + size])
        start, turn = start + size, turn + 1
    return found + live.flush()


def finals(live, waveform, sizes):
    return [event for event in events(live, waveform, sizes) if isinstance(event, Final)]


def text(found):
    return " ".join(final.text for final in found if final.text)


def words(found):
    return [word for final in found for word in final.transcript.words]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 2000))
def test_blocks_change_nothing(recognizer, spoken, sizes):
    live = Live(recognizer, LiveConfig(partial_ms=0))
    assert finals(live, spoken, sizes) == finals(live, spoken, [80])


@pytest.mark.parametrize("config", [LiveConfig(), LiveConfig(min_silence_ms=700, max_segment_s=4, look_ahead_ms=200)])
def test_finals_are_what_a_recording_gives(recognizer, spoken, config):
    found = finals(Live(recognizer, config), spoken, [800])
    whole = config.of(recognizer).transcribe(spoken, RATE)
    assert text(found) == whole.text and len(found) >= 4
    assert words(found) == list(whole.words)


def test_of_a_long_recording_finals_are_what_the_recogniser_gives_anyway(recognizer, spoken):
    long = np.concatenate([spoken] * 3)
    assert len(long) > 30 * RATE
    found, whole = finals(Live(recognizer), long, [800]), recognizer.transcribe(long, RATE)
    assert text(found) == whole.text and len(whole.text.split()) >= 15
    for live, word in zip(words(found), whole.words, strict=True):
        assert (live.text, live.start_s, live.end_s) == (word.text, word.start_s, word.end_s)
        assert live.confidence == pytest.approx(word.confidence, abs=1e-3)


def test_real_speech(real_speech):
    recognizer = Recognizer.load(decoding=DecoderConfig())
    folder, rng = real_speech / "fsdd" / "recordings", np.random.default_rng(1)
    parts = [silence(1, rng)]
    for digit in range(10):
        parts += [audio.read(folder / f"{digit}_theo_0.wav", RATE), silence(0.9, rng)]
    waveform = np.concatenate(parts)
    found = finals(Live(recognizer), waveform, [80])
    assert text(found) == LiveConfig().of(recognizer).transcribe(waveform, RATE).text
    assert len(found) >= 8


def test_partials_come_while_somebody_speaks_and_lead_to_the_final(recognizer, spoken):
    found = events(Live(recognizer), spoken, [80])
    partials = [event for event in found if isinstance(event, Partial)]
    ends = [partial.end_s for partial in partials]
    grown = [later - earlier for earlier, later in itertools.pairwise(ends) if later > earlier]
    assert min(grown) >= 0.099 and len(grown) >= 0.7 * len(ends), "now and then the silence after a word is taken back"
    assert all(0 <= partial.num_stable <= max(0, len(partial.words) - 1) for partial in partials)
    right = 0
    for before, event in itertools.pairwise(found):
        if isinstance(event, Final) and isinstance(before, Partial):
            assert event.start_s <= before.end_s
            right += before.text == event.text
    assert right >= 6, "the last partial is nearly always the final"
    assert not any(
        isinstance(event, Partial) for event in events(Live(recognizer, LiveConfig(partial_ms=0)), spoken, [80])
    )


def test_of_several_words_the_first_become_stable():
    sentence = ["two", "nine"]
    from asr.recognition import live

    assert live._num_alike([sentence, [*sentence, "s"], [*sentence, "six"]]) == 2
    assert live._num_alike([[], sentence]) == 0


def test_finals_come_as_soon_as_the_pause_is_long_enough(recognizer, spoken):
    live, reached = Live(recognizer), 0.0
    config = live._recognizer.frontend.speech
    wait_s = (max(config.min_silence_ms, 2 * config.margin_ms) + config.look_ahead_ms) / 1000
    for start in range(0, len(spoken), 80):
        for event in live.feed(spoken[start : start + 80]):
            reached = (start + 80) / RATE
            if isinstance(event, Final):
                # A block of ten frames, its window, and the smoothing.
                assert reached - (event.end_s - config.margin_ms / 1000) <= wait_s + 0.3


def test_sound_at_another_rate_and_of_16_bits(recognizer, spoken):
    at_16 = audio.resample(spoken, RATE, 16000)
    found = finals(Live(recognizer, sample_rate=16000), at_16, [160, 1601])
    assert found == finals(Live(recognizer, sample_rate=16000), at_16, [16000])
    assert text(found) == text(finals(Live(recognizer), spoken, [800]))
    whole = np.round(spoken * 32767).astype(np.int16)
    assert text(finals(Live(recognizer), whole, [800])) == text(found)


def test_after_the_end_another_sound_begins(recognizer, spoken):
    live = Live(recognizer)
    assert live.flush() == []
    first = finals(live, spoken, [800])
    assert finals(live, spoken, [800]) == first
    assert finals(live, spoken[: round(2.2 * RATE)], [800])[0].transcript.words[0].start_s < 2.2


def test_no_sound_is_refused(recognizer):
    live = Live(recognizer)
    for block in (np.full(80, np.nan), np.zeros((80, 2), np.float32), np.zeros(80, np.int32)):
        with pytest.raises(AudioError):
            live.feed(block)
    for name in ("min_silence_ms", "max_segment_s", "min_speech_ms"):
        with pytest.raises(UserError, match=name):
            LiveConfig(**{name: 0.0})
    with pytest.raises(UserError, match="partial_ms"):
        LiveConfig(partial_ms=-1)


def state_bytes(live):
    """How much a stream holds."""
    live._stream._cepstra._mfcc = None  # its tables are the model's
    size = len(pickle.dumps((live._stream, live._recent)))
    live._stream._cepstra._mfcc = live._recognizer.frontend.extractor.mfcc
    return size


@pytest.mark.parametrize("minutes", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_memory_does_not_grow(recognizer, spoken, minutes):
    """Without sound, with speech, with a hum that never ends: what a stream holds is bounded by its longest segment."""
    rng, config = np.random.default_rng(2), LiveConfig(partial_ms=0, max_segment_s=8)
    hum = 0.1 * np.sin(np.arange(60 * RATE) * 2 * np.pi * 440 / RATE * (1 + 0.3 * np.sin(np.arange(60 * RATE) / 4000)))
    sounds = [np.resize(spoken, 60 * RATE), hum.astype(np.float32), silence(60, rng), np.zeros(60 * RATE, np.float32)]
    live, sizes = Live(recognizer, config), []
    for minute in range(minutes):
        for block in np.split(sounds[minute % 4], 60):
            live.feed(block)
            sizes.append(state_bytes(live))
    seconds = config.max_segment_s + live._recognizer.frontend.speech.noise_window_s + 4
    assert max(sizes) < 8 * 40 * 100 * seconds + 20_000, "doubles, bands and cepstra of a frame, frames a second"
    assert max(sizes[len(sizes) // 2 :]) <= 1.02 * max(sizes[: len(sizes) // 2]) or minutes == 4


THREE = """
language: en
intents: {Digits: {data: [{sentences: ["{one} {two} {three}", "light on", "light on at {one}"]}]}}
lists: {one: {values: [DIGITS]}, two: {values: [DIGITS]}, three: {values: [DIGITS]}}
""".replace("DIGITS", ", ".join(WORDS))


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    path = tmp_path_factory.mktemp("sentences") / "three.yaml"
    path.write_text(THREE, "utf-8")
    return Recognizer.load("english_small", decoding=DecoderConfig(sentences=path))


@pytest.fixture(scope="module")
def said_in_threes():
    """Sentences of three digits with pauses of 1.6 s, at 16 kHz."""
    synthesizer, rng, parts = (
        espeak.Synthesizer(),
        np.random.default_rng(0),
        [silence(2.2, np.random.default_rng(3), 16000)],
    )
    for words in (WORDS[:3], WORDS[3:6], WORDS[5:]):
        for word in words:
            spoken = synthesizer.speak(espeak.Line("", word, "en-us+f2"))
            parts += [0.5 * audio.resample(spoken, synthesizer.sample_rate, 16000), silence(0.06, rng, 16000)]
        parts.append(silence(1.6, rng, 16000))
    return np.concatenate(parts)


def early_and_late(recognizer, waveform, size):
    """(seconds when it comes, final) of each final, with and without early ones."""
    found = []
    for config in (LiveConfig(partial_ms=0), LiveConfig(partial_ms=0, early_silence_ms=300)):
        live, came = Live(recognizer, config), []
        for start in range(0, len(waveform), size):
            came += [((start + size) / 16000, event) for event in live.feed(waveform[start : start + size])]
        found.append(came + [(len(waveform) / 16000, event) for event in live.flush()])
    return found


def test_where_nothing_can_follow_finals_come_earlier_with_the_same_texts(sentences, said_in_threes):
    late, early = early_and_late(sentences, said_in_threes, 160)
    assert [final.text for _, final in early if final.text] == [final.text for _, final in late if final.text]
    assert len(late) == 3 and all(final.is_early for _, final in early)
    assert all(soon_s < late_s - 0.8 for (soon_s, _), (late_s, _) in zip(early, late, strict=True))
    for size in (37, 5000, len(said_in_threes)):
        assert [final for _, final in early_and_late(sentences, said_in_threes, size)[1]] == [one for _, one in early]


def test_what_comes_after_an_early_final_replaces_it(sentences, said_in_threes):
    """Sentences so close that they are one segment: the last result of a start is what it is without early ones."""
    close = np.concatenate([said_in_threes[: round(4.4 * 16000)], said_in_threes[round(4.9 * 16000) :]])
    late, early = early_and_late(sentences, close, 160)
    assert list({final.start_s: final.text for _, final in early}.values()) == [final.text for _, final in late]


def test_when_something_can_follow(sentences, recognizer):
    from asr.recognition.early import Completion

    of = Completion(sentences.constraint, sentences.card.tokenizer, sentences.frontend.config, 300.0)
    whole, parts = ("one two three", "light on at seven"), ("light on", "one two", "on light", "")
    assert all(map(of.is_complete, whole)) and not any(map(of.is_complete, parts))
    lexicon = Recognizer.load(decoding=DecoderConfig(lexicon=["seven", "seventeen", "two"]))
    of = Completion(lexicon.resources.lexicon, lexicon.card.tokenizer, lexicon.frontend.config, 300.0)
    assert [of.is_complete(word) for word in ("seven", "seventeen", "two")] == [False, True, True]
    with pytest.raises(UserError):
        LiveConfig(early_silence_ms=0)
    plain = Live(recognizer, LiveConfig(early_silence_ms=300))  # knows no words: as without
    found = [*plain.feed(np.zeros(RATE, np.float32)), *plain.flush()]
    assert not any(isinstance(event, Final) and event.is_early for event in found)
