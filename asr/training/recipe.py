"""A recipe YAML -> nested, checked settings. Every setting lies in a dataclass beside the code that it steers."""

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import pydantic
import yaml

from asr import files
from asr.data import corpus
from asr.data.augment import SOUND, AugmentConfig
from asr.errors import UserError
from asr.features import FeatureConfig
from asr.modelfile.recognition_config import RecognitionConfig
from asr.network.encoder import ModelConfig
from asr.tasks import TASKS
from asr.text import TextConfig
from asr.training import recipe_file
from asr.training.config import TrainConfig
from asr.training.recipe_file import RecipeFile


@dataclass(frozen=True)
class DataConfig:
    """Where the utterances come from."""

    prepare: str
    """The script that makes the manifests, relative to the recipe."""
    folder: str
    """Where the manifests lie, relative to the current folder."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the script's `prepare` takes; in the file these stand directly under data."""


@dataclass(frozen=True)
class Recipe:
    """A corpus, a recogniser and its training. The sections are the settings of the modules they are named after."""

    name: str
    data: DataConfig
    task: str = "ctc"
    """What the network is trained for: ctc, to spell; classify, a label for each utterance (its label in the manifest,
    else its text, which is the name of its folder); tag, a label for each frame."""
    text: TextConfig = field(default_factory=TextConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    recognition: RecognitionConfig = field(default_factory=RecognitionConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    run_dir: str | None = None
    """The run's folder; null: runs/NAME/TIME."""

    def __post_init__(self) -> None:
        self.recognition.check(self.features)
        if Path(self.name).name != self.name:
            raise UserError(f"name must be the name of a folder below runs, not {self.name!r}")
        if self.features.source == "precomputed" and self.augment.touches_sound:
            raise UserError(
                f"augment.{', '.join(SOUND)} change sound, and features.source is precomputed: leave them out"
            )
        if self.task not in TASKS:
            raise UserError(f"task must be one of {', '.join(TASKS)}, not {self.task!r}")
        TASKS[self.task].check(self.text, self.augment.join)

    def to_dict(self) -> dict[str, Any]:
        """As the YAML file says it, everything spelled out."""
        values = asdict(self)
        settings = values["data"].pop("settings")
        values["data"] |= {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
        values["recognition"]["vtln_warps"] = list(self.recognition.vtln_warps)
        return values


def load(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` overrides with dotted keys; raises UserError naming file and key.

    What the file `extends`, a path relative to it, stands for the settings that it does not have.
    """
    path = Path(path)
    file = recipe_file.read(path)
    values = file.values
    values.setdefault("name", path.stem)
    for override in overrides:
        _override(values, override, _VERBATIM)
        file.inherited.pop(override.partition("=")[0], None)
    for section in ("data", *_SECTIONS):
        if values.get(section) is None:
            values[section] = {}
        if not isinstance(values[section], dict):
            raise UserError(f"{path}: {section} must hold settings, not {values[section]!r}")
    named = {override.partition("=")[0] for override in overrides}
    if "data.language" in named and "text.alphabet" not in named:  # the recipe's own is that of its own language
        values["text"].pop("alphabet", None)
    data = values["data"]
    for name in ("prepare", "folder"):
        if not isinstance(data.get(name), str):
            raise UserError(f"{path}: data.{name} is missing")
    script = path.parent / data["prepare"]
    parameters = corpus.settings(corpus.load_script(script))
    texts = {f"data.{name}" for name, parameter in parameters.items() if parameter.annotation is str}
    for override in overrides:  # once more where the script takes text: as YAML three=T*'i: would be a mapping
        if override.partition("=")[0] in texts:
            _override(values, override, texts)
    _refuse_unknown(file, parameters)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and data.get(name) is None:
            raise UserError(f"{path}: data.{name} is missing; say where the corpus lies: data.{name}=FOLDER")
    settings = {}
    for name, parameter in parameters.items():
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        settings[name] = _check(kind, data.get(name, parameter.default), file, f"data.{name}")
        if isinstance(settings[name], float) and not math.isfinite(settings[name]):  # of no kind
            raise UserError(f"{file.file_of(f'data.{name}')}: data.{name} must be finite, not {settings[name]}")
    if language := settings.get("language"):  # of the script: its transcripts are folded and spelled as it does
        values["text"].setdefault("language", language)
        values["text"].setdefault("alphabet", "")
    values["data"] = {"prepare": data["prepare"], "folder": data["folder"], "settings": settings}
    recipe: Recipe = _check(Recipe, values, file)
    return recipe


_END = "# the end: a recipe of a run without this line has lost settings"


def load_resolved(path: Path) -> Recipe:
    """Read what `save` has written; raises UserError also where its end is missing: what is lost is no default."""
    recipe = load(path)
    if files.read_text(path, kind="recipe").rstrip().rpartition("\n")[2] != _END:
        raise UserError(
            f"{files.shown(path)}: damaged: its last line is missing. bring back the file, or if nothing else "
            f"is missing, end it with the line {_END}"
        )
    return recipe


def save(recipe: Recipe, path: Path, prepare: str) -> None:
    """Write the resolved recipe; `prepare` is the script's place as seen from there."""
    values = recipe.to_dict()
    values["data"]["prepare"] = prepare
    files.write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True) + _END + "\n")


def schema() -> str:
    """JSON Schema of the recipe file, for editors."""
    described: dict[str, Any] = pydantic.TypeAdapter(Recipe).json_schema()
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    described["title"] = "Speech recognition recipe"
    extends = {
        "title": "Extends",
        "type": "string",
        "description": "A recipe whose settings this one has, but for its own; its path is relative to this file.",
    }
    described["properties"] = {"extends": extends, **described["properties"]}
    del described["required"]
    described["anyOf"] = [{"required": ["data"]}, {"required": ["extends"]}]
    data = described["$defs"]["DataConfig"]
    del data["properties"]["settings"]
    owners = {kind.__name__: kind for kind in (Recipe, DataConfig, *_SECTIONS.values())}
    for name, definition in [("Recipe", described), *described["$defs"].items()]:
        definition["additionalProperties"] = definition is data
        definition["description"] = " ".join((owners[name].__doc__ or "").split())
        for key, text in _attribute_docs(owners[name]).items():
            if key in definition["properties"]:
                definition["properties"][key]["description"] = text
    return json.dumps(described, indent=1) + "\n"


_SECTIONS = {
    "text": TextConfig,
    "features": FeatureConfig,
    "recognition": RecognitionConfig,
    "model": ModelConfig,
    "augment": AugmentConfig,
    "train": TrainConfig,
}


_VERBATIM = {f"text.{item.name}" for item in fields(TextConfig) if item.type is str}
_VERBATIM |= {"name", "task", "run_dir", "data.prepare", "data.folder", "data.source"}


def _override(values: dict[str, Any], override: str, verbatim: Set[str]) -> None:
    """Set what `key=value` says, as YAML but for the keys that are `verbatim` text."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"{override!r}: settings are written key=value, as in train.epochs=5")
    *path, last = key.split(".")
    inner = values
    for part in path:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UserError(f"{override!r}: {part} is a setting, not a section")
    try:
        inner[last] = text if key in verbatim else yaml.safe_load(text)
    except yaml.YAMLError:
        inner[last] = text


def _valid_keys(parameters: Mapping[str, Any]) -> list[str]:
    keys = ["name", "task", "run_dir", "data.prepare", "data.folder", *(f"data.{name}" for name in parameters)]
    return keys + [f"{section}.{item.name}" for section, kind in _SECTIONS.items() for item in fields(kind)]


def _refuse_unknown(file: RecipeFile, parameters: Mapping[str, Any]) -> None:
    valid = _valid_keys(parameters)
    for key in recipe_file.leaves(file.values):
        if key not in (*valid, "data", *_SECTIONS):
            # A key that is right but for its section is nearer than any other spelling.
            last = key.rpartition(".")[2]
            near = [name for name in valid if name.rpartition(".")[2] == last] or difflib.get_close_matches(
                key, valid, 1, 0
            )
            raise UserError(f"{file.file_of(key)}: unknown setting {key}; did you mean {near[0]}?")


def _check(kind: Any, value: Any, file: RecipeFile, name: str = "") -> Any:
    """`value`, of the setting `name` or a whole recipe, as a `kind`; raises UserError naming file and key."""

    def where(key: str) -> str:
        return f"{file.file_of(name)}: {name}" if name else str(file.file_of(key))

    # In a list, as dataclasses take their configuration from what holds them alone. NaN and infinity are refused here,
    # not in the YAML: there, nan without its point is text, of which a number is made later.
    adapter: pydantic.TypeAdapter[list[Any]] = pydantic.TypeAdapter(list[kind], config={"allow_inf_nan": False})
    try:
        return adapter.validate_python([value])[0]
    except UserError as error:  # of the section itself: its settings do not fit together
        message = str(error)
        named = re.match(r"\w+\.\w+", message)
        raise UserError(f"{where(named[0] if named else '')}: {message[0].lower()}{message[1:]}") from None
    except OverflowError:  # a section's check makes a float of a whole number
        raise UserError(f"{where('')}: a number has more digits than a setting may have") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][1:] if part != "settings")
        if first["type"] == "finite_number":
            raise UserError(f"{where(key)}{key and f': {key}'} must be finite, not {first['input']}") from None
        message = first["msg"].removeprefix("Value error, ")
        got = "" if first["type"] == "value_error" else f", not {first['input']!r}"
        prefix = f"{where(key)}: {key}: " if key and first["type"] != "value_error" else f"{where(key)}: "
        raise UserError(f"{prefix}{message[0].lower()}{message[1:]}{got}") from None


def _attribute_docs(kind: type) -> dict[str, str]:
    """The strings that stand under the fields of a dataclass."""
    import ast
    import inspect

    assert is_dataclass(kind)
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for item, following in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            docs[item.target.id] = " ".join(str(following.value.value).split())
    return docs
