"""Sentences: every sample is accepted and parses to where it came from; the graph accepts nothing else."""

import gzip
import itertools
import json
import os
import subprocess
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decode.ctc_beam import BeamSearch
from asr.errors import UserError
from asr.grammar import jsgf, network, readers, rhino, rules, sample
from asr.grammar.graph import Graph
from asr.grammar.intent import Parser
from asr.grammar.tree import Choice, Grammar, Permutation, Sentences, Sequence, Slot, Text
from asr.text import TextConfig, Tokenizer

TEXT = TextConfig(alphabet="abcdefghijklmnopqrstuvwxyz' ")
LIGHTS = """
language: en
intents:
  TurnOn:
    data:
      - sentences:
          - "(turn|switch) on [the] {room} light[s]"
          - "<please> light the {room}"
        slots: {domain: light}
  Brightness:
    data:
      - sentences: ["set [the] brightness to {20..22:brightness} [percent]"]
  Order:
    - "i want (a {size}; [some] {extra})"
lists:
  room: {values: [kitchen, {in: "living room|lounge", out: living_room}]}
  size: {values: [small, large]}
  extra: {values: ["[a bit of] milk"]}
expansion_rules:
  please: "[please]"
skip_words: [um, please]
"""


NO_SENTENCES = [
    "",
    "um",
    "turn on",
    "turn on the kitchen",
    "turnon kitchen light",
    "light  the kitchen",
    " light the kitchen",
]
NO_SENTENCES += ["umlight the kitchen", "light the kitchen ", "set brightness to twenty three", "i want a small"]


def built(text, skip=True):
    grammar = rules.parse(text)
    made = network.build(grammar, TEXT)
    words = grammar.skip_words if skip else ()
    return made, Graph(made, Tokenizer(TEXT.alphabet), words), Parser(made, words)


def test_what_is_meant():
    _, graph, parse = built(LIGHTS)
    for text, intent, slots in (
        ("turn on the kitchen light", "TurnOn", {"room": "kitchen", "domain": "light"}),
        ("switch on lounge lights", "TurnOn", {"room": "living_room", "domain": "light"}),
        ("light the living room", "TurnOn", {"room": "living_room", "domain": "light"}),
        ("um please light um the kitchen", "TurnOn", {"room": "kitchen", "domain": "light"}),
        ("set brightness to twenty one", "Brightness", {"brightness": 21}),
        ("set the brightness to twenty two percent", "Brightness", {"brightness": 22}),
        ("i want a small a bit of milk", "Order", {"size": "small", "extra": "a bit of milk"}),
        ("i want some milk a large um", "Order", {"size": "large", "extra": "milk"}),
    ):
        assert graph.accepts(text), text
        meaning = parse(text)
        assert (meaning.intent, meaning.values()) == (intent, slots)
    for text in NO_SENTENCES:
        assert not graph.accepts(text), text
        assert parse(text) is None


def test_the_beam_gives_sentences_alone():
    _, graph, _ = built(LIGHTS, skip=False)
    tokenizer = Tokenizer(TEXT.alphabet)
    path = tokenizer.encode("turn on the kitchin lights ")
    log_probs = np.full((2 * len(path), len(tokenizer)), np.log(0.1 / (len(tokenizer) - 1)))
    log_probs[range(len(log_probs)), [token for each in path for token in (each, 0)]] = np.log(0.9)
    search = BeamSearch(tokenizer, constraint=graph)
    assert search(log_probs)[0].text == "turn on the kitchen lights"
    silence = np.full((20, len(tokenizer)), np.log(0.1 / (len(tokenizer) - 1)))
    silence[:, 0] = np.log(0.9)
    assert search(silence)[0].text == ""


def test_where_the_words_of_a_slot_are():
    _, _, parse = built(LIGHTS)
    text = "switch on the living room light"
    slot = next(slot for slot in parse(text).slots if slot.name == "room")
    assert text[slot.start : slot.end] == "living room"


