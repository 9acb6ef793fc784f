"""Live recognition: blocks of sound in, partial and final results out, while somebody speaks.

It is the way of a long recording through the recogniser, fed by hand: the same segments, and what `transcribe` gives of
each. A bidirectional network needs the whole segment, so an open one is recognised again for each partial result, which
takes a network of 60,000 weights some milliseconds.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.audio import AudioError, Waveform
from asr.decode import ctc_paths
from asr.decode.hypothesis import Emission
from asr.errors import UserError
from asr.recognition.early import MIN_CONFIDENCE, Completion
from asr.recognition.frontend import Segment
from asr.recognition.recognizer import Options, Recognizer
from asr.recognition.transcript import Transcript

_STEP_MS = 100.0  # of cepstra that are made together: what the segmenter works on, and the least between partials
_AGREEING = 3  # partial results in a row that a word must be in to be stable


@dataclass(frozen=True)
class LiveConfig:
    """Where live sound is cut, and how often partial results come; None: as the model does with recordings."""

    min_silence_ms: float | None = None
    """Speech is cut in each pause of so much."""
    max_segment_s: float | None = None
    """A longer segment is cut at the quietest moment of its second half."""
    min_speech_ms: float | None = None
    """Shorter sounds are knocks."""
    look_ahead_ms: float | None = None
    """How much of the future the noise is measured over: less is a faster result that more noise gets into."""
    partial_ms: float = _STEP_MS
    """A partial result comes every so much of speech; 0: none does."""
    early_silence_ms: float | None = None
    """With sentences or a lexicon: so much silence after a text that nothing can follow, and its final result comes at
    once, not with the end of its segment; None: with that, as all others."""

    def __post_init__(self) -> None:
        for name in ("min_silence_ms", "max_segment_s", "min_speech_ms", "early_silence_ms"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name} must be above 0, not {value:g}")
        for name in ("look_ahead_ms", "partial_ms"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UserError(f"{name} must not be negative, not {value:g}")

    def of(self, recognizer: Recognizer) -> Recognizer:
        """A recogniser that segments any sound as live sound: of a file it gives what Live gives of its blocks."""
        names = ("min_silence_ms", "max_segment_s", "min_speech_ms", "look_ahead_ms")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        frontend = recognizer.frontend
        config = replace(frontend.speech, **given)
        recognition = replace(frontend.recognition, min_silence_ms=config.min_silence_ms)
        frontend = replace(frontend, speech_config=config, recognition=recognition, is_stream=True)
        return replace(recognizer, frontend=frontend)


@dataclass(frozen=True)
class Letter:
    """A character of the best path, and when the network outputs it, in seconds of the stream."""

    text: str
    time_s: float


@dataclass(frozen=True)
class Partial:
    """What is recognised so far in the segment that is open."""

    words: tuple[str, ...]
    num_stable: int
    """So many of the first words were the same in the last partial results, and something follows them."""
    start_s: float
    end_s: float
    """Of the segment, in seconds of the stream."""
    letters: tuple[Letter, ...] = ()
    """Without a decoder's knowledge of the words."""

    @property
    def text(self) -> str:
        """Its words, with spaces."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Final:
    """What was recognised in a segment; the times of its words are those of the stream."""

    transcript: Transcript
    start_s: float
    end_s: float
    letters: tuple[Letter, ...] = ()
    is_early: bool = False
    """Its segment is still open: where more comes nevertheless, another result of the same start replaces it."""

    @property
    def text(self) -> str:
        """Its words, with spaces."""
        return self.transcript.text


Event = Partial | Final


class Live:
    """A stream of sound -> events, as soon as they are known; for one thread at a time.

    Blocks of any size give the same finals, which are those of `LiveConfig.of(recognizer).transcribe` of the whole (of
    those with one start the last one, where some are early). Memory does not grow. Segments without speech give no
    event.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        config: LiveConfig = LiveConfig(),
        *,
        sample_rate: int | None = None,
        options: Options | None = None,
    ) -> None:
        """`sample_rate` is that of the blocks; None: the model's."""
        self._recognizer, self._options = config.of(recognizer), options or Options()
        features = recognizer.frontend.config
        self.sample_rate = sample_rate or features.sample_rate
        self._resampler = audio.Resampler(self.sample_rate, features.sample_rate)
        self._step = max(1, round(_STEP_MS / features.hop_ms))
        self._every = max(self._step, round(config.partial_ms / features.hop_ms)) if config.partial_ms else 0
        self._unknown = round(self._recognizer.frontend.speech.start_ms / features.hop_ms)
        self._stream = self._recognizer.frontend.stream(self._step)
        self._completion = _completion(self._recognizer, config.early_silence_ms)
        # What makes one step of cepstra at most, so that where a sentence is over does not depend on the blocks.
        self._piece = round(self._step * features.hop_s * features.sample_rate) if self._completion else 0
        self._reset()

    def _reset(self) -> None:
        self._recent: deque[tuple[str, ...]] = deque(maxlen=_AGREEING)
        self._num_recognised = 0  # frames of the open segment in its last partial result
        self._has_begun = False
        self._early: Final | None = None  # of the open segment
        self._unsure: tuple[str, ...] = ()  # words of it that are complete, and may be wrong
        self._num_looked_at = 0  # frames of the stream when it was last asked whether a sentence is over

    def feed(self, block: npt.NDArray[Any], *, has_partial: bool = True) -> list[Event]:
        """The next samples (num_samples,) of int16, or floating-point in [-1, 1] -> what is known by now.

        Of a block that holds several partial results, the last one; none where nobody would wait for it
        (`has_partial`), because the next block has come. Raises AudioError for what is no sound.
        """
        return list(self._fed(self._resampler.feed(_waveform(block)), has_partial=has_partial))

    def flush(self) -> list[Final]:
        """The sound has ended: what is still open is final, and another sound may begin at 0 s."""
        finals = [event for event in self._fed(self._resampler.flush(), has_partial=False) if isinstance(event, Final)]
        if self._has_begun:
            finals += [final for segment in self._stream.flush() for final in self._closed(segment)]
        self._stream = self._recognizer.frontend.stream(self._step)
        self._reset()
        return finals

    def _fed(self, waveform: Waveform, *, has_partial: bool) -> Iterator[Event]:
        self._has_begun |= len(waveform) > 0
        size = self._piece or max(1, len(waveform))
        for start in range(0, len(waveform), size):
            for segment in self._stream.feed(waveform[start : start + size]):
                self._recent.clear()
                self._num_recognised = 0
                yield from self._closed(segment)
            yield from self._over()
        if self._every and has_partial:
            segment = self._stream.open_segment()
            length = len(segment.cepstra)
            # Too early to tell whether somebody speaks, but long enough to recognise anything.
            is_early = segment.start_s == 0 and 4 * self._step <= length < self._unknown
            is_shorter = length < self._num_recognised  # without the silence after its speech
            if (segment.is_speech or is_early) and (length >= self._num_recognised + self._every or is_shorter):
                self._num_recognised = length
                partial = self._partial(segment)
                if self._early is None or partial.text != self._early.text:
                    yield partial

    def _closed(self, segment: Segment) -> Iterator[Final]:
        """The result of a segment that has ended, unless it was given early."""
        early, self._early, self._unsure = self._early, None, ()
        if segment.is_speech:
            final = self._final(segment)
            if early is None or early.text != final.text:
                yield final

    def _over(self) -> Iterator[Final]:
        """The result of the open segment, where its sentence is over."""
        if self._completion is None or self._early or self._stream.num_frames == self._num_looked_at:
            return
        self._num_looked_at = self._stream.num_frames
        segment = self._stream.open_segment()
        if not segment.is_speech or not self._completion.is_quiet(segment.cepstra):
            return
        (emission,) = self._recognizer.network.emissions([segment])
        words = self._recognizer.decoder(emission, 1)[0].words
        if words == self._unsure or not self._completion.is_complete(" ".join(words)):
            return
        final = self._made(segment, emission, replace(self._options, has_words=True))
        if all(word.confidence >= MIN_CONFIDENCE for word in final.transcript.words):
            self._early = replace(final, is_early=True)
            yield self._early
        else:
            self._unsure = words

    def _partial(self, segment: Segment) -> Partial:
        (emission,) = self._recognizer.network.emissions([replace(segment, is_speech=True)])
        words = self._recognizer.decoder(emission, 1)[0].words
        self._recent.append(words)
        is_full = len(self._recent) == _AGREEING
        num_stable = min(_num_alike(self._recent), max(0, len(words) - 1)) if is_full else 0
        letters = self._letters(segment, emission)
        return Partial(words, num_stable, round(segment.start_s, 3), round(segment.end_s, 3), letters)

    def _final(self, segment: Segment) -> Final:
        (emission,) = self._recognizer.network.emissions([segment])
        return self._made(segment, emission, self._options)

    def _made(self, segment: Segment, emission: Emission, options: Options) -> Final:
        transcript = self._recognizer.transcript([(segment, emission)], options)
        letters = self._letters(segment, emission)
        return Final(transcript, round(segment.start_s, 3), round(segment.end_s, 3), letters)

    def _letters(self, segment: Segment, emission: Emission) -> tuple[Letter, ...]:
        tokens, frame_s = self._recognizer.card.tokenizer.tokens, self._recognizer.card.features.frame_ms / 1000
        found = ctc_paths.spikes(emission.argmax(axis=1))
        return tuple(Letter(tokens[token], round(segment.origin_s + frame * frame_s, 3)) for frame, token in found)


