"""The guides are true: settings exist, what is quoted is printed, and the path of five words is walked."""

import functools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from asr import audio

GUIDES = {name: (REPOSITORY / "recipes" / f"{name}.md").read_text("utf-8") for name in (
    "your-words", "your-sentences", "your-language", "troubleshooting", "corpora",
)}  # fmt: skip
WORDS = "lamp music louder softer goodbye".split()


def commands(text):
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


@pytest.mark.parametrize("name", GUIDES)
def test_settings_of_commands_exist(name, tmp_path):
    from asr.training import recipe

    for words in commands(GUIDES[name]):
        if words[0] == "asr-train" and words[1].endswith(".yaml"):
            settings = [word for word in words[2:] if "=" in word and not word.startswith("-")]
            recipe.load(REPOSITORY / words[1], settings)


def test_what_troubleshooting_quotes_is_printed_somewhere():
    sources = [*(REPOSITORY / "asr" / "check").glob("*.py"), REPOSITORY / "asr" / "training" / "doctor.py"]
    text = re.sub(r'"\s*\n\s*f?"', "", "".join(path.read_text("utf-8") for path in sources))
    page = GUIDES["troubleshooting"].partition("## Afterwards")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(quoted) > 15
    for sentence in quoted:
        assert sentence in text, sentence


def run(folder, *words, **options):
    program = Path(sys.executable).parent / words[0]
    done = subprocess.run([program, *map(str, words[1:])], cwd=folder, capture_output=True, check=False, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@functools.cache
def synthesizer():
    from asr.synthesis import espeak

    return espeak.Synthesizer()


def spoken(word, voice, speed):
    from asr.synthesis import espeak

    waveform = synthesizer().speak(espeak.Line("", word, voice, words_per_minute=speed))
    return 0.5 * audio.resample(waveform, synthesizer().sample_rate, 16000)


@pytest.mark.slow
def test_from_an_empty_folder_to_a_recogniser_of_five_words(tmp_path):
    """The commands of the page, in its order; synthetic voices are the people, and files the takes of the page."""
    pytest.importorskip("espeakng_loader", reason="the extra `synth` is not installed")
    path = [words for words in commands(GUIDES["your-words"].partition("## From")[0]) if words[0].startswith("asr-")]
    names = [words[0] for words in path]
    assert names == "asr-serve asr-check asr-train asr-report asr-listen asr-export asr-export".split()
    rng = np.random.default_rng(1)
    recordings = tmp_path / "mine" / "recordings"
    for person in range(10):
        for word in WORDS:
            take = spoken(word, f"en-us+{'mf'[person % 2]}{1 + person // 2 % 4}", 130 + 10 * person)
            take = np.pad(take, 1600) + 1e-3 * rng.standard_normal(len(take) + 3200).astype(np.float32)
            (recordings / word).mkdir(parents=True, exist_ok=True)
            audio.write(recordings / word / f"person{person}.wav", take.astype(np.float32), 16000)
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    (tmp_path / "recipes").symlink_to(REPOSITORY / "recipes", target_is_directory=True)
    by_name = {words[0]: words for words in path}
    run(tmp_path, *by_name["asr-check"])
    run(tmp_path, *by_name["asr-train"])
    run(tmp_path, *by_name["asr-report"])
    assert "To train it again" in (tmp_path / "runs" / "mine" / "report.html").read_text("utf-8")
    pauses = [part for word in WORDS for part in (spoken(word, "en-us+m5", 150), np.zeros(20000, np.float32))]
    stream = np.concatenate([np.zeros(16000, np.float32), *pauses])
    stream = stream + 1e-3 * rng.standard_normal(len(stream)).astype(np.float32)
    pcm = np.round(np.clip(stream, -1, 1) * 32767).astype("<i2").tobytes()
    listen = [*by_name["asr-listen"][:1], "-", *by_name["asr-listen"][1:]]
    found = run(tmp_path, *listen, input=pcm).split()
    assert sum(one == other for one, other in zip(found, WORDS, strict=False)) >= 4, found
    for words in path[-2:]:
        run(tmp_path, *words)
    assert (tmp_path / "mine.onnx").stat().st_size > 10_000 and (tmp_path / "mine.html").is_file()
    # Of processor time, which other work on the machine does not lengthen.
    used = os.times()
    assert used.children_user + used.children_system < 600
