import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from asr import files
from asr.data import manifest
from asr.data.batches import Batches
from asr.data.examples import Cepstra, Example
from asr.errors import UserError
from asr.features import FeatureConfig, FeatureExtractor
from asr.modelfile import onnx_file
from asr.network import onnx_graph
from asr.network.cells import CELLS
from asr.network.encoder import AcousticModel, ModelConfig
from asr.tasks.ctc import Ctc
from asr.text import TextConfig
from asr.training import loop, recipe, run
from asr.training.config import TrainConfig
from asr.training.state import BEST, LAST, State, load_state


def weights(folder, name=LAST):
    return load_state(folder / name)["weights"]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_recogniser_learns_and_leaves_everything(tones_run):
    folder, result = tones_run
    assert result.split == "test"
    assert result.score.word.rate <= 0.2, "tones are easy"
    assert {"recipe.yaml", "metrics.jsonl", "last.pt", "best.pt", "model.onnx", "test.hyp.trn", "test.ref.trn"} <= {
        path.name for path in folder.iterdir()
    }
    assert list(folder.glob("events.out.tfevents.*")), "TensorBoard events"
    assert not list(folder.glob("*.part"))


def test_metrics_have_a_record_for_each_epoch(tones_run):
    folder, result = tones_run
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == list(range(1, 26))
    assert records[-1]["train_loss"] < records[0]["train_loss"]
    assert sum(record["seconds"] for record in records) <= result.seconds, "no second is counted twice"
    best = min(records, key=lambda record: (record["dev_cer"], record["dev_loss"]))
    assert load_state(folder / "best.pt")["epoch"] == best["epoch"]


def test_tensorboard_reads_the_events(tones_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tones_run[0]))
    events.Reload()
    assert len(events.Scalars("dev_cer")) == 25


def test_the_resolved_recipe_spells_everything_out(tones_run):
    folder, _ = tones_run
    again = recipe.load(folder / "recipe.yaml")
    assert again.train.weight_decay == TrainConfig().weight_decay
    assert again.model.hidden_size == 24


def test_the_same_seed_gives_the_same_weights(tones_recipe, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run.start(tones_recipe, ["train.epochs=2", f"train.seed={seed}", f"run_dir={tmp_path / name}"])
    assert equal(weights(tmp_path / "one"), weights(tmp_path / "again"))
    assert not equal(weights(tmp_path / "one"), weights(tmp_path / "other"))


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["train.averaging=0.9", "train.consistency=0.2"],
        *([f"model.cell={cell}"] for cell in CELLS if cell != "lstm"),
    ],
    ids=" ".join,
)
def test_resuming_changes_nothing(tones_recipe, tmp_path, monkeypatch, log, settings):
    settings = ["train.epochs=4", *settings]
    run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'whole'}"])

    save, saved = State.save, []

    def interrupt(state, folder, corpus):
        save(state, folder, corpus)
        saved.append(folder)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'cut'}"])
    assert (tmp_path / "cut" / "model.onnx").is_file(), "what was learned so far can be used"
    assert f"--resume {tmp_path / 'cut'}" in log.getvalue()
    monkeypatch.setattr(State, "save", save)
    result = run.resume(tmp_path / "cut")

    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    assert equal(weights(tmp_path / "whole", BEST), weights(tmp_path / "cut", BEST))
    assert result.score == run.resume(tmp_path / "whole").score, "a finished run is only tested again"
    records = [
        [
            {**json.loads(line), "seconds": 0, "wait_s": 0}
            for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        ]
        for name in ("whole", "cut")
    ]
    assert records[0] == records[1]


