"""The loop: batch, loss, clip, step; then evaluate, save, log. One line, one record and a few pairs each epoch."""

import copy
import json
import math
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from asr import files, score
from asr.data.dataset import Batch, Batches
from asr.decode import greedy
from asr.errors import UserError
from asr.modelfile.card import ModelCard
from asr.network.encoder import AcousticModel
from asr.tasks import ctc
from asr.training.state import load_state, save_state

LAST, BEST, METRICS = "last.pt", "best.pt", "metrics.jsonl"


class TrainingError(UserError):
    """Training that cannot go on; the message is one sentence that names the utterances or the setting."""


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are found: AdamW (Loshchilov & Hutter 2019) on a one-cycle schedule (Smith & Topin 2018)."""

    epochs: int = 30
    """Passes over the training part."""
    batch_size: int = 16
    """Utterances to a step."""
    learning_rate: float = 1e-2
    """At its peak."""
    warmup: float = 0.2
    """Share of the steps on which the rate climbs; it falls as a cosine on the others."""
    weight_decay: float = 0.05
    """Of AdamW."""
    clip_norm: float = 1.0
    """Gradients longer than this are cut to it."""
    patience: int = 0
    """Stop after so many epochs that were not the best by dev CER, then dev loss; 0: never."""
    init_from: str | None = None
    """A model to begin with: the folder of a run, a .onnx file, or `shipped`, the model inside the package. Its network
    must have the same shape; its alphabet may differ: only characters that it does not have begin anew. Where the
    features are the same, as training uses them, its statistics come with it."""
    init_share: float = 0.0
    """How much of what is judged and kept are the weights that it began with, the rest those that it came to, so that
    what a few speakers teach does not cost the others (WiSE-FT, Wortsman et al. 2022)."""
    keep: Literal["best", "last"] = "best"
    """Whose weights the model gets: the best epoch's by dev CER, then dev loss; or the last one's, where the dev part
    is easier than what the model is for, as synthetic speech is."""
    seed: int = 1
    """Of weights, order, dropout and augmentation: the same seed gives the same weights."""
    averaging: float = 0.0
    """Weight of the past in a moving average of the weights, which is what is judged and kept (Polyak & Juditsky 1992):
    the mean of all steps at first, then one that forgets exponentially; 0: the last weights alone."""
    consistency: float = 0.0
    """Weight of the CR-CTC consistency loss (Yao et al. 2024) between two augmentations of an utterance at the same
    tempo: both are learned from, in twice the time, and each is a target of the other frame by frame; 0: one view."""
    shards: int = 2
    """Parts of a batch that are computed side by side, one core each; another number rounds differently. A GPU takes a
    batch whole."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the network is computed. On both the loss itself is computed on the CPU, where its gradient is the same in
    every run."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "clip_norm", "shards"):
            if getattr(self, name) <= 0:
                raise UserError(f"train.{name} must be above 0, not {getattr(self, name)}")
        for name in ("warmup", "averaging", "init_share"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"train.{name} must be in [0, 1), not {getattr(self, name)}")
        if min(self.weight_decay, self.patience, self.seed, self.consistency) < 0:
            raise UserError("train.weight_decay, patience, seed and consistency must not be negative")


@dataclass(frozen=True)
class Parent:
    """A trained model to begin with: its weights by name, and its card."""

    weights: dict[str, Tensor]
    card: ModelCard


@dataclass(frozen=True)
class Epoch:
    """What an epoch leaves behind: losses in nats per character, error rates as fractions."""

    epoch: int
    train_loss: float
    dev_loss: float
    dev_wer: float
    dev_cer: float
    learning_rate: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch:3}  train loss {self.train_loss:.3f}  dev loss {self.dev_loss:.3f}  "
            f"dev WER {self.dev_wer:6.2%}  CER {self.dev_cer:6.2%}  {self.seconds:.1f} s"
        )


