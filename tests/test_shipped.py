"""The model inside the package hears digits from voices that it was not trained on, and nothing where nobody speaks."""

from pathlib import Path

import numpy as np
import pytest

from asr import Recognizer, audio
from asr.decode.decoder import DecoderConfig
from asr.features import FeatureConfig
from asr.modelfile.locate import SHIPPED
from asr.modelfile.recognition_config import RecognitionConfig
from asr.noise import background
from asr.synthesis import espeak, speak
from asr.training.recipe import load

DIGITS = "zero one two three four five six seven eight nine".split()


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load()


def test_it_is_small_and_says_where_it_comes_from(recognizer):
    assert SHIPPED.stat().st_size < 300_000
    card = recognizer.card
    assert card.recipe["name"] == "digits" and card.version and card.commit
    assert len(recognizer.card.tokenizer) == 27
    assert card.recipe["data"]["folder"] == "data/digits", "no path of the machine that made it"
    assert not Path(card.recipe["train"]["init_from"]).is_absolute()


def test_it_is_what_its_recipe_trains(recognizer):
    recipe = load(Path(__file__).parents[1] / "recipes" / "digits.yaml").to_dict()
    of_the_run = {"seed", "init_from", "shards"}
    for section in ("data", "features", "recognition", "text", "model", "augment", "train"):
        shipped, now = recognizer.card.recipe[section], recipe[section]
        common = (shipped.keys() & now.keys()) - of_the_run  # settings come and go
        assert {name: shipped[name] for name in common} == {name: now[name] for name in common}
    assert recognizer.card.recognition == RecognitionConfig(**recipe["recognition"])
    assert recognizer.card.features == FeatureConfig(**recipe["features"])


def test_it_hears_its_words_from_unseen_voices(recognizer, tmp_path):
    lines = [
        espeak.Line(str(tmp_path / f"{word}-{voice}.wav"), word, f"en-us+{voice}")
        for word in DIGITS
        for voice in ("m3", "f1")
    ]
    speak.speak_all(lines, 16000)
    heard = [recognizer.transcribe(line.path).text == line.text for line in lines]
    assert np.mean(heard) >= 0.8


@pytest.mark.parametrize("noise_db", [60, 10])
def test_silence_around_a_word_costs_nothing(recognizer, tmp_path, noise_db):
    """As when somebody starts recording, speaks and stops it, also in noise; the word is said where it sounds."""
    lines = [espeak.Line(str(tmp_path / f"{word}-{voice}.wav"), word, f"en-us+{voice}")
             for word in DIGITS for voice in ("m1", "m3")]  # fmt: skip
    speak.speak_all(lines, 8000)
    rng = np.random.default_rng(0)
    alone, around, apart = [], [], []
    for line in lines:
        waveform = audio.read(line.path, 8000)
        before, after = (int(8000 * rng.uniform(1, 9)) for _ in range(2))
        level = np.sqrt(np.mean(np.square(waveform))) * 10 ** (-noise_db / 20)
        noisy = np.pad(waveform, (before, after))
        noisy += (level * rng.standard_normal(len(noisy))).astype(np.float32)
        heard = recognizer.transcribe(noisy, 8000)
        alone.append(recognizer.transcribe(noisy[before:-after], 8000).text == line.text)
        around.append(heard.text == line.text)
        loud = (before + np.flatnonzero(np.abs(waveform) > 0.05 * np.abs(waveform).max())[[0, -1]]) / 8000
        apart += [abs(heard.words[0].start_s - loud[0]), abs(heard.words[-1].end_s - loud[1])] if heard.words else []
        if heard.text == line.text:
            assert recognizer.align(noisy, line.text, 8000).words[0].start_s == heard.words[0].start_s
            assert recognizer.align(noisy, line.text, 8000).duration_s == heard.duration_s
    assert sum(around) >= sum(alone) - 1 >= 17
    assert np.median(apart) < 0.06


def test_words_with_pauses_between_them_are_heard_one_by_one(recognizer, tmp_path):
    words = DIGITS[::3]
    lines = [espeak.Line(str(tmp_path / f"{word}.wav"), word, "en-us+m3") for word in words]
    speak.speak_all(lines, 8000)
    sounds = [np.pad(audio.read(line.path, 8000), (0, 4000)) for line in lines]
    alone = [recognizer.transcribe(sound, 8000).text for sound in sounds]
    heard = recognizer.transcribe(np.concatenate(sounds), 8000)
    assert heard.text.split() == alone and len(heard.words) == len(words)


def test_it_hears_nothing_where_nobody_speaks(recognizer):
    assert recognizer.transcribe(np.zeros(16000, np.float32), 16000).text == ""
    rng = np.random.default_rng(0)
    heard = [recognizer.transcribe(background(rng, 16000, 16000), 16000).text for _ in range(50)]
    assert sum(map(bool, heard)) <= 5


@pytest.mark.parametrize("num_samples", [0, 1, 100, 200, 201, 1000])
def test_the_shortest_sounds_are_one_segment(recognizer, num_samples):
    sound = np.full(num_samples, 0.1, np.float32)
    ((_, ((segment, _),)),) = recognizer.recognise([sound], 8000)
    transcript = recognizer.transcribe(sound, 8000)
    assert segment.end_s == num_samples / 8000 and transcript.duration_s == pytest.approx(num_samples / 8000, abs=1e-3)
    assert all(0 <= word.start_s < word.end_s for word in transcript.words)


def test_it_hears_the_digits_of_people(real_speech, tmp_path):
    (tmp_path / "digits.txt").write_text("\n".join(DIGITS) + "\n")
    closed = Recognizer.load(decoding=DecoderConfig(lexicon=tmp_path / "digits.txt"))
    paths = sorted((real_speech / "fsdd" / "recordings").glob("*_1?.wav"))
    assert len(paths) == 400
    wrong = sum(closed.transcribe(path).text != DIGITS[int(path.name[0])] for path in paths)
    assert wrong / len(paths) <= 0.07


def test_real_speech_goes_through(recognizer, real_speech):
    transcript = recognizer.transcribe(real_speech / "ldc93s1" / "LDC93S1.wav")
    assert transcript.duration_s == pytest.approx(
        audio.info(real_speech / "ldc93s1" / "LDC93S1.wav").duration_s, abs=1e-3
    )
    assert set(transcript.text) <= set("abcdefghijklmnopqrstuvwxyz")
