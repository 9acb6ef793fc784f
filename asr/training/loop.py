"""The loop: batch, loss, clip, step; then evaluate, save, log. It knows its task through `Task` alone."""

import json
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from asr import files, signals
from asr.data.batches import Batch, Batches
from asr.errors import UserError
from asr.network.encoder import AcousticModel
from asr.tasks.task import Task
from asr.training.config import TrainConfig
from asr.training.distributed import ALONE, Ranks, Shard
from asr.training.state import BEST, Epoch, Progress, State, blend, save_state

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
    *,
    ranks: Ranks = ALONE,
    advise: Callable[[list[Epoch]], str | None] = lambda _history: None,
) -> list[Epoch]:
    """Train `model`, continuing where `run`/last.pt stands; leaves last.pt, best.pt and the metrics there.

    It begins with the weights of `parent`, or without one with drawn weights. `advise` is asked after each epoch what
    there is to say about it. Returns the records of all epochs. Raises UserError when a loss is not finite, and what
    `begin` raises; where a signal asks the program to end, signals.Ended after the state is saved.
    """
    device = find_device(config)
    torch.set_num_threads(1)  # the shards keep the cores busy; more threads inside them would only wait
    begin(model, task, config, parent)
    state = State(model.to(device), config, len(train))
    state.resume(run, train.fingerprint)
    writer = None
    if ranks.is_first:
        _write_metrics(run, state.history)
        writer = SummaryWriter(str(run), purge_step=len(state.history) + 1)
    with signals.kept() as requests:
        saver = Saver(lambda: state.save(run, train.fingerprint), config.save_minutes, requests, ranks)
        for number in range(len(state.history) + 1, config.epochs + 1):
            if _has_stalled(state.history, config.patience, task):
                logger.info("stopped early: nothing better in %d epochs", config.patience)
                break
            start, before = time.perf_counter(), state.progress.seconds  # of an epoch that was stopped within
            done = train_epoch(state, task, train, config, number, ranks, saver)
            found = evaluate(state.average, task, dev, ranks)
            record = Epoch(
                number,
                done.loss / max(1, done.num_targets),
                found.loss,
                found.rates,
                done.learning_rate,
                round(before + time.perf_counter() - start, 3),
                done.gradient_norm / done.steps,
                round(done.wait_s, 3),
                found.observed,
            )
            is_best = all(quality(record, task) < quality(other, task) for other in state.history)
            state.history.append(record)
            state.progress = state.begin()
            if writer:
                if config.keep == "last" or is_best:
                    save_state(run / BEST, {"weights": state.average.state_dict(), "epoch": number})
                saver.save()
                _write_metrics(run, state.history)
                _log(writer, record, found.pairs)
                if advice := advise(state.history):
                    logger.info("%s", advice)
            saver.end_if_asked(is_saved=True)
    if writer:
        writer.close()
    return state.history


@dataclass
class Saver:
    """Saves the state of a training every few minutes, and before the program ends because a signal asks for it."""

    write: Callable[[], None]
    minutes: float = 0.0
    requests: signals.Requests = field(default_factory=signals.Requests)
    ranks: Ranks = ALONE
    saved_at: float = field(default_factory=time.monotonic)

    def step(self) -> None:
        """After each step: save what is due, and raise signals.Ended where the program is asked to end."""
        if self.minutes > 0 and time.monotonic() - self.saved_at >= 60 * self.minutes:
            self.save()
        self.end_if_asked(is_saved=False)

    def save(self) -> None:
        """Save the state."""
        if self.ranks.is_first:
            self.write()
        self.saved_at = time.monotonic()

    def end_if_asked(self, *, is_saved: bool) -> None:
        """Raise signals.Ended, once the state is saved, where a signal has come to any of the ranks."""
        if self.ranks.any(bool(self.requests)):
            if not is_saved:
                self.save()
            raise signals.Ended(self.requests.number or signal.SIGTERM)


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


