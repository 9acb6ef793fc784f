"""sentences.yaml in hassil's template language, Home Assistant's -> a grammar.

hassil parses the templates; what they mean for recognition is decided here. It is needed to read sentences, not to use
a model that holds them.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from asr import extras, yaml_text
from asr.errors import UserError
from asr.grammar.tree import NOTHING, Choice, Grammar, Node, Permutation, Sentences, Sequence, Slot, Text

MAX_NUMBERS = 10_000  # of one range
_GREATEST = 10**15  # of a number in words and of its value: as floats, whole numbers up to it are exact
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


def parse(text: str, name: str = "sentences") -> Grammar:
    """The grammar of the text of a file called `name`.

    Raises UserError naming file and line, the unknown rule or list, and loops.
    """
    values, node = yaml_text.load(text, name)
    lines = _lines(node)
    if not isinstance(values, dict) or not isinstance(values.get("intents"), dict) or not values["intents"]:
        raise UserError(f"{name}: it has no `intents`, a mapping from names to their sentences")
    language = values.get("language") or "en"
    if values.get("language") is False:  # YAML's no
        language = "no"
    if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):  # a file of number words is named for it
        raise UserError(f"{name}: `language` must be a code as en or pt_BR, not {str(language)[:40]!r}")
    shared = _Scope(name, lines, language, _mapping(values, "lists", name), _mapping(values, "expansion_rules", name))
    found = []
    for intent, described in values["intents"].items():
        for block in _blocks(described, str(intent), name):
            scope = shared.within(_mapping(block, "lists", name), _mapping(block, "expansion_rules", name))
            slots = tuple((str(key), value) for key, value in _mapping(block, "slots", name).items())
            for template in block["sentences"]:
                found.append(Sentences(str(intent), scope.template(template), slots))
    skip_words = values.get("skip_words") or []
    if not isinstance(skip_words, list):
        raise UserError(f"{name}: `skip_words` must be a list of words, not {skip_words!r}")
    return Grammar(tuple(found), language, tuple(str(word) for word in skip_words))


@dataclass(frozen=True)
class _Scope:
    """The lists and rules that a template may refer to."""

    name: str
    lines: dict[str, int]
    language: str
    lists: Mapping[str, Any]
    rules: Mapping[str, Any]
    open_rules: tuple[str, ...] = ()
    made: dict[str, Node] = field(default_factory=dict)

    def within(self, lists: Mapping[str, Any], rules: Mapping[str, Any]) -> "_Scope":
        """With lists and rules of a block of sentences before the shared ones."""
        if not lists and not rules:
            return self
        return _Scope(self.name, self.lines, self.language, {**self.lists, **lists}, {**self.rules, **rules})

    def template(self, template: Any) -> Node:
        """The tree of a template; raises UserError naming its line."""
        try:
            from hassil.parse_expression import parse_sentence
            from hassil.parser import ParseError
        except ModuleNotFoundError:
            raise UserError(extras.missing("reading sentences", "hassil", "sentences")) from None
        if not isinstance(template, str) or not template.strip():
            raise UserError(f"{self.name}: a sentence is text, not {template!r}")
        try:
            parsed = parse_sentence(template)
        except (ParseError, ValueError, AssertionError) as error:
            reason = str(error) or "its brackets do not match"
            raise UserError(f"{self._where(template)}: {template!r} is not a template: {reason}") from None
        return self._node(parsed.expression, template)

    def _where(self, template: str) -> str:
        line = self.lines.get(template)
        return f"{self.name}, line {line}" if line else self.name

    def _node(self, expression: Any, template: str) -> Node:
        from hassil import expression as hassil

        if isinstance(expression, hassil.TextChunk):
            return Text(expression.original_text)
        if isinstance(expression, hassil.ListReference):
            return self._list(expression, template)
        if isinstance(expression, hassil.RuleReference):
            return self._rule(expression.rule_name, template)
        items = tuple(self._node(item, template) for item in expression.items)
        if isinstance(expression, hassil.Permutation):
            return Permutation(tuple(item for item in items if item not in (NOTHING, Text(" "))))
        return Choice(items) if isinstance(expression, hassil.Alternative) else Sequence(items)

    def _rule(self, rule: str, template: str) -> Node:
        if rule in self.open_rules:
            loop = " -> ".join([*self.open_rules[self.open_rules.index(rule) :], rule])
            raise UserError(f"{self._where(template)}: the rule <{rule}> leads back to itself: {loop}")
        if rule not in self.rules:
            raise UserError(f"{self._where(template)}: unknown rule <{rule}>; {_known('rules', self.rules)}")
        if rule not in self.made:
            inner = _Scope(
                self.name, self.lines, self.language, self.lists, self.rules, (*self.open_rules, rule), self.made
            )
            self.made[rule] = inner.template(self.rules[rule])
        return self.made[rule]

    def _list(self, reference: Any, template: str) -> Node:
        where = self._where(template)
        if reference.is_inline_range:
            start, stop, step = reference.get_inline_range()
            return self._numbers(reference.slot_name, range(start, stop + 1, step or 1), 1, where)
        name = reference.list_name
        if name not in self.lists:
            raise UserError(f"{where}: unknown list {{{name}}}; {_known('lists', self.lists)}")
        described = self.lists[name]
        if not isinstance(described, dict):
            raise UserError(f"{self.name}: the list {name} must hold `values` or `range`, not {described!r}")
        if described.get("wildcard"):
            raise UserError(
                f"{where}: {{{name}}} is a wildcard, any words at all, which a closed set of sentences cannot "
                "recognise: give it values"
            )
        if "range" in described:
            limits = described["range"]
            try:
                numbers = range(int(limits["from"]), int(limits["to"]) + 1, int(limits.get("step", 1)))
                factor = float(limits.get("multiplier", 1))
                if not math.isfinite(factor):
                    raise ValueError
            except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
                raise UserError(
                    f"{self.name}: the list {name} needs a range of whole numbers, `from` and `to`"
                ) from None
            return self._numbers(reference.slot_name, numbers, factor, where)
        values = described.get("values")
        if not isinstance(values, list) or not values:
            raise UserError(f"{self.name}: the list {name} has no values")
        items = tuple(self._value(value, reference.slot_name, name) for value in values)
        return Choice(items) if len(items) > 1 else items[0]

    def _value(self, value: Any, slot: str, name: str) -> Node:
        if isinstance(value, dict):
            if "in" not in value:
                raise UserError(f"{self.name}: a value of the list {name} has no `in`: {value!r}")
            return Slot(slot, self.template(str(value["in"])), value.get("out"))
        return Slot(slot, self.template(str(value)))

    def _numbers(self, slot: str, numbers: range, factor: float, where: str) -> Node:
        """The numbers of a range: for each its words, of which a language may have several, and its value."""
        greatest = max(abs(numbers[0]), abs(numbers[-1])) if numbers else math.inf
        # In this order: the factor makes a float of a number that may be too large for one.
        if greatest > _GREATEST or greatest * abs(factor) > _GREATEST or len(numbers) > MAX_NUMBERS:
            raise UserError(f"{where}: a range must hold from 1 to {MAX_NUMBERS} numbers, none beyond {_GREATEST:.0e}")
        from hassil.numbers import get_rbnf_engine

        try:
            engine = get_rbnf_engine(self.language)
        except ValueError:
            raise UserError(f"{self.name}: numbers have no words in the language {self.language!r}") from None
        items = []
        for number in numbers:
            spoken = dict.fromkeys(engine.format_number(number).text_by_ruleset.values())
            words = tuple(Text(text) for text in spoken if not any(mark.isdigit() for mark in text))
            if not words:
                raise UserError(f"{where}: {number} has no words in the language {self.language!r}")
            value = number * factor
            items.append(Slot(slot, Choice(words), int(value) if value == int(value) else value))
        return Choice(tuple(items))


def _blocks(described: Any, intent: str, name: str) -> Iterator[dict[str, Any]]:
    """The blocks of sentences of an intent: hassil's `data`, or a list of sentences by itself."""
    if isinstance(described, list):
        described = {"data": [{"sentences": described}]}
    data = described.get("data") if isinstance(described, dict) else None
    if not isinstance(data, list) or not data:
        raise UserError(f"{name}: the intent {intent} has no `data` with `sentences`")
    for block in data:
        if not isinstance(block, dict) or not isinstance(block.get("sentences"), list) or not block["sentences"]:
            raise UserError(f"{name}: a part of the intent {intent} has no `sentences`")
        yield block


