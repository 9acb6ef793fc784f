"""One run: a recipe from its corpus to test figures, in one folder.

The folder holds recipe.yaml (resolved), metrics.jsonl and TensorBoard events, last.pt (to resume), best.pt (by dev
CER), model.onnx (to transcribe with), parent.onnx (that it began with, if any) and the scored hypotheses of the test
part.
"""

import itertools
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import asr
from asr import files, score
from asr.data import corpus, dataset, manifest
from asr.data.augment import Augmenter
from asr.data.dataset import Batches, Example
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.features import FeatureConfig, FeatureExtractor, Frames
from asr.modelfile.card import ModelCard
from asr.modelfile.locate import MODEL_FILE, SHIPPED, model_file
from asr.network.encoder import AcousticModel, ModelConfig
from asr.network.onnx_graph import export, read
from asr.recognition.evaluate import evaluate
from asr.recognition.recognizer import Recognizer
from asr.score import Score
from asr.text import TextError
from asr.training import loop, recipe
from asr.training.recipe import Recipe
from asr.training.state import load_state

RECIPE_FILE, PARENT_FILE = "recipe.yaml", "parent.onnx"
_LEARNED = (loop.LAST, loop.BEST, MODEL_FILE)  # what a run is worth keeping for


@dataclass(frozen=True)
class Result:
    """What a run came to; `part` is what was scored: test, or where the corpus has none, dev, or else train."""

    run: Path
    part: str
    score: Score
    num_weights: int
    seconds: float
    example: str | None
    """A sound file of that part in which somebody speaks, to try the model on."""
    real: Score | None = None
    """Of the recordings of people, where the corpus has some beside a synthetic test part."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run": str(self.run),
            "part": self.part,
            **self.score.to_dict(),
            "num_weights": self.num_weights,
            "seconds": self.seconds,
            "example": self.example,
            **({"real": self.real.to_dict()} if self.real else {}),
        }


def start(path: Path, overrides: list[str], *, jobs: int = 2) -> Result:
    """Begin a run of a recipe, reading its corpus with `jobs` threads.

    The errors of all the modules it uses come through, in one sentence each.
    """
    began = time.perf_counter()
    settings = recipe.load(path, overrides)
    script = path.parent / settings.data.prepare
    kept = (RECIPE_FILE, *_LEARNED)
    if settings.run_dir and any((Path(settings.run_dir).expanduser() / name).exists() for name in kept):
        raise recipe.RecipeError(
            f"{settings.run_dir}: holds a run already; continue it with asr-train --resume {settings.run_dir}, "
            "or choose another run_dir"
        )
    source = find_parent(settings)
    parent = _prepare(settings, script, source)
    run = _new_folder(settings)
    try:
        if source:  # so that resuming needs nothing else
            shutil.copyfile(source, run / PARENT_FILE)
        recipe.save(settings, run / RECIPE_FILE, prepare=manifest.relative(str(script), run))
        return _carry_out(settings, script, run, parent, began, jobs)
    except Exception:
        if not any((run / name).exists() for name in _LEARNED):  # the folder is free for the command without mistakes
            for name in (RECIPE_FILE, PARENT_FILE):
                (run / name).unlink(missing_ok=True)
        raise


def resume(run: Path, *, jobs: int = 2) -> Result:
    """Continue a run where it stopped, as if it had never stopped."""
    began = time.perf_counter()
    path = run / RECIPE_FILE
    if not path.is_file():
        raise recipe.RecipeError(f"{run}: not the folder of a run: it has no {RECIPE_FILE}")
    settings = recipe.load(path)
    script = path.parent / settings.data.prepare
    kept = run / PARENT_FILE
    parent = _prepare(settings, script, kept if settings.train.init_from and kept.is_file() else find_parent(settings))
    return _carry_out(settings, script, run, parent, began, jobs)


def find_parent(settings: Recipe) -> Path | None:
    """The file of the model to begin with, if there is one; `shipped` and `english` name those of the package.

    Of several of one name it is the one of the same shape. Raises UserError where there is none.
    """
    init_from = settings.train.init_from
    if not init_from:
        return None
    if init_from == "shipped":
        return SHIPPED
    found = sorted(SHIPPED.parent.glob(f"{init_from}*.onnx")) if re.fullmatch("[a-z]+", init_from) else []
    if not found or Path(init_from).exists():
        return model_file(Path(init_from).expanduser())
    wanted, shapes = _shape(settings.model, settings.features), []
    for path in found:
        card = read(path)[1]
        shapes.append(_shape(ModelConfig(**card.recipe["model"]), card.features))
        if shapes[-1] == wanted:
            return path
    described = " or ".join(
        f"{layers} layers of {units} units and {inputs} inputs" for units, layers, _, inputs in shapes
    )
    raise UserError(
        f"train.init_from={init_from}: the models of that name have {described}, the recipe has {wanted[1]} of "
        f"{wanted[0]} and {wanted[3]}: set model.hidden_size, features.num_cepstra, deltas and stack as in one of them"
    )


def _shape(model: ModelConfig, features: FeatureConfig) -> tuple[int, int, bool, int]:
    """Units, layers, directions and inputs: what two networks have in common where one can begin with the other."""
    return model.hidden_size, model.num_layers, model.bidirectional, features.num_features


def _prepare(settings: Recipe, script: Path, source: Path | None) -> loop.Parent | None:
    """Make the corpus, and read the model to begin with; what cannot be trained is said before minutes go into it."""
    parent = loop.Parent(*read(source)) if source else None
    loop.find_device(settings.train)
    card = _card(settings, script)
    loop.begin(_model(settings, card), card, settings.train, parent)
    corpus.build(corpus.load_script(script), Path(settings.data.folder).expanduser(), settings.data.settings)
    return parent


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


def _carry_out(
    settings: Recipe, script: Path, run: Path, parent: loop.Parent | None, began: float, jobs: int
) -> Result:
    config = settings.train
    folder = Path(settings.data.folder).expanduser()
    parts = {name: _read(folder / f"{name}.jsonl") for name in (*corpus.SPLITS, corpus.REAL)}
    to_choose_by = parts["dev"]
    if not any(utterance.text for utterance in to_choose_by):
        said = "nobody says a word in the dev part" if to_choose_by else "no dev part"
        print(f"{said}: the training part stands in for it", file=sys.stderr)
        to_choose_by = parts["train"]

    card = _card(settings, script)
    (run / corpus.LEFT_OUT).unlink(missing_ok=True)
    augmenter = Augmenter(settings.augment, settings.features)
    examples = _load(parts["train"], card, settings.augment.touches_sound, folder, run, "train", jobs)
    if parent and parent.card.statistics and parent.card.features == card.features:
        card = replace(card, statistics=parent.card.statistics)
    else:
        card = replace(card, statistics=card.extractor.measure(_statics(examples, card.extractor)))
    model = _model(settings, card)
    dev = _load(to_choose_by, card, False, folder, run, "dev", jobs)
    print(
        f"{model.num_weights} weights, {len(examples)} utterances to train on, {len(dev)} to choose by; in {run}",
        file=sys.stderr,
    )
    try:
        loop.fit(
            model,
            card,
            Batches(
                examples,
                card.extractor,
                config.batch_size,
                augmenter=augmenter,
                seed=config.seed,
                twice=config.consistency > 0,
                space=card.tokenizer.encode(" ")[0] if settings.augment.join > 1 else None,
            ),
            Batches(dev, card.extractor, 32),
            config,
            run,
            parent,
        )
    except KeyboardInterrupt:
        if (run / loop.BEST).is_file():  # what was learned so far can be used
            _export_best(model, card, run)
        print(f"to continue: asr-train --resume {run}", file=sys.stderr)
        raise
    _export_best(model, card, run)
    return _test(parts, run, model.num_weights, began)


def _export_best(model: AcousticModel, card: ModelCard, run: Path) -> None:
    model.cpu().load_state_dict(load_state(run / loop.BEST)["weights"])
    export(model, card, run / MODEL_FILE)


def _test(parts: dict[str, list[Utterance]], run: Path, num_weights: int, began: float) -> Result:
    """Score the model file, the thing that ships, on the test part, and write what it heard."""
    part = next(name for name in ("test", "dev", "train") if parts[name])
    recognizer = Recognizer.load(run / MODEL_FILE)
    scored = _score(recognizer, part, parts[part], run)
    real = _score(recognizer, corpus.REAL, parts[corpus.REAL], run) if parts[corpus.REAL] else None
    spoken = (utterance for utterance in parts[part] if utterance.audio and utterance.text)
    example = next((utterance.audio for utterance in spoken if _is_spelled(utterance.text, recognizer.card)), None)
    return Result(run, part, scored, num_weights, round(time.perf_counter() - began, 1), example, real)


def _is_spelled(text: str, card: ModelCard) -> bool:
    try:
        card.tokenizer.encode(card.text.normalise(text))
    except TextError:
        return False
    return True


def _score(recognizer: Recognizer, part: str, utterances: list[Utterance], run: Path) -> Score:
    """Score utterances and write references and hypotheses as the run's."""
    evaluation = evaluate(recognizer, utterances)
    for item in evaluation.unreadable:
        print(f"{item.id}: {item.reason}: counted as an empty hypothesis", file=sys.stderr)
    for name, texts in (("ref", evaluation.references), ("hyp", evaluation.hypotheses)):
        files.write_text(run / f"{part}.{name}.trn", score.format_trn(texts))
    return evaluation.score