def fit(
    model: AcousticModel,
    card: ModelCard,
    train: Batches,
    dev: Batches,
    config: TrainConfig,
    run: Path,
    parent: Parent | None = None,
) -> list[Epoch]:
    """Train `model`, continuing where `run`/last.pt stands; leaves last.pt, best.pt and the metrics there.

    It begins with the weights of `parent`, or without one with drawn weights. Returns the records of all epochs.
    Raises TrainingError when a loss is not finite, and what `begin` raises.
    """
    device = find_device(config)
    torch.set_num_threads(1)  # the shards keep the cores busy; more threads inside them would only wait
    begin(model, card, config, parent)
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    num_steps = config.epochs * len(train) + 1
    # OneCycleLR divides by zero where the climb ends on its first step.
    warmup = max(config.warmup, 1.5 / num_steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=num_steps, pct_start=warmup
    )
    began, average = copy.deepcopy(model), copy.deepcopy(model)
    history = _resume(run, model, average, optimizer, schedule, train.fingerprint)
    writer = SummaryWriter(str(run), purge_step=len(history) + 1)
    for number in range(len(history) + 1, config.epochs + 1):
        if _has_stalled(history, config.patience):
            print(f"stopped early: nothing better in {config.patience} epochs", file=sys.stderr)
            break
        start = time.perf_counter()
        learning_rate = float(schedule.get_last_lr()[0])
        train_loss = _train_epoch(model, average, _bar(train, number), optimizer, schedule, config, number)
        judged = copy.deepcopy(average)
        _blend(judged, began, config.init_share)
        dev_loss, scored, pairs = evaluate(judged, dev, card)
        record = Epoch(
            number,
            train_loss,
            dev_loss,
            scored.word.rate,
            scored.character.rate,
            learning_rate,
            round(time.perf_counter() - start, 3),
        )
        is_best = config.keep == "last" or all(_quality(record) < _quality(earlier) for earlier in history)
        history.append(record)
        if is_best:
            save_state(run / BEST, {"weights": judged.state_dict(), "epoch": number})
        _save(run, model, average, optimizer, schedule, history, train.fingerprint)
        _log(run, writer, record, pairs)
    writer.close()
    return history


def begin(model: AcousticModel, card: ModelCard, config: TrainConfig, parent: Parent | None) -> None:
    """Give `model` the weights that training begins with: drawn ones, or those of `parent`.

    Raises TrainingError where there is no parent to keep a share of, UserError where it has another shape.
    """
    if config.init_share and not parent:
        raise TrainingError("train.init_share keeps a share of a model to begin with: name it, train.init_from=MODEL")
    torch.manual_seed(config.seed)
    model.reset()
    if parent:
        ours = card.tokenizer.tokens
        theirs = {token: row for row, token in enumerate(parent.card.tokenizer.tokens)}
        model.inherit(parent.weights, {row: theirs[token] for row, token in enumerate(ours) if token in theirs})


def find_device(config: TrainConfig) -> torch.device:
    """Where `config` says that the network is computed; raises TrainingError where this machine cannot do it."""
    if config.device == "cuda":
        # cuBLAS gives the same sums in every run only with a work space of its own (NVIDIA, cuBLAS, 2.1.4).
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if not torch.cuda.is_available():
            raise TrainingError("train.device is cuda, and PyTorch finds no such device here: take train.device=cpu")
    return torch.device(config.device)


def evaluate(
    model: AcousticModel, batches: Batches, card: ModelCard
) -> tuple[float, score.Score, list[tuple[str, str]]]:
    """Loss in nats per character, greedy score, and (reference, hypothesis) pairs of `batches`."""
    tokenizer = card.tokenizer
    total, num_tokens = 0.0, 0
    hypotheses: dict[str, str] = {}
    model.eval()
    with torch.no_grad():
        for batch in batches.in_order():
            log_probs, output_lengths, losses = _forward(model, batch)
            total += float(losses.sum())
            num_tokens += int(batch.token_lengths.sum())
            decoded = greedy.decode(log_probs.numpy(), output_lengths.numpy())
            hypotheses.update(zip(batch.ids, map(tokenizer.decode, decoded), strict=True))
    references = {example.id: example.text for example in batches.examples}
    pairs = [(text, hypotheses[key]) for key, text in references.items()]
    return total / max(1, num_tokens), score.score(references, hypotheses), pairs


def _train_epoch(
    model: AcousticModel,
    average: AcousticModel,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    config: TrainConfig,
    number: int,
) -> float:
    total, num_tokens = 0.0, 0
    weights = list(model.parameters())
    num_shards = config.shards if config.device == "cpu" else 1
    model.train()
    with ThreadPoolExecutor(num_shards) as pool:
        for step, batch in enumerate(batches):
            shards = batch.split(num_shards)
            # Drawn anew for each shard of each step: no order of threads and no interruption can change it.
            seeds = np.random.SeedSequence([config.seed, number, step]).generate_state(len(shards), np.uint64)
            results = list(pool.map(partial(_gradients, model, config), shards, seeds.tolist()))
            tokens = max(1, int(batch.token_lengths.sum()))  # a batch of silence has none
            for weight, *gradients in zip(weights, *(gradients for _, gradients in results), strict=True):
                weight.grad = torch.stack(gradients).sum(dim=0) / tokens
            torch.nn.utils.clip_grad_norm_(weights, config.clip_norm)
            optimizer.step()
            schedule.step()
            _blend(average, model, max(1 - config.averaging, 1 / schedule.last_epoch))
            total += sum(loss for loss, _ in results)
            num_tokens += tokens
    return total / max(1, num_tokens)


def _blend(average: AcousticModel, model: AcousticModel, share: float) -> None:
    """Move the weights of `average` by `share` of the way to those of `model`."""
    with torch.no_grad():
        for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
            mean.lerp_(weight, share)


