import dataclasses
import itertools

import numpy as np
import pytest

from asr import audio
from asr.audio import AudioError
from asr.data import manifest
from asr.recognition import source
from asr.recognition.recognizer import Recognizer
from asr.recognition.transcript import Transcript, Word
from asr.report import det, plot
from asr.score.rejection import Rejection

pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")


@pytest.fixture(scope="module")
def recognizer(tones_run):
    return Recognizer.load(tones_run[0])


@pytest.fixture
def waveform(tones):
    return audio.read(manifest.read(tones / "test.jsonl")[0].audio)


def held(recognizer, waveform, name="a.wav"):
    return dataclasses.replace(source.open(waveform, recognizer.card.features, 16000), name=name)


def drawn(recognizer, waveform, transcript):
    sound = held(recognizer, waveform)
    ((_, parts),) = recognizer.recognise([sound])
    return plot.figure(recognizer.card, sound, recognizer.network.join(parts), transcript)


@pytest.mark.parametrize("suffix", plot.SUFFIXES)
def test_the_picture_is_written_and_the_transcript_is_the_usual_one(recognizer, waveform, tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    picture, transcript = plot.draw(recognizer, held(recognizer, waveform, "$x_1$.wav"))
    plot.write(path, picture)
    assert transcript == recognizer.transcribe(waveform, 16000)
    assert path.stat().st_size > 5000 and [*tmp_path.iterdir()] == [path]


def test_the_network_runs_once(recognizer, waveform):
    calls = []

    class Session:
        def run(self, *arguments):
            calls.append(arguments)
            return recognizer.network.session.run(*arguments)

    counting = Recognizer.of(Session(), recognizer.card)
    plot.draw(counting, held(counting, waveform))
    assert len(calls) == 1


def test_all_rows_share_the_seconds_of_the_sound(recognizer, waveform):
    transcript = recognizer.transcribe(waveform, 16000)
    rows = drawn(recognizer, waveform, transcript).axes[:4]
    assert {row.get_xlim() for row in rows} == {(0, len(waveform) / 16000)}
    (word,) = transcript.words
    assert [text.get_text() for text in rows[3].texts] == [word.text, f"{word.confidence:.0%}".replace("%", " %")]
    named = [label.get_text() for label in rows[2].get_yticklabels()]
    assert named[0] == "blank" and set(transcript.text) <= set(named) and named[1:] == sorted(named[1:], reverse=True)
    for end_s in (row.images[0].get_extent()[1] for row in rows[1:3]):
        assert end_s == pytest.approx(len(waveform) / 16000, abs=0.03)


@pytest.mark.parametrize(("seconds", "length"), [(0.4, 3), (0.2, 3), (0.15, 18), (1.0, 30)])
def test_words_do_not_overlap(recognizer, seconds, length):
    waveform = np.zeros(int(20 * seconds * 16000), np.float32)
    words = [Word("w" * length, index * seconds, (index + 1) * seconds, index / 20) for index in range(20)]
    picture = drawn(recognizer, waveform, Transcript(" ".join(word.text for word in words), 20 * seconds, tuple(words)))
    picture.canvas.draw()
    boxes = [text.get_window_extent() for text in picture.axes[3].texts]
    row = picture.axes[3].get_window_extent()
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(box.height <= row.height for box in boxes), "the widest of letters"


@pytest.mark.parametrize("num_samples", [1, 399, 16000])
def test_sound_in_which_nobody_speaks(recognizer, tmp_path, num_samples):
    picture, _ = plot.draw(recognizer, held(recognizer, np.zeros(num_samples, np.float32)))
    plot.write(tmp_path / "a.png", picture)
    assert (tmp_path / "a.png").is_file()


def test_mistakes(recognizer, waveform, tmp_path, monkeypatch):
    with pytest.raises(plot.PlotError, match=r"a\.wav: a picture shows at most 30 s, and this lasts 31 s"):
        plot.draw(recognizer, held(recognizer, np.zeros(31 * 16000, np.float32)))
    with pytest.raises(plot.PlotError, match=r"a\.jpg: a picture's name"):
        plot.check(tmp_path / "a.jpg")
    with pytest.raises(AudioError, match="no such file"):
        plot.draw(recognizer, source.open(tmp_path / "gone.wav", recognizer.card.features))
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(plot.PlotError, match=r"asr\[plot\]"):
        plot.check(tmp_path / "a.png")


def test_misses_over_false_accepts_are_drawn(tmp_path):
    measured = Rejection(np.array([-1.0, 0.3, 0.6, 0.9]), np.array([0.2, 0.5]), 0.5, what="commands")
    det.write(tmp_path / "det.svg", measured, 0.55)
    drawn = (tmp_path / "det.svg").read_text()
    assert "<svg" in drawn and len(drawn) > 5000