words = st.sampled_from(["a", "b", "ab", "c"]).map(Text)
pieces = st.recursive(
    words | st.just(Text("")) | st.just(Text(" ")),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda items: Sequence(tuple(items))),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: Choice(tuple(items))),
        st.lists(inner, min_size=1, max_size=2).map(lambda items: Permutation(tuple(items))),
        st.tuples(st.sampled_from("xy"), inner).map(lambda pair: Slot(*pair)),
    ),
    max_leaves=7,
)
grammars = st.lists(pieces, min_size=1, max_size=3).map(
    lambda parts: Grammar(tuple(Sentences(f"Intent{number % 2}", part) for number, part in enumerate(parts)))
)


def expanded(node):
    """Oracle: every way to say a node, as (text with raw spaces, slots opened and closed by position)."""
    if isinstance(node, Text):
        yield node.text
    elif isinstance(node, Slot):
        yield from expanded(node.item)
    elif isinstance(node, Choice):
        for item in node.items:
            yield from expanded(item)
    else:
        orders = itertools.permutations(node.items) if isinstance(node, Permutation) else [node.items]
        joint = " " if isinstance(node, Permutation) else ""
        for order in orders:
            for parts in itertools.product(*map(list, map(expanded, order))):
                yield joint + joint.join(parts) + joint


@given(grammars)
def test_the_graph_accepts_the_sentences_and_nothing_else(grammar):
    made = network.build(grammar, TEXT)
    wanted = {" ".join(text.split()) for part in grammar.sentences for text in expanded(part.item)}
    assert sample.enumerate_sentences(made, 10**6) == wanted
    graph = Graph(made, Tokenizer(TEXT.alphabet))
    longest = min(6, max(map(len, wanted), default=0))
    for length in range(1, longest + 1):
        for letters in itertools.product("abc ", repeat=length):
            assert graph.accepts("".join(letters)) == ("".join(letters) in wanted)


@given(grammars, st.integers(0, 2**32 - 1))
def test_every_sample_is_accepted_and_means_what_it_came_from(grammar, seed):
    made = network.build(grammar, TEXT)
    graph, parse = Graph(made, Tokenizer(TEXT.alphabet)), Parser(made)
    for text, meaning in sample.samples(made, 5, np.random.default_rng(seed)):
        if not text:
            continue
        assert graph.accepts(text)
        found = parse(text)
        assert found.score >= meaning.score - 1e-9, "another path may be likelier, none less likely is taken"
        if abs(found.score - meaning.score) > 1e-9:
            continue
        others = {part.intent for part in grammar.sentences if text in map(normalised, expanded(part.item))}
        assert found.intent in others and (len(others) > 1 or found.intent == meaning.intent)


def normalised(text):
    return " ".join(text.split())


def test_a_network_goes_through_json():
    made, graph, _ = built(LIGHTS)
    again = network.from_dict(json.loads(json.dumps(network.to_dict(made))))
    words = Parser(again, ["um", "please"])
    for text, meaning in sample.samples(again, 50, np.random.default_rng(1)):
        assert graph.accepts(text) and words(text).intent == meaning.intent
    for wrong in (
        {},
        {"version": 2},
        network.to_dict(made) | {"end": -1},
        network.to_dict(made) | {"arcs": [[0, 9**9, "a", 0, 0]]},
    ):
        with pytest.raises(UserError, match="sentences of this model"):
            network.from_dict(wrong)


def test_words_that_may_be_meant():
    _, graph, _ = built(LIGHTS, skip=False)
    state = graph.START
    for character in "turn on k":
        state, _ = graph.steps(state)[Tokenizer(TEXT.alphabet).encode(character)[0]]
    assert graph.words(state) == {"kitchen"}
    assert graph.words(graph.START) == set()