def _gradients(model: AcousticModel, config: TrainConfig, batch: Batch, seed: int) -> tuple[float, tuple[Tensor, ...]]:
    """Summed loss of a shard, and the gradient by every weight of it and of what its two views disagree by."""
    generator = torch.Generator().manual_seed(seed)
    if batch.frames_again is None:
        objective = loss = _forward(model, batch, generator)[2].sum()
    else:
        log_probs, output_lengths, losses = _forward(model, _both(batch), generator)
        one, other = log_probs.chunk(2)
        loss = losses.sum() / 2
        objective = loss + config.consistency * ctc.disagreement(one, other, output_lengths.chunk(2)[0]).sum()
    return loss.item(), torch.autograd.grad(objective, list(model.parameters()))


def _both(batch: Batch) -> Batch:
    """Both views of each utterance in one batch: first all of the one, then all of the other."""
    frames = np.concatenate([batch.frames, batch.frames_again])
    lengths, tokens, token_lengths = (
        np.concatenate([rows, rows]) for rows in (batch.frame_lengths, batch.tokens, batch.token_lengths)
    )
    return Batch(frames, lengths, tokens, token_lengths, batch.ids * 2)


def _forward(
    model: AcousticModel, batch: Batch, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """log_probs (B, T, V), output_lengths (B,) and losses (B,), all float32 and on the CPU."""
    device = next(model.parameters()).device
    frames, frame_lengths = (torch.from_numpy(one).to(device) for one in (batch.frames, batch.frame_lengths))
    log_probs, output_lengths = (one.cpu() for one in model(frames, frame_lengths, generator))
    losses = ctc.loss(log_probs, output_lengths, torch.from_numpy(batch.tokens), torch.from_numpy(batch.token_lengths))
    if not torch.isfinite(losses).all():
        broken = [key for key, value in zip(batch.ids, losses.tolist(), strict=True) if not math.isfinite(value)]
        more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise TrainingError(
            f"the loss is not finite for {', '.join(broken[:5])}{more}; look at these utterances, or lower "
            "train.learning_rate"
        )
    return log_probs, output_lengths, losses


def _quality(record: Epoch) -> tuple[float, float]:
    """What makes an epoch the best: dev CER, then dev loss."""
    return record.dev_cer, record.dev_loss


def _has_stalled(history: list[Epoch], patience: int) -> bool:
    if not patience or not history:
        return False
    best = min(history, key=_quality)
    return len(history) - best.epoch >= patience


def _save(
    run: Path,
    model: AcousticModel,
    average: AcousticModel,
    optimizer: Any,
    schedule: Any,
    history: list[Epoch],
    corpus: str,
) -> None:
    save_state(
        run / LAST,
        {
            "weights": model.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "history": [asdict(record) for record in history],
            "corpus": corpus,
        },
    )


def _resume(
    run: Path, model: AcousticModel, average: AcousticModel, optimizer: Any, schedule: Any, corpus: str
) -> list[Epoch]:
    if not (run / LAST).is_file():
        return []
    state = load_state(run / LAST)
    if state.get("corpus") != corpus:
        raise UserError(
            f"{run / LAST}: the run began with another corpus than the one that is here now: bring "
            "back the files and settings that it was made of, or begin another run"
        )
    try:
        model.load_state_dict(state["weights"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        history = [Epoch(**record) for record in state["history"]]
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{run / LAST}: does not fit this recipe, which must not change: {reason}") from None
    # An epoch that was logged and not saved will be logged again.
    files.write_text(run / METRICS, "".join(json.dumps(asdict(record)) + "\n" for record in history))
    return history


def _log(run: Path, writer: SummaryWriter, record: Epoch, pairs: list[tuple[str, str]]) -> None:
    with files.naming(run / METRICS), (run / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")
    for name in ("train_loss", "dev_loss", "dev_wer", "dev_cer", "learning_rate"):
        writer.add_scalar(name, getattr(record, name), record.epoch)
    # Three that move through the dev part from epoch to epoch.
    shown = [pairs[(record.epoch * 3 + place) % len(pairs)] for place in range(min(3, len(pairs)))]
    lines = [str(record)]
    for reference, hypothesis in shown:
        lines += [f"  REF {reference}", f"  HYP {hypothesis}"]
    writer.add_text("pairs", "\n".join(f"    {line}" for line in lines[1:]), record.epoch)
    tqdm.write("\n".join(lines), file=sys.stderr)
    writer.flush()


def _bar(batches: Batches, number: int) -> Iterable[Batch]:
    """The batches of an epoch, counted on a bar where there is a terminal."""
    return tqdm(batches.epoch(number), f"epoch {number}", len(batches), unit="batch", leave=False, disable=None)
