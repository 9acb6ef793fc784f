import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.data import dataset, manifest
from asr.data.augment import AugmentConfig, Augmenter
from asr.data.dataset import Batches, Example
from asr.data.manifest import Utterance
from asr.features import FeatureConfig, FeatureExtractor
from asr.text import TextConfig, Tokenizer

CONFIG = FeatureConfig(variance="utterance")
TEXT = TextConfig(alphabet="abcd")
SPACE = 5
EVERYTHING = AugmentConfig(
    speed=0.2, pad_ms=50, channel_db=6, noise_probability=0.5, gain_db=6, tempo=0.2, time_masks=2, feature_masks=2
)


def is_mapped(array):
    """Whether the memory of an array, which may be a view, is that of a file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def load(utterances, **settings):
    return dataset.load(utterances, FeatureExtractor(CONFIG), Tokenizer(TEXT.alphabet), TEXT, **settings)


def batches(examples, augment=None, config=CONFIG, **settings):
    augmenter = augment and Augmenter(augment, config)
    return Batches(examples, FeatureExtractor(config), 8, augmenter=augmenter, **settings)


@pytest.fixture(scope="module")
def utterances(tones):
    return manifest.read(tones / "train.jsonl")


def same(one, other):
    return one.ids == other.ids and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("frames", "frame_lengths", "tokens", "token_lengths")
    )


@settings(max_examples=50)
@given(lengths=st.lists(st.integers(1, 500), min_size=1, max_size=300), batch_size=st.integers(1, 40))
def test_buckets_hold_every_index_once(lengths, batch_size):
    found = dataset.bucket(np.array(lengths), batch_size, np.random.default_rng(0))
    assert sorted(np.concatenate(found)) == list(range(len(lengths)))
    assert max(map(len, found)) <= batch_size


def test_buckets_hold_little_padding():
    lengths = np.random.default_rng(0).integers(50, 300, 3000)
    found = dataset.bucket(lengths, 16, np.random.default_rng(0))
    padded = sum(len(indices) * lengths[indices].max() for indices in found)
    assert lengths.sum() / padded > 0.95


def test_padding_is_zero_and_lengths_are_true(utterances):
    examples, left_out = load(utterances)
    assert not left_out
    by_id = {example.id: example for example in examples}
    for batch in batches(examples).in_order():
        for row, key in enumerate(batch.ids):
            frames = FeatureExtractor(CONFIG).finish(by_id[key].source)
            assert np.array_equal(batch.frames[row, : batch.frame_lengths[row]], frames)
            assert not batch.frames[row, batch.frame_lengths[row] :].any()
            tokens = batch.tokens[row, : batch.token_lengths[row]]
            assert TEXT.alphabet[tokens[0] - 1] == by_id[key].text[0]
            assert len(tokens) == len(by_id[key].text)


def test_kept_sound_gives_the_frames_of_the_file(utterances):
    from_sound = list(batches(load(utterances, keep_sound=True)[0]).in_order())
    from_cepstra = list(batches(load(utterances)[0]).in_order())
    found = {key: row for batch in from_sound for key, row in zip(batch.ids, batch.frames, strict=True)}
    for batch in from_cepstra:
        for key, row in zip(batch.ids, batch.frames, strict=True):
            length = min(len(row), len(found[key]))
            assert np.abs(found[key][:length] - row[:length]).max() < 1e-4


def test_an_epoch_is_a_function_of_seed_and_number(utterances):
    examples, _ = load(utterances, keep_sound=True)
    first = list(batches(examples, EVERYTHING, seed=1).epoch(3))
    again = list(batches(examples, EVERYTHING, seed=1).epoch(3))
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    for other in (batches(examples, EVERYTHING, seed=1).epoch(4), batches(examples, EVERYTHING, seed=2).epoch(3)):
        assert not all(same(one, two) for one, two in zip(first, other, strict=True))
    assert sorted(key for batch in first for key in batch.ids) == sorted(example.id for example in examples)


@pytest.mark.parametrize("keep_sound", [False, True])
def test_two_views_of_an_utterance_are_in_step_and_differ(utterances, keep_sound):
    """The first is what there is without the second; each shard of a batch holds both views of its utterances."""
    examples, _ = load(utterances, keep_sound=keep_sound)
    augment = replace(EVERYTHING, tract=0.1, jitter=0.1, time_masks=0, feature_masks=0)  # masks would hide the energy
    alone = batches(examples, augment, seed=1).epoch(3)
    for one, both in zip(alone, batches(examples, augment, seed=1, twice=True).epoch(3), strict=True):
        assert one.frames_again is None and same(one, both)
        assert both.frames_again.shape == both.frames.shape and both.frames_again.dtype == np.float32
        for row, length in enumerate(both.frame_lengths):
            first, again = both.frames[row], both.frames_again[row]
            assert not again[length:].any() and np.abs(first - again)[:length].max() > 0.1
            assert np.corrcoef(first[:length, 0], again[:length, 0])[0, 1] > 0.8, "the energy is that of one tempo"
        for number, shard in enumerate(both.split(3)):
            for row, length in enumerate(shard.frame_lengths):
                assert np.array_equal(shard.frames_again[row, :length], both.frames_again[number + 3 * row, :length])
    assert all(batch.frames_again is None for batch in batches(examples, augment, twice=True).in_order())
    untouched = next(batches(examples, twice=True).epoch(1))
    assert np.array_equal(untouched.frames, untouched.frames_again)


@pytest.mark.parametrize("stack", [1, 2, 3, 4])
@pytest.mark.parametrize("more", [{}, {"trim_db": 60, "crop_ms": 200, "join": 3, "join_probability": 1.0}])
def test_an_epoch_never_makes_a_transcript_impossible(utterances, more, stack):
    from asr.decode import ctc

    config = replace(CONFIG, stack=stack)
    tight = []
    for example in load(utterances, keep_sound=True)[0]:
        num_frames = config.num_stacked(config.num_frames(len(example.source)))
        tokens = np.resize([1, 1, 2], num_frames)
        while ctc.min_frames(tokens) > num_frames:
            tokens = tokens[:-1]
        tight.append(replace(example, tokens=tokens))
    shorter = AugmentConfig(speed=0.4, tempo=0.4, **more)
    for number in range(5):
        for batch in batches(tight, shorter, config, seed=number, space=SPACE).epoch(number):
            for row in range(len(batch.ids)):
                needed = ctc.min_frames(batch.tokens[row, : batch.token_lengths[row]])
                assert batch.frame_lengths[row] >= needed


def test_joined_utterances_are_heard_in_the_order_of_their_words():
    """Each letter is a tone, so that the frames tell what is said."""
    config = FeatureConfig(mean="none", variance="none", deltas=0)
    tones = [np.sin(2 * np.pi * pitch * np.arange(4800) / 16000) * 8000 for pitch in (400, 900, 1600, 2600)]
    sounds = [tone.astype(np.int16) for tone in tones]
    letters = np.random.default_rng(0).integers(4, size=60)
    examples = [
        Example(f"{number}", "abcd"[letter], np.array([letter + 1]), sounds[letter])
        for number, letter in enumerate(letters)
    ]
    examples.append(Example("silence", "", np.array([], np.int64), np.zeros(8000, np.int16)))
    known = np.stack([FeatureExtractor(config).static(tone.astype(np.float32) / 32768)[15] for tone in tones])

    def heard(frames):
        nearest = np.square(frames[:, None] - known).sum(axis=2).argmin(axis=1) + 1
        nearest[frames[:, 0] < known[:, 0].min() - 1] = SPACE  # softer than any tone
        return changes(nearest[np.flatnonzero(nearest[2:] == nearest[:-2]) + 1])  # not where a tone begins or ends

    def changes(tokens):
        """What is not a space, nor what was said before it: the shortest pauses are shorter than two windows."""
        said = [int(token) for token in tokens if token != SPACE]
        return [token for token, before in zip(said, [None, *said], strict=False) if token != before]

    def epoch(number, source):
        return {
            key: (tuple(batch.tokens[row, : batch.token_lengths[row]]), batch.frames[row, : batch.frame_lengths[row]])
            for batch in source.epoch(number)
            for row, key in enumerate(batch.ids)
        }

    def made():
        return batches(examples, AugmentConfig(join=3, join_probability=0.5, renew=2), config, seed=2, space=SPACE)

    one = made()
    first, again, third = (epoch(number, one) for number in (1, 2, 3))
    for example in examples[:-1]:
        tokens, frames = first[example.id]
        assert tokens[0] == example.tokens[0] and heard(frames) == changes(tokens)
    assert first["silence"][0] == (), "nobody speaks after silence"
    counts = [(1 + len(first[example.id][0])) // 2 for example in examples[:-1]]
    assert set(counts) == {1, 2, 3} and 0.3 < np.mean(np.array(counts) > 1) < 0.7
    for other, same_as in ((again, first), (epoch(3, made()), third)):
        for key, (tokens, frames) in other.items():
            assert tokens == same_as[key][0] and np.array_equal(frames, same_as[key][1]), "until sound is made anew"
    assert [tokens for tokens, _ in first.values()] != [third[key][0] for key in first]
    for batch in one.in_order():
        assert all(length <= 1 for length in batch.token_lengths), "only training joins"


def test_what_cannot_be_joined_is_refused(utterances):
    sound = load(utterances, keep_sound=True)[0]
    with pytest.raises(ValueError, match="only with a space"):
        batches(sound, AugmentConfig(join=2), space=None)


def test_cepstra_stand_beside_sounds_and_are_not_joined(utterances):
    sound, cepstra = (load(utterances, keep_sound=keep_sound)[0] for keep_sound in (True, False))
    mixed = [*sound, *(replace(example, id=f"{example.id}-cepstra") for example in cepstra)]
    made = batches(mixed, AugmentConfig(join=2, join_probability=1.0, channel_db=6), space=SPACE)
    for batch in made.epoch(1):
        for key, length in zip(batch.ids, batch.token_lengths, strict=True):
            alone = next(len(example.tokens) for example in mixed if example.id == key)
            assert (length == alone) == key.endswith("-cepstra")


def test_sound_is_renewed_when_its_time_has_come_and_never_between(utterances):
    examples, _ = load(utterances, keep_sound=True)
    made = batches(examples, replace(EVERYTHING, renew=2, tempo=0, time_masks=0, feature_masks=0), seed=3)

    def epoch(number, source=made):
        return {key: batch.frames[row, : batch.frame_lengths[row]]
                for batch in source.epoch(number) for row, key in enumerate(batch.ids)}  # fmt: skip

    one, two, three = epoch(1), epoch(2), epoch(3)
    assert all(np.array_equal(one[key], two[key]) for key in one)
    assert not any(np.array_equal(one[key], three[key]) for key in one)
    resumed = epoch(2, batches(examples, made.augmenter.config, seed=3))
    assert all(np.array_equal(resumed[key], two[key]) for key in two), "whether it was kept or not changes nothing"


def test_an_empty_transcript_says_that_nobody_speaks(utterances):
    silence = Utterance("silence", "", utterances[0].audio)
    examples, left_out = load([silence, utterances[1]])
    assert not left_out and [len(example.tokens) for example in examples] == [0, len(examples[1].tokens)]
    batch = next(iter(batches(examples).in_order()))
    assert sorted(batch.token_lengths.tolist()) == [0, len(examples[1].tokens)]


@pytest.mark.parametrize("keep_sound", [True, False])
def test_a_cache_is_mapped_and_changes_nothing(utterances, tmp_path, keep_sound):
    in_memory, _ = load(utterances, keep_sound=keep_sound)
    for _ in range(2):
        mapped, _ = load(utterances, keep_sound=keep_sound, cache=tmp_path)
        assert all(is_mapped(example.source) for example in mapped)
        assert len({id(example.source.base) for example in mapped}) <= 2, "one map, not a file handle for each"
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
            examples, left_out = dataset.load(
                utterances, FeatureExtractor(config), Tokenizer(TEXT.alphabet), TEXT, cache=folder, **settings
            )
        return examples, left_out, count

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
        assert count == 5 and not np.array_equal(changed[0].source, before[0].source)
        with Path(copies[0].audio).open("r+b") as file:
            file.seek(2000)
            file.write(b"xyz" * 100)
        os.utime(copies[0].audio, ns=(1, 1))
        examples, _, count = self.read(copies, folder, monkeypatch, replace(CONFIG, num_filters=20))
        assert count == 5 and not np.array_equal(examples[0].source, changed[0].source)
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

        examples, _, count = self.read(copies, folder, monkeypatch, progress=interleaved)
        assert count == 15
        for one, other in zip(examples, self.read(copies, tmp_path / "new", monkeypatch)[0], strict=True):
            assert np.array_equal(one.source, other.source)
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
        before = [example.source.copy() for example in self.read(copies, folder, monkeypatch, keep_sound=keep_sound)[0]]
        (data,), (index,) = folder.glob("*.bin"), folder.glob("*.json")
        damage(data, index)
        again, _, count = self.read(copies, folder, monkeypatch, keep_sound=keep_sound)
        assert count == 5 and all(map(np.array_equal, before, (example.source for example in again)))
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
    examples, left_out = load([good, *bad])
    assert [example.id for example in examples] == [good.id]
    reasons = {item.id: item.reason for item in left_out}
    assert set(reasons) == {utterance.id for utterance in bad}
    assert "unreadable audio" in reasons["broken"] and "broken.wav" in reasons["broken"]
    assert "no such file" in reasons["gone"]
    assert "'x' is not in the alphabet" in reasons["foreign"]
    assert "empty transcript" in reasons["mute"]
    assert "needs 600 frames" in reasons["hasty"]
    assert "needs 79 frames, there are 49" in reasons["stutter"], "equal neighbours need a blank between them"


def test_ahead_keeps_order_and_passes_errors_on():
    assert list(dataset.ahead(lambda number: number * 2, range(50), depth=5)) == list(range(0, 100, 2))

    def fail(number):
        if number == 3:
            raise ValueError("three")
        return number

    made = dataset.ahead(fail, range(10), depth=4)
    assert [next(made), next(made), next(made)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(made)
