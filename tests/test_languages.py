"""Languages: voices of espeak-ng, alphabets out of words, and a recipe in another language from synthesis alone."""

import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import REPOSITORY

from asr import audio
from asr.data import corpus
from asr.data.corpus import CorpusError
from asr.synthesis import alike, languages, neural
from asr.synthesis.cast import Cast
from asr.synthesis.errors import SynthesisError
from asr.synthesis.espeak import Line, Synthesizer
from asr.synthesis.speakers import draw_voice
from asr.training import recipe, run

RECIPES = REPOSITORY / "recipes"


def prepare(name):
    return corpus.load_script(RECIPES / "prepare" / f"{name}.py")


class TestVoices:
    def test_a_language_stands_for_all_of_its_voices(self):
        assert languages.accents("de") == ["de"]
        assert languages.accents("pt") == ["pt", "pt-br"] and languages.accents("pt_BR") == ["pt-br"]
        assert {"fr", "fr-be", "fr-ch"} == set(languages.accents("fr"))
        assert languages.accents("no") == languages.accents("nb") == ["nb"]
        assert {"en-us", "en-gb-scotland"} <= set(languages.accents("en"))

    def test_an_unknown_language_is_named_beside_the_nearest(self):
        with pytest.raises(SynthesisError, match=r"no language 'de-xx'; near it are .*de"):
            languages.accents("de-xx")

    @pytest.mark.parametrize(
        ("language", "word", "phonemes"),
        [("de", "grün", "ɡɾˈyːn"), ("tr", "ışık", "ɯʃˈɯk"), ("el", "καλημέρα", "kˌalimˈera"),
         ("ru", "привет", "prʲivʲˈet"), ("hi", "नमस्ते", "nəmˈʌsteː")],
    )  # fmt: skip
    def test_drawn_speakers_speak_it_as_espeak_does(self, language, word, phonemes):
        drawn = {"drawn": draw_voice(np.random.default_rng(0))}
        synthesizer = Synthesizer(drawn, languages.accents(language))
        assert synthesizer.phonemes(word, language) == phonemes
        assert len(synthesizer.speak(Line("", word, f"{language}+drawn"))) > 0.1 * synthesizer.sample_rate

    def test_neural_voices_that_do_not_speak_it_are_passed_over(self, monkeypatch):
        voices = {
            name: SimpleNamespace(num_speakers=2, languages={language}, reads_phonemes=True)
            for name, language in (("heart", "en"), ("thorsten.onnx", "de"))
        }
        monkeypatch.setattr(neural, "load", voices.get)
        rng = np.random.default_rng(0)
        cast = Cast.draw(rng, 2, "de", "heart thorsten.onnx heart")
        assert cast.networks == ["thorsten.onnx"] and "heart speaks en and not de" in cast.notes[0]
        assert cast.neural_speaker(5, rng).voice.startswith("de+thorsten.onnx:")
        assert cast.speaker("dev", rng).voice.partition("+")[0] == "de"


class TestAlike:
    def test_what_sounds_as_a_word_or_nearly_as_one(self):
        words = {"two": ["tu"], "four": ["fɔɹ"]}
        others = alike.sounds({word: word for word in "to too for two door zoo fort fortune or a".split()})
        assert alike.alike(words, others) == {"to", "too", "for", "two"}
        assert set(alike.near(words, others)) - alike.alike(words, others) == {"door", "zoo", "fort", "or"}


WORDS = {
    "de": ("grün, Öffne die Tür, straße", " adefginrstößü"),
    "tr": ("ışık, İYİ, KIZ", "ikyzış"),
    "ru": ("привет, открой дверь", " вдеийкопртьр"),
}


