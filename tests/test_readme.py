"""The README is true: its map is the real tree, its commands are the real doors, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from asr import recipe
from asr.data import corpus, synth

README = (REPOSITORY / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def mapped():
    """Paths of the map: indented names under folder names that end in a slash."""
    text = README.partition("## Map")[2].split("```")[1].strip("\n")
    folders: list[str] = []
    for line in text.splitlines():
        names = re.match(r"( *)((?:\S+/?,? )*?\S+)(?:  |$)", line)
        depth = len(names.group(1)) // 2
        for name in names.group(2).split(", "):
            folders[depth:] = [name]
            yield "".join(folders[: depth + 1])


def test_the_map_is_the_real_tree():
    paths = set(mapped())
    missing = {path for path in paths if not any(REPOSITORY.glob(path.rstrip("/")))}
    assert not missing
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    modules = {path for path in tracked.stdout.split() if path.startswith("asr/") and path.endswith(".py")}
    modules = {path for path in modules if not path.endswith("/__init__.py")}
    assert modules <= paths, f"not on the map: {sorted(modules - paths)}"
    top = {path.partition("/")[0] + ("/" if "/" in path else "") for path in tracked.stdout.split() if path[0] != "."}
    assert top <= {path for path in paths if path.count("/") <= 1}


def test_every_command_has_options_that_exist():
    for line in "\n".join(blocks("sh")).replace("\\\n", " ").splitlines():
        for command in re.split(r"&&|\|", line):
            words = command.split("#")[0].split()
            if not words or not words[0].startswith("asr-"):
                continue
            program = Path(sys.executable).parent / words[0]
            help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
            for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                assert option in help_text, f"{words[0]} has no {option}"
            for path in (word for word in words if word.startswith("recipes/")):
                assert (REPOSITORY / path).is_file()


def test_python_examples_compile():
    for block in blocks("python"):
        compile(block, "README.md", "exec")


def test_links_lead_somewhere():
    for document in (REPOSITORY / name for name in ("README.md", "recipes/README.md", "asr/score/README.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
            assert "://" in target or (document.parent / target).exists(), target


def test_the_sound_of_the_first_command_is_one_that_its_recipe_makes(tmp_path, monkeypatch):
    """Everything but the speaking, which changes no name."""
    command = blocks("sh")[0]
    settings = recipe.load(REPOSITORY / re.search(r"recipes/\S+\.yaml", command)[0])
    folder, sound = re.search(r"(\S+)/(test/\S+\.wav)", command).groups()
    assert settings.data.folder == folder
    monkeypatch.setattr(synth, "speak_all", lambda lines, *_, **__: [1.0] * len(lines))
    prepare = corpus.load_script(REPOSITORY / "recipes" / settings.data.prepare)
    splits = prepare(tmp_path, **settings.data.settings)
    assert str(tmp_path / sound) in {utterance.audio for utterance in splits.test}
