"""Utterances -> examples in memory -> padded batches, bucketed by length, augmented on the fly, one batch ahead."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.data import manifest
from asr.data.augment import Augmenter
from asr.data.cache import Source, digest, sources
from asr.data.manifest import LeftOut, ManifestError, Utterance
from asr.decode import ctc
from asr.features import FeatureConfig, FeatureExtractor, Frames, pad
from asr.text import TextConfig, TextError, Tokenizer

_POOL = 30  # batches shuffled together before they are sorted by length: random enough, and padding stays small
_KEPT_BYTES = 1 << 30  # of perturbed cepstra in memory: some 50 hours; the rest of a larger corpus is made each time
_AHEAD = 4  # batches made before they are asked for
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance ready for training: its tokens, and a waveform (int16) or cepstra (T, C) to make frames of."""

    id: str
    text: str
    tokens: npt.NDArray[np.int64]
    source: npt.NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """Padded examples: frames (B, T, F) float32, tokens (B, L) int64, their true lengths (B,), and ids."""

    frames: npt.NDArray[np.float32]
    frame_lengths: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    token_lengths: npt.NDArray[np.int64]
    ids: tuple[str, ...]
    frames_again: npt.NDArray[np.float32] | None = None
    """The same examples perturbed another way, (B, T, F), frame by frame in step with `frames`."""

    def split(self, count: int) -> list["Batch"]:
        """The same examples in `count` batches (or fewer, where there are fewer examples) of like length."""
        parts = []
        for first in range(min(count, len(self.ids))):
            rows = slice(first, None, count)
            frame_lengths, token_lengths = self.frame_lengths[rows], self.token_lengths[rows]
            frames, tokens = self.frames[rows, : frame_lengths.max()], self.tokens[rows, : token_lengths.max()]
            again = None if self.frames_again is None else self.frames_again[rows, : frame_lengths.max()]
            parts.append(Batch(frames, frame_lengths, tokens, token_lengths, self.ids[rows], again))
        return parts


def collate(ids: Sequence[str], frames: Sequence[Frames], tokens: Sequence[npt.NDArray[np.int64]]) -> Batch:
    """Pad examples of different lengths into one batch."""
    padded_frames, frame_lengths = pad(frames, np.float32)
    padded_tokens, token_lengths = pad(tokens, np.int64)
    return Batch(padded_frames, frame_lengths, padded_tokens, token_lengths, tuple(ids))


def load(
    utterances: Sequence[Utterance],
    extractor: FeatureExtractor,
    tokenizer: Tokenizer,
    text: TextConfig,
    *,
    keep_sound: bool = False,
    cache: Path | None = None,
    name: str = "train",
    jobs: int = 2,
    progress: Callable[[Iterable[Source | LeftOut]], Iterable[Source | LeftOut]] = lambda made: made,
) -> tuple[list[Example], list[LeftOut]]:
    """Read utterances into examples; those that cannot be learned from come back named, with the reason.

    A transcript of no characters at all, not even spaces, says that nobody speaks: silence and noise are learned too.

    `keep_sound` keeps waveforms rather than cepstra, for augmentation. With a folder `cache` they are kept there under
    `name` and mapped into memory, in this run and in the next; `jobs` threads make them, and `progress` wraps what
    they make.
    """
    config = extractor.config
    is_sound = keep_sound and config.source == "audio"

    def one(utterance: Utterance) -> Source | LeftOut:
        try:
            if is_sound and utterance.audio:
                waveform = manifest.read_waveform(utterance, config.sample_rate)
                return np.clip(np.rint(waveform * 32768), -32768, 32767).astype(np.int16)
            if utterance.audio is None and utterance.features:  # cepstra that are like ours
                return manifest.read_features(utterance.features, config.num_cepstra)
            return manifest.load_frames(utterance, extractor).astype(np.float32, copy=False)
        except (audio.AudioError, ManifestError) as error:
            return LeftOut(utterance.id, f"unreadable audio: {error}")

    def make() -> Iterable[Source | LeftOut]:
        return progress(ahead(one, utterances, depth=32 * jobs, threads=jobs))

    kind = f"{name}-{'sound' if is_sound else 'cepstra'}"
    made = sources(cache, kind, digest(utterances, config, is_sound=is_sound), make) if cache else make()
    examples: list[Example] = []
    left_out: list[LeftOut] = []
    for utterance, source in zip(utterances, made, strict=True):
        result = source if isinstance(source, LeftOut) else _example(utterance, source, config, tokenizer, text)
        if isinstance(result, LeftOut):
            left_out.append(result)
        else:
            examples.append(result)
    return examples, left_out


