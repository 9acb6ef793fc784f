"""One run: a recipe from its corpus to test figures, in one folder.

The folder holds recipe.yaml (resolved), environment.json, metrics.jsonl and TensorBoard events, last.pt (to resume),
best.pt (the best epoch's weights), model.onnx (to transcribe with), parent.onnx (that it began with, if any) and the
scored hypotheses of the test split.
"""

import itertools
import json
import logging
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import asr
from asr import files, tasks, workers
from asr.data import corpus, examples, manifest
from asr.data.augment import Augmenter
from asr.data.batches import Batches
from asr.data.examples import Example
from asr.data.manifest import Skipped, Utterance
from asr.errors import UserError
from asr.features import FeatureExtractor, Statistics
from asr.modelfile.card import ModelCard
from asr.modelfile.locate import MODEL_FILE
from asr.network.encoder import AcousticModel
from asr.network.onnx_graph import export, read
from asr.report.runs import ENVIRONMENT_FILE, environment
from asr.tasks import TASKS
from asr.tasks.task import Task
from asr.text import letters_of
from asr.training import checking, commands, distributed, doctor, loop, outcome, recipe
from asr.training.distributed import Ranks
from asr.training.outcome import Result
from asr.training.parent import find_parent
from asr.training.recipe import Recipe
from asr.training.state import BEST, LAST, Epoch, best_weights

RECIPE_FILE, PARENT_FILE = "recipe.yaml", "parent.onnx"
_LEARNED = (LAST, BEST, MODEL_FILE)  # what a run is worth keeping for
_DEV_BATCH = 32

logger = logging.getLogger("asr.training")


@dataclass(frozen=True)
class _Origin:
    """The model that a run begins with."""

    weights: dict[str, Any]
    card: ModelCard

    @property
    def parent(self) -> loop.Parent:
        return loop.Parent(self.weights, self.card.outputs)


@dataclass(frozen=True)
class _Plan:
    """What is to be trained, by whom."""

    settings: Recipe
    script: Path
    origin: _Origin | None
    ranks: Ranks
    jobs: int
    began: float

    @classmethod
    def of(cls, settings: Recipe, script: Path, source: Path | None, jobs: int) -> "_Plan":
        """Read the model to begin with; refuse what cannot be trained before minutes go into it."""
        origin = _Origin(*read(source)) if source else None
        commands.sentences(settings)
        loop.find_device(settings.train)
        if origin:  # raises UserError where its shape is another
            AcousticModel(settings.model, settings.features.num_features, 1).inherit(origin.weights, {})
        return cls(settings, script, origin, distributed.join(settings.train), jobs, time.perf_counter())

    @property
    def folder(self) -> Path:
        """Where the manifests lie."""
        return Path(self.settings.data.folder).expanduser()

    def with_alphabet(self) -> "_Plan":
        """With that of the transcripts, once they are there, where the recipe has none of its own."""
        settings = self.settings
        if settings.text.alphabet:
            return self
        texts = {
            settings.text.normalise(one.text) for name in corpus.SPLITS for one in corpus.read_split(self.folder, name)
        }
        alphabet = letters_of({*texts, " "} if settings.augment.join > 1 else texts)
        if self.ranks.is_first:
            logger.info("text.alphabet: the %d characters of the transcripts: %r", len(alphabet), alphabet)
        return replace(self, settings=replace(settings, text=replace(settings.text, alphabet=alphabet)))

    @contextmanager
    def corpus(self) -> Iterator[ExitStack]:
        """The corpus is there and stays as it is until what comes is closed: other trainings with this folder wait."""
        with ExitStack() as until_read:
            if self.ranks.is_first:
                prepare = corpus.load_script(self.script)
                self.folder.mkdir(parents=True, exist_ok=True)
                until_read.enter_context(files.locked(self.folder, what="makes or reads this corpus", waits=True))
                corpus.build(prepare, self.folder, self.settings.data.settings)
            yield until_read