class TestStops:
    """A run that is stopped anywhere, and how, ends as the one that was not."""

    settings = ("data.limit=16", "train.epochs=3", "train.averaging=0.9", "augment.renew=2")

    @pytest.fixture
    def whole(self, tones_recipe, tmp_path):
        run.start(tones_recipe, [*self.settings, f"run_dir={tmp_path / 'whole'}"])
        return tmp_path / "whole"

    @pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
    def test_within_an_epoch(self, tones_recipe, tmp_path, monkeypatch, whole, log, number):
        """Killed after a save, or asked to end, which saves, at several steps one after another."""
        step, saved, steps = loop.Saver.step, State.save, []

        def stop(saver):
            steps.append(None)
            if number and len(steps) in (2, 7):
                os.kill(os.getpid(), number)
            step(saver)

        def save(state, folder, corpus):
            saved(state, folder, corpus)
            if not number and len(steps) in (2, 7):
                raise KeyboardInterrupt

        if number == signal.SIGINT:  # a shell that starts tests in the background has it ignored
            signal.signal(signal.SIGINT, signal.default_int_handler)
        monkeypatch.setattr(loop.Saver, "step", stop)
        monkeypatch.setattr(State, "save", save)
        settings = [*self.settings, f"train.save_minutes={0 if number else 1e-9}", f"run_dir={tmp_path / 'cut'}"]
        with pytest.raises(KeyboardInterrupt) as caught:
            run.start(tones_recipe, settings)
        if number:
            assert caught.value.number == number and load_state(tmp_path / "cut" / LAST)["progress"]["steps"] == 2
        with pytest.raises(KeyboardInterrupt):
            run.resume(tmp_path / "cut")
        assert f"to continue: asr-train --resume {tmp_path / 'cut'}" in log.getvalue()
        run.resume(tmp_path / "cut")
        assert equal(weights(whole), weights(tmp_path / "cut")) and len(steps) >= 12
        assert equal(weights(whole, BEST), weights(tmp_path / "cut", BEST))
        one, other = (load_state(folder / LAST)["history"] for folder in (whole, tmp_path / "cut"))
        assert [{**record, "seconds": 0, "wait_s": 0} for record in one] == [
            {**record, "seconds": 0, "wait_s": 0} for record in other
        ]

    def test_a_recipe_that_was_cut_is_no_recipe_of_defaults(self, tones_recipe, whole):
        text = (whole / "recipe.yaml").read_text()
        (whole / "recipe.yaml").write_text(text[: text.index("train:")])
        with pytest.raises(UserError, match=r"recipe\.yaml: damaged: its last line is missing"):
            run.resume(whole)

    def test_a_second_process_is_refused_and_harms_nothing(self, whole):
        before = {path: path.read_bytes() for path in whole.iterdir() if path.is_file() and path.name != files.LOCK}
        code = (
            "import sys, time, pathlib; from asr import files\n"
            "with files.locked(pathlib.Path(sys.argv[1]), what='trains in it'): print('has it', flush=True); input()"
        )
        with subprocess.Popen([sys.executable, "-c", code, str(whole)], stdin=-1, stdout=-1) as other:
            other.stdout.readline()
            with pytest.raises(UserError, match=rf"another process \({other.pid} on .*\) trains in it; wait"):
                run.resume(whole)
            assert before == {path: path.read_bytes() for path in before}
            other.kill()
        run.resume(whole)

    @pytest.mark.parametrize("state", [[], 3, "x", {}, {"weights": 5}, {"history": [3]}, {"progress": 3}])
    def test_a_state_of_something_else_is_named(self, whole, state):
        if isinstance(state, dict) and state:
            state = load_state(whole / LAST) | state
        torch.save(state, whole / LAST)
        with pytest.raises(UserError, match=r"last\.pt"):
            run.resume(whole)


def test_the_last_weights_are_kept_where_they_are_wanted(tones_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "quality", lambda record, task: (record.epoch, 0.0))  # the first is the best
    for keep in ("best", "last"):
        settings = ["train.epochs=3", f"train.keep={keep}", "data.limit=8"]
        run.start(tones_recipe, [*settings, f"run_dir={tmp_path / keep}"])
    assert load_state(tmp_path / "best" / "best.pt")["epoch"] == 1
    assert load_state(tmp_path / "last" / "best.pt")["epoch"] == 3
    assert equal(weights(tmp_path / "last"), weights(tmp_path / "last", BEST))
    assert equal(weights(tmp_path / "last"), weights(tmp_path / "best")), "training does not depend on it"


