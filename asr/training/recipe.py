"""A recipe YAML -> nested, checked settings. Every setting lies in a dataclass beside the code that it steers."""

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence, Set
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
from asr.network.encoder import ModelConfig
from asr.text import TextConfig
from asr.training.loop import TrainConfig


class RecipeError(UserError):
    """A recipe that does not fit; the message names file and key, and the nearest valid one."""


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
    text: TextConfig = field(default_factory=TextConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    run_dir: str | None = None
    """The run's folder; null: runs/NAME/TIME."""

    def __post_init__(self) -> None:
        if self.features.source == "precomputed" and self.augment.touches_sound:
            raise RecipeError(
                f"augment.{', '.join(SOUND)} change sound, and features.source is precomputed: leave them out"
            )
        if self.augment.join > 1 and " " not in self.text.alphabet:
            raise RecipeError("augment.join puts a space between utterances: add it to text.alphabet")

    def to_dict(self) -> dict[str, Any]:
        """As the YAML file says it, everything spelled out."""
        values = asdict(self)
        values["data"] |= values["data"].pop("settings")
        values["features"]["tracts"] = list(self.features.tracts)
        return values


def load(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` overrides with dotted keys; raises RecipeError or CorpusError."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path}: no such recipe")
    try:
        values = yaml.load(path.read_text("utf-8"), _Loader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of sections, not {type(values).__name__}")
    values.setdefault("name", path.stem)
    for override in overrides:
        _override(values, override, _VERBATIM)
    for section in ("data", *_SECTIONS):
        if values.get(section) is None:
            values[section] = {}
        if not isinstance(values[section], dict):
            raise RecipeError(f"{path}: {section} must hold settings, not {values[section]!r}")
    data = values["data"]
    for name in ("prepare", "folder"):
        if not isinstance(data.get(name), str):
            raise RecipeError(f"{path}: data.{name} is missing")
    script = path.parent / data["prepare"]
    parameters = corpus.settings(corpus.load_script(script))
    texts = {f"data.{name}" for name, parameter in parameters.items() if parameter.annotation is str}
    for override in overrides:  # once more where the script takes text: as YAML three=T*'i: would be a mapping
        if override.partition("=")[0] in texts:
            _override(values, override, texts)
    _refuse_unknown(values, parameters, path)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and data.get(name) is None:
            raise RecipeError(f"{path}: data.{name} is missing; say where the corpus lies: data.{name}=FOLDER")
    settings = {}
    for name, parameter in parameters.items():
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        settings[name] = _check(kind, data.get(name, parameter.default), f"{path}: data.{name}")
        if isinstance(settings[name], float) and not math.isfinite(settings[name]):  # of no kind
            raise RecipeError(f"{path}: data.{name} must be finite, not {settings[name]}")
    values["data"] = {"prepare": data["prepare"], "folder": data["folder"], "settings": settings}
    recipe: Recipe = _check(Recipe, values, str(path))
    return recipe


def save(recipe: Recipe, path: Path, prepare: str) -> None:
    """Write the resolved recipe; `prepare` is the script's place as seen from there."""
    values = recipe.to_dict()
    values["data"]["prepare"] = prepare
    files.write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def schema() -> str:
    """JSON Schema of the recipe file, for editors."""
    described: dict[str, Any] = pydantic.TypeAdapter(Recipe).json_schema()
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    described["title"] = "Speech recognition recipe"
    described["required"] = ["data"]
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
    "model": ModelConfig,
    "augment": AugmentConfig,
    "train": TrainConfig,
}


_VERBATIM = {f"text.{item.name}" for item in fields(TextConfig) if item.type is str}
_VERBATIM |= {"name", "run_dir", "data.prepare", "data.folder", "data.source"}


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [str(key) for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]} stands there twice")
        return super().construct_mapping(node, deep)


def _override(values: dict[str, Any], override: str, verbatim: Set[str]) -> None:
    """Set what `key=value` says, as YAML but for the keys that are `verbatim` text."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"{override!r}: settings are written key=value, as in train.epochs=5")
    *path, last = key.split(".")
    inner = values
    for part in path:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{override!r}: {part} is a setting, not a section")
    try:
        inner[last] = text if key in verbatim else yaml.safe_load(text)
    except yaml.YAMLError:
        inner[last] = text


def _valid_keys(parameters: Mapping[str, Any]) -> list[str]:
    keys = ["name", "run_dir", "data.prepare", "data.folder", *(f"data.{name}" for name in parameters)]
    return keys + [f"{section}.{item.name}" for section, kind in _SECTIONS.items() for item in fields(kind)]


def _refuse_unknown(values: Mapping[str, Any], parameters: Mapping[str, Any], path: Path) -> None:
    valid = _valid_keys(parameters)
    for key in _leaves(values):
        if key not in valid:
            # A key that is right but for its section is nearer than any other spelling.
            last = key.rpartition(".")[2]
            near = [name for name in valid if name.rpartition(".")[2] == last] or difflib.get_close_matches(
                key, valid, 1, 0
            )
            raise RecipeError(f"{path}: unknown setting {key}; did you mean {near[0]}?")


def _leaves(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from (f"{name}.{inner}" for inner in value)
        elif name in ("data", *_SECTIONS):
            pass
        else:
            yield str(name)


def _check(kind: Any, value: Any, where: str) -> Any:
    # In a list, as dataclasses take their configuration from what holds them alone. NaN and infinity are refused here,
    # not in the YAML: there, nan without its point is text, of which a number is made later.
    adapter: pydantic.TypeAdapter[list[Any]] = pydantic.TypeAdapter(list[kind], config={"allow_inf_nan": False})
    try:
        return adapter.validate_python([value])[0]
    except UserError as error:  # of the section itself: its settings do not fit together
        message = str(error)
        raise RecipeError(f"{where}: {message[0].lower()}{message[1:]}") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][1:] if part != "settings")
        if first["type"] == "finite_number":
            raise RecipeError(f"{where}{key and f': {key}'} must be finite, not {first['input']}") from None
        message = first["msg"].removeprefix("Value error, ")
        got = "" if first["type"] == "value_error" else f", not {first['input']!r}"
        named = f"{where}: {key}: " if key and first["type"] != "value_error" else f"{where}: "
        raise RecipeError(f"{named}{message[0].lower()}{message[1:]}{got}") from None


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
