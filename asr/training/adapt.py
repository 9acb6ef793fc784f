"""A model fitted to its user's voice, room and microphone by a few recordings, without losing what it knew.

All weights are trained for some hundred steps on perturbed copies of the recordings, held near the old network by the
Kullback-Leibler divergence of its output (Yu et al. 2013), and then drawn back half of the way to where they came from
(WiSE-FT, Wortsman et al. 2022), which costs the new voice little and the others nothing.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asr import tasks
from asr.data import manifest
from asr.data.augment import AugmentConfig, Augmenter
from asr.data.manifest import Skipped, Utterance
from asr.decode.decoder import DecoderConfig
from asr.errors import UserError
from asr.features import FeatureExtractor, Frames, pad
from asr.network.encoder import AcousticModel, ModelConfig
from asr.network.onnx_graph import export, read
from asr.recognition.evaluate import evaluate
from asr.recognition.recognizer import Options, Recognizer
from asr.score.commands import Command
from asr.tasks.ctc import Ctc

MIN_TAKES = 3  # of a text, before one of them is held out
MAX_LOSS = 0.01  # of the error rate on what the model knew
_MANY = Options(nbest=100, has_words=False)  # paths, of which one has the slots that are labelled
# Milder than in training: a few recordings are to be learned.
_PERTURBATIONS = AugmentConfig(
    speed=0.08,
    pad_ms=300.0,
    channel_db=6.0,
    room_ms=150.0,
    noise_probability=0.7,
    noise_snr_db=10.0,
    gain_db=15.0,
    tempo=0.2,
    tract=0.06,
    jitter=0.1,
    time_masks=1,
)


@dataclass(frozen=True)
class AdaptConfig:
    """How a model is fitted to recordings."""

    steps: int = 150
    """Steps of AdamW."""
    batch_size: int = 16
    """Perturbed recordings to a step."""
    learning_rate: float = 2e-3
    """At its peak."""
    retention: float = 0.3
    """Weight of the divergence from the old network's output."""
    share: float = 0.5
    """How far the weights go from the old ones to the trained ones."""
    seed: int = 1
    """Of the draws and of dropout."""


def held_out_takes(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """(training, held out): the last take of each text that has MIN_TAKES or more; without any, every fourth utterance.

    Fewer than four utterances whose texts do not repeat hold nothing out.
    """
    takes: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        takes[utterance.text].append(utterance)
    held = {same[-1].id for same in takes.values() if len(same) >= MIN_TAKES}
    if not held:
        held = {utterance.id for utterance in utterances[3::4]}
    return [one for one in utterances if one.id not in held], [one for one in utterances if one.id in held]


@dataclass(frozen=True)
class Adaptation:
    """What adapting came to: the shares of wrong commands where intents are labelled, else of wrong words; None where
    nothing was there to measure them on."""

    num_recordings: int
    held_out: int
    before: float | None
    after: float | None
    known_before: float | None
    known_after: float | None
    seconds: float

    @property
    def is_safe(self) -> bool:
        """Whether what the model knew is recognised as before, or worse by at most MAX_LOSS."""
        if self.known_before is None or self.known_after is None:
            return True
        return self.known_after <= self.known_before + MAX_LOSS

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "is_safe": self.is_safe}


def adapt(
    model: Path,
    utterances: Sequence[Utterance],
    output: Path,
    *,
    known: Sequence[Utterance] = (),
    decoding: DecoderConfig | None = None,
    config: AdaptConfig = AdaptConfig(),
    progress: Callable[[int], object] = lambda _step: None,
) -> Adaptation:
    """Write to `output` the model fitted to all `utterances`, unless it has lost more than MAX_LOSS on `known`.

    It is measured, by wrong commands or words with `decoding`, on takes held out of a first fit (see `held_out_takes`),
    and on utterances that the model knew. `progress` is told the steps that are done, of twice `config.steps` where
    takes are held out. Raises as `Adapter` does.
    """
    began = time.perf_counter()
    adapter = Adapter(model, utterances, config)
    learned, held = held_out_takes(utterances)

    def errors(network: AcousticModel | None, tested: Sequence[Utterance]) -> float | None:
        if not tested:
            return None
        with tempfile.TemporaryDirectory(prefix="asr-adapt-") as folder:
            path = model
            if network:
                path = Path(folder) / "model.onnx"
                export(network, adapter.card, path)
            evaluation = evaluate(Recognizer.load(path, decoding=decoding), tested)
            return 1 - evaluation.commands.commands.rate if evaluation.commands else evaluation.score.word.rate

    after = errors(adapter.fit([one.id for one in learned], progress), held) if held else None
    network = adapter.fit([one.id for one in utterances], lambda step: progress(step + (config.steps if held else 0)))
    result = Adaptation(
        num_recordings=len(utterances),
        held_out=len(held),
        before=errors(None, held),
        after=after,
        known_before=errors(None, known),
        known_after=errors(network, known),
        seconds=round(time.perf_counter() - began, 1),
    )
    if result.is_safe:
        export(network, adapter.card, output)
    return result


def labelled(
    recognizer: Recognizer, utterances: Sequence[Utterance], min_confidence: float
) -> tuple[list[Utterance], list[Utterance]]:
    """Recordings without texts -> (those whose words the recogniser finds, with them as text; the others).

    Where an intent and slots are given, the words are those of the best path that has them; else those of the best
    path, if each of them has the confidence, or in a sentence, where one word makes another likely, their mean.
    """
    found: list[Utterance] = []
    unsure: list[Utterance] = []
    for utterance in utterances:
        text = utterance.text or _chosen(recognizer, utterance, min_confidence)
        (found if text else unsure).append(replace(utterance, text=text))
    return found, unsure


