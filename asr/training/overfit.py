"""A few utterances learned by heart: what can learn nothing of eight utterances learns nothing of eight thousand."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.data import examples
from asr.data.batches import Batches
from asr.errors import UserError
from asr.features import FeatureExtractor
from asr.modelfile.card import ModelCard
from asr.network.encoder import AcousticModel
from asr.tasks import TASKS
from asr.training import checking, doctor, loop, recipe
from asr.training.state import Epoch

_MAX_STEPS, _MAX_RATE = 600, 0.01

logger = logging.getLogger("asr.training")


@dataclass(frozen=True)
class Overfit:
    """What came of it."""

    num_utterances: int
    epochs: int
    error_rate: float
    advice: str | None
    """What is wrong, where it was not learned."""


def overfit(path: Path, overrides: Sequence[str], count: int) -> Overfit:
    """Train the network of a recipe on `count` of its training utterances, as they are, until it makes no error.

    Nothing is perturbed or dropped, and no run is kept. Raises UserError where the corpus has no such utterances.
    """
    splits, _ = checking.corpus_of(path, overrides)
    settings = recipe.load(path, list(overrides))
    extractor = FeatureExtractor(settings.features)
    spoken = [one for one in splits.get("train", ()) if one.text]
    kind = TASKS[settings.task]
    task = kind(settings.text, kind.labels_of(spoken))
    found, skipped = examples.load(spoken[: 4 * count], extractor, task)
    found = found[:count]
    if not found:
        reason = f"; {skipped[0].id}: {skipped[0].reason}" if skipped else ""
        raise UserError(f"{path}: no utterance can be learned from{reason}")
    statistics = extractor.measure(example.signal.cepstra(extractor) for example in found)
    card = ModelCard(settings.features, settings.text, statistics)
    model = AcousticModel(replace(settings.model, dropout=0.0), settings.features.num_features, len(task.outputs))
    batch_size = min(settings.train.batch_size, len(found))
    batches = Batches(found, task, card.extractor, batch_size, augmenter=None, seed=settings.train.seed)
    config = replace(
        settings.train, epochs=-(-_MAX_STEPS // len(batches)), batch_size=batch_size, averaging=0.0, consistency=0.0,
        patience=0, save_minutes=0.0, keep="last", learning_rate=min(settings.train.learning_rate, _MAX_RATE),
    )  # fmt: skip
    history: list[Epoch] = []

    def watch(records: list[Epoch]) -> None:
        history[:] = records
        if records[-1].dev[task.choose_by] == 0:
            raise _Learned

    log, level = logging.getLogger("asr.training"), logging.getLogger("asr.training").level
    log.setLevel(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory(prefix="asr-overfit-") as folder:
            loop.fit(model, task, batches, batches, config, Path(folder), advise=watch)
    except _Learned:
        pass
    finally:
        log.setLevel(level)
    rate = min(record.dev[task.choose_by] for record in history)
    advice = None
    if rate:
        known = replace(doctor.facts(batches, batches, len(skipped)), steps_per_epoch=len(batches))
        advice = doctor.advise(history, known, config, task.choose_by)
        advice = advice or "the network may be too small: set a larger model.hidden_size or train.learning_rate"
    return Overfit(len(found), len(history), rate, advice)


class _Learned(Exception):
    """There is nothing left to learn."""
