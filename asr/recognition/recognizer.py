"""Recognizer: sound -> Transcript, on numpy and onnxruntime. Nothing here imports PyTorch."""

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from asr import audio, segment
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.decode import align
from asr.decode.align import TokenSpan
from asr.decode.decoder import DecoderConfig, Knowledge
from asr.decode.hypothesis import Emission, Hypothesis
from asr.features import FeatureError, Frames, pad
from asr.modelfile import session
from asr.modelfile.card import ModelCard, Tuning
from asr.recognition import confidence
from asr.recognition.confidence import Calibration
from asr.text import BLANK

SHIPPED = Path(__file__).parents[1] / "models" / "digits.onnx"
MODEL_FILE = "model.onnx"
FEATURE_SUFFIXES = (".npy", ".mfc")
# Measured on one core: 4 utterances of like length go through the network in two thirds of the time that they take one
# by one; more are no faster, but for words of half a second, of which 8 are.
_BATCH, _BATCH_FRAMES, _PADDING = 8, 1 << 12, 1.1  # utterances, frames, and times the frames that padding makes of them
_CLEAR_DB = 25.0  # from noise to speech: with less, what is loud for a frame may be noise
_UNHEARD = 1e-9  # probability of each letter where nobody speaks
_POOL_FRAMES = 1 << 14  # of cepstra that wait for others of like length: 160 s of sound
_Item = TypeVar("_Item")
Source = str | Path | npt.NDArray[Any] | Utterance
SourceError = audio.AudioError | manifest.ManifestError | FeatureError
"""Why a source cannot be heard, in one sentence that names it."""


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
        """Load a .onnx file, or the one in a run folder; raises ModelError or DecodeError naming the file.

        `threads` is what onnxruntime may use; one is fastest for so small a network.
        """
        network, card = session.load(model_file(path), threads=threads)
        return cls(network, card, decoding)

    def transcribe(self, source: Source, sample_rate: int | None = None, *, has_words: bool = True) -> Transcript:
        """A sound file ("-": standard input), a feature file, an utterance, or a waveform (num_samples,).

        The waveform is at `sample_rate`. Without `has_words` the transcript is text alone, and is made faster. Sound
        is heard in stretches, see `stretches`, and gives one hypothesis where several of them say something; memory
        does not grow with the length of a file. Standard input is held whole; a feature file is one utterance.

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
    ) -> Iterator[Transcript | SourceError]:
        """What `transcribe` gives for each source, in their order; in place of one that cannot be read, why not.

        Several go through the network together, which takes two thirds of the time and changes nothing. `progress` is
        told now and then how many seconds of a long sound have been heard.
        """
        queue: deque[_Hearing] = deque()
        pool: list[tuple[_Hearing, Stretch]] = []

        def flush() -> Iterator[Transcript | SourceError]:
            emissions = self.emissions([self.finished(stretch) for _, stretch in pool])
            for (hearing, stretch), emission in zip(pool, emissions, strict=True):
                hearing.parts.append(self._heard(stretch, emission, self.min_confidence, has_words=has_words))
            pool.clear()
            while queue and queue[0].is_read:
                hearing = queue.popleft()
                yield hearing.error or _joined(hearing.parts)

        num_frames = 0
        for source in sources:
            hearing = _Hearing()
            queue.append(hearing)
            try:
                for stretch in self.stretches(source, sample_rate):
                    pool.append((hearing, stretch))
                    num_frames += len(stretch.static)
                    if num_frames >= _POOL_FRAMES:
                        yield from flush()
                        if stretch.start_s:
                            progress(stretch.end_s)
                        num_frames = 0
            except (audio.AudioError, manifest.ManifestError, FeatureError) as error:
                hearing.error = error
            hearing.is_read = True
        yield from flush()

    def heard(
        self,
        parts: "Iterable[tuple[Stretch, Emission]]",
        *,
        has_words: bool = True,
        min_confidence: float | None = None,
    ) -> Transcript:
        """What the stretches of one sound say, from the log_probs (T, V) of each.

        `min_confidence` in place of the recognizer's own.
        """
        least = self.min_confidence if min_confidence is None else min_confidence
        return _joined([self._heard(stretch, emission, least, has_words=has_words) for stretch, emission in parts])

    def _heard(self, stretch: "Stretch", emission: Emission, min_confidence: float, *, has_words: bool) -> Transcript:
        nbest = tuple(self.decoder(emission))
        words = self.words(emission, nbest[0].text, stretch) if has_words or min_confidence else ()
        if min_confidence:
            words = tuple(word for word in words if word.confidence >= min_confidence)
            nbest = (replace(nbest[0], text=" ".join(word.text for word in words)), *nbest[1:])
        return Transcript(nbest[0].text, round(stretch.end_s, 3), words, nbest)

    def align(self, source: Source, text: str, sample_rate: int | None = None) -> Transcript:
        """When the words and characters of `text` are said in a sound; normalised as in training.

        Of an utterance that is a stretch of a recording the times are those of the recording. Raises TextError where
        the alphabet cannot spell the text, AlignError where it is too long for the sound, and as `transcribe` does.
        """
        text = self.card.text.normalise(text)
        parts = list(self.stretches(source, sample_rate))
        duration_s = round(parts[-1].end_s - parts[0].start_s, 3)
        said = [place for place, part in enumerate(parts) if not part.is_silent]
        whole, emission = self._together(parts[said[0] : said[-1] + 1])  # long silence would hide how loud speech is
        if isinstance(source, Utterance):
            whole = replace(
                whole,
                origin_s=whole.origin_s + source.start_s,
                start_s=whole.start_s + source.start_s,
                end_s=whole.end_s + source.start_s,
            )
        spans = align.align(emission, self.tokenizer.encode(text))
        return Transcript(text, duration_s, self._words(emission, text, spans, whole, has_characters=True))

    def emission(self, source: Source, sample_rate: int | None = None) -> "tuple[Stretch, Emission]":
        """A sound as one stretch, and its log_probs (T, V): what `stretches` parts is heard apart, and stands in turn.

        What is silent is blank. Raises as `transcribe` does.
        """
        return self._together(list(self.stretches(source, sample_rate)))

    def _together(self, parts: "Sequence[Stretch]") -> "tuple[Stretch, Emission]":
        """Stretches that follow one another as one, and its log_probs (T, V)."""
        emissions = self.emissions([self.finished(part) for part in parts])
        for place, part in enumerate(parts):
            if part.is_silent:
                emissions[place] = self._blanks(self.card.features.num_stacked(len(part.static)))
        static = np.concatenate([part.static for part in parts])
        return Stretch(static, parts[0].origin_s, parts[0].start_s, parts[-1].end_s), np.concatenate(emissions)

    def _blanks(self, num_frames: int) -> Emission:
        """What is heard where nobody speaks: log_probs (T, V) of a blank that is all but certain."""
        num_tokens = len(self.tokenizer.tokens)
        heard = np.full((num_frames, num_tokens), math.log(_UNHEARD), np.float32)
        heard[:, BLANK] = math.log1p(-_UNHEARD * (num_tokens - 1))
        return heard

    def finished(self, stretch: "Stretch") -> Frames:
        """Finished frames (T, F) of a stretch: none of a silent one, which the network need not hear."""
        if stretch.is_silent:
            return np.empty((0, self.card.features.num_features), np.float32)
        return self.extractor.finish(stretch.static)

    def frames(self, utterance: Utterance) -> Frames:
        """Finished frames (T, F) of an utterance of a manifest; raises as `transcribe` does."""
        return self.extractor.finish(self._static(utterance))

    def log_probs(self, frames: Sequence[Frames]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Finished frames of several utterances -> log_probs (B, T, V) and their lengths (B,).

        Of several vocal tracts the mean, which is the geometric one of the probabilities, made to sum to one again.
        """
        padded, lengths = pad(frames, np.float32)
        heard = [
            self._session.run(None, {"frames": part, "frame_lengths": lengths})
            for part in self.extractor.tracts(padded)
        ]
        if len(heard) == 1:
            return heard[0][0], heard[0][1]
        log_probs = np.mean([part for part, _ in heard], axis=0)
        return log_probs - np.logaddexp.reduce(log_probs, axis=2, keepdims=True), heard[0][1]

    def emissions(self, frames: Sequence[Frames]) -> list[Emission]:
        """Finished frames of several utterances -> log_probs (T, V) of each, in batches that hold little padding.

        The network is not asked about what has no frames.
        """
        # What flows between the layers of 8-bit weights is rounded by the largest value in the batch, so that each
        # would depend on its neighbours.
        most = 1 if self.card.precision == "int8" else _BATCH
        found: list[Emission] = [np.empty((0, len(self.tokenizer.tokens)), np.float32)] * len(frames)
        for places in _batches([len(one) for one in frames], most):
            log_probs, lengths = self.log_probs([frames[place] for place in places])
            for place, one, length in zip(places, log_probs, lengths, strict=True):
                found[place] = one[:length]
        return found

    def texts(self, frames: Sequence[Frames]) -> list[str]:
        """Finished frames of several utterances -> what each says."""
        return [
            self.heard([(self._alone(emission), emission)], has_words=False).text for emission in self.emissions(frames)
        ]

    def words(self, emission: Emission, text: str, stretch: "Stretch | None" = None) -> tuple[Word, ...]:
        """Times and confidence of the words of a text in log_probs (T, V), by forced alignment; see align.word_times.

        The cepstra of `stretch` say where it pauses: their first is the energy. Without it the emission is of a sound
        between the edges that features.edge_ms says.
        """
        try:
            spans = align.align(emission, self.tokenizer.encode(text))
        except align.AlignError:  # a path that was possible, with a probability of zero in float32
            return ()
        return self._words(emission, text, spans, stretch or self._alone(emission))

    def _alone(self, emission: Emission) -> "Stretch":
        """A stretch for log_probs (T, V) whose cepstra are not at hand."""
        duration_s = len(emission) * self.card.features.frame_ms / 1000 - 2 * self._edge_s
        return Stretch(np.zeros((0, self.card.features.num_cepstra), np.float32), -self._edge_s, 0.0, duration_s)

    def _words(
        self,
        emission: Emission,
        text: str,
        spans: Sequence[TokenSpan],
        stretch: "Stretch",
        *,
        has_characters: bool = False,
    ) -> tuple[Word, ...]:
        config = self.card.features
        frame_s, hop_s, window_s = config.frame_ms / 1000, config.hop_s, config.window_ms / 1000
        sure = self.calibration(confidence.log_odds(emission, spans, self.space))
        groups = confidence.word_spans(spans, self.space)
        edge_s = stretch.start_s - stretch.origin_s
        duration_s = max(stretch.end_s - stretch.start_s, 0.0)
        first = round(edge_s / hop_s)  # the edges are no part of what is loud or quiet
        static = stretch.static[first : first + max(1, round(duration_s / hop_s))]
        energy, least_db = static[:, 0], align.LEAST_DB
        if config.pause_ms and not len(align.quiet(energy, _CLEAR_DB)):
            # It spells a word before or after it is said: noise must not hide when.
            energy, least_db = segment.loudness(static, config) / align.DB, segment.LEAST_DB
        timing = self.card.timing
        times = align.word_times(
            groups,
            frame_s,
            duration_s,
            timing.lead_s,
            timing.tail_s,
            energy if config.source == "audio" else None,
            hop_s,
            window_s,
            edge_s,
            least_db,
        )
        words = []
        reached_s = stretch.start_s
        for word, tokens, value, (first_s, last_s) in zip(text.split(), groups, sure, times.tolist(), strict=True):
            # Between two characters the middle of where the one is heard last and the other first.
            turns = [(left.end_frame + right.start_frame) / 2 for left, right in itertools.pairwise(tokens)]
            marks = np.array([tokens[0].start_frame, *turns, tokens[-1].end_frame]) * frame_s - edge_s
            if len(marks) == 2 or (first_s < marks[1] and marks[-2] < last_s):
                marks[0], marks[-1] = first_s, last_s
            else:  # spelled outside the word, in silence: all that is known is the order
                marks = first_s + (marks - marks[0]) * ((last_s - first_s) / (marks[-1] - marks[0]))
            bounds = _clock(marks + stretch.start_s, reached_s)
            reached_s = bounds[-1]
            characters = tuple(
                Character(self.tokenizer.tokens[token.token], *bound, round(math.exp(token.score), 4))
                for token, bound in zip(tokens, itertools.pairwise(bounds), strict=True)
            )
            words.append(
                Word(word, bounds[0], bounds[-1], round(float(value), 4), characters if has_characters else ())
            )
        return tuple(words)

    @property
    def _edge_s(self) -> float:
        """Seconds of noise at either end of what the network hears."""
        config = self.card.features
        return config.edge_ms / 1000 if config.source == "audio" else 0.0

    def stretches(self, source: Source, sample_rate: int | None = None) -> "Iterator[Stretch]":
        """What is heard on its own of a sound or feature file, an utterance or a waveform.

        Sound is cut as features.pause_ms says; without it what is longer than segment.LONGEST_S is, in pauses of
        segment.PAUSE_S, but for 0.3 s beside speech silence is a stretch that is not heard. A feature file is one
        stretch. Raises as `transcribe` does.
        """
        config = self.card.features
        rate, hop_s = config.sample_rate, config.hop_s
        if config.source == "precomputed":
            static = self._static(source, sample_rate)
            yield Stretch(static, 0.0, 0.0, len(static) * hop_s)
            return
        if isinstance(source, str | Path) and source != "-":
            blocks = audio.blocks(source, rate, block_s=segment.LONGEST_S)
        else:
            waveform, block = self._waveform(source, sample_rate), round(segment.LONGEST_S * rate)
            blocks = (waveform[start : start + block] for start in range(0, max(1, len(waveform)), block))
        first = next(blocks)
        second = next(blocks, None)
        if second is None:
            yield from self._short(first)
            return
        num_samples = 0

        def counted() -> Iterator[audio.Waveform]:
            nonlocal num_samples
            for block in itertools.chain([first, second], blocks):
                num_samples += len(block)
                yield block

        num_frames = 0
        pause_s = config.pause_ms / 1000 or segment.PAUSE_S
        cut = segment.stretches(self.extractor.static_blocks(counted()), config, pause_s)
        for (static, is_silent), is_last in _with_last(cut):
            start_s, num_frames = num_frames * hop_s, num_frames + len(static)
            end_s = num_samples / rate if is_last else num_frames * hop_s
            yield Stretch(static, start_s, start_s, end_s, is_silent)

    def _short(self, waveform: audio.Waveform) -> "Iterator[Stretch]":
        """The stretches of a sound (num_samples,) of up to segment.LONGEST_S, between its edges."""
        config = self.card.features
        hop_s, duration_s = config.hop_s, len(waveform) / config.sample_rate
        static = self.extractor.static(self.extractor.edged(waveform))
        edge = round(self._edge_s / hop_s)
        cut = [segment.Part(0, len(static), False)]
        if config.pause_ms:
            # The edges, which are faint, would say how quiet it is.
            cut = segment.parts(static[edge : len(static) - edge], config, config.pause_ms / 1000)
        starts = [0, *((edge + part.start) // config.stack * config.stack for part in cut[1:])]
        for part, start, end in itertools.zip_longest(cut, starts, starts[1:]):
            start_s = start * hop_s - self._edge_s
            end_s = duration_s if end is None else end * hop_s - self._edge_s
            yield Stretch(static[start:end], start_s, max(start_s, 0.0), end_s, part.is_silent)

    def _static(self, source: Source, sample_rate: int | None = None) -> Frames:
        """Cepstra (T, C) of a sound between its edges, or of a feature file."""
        config = self.card.features
        if config.source == "audio":
            return self.extractor.static(self.extractor.edged(self._waveform(source, sample_rate)))
        if isinstance(source, Utterance):
            return manifest.load_frames(source, self.extractor)
        if not isinstance(source, np.ndarray) and str(source).lower().endswith(FEATURE_SUFFIXES):
            return manifest.read_features(source, config.num_cepstra)
        name = "a waveform" if isinstance(source, np.ndarray) else "standard input" if source == "-" else source
        raise FeatureError(
            f"{name}: this model was trained on precomputed features that cannot be made from sound; "
            "give it a manifest with `features`, or a .npy or .mfc file"
        )

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
        if not np.abs(waveform).max(initial=0) <= audio.LOUDEST:
            raise audio.AudioError("the waveform holds samples that are not finite, or absurdly large")
        if source.dtype == np.int16:
            waveform *= np.float32(1 / 32768)
        return audio.resample(waveform, sample_rate, wanted)


@dataclass(frozen=True)
class Stretch:
    """Cepstra (T, C) that are heard as one utterance, and where they lie in their recording."""

    static: Frames
    origin_s: float
    """When the first frame begins: before the sound, where it is of an edge."""
    start_s: float
    end_s: float
    is_silent: bool = False
    """Nobody speaks: it is not heard."""


@dataclass
class _Hearing:
    """A source that is being transcribed."""

    parts: list[Transcript] = field(default_factory=list)
    error: SourceError | None = None
    is_read: bool = False


def _clock(seconds: npt.NDArray[np.float64], reached_s: float) -> list[float]:
    """Times that rise from `reached_s` on, by no less than the millisecond that they are rounded to."""
    rising: list[float] = []
    for second in seconds.tolist():
        rising.append(max(round(second, 3), round(rising[-1] + 1e-3, 3) if rising else round(reached_s, 3)))
    return rising


def _batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """The places of all lengths but 0, up to `most` of like length together."""
    batch: list[int] = []
    total = 0
    for place in sorted(np.flatnonzero(lengths).tolist(), key=lengths.__getitem__):
        padded = (len(batch) + 1) * lengths[place]
        total += lengths[place]
        if batch and (len(batch) == most or padded > min(_BATCH_FRAMES, _PADDING * total)):
            yield batch
            batch, total = [], lengths[place]
        batch.append(place)
    if batch:
        yield batch


def _joined(parts: Sequence[Transcript]) -> Transcript:
    """The stretches of a recording as one transcript."""
    if len(parts) == 1:
        return parts[0]
    score = sum(part.nbest[0].score for part in parts)
    speaking = [part for part in parts if part.nbest[0].text]
    if len(speaking) == 1:  # what else it may have been, the others as they are
        before = speaking[0].nbest[0].score
        nbest = tuple(replace(one, score=score - before + one.score) for one in speaking[0].nbest)
    else:
        nbest = (Hypothesis(" ".join(part.nbest[0].text for part in speaking), score),)
    words = tuple(word for part in parts for word in part.words)
    return Transcript(nbest[0].text, parts[-1].duration_s, words, nbest)


def _with_last(items: Iterable[_Item]) -> Iterator[tuple[_Item, bool]]:
    """Each item, and whether it is the last one."""
    held: _Item | None = None
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
