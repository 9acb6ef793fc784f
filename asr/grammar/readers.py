"""A file of sentences of any known format -> a grammar."""

from pathlib import Path

from asr import files
from asr.errors import UserError
from asr.grammar import jsgf, rhino, rules
from asr.grammar.tree import Grammar

MAX_BYTES = 16 << 20


def read(path: str | Path) -> Grammar:
    """The grammar of a file, a named pipe, or `-` for standard input, whose format its name and its text tell.

    Raises UserError naming file and line.
    """
    text = files.read_text(path, kind="file of sentences", max_bytes=MAX_BYTES).removeprefix("\ufeff")
    name = files.shown(path)
    try:
        if Path(path).suffix.lower() in (".jsgf", ".gram") or text.lstrip().startswith("#JSGF"):
            return jsgf.parse(text, name)
        if any(line.startswith("context:") for line in text.splitlines()):
            return rhino.parse(text, name)
        return rules.parse(text, name)
    except RecursionError:
        raise UserError(f"{name}: brackets within brackets, hundreds deep") from None
