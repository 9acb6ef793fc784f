"""Each trouble that a corpus can have is planted, found, counted and given its mend; a good corpus has none."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import spell

from asr import audio
from asr.check import corpus, sound, splits, texts
from asr.check.corpus import Settings
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.features import FeatureConfig
from asr.text import TextConfig

SETTINGS = Settings(TextConfig(alphabet="abcd"), FeatureConfig())


def kinds(found):
    return {finding.kind: finding for finding in found}


@pytest.fixture
def parts(tones):
    return {name: manifest.read(tones / f"{name}.jsonl") for name in ("train", "dev", "test")}


@pytest.fixture
def write(tmp_path):
    def written(name, waveform, text="ab", rate=16000, **more):
        audio.write(tmp_path / f"{name}.wav", waveform, rate)
        return Utterance(name, text, audio=str(tmp_path / f"{name}.wav"), duration_s=len(waveform) / rate, **more)

    return written


def voice(seed=0, text="abcd"):
    return spell(text, np.random.default_rng(seed))


def test_a_good_corpus_has_nothing_to_mend(parts):
    alone = {name: [replace(one, speaker=f"{name}-{one.speaker}") for one in part] for name, part in parts.items()}
    report = corpus.full(alone, SETTINGS)
    assert report.is_good and not report.findings, corpus.lines(report)
    assert report.num_utterances == sum(map(len, parts.values()))


class TestTexts:
    def test_characters_are_counted_with_hints_and_the_setting_that_mends_them(self):
        strange = ["Abc", "ab é", "ab3", "ab ab", "ab§"]
        utterances = [Utterance(f"u{i}", text, "x.wav") for i, text in enumerate(strange)]
        config = TextConfig(alphabet="abc", lowercase=False)
        (found,) = texts.alphabet(utterances, config)
        assert "5 of 5 utterances are skipped" in found.what and found.count == 5
        shown = str(found)
        assert "'A' x 1 (a capital; first in u0)" in shown and "' ' x 2 (a space: there are phrases" in shown
        assert 'Set text.lowercase=true text.alphabet="abc é" text.punctuation=' in found.fix
        assert "numbers in words" in found.fix
        mended = TextConfig(alphabet="abc é", punctuation=config.punctuation + "§")
        assert not texts.alphabet([utterances[i] for i in (0, 1, 3, 4)], mended), "the setting mends it"

    def test_another_unicode_form_is_named(self):
        (found,) = texts.alphabet([Utterance("u", "ａb̌", "x.wav")], TextConfig(alphabet="ab"))
        assert "another form of 'a'" in str(found) and "a mark of its own" in str(found)

    def test_words_that_sound_alike_or_are_short_or_rare(self):
        counts = {"three": 50, "tree": 50, "a": 50, "elephant": 4}
        utterances = [Utterance(f"{text}{i}", text, "x.wav") for text, count in counts.items() for i in range(count)]
        spoken = {"three": "θɹiː", "tree": "tɹiː", "a": "ɐ", "elephant": "ɛlɪfənt"}
        found = kinds(texts.classes(utterances, TextConfig(), spoken.get))
        assert [one.name for one in found["alike"].examples] == ["three / tree"]
        assert [one.name for one in found["short"].examples] == ["a"]
        assert [one.name for one in found["unequal"].examples] == ["elephant"]
        assert not any(one.is_error for one in found.values())

    def test_neighbours_are_those_of_one_edit(self):
        rng = np.random.default_rng(0)
        words = sorted({"".join(rng.choice(list("ab"), rng.integers(2, 6))) for _ in range(40)})

        def distance(one, other):
            row = list(range(len(other) + 1))
            for i, a in enumerate(one, 1):
                row, before = [i], row
                for j, b in enumerate(other, 1):
                    row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
            return row[-1]

        near = set(texts._near({word: word for word in words}))
        assert near == {(one, two) for one in words for two in words if one < two and distance(one, two) <= 1}


class TestSplits:
    def test_transcripts_that_do_not_fit_counting_repeats_and_tempo(self):
        frames = FeatureConfig()
        second = {"audio": "x.wav", "duration_s": 0.115}  # ten frames
        part = [
            Utterance("fits", "abcdabcd", **second),
            Utterance("full", "abcdabcdab", **second),
            Utterance("repeats", "aaaaaa", **second),
        ]
        assert frames.num_frames(round(0.115 * 16000)) == 10
        found = kinds(splits.fit({"train": part}, SETTINGS.text, frames, tempo=0.1, speed=0.0))
        assert [one.name for one in found["too_long"].examples] == ["train/repeats"]
        assert "needs 11 frames and has 10" in found["too_long"].examples[0].detail
        assert [one.name for one in found["tight"].examples] == ["train/full"] and not found["tight"].is_error
        assert not splits.fit({"train": part[:2]}, SETTINGS.text, frames)

    def test_speakers_and_sounds_on_both_sides(self, write):
        one, other = write("one", voice(1), speaker="anna"), write("two", voice(1), speaker="anna")
        third = write("three", voice(3), "cd", speaker="ben")
        report = corpus.full({"train": [one, third], "test": [other, replace(third, id="four", text="dc")]}, SETTINGS)
        found = kinds(report.findings)
        assert {one.name for one in found["same_sound"].examples} == {"test/two", "test/four"}
        assert [one.name for one in found["two_texts"].examples] == ["test/four"]
        assert {one.name for one in found["speakers"].examples} == {"anna", "ben"}

    def test_lengths_that_do_not_go_with_texts(self, parts):
        wrong = [replace(one, duration_s=20.0) if one.id == "train-003" else one for one in parts["train"]]
        (found,) = splits.lengths({"train": wrong}, SETTINGS.text)
        assert found.kind == "seconds_per_character" and found.examples[0].name == "train/train-003"
        order = np.random.default_rng(0).permutation(len(wrong))
        shuffled = [replace(one, text=parts["train"][place].text) for one, place in zip(wrong, order, strict=True)]
        assert "shuffled" in kinds(splits.lengths({"train": shuffled}, SETTINGS.text))


class TestSound:
    @pytest.mark.parametrize(
        ("kind", "waveform"),
        [
            ("silence", np.zeros(16000)),
            ("clipping", np.clip(5 * voice(), -0.4, 0.4)),
            ("offset", 0.5 * voice() + 0.2),
            ("cut_ends", voice()[1600:]),
        ],
    )
    def test_a_sound_that_is_not_well(self, write, kind, waveform):
        good = [write(f"good{seed}", voice(seed)) for seed in range(3)]
        report = corpus.full({"train": [*good, write("bad", waveform)]}, SETTINGS)
        found = kinds(report.findings)
        assert [one.name for one in found[kind].examples] == ["train/bad"], corpus.lines(report)

    def test_rates_narrow_bands_and_what_is_no_sound(self, write, tmp_path):
        noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
        wide, low = write("wide", noise), write("low", noise[:8000], rate=8000)
        narrow = write("narrow", audio.resample(noise[:8000], 8000, 16000))
        (tmp_path / "broken.wav").write_bytes(b"RIFF nonsense")
        broken = Utterance("broken", "ab", audio=str(tmp_path / "broken.wav"))
        report = corpus.full({"train": [wide, low, narrow, broken]}, SETTINGS)
        found = kinds(report.findings)
        assert [one.name for one in found["undecodable"].examples] == ["train/broken"]
        assert [one.name for one in found["narrow_band"].examples] == ["train/narrow"]
        assert [one.name for one in found["sample_rate"].examples] == ["8000 Hz"]
        assert "features.sample_rate=8000" in found["sample_rate"].fix and not report.is_good

    def test_measures_follow_the_sound(self):
        one = sound.measure_waveform(voice(), 16000)
        half = sound.measure_waveform(0.5 * voice(), 16000)
        assert one.peak_db - half.peak_db == pytest.approx(6.0, abs=0.1) and one.digest != half.digest
        assert (one.start_db, one.is_cut, one.is_narrow) == (half.start_db, False, False)


def test_a_report_is_lines_and_json(parts):
    report = corpus.quick({"train": [*parts["train"], Utterance("odd", "xyz", "x.wav")]}, SETTINGS)
    values = json.loads(json.dumps(report.to_dict()))
    assert values["num_utterances"] == 97 and not values["is_good"]
    assert corpus.lines(report)[0].startswith("error: 3 characters outside the alphabet, for which 1 of 97")
    assert corpus.lines(report)[-1] == f"97 utterances checked: {len(report.findings)} kinds of trouble"


@pytest.mark.slow
def test_ten_thousand_utterances_in_under_a_minute(tones, parts):
    """Of some two seconds each, on two cores."""
    many = [replace(parts["train"][i % 96], id=f"u{i}") for i in range(10_000)]
    began = time.process_time()
    corpus.full({"train": many}, SETTINGS)
    assert (time.process_time() - began) / 2 < 60
