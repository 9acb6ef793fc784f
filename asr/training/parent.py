"""The model that a training begins with: which file it is."""

import re
from pathlib import Path

from asr.errors import UserError
from asr.features import FeatureConfig
from asr.modelfile.locate import SHIPPED, model_file
from asr.network.encoder import ModelConfig
from asr.network.onnx_graph import read
from asr.training.recipe import Recipe


def find_parent(settings: Recipe) -> Path | None:
    """The file of the model to begin with, if there is one; `digits` and `english` name those of the package.

    Of several of one name it is the one of the same shape. Raises UserError where there is none.
    """
    init_from = settings.train.init_from
    if not init_from:
        return None
    found = sorted(SHIPPED.parent.glob(f"{init_from}*.onnx")) if re.fullmatch("[a-z_]+", init_from) else []
    if len(found) < 2 or Path(init_from).exists():
        return model_file(init_from)
    wanted, shapes = _shape(settings.model, settings.features), []
    for path in found:
        card = read(path)[1]
        shapes.append(_shape(ModelConfig(**card.recipe["model"]), card.features))
        if shapes[-1] == wanted:
            return path
    described = " or ".join(
        f"{layers} {cell} layers of {units} units and {inputs} inputs" for units, layers, inputs, cell, *_ in shapes
    )
    raise UserError(
        f"train.init_from={init_from}: the models of that name have {described}, the recipe has {wanted[1]} of "
        f"{wanted[0]} and {wanted[2]}: set model.cell, hidden_size, features.num_cepstra, deltas and stack as in one "
        "of them"
    )


def _shape(model: ModelConfig, features: FeatureConfig) -> tuple[int, int, int, str, bool, int]:
    """Units, layers, inputs and so on: what two networks have in common where one can begin with the other."""
    return (
        model.hidden_size,
        model.num_layers,
        features.num_features,
        model.cell,
        model.bidirectional,
        model.projection,
    )