def _chosen(recognizer: Recognizer, utterance: Utterance, min_confidence: float) -> str:
    if utterance.intent is None or recognizer.parser is None:
        transcript = recognizer.transcribe(utterance)
        confidences = [word.confidence for word in transcript.words] or [0.0]
        least = float(np.mean(confidences)) if recognizer.parser else min(confidences)
        return transcript.text if least >= min_confidence else ""
    wanted = Command.of(utterance)
    for hypothesis in recognizer.transcribe(utterance, options=_MANY).nbest:
        meaning = recognizer.parser(hypothesis.text) if hypothesis.text else None
        if meaning and wanted.is_met_by(Command(meaning.intent, meaning.values())):
            return hypothesis.text
    return ""


@dataclass(frozen=True)
class Recording:
    """A recording to learn from: its waveform (num_samples,), and its tokens (L,)."""

    waveform: Frames
    tokens: Any


class Adapter:
    """A trained model and recordings of its user; `fit` gives a new network."""

    def __init__(self, model: Path, utterances: Sequence[Utterance], config: AdaptConfig = AdaptConfig()) -> None:
        """Reads the model and the recordings.

        Raises ModelError where the file is no single network of float32 weights, UserError where an utterance cannot be
        read or spelled, or where there is none.
        """
        self.config = config
        self._weights, self.card = read(model)
        tasks.check(model, self.card, "asr-transcribe")
        if self.card.features.source != "audio":
            raise UserError(f"{model}: it was trained on precomputed features, and recordings cannot adapt it")
        if not utterances:
            raise UserError("there are no recordings to adapt to")
        self.task = Ctc(self.card.text)
        self.recordings = {}
        for utterance in utterances:
            tokens = self.task.target(utterance)
            if isinstance(tokens, Skipped):
                raise UserError(f"{tokens.id}: {tokens.reason}")
            waveform = manifest.read_waveform(utterance, self.card.features.sample_rate)
            self.recordings[utterance.id] = Recording(waveform, tokens)
        self.augmenter = Augmenter(_PERTURBATIONS, self.card.features)
        self.extractor = FeatureExtractor(self.card.features, self.card.statistics)

    def network(self) -> AcousticModel:
        """The network as it is in the file."""
        known = {item.name for item in fields(ModelConfig)}
        described = {name: value for name, value in self.card.recipe.get("model", {}).items() if name in known}
        network = AcousticModel(ModelConfig(**described), self.card.features.num_features, len(self.card.tokenizer))
        network.inherit(self._weights, {row: row for row in range(len(self.card.tokenizer))})
        return network

    def fit(self, ids: Sequence[str], progress: Callable[[int], object] = lambda _step: None) -> AcousticModel:
        """The network fitted to the recordings with these ids; the same ids and seed give the same weights."""
        config = self.config
        old, new = self.network().eval(), self.network().train()
        weights = list(new.parameters())
        optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.2
        )
        generator = torch.Generator().manual_seed(config.seed)
        with ThreadPoolExecutor(1) as pool:  # the next batch is perturbed while this one is learned from
            following = pool.submit(self._batch, ids, 0)
            for step in range(config.steps):
                frames, lengths, tokens, token_lengths = following.result()
                if step + 1 < config.steps:
                    following = pool.submit(self._batch, ids, step + 1)
                log_probs, output_lengths = new(frames, lengths, generator)
                losses = self.task.loss(log_probs, output_lengths, tokens, token_lengths)
                with torch.no_grad():
                    target, _ = old(frames, lengths)
                loss = losses.sum() + config.retention * _divergence(target, log_probs, lengths)
                optimizer.zero_grad()
                (loss / token_lengths.sum().clamp(min=1)).backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
                schedule.step()
                progress(step + 1)
        with torch.no_grad():
            for weight, before in zip(weights, old.parameters(), strict=True):
                weight.lerp_(before, 1 - config.share)
        return new.eval()

    def _batch(self, ids: Sequence[str], step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Perturbed recordings: frames (B, T, F), lengths (B,), tokens (B, L) and their lengths (B,)."""
        rng = np.random.default_rng([self.config.seed, step])
        chosen = [self.recordings[ids[index]] for index in rng.integers(0, len(ids), self.config.batch_size)]
        features = self.card.features
        frames = []
        for recording in chosen:
            needed = (self.task.min_frames(recording.tokens) - 1) * features.stack + 1
            least = features.window + (needed - 1) * features.hop
            cepstra = self.extractor.cepstra(self.augmenter.waveform(recording.waveform, rng, least))
            cepstra = self.augmenter.stretch(self.augmenter.tract(cepstra, rng), self.augmenter.tempo(rng), needed)
            frames.append(self.augmenter.frames(self.extractor.features(cepstra), rng))
        padded, lengths = pad(frames, np.float32)
        tokens, token_lengths = pad([recording.tokens for recording in chosen], np.int64)
        return (
            torch.from_numpy(padded),
            torch.from_numpy(lengths),
            torch.from_numpy(tokens),
            torch.from_numpy(token_lengths),
        )


def _divergence(target: Tensor, log_probs: Tensor, lengths: Tensor) -> Tensor:
    """KL(target || log_probs), both (B, T, V), summed over the frames of each utterance's own length."""
    inside = torch.arange(log_probs.shape[1])[None] < lengths[:, None]
    divergence = (target.exp() * (target - log_probs)).sum(dim=2)
    return torch.where(inside, divergence, 0.0).sum()
