"""A file of sentences of any known format -> a grammar."""

from pathlib import Path

from asr.errors import UserError
from asr.grammar import jsgf, rhino, rules
from asr.grammar.tree import Grammar


def read(path: str | Path) -> Grammar:
    """The grammar of a file, whose format its name and content tell; raises UserError naming file and line."""
    path = Path(path)
    if path.suffix.lower() in (".jsgf", ".gram"):
        return jsgf.read(path)
    try:
        head = path.read_bytes()[:4096].decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of sentences") from None
    if head.lstrip().startswith("#JSGF"):
        return jsgf.read(path)
    if any(line.startswith("context:") for line in head.splitlines()):
        return rhino.read(path)
    return rules.read(path)
