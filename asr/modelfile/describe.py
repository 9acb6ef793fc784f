"""The model card for people: what a model file says of itself, as a tree of plain values and as text."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from asr.modelfile import graph, session
from asr.modelfile.layers import OtherNetwork, stacks


def describe(path: Path) -> dict[str, Any]:
    """What is in a model file, by part; raises ModelError naming it."""
    _, card = session.load(path, runtime="numpy")
    read = graph.read(path.read_bytes())
    sizes = [values.size for values in read.constants.values() if values.dtype.kind == "f" or values.dtype == "int8"]
    recipe = card.recipe
    try:
        layers = [
            f"{len(layer.inputs)} x {layer.hidden_size} units" for stack in stacks(read) for layer in stack.layers
        ]
    except OtherNetwork:
        layers = []
    return {
        "file": {"name": path.name, "bytes": path.stat().st_size, "precision": card.precision, "weights": sum(sizes)},
        "network": {"operators": sorted({node.operator for node in read.nodes}), "layers": layers},
        "alphabet": card.text.alphabet,
        "front end": asdict(card.features),
        "recognition": asdict(card.recognition),
        "decoders tuned": {kind: asdict(tuning) for kind, tuning in card.tuning.items()},
        "sentences": card.sentences is not None,
        "task": card.task,
        "origin": {"recipe": recipe.get("name", ""), "version": card.version, "commit": card.commit},
        "training data": recipe.get("data", {}),
    }


def to_text(description: dict[str, Any]) -> str:
    """One value a line, parts apart."""
    lines = []
    for part, values in description.items():
        if isinstance(values, dict):
            lines += [part, *(f"  {name}: {_plain(value)}" for name, value in values.items())]
        else:
            lines.append(f"{part}: {_plain(values)}")
    return "\n".join(lines)


def to_markdown(description: dict[str, Any]) -> str:
    """A page with one table for each part."""
    lines = [f"# {description['file']['name']}"]
    for part, values in description.items():
        rows = values.items() if isinstance(values, dict) else [(part, values)]
        lines += ["", f"## {part.capitalize()}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {_cell(value)} |" for name, value in rows]
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={_plain(inner)}" for name, inner in value.items())
    return str(value)


def _cell(value: Any) -> str:
    return _plain(value).replace("|", "\\|").replace("\n", " ")
