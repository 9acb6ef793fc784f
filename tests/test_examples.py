import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_batches import CONFIG, EVERYTHING, TASK, batches, load, same

from asr.data import examples, manifest
from asr.data.manifest import Utterance
from asr.features import FeatureExtractor


def is_mapped(array):
    """Whether the memory of an array, which may be a view, is that of a file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


@pytest.fixture(scope="module")
def utterances(tones):
    return manifest.read(tones / "train.jsonl")


@pytest.mark.parametrize("keep_sound", [True, False])
def test_a_cache_is_mapped_and_changes_nothing(utterances, tmp_path, keep_sound):
    in_memory, _ = load(utterances, keep_sound=keep_sound)
    for _ in range(2):
        mapped, _ = load(utterances, keep_sound=keep_sound, cache=tmp_path)
        assert all(is_mapped(example.signal.values) for example in mapped)
        assert len({id(example.signal.values.base) for example in mapped}) <= 2, "one map, not a file handle for each"
        pairs = zip(batches(in_memory, EVERYTHING).epoch(1), batches(mapped, EVERYTHING).epoch(1), strict=True)
        assert all(same(one, other) for one, other in pairs)


class TestCache:
    @pytest.fixture
    def copies(self, utterances, tmp_path):
        made = []
        for utterance in utterances[:5]:
            path = tmp_path / f"{utterance.id}.wav"
            path.write_bytes(Path(utterance.audio).read_bytes())
            made.append(replace(utterance, audio=str(path)))
        return made

    def read(self, utterances, folder, monkeypatch, config=CONFIG, **settings):
        """Examples, and how many utterances were read from their files to make them."""
        count = 0

        def counted(*args, **kwargs):
            nonlocal count
            count += 1
            return original(*args, **kwargs)

        original = manifest.read_waveform
        with monkeypatch.context() as patch:
            patch.setattr(manifest, "read_waveform", counted)
            loaded, skipped = examples.load(utterances, FeatureExtractor(config), TASK, cache=folder, **settings)
        return loaded, skipped, count

    def test_is_used_again_when_nothing_changed(self, copies, tmp_path, monkeypatch):
        folder = tmp_path / "cache"
        assert self.read(copies, folder, monkeypatch)[2] == 5
        assert self.read(copies, folder, monkeypatch)[2] == 0
        later = replace(CONFIG, deltas=2, mean="corpus", stack=2)
        assert self.read(copies, folder, monkeypatch, later)[2] == 0, "these settings come after the cepstra"
        heard = replace(CONFIG, variance="none", prior_frames=50.0)
        assert self.read(copies, folder, monkeypatch, heard)[2] == 0, "these are, too"

    def test_is_made_anew_when_settings_or_sound_did(self, copies, tmp_path, monkeypatch):
        folder = tmp_path / "cache"
        before = self.read(copies, folder, monkeypatch)[0]
        changed, _, count = self.read(copies, folder, monkeypatch, replace(CONFIG, num_filters=20))
        assert count == 5 and not np.array_equal(changed[0].signal.values, before[0].signal.values)
        with Path(copies[0].audio).open("r+b") as file:
            file.seek(2000)
            file.write(b"xyz" * 100)
        os.utime(copies[0].audio, ns=(1, 1))
        loaded, _, count = self.read(copies, folder, monkeypatch, replace(CONFIG, num_filters=20))
        assert count == 5 and not np.array_equal(loaded[0].signal.values, changed[0].signal.values)
        assert len(list(folder.iterdir())) == 2, "the old files are gone"

    def test_what_could_not_be_read_is_named_again(self, copies, tmp_path, monkeypatch):
        broken = [*copies, Utterance("gone", "a", str(tmp_path / "gone.wav"))]
        first, second = (self.read(broken, tmp_path / "cache", monkeypatch) for _ in range(2))
        assert [item.id for item in first[1]] == ["gone"] and first[1] == second[1]

    def test_another_run_may_make_the_same_or_others_meanwhile(self, copies, tmp_path, monkeypatch):
        folder = tmp_path / "cache"
        folder.mkdir()
        stale = folder / "train-cepstra-0123456789abcdef.bin.1.part"  # of a run that was killed
        stale.touch()
        os.utime(stale, (1, 1))

        def interleaved(made):
            for number, item in enumerate(made):
                if number == 3:
                    with monkeypatch.context() as patch:
                        patch.setattr(os, "getpid", lambda: -1)  # another process
                        self.read(copies, folder, monkeypatch)
                        self.read(copies, folder, monkeypatch, replace(CONFIG, num_filters=20))
                yield item

        loaded, _, count = self.read(copies, folder, monkeypatch, progress=interleaved)
        assert count == 15
        for one, other in zip(loaded, self.read(copies, tmp_path / "new", monkeypatch)[0], strict=True):
            assert np.array_equal(one.signal.values, other.signal.values)
        assert len(list(folder.iterdir())) == 2

    def test_an_interrupted_writer_leaves_nothing_to_believe(self, copies, tmp_path, monkeypatch):
        folder = tmp_path / "cache"

        def interrupted(made):
            for number, item in enumerate(made):
                if number == 3:
                    raise KeyboardInterrupt
                yield item

        with pytest.raises(KeyboardInterrupt):
            self.read(copies, folder, monkeypatch, progress=interrupted)
        assert not list(folder.iterdir())
        assert self.read(copies, folder, monkeypatch)[2] == 5

    @pytest.mark.parametrize("damage", [
        lambda data, index: data.write_bytes(data.read_bytes()[:500]),
        lambda data, index: data.write_bytes(b""),
        lambda data, index: data.write_bytes(bytes(data.stat().st_size)),
        lambda data, index: data.unlink(),
        lambda data, index: index.write_bytes(b""),
        lambda data, index: index.write_bytes(index.read_bytes()[:60]),
        lambda data, index: index.write_text("[]"),
        lambda data, index: index.write_text(index.read_text().replace("[", "", 1)),
        lambda data, index: index.write_text('{"dtype": "float32", "entries": []}'),
    ])  # fmt: skip
    @pytest.mark.parametrize("keep_sound", [True, False])
    def test_what_has_been_damaged_is_made_again(self, copies, tmp_path, monkeypatch, damage, keep_sound):
        folder = tmp_path / "cache"
        before = [
            example.signal.values.copy() for example in self.read(copies, folder, monkeypatch, keep_sound=keep_sound)[0]
        ]
        (data,), (index,) = folder.glob("*.bin"), folder.glob("*.json")
        damage(data, index)
        again, _, count = self.read(copies, folder, monkeypatch, keep_sound=keep_sound)
        assert count == 5 and all(map(np.array_equal, before, (example.signal.values for example in again)))
        assert self.read(copies, folder, monkeypatch, keep_sound=keep_sound)[2] == 0


def test_what_cannot_be_learned_from_is_named_with_its_reason(utterances, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    good = utterances[0]
    bad = [
        Utterance("broken", "abc", str(tmp_path / "broken.wav")),
        Utterance("gone", "abc", str(tmp_path / "gone.wav")),
        Utterance("foreign", "abx", good.audio),
        Utterance("mute", " ", good.audio),
        Utterance("hasty", "ab" * 300, good.audio),
        Utterance("stutter", "a" * 40, good.audio, end_s=0.5),
    ]
    loaded, skipped = load([good, *bad])
    assert [example.id for example in loaded] == [good.id]
    reasons = {item.id: item.reason for item in skipped}
    assert set(reasons) == {utterance.id for utterance in bad}
    assert "unreadable audio" in reasons["broken"] and "broken.wav" in reasons["broken"]
    assert "no such file" in reasons["gone"]
    assert "'x' is not in the alphabet" in reasons["foreign"]
    assert "empty transcript" in reasons["mute"]
    assert "needs 600 frames" in reasons["hasty"]
    assert "needs 79 frames, there are 49" in reasons["stutter"], "equal neighbours need a blank between them"
