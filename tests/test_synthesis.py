"""Speech synthesis: espeak-ng, neural voices, and the corpus that they speak."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr import audio
from asr.synthesis import heart, neural, speak, speakers, spoken
from asr.synthesis.errors import SynthesisError
from asr.synthesis.espeak import Line, Synthesizer


def test_an_unknown_voice_is_named():
    with pytest.raises(SynthesisError, match="nobody"):
        Synthesizer().speak(Line("x.wav", "hello", "en-us-nobody"))


def test_phonemes_are_those_of_the_accent():
    synthesizer = Synthesizer()
    assert synthesizer.phonemes("seven", "en-us") == "sˈɛvən"
    assert "ɹ" in synthesizer.phonemes("four", "en-us") and "ɹ" not in synthesizer.phonemes("four", "en-gb-x-rp")
    assert synthesizer.phonemes("yes, no", "en-us") == "jˈɛs, nˈoʊ"
    assert synthesizer.mnemonics("seven", "en-us") == "s'Ev@n"


def test_phonemes_are_said_as_they_stand():
    synthesizer = Synthesizer()
    assert synthesizer.phonemes("[[T*'I]] nine", "en-us") == "θɾˈɪ nˈaɪn"
    said, spelled, tapped = (synthesizer.speak(Line("", text, "en-us")) for text in ("[[n'aIn]]", "nine", "[[T*'I]]"))
    # The same sounds last as long; those of a name of symbols (bracket, asterisk) would last a second and more.
    assert len(said) == pytest.approx(len(spelled), rel=0.1) and len(tapped) < len(spelled)


def test_the_latest_of_many_works_as_the_first():
    stresses, lengths = "w'On" * 8, {}
    for voice in ["en", "en-us", "en-gb-scotland", "en"] * 5:
        synthesizer = Synthesizer()
        num_samples = len(synthesizer.speak(Line("", "[[w'On]]", voice)))
        assert num_samples == pytest.approx(lengths.setdefault(voice, num_samples), rel=0.02)
        assert synthesizer.phonemes("seven", voice) == "sˈɛvən"
        assert synthesizer.mnemonics(f"[[{stresses}]]", voice) == stresses


@pytest.mark.parametrize("mnemonics", ["s'EB@n", "T@*'I", "n'aIn||", "n'aIn'", "t@m'A:toU"])
def test_mnemonics_that_espeak_knows(mnemonics):
    Synthesizer().check_mnemonics(mnemonics)


@pytest.mark.parametrize(
    ("mnemonics", "unknown"),
    [("y", "y"), ("t'y:", "y:"), ("t@m'A:toUy", "y"), ("T,Iy", "y"), ("t|t'y:", "y:"), ("]]hello", "]]hello")],
)
def test_mnemonics_that_espeak_does_not_know_are_named(mnemonics, unknown):
    with pytest.raises(SynthesisError, match=f"no phoneme mnemonic that begins '{unknown}'$"):
        Synthesizer().check_mnemonics(mnemonics)


@pytest.mark.parametrize("mnemonics", ["'", ",", "_:", "__", "%%%"])
def test_mnemonics_that_say_nothing_are_refused(mnemonics):
    with pytest.raises(SynthesisError, match="says nothing"):
        Synthesizer().check_mnemonics(mnemonics)
    with pytest.raises(SynthesisError, match="says nothing"):
        Synthesizer().speak(Line("", f"[[{mnemonics}]]", "en-us"))


def test_more_speakers_than_espeak_holds_all_speak(tmp_path):
    rng = np.random.default_rng(0)
    voices = {f"drawn{number}": speakers.draw_voice(rng) for number in range(700)}
    # One line each, and one shard that would have to hold them all.
    lines = [Line(str(tmp_path / f"{name}.wav"), "seven", f"en-us+{name}") for name in voices]
    durations_s = speak._speak_shard(lines, sample_rate=8000, voices=voices, margin_ms=30)
    assert len(durations_s) == 700 and min(durations_s) > 0.1
    assert len({Path(line.path).read_bytes() for line in lines}) > 690, "speakers differ"


@pytest.mark.skipif(os.name == "nt", reason="no such signals here")
@pytest.mark.parametrize("ending", ["SIGKILL", "SIGINT"])
def test_those_who_speak_end_with_who_asked_them_and_leave_nothing(tmp_path, ending):
    script, temporary = tmp_path / "speak.py", tmp_path / "temporary"
    temporary.mkdir()
    script.write_text(f"""
