"""A model file -> one HTML file that recognises a dropped file or the microphone, with no server and no network."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from asr import files
from asr.twins.twin import Array, Twin

_HERE = Path(__file__).parent / "js"
_PARTS = ("frontend", "network", "speech", "decoder", "meaning", "recognizer")


def write(twin: Twin, target: Path) -> None:
    """Write the page of a model."""
    held = json.dumps(settings(twin), ensure_ascii=False).replace("</", "<\\/")
    page = (_HERE / "page.html").read_text("utf-8")
    page = page.replace("/*MODEL*/", f"const MODEL = {held};").replace("/*RECOGNIZER*/", script())
    files.write_text(target, page)


def script() -> str:
    """The recogniser in JavaScript, without a model."""
    return "\n".join((_HERE / f"{part}.js").read_text("utf-8") for part in _PARTS)


def settings(twin: Twin) -> dict[str, Any]:
    """All that the script needs of a model, as values of JSON."""
    return {
        "name": twin.name,
        "numbers": twin.numbers,
        "tokens": twin.card.tokenizer.tokens,
        "layers": [
            {"size": layer.hidden_size, "width": layer.inputs.shape[2], "directions": len(layer.inputs)}
            for layer in twin.network.layers
        ],
        "tables": {name: _encoded(values) for name, values in twin.tables.items()},
        "weights": {
            name: [_encoded(weights.values), None if weights.scales is None else _encoded(weights.scales)]
            for name, weights in twin.weights.items()
        },
        "sentences": twin.sentences,
    }


def _encoded(values: Array) -> list[str]:
    kind = "f4" if values.dtype.kind == "f" else values.dtype.str[1:]
    return [kind, base64.b64encode(np.ascontiguousarray(values, f"<{kind}").tobytes()).decode()]
