"""Model files as ONNX graphs: read one, read its weights and its card, give it another card."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import extras, files
from asr.modelfile import wire
from asr.modelfile.card import ModelCard, ModelError

PROJECTION, HEAD = "projection_weight", "head_weight"
"""The names of the weights of the linear layers in a graph."""


def read(path: Path) -> tuple[Any, dict[str, npt.NDArray[np.float32]], ModelCard]:
    """The graph, its weights by name, and the card of a file with one network.

    Raises ModelError naming it where it is no model of this package, has 8 bits, or is an ensemble.
    """
    graph, card = read_whole(path)
    from onnx import numpy_helper

    weights = {item.name: numpy_helper.to_array(item) for item in graph.graph.initializer}
    if HEAD not in weights:
        raise ModelError(
            f"{path}: an ensemble of several networks has no weights of its own; take a model that it is made from"
        )
    # Without the constants of its shape.
    return graph, {name: value for name, value in weights.items() if value.dtype == np.float32}, card


def read_whole(path: Path) -> tuple[Any, ModelCard]:
    """The graph and the card of a model file; raises ModelError naming it where its weights have 8 bits."""
    graph = read_graph(path)
    try:
        card = ModelCard.from_metadata({item.key: item.value for item in graph.metadata_props})
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    if card.precision != "float32":
        raise ModelError(f"{path}: its weights are {card.precision}; take the model that it was made from")
    return graph, card


def write_card(path: Path, card: ModelCard) -> None:
    """Give a model file another card, its weights as they are, whole or not at all.

    Raises ModelError where the package onnx is missing, or the file is no model.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise ModelError(extras.missing("changing a model file", "onnx", "train")) from None
    model = read_graph(path)
    onnx.helper.set_model_props(model, card.to_metadata())
    files.write_bytes(path, model.SerializeToString())


def read_graph(path: Path) -> Any:
    """The onnx.ModelProto of a model file; raises ModelError naming it."""
    import onnx

    try:
        data = path.read_bytes()
        wire.check(data)
        return onnx.load_model_from_string(data)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model") from None
    except wire.WireError as error:
        raise ModelError(f"{path}: {error}") from None
    except OSError:
        raise
    except Exception:  # protobuf's errors share no base class with Python's
        raise ModelError(f"{path}: not an ONNX model") from None
