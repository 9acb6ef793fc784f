from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.data import examples, manifest
from asr.data.augment import AugmentConfig, Augmenter
from asr.data.batches import Batches, bucket
from asr.data.examples import Example, Waveform
from asr.data.manifest import Utterance
from asr.features import FeatureConfig, FeatureExtractor
from asr.tasks.ctc import Ctc
from asr.text import TextConfig

CONFIG = FeatureConfig(variance="utterance")
TASK = Ctc(TextConfig(alphabet="abcd"))
SPELLS = Ctc(TextConfig(alphabet="abcd "))
SPACE = 5
EVERYTHING = AugmentConfig(
    speed=0.2, pad_ms=50, channel_db=6, noise_probability=0.5, gain_db=6, tempo=0.2, time_masks=2, feature_masks=2
)


def load(utterances, **settings):
    return examples.load(utterances, FeatureExtractor(CONFIG), TASK, **settings)


def batches(loaded, augment=None, config=CONFIG, task=TASK, **settings):
    augmenter = augment and Augmenter(augment, config)
    return Batches(loaded, task, FeatureExtractor(config), 8, augmenter=augmenter, **settings)


@pytest.fixture(scope="module")
def utterances(tones):
    return manifest.read(tones / "train.jsonl")


def same(one, other):
    return one.ids == other.ids and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("features", "feature_lengths", "targets", "target_lengths")
    )


@settings(max_examples=50)
@given(lengths=st.lists(st.integers(1, 500), min_size=1, max_size=300), batch_size=st.integers(1, 40))
def test_buckets_hold_every_index_once(lengths, batch_size):
    found = bucket(np.array(lengths), batch_size, np.random.default_rng(0))
    assert sorted(np.concatenate(found)) == list(range(len(lengths)))
    assert max(map(len, found)) <= batch_size


def test_buckets_hold_little_padding():
    lengths = np.random.default_rng(0).integers(50, 300, 3000)
    found = bucket(lengths, 16, np.random.default_rng(0))
    padded = sum(len(indices) * lengths[indices].max() for indices in found)
    assert lengths.sum() / padded > 0.95


def test_padding_is_zero_and_lengths_are_true(utterances):
    loaded, skipped = load(utterances)
    assert not skipped
    by_id = {example.id: example for example in loaded}
    for batch in batches(loaded).in_order():
        for row, key in enumerate(batch.ids):
            frames = FeatureExtractor(CONFIG).features(by_id[key].signal.values)
            assert np.array_equal(batch.features[row, : batch.feature_lengths[row]], frames)
            assert not batch.features[row, batch.feature_lengths[row] :].any()
            tokens = batch.targets[row, : batch.target_lengths[row]]
            assert TASK.text_config.alphabet[tokens[0] - 1] == TASK.text(by_id[key].target)[0]
            assert len(tokens) == len(by_id[key].target)


def test_kept_sound_gives_the_frames_of_the_file(utterances):
    from_sound = list(batches(load(utterances, keep_sound=True)[0]).in_order())
    from_cepstra = list(batches(load(utterances)[0]).in_order())
    found = {key: row for batch in from_sound for key, row in zip(batch.ids, batch.features, strict=True)}
    for batch in from_cepstra:
        for key, row in zip(batch.ids, batch.features, strict=True):
            length = min(len(row), len(found[key]))
            assert np.abs(found[key][:length] - row[:length]).max() < 1e-4


def test_an_epoch_is_a_function_of_seed_and_number(utterances):
    loaded, _ = load(utterances, keep_sound=True)
    first = list(batches(loaded, EVERYTHING, seed=1).epoch(3))
    again = list(batches(loaded, EVERYTHING, seed=1).epoch(3))
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    for other in (batches(loaded, EVERYTHING, seed=1).epoch(4), batches(loaded, EVERYTHING, seed=2).epoch(3)):
        assert not all(same(one, two) for one, two in zip(first, other, strict=True))
    assert sorted(key for batch in first for key in batch.ids) == sorted(example.id for example in loaded)


@pytest.mark.parametrize("keep_sound", [False, True])
def test_two_views_of_an_utterance_are_in_step_and_differ(utterances, keep_sound):
    """The first is what there is without the second; each shard of a batch holds both views of its utterances."""
    loaded, _ = load(utterances, keep_sound=keep_sound)
    augment = replace(EVERYTHING, tract=0.1, jitter=0.1, time_masks=0, feature_masks=0)  # masks would hide the energy
    alone = batches(loaded, augment, seed=1).epoch(3)
    for one, both in zip(alone, batches(loaded, augment, seed=1, twice=True).epoch(3), strict=True):
        assert one.features_again is None and same(one, both)
        assert both.features_again.shape == both.features.shape and both.features_again.dtype == np.float32
        for row, length in enumerate(both.feature_lengths):
            first, again = both.features[row], both.features_again[row]
            assert not again[length:].any() and np.abs(first - again)[:length].max() > 0.1
            assert np.corrcoef(first[:length, 0], again[:length, 0])[0, 1] > 0.8, "the energy is that of one tempo"
        for number, shard in enumerate(both.split(3)):
            for row, length in enumerate(shard.feature_lengths):
                assert np.array_equal(
                    shard.features_again[row, :length], both.features_again[number + 3 * row, :length]
                )
    assert all(batch.features_again is None for batch in batches(loaded, augment, twice=True).in_order())
    untouched = next(batches(loaded, twice=True).epoch(1))
    assert np.array_equal(untouched.features, untouched.features_again)


