"""Classifiers and taggers from training to their commands: tones by their pitch, and what is refused."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import TONES_RECIPE, TONES_SCRIPT, write_tones
from test_cli import fails, run

from asr.data import manifest
from asr.recognition.classifier import Classifier
from asr.score import read as read_trn
from asr.training import run as training

SETTINGS = [
    "model.hidden_size=8",
    "model.num_layers=1",
    "model.projection=6",
    "train.epochs=4",
    "train.shards=1",
    "augment.gain_db=0",
]


def learn(tones_recipe, folder, label, *settings):
    """A run on tone words, each with what `label` makes of it."""
    source = folder / "source"
    for seed, (name, count) in enumerate({"train": 64, "dev": 16, "test": 16}.items()):
        utterances = [label(utterance) for utterance in write_tones(source / name, count, seed)]
        manifest.write(source / f"{name}.jsonl", utterances)
    overrides = [*SETTINGS, *settings, f"data.source={source}", f"data.folder={folder}/made", f"run_dir={folder}/run"]
    training.start(tones_recipe, overrides)
    return folder / "run", source


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    """A classifier of words by their first letter: (folder of the run, folder of the corpus)."""
    folder = tmp_path_factory.mktemp("classified")
    (folder / "prepare_tones.py").write_text(TONES_SCRIPT)
    (folder / "tones.yaml").write_text(TONES_RECIPE.format(folder=folder / "manifests", source=folder))
    return learn(
        folder / "tones.yaml",
        folder,
        lambda utterance: replace(utterance, label="low" if utterance.text[0] in "ab" else "high"),
        "task=classify",
    )


@pytest.fixture
def sounds(classified):
    return [utterance.audio for utterance in manifest.read(classified[1] / "test.jsonl")]


def test_a_run_leaves_the_report_that_scikit_learn_would_print(classified):
    judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    true, found = (read_trn(classified[0] / f"test.{side}.trn").texts for side in ("ref", "hyp"))
    labels = [true[key] for key in true], [found[key] for key in true]
    report = (classified[0] / "test.report.txt").read_text()
    wanted = judge.classification_report(*labels, digits=4, zero_division=0)
    assert [line.rstrip() for line in report.splitlines()] == [line.rstrip() for line in wanted.splitlines()]


def test_classes_and_their_probabilities(classified, sounds):
    (part,) = Classifier.load(classified[0]).classify(sounds[0])
    assert {label for label, _ in part.probabilities} == {"high", "low"}
    assert sum(value for _, value in part.probabilities) == pytest.approx(1)
    command = ["asr-classify", "--model", classified[0]]
    done = run(*command, sounds[0])
    assert done.stdout.decode() == f"{part.label}\t{part.probability:.4f}\n" and not done.stderr and not done.returncode
    both = run(*command, "--top", 2, sounds[0], sounds[1]).stdout.decode().splitlines()
    assert [line.split("\t")[0] for line in both] == [sounds[0], sounds[0], sounds[1], sounds[1]]
    (described,) = json.loads(run(*command, "--format", "json", sounds[0]).stdout)["parts"]
    assert described["class"] == part.label and described["top"][0]["probability"] == described["probability"]
    rows = run(*command, "--format", "csv", "--top", 2, sounds[0]).stdout.decode().splitlines()
    assert rows[0] == "file,start_s,end_s,class,probability" and len(rows) == 3
    fails(run(*command, Path(sounds[0]).with_name("none.wav")), "none.wav")


def test_a_command_refuses_the_model_of_another_task(classified, tones_run, sounds):
    fails(
        run("asr-transcribe", "--model", classified[0], sounds[0]), "its task is classify, and asr-classify is for it"
    )
    fails(run("asr-classify", "--model", tones_run[0], sounds[0]), "its task is ctc, and asr-transcribe is for it")
    fails(run("asr-align", classified[0], sounds[0], "abc"), "asr-classify is for it")
    fails(run("asr-export", classified[0], classified[0] / "page.html"), "model.onnx: its task is classify")


def test_evaluating_a_classifier_prints_its_report_and_paints_its_matrix(classified, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    done = run("asr-evaluate", classified[0], classified[1] / "test.jsonl", "--confusion", "matrix.png", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.decode() == (classified[0] / "test.report.txt").read_text()
    assert (tmp_path / "matrix.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "test.hyp.trn").read_text() == (classified[0] / "test.hyp.trn").read_text()
    (tmp_path / "words.txt").write_text("low\n")
    refused = run("asr-evaluate", classified[0], classified[1] / "test.jsonl", "--lexicon", tmp_path / "words.txt")
    fails(refused, "asr-classify is for it")


def test_eight_bits_classify_alike(classified, sounds, tmp_path):
    test = classified[1] / "test.jsonl"
    done = run("asr-export", classified[0], tmp_path / "small.onnx", "--check", test, "--format", "json")
    assert done.returncode == 0, done.stderr.decode()
    whole, small = (Classifier.load(path).classify(sounds[0])[0] for path in (classified[0], tmp_path / "small.onnx"))
    assert small.label == whole.label and small.probability == pytest.approx(whole.probability, abs=0.05)
    assert (tmp_path / "small.onnx").stat().st_size < (classified[0] / "model.onnx").stat().st_size


def test_a_tagger_learns_the_letters_that_a_recogniser_aligns(tones, tones_run, tones_recipe, tmp_path):
    for name in ("train", "dev", "test"):
        done = run("asr-align", tones_run[0], tones / f"{name}.jsonl", "--labels", tmp_path / f"{name}.jsonl")
        assert done.returncode == 0 and not done.stdout
    utterances = manifest.read(tmp_path / "test.jsonl")
    assert all("".join(label.name for label in one.labels) == one.text for one in utterances)
    folders = [f"data.source={tmp_path}", f"data.folder={tmp_path / 'made'}", f"run_dir={tmp_path / 'run'}"]
    result = training.start(tones_recipe, [*SETTINGS, "task=tag", "train.epochs=6", *folders])
    assert result.score.rates["error"] < 0.25
    parts = Classifier.load(tmp_path / "run").classify(utterances[0].audio)
    assert parts[0].start_s == 0 and parts[-1].end_s == pytest.approx(utterances[0].duration_s, abs=0.02)
    assert all(one.end_s == other.start_s for one, other in pairwise(parts))
    lines = run("asr-classify", "--model", tmp_path / "run", utterances[0].audio).stdout.decode().splitlines()
    assert [line.split("\t")[2] for line in lines] == [part.label for part in parts]
    refused = run("asr-align", tones_run[0], utterances[0].audio, "ab", "--labels", tmp_path / "one.jsonl")
    fails(refused, "--labels writes a manifest again")
