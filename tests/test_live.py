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
