"""Rhino's context YAML, Picovoice's -> a grammar.

There `[a, b]` is a choice, `(a)` is optional, `$slot:name` fills the slot `name`, and `@macro` stands for one of
its phrases; `$pv.Percent:name` and its like are numbers in words.
"""

import re
from collections.abc import Mapping
from typing import Any

from asr import yaml_text
from asr.errors import UserError
from asr.grammar import rules
from asr.grammar.tree import Grammar

_TOKEN = re.compile(r"\s+|[\[\](),]|[$@][\w.]+(?::\w+)?|[^\s\[\](),$@]+|.")
# Built-in slots -> hassil's ranges, and what is spoken behind the number.
_NUMBERS = {
    "pv.SingleDigitInteger": ("0..9", ""),
    "pv.TwoDigitInteger": ("0..99", ""),
    "pv.Percent": ("0..100", " percent"),
}


def parse(text: str, name: str = "context") -> Grammar:
    """The grammar of the text of a file called `name`.

    Raises UserError naming the file, the expression and the unknown slot or macro.
    """
    return rules.parse(convert(text, name), name)


def convert(text: str, name: str = "context") -> str:
    """A context as sentences.yaml; raises UserError as `parse` does."""
    import yaml

    values, _ = yaml_text.load(text, name)
    context = values.get("context") if isinstance(values, dict) else None
    if not isinstance(context, dict) or not isinstance(context.get("expressions"), dict):
        raise UserError(f"{name}: it has no `context` with `expressions`")
    expressions, slots, macros = (_lists(context, key, name) for key in ("expressions", "slots", "macros"))
    writer = _Writer(name, slots, macros)
    intents = {
        intent: {"data": [{"sentences": [writer.template(line) for line in lines]}]}
        for intent, lines in expressions.items()
    }
    converted = {
        "language": "en",
        "intents": intents,
        "lists": {slot: {"values": [writer.template(value) for value in values]} for slot, values in slots.items()},
        "expansion_rules": {
            macro: f"({'|'.join(writer.template(value) for value in values)})" for macro, values in macros.items()
        },
    }
    return yaml.safe_dump(
        {key: value for key, value in converted.items() if value}, sort_keys=False, allow_unicode=True
    )


def _lists(context: Mapping[str, Any], key: str, name: str) -> dict[str, list[str]]:
    """What a key of a context holds: lists of texts by name; raises UserError for anything else."""
    values = context.get(key) or {}
    if not isinstance(values, dict) or not all(isinstance(texts, list) for texts in values.values()):
        raise UserError(f"{name}: `{key}` must be a mapping from names to lists")
    return {str(one): [str(text) for text in texts] for one, texts in values.items()}


class _Writer:
    """Writes Rhino's expressions in hassil's templates."""

    def __init__(self, name: str, slots: Mapping[str, Any], macros: Mapping[str, Any]) -> None:
        self.name, self.slots, self.macros = name, slots, macros

    def template(self, line: str) -> str:
        """An expression in the other language."""
        written, closing = "", []
        for token in _TOKEN.findall(line):
            if token in "[(":
                written += "(" if token == "[" else "["
                closing.append("]" if token == "[" else ")")
            elif token in "])":
                if not closing or closing.pop() != token:
                    raise self._fail(line, "its brackets do not match")
                written += ")" if token == "]" else "]"
            elif token == ",":
                written += "|" if closing and closing[-1] == "]" else " "
            elif token[0] == "$":
                written += self._slot(token, line)
            elif token[0] == "@":
                if token[1:] not in self.macros:
                    raise self._fail(line, f"unknown macro {token}; the macros are {', '.join(self.macros) or 'none'}")
                written += f"<{token[1:]}>"
            else:
                written += re.sub(r"([\\{}<>|;])", r"\\\1", token)
        if closing:
            raise self._fail(line, "its brackets do not match")
        return re.sub(r"\s*\|\s*", "|", re.sub(r"\s+", " ", written)).strip()

    def _slot(self, token: str, line: str) -> str:
        kind, _, slot = token[1:].partition(":")
        if kind in _NUMBERS:
            numbers, unit = _NUMBERS[kind]
            return f"{{{numbers}:{slot or kind.rpartition('.')[2]}}}{unit}"
        if kind not in self.slots:
            known = ", ".join([*self.slots, *_NUMBERS])
            raise self._fail(line, f"unknown slot ${kind}; the slots are {known}")
        return f"{{{kind}:{slot or kind}}}"

    def _fail(self, line: str, message: str) -> UserError:
        return UserError(f"{self.name}: {line!r}: {message}")