def test_the_average_of_one_is_itself_and_of_many_is_their_average(tones_recipe, tmp_path):
    run.start(tones_recipe, ["train.epochs=1", f"run_dir={tmp_path / 'plain'}"])
    assert equal(weights(tmp_path / "plain"), weights(tmp_path / "plain", BEST))
    run.start(tones_recipe, ["train.epochs=1", "train.averaging=0.9", f"run_dir={tmp_path / 'averaged'}"])
    assert equal(weights(tmp_path / "plain"), weights(tmp_path / "averaged")), "what is trained does not change"
    best, last = weights(tmp_path / "averaged", BEST), weights(tmp_path / "averaged")
    assert not equal(best, last)
    state = load_state(tmp_path / "averaged" / LAST)["average"]
    assert all(torch.equal(best[name], state[name]) for name in best), "what is judged is the average"


def test_views_that_are_equal_train_as_one_and_others_do_not(tones_recipe, tmp_path):
    """Where nothing is perturbed and nothing dropped, two views disagree by nothing, and their mean is either."""
    plain = ["train.epochs=1", "data.limit=16", "model.dropout=0", "augment.gain_db=0", "augment.time_masks=0"]
    masked = [*plain, "augment.time_masks=2"]
    for name, settings in {
        "one": plain,
        "equal": [*plain, "train.consistency=0.5"],
        "one-masked": masked,
        "off": [*masked, "train.consistency=0"],
        "weak": [*masked, "train.consistency=0.1"],
        "strong": [*masked, "train.consistency=0.5"],
        "again": [*masked, "train.consistency=0.5"],
    }.items():
        run.start(tones_recipe, [*settings, f"run_dir={tmp_path / name}"])
    one, two = weights(tmp_path / "one"), weights(tmp_path / "equal")
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    assert equal(weights(tmp_path / "one-masked"), weights(tmp_path / "off"))
    assert equal(weights(tmp_path / "strong"), weights(tmp_path / "again"))
    assert not equal(weights(tmp_path / "weak"), weights(tmp_path / "strong"))
    assert not equal(weights(tmp_path / "weak"), weights(tmp_path / "off"))


def test_a_run_begins_with_the_model_it_names(tones_recipe, tones_run, tmp_path):
    begin = [f"train.init_from={tones_run[0]}", "train.epochs=1", "train.learning_rate=1e-12"]
    result = run.start(tones_recipe, [*begin, f"run_dir={tmp_path / 'child'}"])
    assert result.score == tones_run[1].score, "a step of no length leaves the parent's words"
    for name, value in weights(tones_run[0], BEST).items():
        assert torch.allclose(weights(tmp_path / "child", BEST)[name], value, atol=1e-6)

    rows = {letter: row for row, letter in enumerate("_abcd")}
    run.start(tones_recipe, [*begin, "text.alphabet=xdcba", f"run_dir={tmp_path / 'other'}"])
    head, parent = (weights(folder, BEST)["head.weight"] for folder in (tmp_path / "other", tones_run[0]))
    for row, letter in enumerate("_xdcba"):
        assert letter == "x" or torch.allclose(head[row], parent[rows[letter]], atol=1e-6)


def test_statistics_are_those_of_the_model_to_begin_with_unless_it_hears_otherwise(tones_recipe, tones_run, tmp_path):
    parent = tmp_path / "parent.onnx"
    shutil.copy(tones_run[0] / "model.onnx", parent)
    _, card = onnx_graph.read(parent)
    moved = replace(card.statistics, mean=card.statistics.mean + 1)
    onnx_file.write_card(parent, replace(card, statistics=moved))

    def mean(setting):
        settings = [f"train.init_from={parent}", "train.epochs=1", f"run_dir={tmp_path / setting}"]
        run.start(tones_recipe, [*settings, setting])
        return onnx_graph.read(tmp_path / setting / "model.onnx")[1].statistics.mean

    assert np.array_equal(mean("recognition.vtln_warps=[0.9,1.1]"), moved.mean)
    assert np.array_equal(mean("recognition.noise_pad_ms=50"), moved.mean)
    assert np.allclose(mean("features.preemphasis=0.96"), card.statistics.mean, atol=0.5)


