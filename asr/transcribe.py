"""Recognizer: sound -> Transcript, on numpy and onnxruntime. Nothing here imports PyTorch."""

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import align, audio, segment
from asr.align import TokenSpan
from asr.checkpoint import CheckpointError, ModelCard, Tuning
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.decode import confidence
from asr.decode.confidence import Calibration
from asr.decode.decoder import DecoderConfig, Knowledge
from asr.decode.hypothesis import Emission, Hypothesis
from asr.features import Frames, pad

SHIPPED = Path(__file__).parent / "models" / "digits.onnx"
MODEL_FILE = "model.onnx"
FEATURE_SUFFIXES = (".npy", ".mfc")
# Measured on one core: 4 utterances of like length go through the network in two thirds of the time that they take one
# by one, and more are no faster.
_BATCH, _BATCH_FRAMES, _PADDING = 4, 1 << 12, 1.1  # utterances, frames, and times the frames that padding makes of them
_POOL_FRAMES = 1 << 14  # of cepstra that wait for others of like length: 160 s of sound
Source = str | Path | npt.NDArray[Any] | Utterance


@dataclass(frozen=True)
class Character:
    """A character of a word: its share of the word's time, and its mean probability where it is said."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Word:
    """A word, when it was said, and the probability that it is right: start_s < end_s, confidence in [0, 1]."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    characters: tuple[Character, ...] = ()
    """Only where the text was given, and aligned."""


@dataclass(frozen=True)
class Transcript:
    """What was heard in one file; `nbest` is what else it may have been, the text first."""

    text: str
    duration_s: float
    words: tuple[Word, ...] = ()
    nbest: tuple[Hypothesis, ...] = ()


