"""The corpus contract, and the prepare scripts on small made-up trees with the layouts of the real corpora."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import REPOSITORY

from asr import audio
from asr.data import corpus, manifest
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import Skipped, Utterance
from asr.features import FeatureConfig
from asr.features.sphinx import from_sphinx
from asr.synthesis import general, neural, speak


def prepare(name):
    return corpus.load_script(REPOSITORY / "recipes" / "prepare" / f"{name}.py")


def sound(path, seconds=0.3, rate=16000, seed=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(str(path).encode("utf-8", "surrogateescape")) if seed is None else seed  # copies are noticed
    audio.write(path, 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * rate)).astype(np.float32), rate)


def ids(utterances):
    return {utterance.id for utterance in utterances}


class TestBuild:
    def script(self, folder, source, limit=2):
        self.calls += 1
        return Splits(train=[Utterance("a", "x", source)] * 1, skipped=[Skipped("b", "unreadable audio: b.wav")])

    calls = 0

    def test_manifests_are_made_once_and_again_when_settings_change(self, tmp_path, log):
        assert corpus.build(self.script, tmp_path, {"source": "a.wav"})
        assert not corpus.build(self.script, tmp_path, {"source": "a.wav"})
        assert corpus.build(self.script, tmp_path, {"source": "b.wav"})
        assert self.calls == 2
        assert "made again" in log.getvalue()
        (tmp_path / "dev.jsonl").unlink()
        assert corpus.build(self.script, tmp_path, {"source": "b.wav"})
        assert (tmp_path / "skipped.txt").read_text() == "b\tunreadable audio: b.wav\n"

    def test_manifests_are_made_again_when_and_only_when_files_of_their_source_change(self, tmp_path, log):
        source, also, folder = tmp_path / "mine", tmp_path / "also.jsonl", tmp_path / "mine" / "corpus"
        values = {"source": str(source), "also": str(also)}
        for name in ("yes/1.wav", "yes/2.wav"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text("sound")
        also.touch()

        def script(folder, source, also):
            return Splits(train=[Utterance(path.stem, "x", str(path)) for path in Path(source).glob("yes/*.wav")])

        def is_made():
            return corpus.build(script, folder, values)

        assert is_made()
        for change, makes in {
            lambda: None: False,
            lambda: (source / "no.wav").write_text("another"): True,
            lambda: (source / "no.wav").write_text("longer than that"): True,
            lambda: os.utime(source / "no.wav", (1, 1)): True,
            lambda: (source / "no.wav").rename(source / "yes" / "3.wav"): True,
            lambda: (source / "yes" / "3.wav").unlink(): True,
            lambda: also.write_text("another"): True,
            lambda: (source / ".hidden").touch(): False,
            lambda: (source / "gone.wav").symlink_to(source / "gone"): False,
            lambda: (folder / "cache").mkdir() or (folder / "cache" / "train.bin").touch(): False,
            lambda: (source / "run").mkdir() or (source / "run" / "metrics.jsonl").touch(): False,
            lambda: (source / "run" / "best.pt").touch(): False,
            also.unlink: False,
            lambda: source.rename(tmp_path / "away") and shutil.copytree(tmp_path / "away" / "corpus", folder): False,
        }.items():
            change()
            log.truncate(0)
            assert is_made() == makes
            assert ("made again: the files of" in log.getvalue()) == makes
            assert not is_made(), "once"

    @pytest.mark.parametrize("damaged", ["", "{", "[]", "null", "[" * 99999, '{"sources": 3}', "\0" * 99])
    def test_a_damaged_record_means_to_make_it_again(self, tmp_path, log, damaged):
        assert corpus.build(self.script, tmp_path, {"source": "a.wav"})
        (tmp_path / "corpus.json").write_text(damaged)
        assert corpus.build(self.script, tmp_path, {"source": "a.wav"})
        assert "made again: corpus.json is damaged" in log.getvalue()
        assert not corpus.build(self.script, tmp_path, {"source": "a.wav"})

    def test_a_mistake_in_the_settings_costs_no_corpus(self, tmp_path):
        assert corpus.build(self.script, tmp_path, {"source": "a.wav"})

        def mistaken(folder, source):
            raise CorpusError("no such source")

        for script in (mistaken, lambda folder, source: Splits()):
            with pytest.raises(CorpusError, match=r"no such source|no utterances"):
                corpus.build(script, tmp_path, {"source": "b.wav"})
            assert not corpus.build(self.script, tmp_path, {"source": "a.wav"})

    def test_what_is_made_where_its_source_lies_is_not_its_source(self, tmp_path):
        (tmp_path / "1.wav").touch()
        values = {"source": str(tmp_path)}
        assert corpus.build(self.script, tmp_path, values) and not corpus.build(self.script, tmp_path, values)
        (tmp_path / "2.wav").touch()
        assert corpus.build(self.script, tmp_path, values) and not corpus.build(self.script, tmp_path, values)

    def test_an_id_that_stands_for_two_utterances_is_an_error(self, tmp_path):
        both = Splits(train=[Utterance("a", "x", "a.wav")], test=[Utterance("a", "x", "b.wav")])
        with pytest.raises(CorpusError, match="the id a stands for 2"):
            corpus.build(lambda folder: both, tmp_path, {})

    def test_a_preparation_that_fails_is_not_taken_for_done(self, tmp_path):
        def fail(folder, source):
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            corpus.build(fail, tmp_path, {"source": "a.wav"})
        assert corpus.build(self.script, tmp_path, {"source": "a.wav"})

    def test_nothing_to_train_on_is_an_error(self, tmp_path):
        with pytest.raises(CorpusError, match="no utterances"):
            corpus.build(lambda folder: Splits(), tmp_path, {})


def test_the_summary_is_honest():
    splits = Splits(
        train=[
            Utterance("a", "abc", "a.wav", duration_s=3600),
            Utterance("b", "c", "b.wav", duration_s=1800, speaker="s"),
        ],
        skipped=[Skipped(f"x{number}", "unreadable audio: x.wav") for number in range(12)],
    )
    said = corpus.summary(splits)
    for part in (
        "2 utterances", "1.50 h", "1 speakers", "4 characters", "3 different", "longest 3600.0 s (a)",
        "dev    no utterances", "skipped 12: 12 unreadable audio", "x9: unreadable", "and 2 more",
    ):  # fmt: skip
        assert part in said


def test_speakers_are_split_by_seed():
    speakers = [f"s{number}" for number in range(20)]
    kept = corpus.split_speakers(speakers * 3, 0.25, seed=1)
    assert len(kept) == 5 and kept < set(speakers)
    assert (
        kept == corpus.split_speakers(reversed(speakers), 0.25, seed=1) != corpus.split_speakers(speakers, 0.25, seed=2)
    )


def test_a_script_without_prepare_is_refused(tmp_path):
    (tmp_path / "x.py").write_text("")
    for path, said in ((tmp_path / "x.py", "no function"), (tmp_path / "y.py", "no such script")):
        with pytest.raises(CorpusError, match=said):
            corpus.load_script(path)


class TestFsdd:
    @pytest.fixture
    def source(self, tmp_path):
        for speaker in ("anna", "bob"):
            for digit in (0, 7):
                for index in (0, 4, 5, 9, 10, 49):
                    sound(tmp_path / "fsdd" / "recordings" / f"{digit}_{speaker}_{index}.wav", rate=8000)
        (tmp_path / "fsdd" / "recordings" / "notes.wav").write_text("")
        (tmp_path / "fsdd" / "recordings" / "3_bob_11.wav").write_text("damaged")
        return str(tmp_path / "fsdd")

    def test_official_test_indices(self, source, tmp_path):
        splits = prepare("fsdd")(folder=tmp_path, source=source)
        assert ids(splits.test) == {f"{d}_{s}_{i}" for d in (0, 7) for s in ("anna", "bob") for i in (0, 4)}
        assert ids(splits.dev) == {f"{d}_{s}_{i}" for d in (0, 7) for s in ("anna", "bob") for i in (5, 9)}
        assert len(splits.train) == 8
        assert {utterance.text for utterance in splits.train} == {"zero", "seven"}
        assert all(utterance.duration_s == pytest.approx(0.3) for utterance in splits.train)
        assert {item.id for item in splits.skipped} == {"notes.wav", "3_bob_11"}

    def test_held_out_speaker(self, source, tmp_path):
        splits = prepare("fsdd")(folder=tmp_path, source=source, held_out_speaker="bob")
        assert {utterance.speaker for utterance in splits.test} == {"bob"} and len(splits.test) == 12
        assert {utterance.speaker for utterance in splits.train + splits.dev} == {"anna"}
        with pytest.raises(CorpusError, match="the speakers are anna, bob"):
            prepare("fsdd")(folder=tmp_path, source=source, held_out_speaker="eve")

    def test_nothing_there(self, tmp_path):
        with pytest.raises(CorpusError, match=r"data\.source="):
            prepare("fsdd")(folder=tmp_path, source=str(tmp_path))


class TestAn4:
    """Speakers s0 to s7 with two utterances each in train, t0 in test; `kind` is the layout."""

    @pytest.fixture(params=["sph", "raw", "mfc"])
    def source(self, request, tmp_path):
        root = tmp_path / "an4"
        (root / "etc").mkdir(parents=True)
        parts = {"an4_train": [f"s{number}" for number in range(8)], "an4_test": ["t0"]}
        for part, speakers in parts.items():
            names = [f"{'an4_clstk' if part == 'an4_train' else 'an4test_clstk'}/{speaker}/u{take}-{speaker}-b"
                     for speaker in speakers for take in (1, 2)]  # fmt: skip
            (root / "etc" / f"{part}.fileids").write_text("\n".join(names))
            (root / "etc" / f"{part}.transcription").write_text(
                "".join(f"<s> GO  ++NOISE++ A </s> ({name.rpartition('/')[2]})\n" for name in names)
            )
            for name in names:
                self.write(root, name, request.param)
        return root

    def write(self, root, name, kind):
        samples = (np.random.default_rng(0).standard_normal(4800) * 3000).astype(">i2")
        path = root / ("feat" if kind == "mfc" else "wav") / f"{name}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = f"NIST_1A\n   1024\nsample_count -i {len(samples)}\nsample_rate -i 16000\nchannel_count -i 1\n" \
                 "sample_byte_format -s2 10\nsample_n_bytes -i 2\nsample_coding -s3 pcm\nend_head\n"  # fmt: skip
        frames = np.random.default_rng(0).standard_normal((30, 13))
        data = {
            "sph": header.encode().ljust(1024) + samples.tobytes(),
            "raw": samples.tobytes(),
            "mfc": np.array([frames.size], ">i4").tobytes() + frames.astype(">f4").tobytes(),
        }
        path.write_bytes(data[kind])

    def test_every_layout_gives_the_same_parts(self, source, tmp_path):
        splits = prepare("an4")(folder=tmp_path / "out", source=str(source), dev_share=0.25)
        assert {utterance.text for utterance in splits.train + splits.test} == {"go a"}
        dev, train = ({utterance.speaker for utterance in part} for part in (splits.dev, splits.train))
        assert len(dev) == 2 and len(train) == 6 and not dev & train
        assert {utterance.speaker for utterance in splits.test} == {"t0"}
        assert not splits.skipped
        for utterance in splits.train:
            assert utterance.duration_s == pytest.approx(0.3)
            if utterance.audio:
                expected = (np.random.default_rng(0).standard_normal(4800) * 3000).astype(">i2") / 32768
                assert np.allclose(audio.read(utterance.audio, 16000), expected, atol=1e-7)

    @pytest.mark.parametrize("source", ["mfc"], indirect=True)
    def test_sphinx_features_are_converted(self, source, tmp_path):
        front_end = FeatureConfig(window_ms=25.6, window_function="hamming", energy="c0", num_filters=40, low_hz=130,
                                  high_hz=6800, lifter=0)  # fmt: skip
        raw, ours = (prepare("an4")(folder=tmp_path, source=str(source), convert=convert) for convert in (False, True))
        for one, other in zip(raw.train, ours.train, strict=True):
            assert one == replace(other, features=one.features)
            cepstra, sphinx = np.load(other.features), manifest.read_features(one.features, 13)
            assert np.array_equal(cepstra, from_sphinx(sphinx, front_end))

    def test_what_is_missing_is_named(self, source, tmp_path):
        next(
            path for path in (source / "wav" if (source / "wav").exists() else source / "feat").rglob("u1-s0-b.*")
        ).unlink()
        text = source / "etc" / "an4_train.transcription"
        text.write_text("".join(text.read_text().splitlines(keepends=True)[:-1]))
        (source / "etc" / "an4_test.fileids").unlink()
        splits = prepare("an4")(folder=tmp_path / "out", source=str(source))
        assert {item.id for item in splits.skipped} == {"u1-s0-b", "u2-s7-b"}
        assert splits.test == []


class TestFolder:
    def test_both_layouts(self, tmp_path):
        root = tmp_path / "mine"
        for number in range(20):
            sound(root / "smart_mirror" / f"{number}.wav")
            sound(root / "stop" / f"{number}.flac")
        sound(root / "long one.wav", seconds=1)
        (root / "long one.txt").write_text("0 46797 She had your dark suit.\n")
        sound(root / "orphan.wav")
        (root / "stop" / "bad.flac").write_text("damaged")
        splits = prepare("folder")(folder=tmp_path, source=str(root), dev_share=0.1, test_share=0.2)
        everything = splits.train + splits.dev + splits.test
        assert {utterance.text for utterance in everything} == {"smart mirror", "stop", "She had your dark suit."}
        assert {item.id for item in splits.skipped} == {"orphan", "stop/bad"}
        for part, count in ((splits.test, 4), (splits.dev, 2)):
            assert [sum(utterance.text == text for utterance in part) for text in ("smart mirror", "stop")] == [
                count
            ] * 2
        assert len(ids(everything)) == 41
        again = prepare("folder")(folder=tmp_path, source=str(root), dev_share=0.1, test_share=0.2)
        assert ids(again.test) == ids(splits.test)

    def test_speakers_stay_in_one_split(self, tmp_path):
        for speaker in range(10):
            for word in ("yes", "no"):
                sound(tmp_path / "mine" / word / f"s{speaker}_1.wav")
        splits = prepare("folder")(folder=tmp_path, source=str(tmp_path / "mine"), speaker=r"/(s\d+)_")
        parts = [{utterance.speaker for utterance in part} for part in (splits.train, splits.dev, splits.test)]
        assert [len(part) for part in parts] == [7, 1, 2]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]

    @pytest.mark.parametrize("source_folder", ["mine", "words1", "words1/../words2", "anna1/bob2"])
    def test_where_the_folder_lies_is_no_speaker(self, tmp_path, monkeypatch, source_folder):
        """With the pattern of README.md, however the folder is named."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "words1").mkdir()
        for speaker in ("carla", "dora"):
            sound(Path(source_folder) / "smart_mirror" / f"{speaker}1.wav")
        for source in (source_folder, f"{source_folder}/", str(tmp_path / source_folder)):
            splits = prepare("folder")(folder=tmp_path, source=source, speaker="([a-z]+)[0-9]", test_share=0.5)
            assert {utterance.speaker for utterance in splits.train + splits.dev + splits.test} == {"carla", "dora"}

    def test_sentences_that_are_all_different_are_split_too(self, tmp_path):
        for number in range(50):
            sound(tmp_path / "mine" / f"{number}.wav")
            (tmp_path / "mine" / f"{number}.txt").write_text(f"sentence {number}")
        splits = prepare("folder")(folder=tmp_path, source=str(tmp_path / "mine"), dev_share=0.1, test_share=0.2)
        assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [35, 5, 10]

    def test_what_is_none_of_the_words_is_to_be_heard_as_nothing(self, tmp_path):
        """Whatever a text beside it says; minutes of noise in pieces, of one split each."""
        root = tmp_path / "mine"
        for number in range(10):
            sound(root / "stop_it" / f"{number}.wav")
            sound(root / "_unknown" / "go" / f"{number}.wav")
            sound(root / "_noise_" / f"{number}.wav", seconds=9)
        (root / "_unknown" / "go" / "1.txt").write_text("go")
        splits = prepare("folder")(
            folder=tmp_path, source=str(root), speaker="([a-z]+)/[0-9]", dev_share=0.1, test_share=0.2
        )
        parts = [splits.train, splits.dev, splits.test]
        everything = [utterance for part in parts for utterance in part]
        assert {utterance.speaker for utterance in everything if utterance.text} == {"it"}
        assert {utterance.speaker for utterance in everything if not utterance.text} == {None}
        assert len(ids(everything)) == len(everything) == 10 + 10 + 30 and not splits.skipped
        assert all(utterance.text == ("" if utterance.id[0] == "_" else "stop it") for utterance in everything)
        files = [{utterance.audio for utterance in part} for part in parts]
        assert sum(map(len, files)) == len(set.union(*files)) == 30
        for file in {utterance.audio for utterance in everything if utterance.id.startswith("_noise_")}:
            pieces = sorted((one for one in everything if one.audio == file), key=lambda one: one.start_s)
            assert pieces[0].start_s == 0 and pieces[-1].end_s == pytest.approx(9)
            assert all(left.end_s == pytest.approx(right.start_s) for left, right in itertools.pairwise(pieces))
            assert all(len(manifest.read_waveform(one, 16000)) / 16000 == pytest.approx(3) for one in pieces)

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("count", [1, 3, 8, 30])
    def test_what_is_none_of_the_words_takes_no_speaker_from_dev_and_test(self, tmp_path, seed, count):
        for speaker in range(5):
            for word in ("yes", "no"):
                sound(tmp_path / "mine" / word / f"s{speaker}_1.wav")
        for number in range(count):
            sound(tmp_path / "mine" / "_unknown" / f"{number}.wav")
        splits = prepare("folder")(
            folder=tmp_path, source=str(tmp_path / "mine"), speaker=r"/(s\d+)_", seed=seed, dev_share=0.2
        )
        said = [{utterance.speaker for utterance in part if utterance.text}
                for part in (splits.train, splits.dev, splits.test)]  # fmt: skip
        assert [len(part) for part in said] == [3, 1, 1] and len(set.union(*said)) == 5

    def test_only_negative_examples_are_an_error(self, tmp_path):
        sound(tmp_path / "mine" / "_unknown" / "1.wav")
        with pytest.raises(CorpusError, match="no positive examples"):
            prepare("folder")(folder=tmp_path, source=str(tmp_path / "mine"))

    def test_what_has_no_text_of_its_own_is_named(self, tmp_path):
        sound(tmp_path / "mine" / "yes" / "a.wav")
        sound(tmp_path / "mine" / "yes" / "a.flac")
        sound(tmp_path / "mine" / "latin.wav")
        (tmp_path / "mine" / "latin.txt").write_bytes(b"caf\xe9")
        sound(tmp_path / "mine" / "empty.wav")
        (tmp_path / "mine" / "empty.txt").touch()
        sound(tmp_path / "mine" / "count.wav")
        (tmp_path / "mine" / "count.txt").write_text("5 6 pick up sticks")
        splits = prepare("folder")(folder=tmp_path, source=str(tmp_path / "mine"), dev_share=0, test_share=0)
        assert {utterance.text for utterance in splits.train} == {"yes", "5 6 pick up sticks"}
        assert {item.id for item in splits.skipped} == {"yes/a", "latin", "empty"}
        with pytest.raises(CorpusError, match="not a regular expression"):
            prepare("folder")(folder=tmp_path, source=str(tmp_path / "mine"), speaker="([")

    def built(self, tmp_path, log, **settings):
        """Texts by id of what is made of the folder `mine`, and what is printed."""
        corpus.build(prepare("folder"), tmp_path / "out", {"source": str(tmp_path / "mine"), **settings})
        texts = {}
        for split in ("train", "dev", "test"):
            path = tmp_path / "out" / f"{split}.jsonl"
            texts |= {one.id: one.text for one in (manifest.read(path) if path.stat().st_size else [])}
        return texts, log.getvalue()

    @pytest.mark.parametrize(("sound_name", "text_name", "content"), [
        ("rec1.wav", "rec1.lab", "ONE  TWO\n"), ("REC1.WAV", "REC1.TXT", "ONE\r\nTWO\r\n"),
        ("a.wav", "A.Lab", "ONE TWO"), ("x.flac", "x.normalized.txt", "ONE TWO"),
        ("x.y.wav", "x.y.txt", "\ufeffONE TWO"), ("rec1.WAV", "rec1.txt", "0 46797 ONE TWO"),
    ])  # fmt: skip
    def test_a_transcript_beside_the_sound_is_read(self, tmp_path, log, sound_name, text_name, content):
        sound(tmp_path / "mine" / "anna" / sound_name)
        (tmp_path / "mine" / "anna" / text_name).write_text(content, "utf-8", newline="")
        assert list(self.built(tmp_path, log)[0].values()) == ["ONE TWO"]

    @pytest.mark.parametrize(("name", "content", "said"), [
        ("a.lab", "0 300000 sil\n300000 900000 one\n", "holds times"),
        ("a.TextGrid", "x", "in a form that is not read"), ("a.srt", "1", "in a form that is not read"),
        ("a.wav.json", "{}", "in a form that is not read"),
        ("a.txt", "", "is empty"), ("A.TXT", "caf\udce9", "not UTF-8"),
    ])  # fmt: skip
    def test_a_transcript_that_cannot_be_read_is_named(self, tmp_path, log, name, content, said):
        sound(tmp_path / "mine" / "anna" / "a.wav")
        sound(tmp_path / "mine" / "anna" / "b.wav")
        (tmp_path / "mine" / "anna" / name).write_bytes(content.encode("utf-8", "surrogateescape"))
        texts, printed = self.built(tmp_path, log)
        assert list(texts) == ["anna/b"] and said in printed and name in printed

    @pytest.mark.parametrize(("folder", "stem", "table", "line"), [
        ("clips", "cv_{}", "train.tsv", "client\tcv_{}.wav\ta whole sentence\t2"),
        ("clips", "cv_{}", "train.tsv", "client\tclips/cv_{}.wav\ta whole sentence\t2"),
        ("wavs", "LJ001-000{}", "metadata.csv", "LJ001-000{}|Printing, in the only sense|Printing"),
        ("84/121123", "84-121123-000{}", "84/121123/84-121123.trans.txt", "84-121123-000{} GO DO YOU HEAR"),
        ("data", "utt_{}", "text", "utt_{} some words"),
        ("audio", "x-y-{}", "meta.jsonl", '{{"audio_filepath": "audio/x-y-{}.wav", "text": "some words"}}'),
        ("wav48/p225", "p225_00{}", "txt/p225/p225_00{}.txt", "some words"),
    ])  # fmt: skip
    def test_a_table_that_has_the_transcripts_is_named_rather_than_trained_past(
        self, tmp_path, log, folder, stem, table, line
    ):
        for number in range(4):
            sound(tmp_path / "mine" / folder / f"{stem.format(number)}.wav")
            path = tmp_path / "mine" / table.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(line.format(number) + "\n")
        name = re.escape(Path(table.format(0)).name)
        with pytest.raises(CorpusError, match=rf"no text: it seems to lie in .*{name}.*; write NAME\.txt beside"):
            self.built(tmp_path, log)

    @pytest.mark.parametrize(("table", "line"), [
        ("testing_list.txt", "{word}/{word}_{number}.wav"), ("meta.csv", "{word}_{number}.wav,{word},3 s"),
        ("README.txt", "{word}_{number}.wav 16000"), ("notes.csv", "{number},some words"),
    ])  # fmt: skip
    def test_a_table_that_says_the_same_or_nothing_changes_nothing(self, tmp_path, log, table, line):
        for word in ("smart_mirror", "no"):
            for number in range(3):
                sound(tmp_path / "mine" / word / f"{word}_{number}.wav")
        lines = [line.format(word=word, number=number) for word in ("smart_mirror", "no") for number in range(3)]
        (tmp_path / "mine" / table).write_text("\n".join(lines))
        texts, printed = self.built(tmp_path, log)
        assert Counter(texts.values()) == {"smart mirror": 3, "no": 3} and "no text" not in printed

    def test_one_text_for_all_is_noted(self, tmp_path, log):
        for number in range(3):
            sound(tmp_path / "mine" / "wavs" / f"{number}.wav")
        assert (
            "note: all recordings have the same text, 'wavs', the name of their folder" in self.built(tmp_path, log)[1]
        )

    @pytest.mark.skipif(os.name == "nt", reason="links need rights there")
    def test_what_cannot_be_used_is_named_and_the_rest_is_used(self, tmp_path, log):
        root = tmp_path / "mine"
        for number in range(3):
            sound(root / "one" / f"{number}.wav")
            sound(tmp_path / "elsewhere" / f"{number}.wav")
            sound(root / ".Trash" / f"{number}.wav")
            sound(root / "one" / ".ipynb_checkpoints" / f"{number}.wav")
        sound(root / "four" / "0.wav")
        whole = (root / "four" / "0.wav").read_bytes()
        (root / "four" / "0.wav").write_bytes(whole[: len(whole) // 2])
        (root / "three").symlink_to(tmp_path / "elsewhere")
        (root / "one" / "annexed.wav").symlink_to("/annex/not/fetched.wav")
        for name in ("p.m4a", "p.amr", "q.webm"):
            (root / "one" / name).touch()
        texts, printed = self.built(tmp_path, log)
        assert Counter(texts.values()) == {"one": 3, "three": 3}
        skipped = (tmp_path / "out" / "skipped.txt").read_text()
        for line in (skipped, printed):
            assert "one/annexed.wav: a link to what is not there" in line.replace(f"{root}/", "")
            assert "convert it: ffmpeg -i" in line and "damaged: breaks off after" in line
        assert len(skipped.splitlines()) == 5 and "note: no recording can be read of 'four'" in printed
        assert not corpus.build(prepare("folder"), tmp_path / "out", {"source": str(root)})
        sound(tmp_path / "elsewhere" / "3.wav")
        assert corpus.build(prepare("folder"), tmp_path / "out", {"source": str(root)}), "through the link"

    def test_a_folder_of_phone_recordings_alone_says_what_to_do(self, tmp_path, log):
        (tmp_path / "mine" / "seven").mkdir(parents=True)
        (tmp_path / "mine" / "seven" / "p.m4a").touch()
        with pytest.raises(CorpusError, match=r"no sound files below it: .*m4a.*convert it: ffmpeg -i"):
            self.built(tmp_path, log)

    @pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
    def test_names_that_are_not_utf_8_are_used(self, tmp_path, log):
        for name in ("one/a.wav", "one/caf\udce9.wav", "one/caf\udcea.wav", "na\udcefve/a.wav", "two/a\x1b[2J.wav"):
            sound(tmp_path / "mine" / name)
        texts, printed = self.built(tmp_path, log)
        assert texts == {"one/a": "one", "one/caf%E9": "one", "one/caf%EA": "one", "two/a_[2J": "two"}
        assert r"na\xefve" in printed and "\x1b" not in printed
        (tmp_path / "out" / "skipped.txt").read_text("utf-8")

    @pytest.mark.parametrize("seed", range(4))
    def test_copies_of_a_recording_are_noted_and_stay_in_one_split(self, tmp_path, log, seed):
        for number in range(12):
            for word, label in (("one", 1), ("two", 2)):
                seed_of_it = label if number < 4 else 100 * label + number
                sound(tmp_path / "mine" / word / f"{number}.wav", seed=seed_of_it)
        one = tmp_path / "mine" / "one" / "3.wav"
        samples, rate = soundfile.read(one, dtype="int16")
        soundfile.write(one.with_suffix(".flac"), samples, rate)  # the same samples in other bytes
        one.unlink()
        printed = self.built(tmp_path, log, seed=seed)[1]
        assert "note: 8 files are 2 recordings, copied" in printed
        parts = [manifest.read(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "dev", "test")]
        sounds = [{audio.read(one.audio).tobytes() for one in part} for part in parts]
        assert not (sounds[0] & sounds[1] or sounds[0] & sounds[2] or sounds[1] & sounds[2])

    def test_one_recording_with_two_texts_is_noted(self, tmp_path, log):
        for word in ("yes", "no"):
            sound(tmp_path / "mine" / word / "0.wav", seed=1)
        assert "note: 1 recordings have several texts, such as 'no' and 'yes'" in self.built(tmp_path, log)[1]

    @pytest.mark.parametrize(("pattern", "said"), [
        ("spk([0-9]+)", "finds a speaker in none of 8 files"), ("(theo)", "finds a speaker in 4 of 8 files"),
        ("(theo)?[a-z]*[0-9]", "finds a speaker in 4 of 8 files"), ("/([a-z]+)", None),
    ])  # fmt: skip
    def test_a_speaker_pattern_that_finds_nobody_is_noted(self, tmp_path, log, pattern, said):
        for number in range(4):
            sound(tmp_path / "mine" / "one" / f"theo{number}.wav")
            sound(tmp_path / "mine" / "one" / f"jack{number}.wav")
            sound(tmp_path / "mine" / "_noise" / f"{number}.wav")
        printed = self.built(tmp_path, log, speaker=pattern)[1]
        assert (said or "") in printed and ("finds a speaker" in printed) == bool(said)

    def test_one_utterance(self, tmp_path):
        sound(tmp_path / "mine" / "x.wav")
        (tmp_path / "mine" / "x.txt").write_text("hello")
        splits = prepare("folder")(folder=tmp_path, source=str(tmp_path / "mine"), dev_share=0, test_share=0)
        assert [utterance.text for utterance in splits.train] == ["hello"] and not splits.dev and not splits.test

    def test_nothing_there(self, tmp_path):
        with pytest.raises(CorpusError, match="no sound files"):
            prepare("folder")(folder=tmp_path, source=str(tmp_path))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The synthetic corpus with four words: (prepare, Splits)."""
    script = prepare("synthetic")
    sys.modules[script.__module__].WORDS[:] = ["yes", "xray", "quick", "jazz"]
    folder = tmp_path_factory.mktemp("synthetic")
    return script, script(folder=folder, utterances_per_word=6, held_out_per_word=2, num_voices=5)


class TestSynthetic:
    def test_dev_and_test_speak_with_voices_that_training_never_hears(self, made):
        _, splits = made
        train, dev, test = (
            {utterance.speaker for utterance in part} for part in (splits.train, splits.dev, splits.test)
        )
        assert train and dev and test
        assert not train & dev and not train & test and not dev & test
        assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [24, 8, 8]

    def test_the_sound_is_speech_at_16_khz_trimmed(self, made):
        for utterance in made[1].train:
            assert audio.info(utterance.audio).sample_rate == 16000
            waveform = audio.read(utterance.audio)
            assert 0.15 < utterance.duration_s < 2 and len(waveform) / 16000 == pytest.approx(
                utterance.duration_s, abs=1e-3
            )
            loud = np.flatnonzero(np.abs(waveform) > 0.05 * np.abs(waveform).max())
            assert loud[0] < 0.15 * 16000 and len(waveform) - loud[-1] < 0.15 * 16000

    def test_the_same_seed_gives_the_same_corpus(self, made, tmp_path):
        script, splits = made
        again = script(folder=tmp_path, utterances_per_word=6, held_out_per_word=2, num_voices=5)
        assert ids(again.train) == ids(splits.train)
        for one, other in zip(splits.train, again.train, strict=True):
            assert np.array_equal(audio.read(one.audio), audio.read(other.audio))
        other = script(folder=tmp_path / "other", utterances_per_word=6, held_out_per_word=2, num_voices=5, seed=2)
        assert ids(other.train) != ids(splits.train)

    def test_phrases_noise_and_words_of_ones_own(self, tmp_path):
        splits = prepare("synthetic")(
            folder=tmp_path, words="a yes nine", most_words=3, utterances_per_word=10, held_out_per_word=2,
            num_voices=5, noise_share=0.5, sample_rate=8000,
        )  # fmt: skip
        spoken = [utterance for utterance in splits.train if utterance.text]
        assert (
            sorted(" ".join(utterance.text for utterance in spoken).split())
            == ["a"] * 10 + ["nine"] * 10 + ["yes"] * 10
        )
        assert {len(utterance.text.split()) for utterance in spoken} == {1, 2, 3}
        assert len(splits.train) - len(spoken) == round(0.5 * len(spoken))
        for utterance in splits.train + splits.dev:
            assert audio.info(utterance.audio).sample_rate == 8000
            assert np.isfinite(audio.read(utterance.audio)).all()

    def test_other_words_and_the_rate_of_speech(self, tmp_path):
        settings = {"words": "nine one", "also_words": "line run", "also_per_word": 3, "num_voices": 3,
                    "utterances_per_word": 20, "held_out_per_word": 2}  # fmt: skip
        fast = prepare("synthetic")(folder=tmp_path / "fast", slowest=300, fastest=340, **settings)
        slow = prepare("synthetic")(folder=tmp_path / "slow", slowest=100, fastest=120, **settings)
        texts = [utterance.text for utterance in fast.train]
        assert {word: texts.count(word) for word in set(texts)} == {"nine": 20, "one": 20, "line": 3, "run": 3}
        assert {utterance.text for utterance in fast.dev + fast.test} == {"nine", "one"}
        lasts = [np.mean([utterance.duration_s for utterance in splits.train]) for splits in (fast, slow)]
        assert lasts[0] < 0.7 * lasts[1]
        (tmp_path / "mine.jsonl").write_text('{"id": "take", "text": "one", "audio": "take.wav"}')
        also = {"also": str(tmp_path / "mine.jsonl"), "also_repeats": 2}
        more = prepare("synthetic")(folder=tmp_path / "more", slowest=300, fastest=340, **also, **settings)
        assert ids(more.train) - ids(fast.train) == {"take-also0", "take-also1"} and ids(more.dev) == ids(fast.dev)

    def test_other_pronunciations_are_said(self, tmp_path):
        # One that lasts twice as long as the words tells where it was taken.
        splits = prepare("synthetic")(
            folder=tmp_path, words="nine one", num_voices=3, utterances_per_word=30, held_out_per_word=3, fastest=140,
            pronunciations="one=w'O:n" + "O:n" * 8,
        )  # fmt: skip
        assert sorted(utterance.text for utterance in splits.train) == ["nine"] * 30 + ["one"] * 30
        long = [utterance for utterance in splits.train if utterance.duration_s > 1]
        assert {utterance.text for utterance in long} == {"one"} and 6 < len(long) < 24
        assert all(utterance.duration_s < 1 for utterance in splits.dev + splits.test)

    def test_who_says_other_pronunciations(self, tmp_path, monkeypatch):
        said = {}

        def lines(share, **settings):
            monkeypatch.setattr(speak, "speak_all", lambda made, *_, **__: said.update(lines=made) or [1.0] * len(made))
            prepare("synthetic")(
                folder=tmp_path, words="nine one", also_words="run", also_per_word=30, utterances_per_word=60,
                held_out_per_word=10, pronounced_share=share, pronunciations="one=w'On one=w'an run=R'Vn", **settings,
            )  # fmt: skip
            return said["lines"]

        voices = {
            name: SimpleNamespace(num_speakers=1, languages={"en"}, reads_phonemes=name == "joe")
            for name in ("joe", "heart")
        }
        monkeypatch.setattr(neural, "load", voices.get)
        made = lines(0.5, neural_voices="joe heart")
        parts = {part: [line for line in made if f"/{part}/" in Path(line.path).as_posix()] for part in corpus.SPLITS}
        assert {line.text for line in parts["dev"] + parts["test"]} == {"nine", "one"}
        assert {line.text for line in parts["train"] if "heart" in line.voice} == {"nine", "one", "run"}
        for voice in ("joe", "drawn"):
            texts = Counter(line.text for line in parts["train"] if voice in line.voice)
            assert set(texts) == {"nine", "one", "run", "[[w'On]]", "[[w'an]]", "[[R'Vn]]"}
            assert 0.25 < texts["one"] / (texts["one"] + texts["[[w'On]]"] + texts["[[w'an]]"]) < 0.75
        # Never as it is spelled: nowhere, and by nobody who can but spell.
        assert {line.text for line in lines(1)} == {"nine", "[[w'On]]", "[[w'an]]", "[[R'Vn]]"}
        with pytest.raises(CorpusError, match="neural_voices: heart reads letters alone"):
            lines(1, neural_voices="joe heart")

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"pronunciations": "one"}, "'one' is not WORD=MNEMONICS"),
            ({"pronunciations": "two=t'u"}, "'two' is in neither data.words nor data.also_words"),
            (
                {"pronunciations": "one=w'On one=w'y:"},
                "\"one=w'y:\": espeak-ng has no phoneme mnemonic that begins 'y:'",
            ),
            ({"pronunciations": "one='"}, "espeak-ng says nothing for it"),
            ({"pronounced_share": 50.0}, "pronounced_share must be from 0 to 1, not 50"),
            ({"neural_share": -1.0}, "neural_share must be from 0 to 1, not -1"),
            ({"noise_share": -0.5}, "noise_share must be at least 0, not -0.5"),
            ({"most_words": 0}, "most_words must be at least 1, not 0"),
            ({"num_voices": 0}, "num_voices must be at least 1, not 0"),
            ({"neural_repeats": 0}, "neural_repeats must be at least 1, not 0"),
            ({"seed": -1}, "seed must be at least 0, not -1"),
            ({"slowest": 30}, "slowest must be at least 80, not 30"),
            ({"slowest": 200}, "slowest=200 must be below data.fastest=180"),
            ({"slowest": 270, "fastest": 320, "neural_voices": "joe"}, "slowest=270 must be below 260"),
        ],
    )
    def test_settings_that_nobody_can_say_are_named(self, tmp_path, settings, message):
        with pytest.raises(CorpusError, match=message):
            prepare("synthetic")(folder=tmp_path, words="nine one", **settings)

    def test_the_words_cover_every_letter_and_hold_no_homophones(self):
        source = (REPOSITORY / "recipes" / "prepare" / "synthetic.py").read_text()
        words = set(source.partition('WORDS = """')[2].partition('"""')[0].split())
        assert len(words) > 200
        assert set("".join(words)) == set("abcdefghijklmnopqrstuvwxyz")
        for alike in ({"two", "to", "too"}, {"four", "for"}, {"eight", "ate"}, {"write", "right"}, {"one", "won"}):
            assert len(alike & words) <= 1

    def test_neural_voices_speak_a_share(self, tmp_path):
        settings = {"words": "nine yes", "also_words": "line", "also_per_word": 8, "num_voices": 3, "sample_rate": 8000,
                    "neural_voices": "heart joe", "utterances_per_word": 8, "held_out_per_word": 2}  # fmt: skip
        splits = prepare("synthetic")(folder=tmp_path / "one", neural_repeats=2, **settings)
        neural = [utterance for utterance in splits.train if not utterance.speaker.startswith("drawn")]
        assert 6 <= len(neural) / 2 <= 18 and len(splits.train) == 24 + len(neural) / 2
        assert {utterance.text for utterance in neural} == {"nine", "yes", "line"}
        turns = [sum(utterance.speaker == name for utterance in neural) for name in ("heart0", "joe0")]
        assert sum(turns) == len(neural) and abs(turns[0] - turns[1]) <= 2
        assert len({utterance.audio for utterance in neural}) == len(neural) / 2 == len(ids(neural)) / 2
        again = prepare("synthetic")(folder=tmp_path / "two", **settings)
        assert ids(again.train) < ids(splits.train) and ids(again.dev) == ids(splits.dev)
        sounds = {utterance.id: utterance.audio for utterance in again.train}
        for utterance in neural[::2]:
            assert audio.info(utterance.audio).sample_rate == 8000
            assert np.array_equal(audio.read(utterance.audio), audio.read(sounds[utterance.id]))


def test_a_prepare_script_runs_on_its_own(tmp_path):
    sound(tmp_path / "mine" / "yes" / "1.wav")
    script = REPOSITORY / "recipes" / "prepare" / "folder.py"
    command = [sys.executable, script, tmp_path / "out", "--source", tmp_path / "mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "train       1 utterances" in done.stderr
    assert json.loads((tmp_path / "out" / "train.jsonl").read_text())["audio"] == "../mine/yes/1.wav"
    shutil.rmtree(tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    failed = subprocess.run([*command[:2], tmp_path / "two", *command[3:]], capture_output=True, text=True)
    assert failed.returncode == 2 and failed.stderr.startswith("error: data.source=")


@pytest.mark.parametrize(
    ("name", "folder", "count"),
    [("an4", "an4", 948), ("fsdd", "fsdd", 2000), ("folder", "wake_words", 960), ("folder", "ldc93s1", 1)],
)
def test_real_corpora(real_speech, tmp_path, name, folder, count):
    if not (real_speech / folder).is_dir():
        pytest.skip(f"no {folder} in {real_speech}")
    splits = prepare(name)(folder=tmp_path, source=str(real_speech / folder))
    everything = splits.train + splits.dev + splits.test
    assert len(everything) == len(ids(everything)) == count and not splits.skipped
    manifest.write(tmp_path / "m.jsonl", everything)
    assert len(manifest.read(tmp_path / "m.jsonl")) == count


class TestEnglish:
    @pytest.fixture(autouse=True)
    def _words(self, monkeypatch):
        words = "the of and tv water ox kitchen don't water2 xylophone mq i a".split()
        frequencies = dict(zip(words, np.geomspace(1e-2, 1e-6, len(words)).tolist(), strict=True))
        fake = SimpleNamespace(
            top_n_list=lambda _, count: words[:count], word_frequency=lambda word, _: frequencies[word]
        )
        monkeypatch.setitem(sys.modules, "wordfreq", fake)
        monkeypatch.setattr(speak, "speak_all", lambda made, *_, **__: self.lines.extend(made) or [1.0] * len(made))
        self.lines = []

    def test_every_transcript_can_be_spelled_and_speakers_of_training_are_nobody_else(self, tmp_path):
        splits = prepare("english")(folder=tmp_path, utterances=400, held_out=40, num_voices=20)
        assert (len(splits.dev), len(splits.test), len(splits.train)) == (41, 41, 412)
        everything = splits.train + splits.dev + splits.test
        assert all(re.fullmatch("[a-z']+( [a-z']+)*|", utterance.text) for utterance in everything)
        said = set(" ".join(utterance.text for utterance in everything).split())
        assert {"water", "xylophone", "don't", "zero", "twenty", "monday", "q", "kitchen"} <= said
        assert not {"tv", "mq", "water2"} & said  # espeak-ng would spell them
        parts = [{one.speaker for one in part if one.text} for part in (splits.train, splits.dev, splits.test)]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]

    def test_numbers_in_words(self):
        wanted = {0: "zero", 9: "nine", 13: "thirteen", 40: "forty", 99: "ninety nine", 100: "one hundred",
                  215: "two hundred fifteen", 7000: "seven thousand", 3021: "three thousand twenty one"}  # fmt: skip
        assert {value: " ".join(general.number(value)) for value in wanted} == wanted

    def test_what_neural_voices_say_does_not_depend_on_the_rest(self, tmp_path, monkeypatch):
        voices = {name: SimpleNamespace(num_speakers=count) for name, count in (("kokoro", None), ("p.onnx", 3))}
        monkeypatch.setattr(neural, "load", voices.get)
        made = []
        for utterances, count in ((10, 4), (20, 6)):
            self.lines = []
            prepare("english")(folder=tmp_path, utterances=utterances, neural_voices=f"kokoro={count}x2 p.onnx=6")
            made.append([line for line in self.lines if ":" in line.voice])
        kokoro = [[(line.text, line.voice) for line in lines if "kokoro" in line.voice] for lines in made]
        assert len(kokoro[0]) == 4 and kokoro[0] == kokoro[1][:4]
        assert {line.voice.partition("+")[2] for line in made[0]} >= {"kokoro:0", "kokoro:3", "p.onnx:0", "p.onnx:2"}
        with pytest.raises(CorpusError, match="'kokoro' is not NAME=COUNT"):
            prepare("english")(folder=tmp_path, neural_voices="kokoro")

    def test_recordings_join_the_training_part_as_often_as_said(self, tmp_path):
        manifest.write(tmp_path / "also.jsonl", [Utterance("one", "yes", features=str(tmp_path / "one.npy"))])
        splits = prepare("english")(folder=tmp_path, utterances=5, also=str(tmp_path / "also.jsonl"), also_repeats=3)
        real = [utterance for utterance in splits.train if utterance.features]
        assert [utterance.id for utterance in real] == ["one-also0", "one-also1", "one-also2"]