def start(path: Path, overrides: list[str], *, jobs: int = 2) -> Result | None:
    """Begin a run of a recipe, reading its corpus with `jobs` threads.

    Of several processes that train together the first one has the result. The errors of all the modules it uses come
    through, in one sentence each. Nobody else can train in that folder meanwhile.
    """
    settings = recipe.load(path, overrides)
    if settings.run_dir and _holds_run(Path(settings.run_dir).expanduser()):
        raise UserError(
            f"{settings.run_dir}: holds a run already; continue it with asr-train --resume {settings.run_dir}, "
            "or choose another run_dir"
        )
    source = find_parent(settings)
    plan = _Plan.of(settings, path.parent / settings.data.prepare, source, jobs)
    with plan.corpus() as until_read:
        if not plan.ranks.is_first:
            return _carry_out(plan, None, until_read)
        plan = plan.with_alphabet()
        run = _new_folder(settings)
        with files.locked(run, what="trains in it"):
            if _holds_run(run):
                raise UserError(f"{run}: another process has just begun a run there; choose another run_dir")
            try:
                if source:  # so that resuming needs nothing else
                    files.write_bytes(run / PARENT_FILE, source.read_bytes())
                recipe.save(plan.settings, run / RECIPE_FILE, prepare=manifest.relative(str(plan.script), run))
                files.write_text(run / ENVIRONMENT_FILE, json.dumps(environment(), indent=1) + "\n")
                return _carry_out(plan, run, until_read)
            except Exception:
                if not any((run / name).exists() for name in _LEARNED):  # it is free for the command without mistakes
                    for name in (RECIPE_FILE, PARENT_FILE, ENVIRONMENT_FILE):
                        (run / name).unlink(missing_ok=True)
                raise


def resume(run: Path, *, jobs: int = 2) -> Result | None:
    """Continue a run where it stopped, as if it had never stopped; see `start`."""
    path = run / RECIPE_FILE
    if not path.is_file():
        raise UserError(f"{run}: not the folder of a run: it has no {RECIPE_FILE}")
    settings = recipe.load_resolved(path)
    kept = run / PARENT_FILE
    source = kept if settings.train.init_from and kept.is_file() else find_parent(settings)
    plan = _Plan.of(settings, path.parent / settings.data.prepare, source, jobs)
    with ExitStack() as stack:
        if plan.ranks.is_first:
            stack.enter_context(files.locked(run, what="trains in it"))
        return _carry_out(plan, run, stack.enter_context(plan.corpus()))


def _holds_run(run: Path) -> bool:
    return any((run / name).exists() for name in (RECIPE_FILE, *_LEARNED))


def _new_folder(settings: Recipe) -> Path:
    """The run's folder, made here and now, so that two runs that start in the same second get one each."""
    if settings.run_dir:
        run = Path(settings.run_dir).expanduser()
        run.mkdir(parents=True, exist_ok=True)
        return run
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    for number in itertools.count(1):
        run = Path("runs") / settings.name / (stamp if number == 1 else f"{stamp}-{number}")
        with suppress(FileExistsError):
            run.mkdir(parents=True)
            break
    return run


def _carry_out(plan: _Plan, run: Path | None, until_read: ExitStack) -> Result | None:
    """Train in the folder that the first rank has; `until_read` is closed once the corpus is read."""
    run = Path(plan.ranks.share(str(run)))
    plan = plan.with_alphabet()
    settings, ranks = plan.settings, plan.ranks
    splits = {name: corpus.read_split(plan.folder, name) for name in corpus.PARTS}
    card = _card(settings, plan.script, TASKS[settings.task].labels_of(splits["train"]))
    card = commands.with_sentences(card, settings, plan.origin.card if plan.origin else None)
    task = tasks.of(card)
    if ranks.is_first:
        (run / corpus.SKIPPED).unlink(missing_ok=True)
        if task.spells:
            checking.warn(splits, settings)
    train = _load(splits["train"], card, task, plan, run, "train", keep_sound=settings.augment.touches_sound)
    card = replace(card, statistics=_statistics(train, card, plan.origin))
    dev = _load(_dev_split(splits, task), card, task, plan, run, "dev")
    ranks.wait()
    until_read.close()
    model = _model(settings, task)
    logger.info(
        "%d weights, %d utterances to train on, %d to choose by; in %s", model.num_weights, len(train), len(dev), run
    )
    batches = training_batches(train, task, card, settings)
    dev_batches = Batches(dev, task, card.extractor, _DEV_BATCH)
    parent = plan.origin.parent if plan.origin else None
    known = doctor.facts(batches, dev_batches, len(splits["train"]) - len(train))

    def advise(history: list[Epoch]) -> str | None:
        return doctor.advise(history, known, settings.train, task.choose_by)

    try:
        loop.fit(model, task, batches, dev_batches, settings.train, run, parent, ranks=ranks, advise=advise)
    except KeyboardInterrupt:
        if ranks.is_first:
            if (run / BEST).is_file():  # what was learned so far can be used
                _export_best(model, card, run)
            logger.info("to continue: asr-train --resume %s", run)
        raise
    distributed.leave()
    if not ranks.is_first:
        return None
    _export_best(model, card, run)
    return outcome.test(splits, run, model.num_weights, plan.began)