from asr.synthesis import speak
from asr.synthesis.espeak import Line
if __name__ == "__main__":
    speak.speak_all([Line({str(tmp_path)!r} + f"/said/{{n}}.wav", "seven", "en-us") for n in range(200_000)], 8000)
""")

    def said():
        return len(list(tmp_path.glob("said/*.wav")))

    # A shell that runs the tests in the background has them ignore SIGINT, and all that they start.
    asking = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    try:
        while not said():
            assert asking.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        asking.send_signal(getattr(signal, ending))
        asking.wait(timeout=30)
        before = -1
        while said() != before:  # in a second they would say hundreds more
            assert time.monotonic() < deadline, "they speak on"
            before = said()
            time.sleep(1)
        assert before < 100_000 and not list(temporary.glob("asr-*"))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(asking.pid, signal.SIGKILL)


class TestTheTimesOfSpokenWords:
    def spoken(self, text):
        synthesizer = Synthesizer()
        waveform, words = synthesizer.speak_words(Line("", text, "en-us"))
        return np.abs(waveform), synthesizer.sample_rate, words

    def test_words_are_loud_and_pauses_are_not(self):
        text = "yes, nine. Kitchen garage, 23 double-you"
        loudness, rate, words = self.spoken(text)
        assert [word.text for word in words] == text.split()
        times = [time for word in words for time in (word.start_s, word.end_s)]
        assert times == sorted(times) and times[0] >= 0 and times[-1] <= len(loudness) / rate
        pauses = list(itertools.pairwise(words))
        assert [left.end_s < right.start_s for left, right in pauses] == [True, True, False, True, False]
        for left, right in pauses:
            assert loudness[round(left.end_s * rate) + 200 : round(right.start_s * rate) - 200].max(initial=0) < 0.01
        for word in words:
            assert loudness[round(word.start_s * rate) : round(word.end_s * rate)].max() > 0.1

    def test_what_is_run_together_is_one(self):
        _, _, words = self.spoken("cat sat of the mat")
        assert [word.text for word in words] == ["cat", "sat", "of the", "mat"]
        assert all(left.end_s == right.start_s for left, right in itertools.pairwise(words))

    def test_letters_are_counted_not_bytes(self):
        _, _, words = self.spoken("  wörld ähm   the end")
        assert [word.text for word in words] == ["wörld", "ähm", "the", "end"]


def tiny_piper(path, num_speakers):
    """A Piper voice of one node or two: its sound is its phonemes / 100, louder with the speaker's number."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["input"], ["phonemes"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["hundred"], value_float=100.0),
        helper.make_node("Div", ["phonemes", "hundred"], ["quiet"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "length"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    sound = "quiet"
    if num_speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, ["batch"]))
        nodes += [
            helper.make_node("Cast", ["sid"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["quiet", "number"], ["sound"]),
        ]
        sound = "sound"
    output = helper.make_tensor_value_info(sound, TensorProto.FLOAT, ["batch", "length"])
    model = helper.make_model(
        helper.make_graph(nodes, "voice", inputs, [output]), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    onnx.save(model, str(path))
    symbols = {"^": [1], "$": [2], "_": [0], "j": [10], "ˈ": [20], "ɛ": [30], "s": [40], ".": [50]}
    description = {
        "audio": {"sample_rate": 16000},
        "num_speakers": num_speakers,
        "phoneme_id_map": symbols,
    }
    path.with_name(path.name + ".json").write_text(json.dumps(description), "utf-8")
    return path


class TestNeural:
    def test_a_voice_names_a_network_and_a_speaker_or_espeak(self):
        assert neural.speaker_of("en-us+kokoro:17") == ("kokoro", 17)
        assert neural.speaker_of(r"en-us+C:\voices\a+b.onnx:3") == (r"C:\voices\a+b.onnx", 3)
        assert neural.speaker_of("en-us") is None and neural.speaker_of("en-us+f3") is None

    def test_a_drawn_style_lies_among_the_styles(self):
        rng = np.random.default_rng(0)
        styles = rng.normal(0, 1, (5, 8)).astype(np.float32)
        drawn = np.array([speakers.draw_style(np.random.default_rng(number), styles) for number in range(2000)])
        assert drawn.shape == (2000, 8) and drawn.dtype == np.float32
        assert np.allclose(drawn.mean(axis=0), styles.mean(axis=0), atol=0.1)
        assert (drawn.std(axis=0) > 0.3 * styles.std(axis=0)).all() and np.abs(drawn).max() < 3 * np.abs(styles).max()
        # The weights add up to one: what all voices have, all speakers have.
        alike = np.repeat(styles[:1], 5, axis=0)
        assert np.allclose(speakers.draw_style(rng, alike), styles[0], atol=1e-5)

    def test_a_piper_voice_gets_phonemes_and_speaker(self, tmp_path):
        synthesizer = Synthesizer()
        voice = neural.load(str(tiny_piper(tmp_path / "one.onnx", 1)))
        assert voice.sample_rate == 16000 and voice.num_speakers == 1
        sound = voice.speak(Line("", "yes", "en-us+one:0"), 0, synthesizer.phonemes)
        assert np.allclose(sound * 100, [1, 0, 10, 0, 20, 0, 30, 0, 40, 0, 50, 0, 2])
        many = neural.load(str(tiny_piper(tmp_path / "many.onnx", 3)))
        assert many.num_speakers == 3
        assert np.allclose(many.speak(Line("", "yes", "en-us+many:2"), 2, synthesizer.phonemes), 2 * sound)

    @pytest.mark.parametrize(
        ("name", "message"), [("nobody", "kokoro, heart, joe"), ("none.onnx", "none.onnx.json: not the description")]
    )
    def test_what_is_no_voice_is_named(self, name, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SynthesisError, match=message):
            neural.load(name)

    def test_a_broken_model_is_named(self, tmp_path):
        model = tiny_piper(tmp_path / "one.onnx", 1)
        model.write_bytes(b"nothing")
        with pytest.raises(SynthesisError, match=r"one\.onnx: not an ONNX model"):
            speak.speak_all([Line(str(tmp_path / "yes.wav"), "yes", f"en-us+{model}:0")], 8000)

    def test_a_package_that_is_missing_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "hibari", None)
        with pytest.raises(SynthesisError, match=r"voice heart is not installed.*asr\[voices\]"):
            neural.load("heart")

    def test_kokoro_draws_speakers(self, tmp_path):
        lines = [
            Line(str(tmp_path / f"{number}-{turn}.wav"), "seven", f"en-us+kokoro:{number}")
            for number in (1, 2)
            for turn in (1, 2)
        ]
        durations_s = speak.speak_all(lines, 16000)
        assert all(0.2 < duration_s < 1.5 for duration_s in durations_s)
        first, same, other, _ = (audio.read(line.path) for line in lines)
        # The noise in a voice differs from one reading to the next, the voice does not.
        assert len(first) == pytest.approx(len(same), abs=800) and len(first) != len(other)

    def test_too_long_for_kokoro(self):
        with pytest.raises(SynthesisError, match="phonemes at a time"):
            neural.load("kokoro").speak(Line("", "seven " * 200, "en-us+kokoro:1"), 1, lambda text, _: text)


def test_what_a_neural_voice_said_is_kept_and_not_spoken_again(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "cache"))
    line = Line(str(tmp_path / "one" / "water.wav"), "water", "en-us+heart:0")
    [duration_s] = speak.speak_all([line], 16000)
    again = replace(line, path=str(tmp_path / "two" / "again.wav"))
    monkeypatch.setattr(heart.Heart, "speak", lambda *_: pytest.fail("spoken again"))
    assert speak.speak_all([again], 16000) == [duration_s]
    assert Path(again.path).read_bytes() == Path(line.path).read_bytes()
    kept = spoken.path_of(line, 16000, 30)
    others = [replace(line, text="fire"), replace(line, words_per_minute=200), replace(line, voice="en-us+joe:0")]
    assert all(spoken.path_of(other, 16000, 30) != kept for other in others)
    assert spoken.path_of(line, 8000, 30) != kept
    kept.write_bytes(b"no sound")
    assert spoken.take(again, 16000, 30) is None
