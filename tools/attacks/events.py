"""What a process does to files, as the interpreter's audit hooks tell it, to stop it at any of these moments."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.truncate", "os.rmdir")


def watch(folder: Path, happened: Callable[[str], None]) -> None:
    """From now on, call `happened` before each change to a file below `folder`, with its path; it cannot be undone."""
    below = str(folder)
    is_inside = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal is_inside
        if is_inside or not (event in _CHANGES or (event == "open" and arguments[2] & _WRITING)):
            return
        name = arguments[0]
        if isinstance(name, str | bytes | os.PathLike) and os.fsdecode(name).startswith(below):
            is_inside = True
            try:
                happened(os.fsdecode(name))
            finally:
                is_inside = False

    sys.addaudithook(hook)