def training_batches(train: list[Example], task: Task, card: ModelCard, settings: Recipe) -> Batches:
    """The batches that a recipe trains on."""
    return Batches(
        train,
        task,
        card.extractor,
        settings.train.batch_size,
        augmenter=Augmenter(settings.augment, settings.features),
        seed=settings.train.seed,
        twice=settings.train.consistency > 0,
    )


def _dev_split(splits: dict[str, list[Utterance]], task: Task) -> list[Utterance]:
    """What the best epoch is chosen by: the dev split, or the training split where there is no speech in that."""
    dev = splits["dev"]
    targets = (task.target(utterance) for utterance in dev)
    if any(isinstance(target, Skipped) or len(target) for target in targets):
        return dev
    found = "no speech in the dev split" if dev else "no dev split"
    logger.info("%s: the training split stands in for it", found)
    return splits["train"]


def _statistics(train: list[Example], card: ModelCard, origin: _Origin | None) -> Statistics:
    """Those of the model to begin with, where its features are the same; else those of the training split."""
    if origin and origin.card.statistics and origin.card.features == card.features:
        return origin.card.statistics
    extractor = card.extractor
    return extractor.measure(workers.ahead(lambda example: example.signal.cepstra(extractor), train, depth=64))


def _export_best(model: AcousticModel, card: ModelCard, run: Path) -> None:
    model.cpu().load_state_dict(best_weights(run))
    export(model, card, run / MODEL_FILE)


def _load(
    utterances: list[Utterance],
    card: ModelCard,
    task: Task,
    plan: _Plan,
    run: Path,
    split: str,
    *,
    keep_sound: bool = False,
) -> list[Example]:
    # The first rank makes them, and the others find them made.
    if not plan.ranks.is_first:
        plan.ranks.wait()

    def progress(made: Iterable[Any]) -> Iterable[Any]:
        return tqdm(made, f"reading the {split} split", len(utterances), leave=False, disable=None, unit="utterance")

    found, skipped = examples.load(
        utterances,
        FeatureExtractor(card.features),
        task,
        keep_sound=keep_sound,
        cache=plan.folder / "cache",
        name=split,
        jobs=plan.jobs,
        progress=progress,
    )
    if plan.ranks.is_first:
        plan.ranks.wait()
    if skipped and plan.ranks.is_first:
        logger.warning("%s", "\n".join(f"{split}: {line}" for line in corpus.describe(skipped)))
        path = run / corpus.SKIPPED
        earlier = path.read_text("utf-8") if path.is_file() else ""
        files.write_text(path, earlier + "".join(f"{split}\t{item.id}\t{item.reason}\n" for item in skipped))
    if not found:
        reason = f"; {skipped[0].id}: {skipped[0].reason}" if skipped else ""
        raise UserError(f"nothing is left of the {split} split{reason}")
    return found


def _model(settings: Recipe, task: Task) -> AcousticModel:
    return AcousticModel(settings.model, settings.features.num_features, len(task.outputs))


def _card(settings: Recipe, script: Path, labels: tuple[str, ...]) -> ModelCard:
    return ModelCard(
        features=settings.features,
        text=settings.text,
        recognition=settings.recognition,
        task=settings.task,
        labels=labels,
        recipe=_with_script(settings, script),
        version=asr.__version__,
        commit=_commit(script.parent),
    )


def _with_script(settings: Recipe, script: Path) -> dict[str, Any]:
    """The recipe, whose script is named so that a run which was resumed from elsewhere has the same model file."""
    values, script = settings.to_dict(), script.resolve()
    values["data"]["prepare"] = f"{script.parent.name}/{script.name}"
    return values


def _commit(folder: Path) -> str:
    """The git commit that the recipe's folder stands at, "-dirty" after it if files have changed; or nothing."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
