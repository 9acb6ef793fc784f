"""Examples -> padded batches, bucketed by length, augmented on the fly, a few batches ahead."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio, workers
from asr.data.augment import Augmenter
from asr.data.examples import Example, Target, Targets, Waveform
from asr.features import FeatureExtractor, Frames, pad

_POOL = 30  # batches shuffled together before they are sorted by length: random enough, and padding stays small
_KEPT_BYTES = 1 << 30  # of perturbed cepstra in memory: some 50 hours; the rest of a larger corpus is made each time
_AHEAD = 4  # batches made before they are asked for


@dataclass(frozen=True)
class Batch:
    """Padded examples: features (B, T, F) float32, targets (B, L), their true lengths (B,), and ids."""

    features: npt.NDArray[np.float32]
    feature_lengths: npt.NDArray[np.int64]
    targets: npt.NDArray[Any]
    target_lengths: npt.NDArray[np.int64]
    ids: tuple[str, ...]
    features_again: npt.NDArray[np.float32] | None = None
    """The same examples perturbed another way, (B, T, F), frame by frame in step with `features`."""

    def split(self, count: int) -> list["Batch"]:
        """The same examples in `count` batches (or fewer, where there are fewer examples) of like length."""
        parts = []
        for first in range(min(count, len(self.ids))):
            rows = slice(first, None, count)
            feature_lengths, target_lengths = self.feature_lengths[rows], self.target_lengths[rows]
            num_frames = feature_lengths.max()
            features, targets = self.features[rows, :num_frames], self.targets[rows, : target_lengths.max()]
            again = None if self.features_again is None else self.features_again[rows, :num_frames]
            parts.append(Batch(features, feature_lengths, targets, target_lengths, self.ids[rows], again))
        return parts

    def both_views(self) -> "Batch":
        """Both views of each example as examples of one batch: first all of the one, then all of the other."""
        assert self.features_again is not None
        lengths, targets, target_lengths = (
            np.concatenate([rows, rows]) for rows in (self.feature_lengths, self.targets, self.target_lengths)
        )
        features = np.concatenate([self.features, self.features_again])
        return Batch(features, lengths, targets, target_lengths, self.ids * 2)


def collate(ids: Sequence[str], features: Sequence[Frames], targets: Sequence[Target]) -> Batch:
    """Pad examples of different lengths into one batch."""
    padded_features, feature_lengths = pad(features, np.float32)
    padded_targets, target_lengths = pad(targets, targets[0].dtype.type)
    return Batch(padded_features, feature_lengths, padded_targets, target_lengths, tuple(ids))


class Batches:
    """The examples of a corpus as batches, in a new order and a new perturbation in each epoch.

    With `twice` each example has a second view, perturbed another way. The augmenter joins examples that are sound.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        task: Targets,
        extractor: FeatureExtractor,
        batch_size: int,
        *,
        augmenter: Augmenter | None = None,
        seed: int = 0,
        twice: bool = False,
    ) -> None:
        self.examples = examples
        self.task = task
        self.extractor = extractor
        self.batch_size = batch_size
        self.augmenter = augmenter
        self.seed = seed
        self.twice = twice
        self._kept: dict[int, tuple[int, Frames]] = {}
        self._kept_bytes = 0
        self._lengths = np.array([example.signal.num_samples(extractor.config) for example in examples])
        self._alone = np.empty((len(examples), 0), np.intp)  # nobody follows anybody
        speaks = [isinstance(example.signal, Waveform) and len(example.target) > 0 for example in examples]
        self._speaks = np.array(speaks, bool)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.examples) // self.batch_size)

    @property
    def fingerprint(self) -> str:
        """Tells one set of examples from another: a digest of their ids, targets and lengths, in order."""
        digest = hashlib.sha256()
        for example, length in zip(self.examples, self._lengths.tolist(), strict=True):
            digest.update(f"{example.id}\t{self.task.text(example.target)}\t{length}\n".encode())
        return digest.hexdigest()

    def epoch(self, number: int) -> Iterator[Batch]:
        """Shuffled, bucketed and augmented batches: a function of seed and epoch number alone."""
        plan, followers = self._plan(number)
        return workers.ahead(lambda indices: self._make(indices, number, followers), plan, depth=_AHEAD)

    def shards(
        self, number: int, count: int, mine: Callable[[int], Sequence[int]], first: int = 0
    ) -> Iterator[tuple[int, list[Batch]]]:
        """How many shards each batch of an epoch has, `count` or fewer, and those of them that `mine` names.

        They are what `Batch.split` makes of a batch; nobody makes the others. `first` is the batch to begin with.
        """
        plan, followers = self._plan(number)

        def make(indices: npt.NDArray[np.intp]) -> tuple[int, list[Batch]]:
            num_shards = min(count, len(indices))
            wanted = [indices[shard::count] for shard in mine(num_shards)]
            return num_shards, [self._make(one, number, followers) for one in wanted]

        return workers.ahead(make, plan[first:], depth=_AHEAD)

    def in_order(self, mine: Callable[[int], Sequence[int]] = range) -> Iterator[Batch]:
        """Every example once, unchanged, in a fixed order by length; of the batches those that `mine` names."""
        order = np.argsort(self._lengths, kind="stable")
        starts = range(0, len(order), self.batch_size)
        plan = [order[starts[index] : starts[index] + self.batch_size] for index in mine(len(starts))]
        return workers.ahead(lambda indices: self._make(indices, None, self._alone), plan, depth=_AHEAD)

    def _plan(self, number: int) -> tuple[list[npt.NDArray[np.intp]], npt.NDArray[np.intp]]:
        """Which examples each batch of an epoch has, and who follows whom."""
        followers, lengths = self._alone, self._lengths
        if self.augmenter and self.augmenter.config.join > 1:
            rng = np.random.default_rng([self.seed, self._turn(number), 0, 3])  # the same for as long as sound is kept
            followers = self.augmenter.followers(self._speaks, rng)
            lengths = lengths + np.where(followers >= 0, lengths[followers], 0).sum(axis=1)
        return bucket(lengths, self.batch_size, np.random.default_rng([self.seed, number])), followers

    def _make(self, indices: npt.NDArray[np.intp], epoch: int | None, followers: npt.NDArray[np.intp]) -> Batch:
        joined = [[self.examples[other] for other in (index, *followers[index]) if other >= 0] for index in indices]
        targets = [self.task.join([example.target for example in examples]) for examples in joined]
        views = [self._views(*one, epoch) for one in zip(indices, joined, targets, strict=True)]
        first, *again = zip(*views, strict=True)
        batch = collate([examples[0].id for examples in joined], first, targets)
        return replace(batch, features_again=pad(again[0], np.float32)[0]) if again else batch

    def _views(self, index: int, joined: Sequence[Example], target: Target, epoch: int | None) -> list[Frames]:
        """The features of an example, and of joined ones: one view of them, or two."""
        extractor, augmenter, signal = self.extractor, self.augmenter, joined[0].signal
        if epoch is None or augmenter is None:
            features = extractor.features(signal.cepstra(extractor))
            return [features] * (2 if self.twice and epoch is not None else 1)
        rng = np.random.default_rng([self.seed, epoch, index])
        if isinstance(signal, Waveform):
            cepstra = self._perturbed(augmenter, joined, epoch, index)
        else:
            cepstra = augmenter.cepstra_channel(signal.values, rng, extractor.mfcc.cosines)
        warped, factor, needed = augmenter.tract(cepstra, rng), augmenter.tempo(rng), self._needed(target)

        def view(warped: Frames, rng: np.random.Generator) -> Frames:
            features = extractor.features(augmenter.stretch(warped, factor, needed))
            return augmenter.frames(features, rng)

        first = view(warped, rng)
        if not self.twice:
            return [first]
        again = np.random.default_rng([self.seed, epoch, index, 2])
        return [first, view(augmenter.tract(cepstra, again), again)]

    def _turn(self, epoch: int) -> int:
        """Which perturbation of its sound an epoch gets, from 1; epochs between renewals get the same."""
        return -(-epoch // self.augmenter.config.renew) if self.augmenter else 0

    def _needed(self, target: Target) -> int:
        """The fewest frames, before any are stacked, that a target can be learned from."""
        return (self.task.min_frames(target) - 1) * self.extractor.config.stack + 1

    def _perturbed(self, augmenter: Augmenter, joined: Sequence[Example], epoch: int, index: int) -> Frames:
        """Cepstra of the perturbed sound, kept until it is perturbed anew."""
        turn = self._turn(epoch)
        kept = self._kept.get(index)
        if kept and kept[0] == turn:
            return kept[1]
        rng = np.random.default_rng([self.seed, turn, index, 1])
        config = self.extractor.config
        least = [config.window + (self._needed(example.target) - 1) * config.hop for example in joined]
        waveforms = [_waveform(example) for example in joined]
        followers = list(zip(waveforms[1:], least[1:], strict=True))

        def others(count: int) -> list[audio.Waveform]:
            return [_waveform(self.examples[other]) for other in rng.choice(np.flatnonzero(self._speaks), count)]

        perturbed = augmenter.waveform(waveforms[0], rng, least[0], followers, others)
        cepstra = self.extractor.cepstra(perturbed)
        if augmenter.config.renew > 1 and (kept or self._kept_bytes < _KEPT_BYTES):
            self._kept_bytes += cepstra.nbytes - (kept[1].nbytes if kept else 0)
            self._kept[index] = turn, cepstra
        return cepstra


def _waveform(example: Example) -> audio.Waveform:
    assert isinstance(example.signal, Waveform)
    return example.signal.to_float()


def bucket(lengths: npt.NDArray[Any], batch_size: int, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Indices of every item once, in batches of similar length, the batches in random order."""
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), batch_size * _POOL):
        pool = order[start : start + batch_size * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]
