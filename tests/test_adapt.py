"""Adaptation: a new voice is learned, the old ones are kept, and what would lose them is not written."""

import json
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import conftest
import numpy as np
import pytest
import torch
from conftest import spell

from asr import audio
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.decode.hypothesis import Hypothesis
from asr.errors import UserError
from asr.grammar.intent import Meaning, Slot
from asr.recognition.evaluate import evaluate
from asr.recognition.recognizer import Recognizer
from asr.recognition.transcript import Transcript, Word
from asr.training import adapt
from asr.training.adapt import AdaptConfig, Adapter, held_out_takes

WORDS = ["ab", "cd", "bad", "dac", "bca"]
QUICK = AdaptConfig(steps=120, learning_rate=1e-2, retention=0.1, share=0.8)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """Recordings of a voice whose pitches lie a sixth lower than those of the training split: 4 takes of each word."""
    folder, rng = tmp_path_factory.mktemp("voice"), np.random.default_rng(9)
    utterances = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "PITCHES", {letter: 0.83 * pitch for letter, pitch in conftest.PITCHES.items()})
        for take in range(4):
            for word in WORDS:
                path = folder / word / f"take{take}.wav"
                path.parent.mkdir(exist_ok=True)
                waveform = spell(word, rng)
                audio.write(path, waveform, 16000)
                utterances.append(Utterance(f"{word}-{take}", word, audio=str(path), duration_s=len(waveform) / 16000))
    return folder, utterances


def errors(model, utterances):
    return evaluate(Recognizer.load(model), utterances).score.word.rate


def test_a_new_voice_is_learned_and_the_old_ones_are_kept(tones, tones_run, voice, tmp_path):
    known = manifest.read(tones / "test.jsonl")
    result = adapt.adapt(tones_run[0] / "model.onnx", voice[1], tmp_path / "mine.onnx", known=known, config=QUICK)
    assert result.is_safe and result.num_recordings == 20 and result.held_out == len(WORDS)
    assert result.before > 0.3 and result.after <= result.before / 2
    assert result.known_after == errors(tmp_path / "mine.onnx", known) <= result.known_before + adapt.MAX_LOSS
    assert errors(tmp_path / "mine.onnx", voice[1]) <= errors(tones_run[0] / "model.onnx", voice[1]) / 2


def test_what_loses_too_much_is_not_written(tones, tones_run, voice, tmp_path):
    shuffled = [replace(one, text=WORDS[number % len(WORDS) - 1]) for number, one in enumerate(voice[1])]
    wrong = AdaptConfig(steps=60, learning_rate=2e-2, retention=0.0, share=1.0)
    known = manifest.read(tones / "test.jsonl")
    result = adapt.adapt(tones_run[0] / "model.onnx", shuffled, tmp_path / "mine.onnx", known=known, config=wrong)
    assert not result.is_safe and not (tmp_path / "mine.onnx").exists()


def test_the_same_seed_gives_the_same_weights_and_a_share_of_nothing_the_old_ones(tones_run, voice):
    ids = [one.id for one in voice[1]]
    config = AdaptConfig(steps=3)
    one, again = (Adapter(tones_run[0] / "model.onnx", voice[1], config).fit(ids).state_dict() for _ in range(2))
    other = Adapter(tones_run[0] / "model.onnx", voice[1], replace(config, seed=2)).fit(ids).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    adapter = Adapter(tones_run[0] / "model.onnx", voice[1], replace(config, share=0.0))
    old, same = adapter.network().state_dict(), adapter.fit(ids).state_dict()
    assert all(torch.allclose(old[name], same[name], atol=1e-7) for name in old)


def test_takes_that_are_held_out():
    def named(texts):
        return [Utterance(f"u{number}", text, audio="x.wav") for number, text in enumerate(texts)]

    learned, held = held_out_takes(named("aaabbbb"))
    assert [one.id for one in held] == ["u2", "u6"] and len(learned) == 5
    assert [one.id for one in held_out_takes(named("abcdefgh"))[1]] == ["u3", "u7"]
    assert held_out_takes(named("abc"))[1] == []


def test_recordings_without_texts(tones_run, voice):
    recognizer = Recognizer.load(tones_run[0] / "model.onnx")
    unlabelled = [replace(one, text="") for one in voice[1]]
    sure, unsure = adapt.labelled(recognizer, unlabelled, 0.0)
    assert len(sure) + len(unsure) == len(unlabelled) and all(one.text for one in sure)
    assert adapt.labelled(recognizer, unlabelled, 1.0)[0] == []


def test_recordings_of_sentences_get_the_best_path_that_has_their_slots():
    """The first hypothesis with another value is passed over; without slots the words' mean confidence decides."""
    paths = [Hypothesis(text, -index) for index, text in enumerate(("red light", "green light", "blue light"))]
    words = tuple(Word(word, 0.0, 1.0, confidence, ()) for word, confidence in (("red", 0.3), ("light", 0.9)))
    recognizer = SimpleNamespace(
        parser=lambda text: Meaning("turnOn", (Slot("color", text.split()[0], 0, 0),), 0.0),
        transcribe=lambda _one, **_options: Transcript("red light", 1.0, words, tuple(paths)),
    )
    one = Utterance("u", "", audio="u.wav")
    for slots, text in (({"color": "green"}, "green light"), ({}, "red light"), ({"color": "black"}, "")):
        found, unsure = adapt.labelled(recognizer, [replace(one, intent="turnOn", slots=slots)], 0.8)
        assert [each.text for each in found] == ([text] if text else []) and len(unsure) == (not text)
    assert adapt.labelled(recognizer, [one], 0.7)[0] == []
    assert adapt.labelled(recognizer, [one], 0.5)[0][0].text == "red light"


def test_the_command(tones, tones_run, voice, tmp_path):
    done = subprocess.run(
        ["asr-adapt", str(tones_run[0]), str(voice[0]), "-o", str(tmp_path / "mine.onnx"), "--format", "json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["num_recordings"] == 20 and (tmp_path / "mine.onnx").is_file()


def test_mistakes(tones_run, tmp_path):
    with pytest.raises(UserError, match="no recordings"):
        Adapter(tones_run[0] / "model.onnx", [])
    for arguments, message in (
        ([str(tones_run[0]), str(tmp_path), "-o", str(tmp_path / "m.onnx")], "no sound files|no recording"),
        (
            [str(tmp_path / "none.onnx"), str(tmp_path), "-o", str(tmp_path / "m.onnx")],
            "none.onnx|no sound|no recording",
        ),
    ):
        done = subprocess.run(["asr-adapt", *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert any(part in done.stderr for part in message.split("|"))
