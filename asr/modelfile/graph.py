"""ONNX files read with NumPy alone: the few fields of protocol buffers that a network of ours is written with."""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.modelfile import wire
from asr.modelfile.card import ModelError
from asr.modelfile.wire import WireError, varints

# The numbers of fields in onnx.proto.
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING, _ATTRIBUTE_INTS = 1, 2, 3, 4, 8
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INTS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 7, 8, 9
_TENSOR_LOCATION = 14
_TYPES: dict[Any, np.dtype[Any]] = {1: np.dtype("<f4"), 3: np.dtype("i1"), 6: np.dtype("<i4"), 7: np.dtype("<i8")}


@dataclass(frozen=True)
class Node:
    """One operator of a graph."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The nodes of a model file in their order, its constants by name, and its metadata."""

    nodes: tuple[Node, ...]
    constants: dict[str, npt.NDArray[Any]]
    metadata: dict[str, str]


def read(content: bytes) -> Graph:
    """The graph in the bytes of an ONNX file; raises ModelError where they are none that can be run."""
    try:
        wire.check(content)
        model = _fields(memoryview(content))
        graph = _fields(model[_MODEL_GRAPH][0])
        entries = [_fields(entry) for entry in model.get(_MODEL_METADATA, [])]
        return Graph(
            tuple(_node(item) for item in graph.get(_GRAPH_NODE, [])),
            dict(_tensor(item) for item in graph.get(_GRAPH_INITIALIZER, [])),
            {_text(entry, 1): _text(entry, 2) for entry in entries},
        )
    except WireError as error:
        raise ModelError(str(error)) from None
    except (IndexError, KeyError, ValueError, TypeError, struct.error) as error:
        raise ModelError(f"not an ONNX model ({error})") from None


def _fields(message: memoryview) -> dict[int, list[Any]]:
    """What stands at each field of a message: whole numbers, or the bytes of all else."""
    found: dict[int, list[Any]] = {}
    for number, value in wire.fields(message):
        found.setdefault(number, []).append(value)
    return found


def _text(fields: dict[int, list[Any]], number: int) -> str:
    return bytes(fields.get(number, [b""])[-1]).decode("utf-8")


def _whole(value: int) -> int:
    """A number of 64 bits with its sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _wholes(values: list[Any]) -> list[int]:
    """Repeated numbers, packed or one by one."""
    return [_whole(number) for value in values for number in ([value] if isinstance(value, int) else varints(value))]


def _node(message: memoryview) -> Node:
    fields = _fields(message)
    if _text(fields, _NODE_DOMAIN) not in ("", "ai.onnx"):
        raise ModelError(f"its operator {_text(fields, _NODE_OPERATOR)} is not one of ONNX's own")
    return Node(
        _text(fields, _NODE_OPERATOR),
        tuple(bytes(name).decode("utf-8") for name in fields.get(_NODE_INPUT, [])),
        tuple(bytes(name).decode("utf-8") for name in fields.get(_NODE_OUTPUT, [])),
        dict(_attribute(item) for item in fields.get(_NODE_ATTRIBUTE, [])),
    )


def _attribute(message: memoryview) -> tuple[str, Any]:
    fields = _fields(message)
    value: Any = None
    if _ATTRIBUTE_INT in fields:
        value = _whole(fields[_ATTRIBUTE_INT][-1])
    elif _ATTRIBUTE_STRING in fields:
        value = _text(fields, _ATTRIBUTE_STRING)
    elif _ATTRIBUTE_INTS in fields:
        value = _wholes(fields[_ATTRIBUTE_INTS])
    elif _ATTRIBUTE_FLOAT in fields:
        (value,) = struct.unpack("<f", fields[_ATTRIBUTE_FLOAT][-1])
    return _text(fields, _ATTRIBUTE_NAME), value


def _tensor(message: memoryview) -> tuple[str, npt.NDArray[Any]]:
    fields = _fields(message)
    name = _text(fields, _TENSOR_NAME)
    if fields.get(_TENSOR_LOCATION, [0])[-1]:
        raise ModelError(f"its weights {name} are in another file")
    kind = fields[_TENSOR_TYPE][-1]
    if kind not in _TYPES:
        raise ModelError(f"its weights {name} are of type {kind}")
    shape = _wholes(fields.get(_TENSOR_DIMS, []))
    if _TENSOR_RAW in fields:
        values: npt.NDArray[Any] = np.frombuffer(fields[_TENSOR_RAW][-1], _TYPES[kind])
    elif _TENSOR_FLOATS in fields:
        values = np.frombuffer(b"".join(fields[_TENSOR_FLOATS]), "<f4")
    else:
        values = np.array(_wholes(fields.get(_TENSOR_INTS, [])), np.int64).astype(_TYPES[kind])
    return name, values.reshape(shape)
