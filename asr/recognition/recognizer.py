"""Recognizer: sound -> Transcript. Nothing here imports PyTorch, and onnxruntime only where there is much to do."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asr import tasks
from asr.decode import align
from asr.decode.align import TokenSpan
from asr.decode.decoder import DecoderConfig, DecodingResources
from asr.decode.garbage import GarbageDecoder
from asr.decode.hypothesis import Decoder, Emission
from asr.errors import UserError
from asr.modelfile import session
from asr.modelfile.card import ModelCard, Tuning
from asr.modelfile.locate import SHIPPED, model_file
from asr.modelfile.session import Runtime
from asr.recognition import confidence, source, times
from asr.recognition.acoustic import Network
from asr.recognition.confidence import Calibration
from asr.recognition.frontend import FrontEnd, Segment
from asr.recognition.source import Sound, Source
from asr.recognition.transcript import Nearest, Transcript, Word, join_transcripts, meant

if TYPE_CHECKING:
    from asr.decode.lexicon import Lexicon
    from asr.grammar.compiled import Compiled
    from asr.grammar.graph import Graph
    from asr.grammar.intent import Parser

_POOL_FRAMES = 1 << 14  # of cepstra that wait for others of like length: 160 s of sound
Part = tuple[Segment, Emission]
"""A segment of a sound, and its log-probabilities (T, V), of no frames where nobody speaks."""
_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class Options:
    """What may differ from call to call."""

    min_confidence: float | None = None
    """Words below it are dropped, and sentences as a whole; None: as tuned for the model, else none is."""
    nbest: int | None = None
    """Hypotheses that the beam decoder gives at most; None: as DecoderConfig says."""
    has_words: bool = True
    """Whether the words and their times are wanted: the text alone is made faster."""
    has_nearest: bool = True
    """Whether what came nearest to refused speech is wanted, which takes longer than the refusal."""


@dataclass(frozen=True)
class Recognizer:
    """A trained model with its front end, its alphabet and its decoder; `load` makes one.

    It never changes, and many threads may use it at once.
    """

    card: ModelCard
    frontend: FrontEnd
    network: Network
    resources: DecodingResources
    decoder: Decoder
    tuning: Tuning
    """What was tuned for such a decoder."""
    constraint: "Graph | None" = None
    """The sentences that are recognised, if not any text is."""
    parser: "Parser | None" = None
    """What finds the intent and the slots of a sentence."""

    @classmethod
    def load(
        cls,
        path: str | Path = SHIPPED,
        *,
        decoding: DecoderConfig | None = None,
        threads: int = 1,
        runtime: Runtime = "onnxruntime",
    ) -> "Recognizer":
        """Load a .onnx file, or the one in a run folder. Greedy decoding, if `decoding` is None.

        `threads` is what onnxruntime may use; `runtime` "numpy" starts sooner, see `session.load`. Raises
        ModelError or DecodeError naming the file.
        """
        path = model_file(path)
        network, card = session.load(path, threads=threads, runtime=runtime)
        tasks.check(path, card, "asr-transcribe")
        return cls.of(network, card, decoding)

    @classmethod
    def of(cls, network: Any, card: ModelCard, decoding: DecoderConfig | None = None) -> "Recognizer":
        """A recogniser of a session. Raises DecodeError naming a file that the decoder cannot use."""
        sentences = _sentences(decoding or DecoderConfig(), card)
        decoding = decoding or DecoderConfig(decoder="beam" if sentences else None)
        resources = DecodingResources.read(decoding, card.text)
        constraint = sentences.graph(card.tokenizer) if sentences else None
        parser = sentences.parser() if sentences else None
        decoder, extractor = resources.decoder(constraint=constraint), card.extractor
        front_end, network = FrontEnd(extractor, card.recognition, card.speech), Network.of(network, card, extractor)
        made = cls(card, front_end, network, resources, decoder, Tuning(), constraint, parser)
        return made.with_tuning(card.tuning.get(made.kind, Tuning()))

    def _repr_html_(self) -> str:
        """In a notebook: what the model outputs, at which rate, and by which decoder."""
        card = self.card
        rows = {
            "alphabet": card.text.alphabet,
            "sample rate": f"{card.features.sample_rate} Hz",
            "decoder": self.kind,
            "recipe": str(card.recipe.get("name", "")),
        }
        return f"<table>{''.join(f'<tr><th>{escape(key)}<td>{escape(value)}' for key, value in rows.items())}</table>"

    @property
    def kind(self) -> str:
        """The name of its kind of decoder, under which a model holds what was tuned for it."""
        config = self.resources.config
        if self.constraint is None or config.sentences is not None:
            return config.kind
        return "beam+sentences+lm" if config.lm is not None else "beam+sentences"  # those of the model

    def with_metadata(self, card: ModelCard) -> "Recognizer":
        """The same network and kind of decoder with other metadata."""
        return Recognizer.of(self.network.session, card, self.resources.config)

    def with_tuning(self, tuning: Tuning) -> "Recognizer":
        """The same with other weights and calibration, where the configuration does not name its own."""
        weights = tuning.lm_weight, tuning.word_bonus, tuning.blank_penalty
        named = self.resources.config.grammar_weight
        weight = (tuning.grammar_weight or 0.0) if named is None else named
        constraint = self.constraint.weighted(weight) if self.constraint else None
        decoder = self.resources.decoder(*weights, constraint, tuning.garbage_penalty)
        return replace(self, decoder=decoder, tuning=tuning, constraint=constraint)

    def recognise(
        self,
        sources: Iterable[Source],
        sample_rate: int | None = None,
        *,
        progress: Callable[[float], object] = lambda _seconds: None,
    ) -> Iterator[tuple[Sound, list[Part]] | UserError]:
        """The segments of each source and their log-probabilities, in order; or why it cannot be recognised.

        Each comes as soon as it can be had; of many sources several go through the network together, which takes two
        thirds of the time and changes nothing. `sample_rate` is that of waveforms. `progress` is told now and then how
        many seconds of a long sound are done.
        """
        return self._each(sources, sample_rate, lambda segment, emission: (segment, emission), progress)

    def transcript(self, parts: Iterable[Part], options: Options = Options()) -> Transcript:
        """The transcript of one sound from its segments and their log-probabilities.

        Each segment that is speech gives a hypothesis; together they are one, see `join_transcripts`.
        """
        return join_transcripts([self._part(segment, emission, options) for segment, emission in parts])

    def alignment(self, parts: Sequence[Part], text: str, offset_s: float = 0.0) -> Transcript:
        """The times of the words and characters of `text`, normalised as in training; `offset_s` is added to them.

        Raises TextError where the alphabet cannot spell the text, AlignError where it is too long for the sound.
        """
        text = self.card.text.normalise(text)
        duration_s = round(parts[-1][0].end_s - parts[0][0].start_s, 3)
        # Long silence would hide how loud speech is.
        speech = [index for index, (segment, _) in enumerate(parts) if segment.is_speech] or [0, len(parts) - 1]
        segment, emission = self.network.join(parts[speech[0] : speech[-1] + 1])
        moved = replace(
            segment,
            origin_s=segment.origin_s + offset_s,
            start_s=segment.start_s + offset_s,
            end_s=segment.end_s + offset_s,
        )
        spans = align.align(emission, self.card.tokenizer.encode(text))
        return Transcript(text, duration_s, self._words(moved, emission, text, spans))

    def transcribe(
        self,
        source: Source,
        sample_rate: int | None = None,
        options: Options = Options(),
    ) -> Transcript:
        """Transcribe a sound: a file, "-" for standard input, a file's bytes, a waveform (num_samples,), an utterance.

        The waveform is at `sample_rate`. Sound is cut into segments, see FrontEnd; memory does not grow with the length
        of a file. Raises a UserError that names the file.
        """
        (transcript,) = self.transcribe_all([source], sample_rate, options)
        if isinstance(transcript, Transcript):
            return transcript
        raise transcript

    def transcribe_all(
        self,
        sources: Iterable[Source],
        sample_rate: int | None = None,
        options: Options = Options(),
        *,
        progress: Callable[[float], object] = lambda _seconds: None,
    ) -> Iterator[Transcript | UserError]:
        """What `transcribe` gives for each source, in order, as `recognise` does; or what is wrong with it."""
        keep = lambda segment, emission: self._part(segment, emission, options)  # noqa: E731
        for result in self._each(sources, sample_rate, keep, progress):
            yield result if isinstance(result, UserError) else join_transcripts(result[1])

    def align(self, source: Source, text: str, sample_rate: int | None = None) -> Transcript:
        """The times of the words and characters of `text` in one sound; raises as `alignment` and `transcribe` do.

        Of an utterance that is cut out of a recording the times are those of the recording.
        """
        (result,) = self.recognise([source], sample_rate)
        if isinstance(result, UserError):
            raise result
        sound, parts = result
        return self.alignment(parts, text, sound.offset_s)

    def words(self, segment: Segment, emission: Emission, text: str) -> tuple[Word, ...]:
        """Times and confidence of the words of a text in log_probs (T, V), with their characters.

        None where the network gives the text no probability at all.
        """
        spans = self._spans(emission, text)
        return self._words(segment, emission, text, spans) if spans else ()

    def _each(
        self,
        sources: Iterable[Source],
        sample_rate: int | None,
        keep: Callable[[Segment, Emission], _Kept],
        progress: Callable[[float], object],
    ) -> Iterator[tuple[Sound, list[_Kept]] | UserError]:
        """What `keep` makes of the segments of each source.

        Segments wait for others of like length, at first for those of their own sound alone, then for four times more
        frames each time, so that the first results come at once and many come fast.
        """
        queue: deque[_Pending[_Kept]] = deque()
        pool: list[tuple[_Pending[_Kept], Segment]] = []

        def flush() -> Iterator[tuple[Sound, list[_Kept]] | UserError]:
            emissions = self.network.emissions([segment for _, segment in pool])
            for (pending, segment), emission in zip(pool, emissions, strict=True):
                pending.kept.append(keep(segment, emission))
            pool.clear()
            while queue and (result := queue[0].result()):
                queue.popleft()
                yield result

        num_frames, patience = 0, 0
        for anything in sources:
            pending = _Pending[_Kept]()
            queue.append(pending)
            for segment in pending.read(self.frontend, anything, sample_rate):
                pool.append((pending, segment))
                num_frames += len(segment.cepstra)
                if num_frames >= _POOL_FRAMES:
                    yield from flush()
                    num_frames = 0
                    if segment.start_s:
                        progress(segment.end_s)
            if num_frames >= patience:
                yield from flush()
                num_frames, patience = 0, min(max(4 * num_frames, patience), _POOL_FRAMES)
        yield from flush()

    def _part(self, segment: Segment, emission: Emission, options: Options) -> Transcript:
        nbest = tuple(self.decoder(emission, options.nbest))
        min_confidence = options.min_confidence
        if min_confidence is None:
            min_confidence = self.tuning.min_confidence or 0.0
        best = nbest[0]
        meaning = self.parser(best.text) if self.parser and best.text else None
        is_wanted = bool(best.text) and (options.has_words or min_confidence > 0)
        text = best.spoken or best.text
        spans = self._spans(emission, text) if is_wanted else []
        spoken = self._words(segment, emission, text, spans) if spans else ()
        if self.resources.lexicon is not None:
            spoken = _sure_as_entries(spoken, best.others, self.resources.lexicon)
        words = tuple(replace(word, characters=()) for i, word in enumerate(spoken) if i not in best.others)
        sure = self._sentence_confidence(emission, spans, best.others) if meaning and is_wanted else None
        nearest = ""
        if sure is not None and sure < min_confidence:
            nbest, words, meaning, nearest = (replace(best, text=""), *nbest[1:]), (), None, best.text
        elif min_confidence and not meaning:
            words = tuple(word for word in words if word.confidence >= min_confidence)
            nbest = (replace(best, text=" ".join(word.text for word in words)), *nbest[1:])
        transcript = Transcript(nbest[0].text, round(segment.end_s, 3), words, nbest)
        if meaning:
            return meant(transcript, meaning, sure)
        if self.parser and options.has_nearest:
            if not best.text and best.others and isinstance(self.decoder, GarbageDecoder):
                nearest = self.decoder.nearest(emission)
            if near := self.parser(nearest) if nearest else None:
                return replace(transcript, nearest=Nearest(nearest, near.intent, near.values()))
        return transcript

    def _spans(self, emission: Emission, text: str) -> list[TokenSpan]:
        """Where the tokens of a text are in log_probs (T, V); none where the network gives it no probability at all."""
        try:
            return align.align(emission, self.card.tokenizer.encode(text))
        except align.AlignError:  # a path that was possible, with a probability of zero in float32
            return []

    def _sentence_confidence(self, emission: Emission, spans: Sequence[TokenSpan], others: Sequence[int]) -> float:
        pause = self.frontend.speech.min_silence_ms / self.card.features.frame_ms
        return round(confidence.of_sentence(emission, spans, others, self.card.tokenizer.space, pause), 6)

    def _words(self, segment: Segment, emission: Emission, text: str, spans: Sequence[TokenSpan]) -> tuple[Word, ...]:
        space = self.card.tokenizer.space
        calibration = Calibration(self.tuning.slope, self.tuning.intercept)
        confidences = calibration(confidence.log_odds(emission, spans, space))
        groups = confidence.word_spans(spans, space)
        bounds = times.word_times(
            groups,
            self.card.features.frame_ms / 1000,
            max(segment.end_s - segment.start_s, 0.0),
            self.card.timing,
            self.frontend.loudness(segment),
            segment.padding_s,
        )
        return times.timed_words(text.split(), groups, confidences, bounds, segment, self.card)


def _sure_as_entries(words: Sequence[Word], others: Sequence[int], lexicon: "Lexicon") -> tuple[Word, ...]:
    """The words, those of a phrase of the lexicon as sure as the least sure of them: it is taken or refused whole.

    Those that are `others`, outside the lexicon, stay as they are.
    """
    made = list(words)
    bounds = [-1, *sorted(others), len(words)]
    for before, after in itertools.pairwise(bounds):
        start = before + 1
        for count in lexicon.entries([word.text for word in words[start:after]]):
            least = min(word.confidence for word in words[start : start + count])
            made[start : start + count] = [replace(word, confidence=least) for word in words[start : start + count]]
            start += count
    return tuple(made)


def _sentences(decoding: DecoderConfig, card: ModelCard) -> "Compiled | None":
    """The sentences that are asked for, else those of the model, where no lexicon and no greedy decoder is wanted."""
    if decoding.sentences is None and (card.sentences is None or decoding.lexicon is not None):
        return None
    from asr.grammar import compiled

    if decoding.sentences is not None:
        return compiled.read(decoding.sentences, card.text)
    assert card.sentences is not None
    return compiled.Compiled.from_dict(card.sentences, card.text)


@dataclass
class _Pending(Generic[_Kept]):
    """A source that is being recognised."""

    sound: Sound | None = None
    kept: list[_Kept] = field(default_factory=list)
    error: UserError | None = None
    is_read: bool = False

    def read(self, frontend: FrontEnd, anything: Source, sample_rate: int | None) -> Iterator[Segment]:
        """Its segments; what is wrong with it is kept."""
        try:
            self.sound = source.open(anything, frontend.config, sample_rate)
            yield from frontend.segments(self.sound)
        except UserError as error:
            self.error = error
        self.is_read = True

    def result(self) -> tuple[Sound, list[_Kept]] | UserError | None:
        """None: it has not been read to its end."""
        if not self.is_read:
            return None
        if self.error:
            return self.error
        assert self.sound
        return self.sound, self.kept