def _read(path: Path) -> list[Utterance]:
    return manifest.read(path) if path.is_file() and path.stat().st_size else []


def _load(
    utterances: list[Utterance], card: ModelCard, keep_sound: bool, folder: Path, run: Path, part: str, jobs: int
) -> list[Example]:
    def progress(made: Iterable[Any]) -> Iterable[Any]:
        return tqdm(made, f"reading the {part} part", len(utterances), leave=False, disable=None, unit="utterance")

    examples, left_out = dataset.load(
        utterances,
        FeatureExtractor(card.features),
        card.tokenizer,
        card.text,
        keep_sound=keep_sound,
        cache=folder / "cache",
        name=part,
        jobs=jobs,
        progress=progress,
    )
    if left_out:
        print("\n".join([f"{part}: {line}" for line in corpus.describe(left_out)]), file=sys.stderr)
        path = run / corpus.LEFT_OUT
        earlier = path.read_text("utf-8") if path.is_file() else ""
        files.write_text(path, earlier + "".join(f"{part}\t{item.id}\t{item.reason}\n" for item in left_out))
    if not examples:
        reason = f"; {left_out[0].id}: {left_out[0].reason}" if left_out else ""
        raise corpus.CorpusError(f"nothing is left of the {part} part{reason}")
    return examples


def _statics(examples: list[Example], extractor: FeatureExtractor) -> Iterator[Frames]:
    def static(example: Example) -> Frames:
        return extractor.static(example.source) if example.source.ndim == 1 else example.source

    return dataset.ahead(static, examples, depth=64)


def _model(settings: Recipe, card: ModelCard) -> AcousticModel:
    return AcousticModel(settings.model, card.features.num_features, len(card.tokenizer))


def _card(settings: Recipe, script: Path) -> ModelCard:
    return ModelCard(
        features=settings.features,
        text=settings.text,
        recognition=settings.recognition,
        recipe=settings.to_dict(),
        version=asr.__version__,
        commit=_commit(script.parent),
    )


def _commit(folder: Path) -> str:
    """The git commit that the recipe's folder stands at, "-dirty" after it if files have changed; or nothing."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