def _completion(recognizer: Recognizer, silence_ms: float | None) -> Completion | None:
    """What says that a sentence is over; None where nothing is known of the sentences, or it is not asked for."""
    accepted = recognizer.constraint or recognizer.resources.lexicon
    features = recognizer.frontend.config
    if silence_ms is None or accepted is None or features.source != "audio":
        return None
    return Completion(accepted, recognizer.card.tokenizer, features, silence_ms)


def _num_alike(hypotheses: Sequence[Sequence[str]]) -> int:
    """How many of the first words all hypotheses share (local agreement, Liu et al. 2020)."""
    count = 0
    for words in zip(*hypotheses, strict=False):
        if len(set(words)) > 1:
            break
        count += 1
    return count


def _waveform(block: npt.NDArray[Any]) -> Waveform:
    """Samples of either kind as float32 (num_samples,). Raises AudioError."""
    if block.ndim != 1:
        raise AudioError(f"a block of sound has one axis, not {block.ndim}: average its channels first")
    if block.dtype == np.int16:
        return block.astype(np.float32) * np.float32(1 / 32768)
    if not np.issubdtype(block.dtype, np.floating):
        raise AudioError(f"a block of sound holds float samples in [-1, 1] or int16, not {block.dtype}")
    if not np.abs(block).max(initial=0) <= audio.LOUDEST:
        raise AudioError("a block of sound holds samples that are not finite, or absurdly large")
    return block.astype(np.float32)
