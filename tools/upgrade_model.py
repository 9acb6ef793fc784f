"""Rewrite the metadata of models of format 1 as format 2, in which recognition has settings of its own.

python tools/upgrade_model.py MODEL.onnx ...

The weights stay as they are. Format 1 is that of models trained before November 27, 2026.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from asr import files
from asr.endpointing import SpeechConfig
from asr.modelfile.card import FORMAT, ModelCard, ModelError

MOVED = {"tracts": "vtln_warps", "edge_ms": "noise_pad_ms", "pause_ms": "min_silence_ms"}

_LATER = {"tuning": "{}", "timing": "{}", "precision": '"float32"'}
"""What the oldest models of format 1 lack."""


def moved(settings: dict[str, Any]) -> dict[str, Any]:
    """Take what is now in a section `recognition` out of the settings of features."""
    return {new: settings.pop(old) for old, new in MOVED.items() if old in settings}


def upgrade(metadata: dict[str, str]) -> ModelCard:
    """The card of metadata in format 1; raises ModelError where they are of another."""
    if "features" not in metadata or "speech" in metadata:
        raise ModelError(f"not of format 1: format {metadata.get('format', 'unknown')}")
    features, recipe = json.loads(metadata["features"]), json.loads(metadata["recipe"])
    recognition = moved(features) or json.loads(metadata.get("recognition", "{}"))
    if "features" in recipe:
        recipe.setdefault("recognition", moved(recipe["features"]))
    return ModelCard.from_metadata(
        {
            **_LATER,
            **metadata,
            "format": str(FORMAT),
            "features": json.dumps(features),
            "recognition": json.dumps(recognition),
            "speech": json.dumps(asdict(SpeechConfig())),
            "recipe": json.dumps(recipe),
        }
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.onnx")
    for path in parser.parse_args().models:
        model = onnx.load_model_from_string(path.read_bytes())
        try:
            card = upgrade({item.key: item.value for item in model.metadata_props})
        except ModelError as error:
            sys.exit(f"{path}: {error}")
        onnx.helper.set_model_props(model, card.to_metadata())
        files.write_bytes(path, model.SerializeToString())
        print(f"{path}: format {FORMAT}")


if __name__ == "__main__":
    main()
