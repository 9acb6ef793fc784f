"""The two PyTorch files of a run: its state, to resume it, and the weights that it keeps."""

from pathlib import Path
from typing import Any

import torch

from asr import files
from asr.errors import UserError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a PyTorch file whole or not at all."""
    with files.whole(path) as part:
        torch.save(state, part)


def load_state(path: Path) -> dict[str, Any]:
    """Read a PyTorch file without running any code in it; raises UserError naming it."""
    import pickle

    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = (str(error) or "empty").splitlines()[0]
        raise UserError(f"{path}: not a checkpoint: {reason}") from None
    return state