def test_a_run_that_began_with_a_model_resumes_without_it(tones_recipe, tones_run, tmp_path):
    shutil.copy(tones_run[0] / "model.onnx", tmp_path / "parent.onnx")
    begin = [f"train.init_from={tmp_path / 'parent.onnx'}", "train.epochs=1", f"run_dir={tmp_path / 'child'}"]
    result = run.start(tones_recipe, begin)
    (tmp_path / "parent.onnx").unlink()
    assert run.resume(tmp_path / "child").score == result.score


def test_a_model_of_another_shape_or_none_is_refused(tones_recipe, tones_run, tmp_path):
    for settings, said in (
        ([f"train.init_from={tones_run[0]}", "model.hidden_size=8"], "another shape"),
        ([f"train.init_from={tmp_path}"], "no such model"),
    ):
        with pytest.raises(UserError, match=said):
            run.start(tones_recipe, [*settings, f"run_dir={tmp_path / said.replace(' ', '-')}"])


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("train.init_from={gone}", "no such model"),
        ("train.init_from={parent} model.hidden_size=8", "another shape"),
    ],
)
def test_a_mistake_is_said_before_the_corpus_is_made(tones_recipe, tones_run, tmp_path, mistake, said):
    mistakes = mistake.format(gone=tmp_path / "gone", parent=tones_run[0]).split()
    with pytest.raises(UserError, match=said):
        run.start(tones_recipe, [*mistakes, f"run_dir={tmp_path / 'r'}"])
    assert not (tmp_path / "manifests").exists() and not (tmp_path / "r").exists()


def test_a_run_that_learned_nothing_leaves_its_folder_to_the_next(tones_recipe, tones_run, tmp_path, monkeypatch):
    other = tmp_path / "other.onnx"
    shutil.copy(tones_run[0] / "model.onnx", other)
    onnx_file.write_card(other, replace(onnx_graph.read(other)[1], commit="another"))
    settings = ["train.epochs=1", "data.limit=8", f"run_dir={tmp_path / 'r'}"]

    def fail(*_, **__):
        raise UserError("the loss is not finite")

    with monkeypatch.context() as patched:
        patched.setattr(loop, "fit", fail)
        with pytest.raises(UserError, match="not finite"):
            run.start(tones_recipe, [*settings, f"train.init_from={other}"])
    run.start(tones_recipe, [*settings, f"train.init_from={tones_run[0]}"])
    assert (tmp_path / "r" / "parent.onnx").read_bytes() == (tones_run[0] / "model.onnx").read_bytes()
    for name in ("last.pt", "best.pt", "model.onnx"):
        (tmp_path / name).mkdir()
        shutil.copy(tones_run[0] / name, tmp_path / name)
        with pytest.raises(UserError, match="holds a run already"):
            run.start(tones_recipe, [f"run_dir={tmp_path / name}"])


def prepare_instead(folder, lines):
    """Append to the script of the recipe in `folder` a `prepare` of these lines, in which `_all` is the one before."""
    script = folder / "prepare_tones.py"
    imports = "\nfrom dataclasses import replace\nfrom asr.data.manifest import Utterance\n_all = prepare\n"
    body = "".join(f"    {line}\n" for line in lines)
    script.write_text(f"{script.read_text()}{imports}def prepare(folder, source: str) -> Splits:\n{body}")


def test_silence_is_learned_too(tones_recipe, tmp_path):
    prepare_instead(
        tmp_path,
        [
            "sounds = [u.audio for u in _all(folder, source).train[:3]]",
            "return Splits(train=[Utterance(f'u{i}', '', p) for i, p in enumerate(sounds)])",
        ],
    )
    result = run.start(tones_recipe, ["train.epochs=3", f"run_dir={tmp_path / 'r'}"])
    assert result.score.word.insertions == 0, "a corpus of nothing but silence teaches silence"


