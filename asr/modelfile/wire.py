"""What a model file asks a machine to do, read from its bytes before anybody does it, and refused where it is not ours.

ONNX files are protocol buffers (onnx.proto). Of those, this reads operators and constants alone, so that it needs no
package: a graph of the operators that this package writes, each constant in the file itself and finite, nothing that
repeats, branches or grows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asr.errors import UserError

MAX_BYTES = 1 << 29  # of a model file
MAX_NODES = 1000
_CELLS = {"LSTM", "GRU", "RNN"}
OPERATORS = {"Cast", "Transpose", "Reshape", "MatMul", "Add", "LogSoftmax", "Identity", "Mean"} | _CELLS
OPERATORS |= {"Mul"}  # of 8-bit weights and their scales
"""What graphs are made of."""
_FLOAT, _DOUBLE, _FLOAT16 = 1, 11, 10  # TensorProto.DataType


class WireError(UserError):
    """A model file that is damaged or not ours; the message is one sentence without the file's name."""


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: Sequence[str]
    outputs: Sequence[str]


def check(data: bytes) -> None:
    """Raise WireError unless a model file of these bytes can be run: see above."""
    if len(data) > MAX_BYTES:
        raise WireError(f"larger than {MAX_BYTES >> 20} MiB")
    try:
        _check_model(memoryview(data))
    except (IndexError, ValueError, UnicodeDecodeError):
        raise WireError("not an ONNX model, or a damaged one") from None


def _check_model(model: memoryview) -> None:
    graphs = []
    for number, value in fields(model):
        if number == 25:
            raise WireError("it defines operators of its own")
        if number == 7:
            graphs.append(as_bytes(value))
    if len(graphs) != 1:
        raise WireError("not an ONNX model, or a damaged one")
    nodes: list[_Node] = []
    axes: dict[str, int] = {}
    for number, value in fields(graphs[0]):
        if number == 1:
            nodes.append(_node(as_bytes(value)))
        elif number == 5:
            name, num_axes = _constant(as_bytes(value))
            axes[name] = num_axes
        elif number == 15:
            raise WireError("it holds sparse constants")
        if len(nodes) > MAX_NODES:
            raise WireError(f"it has more than {MAX_NODES} operators")
    _check_growth(nodes, axes)


def _check_growth(nodes: Sequence[_Node], axes: Mapping[str, int]) -> None:
    """Nothing may be spread over another thing of its own size: what comes of a sound is no more than weights allow."""
    axes, whole = dict(axes), dict[str, int]()
    for node in nodes:
        constants = [axes[name] for name in node.inputs if name in axes]
        if node.operator == "Cast" and constants:
            whole[node.outputs[0]] = constants[0]
        if node.operator == "Mul" and whole.keys() & set(node.inputs):  # by their scales
            constants += [whole[name] for name in node.inputs if name in whole]
            axes[node.outputs[0]] = max(constants)
        is_bounded = {
            "Add": 1 in constants,
            "MatMul": 2 in constants,
            "Mul": len(constants) == 2,
            "Reshape": 1 in constants,
        }.get(node.operator, len(constants) >= 2 if node.operator in _CELLS else True)
        if not is_bounded:
            raise WireError(f"its {node.operator} has no constant beside what it is given, as no model of this package")


def _node(node: memoryview) -> _Node:
    inputs: list[str] = []
    outputs: list[str] = []
    operator = ""
    for number, value in fields(node):
        if number in (1, 2):
            (inputs if number == 1 else outputs).append(as_text(value))
        elif number == 4:
            operator = as_text(value)
        elif number == 5:
            for inner, _ in fields(as_bytes(value)):
                if inner in (5, 6, 10, 11, 22, 23):  # tensors and graphs
                    raise WireError(f"its operator {operator[:40]!r} holds a graph or a tensor of its own")
    if operator not in OPERATORS:
        raise WireError(f"the operator {operator[:40]!r} is none that models of this package have")
    return _Node(operator, inputs, outputs)


def _constant(tensor: memoryview) -> tuple[str, int]:
    """The name of a constant, and how many axes it has."""
    name, num_axes, kind, floats, raw = "", 0, 0, [], memoryview(b"")
    for number, value in fields(tensor):
        if number == 1:
            num_axes += 1 if isinstance(value, int) else sum(1 for _ in varints(value))
        elif number == 2:
            kind = as_int(value)
        elif number == 8:
            name = as_text(value)
        elif number == 4:
            floats.append(np.frombuffer(as_bytes(value), "<f4"))
        elif number == 9:
            raw = as_bytes(value)
        elif number == 13 or (number == 14 and value):
            raise WireError("its weights are in another file")
    if kind == _FLOAT:
        floats.append(np.frombuffer(raw, "<f4"))
    if kind in (_DOUBLE, _FLOAT16) or not all(np.isfinite(values).all() for values in floats):
        raise WireError(f"its weights {name[:40]!r} are not finite numbers of 32 bits")
    return name, num_axes


def fields(message: memoryview) -> Iterator[tuple[int, "int | memoryview"]]:
    """(number, value) of each field of a message; an int where it is one. Raises ValueError or IndexError."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}[kind] if kind in (1, 5) else -1
        if size < 0 or at + size > len(message) or not number:
            raise ValueError
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of 64 bits, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError


def varints(packed: memoryview) -> Iterator[int]:
    """Numbers one behind the other."""
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def as_bytes(value: "int | memoryview") -> memoryview:
    """What is no number; raises ValueError for one."""
    if isinstance(value, int):
        raise ValueError
    return value


def as_int(value: "int | memoryview") -> int:
    """A number; raises ValueError for all else."""
    if not isinstance(value, int):
        raise ValueError
    return value


def as_text(value: "int | memoryview") -> str:
    """Text; raises ValueError where it is none."""
    return bytes(as_bytes(value)).decode("utf-8")