def test_a_hundred_million_sentences_cost_little():
    lists = "\n".join(
        f"  l{n}: {{values: [{', '.join(f'w{chr(97 + n)}{chr(97 + i)}' for i in range(10))}]}}" for n in range(8)
    )
    text = f"intents:\n  A: ['{' '.join(f'{{l{n}}}' for n in range(8))}']\nlists:\n{lists}"
    tracemalloc.start()
    made, graph, parse = built(text)
    assert made.count_paths() == 10**8
    drawn, _ = sample.sample(made, np.random.default_rng(0))
    assert graph.accepts(drawn) and parse(drawn).values()["l0"] == drawn.split()[0]
    assert len(made.arcs) < 2000 and tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize(("text", "message"), [
    ("intents:\n  A: ['turn {rom}']", r"line 2: unknown list \{rom\}"),
    ("intents:\n  A:\n    - 'x'\n    - '<rom>'\nexpansion_rules: {room: a}", r"line 4: unknown rule <rom>; .*room"),
    ("intents:\n  A: ['<a>']\nexpansion_rules: {a: '<b>', b: '[x] <a>'}", r"<a> leads back to itself: a -> b -> a"),
    ("intents:\n  A: ['(a']", "not a template"),
    ("intents: []", "no `intents`"),
    ("a: [", "not YAML"),
    ("intents:\n  A: ['{x}']\nlists: {x: {wildcard: true}}", "wildcard"),
    ("intents:\n  A: ['{x}']\nlists: {x: {values: []}}", "no values"),
    ("intents:\n  A: ['{5..1:x}']", "range"),
    ("intents:\n  A: ['']", "a sentence is text"),
])  # fmt: skip
def test_mistakes_name_the_file_and_the_line(text, message):
    with pytest.raises(UserError, match=f"^sentences.*{message}"):
        rules.parse(text)


def test_what_the_alphabet_lacks_is_named():
    with pytest.raises(UserError, match=r"intent A: 'naïve' has the character 'ï'"):
        network.build(rules.parse("intents:\n  A: ['naïve']"), TEXT)


def test_a_language_may_be_empty_or_norwegian():
    assert [rules.parse(f"language:{code}\nintents: {{A: [a]}}").language for code in ("", " no", " pt_BR")] == [
        "en", "no", "pt_BR"]  # fmt: skip


def test_numbers_in_other_languages():
    made = network.build(rules.parse("language: de\nintents:\n  A: ['{21..21:x}']"), TEXT)
    assert sample.enumerate_sentences(made, 99) == {"einundzwanzig"}


JSGF = """#JSGF V1.0 UTF-8 en;
grammar lights; // a comment
/* another
   one */
public <command> = [<polite>] (turn | switch) <state> {state} [the] <room> {room} | /2/ stop;
<polite> = please;
<state> = on | off;
<room> = kitchen | (living room) {lounge};
"""


def test_jsgf():
    grammar = jsgf.parse(JSGF)
    made = network.build(grammar, TEXT)
    parse = Parser(made)
    assert grammar.language == "en" and grammar.intents == ["command"]
    assert parse("please turn on the living room").values() == {
        "state": "on",
        "lounge": "living room",
        "room": "living room",
    }
    assert parse("stop").intent == "command"
    assert made.count_paths() == 2**5 + 1


@pytest.mark.parametrize(("text", "message"), [
    ("#JSGF V1.0;\ngrammar a;\npublic <a> = <b>;", "line 3: unknown rule <b>"),
    ("#JSGF V1.0;\ngrammar a;\npublic <a> = x <a>;", "leads back to itself"),
    ("#JSGF V1.0;\ngrammar a;\npublic <a> = x*;", "any number of times"),
    ("#JSGF V1.0;\ngrammar a;\n<a> = x;", "no public rule"),
    ("grammar a;", "begins with #JSGF"),
    ("#JSGF V1.0;\ngrammar a;\nimport <b.*>;\npublic <a> = x;", "import"),
    ("#JSGF V1.0;\ngrammar a;\npublic <a> = (x;", r"line 3"),
])  # fmt: skip
def test_mistakes_in_jsgf(text, message):
    with pytest.raises(UserError, match=message):
        jsgf.parse(text)


RHINO = """
context:
  expressions:
    changeColor:
      - "[turn, make] (the) $room:place lights $color:color"
      - "@polite dim the lights to $pv.Percent:level"
      - "$pv.SingleDigitInteger:count lights (please)"
  slots:
    room: [kitchen, living room]
    color: [red, blue]
  macros:
    polite: [please, would you]
"""


