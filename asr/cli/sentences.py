"""`asr-sentences`: look at a file of sentences, draw from it, parse texts with it, and convert other formats to it."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asr.cli.exits import run_command
from asr.cli.options import add_format, new_parser, positive, whole
from asr.cli.output import check_folder, print_json
from asr.errors import UserError
from asr.files import write_text

if TYPE_CHECKING:
    from asr.grammar.network import Network
    from asr.grammar.tree import Grammar
    from asr.text import TextConfig

_INPUT = "hassil's YAML, JSGF (.jsgf, .gram) or a context of Rhino (.yml or .yaml with `context`)"


def main() -> NoReturn:
    """`asr-sentences`."""
    parser = new_parser("asr-sentences", "Check, sample, parse and convert files of sentences with intents and slots.")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, description in (
        ("check", "count sentences, words, intents and slots, and name what cannot be used"),
        ("sample", "draw sentences"),
        ("parse", "find the intent and the slots of texts"),
        ("convert", "write a file of sentences in hassil's YAML"),
    ):
        action = actions.add_parser(name, help=description, description=f"{description[0].upper()}{description[1:]}.")
        action.add_argument("sentences", type=Path, metavar="SENTENCES", help=_INPUT)
        if name == "sample":
            action.add_argument("--count", "-n", type=positive, default=20, metavar="N", help="default 20")
            action.add_argument("--seed", type=whole, default=0, metavar="N", help="default 0")
        elif name == "parse":
            action.add_argument(
                "texts", nargs="*", metavar="TEXT", help="a sentence (default: lines of standard input)"
            )
        elif name == "convert":
            action.add_argument("output", type=Path, metavar="OUTPUT.yaml", help="the file to write")
        if name != "convert":
            action.add_argument(
                "--alphabet", metavar="LETTERS", help="of the recogniser (default: the letters of the sentences)"
            )
            add_format(action, "text", "json")
    run_command(_sentences, parser.parse_args())


def _sentences(arguments: argparse.Namespace) -> int:
    from asr.grammar import network, readers

    grammar = readers.read(arguments.sentences)
    if arguments.action == "convert":
        return _convert(grammar, arguments.output)
    from asr.grammar.compiled import spelling
    from asr.text import TextConfig

    text = TextConfig(alphabet=arguments.alphabet) if arguments.alphabet else spelling(grammar)
    try:
        built = network.build(grammar, text)
    except UserError as error:
        raise UserError(f"{arguments.sentences}: {error}") from None
    if arguments.action == "check":
        return _check(grammar, built, arguments)
    if arguments.action == "sample":
        return _sample(built, arguments)
    return _parse(grammar, built, text, arguments)


def _convert(grammar: "Grammar", output: Path) -> int:
    from asr.grammar import rules

    check_folder(output)
    write_text(output, rules.to_yaml(grammar))
    return 0


def _check(grammar: "Grammar", built: "Network", arguments: argparse.Namespace) -> int:
    from asr.grammar.sample import perplexity
    from asr.grammar.tree import slots, texts

    words = {word for part in grammar.sentences for text in texts(part.item) for word in text.split()}
    names = {name for part in grammar.sentences for name in slots(part.item)}
    found = {
        "sentences": built.count_paths(),
        "perplexity": round(perplexity(built), 1),
        "intents": grammar.intents,
        "slots": sorted(names),
        "words": len(words),
        "states": len(built.arcs),
    }
    if arguments.format == "json":
        print_json(found)
        return 0
    print(
        f"{found['sentences']:,} sentences of {len(words)} words and parts of words, perplexity {found['perplexity']:,}"
    )
    print(f"intents: {', '.join(grammar.intents)}\nslots: {', '.join(sorted(names)) or 'none'}")
    return 0


def _sample(built: "Network", arguments: argparse.Namespace) -> int:
    import numpy as np

    from asr.grammar.sample import samples

    for text, meaning in samples(built, arguments.count, np.random.default_rng(arguments.seed)):
        if arguments.format == "json":
            print(json.dumps({"text": text, "intent": meaning.intent, "slots": meaning.values()}, ensure_ascii=False))
        else:
            print(text)
    return 0


def _parse(grammar: "Grammar", built: "Network", text: "TextConfig", arguments: argparse.Namespace) -> int:
    from asr.grammar.intent import Parser

    parse = Parser(built, grammar.skip_words)
    failed = 0
    for line in arguments.texts or sys.stdin:
        words = text.normalise(line)
        meaning = parse(words)
        failed += meaning is None
        if arguments.format == "json":
            intent, values = (meaning.intent, meaning.values()) if meaning else (None, {})
            print(json.dumps({"text": words, "intent": intent, "slots": values}, ensure_ascii=False))
        elif meaning:
            filled = " ".join(f"{name}={value!r}" for name, value in meaning.values().items())
            print(f"{words}\t{meaning.intent}\t{filled}")
        else:
            print(f"{words}\tno sentence of {arguments.sentences}")
    return 1 if failed else 0
