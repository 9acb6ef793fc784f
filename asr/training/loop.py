"""The loop: batch, loss, clip, step; then evaluate, save, log. It knows its task through `Task` alone."""

import json
import logging
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from asr import files
from asr.data.batches import Batch, Batches
from asr.errors import UserError
from asr.network.encoder import AcousticModel
from asr.tasks.task import Task
from asr.training.config import TrainConfig
from asr.training.state import BEST, Epoch, State, blend, save_state

METRICS = "metrics.jsonl"
_NUM_SHOWN = 3  # pairs of reference and hypothesis that are logged each epoch
_NUM_NAMED = 5  # utterances in a message

logger = logging.getLogger("asr.training")


@dataclass(frozen=True)
class Parent:
    """A trained model to begin with: its weights by name, and what its outputs stand for."""

    weights: Mapping[str, Tensor]
    outputs: Sequence[str]


def fit(
    model: AcousticModel,
    task: Task,
    train: Batches,
    dev: Batches,
    config: TrainConfig,
    run: Path,
    parent: Parent | None = None,
) -> list[Epoch]:
    """Train `model`, continuing where `run`/last.pt stands; leaves last.pt, best.pt and the metrics there.

    It begins with the weights of `parent`, or without one with drawn weights. Returns the records of all epochs.
    Raises UserError when a loss is not finite, and what `begin` raises.
    """
    device = find_device(config)
    torch.set_num_threads(1)  # the shards keep the cores busy; more threads inside them would only wait
    begin(model, task, config, parent)
    state = State(model.to(device), config, len(train))
    state.resume(run, train.fingerprint)
    _write_metrics(run, state.history)
    writer = SummaryWriter(str(run), purge_step=len(state.history) + 1)
    for number in range(len(state.history) + 1, config.epochs + 1):
        if _has_stalled(state.history, config.patience, task):
            logger.info("stopped early: nothing better in %d epochs", config.patience)
            break
        start = time.perf_counter()
        learning_rate = float(state.schedule.get_last_lr()[0])
        train_loss = train_epoch(state, task, _bar(train, number), config, number)
        dev_loss, rates, pairs = evaluate(state.average, task, dev)
        seconds = round(time.perf_counter() - start, 3)
        record = Epoch(number, train_loss, dev_loss, rates, learning_rate, seconds)
        if config.keep == "last" or all(quality(record, task) < quality(other, task) for other in state.history):
            save_state(run / BEST, {"weights": state.average.state_dict(), "epoch": number})
        state.history.append(record)
        state.save(run, train.fingerprint)
        _write_metrics(run, state.history)
        _log(writer, record, pairs)
    writer.close()
    return state.history


def find_device(config: TrainConfig) -> torch.device:
    """Where `config` says that the network is computed; raises UserError where this machine cannot do it."""
    if config.device == "cuda":
        # cuBLAS gives the same sums in every run only with a work space of its own (NVIDIA, cuBLAS, 2.1.4).
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if not torch.cuda.is_available():
            raise UserError("train.device is cuda, and PyTorch finds no such device here: take train.device=cpu")
    return torch.device(config.device)


def begin(model: AcousticModel, task: Task, config: TrainConfig, parent: Parent | None) -> None:
    """Give `model` the weights that training begins with: drawn ones, or those of `parent`.

    Raises UserError where the parent has another shape.
    """
    torch.manual_seed(config.seed)
    model.reset()
    if parent:
        theirs = {name: row for row, name in enumerate(parent.outputs)}
        model.inherit(parent.weights, {row: theirs[name] for row, name in enumerate(task.outputs) if name in theirs})


def train_epoch(state: State, task: Task, batches: Iterable[Batch], config: TrainConfig, number: int) -> float:
    """A step of the optimiser for each batch; returns the loss per element of the targets."""
    total, num_targets = 0.0, 0
    model, weights = state.model, list(state.model.parameters())
    num_shards = config.shards if config.device == "cpu" else 1
    model.train()
    with ThreadPoolExecutor(num_shards) as pool:
        for step, batch in enumerate(batches):
            shards = batch.split(num_shards)
            # Drawn anew for each shard of each step: no order of threads and no interruption can change it.
            seeds = np.random.SeedSequence([config.seed, number, step]).generate_state(len(shards), np.uint64)
            results = list(pool.map(partial(_gradients, model, task, config), shards, seeds.tolist()))
            count = max(1, int(batch.target_lengths.sum()))  # a batch of silence has none
            for weight, *gradients in zip(weights, *(gradients for _, gradients in results), strict=True):
                weight.grad = torch.stack(gradients).sum(dim=0) / count
            torch.nn.utils.clip_grad_norm_(weights, config.clip_norm)
            state.optimizer.step()
            state.schedule.step()
            blend(state.average, model, max(1 - config.averaging, 1 / state.schedule.last_epoch))
            total += sum(loss for loss, _ in results)
            num_targets += count
    return total / max(1, num_targets)


