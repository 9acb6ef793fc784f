"""The settings of training."""

from dataclasses import dataclass
from typing import Literal

from asr.errors import UserError


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are found: AdamW (Loshchilov & Hutter 2019) on a one-cycle schedule (Smith & Topin 2018)."""

    epochs: int = 30
    """Passes over the training split."""
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
    """Stop after so many epochs that were not the best by dev error rate, then dev loss; 0: never."""
    init_from: str | None = None
    """A model to begin with: the folder of a run, a .onnx file, or the name of a model inside the package, as
    `digits` or `english`. Its network must have the same shape; its alphabet may differ: only characters that it does
    not have begin anew. Where the features are the same, as training uses them, its statistics come with it."""
    keep: Literal["best", "last"] = "best"
    """Whose weights the model gets: the best epoch's by dev error rate, then dev loss; or the last one's, where the dev
    split is easier than what the model is for, as synthetic speech is."""
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
    batch whole, and several processes have one GPU each."""
    save_minutes: float = 5.0
    """The state is saved at the end of each epoch, and within it after so many minutes; 0: at its end alone."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the network is computed. On both the loss itself is computed on the CPU, where its gradient is the same in
    every run."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the products in training: bfloat16 takes 1.6 times less time with 2 x 128 units on a processor that has it
    (AVX512-BF16, AMX). Weights, loss and evaluation stay float32."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "clip_norm", "shards"):
            if getattr(self, name) <= 0:
                raise UserError(f"train.{name} must be above 0, not {getattr(self, name)}")
        for name in ("warmup", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"train.{name} must be in [0, 1), not {getattr(self, name)}")
        if min(self.weight_decay, self.patience, self.seed, self.consistency, self.save_minutes) < 0:
            raise UserError("train.weight_decay, patience, seed, consistency and save_minutes must not be negative")
