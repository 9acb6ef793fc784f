"""Several processes that train one network: each computes some shards of every batch, and all make the same step.

A process is a rank. `torchrun --nproc-per-node N -m asr.training RECIPE.yaml run_dir=FOLDER` starts them (PyTorch's
elastic engine), on one machine or on several. What comes of the shards is gathered before it is added up, in the order
of the shards, so that two ranks give, bit for bit, the weights of one process with two shards.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from asr.errors import UserError
from asr.training.config import TrainConfig

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """What comes of one shard of a batch."""

    loss: float
    """In nats, summed."""
    num_targets: int
    gradients: tuple[Tensor, ...]
    """By every weight, of the summed loss."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; by default it is alone."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and says what happens."""
        return self.rank == 0

    def mine(self, count: int) -> list[int]:
        """Which of `count` things this rank does: each is done by one, and no rank has two more than another."""
        return list(range(self.rank, count, self.count))

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.count > 1:
            dist.barrier()

    def share(self, value: Any) -> Any:
        """What the first rank has, on every rank."""
        if self.count == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def gather(self, items: Sequence[Item]) -> list[Item]:
        """The items of all ranks, in order, where each has those that are `mine`."""
        if self.count == 1:
            return list(items)
        held: list[Any] = [None] * self.count
        dist.all_gather_object(held, list(items))
        total = sum(len(part) for part in held)
        return [held[index % self.count][index // self.count] for index in range(total)]

    def shards(self, shards: Sequence[Shard], count: int, weights: Sequence[Tensor]) -> list[Shard]:
        """All `count` shards of a batch, in order, where each rank has those that are `mine`."""
        if self.count == 1:
            return list(shards)
        most = -(-count // self.count)
        device = weights[0].device
        sums = torch.zeros(most, 2, dtype=torch.float64, device=device)
        gradients = torch.zeros(most, sum(weight.numel() for weight in weights), device=device)
        for place, shard in enumerate(shards):
            sums[place] = torch.tensor([shard.loss, shard.num_targets], dtype=torch.float64)
            gradients[place] = torch.cat([gradient.reshape(-1) for gradient in shard.gradients])
        all_sums = [torch.empty_like(sums) for _ in range(self.count)]
        all_gradients = [torch.empty_like(gradients) for _ in range(self.count)]
        dist.all_gather(all_sums, sums)
        dist.all_gather(all_gradients, gradients)
        sizes = [weight.numel() for weight in weights]
        made = []
        for index in range(count):
            rank, place = index % self.count, index // self.count
            loss, num_targets = all_sums[rank][place].tolist()
            parts = torch.split(all_gradients[rank][place], sizes)
            shaped = tuple(part.view_as(weight) for part, weight in zip(parts, weights, strict=True))
            made.append(Shard(loss, int(num_targets), shaped))
        return made

    def any(self, is_true: bool) -> bool:
        """Whether it is so on any rank."""
        if self.count == 1:
            return is_true
        flag = torch.tensor([float(is_true)])
        if dist.get_backend() == "nccl":
            flag = flag.cuda()
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())


ALONE = Ranks()


def join(config: TrainConfig) -> Ranks:
    """The ranks that torchrun has started, or this process alone.

    Raises UserError where there are more of them than shards.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    if config.device == "cpu" and config.shards < count:
        raise UserError(
            f"train.shards={config.shards} is less than the {count} processes: give train.shards={count} or a multiple"
        )
    if config.device == "cuda" and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not dist.is_initialized():
        # The others wait while the first one makes the corpus. A process that dies is noticed at once all the same.
        elastic: Any = dist  # what it exports is not all declared
        backend, timeout = "nccl" if config.device == "cuda" else "gloo", timedelta(days=1)
        store, rank, _ = next(elastic.rendezvous("env://", timeout=timeout))
        # torchrun keeps its store where it starts processes again: there they would find the addresses of dead ones.
        attempt = elastic.PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        dist.init_process_group(backend, store=attempt, rank=rank, world_size=count, timeout=timeout)
    ranks = Ranks(dist.get_rank(), dist.get_world_size())
    if not ranks.is_first:
        logging.getLogger("asr").setLevel(logging.ERROR)
    return ranks


def leave() -> None:
    """The ranks part: they have nothing more to say to one another."""
    if dist.is_initialized():
        dist.destroy_process_group()
