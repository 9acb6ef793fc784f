import itertools

import numpy as np
import pytest

from asr import audio
from asr.data import manifest
from asr.recognition.recognizer import Recognizer, Transcript, Word
from asr.report import plot

pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")


@pytest.fixture(scope="module")
def recognizer(tones_run):
    return Recognizer.load(tones_run[0])


@pytest.fixture
def waveform(tones):
    return audio.read(manifest.read(tones / "test.jsonl")[0].audio)


def drawn(recognizer, waveform, transcript):
    static = recognizer.extractor.static(waveform)
    emission = recognizer.emissions([recognizer.extractor.finish(static)])[0]
    return plot.figure(recognizer, waveform, static, emission, transcript)


@pytest.mark.parametrize("suffix", plot.SUFFIXES)
def test_the_picture_is_written_and_the_transcript_is_the_usual_one(recognizer, waveform, tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    assert plot.draw(path, recognizer, waveform, "$x_1$.wav") == recognizer.transcribe(waveform, 16000)
    assert path.stat().st_size > 5000 and [*tmp_path.iterdir()] == [path]


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
    words = [Word("w" * length, place * seconds, (place + 1) * seconds, place / 20) for place in range(20)]
    picture = drawn(recognizer, waveform, Transcript(" ".join(word.text for word in words), 20 * seconds, tuple(words)))
    picture.canvas.draw()
    boxes = [text.get_window_extent() for text in picture.axes[3].texts]
    row = picture.axes[3].get_window_extent()
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(box.height <= row.height for box in boxes), "the widest of letters"


@pytest.mark.parametrize("num_samples", [1, 399, 16000])
def test_sound_in_which_nobody_speaks(recognizer, tmp_path, num_samples):
    plot.draw(tmp_path / "a.png", recognizer, np.zeros(num_samples, np.float32))
    assert (tmp_path / "a.png").is_file()


def test_mistakes(recognizer, waveform, tmp_path, monkeypatch):
    with pytest.raises(plot.PlotError, match="at most 30 s, and this lasts 31 s"):
        plot.draw(tmp_path / "a.png", recognizer, np.zeros(31 * 16000, np.float32))
    with pytest.raises(plot.PlotError, match=r"a\.jpg: a picture's name"):
        plot.draw(tmp_path / "a.jpg", recognizer, waveform)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(plot.PlotError, match=r"asr\[plot\]"):
        plot.draw(tmp_path / "a.png", recognizer, waveform)
    assert not [*tmp_path.iterdir()]
