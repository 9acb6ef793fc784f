"""Sound -> segments of cepstra: noise padding, MFCCs, cuts in pauses.

The settings that are for recognition alone (noise padding, the silence that cuts) are read here, and asr.endpointing is
called here, and nowhere else.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import endpointing
from asr.audio import Waveform
from asr.features import FeatureConfig, FeatureError, FeatureExtractor, Frames
from asr.features.config import round_half_up
from asr.modelfile.recognition_config import RecognitionConfig
from asr.recognition.loudness import Loudness
from asr.recognition.source import Sound

_NOISE_PAD = 1e-3  # of the peak: 60 dB below it


@dataclass(frozen=True)
class Segment:
    """Cepstra (T, C) that are recognised as one utterance, and where they lie in their recording."""

    cepstra: Frames
    origin_s: float
    """When the first frame begins: before `start_s`, where there is noise padding."""
    start_s: float
    end_s: float
    is_speech: bool = True
    """Otherwise nobody speaks, and the network is not asked."""

    @property
    def padding_s(self) -> float:
        """The noise padding before its sound."""
        return self.start_s - self.origin_s


@dataclass(frozen=True)
class FrontEnd:
    """What of a model's settings makes segments; `extractor` makes their cepstra."""

    extractor: FeatureExtractor
    recognition: RecognitionConfig
    speech_config: endpointing.SpeechConfig
    is_stream: bool = False
    """Whether any sound is cut as one whose end is not known: a short one, too."""

    @property
    def config(self) -> FeatureConfig:
        """Of the features."""
        return self.extractor.config

    @property
    def padding_s(self) -> float:
        """Noise padding at either end of a sound of up to `max_segment_s`."""
        return self.recognition.noise_pad_ms / 1000

    @property
    def min_silence_s(self) -> float:
        """The shortest pause that cuts every sound; 0: only longer sounds than `max_segment_s` are cut."""
        return self.recognition.min_silence_ms / 1000

    @property
    def speech(self) -> endpointing.SpeechConfig:
        """What counts as speech, and where it is cut."""
        min_silence_ms = self.recognition.min_silence_ms
        return replace(self.speech_config, min_silence_ms=min_silence_ms) if min_silence_ms else self.speech_config

    def segments(self, sound: Sound) -> Iterator[Segment]:
        """The segments of a sound, in order; they hold every frame of it. Cepstra are one segment.

        Memory does not grow with the length of the sound. Raises FeatureError naming a sound whose features cannot be
        made or used, and what its blocks raise.
        """
        if sound.cepstra is not None:
            yield Segment(sound.cepstra, 0.0, 0.0, len(sound.cepstra) * self.config.hop_s)
            return
        max_samples = -1 if self.is_stream else round(self.speech.max_segment_s * self.config.sample_rate)
        blocks = sound.blocks()
        head: list[Waveform] = []
        num_samples = 0
        for block in blocks:
            head.append(block)
            num_samples += len(block)
            if num_samples > max_samples:
                break
        is_short = num_samples <= max_samples
        try:
            yield from self._short(head) if is_short else self._long(itertools.chain(head, blocks))
        except FeatureError as error:
            raise FeatureError(f"{sound.name}: {error}") from None

    def stream(self, num_frames: int | None = None) -> "SegmentStream":
        """What cuts a sound that comes in blocks, see SegmentStream."""
        return SegmentStream(self, num_frames)

    def padded(self, waveform: Waveform) -> Waveform:
        """A waveform (num_samples,) between faint noise, which is always the same, in every home of a model."""
        num_samples = round_half_up(self.padding_s * self.config.sample_rate)
        if not num_samples:
            return waveform
        noise = _noise(2 * num_samples).reshape(2, -1)
        before, after = noise * np.float32(_NOISE_PAD) * np.abs(waveform).max(initial=0)
        return np.concatenate([before, waveform, after])

    def loudness(self, segment: Segment) -> Loudness | None:
        """How far the sound of a segment is above its noise, frame by frame, without its padding.

        None without cepstra of sound.
        """
        config = self.config
        if config.source != "audio":
            return None
        first = round(segment.padding_s / config.hop_s)
        duration_s = max(segment.end_s - segment.start_s, 0.0)
        cepstra = segment.cepstra[first : first + max(1, round(duration_s / config.hop_s))]
        levels = endpointing.speech_levels(cepstra, self.speech, config)
        return Loudness(levels, config.hop_s, config.window_ms / 1000)

    def _short(self, blocks: list[Waveform]) -> Iterator[Segment]:
        """The segments of a sound of up to `max_segment_s`, between its padding."""
        config = self.config
        waveform = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        hop_s, duration_s = config.hop_s, len(waveform) / config.sample_rate
        cepstra = self.extractor.cepstra(self.padded(waveform))
        padding = round(self.padding_s / hop_s)
        cut: list[endpointing.Segment] = []
        if self.min_silence_s:
            # The padding, which is faint, would say how quiet it is.
            segmenter = endpointing.Segmenter(self.speech, config)
            cut = segmenter.feed(cepstra[padding : len(cepstra) - padding]) + segmenter.flush()
        cut = cut or [endpointing.Segment(0, len(cepstra), True)]
        starts = [0, *((padding + part.start) // config.stack * config.stack for part in cut[1:])]
        for part, start, end in itertools.zip_longest(cut, starts, starts[1:]):
            start_s = start * hop_s - self.padding_s
            end_s = duration_s if end is None else end * hop_s - self.padding_s
            yield Segment(cepstra[start:end], start_s, max(start_s, 0.0), end_s, part.is_speech)

    def _long(self, blocks: Iterable[Waveform]) -> Iterator[Segment]:
        """The segments of a longer sound, without padding."""
        stream = self.stream()
        for block in blocks:
            yield from stream.feed(block)
        yield from stream.flush()


class SegmentStream:
    """A sound in blocks of any length -> segments, in order, as soon as they are known; together they hold all of it.

    `num_frames` of cepstra are made at a time, so that the blocks change nothing. Memory does not grow.
    """

    def __init__(self, frontend: FrontEnd, num_frames: int | None = None) -> None:
        self._config = frontend.config
        self._cepstra = frontend.extractor.cepstra_stream(num_frames)
        self._segmenter = endpointing.Segmenter(frontend.speech, self._config)
        self._held = np.empty((0, self._config.num_cepstra), np.float32)  # what is in no segment yet
        self._first = self._num_samples = 0  # the first frame of these, samples so far

    @property
    def is_speech(self) -> bool:
        """Whether somebody speaks in the segment that is open, as far as is known by now."""
        return self._segmenter.is_speech

    @property
    def num_frames(self) -> int:
        """Of cepstra, that have come so far."""
        return self._first + len(self._held)

    def open_segment(self) -> Segment:
        """The open segment, as far as its sound has come; of silence after speech no more than will stay."""
        end = self._segmenter.end
        count = len(self._held) if end is None else min(len(self._held), end - self._first)
        return self._segment(count, is_speech=self.is_speech)

    def feed(self, block: Waveform) -> Iterator[Segment]:
        """The next samples (num_samples,) at the model's rate -> the segments that are known by now."""
        self._num_samples += len(block)
        for cepstra in self._cepstra.feed(block):
            self._held = np.concatenate([self._held, cepstra])
            for part in self._segmenter.feed(cepstra):
                yield self._cut(part)

    def flush(self) -> Iterator[Segment]:
        """The rest of the segments: the sound has ended."""
        cepstra = self._cepstra.flush()
        self._held = np.concatenate([self._held, cepstra])
        parts = self._segmenter.feed(cepstra) + self._segmenter.flush()
        for part in parts:
            segment = self._cut(part)
            end_s = self._num_samples / self._config.sample_rate
            yield segment if part is not parts[-1] else replace(segment, end_s=end_s)

    def _cut(self, part: endpointing.Segment) -> Segment:
        count = part.end - part.start
        segment = self._segment(count, is_speech=part.is_speech)
        self._held, self._first = self._held[count:], part.end
        return segment

    def _segment(self, count: int, *, is_speech: bool) -> Segment:
        start_s = self._first * self._config.hop_s
        end_s = (self._first + count) * self._config.hop_s
        return Segment(self._held[:count], start_s, start_s, end_s, is_speech)


def _noise(count: int) -> Waveform:
    """White noise (count,) of variance 1: the number of each sample, its bits mixed as MurmurHash3 does at its end."""
    bits: npt.NDArray[Any] = np.arange(1, count + 1, dtype=np.uint32)
    bits = (bits ^ bits >> 16) * np.uint32(0x85EBCA6B)
    bits = (bits ^ bits >> 13) * np.uint32(0xC2B2AE35)
    bits ^= bits >> 16
    return ((bits * 2.0**-32 - 0.5) * math.sqrt(12)).astype(np.float32)
