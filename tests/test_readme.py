"""The README is true: the map has every room, commands have their options, its links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from conftest import REPOSITORY

from asr import audio
from asr.data import corpus
from asr.synthesis import speak
from asr.training import recipe

PAGES = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("recipes/*.md"), *REPOSITORY.glob("asr/**/*.md")]
README = (REPOSITORY / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_room_is_on_the_map():
    """A room is a folder or a module directly below asr/."""
    text = (REPOSITORY / "asr" / "README.md").read_text("utf-8").partition("\nasr/\n")[2].partition("```")[0]
    rooms = {line.split()[0].rstrip("/") for line in text.splitlines()}
    there = {path.name for path in (REPOSITORY / "asr").iterdir() if path.name[0] != "." and path.name != "__pycache__"}
    assert there <= rooms, f"asr/README.md has no line for {sorted(there - rooms)}"


@cache
def help_text(*command):
    program = Path(sys.executable).parent / command[0]
    return subprocess.run([program, *command[1:], "--help"], capture_output=True, text=True, check=True).stdout


def options(words):
    """The help of a command, and of its action where it has several, as asr-sentences has."""
    is_action = len(words) > 1 and re.search(rf"^    {re.escape(words[1])}\b", help_text(words[0]), re.MULTILINE)
    return help_text(*words[:2]) if is_action else help_text(words[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_has_options_that_exist(page):
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)).replace("\\\n", " ")
    for line in lines.splitlines():
        for command in re.split(r"&&|\|", line):
            words = command.split("#")[0].split()
            if not words or not words[0].startswith("asr-"):
                continue
            for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                assert option in options(words), f"{words[0]} has no {option}"
            for path in (word for word in words if word.startswith("recipes/") and word.endswith(".yaml")):
                assert (REPOSITORY / path).is_file()


def test_the_first_commands_stand_in_blocks_of_their_own():
    """CI runs the one that names pytest."""
    commands = [
        block.strip()
        for block in re.findall(r"```sh\n(.*?)```", (REPOSITORY / "README.md").read_text("utf-8"), re.DOTALL)
    ]
    assert "asr-train recipes/english_letters.yaml" in commands[0]
    assert commands[1] == 'pip install -e ".[test]" && python -m pytest'


def test_python_examples_compile():
    for block in blocks("python"):
        compile(block, "README.md", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_sound_of_the_first_command_is_one_that_its_recipe_makes(tmp_path, monkeypatch):
    """Everything but the speaking, which changes no name."""
    command = blocks("sh")[0]
    settings = recipe.load(REPOSITORY / re.search(r"recipes/\S+\.yaml", command)[0])
    folder, sound = re.search(r"(\S+)/(test/\S+\.wav)", command).groups()
    assert settings.data.folder == folder
    monkeypatch.setattr(audio, "write", lambda *_: None)
    monkeypatch.setattr(speak, "speak_all", lambda lines, *_, **__: [1.0] * len(lines))
    prepare = corpus.load_script(REPOSITORY / "recipes" / settings.data.prepare)
    splits = prepare(tmp_path, **settings.data.settings)
    assert str(tmp_path / sound) in {utterance.audio for utterance in splits.test}


def test_the_example_of_sentences_means_what_its_page_says(tmp_path):
    pytest.importorskip("hassil")
    page = (REPOSITORY / "recipes" / "your-sentences.md").read_text("utf-8")
    (tmp_path / "light.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1], "utf-8")
    command, expected = "switch on the living room lamp", re.search(r"```json\n(.*?)\n```", page, re.DOTALL)[1]
    program = Path(sys.executable).parent / "asr-sentences"
    arguments = [program, "parse", tmp_path / "light.yaml", command, "--format", "json"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_a_page_and_a_board_are_made_as_the_readme_says(tmp_path):
    """The command that it names for a page, and the lines of C between a start and an end."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    (board,) = blocks("c")
    commands = [re.search(r"`(asr-export \S+ page\.html)`", README)[1], re.search(r"asr-export .*--bits 8", board)[0]]
    for command in commands:
        subprocess.run(command.split(), cwd=tmp_path, env=environment, check=True)
    assert b"makeRecognizer" in (tmp_path / "page.html").read_bytes()
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc")
    first, *rest = board.splitlines()
    silence = "static const int16_t samples[8000];\nstatic const size_t count = 8000;"
    lines = ["#include <stdio.h>", first, silence, rest[0], "int main(void) {", *rest[1:], "return 0;\n}\n"]
    (tmp_path / "main.c").write_text("\n".join(lines), "utf-8")
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Werror", "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout == "\n"