def test_a_dev_part_in_which_nobody_speaks_chooses_nothing(tones_recipe, tmp_path, log):
    prepare_instead(
        tmp_path,
        [
            "splits = _all(folder, source, 12)",
            "silent = [replace(one, text='') for one in splits.dev]",
            "return Splits(train=splits.train, dev=silent, test=splits.test)",
        ],
    )
    result = run.start(tones_recipe, ["train.epochs=2", f"run_dir={tmp_path / 'r'}"])
    said = log.getvalue()
    assert "no speech in the dev split: the training split stands in for it" in said
    assert "12 utterances to train on, 12 to choose by" in said and result.split == "test"


def test_a_run_is_never_overwritten(tones_recipe, tones_run):
    with pytest.raises(UserError, match="--resume"):
        run.start(tones_recipe, [f"run_dir={tones_run[0]}"])


def test_a_schedule_of_any_length_works(tones_recipe, tmp_path):
    for epochs in (1, 2, 4):
        run.start(tones_recipe, ["data.limit=4", f"train.epochs={epochs}", f"run_dir={tmp_path / str(epochs)}"])


def test_resuming_on_another_corpus_or_recipe_is_refused(tones_recipe, tmp_path):
    run.start(tones_recipe, ["train.epochs=1", "data.limit=20", f"run_dir={tmp_path / 'r'}"])
    text = (tmp_path / "r" / "recipe.yaml").read_text()
    for one, other, said in (
        ("limit: 20", "limit: 10", "another corpus"),
        ("hidden_size: 24", "hidden_size: 8", "fit"),
    ):
        (tmp_path / "r" / "recipe.yaml").write_text(text.replace(one, other))
        with pytest.raises(UserError, match=said):
            run.resume(tmp_path / "r")


def test_resuming_where_files_of_the_source_changed(tones_recipe, tones, tmp_path, log):
    source, away = tmp_path / "source", tmp_path / "away"
    for name, count in {"train": 12, "dev": 4, "test": 4}.items():
        manifest.write(source / f"{name}.jsonl", manifest.read(tones / f"{name}.jsonl")[:count])
    settings = ["train.epochs=1", f"data.source={source}"]
    result = run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'r'}"])
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "manifests" / "cache").iterdir()}
    (source / "train.jsonl").touch()
    assert run.resume(tmp_path / "r").score == result.score, "the same files with other times are the same corpus"
    assert f"made again: the files of {source}" in log.getvalue()
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "manifests" / "cache").iterdir()}
    source.rename(away)
    assert run.resume(tmp_path / "r").score == result.score, "what was made of files that are gone stays"
    away.rename(source)
    manifest.write(source / "train.jsonl", manifest.read(tones / "train.jsonl")[:16])
    with pytest.raises(UserError, match=r"another corpus .*bring back the files"):
        run.resume(tmp_path / "r")
    run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'more'}"])
    assert " 16 utterances to train on" in log.getvalue()


def test_resuming_what_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"recipe\.yaml"):
        run.resume(tmp_path)


def test_patience_stops_early(tones_recipe, tmp_path):
    run.start(
        tones_recipe, ["train.patience=2", "train.learning_rate=1e-12", "train.epochs=9", f"run_dir={tmp_path / 'r'}"]
    )
    records = (tmp_path / "r" / "metrics.jsonl").read_text().splitlines()
    assert len(records) < 9


def test_a_corpus_without_dev_and_test_is_chosen_and_scored_on_training(tones_recipe, tmp_path):
    script = tmp_path / "prepare_tones.py"
    script.write_text(
        script.read_text() + "\n_all = prepare\ndef prepare(folder, source: str) -> Splits:\n"
        "    return Splits(train=_all(folder, source, 4).train)\n"
    )
    result = run.start(tones_recipe, ["train.epochs=1", f"run_dir={tmp_path / 'r'}"])
    assert result.split == "train"
    assert result.score.word.utterances == 4