def test_rhino():
    grammar = rhino.parse(RHINO)
    parse = Parser(network.build(grammar, TEXT))
    assert parse("make kitchen lights blue").values() == {"place": "kitchen", "color": "blue"}
    assert parse("turn the living room lights red").intent == "changeColor"
    assert parse("would you dim the lights to twenty percent").values() == {"level": 20}
    assert parse("three lights please").values() == {"count": 3}
    assert parse("dim the lights to twenty percent") is None


@pytest.mark.parametrize(("text", "message"), [
    ("context: {expressions: {a: ['$x:y']}}", r"unknown slot \$x"),
    ("context: {expressions: {a: ['@x']}}", "unknown macro @x"),
    ("context: {expressions: {a: ['[a, b']}}", "brackets"),
    ("{}", "no `context`"),
])  # fmt: skip
def test_mistakes_in_rhino(text, message):
    with pytest.raises(UserError, match=message):
        rhino.parse(text)


@pytest.mark.parametrize(("read", "text"), [(jsgf.parse, JSGF), (rhino.parse, RHINO), (rules.parse, LIGHTS)])
def test_a_grammar_written_as_yaml_is_the_same(read, text):
    grammar = read(text)
    again = rules.parse(rules.to_yaml(grammar))
    one, other = (network.build(each, TEXT) for each in (grammar, again))
    assert sample.enumerate_sentences(one, 10**6) == sample.enumerate_sentences(other, 10**6)
    parses = [Parser(each, grammar.skip_words) for each in (one, other)]
    for text, _ in sample.samples(one, 30, np.random.default_rng(3)):
        assert parses[0](text).values() == parses[1](text).values()


@pytest.mark.parametrize("text", [JSGF, RHINO, LIGHTS])
def test_the_text_of_a_file_tells_its_format(tmp_path, text):
    """Whatever the file is called, with a byte-order mark or gzipped; a named pipe can be read only once."""
    parse = {JSGF: jsgf.parse, RHINO: rhino.parse, LIGHTS: rules.parse}[text]
    (tmp_path / "plain").write_text(text)
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "packed").write_bytes(gzip.compress(text.encode()))
    for name in ("plain", "marked", "packed"):
        assert readers.read(tmp_path / name) == parse(text)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,))
    writer.start()
    assert readers.read(tmp_path / "pipe") == parse(text)
    writer.join()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (LIGHTS.encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"intents:\n  A: ['na\xefve']\n", "line 2: not UTF-8"),
        (b"#" * (readers.MAX_BYTES + 1), "more than 16 MiB"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, reason):
    (tmp_path / "lights.yaml").write_bytes(data)
    with pytest.raises(UserError, match=reason):
        readers.read(tmp_path / "lights.yaml")


def run(*arguments, stdin=None):
    done = subprocess.run(["asr-sentences", *map(str, arguments)], input=stdin, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command(tmp_path):
    (tmp_path / "lights.yaml").write_text(LIGHTS)
    (tmp_path / "lights.jsgf").write_text(JSGF)
    (tmp_path / "rhino.yml").write_text(RHINO)
    code, out, _ = run("check", tmp_path / "lights.yaml", "--format", "json")
    assert code == 0 and json.loads(out)["intents"] == ["TurnOn", "Brightness", "Order"]
    for name in ("lights.jsgf", "rhino.yml"):
        assert run("convert", tmp_path / name, tmp_path / "out.yaml")[0] == 0
        before, after = (run("check", path)[1] for path in (tmp_path / name, tmp_path / "out.yaml"))
        assert before.partition(" ")[0] == after.partition(" ")[0], "as many sentences"
    code, out, _ = run("sample", tmp_path / "lights.yaml", "-n", 5, "--format", "json")
    texts = [json.loads(line)["text"] for line in out.splitlines()]
    assert code == 0 and len(texts) == 5
    code, out, _ = run("parse", tmp_path / "lights.yaml", stdin="\n".join(texts))
    assert code == 0 and len(out.splitlines()) == 5
    code, out, _ = run("parse", tmp_path / "lights.yaml", "turn on nothing")
    assert code == 1 and "no sentence of" in out
    code, _, err = run("check", tmp_path / "none.yaml")
    assert code == 2 and err.count("\n") == 1 and "no such file of sentences" in err