def _mapping(values: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    found = values.get(key) or {}
    if not isinstance(found, dict):
        raise UserError(f"{name}: `{key}` must be a mapping from names")
    return found


def _known(what: str, names: Mapping[str, Any]) -> str:
    return f"the {what} are {', '.join(map(str, names))}" if names else f"there are no {what}"


def _lines(node: Any) -> dict[str, int]:
    """The line of each text of a YAML document, of the first where one stands there twice."""
    found: dict[str, int] = {}
    stack = [node]
    seen: set[int] = set()
    while stack:
        at = stack.pop()
        if at is None or id(at) in seen:
            continue
        seen.add(id(at))
        if isinstance(at.value, str):
            line = at.start_mark.line + 1
            found[at.value] = min(line, found.get(at.value, line))
        else:
            for child in at.value:
                stack.extend(child if isinstance(child, tuple) else (child,))
    return found


def to_yaml(grammar: Grammar) -> str:
    """A grammar in this file format; weights of choices are lost, as templates have none."""
    import yaml

    lists: dict[str, Any] = {}
    intents: dict[str, Any] = {}
    for part in grammar.sentences:
        block: dict[str, Any] = {"sentences": [_template(part.item, lists).strip()]}
        if part.slots:
            block["slots"] = dict(part.slots)
        intents.setdefault(part.intent, {"data": []})["data"].append(block)
    values: dict[str, Any] = {"language": grammar.language, "intents": intents}
    if lists:
        values["lists"] = lists
    if grammar.skip_words:
        values["skip_words"] = list(grammar.skip_words)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def _template(node: Node, lists: dict[str, Any]) -> str:
    if isinstance(node, Text):
        return re.sub(r"([\\\[\](){}<>|;])", r"\\\1", node.text)
    if isinstance(node, Sequence):
        return "".join(_template(item, lists) for item in node.items)
    if isinstance(node, Permutation):
        return f"({';'.join(_template(item, lists) for item in node.items)})"
    if isinstance(node, Choice):
        inner = "|".join(_template(item, lists) for item in node.items if item != NOTHING)
        return f"[{inner}]" if NOTHING in node.items else f"({inner})"
    value: Any = (
        _template(node.item, lists) if node.value is None else {"in": _template(node.item, lists), "out": node.value}
    )
    for name, described in lists.items():
        if described["values"] == [value]:
            return f"{{{name}:{node.name}}}"
    name = f"{node.name}_{len(lists) + 1}"
    lists[name] = {"values": [value]}
    return f"{{{name}:{node.name}}}"
