"""A recipe file, and those that it extends -> one mapping of settings, and the file that each stands in."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asr import files, yaml_text
from asr.data import manifest
from asr.errors import UserError

_MAX_BYTES = 1 << 24
_MERGE = "tag:yaml.org,2002:merge"  # what << stands for


@dataclass(frozen=True)
class RecipeFile:
    """Settings by section, as YAML gives them, and the file of each that is not in the recipe's own: by dotted key."""

    path: Path
    values: dict[str, Any]
    inherited: dict[str, Path]

    def file_of(self, key: str) -> Path:
        """The file that a dotted key stands in."""
        return self.inherited.get(key, self.path)


def read(path: Path, extending: tuple[Path, ...] = ()) -> RecipeFile:
    """Read a YAML file; where it `extends` another, whose path is relative to it, the other's sections are the default.

    `extending` are the files that led here. Raises UserError naming the file: missing, not YAML, a key that stands
    there twice, or files that extend one another.
    """
    by = f", which {extending[-1]} extends" if extending else ""
    text = files.read_text(path, kind=f"recipe{by}", max_bytes=_MAX_BYTES)
    values = yaml_text.load(text, str(path), _Loader)[0] or {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: a recipe is a mapping of sections, not {type(values).__name__}")
    name = values.pop("extends", None)
    if name is None:
        return RecipeFile(path, values, {})
    if not isinstance(name, str):
        raise UserError(f"{path}: extends must be the path of one recipe, not {name!r}")
    chain = (*extending, path)
    other = path.parent / name
    if other.resolve() in [file.resolve() for file in chain]:
        raise UserError(f"{path}: extends {name}, which extends it in turn: {' -> '.join(map(str, (*chain, other)))}")
    base = read(other, chain)
    data = base.values.get("data")
    if isinstance(data, dict) and isinstance(data.get("prepare"), str):  # it is relative to the other file
        data["prepare"] = manifest.relative(str(other.parent / data["prepare"]), path.parent)
    own = set(leaves(values))
    inherited = {key: base.file_of(key) for key in leaves(base.values) if key not in own}
    return RecipeFile(path, _merged(base.values, values), inherited)


def leaves(values: Mapping[str, Any]) -> Iterator[str]:
    """The dotted keys of settings in sections, and of what is in none."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield str(name)


def _merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of both with the settings of both; of what is in both, that of `values`."""
    merged = {**base}
    for name, value in values.items():
        is_section = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = {**base[name], **value} if is_section else base.get(name) if value is None else value
    return merged


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
        counts = Counter(key for key in keys if isinstance(key, Hashable))
        if counts and counts.most_common(1)[0][1] > 1:
            raise yaml.YAMLError(f"{counts.most_common(1)[0][0]} stands there twice")
        return super().construct_mapping(node, deep)
