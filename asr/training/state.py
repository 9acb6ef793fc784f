"""The two PyTorch files of a run: its state, to resume it, and the weights that it keeps."""

import io
from pathlib import Path
from typing import Any

import torch

from asr import files
from asr.errors import UserError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a PyTorch file whole or not at all; an OSError names it, also where PyTorch's own would name nothing."""
    # In memory first: where a disk is full torch.save raises a RuntimeError about positions in its archive.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with files.whole(path) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """Read a PyTorch file without running any code in it; raises UserError naming it."""
    import pickle

    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, KeyError, EOFError, OSError):
        # PyTorch's own words are about its archives, and recommend to load what is not trusted.
        state = None
    if not isinstance(state, dict):
        raise UserError(
            f"{path}: not a checkpoint, or a damaged one, and nothing can be resumed from it; begin again in another "
            "run_dir, with train.init_from=MODEL.onnx where the run has a model"
        )
    return state