class Recognizer:
    """A trained model with its front end, its alphabet and its decoder; `load` makes one."""

    def __init__(self, session: Any, card: ModelCard, decoding: DecoderConfig | None = None) -> None:
        """`decoding`: greedy if None; what was tuned for such a decoder is taken from the card.

        Raises DecodeError naming the file that the decoder cannot use.
        """
        self._session = session
        self.card = card
        self.extractor = card.extractor
        self.tokenizer = card.tokenizer
        self.decoding = decoding or DecoderConfig()
        self.knowledge = Knowledge.read(self.decoding, card.text)
        self.space = self.tokenizer.tokens.index(" ") if " " in self.tokenizer.tokens else None
        self.min_confidence = 0.0
        """Words that are less sure are left out: in a closed vocabulary, what is none of its words gives nothing."""
        self.tune(card.tuning.get(self.decoding.kind, Tuning()))

    def tune(self, tuning: Tuning) -> None:
        """Decode with other weights and calibration, where the configuration does not name its own."""
        self.decoder = self.knowledge.decoder(tuning.lm_weight, tuning.word_bonus, tuning.blank_penalty)
        self.calibration = Calibration(tuning.slope, tuning.intercept)

    @classmethod
    def load(
        cls, path: str | Path = SHIPPED, *, decoding: DecoderConfig | None = None, threads: int = 1
    ) -> "Recognizer":
        """Load a .onnx file, or the one in a run folder; raises CheckpointError or DecodeError naming the file.

        `threads` is what onnxruntime may use; one is fastest for so small a network.
        """
        import onnxruntime

        path = model_file(path)
        if not path.is_file():
            raise CheckpointError(f"{path}: no such model")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3  # errors only: the rest is about other people's hardware
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise CheckpointError(f"{path}: not an ONNX model: {str(error).splitlines()[0]}") from None
        try:
            card = ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
        return cls(session, card, decoding)

    def transcribe(self, source: Source, sample_rate: int | None = None, *, has_words: bool = True) -> Transcript:
        """A sound file ("-": standard input), a feature file, an utterance, or a waveform (num_samples,).

        The waveform is at `sample_rate`. Without `has_words` the transcript is text alone, and is made faster. Sound
        of more than segment.LONGEST_S is heard in stretches, cut where it pauses, and gives one hypothesis; memory does
        not grow with the length of a file. Standard input is held whole; a feature file is one utterance.

        Raises AudioError, ManifestError or FeatureError, in one sentence that names the file.
        """
        (transcript,) = self.transcripts([source], sample_rate, has_words=has_words)
        if isinstance(transcript, Transcript):
            return transcript
        raise transcript

    def transcripts(
        self,
        sources: Iterable[Source],
        sample_rate: int | None = None,
        *,
        has_words: bool = True,
        progress: Callable[[float], object] = lambda _seconds: None,
    ) -> Iterator[Transcript | audio.AudioError | manifest.ManifestError]:
        """What `transcribe` gives for each source, in their order; in place of one that cannot be read, why not.

        Several go through the network together, which takes two thirds of the time and changes nothing. `progress` is
        told now and then how many seconds of a long sound have been heard.
        """
        queue: deque[_Hearing] = deque()
        pool: list[tuple[_Hearing, _Stretch]] = []

        def flush() -> Iterator[Transcript | audio.AudioError | manifest.ManifestError]:
            emissions = self._emissions([self.extractor.finish(stretch.static) for _, stretch in pool])
            for (hearing, stretch), emission in zip(pool, emissions, strict=True):
                hearing.parts.append(self._heard(stretch, emission, has_words=has_words))
            pool.clear()
            while queue and queue[0].is_read:
                hearing = queue.popleft()
                yield hearing.error or _joined(hearing.parts)

        num_frames = 0
        for source in sources:
            hearing = _Hearing()
            queue.append(hearing)
            try:
                for stretch in self._stretches(source, sample_rate):
                    pool.append((hearing, stretch))
                    num_frames += len(stretch.static)
                    if num_frames >= _POOL_FRAMES:
                        yield from flush()
                        if stretch.start_s:
                            progress(stretch.end_s)
                        num_frames = 0
            except (audio.AudioError, manifest.ManifestError) as error:
                hearing.error = error
            hearing.is_read = True
        yield from flush()

    def _heard(self, stretch: "_Stretch", emission: Emission, *, has_words: bool) -> Transcript:
        nbest = tuple(self.decoder(emission))
        duration_s = stretch.end_s - stretch.start_s
        if not has_words and not self.min_confidence:
            return Transcript(nbest[0].text, round(stretch.end_s, 3), (), nbest)
        words = self.words(
            emission, nbest[0].text, duration_s, stretch.static, start_s=stretch.start_s, is_whole=stretch.is_whole
        )
        kept = tuple(word for word in words if word.confidence >= self.min_confidence)
        text = " ".join(word.text for word in kept) if self.min_confidence else nbest[0].text
        return Transcript(text, round(stretch.end_s, 3), kept, nbest)

    def align(self, source: Source, text: str, sample_rate: int | None = None) -> Transcript:
        """When the words and characters of `text` are said in a sound; normalised as in training.

        Of an utterance that is a stretch of a recording the times are those of the recording. Raises TextError where
        the alphabet cannot spell the text, AlignError where it is too long for the sound, and as `transcribe` does.
        """
        static, duration_s = self._static(source, sample_rate)
        start_s = source.start_s if isinstance(source, Utterance) else 0.0
        text = self.card.text.normalise(text)
        emission = self.emissions([self.extractor.finish(static)])[0]
        spans = align.align(emission, self.tokenizer.encode(text))
        words = self._words(emission, text, spans, duration_s, static, start_s=start_s, has_characters=True)
        return Transcript(text, round(duration_s, 3), words)

    def frames(self, utterance: Utterance) -> Frames:
        """Finished frames (T, F) of an utterance of a manifest; raises as `transcribe` does."""
        return self.extractor.finish(self._static(utterance, None)[0])

    def log_probs(self, frames: Sequence[Frames]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Finished frames of several utterances -> log_probs (B, T, V) and their lengths (B,).

        Of several vocal tracts the mean, which is the geometric one of the probabilities, made to sum to one again.
        """
        padded, lengths = pad(frames, np.float32)
        heard = [self._session.run(None, {"frames": part, "frame_lengths": lengths})
                 for part in self.extractor.tracts(padded)]  # fmt: skip
        if len(heard) == 1:
            return heard[0][0], heard[0][1]
        log_probs = np.mean([part for part, _ in heard], axis=0)
        return log_probs - np.logaddexp.reduce(log_probs, axis=2, keepdims=True), heard[0][1]

    def emissions(self, frames: Sequence[Frames]) -> list[Emission]:
        """Finished frames of several utterances -> log_probs (T, V) of each."""
        if self.card.precision == "int8" and len(frames) > 1:
            # What flows between its layers is rounded by the largest value in the batch, so that each would depend on
            # its neighbours.
            return [self.emissions([one])[0] for one in frames]
        log_probs, lengths = self.log_probs(frames)
        return [one[:length] for one, length in zip(log_probs, lengths, strict=True)]

    def _emissions(self, frames: Sequence[Frames]) -> list[Emission]:
        """The same, in batches that hold little padding."""
        found: list[Emission] = [np.empty(0)] * len(frames)
        for places in _batches([len(one) for one in frames]):
            for place, emission in zip(places, self.emissions([frames[place] for place in places]), strict=True):
                found[place] = emission
        return found

    def texts(self, frames: Sequence[Frames]) -> list[str]:
        """Finished frames of several utterances -> what each says."""
        return [self.text(emission, self.decoder(emission)[0]) for emission in self.emissions(frames)]

    def text(self, emission: Emission, hypothesis: Hypothesis) -> str:
        """The text of a hypothesis without the words that are too little sure."""
        if not self.min_confidence:
            return hypothesis.text
        words = self.words(emission, hypothesis.text)
        return " ".join(word.text for word in words if word.confidence >= self.min_confidence)

    def words(
        self, emission: Emission, text: str, duration_s: float | None = None, static: Frames | None = None, *,
        start_s: float = 0.0, is_whole: bool = True,
    ) -> tuple[Word, ...]:  # fmt: skip
        """Times and confidence of the words of a text in log_probs (T, V), by forced alignment; see align.word_times.

        `static` are the cepstra (T', C) of the sound: their first, the energy, says where it pauses. Times count from
        `start_s` before the sound. `is_whole`: it has the edges that features.edge_ms says.
        """
        try:
            spans = align.align(emission, self.tokenizer.encode(text))
        except align.AlignError:  # a path that was possible, with a probability of zero in float32
            return ()
        if duration_s is None:
            duration_s = len(emission) * self.card.features.frame_ms / 1000 - 2 * self._edge_s(is_whole=is_whole)
        return self._words(emission, text, spans, duration_s, static, start_s=start_s, is_whole=is_whole)

    def _words(
        self, emission: Emission, text: str, spans: Sequence[TokenSpan], duration_s: float, static: Frames | None, *,
        start_s: float = 0.0, is_whole: bool = True, has_characters: bool = False,
    ) -> tuple[Word, ...]:  # fmt: skip
        config = self.card.features
        frame_s, hop_s, window_s = config.frame_ms / 1000, config.hop_ms / 1000, config.window_ms / 1000
        sure = self.calibration(confidence.log_odds(emission, spans, self.space))
        groups = confidence.word_spans(spans, self.space)
        energy = static[:, 0] if static is not None and config.source == "audio" else None
        timing = self.card.timing
        edge_s = self._edge_s(is_whole=is_whole)
        times = align.word_times(
            groups, frame_s, duration_s + 2 * edge_s, timing.lead_s, timing.tail_s, energy, hop_s, window_s
        )

        def clock(second: Any) -> Any:
            return start_s + np.clip(second - edge_s, 0, max(duration_s, 0))

        times = clock(times)
        words = []
        for word, tokens, value, (first_s, last_s) in zip(text.split(), groups, sure, times.tolist(), strict=True):
            # Between two characters the middle of where the one is heard last and the other first.
            turns = [
                clock((left.end_frame + right.start_frame) / 2 * frame_s) for left, right in itertools.pairwise(tokens)
            ]
            bounds = [round(float(bound), 3) for bound in (first_s, *turns, last_s)]
            characters = tuple(
                Character(self.tokenizer.tokens[token.token], *bound, round(math.exp(token.score), 4))
                for token, bound in zip(tokens, itertools.pairwise(bounds), strict=True)
            )
            words.append(
                Word(word, bounds[0], bounds[-1], round(float(value), 4), characters if has_characters else ())
            )
        return tuple(words)

    def _edge_s(self, *, is_whole: bool) -> float:
        """Seconds of noise at either end of what the network hears."""
        config = self.card.features
        return config.edge_ms / 1000 if is_whole and config.source == "audio" else 0.0

    def _stretches(self, source: Source, sample_rate: int | None) -> Iterator["_Stretch"]:
        """What is heard on its own of a sound or feature file, an utterance or a waveform: all of it, if not long."""
        config = self.card.features
        rate, hop_s = config.sample_rate, config.hop_ms / 1000
        if config.source == "precomputed":
            static, duration_s = self._static(source, sample_rate)
            yield _Stretch(static, 0.0, duration_s)
            return
        if isinstance(source, str | Path) and source != "-":
            blocks = audio.blocks(source, rate, block_s=segment.LONGEST_S)
        else:
            waveform, step = self._waveform(source, sample_rate), round(segment.LONGEST_S * rate)
            blocks = (waveform[start : start + step] for start in range(0, max(1, len(waveform)), step))
        first = next(blocks)
        second = next(blocks, None)
        if second is None:
            yield _Stretch(self.extractor.static(self.extractor.edged(first)), 0.0, len(first) / rate)
            return
        num_samples = 0

        def counted() -> Iterator[audio.Waveform]:
            nonlocal num_samples
            for block in itertools.chain([first, second], blocks):
                num_samples += len(block)
                yield block

        num_frames = 0
        for static, is_last in _with_last(segment.stretches(self.extractor.static_blocks(counted()), hop_s)):
            start_s, num_frames = num_frames * hop_s, num_frames + len(static)
            end_s = num_samples / rate if is_last else num_frames * hop_s
            yield _Stretch(static, start_s, end_s, is_whole=False)

    def _static(self, source: Source, sample_rate: int | None) -> tuple[Frames, float]:
        """Cepstra (T, C) of a sound or feature file, an utterance or a waveform, and the seconds that it lasts."""
        config = self.card.features
        if config.source == "precomputed":
            static = None
            if isinstance(source, Utterance):
                static = manifest.load_frames(source, self.extractor)
            elif not isinstance(source, np.ndarray) and str(source).lower().endswith(FEATURE_SUFFIXES):
                static = manifest.read_features(source, config.num_cepstra)
            if static is not None:
                return static, len(static) * config.hop_ms / 1000
        waveform = self._waveform(source, sample_rate)
        return self.extractor.static(self.extractor.edged(waveform)), len(waveform) / config.sample_rate

    def _waveform(self, source: Source, sample_rate: int | None) -> audio.Waveform:
        wanted = self.card.features.sample_rate
        if isinstance(source, Utterance):
            return manifest.read_waveform(source, wanted)
        if not isinstance(source, np.ndarray):
            return audio.read(source, wanted)
        if sample_rate is None:
            raise audio.AudioError("a waveform needs its sample_rate beside it")
        if source.ndim != 1:
            raise audio.AudioError(f"a waveform has one axis, not {source.ndim}: average its channels first")
        if source.dtype != np.int16 and not np.issubdtype(source.dtype, np.floating):
            raise audio.AudioError(f"a waveform holds float samples in [-1, 1] or int16, not {source.dtype}")
        waveform = source.astype(np.float32)
        if not np.isfinite(waveform).all():
            raise audio.AudioError("the waveform holds samples that are not finite")
        if source.dtype == np.int16:
            waveform *= np.float32(1 / 32768)
        return audio.resample(waveform, sample_rate, wanted)


@dataclass(frozen=True)
class _Stretch:
    """Cepstra (T, C) that are heard as one utterance, and where they lie in their recording."""

    static: Frames
    start_s: float
    end_s: float
    is_whole: bool = True
    """Not a part of a longer recording, where what is before and after it is no edge."""


@dataclass
class _Hearing:
    """A source that is being transcribed."""

    parts: list[Transcript] = field(default_factory=list)
    error: audio.AudioError | manifest.ManifestError | None = None
    is_read: bool = False


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The places of all lengths, those of like length together."""
    batch: list[int] = []
    total = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        padded = (len(batch) + 1) * lengths[place]
        total += lengths[place]
        if batch and (len(batch) == _BATCH or padded > min(_BATCH_FRAMES, _PADDING * total)):
            yield batch
            batch, total = [], lengths[place]
        batch.append(place)
    if batch:
        yield batch


def _joined(parts: Sequence[Transcript]) -> Transcript:
    """The stretches of a recording as one transcript."""
    if len(parts) == 1:
        return parts[0]
    best = Hypothesis(" ".join(text for part in parts if (text := part.nbest[0].text)),
                      sum(part.nbest[0].score for part in parts))  # fmt: skip
    return Transcript(
        " ".join(part.text for part in parts if part.text),
        parts[-1].duration_s,
        tuple(word for part in parts for word in part.words),
        (best,),
    )


def _with_last(items: Iterable[Frames]) -> Iterator[tuple[Frames, bool]]:
    """Each item, and whether it is the last one."""
    held: Frames | None = None
    for item in items:
        if held is not None:
            yield held, False
        held = item
    if held is not None:
        yield held, True


def model_file(path: str | Path) -> Path:
    """The model of a run's folder, or the file itself."""
    return Path(path) / MODEL_FILE if Path(path).is_dir() else Path(path)


def newest_model(folder: Path) -> Path | None:
    """The model of the newest run below `folder`: the folder of a run holds model.onnx beside metrics.jsonl."""
    runs = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_")) and name != "node_modules"]
        if Path(root).relative_to(folder).parts[4:]:
            folders.clear()
        if MODEL_FILE in files and "metrics.jsonl" in files:
            runs.append(Path(root) / MODEL_FILE)
    return max(runs, key=lambda path: path.stat().st_mtime, default=None)