def train_epoch(
    state: State,
    task: Task,
    batches: Batches,
    config: TrainConfig,
    number: int,
    ranks: Ranks = ALONE,
    saver: Saver | None = None,
) -> Progress:
    """A step of the optimiser for each batch from `state.progress` on, which is returned as it is at the end."""
    model, weights, progress = state.model, list(state.model.parameters()), state.progress
    num_shards = config.shards if config.device == "cpu" else ranks.count
    model.train()
    began, before = time.perf_counter(), progress.seconds
    made = batches.shards(number, num_shards, ranks.mine, progress.steps)
    with ThreadPoolExecutor(len(ranks.mine(num_shards))) as pool:
        for step in _bar(range(progress.steps, len(batches)), number, len(batches), ranks):
            asked = time.perf_counter()
            count, shards = next(made)
            progress.wait_s += time.perf_counter() - asked
            # Drawn anew for each shard of each step: no order of threads and no interruption can change it.
            seeds = np.random.SeedSequence([config.seed, number, step]).generate_state(count, np.uint64)
            mine = [int(seeds[shard]) for shard in ranks.mine(count)]
            results = list(pool.map(partial(_gradients, model, task, config), shards, mine))
            results = ranks.shards(results, count, weights)
            num_targets = max(1, sum(shard.num_targets for shard in results))  # a batch of silence has none
            for weight, *gradients in zip(weights, *(shard.gradients for shard in results), strict=True):
                weight.grad = torch.stack(gradients).sum(dim=0) / num_targets
            progress.gradient_norm += float(torch.nn.utils.clip_grad_norm_(weights, config.clip_norm))
            state.optimizer.step()
            state.schedule.step()
            blend(state.average, model, max(1 - config.averaging, 1 / state.schedule.last_epoch))
            progress.steps = step + 1
            progress.loss += sum(shard.loss for shard in results)
            progress.num_targets += num_targets
            progress.seconds = before + time.perf_counter() - began
            if saver:
                saver.step()
    return progress


@dataclass(frozen=True)
class Evaluated:
    """What the dev part comes to."""

    loss: float
    """Nats per element of the targets."""
    rates: dict[str, float]
    """Error rates by name."""
    pairs: list[tuple[str, str]]
    """Reference and hypothesis of each utterance."""
    observed: dict[str, float]
    """What the outputs look like, by name: see Task.observe; and `length`, the characters of all hypotheses for each
    one of the references."""


def evaluate(model: AcousticModel, task: Task, batches: Batches, ranks: Ranks = ALONE) -> Evaluated:
    """Evaluate `batches`, each utterance on one of the ranks."""
    made: list[tuple[float, int, int, Mapping[str, float], dict[str, str]]] = []
    model.eval()
    with torch.no_grad():
        for batch in batches.in_order(ranks.mine):
            outputs, lengths, losses = (one.numpy() for one in _forward(model, task, batch))
            texts = dict(zip(batch.ids, task.decode(outputs, lengths), strict=True))
            counts = int(batch.target_lengths.sum()), int(lengths.sum())
            made.append((float(losses.sum()), *counts, task.observe(outputs, lengths), texts))
    made = ranks.gather(made)
    hypotheses = {key: text for *_, texts in made for key, text in texts.items()}
    references = {example.id: task.text(example.target) for example in batches.examples}
    num_frames = max(1, sum(item[2] for item in made))
    observed = {name: sum(item[3][name] for item in made) / num_frames for name in made[0][3]}
    observed["length"] = sum(map(len, hypotheses.values())) / max(1, sum(map(len, references.values())))
    loss = sum(item[0] for item in made) / max(1, sum(item[1] for item in made))
    pairs = [(text, hypotheses[key]) for key, text in references.items()]
    return Evaluated(loss, task.report(references, hypotheses).rates, pairs, observed)


def quality(record: Epoch, task: Task) -> tuple[float, float]:
    """What makes an epoch the best: the error rate that the task chooses by, then the loss, both of the dev split."""
    return record.dev[task.choose_by], record.dev_loss


def _gradients(model: AcousticModel, task: Task, config: TrainConfig, batch: Batch, seed: int) -> Shard:
    """Summed loss of a shard, and the gradient by every weight of it and of what its two views disagree by."""
    generator = torch.Generator().manual_seed(seed)
    if batch.features_again is None:
        objective = loss = _forward(model, task, batch, generator, config.precision)[2].sum()
    else:
        outputs, lengths, losses = _forward(model, task, batch.both_views(), generator, config.precision)
        one, other = outputs.chunk(2)
        loss = losses.sum() / 2
        objective = loss + config.consistency * task.disagreement(one, other, lengths.chunk(2)[0]).sum()
    gradients = torch.autograd.grad(objective, list(model.parameters()))
    return Shard(loss.item(), int(batch.target_lengths.sum()), gradients)


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


def _bar(steps: range, number: int, total: int, ranks: Ranks) -> Iterable[int]:
    """The steps of an epoch, counted on a bar where there is a terminal."""
    name, is_hidden = f"epoch {number}", None if ranks.is_first else True
    return tqdm(steps, name, total, initial=steps.start, unit="batch", leave=False, disable=is_hidden)