class TestARecipeInAnotherLanguage:
    @pytest.mark.parametrize(
        "language", ["tr", pytest.param("de", marks=pytest.mark.slow), pytest.param("ru", marks=pytest.mark.slow)]
    )
    def test_its_alphabet_is_that_of_its_words_and_shown(self, tmp_path, language, caplog):
        caplog.set_level(logging.INFO)
        words, alphabet = WORDS[language]
        settings = [f"data.language={language}", f"data.words={words}", f"data.folder={tmp_path}/data",
                    "data.utterances_per_word=2", "data.held_out_per_word=1", "data.num_voices=2", "data.also_words=",
                    "data.noise_share=0", "train.init_from=english", "train.epochs=1", f"run_dir={tmp_path}/run",
                    "data.neural_voices=", "data.general=0", "data.other_speech=0"]  # fmt: skip
        result = run.start(RECIPES / "english_letters.yaml", settings)
        expected = "".join(sorted(set(alphabet)))
        assert f"{len(expected)} characters of the transcripts: {expected!r}" in caplog.text
        resolved = recipe.load(tmp_path / "run" / "recipe.yaml")
        assert resolved.text.alphabet == expected and resolved.text.language == language
        texts = {line.split(" (")[0] for line in (result.run / "test.ref.trn").read_text("utf-8").splitlines()}
        assert texts == set(map(resolved.text.normalise, words.split(", ")))

    def test_words_that_are_not_given_are_english(self, tmp_path):
        with pytest.raises(CorpusError, match=r"data\.words: name some words in the language 'de'"):
            prepare("synthetic")(folder=tmp_path, language="de")

    def test_other_speech_needs_text(self, tmp_path):
        with pytest.raises(CorpusError, match=r"data\.text: name a file of sentences in the language 'de'"):
            prepare("synthetic")(folder=tmp_path, language="de", words="ja nein", other_speech=1)


class TestOtherSpeech:
    @pytest.fixture
    def splits(self, tmp_path, monkeypatch):
        from asr.synthesis import speak

        monkeypatch.setattr(speak, "speak_all", lambda made, *_, **__: self.lines.extend(made) or [1.0] * len(made))
        monkeypatch.setitem(sys.modules, "wordfreq", None)  # without it there are words of our own
        self.lines = []
        return prepare("synthetic")(
            folder=tmp_path, words="two four nine", most_words=2, utterances_per_word=1, held_out_per_word=1,
            num_voices=3, general=200, other_speech=200, held_out_other=20, carrier_share=0.4,
        )  # fmt: skip

    def test_of_other_speech_only_the_words_are_written_down(self, splits):
        written = {}
        for line, utterance in zip(self.lines[-240:-40], splits.train[-200:], strict=True):
            written.setdefault(len(utterance.text.split()), []).append(line.text)
            assert set(utterance.text.split()) <= {"two", "four", "nine"}
            others = line.text.replace(",", "").split()
            for word in utterance.text.split():
                others.remove(word)
            assert not {"two", "to", "too", "four", "for", "nine"} & set(others)
        assert set(written) == {0, 1, 2} and 90 < len(written[0]) < 150
        near = {line for line in written[0] if " " not in line}
        assert {"fine", "line"} & near, "words that nearly sound as one"

    def test_general_speech_is_written_down(self, splits):
        texts = [utterance.text for utterance in splits.train[-400:-200]]
        assert all(texts) and any("two" in text.split() for text in texts)
        assert sum(not utterance.text for utterance in splits.dev) > 5


def test_recordings_of_ones_own_and_voices_that_say_the_same(tmp_path):
    rng = np.random.default_rng(0)
    for word in ("über_uns", "tür"):
        for number in range(6):
            path = tmp_path / "mine" / word / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, rng.uniform(-0.1, 0.1, 8000).astype(np.float32), 16000)
    (tmp_path / "text.txt").write_text("guten tag zusammen\nwo ist die tür\n", "utf-8")
    splits = prepare("folder")(
        folder=tmp_path / "data", source=str(tmp_path / "mine"), language="de", synthetic_per_word=3, other_speech=4,
        carrier_share=0, text=str(tmp_path / "text.txt"), seed=2,
    )  # fmt: skip
    added = [one for one in splits.train if one.speaker]
    assert sorted(one.text for one in added) == [""] * 4 + ["tür"] * 3 + ["über uns"] * 3
    assert not any(one.speaker for one in splits.dev + splits.test)
