"""JSGF 1.0, the grammar format of Java Speech and PocketSphinx -> a grammar.

Each public rule is an intent. A tag behind a part names the slot that its words fill, `{size}`, or gives it a value,
`{size=2}`. What is repeated any number of times (`*`, `+`) is refused: a sentence has an end.
"""

import re
from collections.abc import Mapping

from asr.errors import UserError
from asr.grammar.tree import NOTHING, Choice, Grammar, Node, Sentences, Sequence, Slot, Text

_TOKEN = re.compile(
    r'\s+|"[^"]{0,999}"|/[^/]{0,99}/|\{(?:\\.|[^}]){0,999}\}|<[^>]{0,999}>|[()\[\]|;=*+]|[^\s()\[\]|;={}<>*+/"]+|.',
    re.DOTALL,
)


def parse(text: str, name: str = "grammar") -> Grammar:
    """The grammar of the text of a file called `name`; raises UserError naming file and line."""
    header = re.match(r"\s*#JSGF\s+V?1\.0\s*([^;]*);", text)
    if not header:
        raise UserError(f"{name}: a JSGF grammar begins with #JSGF V1.0;")
    language = next((word for word in header[1].split() if re.fullmatch(r"[a-z]{2}(-[A-Za-z]+)?", word)), "en")
    blank = re.sub(r"/\*.*?\*/|//[^\n]*", lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL)
    reader = _Reader(name, blank, header.end())
    rules, public = reader.rules()
    if not public:
        raise UserError(f"{name}: there is no public rule: write `public` before one")
    resolver = _Resolver(name, rules)
    return Grammar(tuple(Sentences(rule, resolver.rule(rule, 0)) for rule in public), language)


class _Reference(str):
    """The name of a rule, and the line where it is referred to."""

    line: int


_Parsed = Node | _Reference | tuple[object, ...]


class _Reader:
    """Reads rules token by token; what they refer to is not looked up yet."""

    def __init__(self, name: str, text: str, start: int) -> None:
        self.name = name
        self.tokens: list[tuple[str, int]] = []
        line = text.count("\n", 0, start) + 1
        for match in _TOKEN.finditer(text, start):
            if not match[0].isspace():
                self.tokens.append((match[0], line))
            line += match[0].count("\n")
        self.at = 0

    def fail(self, message: str) -> UserError:
        line = self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 1
        return UserError(f"{self.name}, line {line}: {message}")

    def next(self, wanted: str | None = None) -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise self.fail(f"{token or 'the end of the file'} where {wanted or 'more'} was expected")
        self.at += 1
        return token

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def rules(self) -> tuple[dict[str, _Parsed], list[str]]:
        rules: dict[str, _Parsed] = {}
        public: list[str] = []
        while self.peek():
            token = self.next()
            if token == "grammar":
                self.next()
                self.next(";")
                continue
            if token == "import":
                raise self.fail("import is not known: put the rules into this file")
            is_public = token == "public"
            rule = self.next() if is_public else token
            if not re.fullmatch(r"<[^<>]+>", rule):
                raise self.fail(f"{rule} where a rule, <name> = ...;, was expected")
            self.next("=")
            rules[rule[1:-1]] = self.choice()
            self.next(";")
            if is_public:
                public.append(rule[1:-1])
        return rules, public

    def choice(self) -> _Parsed:
        items: list[_Parsed] = []
        weights: list[float] = []
        while True:
            weight = 1.0
            if re.fullmatch(r"/[^/]*/", self.peek()):
                weight = self.weight(self.next())
            items.append(self.sequence())
            weights.append(weight)
            if self.peek() != "|":
                break
            self.next()
        if len(items) == 1:
            return items[0]
        return ("choice", items, tuple(weights) if set(weights) != {1.0} else ())

    def weight(self, token: str) -> float:
        try:
            weight = float(token.strip("/"))
        except ValueError:
            weight = 0.0
        if not 0 < weight < 1e9:
            raise self.fail(f"{token} is no weight: give a number above 0")
        return weight

    def sequence(self) -> _Parsed:
        items: list[_Parsed] = []
        while (token := self.peek()) and token not in ("|", ";", ")", "]"):
            items.append(self.item())
        if not items:
            raise self.fail("an empty part")
        return ("sequence", items)

    def item(self) -> _Parsed:
        token = self.next()
        item: _Parsed
        if token == "(":
            item = self.choice()
            self.next(")")
        elif token == "[":
            item = ("choice", [self.choice(), NOTHING], ())
            self.next("]")
        elif token.startswith("<") and token.endswith(">") and len(token) > 2:
            item = self.reference(token[1:-1])
        elif re.match(r'[^()\[\]|;=*+{}/<>"]|".', token):
            item = Text(token.strip('"'))
        else:
            self.at -= 1
            raise self.fail(f"{token} where a word was expected")
        while self.peek() and self.peek()[0] in "*+{":
            if self.peek() in "*+":
                raise self.fail("what is repeated any number of times cannot be a sentence: write it out")
            item = ("tag", self.next()[1:-1].strip(), item)
        return item

    def reference(self, rule: str) -> _Parsed:
        if rule == "NULL":
            return NOTHING
        if rule == "VOID":
            raise self.fail("<VOID> can never be spoken: leave the part out")
        reference = _Reference(rule)
        reference.line = self.tokens[self.at - 1][1]
        return reference


class _Resolver:
    """Resolves what rules refer to."""

    def __init__(self, name: str, rules: Mapping[str, _Parsed]) -> None:
        self.name = name
        self.parsed = rules
        self.made: dict[str, Node] = {}
        self.open_rules: list[str] = []

    def rule(self, rule: str, line: int) -> Node:
        if rule in self.open_rules:
            loop = " -> ".join([*self.open_rules[self.open_rules.index(rule) :], rule])
            raise UserError(f"{self.name}, line {line}: the rule <{rule}> leads back to itself: {loop}")
        if rule not in self.parsed:
            known = ", ".join(self.parsed)
            raise UserError(f"{self.name}, line {line}: unknown rule <{rule}>; the rules are {known}")
        if rule not in self.made:
            self.open_rules.append(rule)
            self.made[rule] = self.node(self.parsed[rule])
            self.open_rules.pop()
        return self.made[rule]

    def node(self, parsed: object) -> Node:
        if isinstance(parsed, _Reference):
            return self.rule(str(parsed), parsed.line)
        if isinstance(parsed, tuple) and parsed[0] == "tag":
            name, equals, value = str(parsed[1]).partition("=")
            return Slot(name.strip(), self.node(parsed[2]), value.strip() if equals else None)
        if isinstance(parsed, tuple):
            assert isinstance(parsed[1], list)
            items = [self.node(item) for item in parsed[1]]
            if parsed[0] == "choice":
                return Choice(tuple(items), parsed[2])
            spaced = [node for item in items for node in (item, Text(" "))]
            return Sequence((Text(" "), *spaced))
        assert isinstance(parsed, Text)
        return parsed