def test_one_utterance_is_learned_by_heart(tones_recipe, tmp_path):
    """The classic first test of a recogniser."""
    script = tmp_path / "prepare_tones.py"
    script.write_text(
        script.read_text() + "\n_all = prepare\ndef prepare(folder, source: str) -> Splits:\n"
        "    return Splits(train=_all(folder, source, 1).train)\n"
    )
    settings = ["train.epochs=100", "train.batch_size=1", "augment.time_masks=0", "model.dropout=0"]
    result = run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'r'}"])
    assert (result.score.word.utterances, result.score.character.errors) == (1, 0)


def test_utterances_that_cannot_be_learned_from_are_named(tones_recipe, tones, tmp_path, log):
    lines = (tones / "train.jsonl").read_text().splitlines()[:20]
    records = [json.loads(line) for line in lines]
    for record in records:
        record["audio"] = str(tones / record["audio"])
    records[3] |= {"id": "hasty", "text": "abab" * 100}
    records[4] |= {"id": "foreign", "text": "xyz"}
    source = tmp_path / "source"
    source.mkdir()
    for name in ("dev", "test"):
        shutil.copy(tones / f"{name}.jsonl", source)
        shutil.copytree(tones / name, source / name)
    (source / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    run.start(tones_recipe, ["train.epochs=1", f"data.source={source}", f"run_dir={tmp_path / 'r'}"])
    said = log.getvalue()
    assert "skipped 2" in said
    assert "hasty: transcript too long for its sound" in said
    assert "foreign: outside the alphabet: the character 'x'" in said


def test_a_loss_that_is_not_finite_names_the_utterances(tmp_path):
    config = FeatureConfig(mean="none", variance="none")
    extractor = FeatureExtractor(config)
    frames = np.random.default_rng(0).standard_normal((9, 13)).astype(np.float32)
    examples = [
        Example("fits", np.array([1, 2]), Cepstra(frames)),
        Example("broken", np.array([1, 2]), Cepstra(np.full_like(frames, np.nan))),
    ]
    task = Ctc(TextConfig())
    batches = Batches(examples, task, extractor, 2)
    with pytest.raises(UserError, match=r"not finite for broken;"):
        loop.fit(AcousticModel(ModelConfig(), 13, 27), task, batches, batches, TrainConfig(epochs=1), tmp_path)


def test_a_gpu_learns_the_same_each_time(tones_recipe, tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"train\.device is cuda, and PyTorch finds no such device"):
            run.start(tones_recipe, ["train.device=cuda", f"run_dir={tmp_path / 'none'}"])
        assert not (tmp_path / "manifests").exists(), "said before minutes go into the corpus"
        pytest.skip("no CUDA device here")
    for name in ("one", "again"):
        result = run.start(tones_recipe, ["train.device=cuda", f"run_dir={tmp_path / name}"])
        assert result.score.word.rate <= 0.2
    assert equal(weights(tmp_path / "one"), weights(tmp_path / "again"))
    first = ["train.epochs=1", "train.shards=1", "data.limit=8"]
    for device in ("cpu", "cuda"):
        run.start(tones_recipe, [*first, f"train.device={device}", f"run_dir={tmp_path / device}"])
    for name, value in weights(tmp_path / "cpu").items():
        assert torch.allclose(value, weights(tmp_path / "cuda")[name], atol=1e-3)


def test_products_in_bfloat16_learn_as_well_in_float32_weights(tones_recipe, tmp_path):
    losses = {}
    for precision in ("float32", "bfloat16"):
        run.start(tones_recipe, ["train.epochs=2", f"train.precision={precision}", f"run_dir={tmp_path / precision}"])
        last = (tmp_path / precision / "metrics.jsonl").read_text().splitlines()[-1]
        losses[precision] = json.loads(last)["train_loss"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
    ours = weights(tmp_path / "bfloat16")
    assert all(value.dtype == torch.float32 for value in ours.values() if value.is_floating_point())
    assert not equal(ours, weights(tmp_path / "float32")), "the setting does something"


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"warmup": 1.0}, {"patience": -1}, {"clip_norm": 0.0}, {"averaging": 1.0}, {"consistency": -0.1}],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UserError, match="train"):
        TrainConfig(**settings)