@pytest.mark.parametrize("stack", [1, 2, 3, 4])
@pytest.mark.parametrize("more", [{}, {"trim_db": 60, "crop_ms": 200, "join": 3, "join_probability": 1.0}])
def test_an_epoch_never_makes_a_transcript_impossible(utterances, more, stack):
    from asr.decode import ctc_paths

    config = replace(CONFIG, stack=stack)
    tight = []
    for example in load(utterances, keep_sound=True)[0]:
        num_frames = config.num_stacked(example.signal.num_frames(config))
        tokens = np.resize([1, 1, 2], num_frames)
        while ctc_paths.min_frames(tokens) > num_frames:
            tokens = tokens[:-1]
        tight.append(replace(example, target=tokens))
    shorter = AugmentConfig(speed=0.4, tempo=0.4, **more)
    for number in range(5):
        for batch in batches(tight, shorter, config, SPELLS, seed=number).epoch(number):
            for row in range(len(batch.ids)):
                needed = ctc_paths.min_frames(batch.targets[row, : batch.target_lengths[row]])
                assert batch.feature_lengths[row] >= needed


def test_joined_utterances_are_heard_in_the_order_of_their_words():
    """Each letter is a tone, so that the frames tell what is said."""
    config = FeatureConfig(mean="none", variance="none", deltas=0)
    tones = [np.sin(2 * np.pi * pitch * np.arange(4800) / 16000) * 8000 for pitch in (400, 900, 1600, 2600)]
    sounds = [tone.astype(np.int16) for tone in tones]
    letters = np.random.default_rng(0).integers(4, size=60)
    loaded = [
        Example(f"{number}", np.array([letter + 1]), Waveform(sounds[letter])) for number, letter in enumerate(letters)
    ]
    loaded.append(Example("silence", np.array([], np.int64), Waveform(np.zeros(8000, np.int16))))
    known = np.stack([FeatureExtractor(config).cepstra(tone.astype(np.float32) / 32768)[15] for tone in tones])

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
            key: (
                tuple(batch.targets[row, : batch.target_lengths[row]]),
                batch.features[row, : batch.feature_lengths[row]],
            )
            for batch in source.epoch(number)
            for row, key in enumerate(batch.ids)
        }

    def made():
        return batches(loaded, AugmentConfig(join=3, join_probability=0.5, renew=2), config, SPELLS, seed=2)

    one = made()
    first, again, third = (epoch(number, one) for number in (1, 2, 3))
    for example in loaded[:-1]:
        tokens, frames = first[example.id]
        assert tokens[0] == example.target[0] and heard(frames) == changes(tokens)
    assert first["silence"][0] == (), "nobody speaks after silence"
    counts = [(1 + len(first[example.id][0])) // 2 for example in loaded[:-1]]
    assert set(counts) == {1, 2, 3} and 0.3 < np.mean(np.array(counts) > 1) < 0.7
    for other, same_as in ((again, first), (epoch(3, made()), third)):
        for key, (tokens, frames) in other.items():
            assert tokens == same_as[key][0] and np.array_equal(frames, same_as[key][1]), "until sound is made anew"
    assert [tokens for tokens, _ in first.values()] != [third[key][0] for key in first]
    for batch in one.in_order():
        assert all(length <= 1 for length in batch.target_lengths), "only training joins"


def test_cepstra_stand_beside_sounds_and_are_not_joined(utterances):
    sound, cepstra = (load(utterances, keep_sound=keep_sound)[0] for keep_sound in (True, False))
    mixed = [*sound, *(replace(example, id=f"{example.id}-cepstra") for example in cepstra)]
    made = batches(mixed, AugmentConfig(join=2, join_probability=1.0, channel_db=6), task=SPELLS)
    for batch in made.epoch(1):
        for key, length in zip(batch.ids, batch.target_lengths, strict=True):
            alone = next(len(example.target) for example in mixed if example.id == key)
            assert (length == alone) == key.endswith("-cepstra")


def test_sound_is_renewed_when_its_time_has_come_and_never_between(utterances):
    loaded, _ = load(utterances, keep_sound=True)
    made = batches(loaded, replace(EVERYTHING, renew=2, tempo=0, time_masks=0, feature_masks=0), seed=3)

    def epoch(number, source=made):
        return {
            key: batch.features[row, : batch.feature_lengths[row]]
            for batch in source.epoch(number)
            for row, key in enumerate(batch.ids)
        }

    one, two, three = epoch(1), epoch(2), epoch(3)
    assert all(np.array_equal(one[key], two[key]) for key in one)
    assert not any(np.array_equal(one[key], three[key]) for key in one)
    resumed = epoch(2, batches(loaded, made.augmenter.config, seed=3))
    assert all(np.array_equal(resumed[key], two[key]) for key in two), "whether it was kept or not changes nothing"


def test_an_empty_transcript_says_that_nobody_speaks(utterances):
    silence = Utterance("silence", "", utterances[0].audio)
    loaded, skipped = load([silence, utterances[1]])
    assert not skipped and [len(example.target) for example in loaded] == [0, len(loaded[1].target)]
    batch = next(iter(batches(loaded).in_order()))
    assert sorted(batch.target_lengths.tolist()) == [0, len(loaded[1].target)]