def _example(
    utterance: Utterance, source: Source, config: FeatureConfig, tokenizer: Tokenizer, text: TextConfig
) -> Example | LeftOut:
    try:
        normalised = text.normalise(utterance.text)
        tokens = np.array(tokenizer.encode(normalised), dtype=np.int64)
    except TextError as error:
        return LeftOut(utterance.id, f"outside the alphabet: {error} (in {utterance.text!r})")
    if not len(tokens) and utterance.text:
        return LeftOut(utterance.id, f"empty transcript: nothing is left of {utterance.text!r}")
    num_frames = config.num_stacked(config.num_frames(len(source)) if source.ndim == 1 else len(source))
    if ctc.min_frames(tokens) > num_frames:
        return LeftOut(utterance.id, f"transcript too long for its sound: {normalised!r} needs "
                                     f"{ctc.min_frames(tokens)} frames, there are {num_frames}")  # fmt: skip
    return Example(utterance.id, normalised, tokens, source)


class Batches:
    """The examples of a corpus as batches, in a new order and a new perturbation in each epoch.

    Where the augmenter joins utterances, those that are sound, `space` is the token between one and the next; raises
    ValueError where there is none.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        extractor: FeatureExtractor,
        batch_size: int,
        *,
        augmenter: Augmenter | None = None,
        seed: int = 0,
        twice: bool = False,
        space: int | None = None,
    ) -> None:
        self.examples = examples
        self.extractor = extractor
        self.batch_size = batch_size
        self.augmenter = augmenter
        self.seed = seed
        self.twice = twice
        self.space = space
        self._kept: dict[int, tuple[int, Frames]] = {}
        self._kept_bytes = 0
        hop = extractor.config.hop  # of cepstra, as many samples as they are made of
        self._lengths = np.array([len(e.source) * (hop if e.source.ndim == 2 else 1) for e in examples])
        self._joins = augmenter is not None and augmenter.config.join > 1
        self._alone = np.empty((len(examples), 0), np.intp)  # nobody follows anybody
        self._sounds = np.flatnonzero([example.source.ndim == 1 and len(example.tokens) > 0 for example in examples])
        if self._joins and space is None:
            raise ValueError("utterances can be joined only with a space")

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.examples) // self.batch_size)

    @property
    def fingerprint(self) -> str:
        """Tells one set of examples from another: a digest of their ids, texts and lengths, in order."""
        digest = hashlib.sha256()
        for example in self.examples:
            digest.update(f"{example.id}\t{example.text}\t{len(example.source)}\n".encode())
        return digest.hexdigest()

    def epoch(self, number: int) -> Iterator[Batch]:
        """Shuffled, bucketed and augmented batches: a function of seed and epoch number alone."""
        followers, lengths = self._alone, self._lengths
        if self.augmenter and self._joins:
            speaks = np.isin(np.arange(len(self.examples)), self._sounds)
            rng = np.random.default_rng([self.seed, self._turn(number), 0, 3])  # the same for as long as sound is kept
            followers = self.augmenter.followers(speaks, rng)
            lengths = lengths + np.where(followers >= 0, lengths[followers], 0).sum(axis=1)
        plan = bucket(lengths, self.batch_size, np.random.default_rng([self.seed, number]))
        return ahead(lambda indices: self._make(indices, number, followers), plan, depth=_AHEAD)

    def in_order(self) -> Iterator[Batch]:
        """Every example once, unchanged, in a fixed order by length."""
        order = np.argsort(self._lengths, kind="stable")
        plan = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        return ahead(lambda indices: self._make(indices, None, self._alone), plan, depth=_AHEAD)

    def _make(self, indices: npt.NDArray[np.intp], epoch: int | None, followers: npt.NDArray[np.intp]) -> Batch:
        said = [[self.examples[place] for place in (index, *followers[index]) if place >= 0] for index in indices]
        tokens = [self._tokens(examples) for examples in said]
        views = [self._views(*one, epoch) for one in zip(indices, said, tokens, strict=True)]
        first, *again = zip(*views, strict=True)
        batch = collate([examples[0].id for examples in said], first, tokens)
        return replace(batch, frames_again=pad(again[0], np.float32)[0]) if again else batch

    def _turn(self, epoch: int) -> int:
        """Which perturbation of its sound an epoch gets, from 1; epochs between renewals get the same."""
        return -(-epoch // self.augmenter.config.renew) if self.augmenter else 0

    def _tokens(self, said: Sequence[Example]) -> npt.NDArray[np.int64]:
        """The tokens of joined examples, a space between one and the next: (L,)."""
        tokens = said[0].tokens
        for example in said[1:]:
            tokens = np.concatenate([tokens, np.array([self.space]), example.tokens])
        return tokens

    def _views(
        self, index: int, said: Sequence[Example], tokens: npt.NDArray[np.int64], epoch: int | None
    ) -> list[Frames]:
        extractor, augmenter, static = self.extractor, self.augmenter, said[0].source
        if epoch is None or augmenter is None:
            frames = extractor.finish(extractor.static(static) if static.ndim == 1 else static)
            return [frames] * (2 if self.twice and epoch is not None else 1)
        rng = np.random.default_rng([self.seed, epoch, index])
        if static.ndim == 1:
            static = self._perturbed(augmenter, said, epoch, index)
        elif extractor.config.source == "audio":  # beside sounds, which are recorded over as many channels
            static = static + augmenter.channel(rng) @ extractor.mfcc.cosines.astype(np.float32)
        spoken, factor, needed = augmenter.tract(static, rng), augmenter.tempo(rng), self._needed(tokens)

        def view(spoken: Frames, rng: np.random.Generator) -> Frames:
            frames = extractor.finish(augmenter.stretch(spoken, factor, needed))
            return augmenter.frames(frames, rng, extractor.config.num_cepstra)

        first = view(spoken, rng)
        if not self.twice:
            return [first]
        again = np.random.default_rng([self.seed, epoch, index, 2])
        return [first, view(augmenter.tract(static, again), again)]

    def _needed(self, tokens: npt.NDArray[np.int64]) -> int:
        """The fewest frames, before any are stacked, that CTC can align tokens with."""
        return (ctc.min_frames(tokens) - 1) * self.extractor.config.stack + 1

    def _perturbed(self, augmenter: Augmenter, said: Sequence[Example], epoch: int, index: int) -> Frames:
        """Cepstra of the perturbed sound, kept until it is perturbed anew."""
        config = self.extractor.config
        turn = self._turn(epoch)
        kept = self._kept.get(index)
        if kept and kept[0] == turn:
            return kept[1]
        rng = np.random.default_rng([self.seed, turn, index, 1])
        (waveform, least), *followers = [
            (one.source * np.float32(1 / 32768), config.window + (self._needed(one.tokens) - 1) * config.hop)
            for one in said
        ]

        def others(count: int) -> list[npt.NDArray[np.float32]]:
            return [self.examples[other].source * np.float32(1 / 32768) for other in rng.choice(self._sounds, count)]

        static = self.extractor.static(augmenter.waveform(waveform, rng, least, followers, others))
        if augmenter.config.renew > 1 and (kept or self._kept_bytes < _KEPT_BYTES):
            self._kept_bytes += static.nbytes - (kept[1].nbytes if kept else 0)
            self._kept[index] = turn, static
        return static


def bucket(lengths: npt.NDArray[Any], batch_size: int, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Indices of every item once, in batches of similar length, the batches in random order."""
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), batch_size * _POOL):
        pool = order[start : start + batch_size * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    return [batches[place] for place in rng.permutation(len(batches))]


def ahead(make: Callable[[Item], Made], items: Sequence[Item], *, depth: int, threads: int = 2) -> Iterator[Made]:
    """`map(make, items)` on threads, in order, with at most `depth` results waiting."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) >= depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
