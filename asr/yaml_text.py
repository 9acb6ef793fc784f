"""YAML of strangers: no objects, no code, and no more depth than anybody writes."""

import re
from typing import Any

from asr.errors import UserError

_MAX_DEPTH = 100  # of brackets: PyYAML's time grows with its square


def load(text: str, name: str, loader: Any = None) -> tuple[Any, Any]:
    """What a text says, and its tree of nodes, which know their lines; `loader` is a class below yaml.SafeLoader.

    Raises UserError naming the file `name`.
    """
    import yaml

    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if bracket[0] in "[{" else -1))
        if depth > _MAX_DEPTH:
            line = text.count("\n", 0, bracket.start()) + 1
            raise UserError(f"{name}, line {line}: brackets within brackets, more than {_MAX_DEPTH} deep")
    try:
        reading = (loader or yaml.SafeLoader)(text)
        node = reading.get_single_node()
        return (None if node is None else reading.construct_document(node)), node
    except RecursionError:
        raise UserError(f"{name}: not YAML: lists within lists, hundreds deep") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter of numbers and dates
        raise UserError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