def evaluate(
    model: AcousticModel, task: Task, batches: Batches
) -> tuple[float, dict[str, float], list[tuple[str, str]]]:
    """Loss per element of the targets, error rates, and (reference, hypothesis) pairs of `batches`."""
    total, num_targets = 0.0, 0
    hypotheses: dict[str, str] = {}
    model.eval()
    with torch.no_grad():
        for batch in batches.in_order():
            outputs, lengths, losses = _forward(model, task, batch)
            total += float(losses.sum())
            num_targets += int(batch.target_lengths.sum())
            hypotheses.update(zip(batch.ids, task.decode(outputs.numpy(), lengths.numpy()), strict=True))
    references = {example.id: task.text(example.target) for example in batches.examples}
    pairs = [(text, hypotheses[key]) for key, text in references.items()]
    return total / max(1, num_targets), task.score(references, hypotheses), pairs


def quality(record: Epoch, task: Task) -> tuple[float, float]:
    """What makes an epoch the best: the error rate that the task chooses by, then the loss, both of the dev split."""
    return record.dev[task.choose_by], record.dev_loss


def _gradients(
    model: AcousticModel, task: Task, config: TrainConfig, batch: Batch, seed: int
) -> tuple[float, tuple[Tensor, ...]]:
    """Summed loss of a shard, and the gradient by every weight of it and of what its two views disagree by."""
    generator = torch.Generator().manual_seed(seed)
    if batch.features_again is None:
        objective = loss = _forward(model, task, batch, generator, config.precision)[2].sum()
    else:
        outputs, lengths, losses = _forward(model, task, batch.both_views(), generator, config.precision)
        one, other = outputs.chunk(2)
        loss = losses.sum() / 2
        objective = loss + config.consistency * task.disagreement(one, other, lengths.chunk(2)[0]).sum()
    return loss.item(), torch.autograd.grad(objective, list(model.parameters()))


def _forward(
    model: AcousticModel,
    task: Task,
    batch: Batch,
    generator: torch.Generator | None = None,
    precision: str = "float32",
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (B, T, V), their lengths (B,) and losses (B,), all float32 and on the CPU."""
    device = next(model.parameters()).device
    features, feature_lengths = (torch.from_numpy(one).to(device) for one in (batch.features, batch.feature_lengths))
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        outputs, lengths = (one.cpu() for one in model(features, feature_lengths, generator))
    outputs = outputs.float()
    losses = task.loss(outputs, lengths, torch.from_numpy(batch.targets), torch.from_numpy(batch.target_lengths))
    if not torch.isfinite(losses).all():
        broken = [key for key, value in zip(batch.ids, losses.tolist(), strict=True) if not math.isfinite(value)]
        more = f" and {len(broken) - _NUM_NAMED} more" if len(broken) > _NUM_NAMED else ""
        raise UserError(
            f"the loss is not finite for {', '.join(broken[:_NUM_NAMED])}{more}; look at these utterances, or lower "
            "train.learning_rate"
        )
    return outputs, lengths, losses


def _has_stalled(history: list[Epoch], patience: int, task: Task) -> bool:
    if not patience or not history:
        return False
    best = min(history, key=lambda record: quality(record, task))
    return len(history) - best.epoch >= patience


def _write_metrics(run: Path, history: list[Epoch]) -> None:
    """Whole each time: an epoch that was logged and not saved is logged again."""
    files.write_text(run / METRICS, "".join(json.dumps(record.to_dict()) + "\n" for record in history))


def _log(writer: SummaryWriter, record: Epoch, pairs: list[tuple[str, str]]) -> None:
    for name, value in record.to_dict().items():
        if name not in ("epoch", "seconds"):
            writer.add_scalar(name, value, record.epoch)
    # A few that move through the dev split from epoch to epoch.
    count = min(_NUM_SHOWN, len(pairs))
    shown = [pairs[(record.epoch * _NUM_SHOWN + index) % len(pairs)] for index in range(count)]
    lines = [line for reference, hypothesis in shown for line in (f"  REF {reference}", f"  HYP {hypothesis}")]
    writer.add_text("pairs", "\n".join(f"    {line}" for line in lines), record.epoch)
    logger.info("%s", "\n".join([str(record), *lines]))
    writer.flush()


def _bar(batches: Batches, number: int) -> Iterable[Batch]:
    """The batches of an epoch, counted on a bar where there is a terminal."""
    return tqdm(batches.epoch(number), f"epoch {number}", len(batches), unit="batch", leave=False, disable=None)
