"""Values out of a model file -> records of settings, checked: a file from a stranger may say anything."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from asr.errors import UserError

MAX_JSON = 1 << 26  # characters of one entry of the metadata
MAX_NUMBER = 1e12
Record = TypeVar("Record")


def parse(metadata: Mapping[str, str], name: str) -> Any:
    """What the entry `name` holds as JSON; raises UserError naming it, and KeyError where there is none."""
    text = metadata[name]
    if len(text) > MAX_JSON:
        raise UserError(f"{name} has {len(text)} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{name} is not JSON") from None


def record(kind: Callable[..., Record], values: Any, name: str) -> Record:
    """A dataclass of JSON values; raises UserError naming one of another type than its field, or not finite."""
    if not isinstance(values, dict):
        raise UserError(f"{name} is no JSON object")
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise UserError(f"{name} has a setting {unknown[0][:40]!r} that this version does not know")
    types = get_type_hints(kind)
    for key, value in values.items():
        if not _fits(value, types[key]):
            shown = json.dumps(value)
            raise UserError(f"{name}.{key} is {shown if len(shown) <= 40 else shown[:37] + '...'}")
    return kind(**values)


def _fits(value: Any, wanted: Any) -> bool:
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin in (tuple, list):
        return isinstance(value, list) and all(_fits(one, inner[0]) for one in value)
    if wanted is float:
        return type(value) in (int, float) and abs(value) <= MAX_NUMBER  # NaN is not
    if wanted is int:
        return type(value) is int and abs(value) <= MAX_NUMBER
    if wanted in (bool, str, NoneType, None):
        return type(value) is (NoneType if wanted is None else wanted)
    return isinstance(value, dict)
