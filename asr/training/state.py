"""The state of a training: all that it needs to go on as if it had never stopped, and the two files that hold it."""

import copy
import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from asr import files
from asr.errors import UserError
from asr.network.encoder import AcousticModel
from asr.training.config import TrainConfig

LAST, BEST = "last.pt", "best.pt"


@dataclass(frozen=True)
class Epoch:
    """The record of an epoch: losses in nats per element of the targets, and what the dev split scores."""

    epoch: int
    train_loss: float
    dev_loss: float
    dev: Mapping[str, float]
    """Error rates by name, as fractions: see Task.score."""
    learning_rate: float
    seconds: float
    gradient_norm: float = 0.0
    """Before it is cut, the mean over the steps."""
    wait_s: float = 0.0
    """How long the network has waited for batches."""
    observed: Mapping[str, float] = field(default_factory=dict)
    """What the outputs for the dev part look like: see Task.observe."""

    def to_dict(self) -> dict[str, float]:
        """For JSON: the error rates beside the rest, as dev_wer."""
        values = asdict(self)
        rates = {f"dev_{name}": rate for part in ("dev", "observed") for name, rate in values.pop(part).items()}
        return {"epoch": values.pop("epoch"), **rates, **values}

    def __str__(self) -> str:
        rates = "  ".join(f"{name.upper()} {rate:6.2%}" for name, rate in self.dev.items())
        return (
            f"epoch {self.epoch:3}  train loss {self.train_loss:.3f}  dev loss {self.dev_loss:.3f}  dev {rates}  "
            f"{self.seconds:.1f} s"
        )


@dataclass
class Progress:
    """What has come of the current epoch so far."""

    learning_rate: float
    """At its start."""
    steps: int = 0
    loss: float = 0.0
    """In nats, summed."""
    num_targets: int = 0
    gradient_norm: float = 0.0
    """Summed over the steps."""
    wait_s: float = 0.0
    seconds: float = 0.0


class State:
    """The weights that are trained, their average, the optimiser, its schedule, and the records of the epochs."""

    def __init__(self, model: AcousticModel, config: TrainConfig, steps_per_epoch: int) -> None:
        self.model = model
        self.average = copy.deepcopy(model)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        num_steps = config.epochs * steps_per_epoch + 1
        # OneCycleLR divides by zero where the climb ends on its first step.
        warmup = max(config.warmup, 1.5 / num_steps)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, config.learning_rate, total_steps=num_steps, pct_start=warmup
        )
        self.history: list[Epoch] = []
        self.progress = self.begin()

    def begin(self) -> Progress:
        """An epoch begins."""
        return Progress(float(self.schedule.get_last_lr()[0]))

    def save(self, run: Path, corpus: str) -> None:
        """Write `run`/last.pt; `corpus` is the fingerprint of what is trained on."""
        save_state(
            run / LAST,
            {
                "weights": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "history": [asdict(record) for record in self.history],
                "progress": asdict(self.progress),
                "corpus": corpus,
            },
        )

    def resume(self, run: Path, corpus: str) -> None:
        """Take over `run`/last.pt, if it is there; raises UserError where it does not fit corpus and recipe."""
        path = run / LAST
        if not path.is_file():
            return
        state = load_state(path)
        if state.get("corpus") != corpus:
            raise UserError(
                f"{path}: the run began with another corpus than the one that is here now: bring "
                "back the files and settings that it was made of, or begin another run"
            )
        try:
            self.model.load_state_dict(state["weights"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.history = [Epoch(**record) for record in state["history"]]
            self.progress = Progress(**state["progress"])
        except (LookupError, TypeError, RuntimeError, AttributeError, ValueError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{path}: does not fit this recipe, which must not change: {reason}") from None


def blend(average: AcousticModel, model: AcousticModel, share: float) -> None:
    """Move the weights of `average` by `share` of the way to those of `model`."""
    with torch.no_grad():
        for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
            mean.lerp_(weight, share)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a PyTorch file whole or not at all; an OSError names it, also where PyTorch's own would name nothing."""
    # In memory first: where a disk is full torch.save raises a RuntimeError about positions in its archive.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with files.whole(path) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """Read a PyTorch file without running any code in it; raises UserError naming it."""
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        _refuse_packed(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever PyTorch has against it; its words recommend to load what is not trusted
        state = None
    if not isinstance(state, dict):
        raise UserError(
            f"{path}: not a checkpoint, or a damaged one, and nothing can be resumed from it; begin again in another "
            "run_dir, with train.init_from=MODEL.onnx where the run has a model"
        )
    return state


def _refuse_packed(path: Path) -> None:
    """Raise ValueError where a file holds more than its own size: PyTorch packs nothing, and a bomb is packed."""
    with zipfile.ZipFile(path) as archive:
        if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
            raise ValueError("packed")


def best_weights(run: Path) -> Mapping[str, Any]:
    """The weights of the best epoch of a run; raises UserError naming the file."""
    weights = load_state(run / BEST).get("weights")
    if not isinstance(weights, Mapping):
        raise UserError(f"{run / BEST}: holds no weights; train again in another run_dir")
    return weights
