"""What holds for every task, and what classifiers and taggers add to it."""

import math

import numpy as np
import pytest
import torch

from asr import tasks
from asr.data.manifest import Label, Skipped, Utterance
from asr.errors import UserError
from asr.features import FeatureConfig
from asr.modelfile.card import ModelCard, ModelError
from asr.tasks import TASKS
from asr.tasks.classify import Classify
from asr.tasks.tag import Tag
from asr.text import TextConfig

TEXT = TextConfig(alphabet="abc ")
LABELS = ("a", "b", "c")
TARGETS = {"ctc": [[1, 2], [3]], "classify": [[0], [2]], "tag": [[0, 1, 2, 2], [1, 0]]}


def utterance(**values):
    return Utterance("u", **{"text": "", "audio": "u.wav", **values})


def batch(targets, num_outputs, seed=0, num_frames=9):
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(len(targets), num_frames, num_outputs, generator=generator).log_softmax(dim=2)
    lengths = torch.tensor([num_frames, num_frames - 4])
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(target) for target in targets], batch_first=True)
    return outputs, lengths, padded, torch.tensor([len(target) for target in targets])


@pytest.mark.parametrize("name", TASKS)
def test_padding_and_neighbours_change_neither_loss_nor_labels(name):
    task = TASKS[name](TEXT, LABELS)
    outputs, lengths, targets, target_lengths = batch(TARGETS[name], len(task.outputs))
    padded = torch.cat([outputs, torch.full((2, 5, outputs.shape[2]), -7.0)], dim=1)
    losses = task.loss(padded, lengths, targets, target_lengths)
    decoded = task.decode(padded.numpy(), lengths.numpy())
    for row, length in enumerate(lengths.tolist()):
        alone = outputs[row : row + 1, :length], lengths[row : row + 1]
        loss = task.loss(*alone, targets[row : row + 1, : target_lengths[row]], target_lengths[row : row + 1])
        assert loss.item() == pytest.approx(losses[row].item(), abs=1e-5)
        assert task.decode(alone[0].numpy(), alone[1].numpy()) == [decoded[row]]


@pytest.mark.parametrize("name", TASKS)
def test_a_view_does_not_disagree_with_itself_and_does_with_another(name):
    task = TASKS[name](TEXT, LABELS)
    outputs, lengths, *_ = batch(TARGETS[name], len(task.outputs))
    again = batch(TARGETS[name], len(task.outputs), seed=1)[0]
    assert task.disagreement(outputs, outputs, lengths).abs().max() < 1e-6
    assert task.disagreement(outputs, again, lengths).min() > 0.001
    changed = again.clone()
    changed[1, lengths[1] :] = -3.0
    assert torch.allclose(task.disagreement(outputs, again, lengths), task.disagreement(outputs, changed, lengths))


@pytest.mark.parametrize("name", TASKS)
def test_references_against_themselves_score_nothing(name):
    task = TASKS[name](TEXT, LABELS)
    references = {str(row): task.text(np.array(target)) for row, target in enumerate(TARGETS[name])}
    report = task.report(references, references)
    assert set(report.rates.values()) == {0.0} and task.choose_by in report.rates and report.summary


@pytest.mark.parametrize("name", TASKS)
def test_spans_cover_every_frame_once(name):
    task = TASKS[name](TEXT, LABELS)
    outputs = batch(TARGETS[name], len(task.outputs))[0][0].numpy()
    spans = task.spans(outputs)
    assert [span[0] for span in spans] == [0, *(span[1] for span in spans[:-1])] and spans[-1][1] == len(outputs)
    assert all(values.sum() == pytest.approx(1, abs=1e-5) for _, _, values in spans)


def test_the_mean_of_log_probabilities_is_the_mean_of_logits():
    logits = torch.randn(1, 6, 3, dtype=torch.double)
    wanted = logits.mean(dim=1).log_softmax(dim=1)
    loss = Classify(TEXT, LABELS).loss(logits.log_softmax(dim=2), torch.tensor([6]), torch.tensor([[1]]), torch.ones(1))
    assert loss.item() == pytest.approx(-wanted[0, 1].item())


def test_a_tagger_without_knowledge_loses_the_entropy_of_each_label():
    outputs = torch.full((1, 8, 3), -math.log(3))
    loss = Tag(TEXT, LABELS).loss(outputs, torch.tensor([8]), torch.tensor([[0, 1, 2, 0]]), torch.tensor([4]))
    assert loss.item() == pytest.approx(4 * math.log(3))


def test_labels_are_laid_over_frames_evenly():
    task = Tag(TEXT, LABELS)
    targets = torch.tensor([[0, 1, 2]])
    for frames in ([0, 0, 1, 1, 2, 2], [0, 1, 2], [0, 0, 0, 1, 1, 1, 2, 2, 2]):
        outputs = torch.full((1, len(frames), 3), -50.0)
        outputs[0, range(len(frames)), frames] = 0.0
        assert task.loss(outputs, torch.tensor([len(frames)]), targets, torch.tensor([3])).item() == 0.0
        hypothesis = {"u": task.decode(outputs.numpy(), np.array([len(frames)]))[0]}
        assert task.report({"u": "a b c"}, hypothesis).rates == {"error": 0.0}


def test_the_class_is_the_label_or_else_the_text():
    task = Classify(TEXT, ("lamp", "smart mirror"))
    assert task.target(utterance(label="lamp", text="smart mirror")).tolist() == [0]
    assert task.target(utterance(text="smart mirror")).tolist() == [1]
    assert task.target(utterance(label="door")) == Skipped(
        "u", "unknown class: nothing in the training split is 'door'"
    )
    assert isinstance(task.target(utterance()), Skipped)
    assert Classify.labels_of([utterance(label="b"), utterance(text="a"), utterance(), utterance(label="b")]) == (
        "a",
        "b",
    )


def test_labels_with_times_are_steps_of_ten_milliseconds():
    labels = (Label("a", 0.0, 0.03), Label("b", 0.04, 0.06))
    one = utterance(labels=labels, duration_s=0.07)
    assert Tag.labels_of([one]) == ("_", "a", "b")
    task = Tag(TEXT, ("_", "a", "b"))
    assert task.text(task.target(one)) == "a a a _ b b _"
    moved = tuple(Label(label.name, label.start_s + 2, label.end_s + 2) for label in labels)
    cut = utterance(labels=moved, start_s=2.0, end_s=2.07, duration_s=0.07)
    assert task.target(cut).tolist() == task.target(one).tolist()
    assert task.text(task.target(utterance(labels=(Label("b"), Label("a"))))) == "b a"
    assert "no labels" in task.target(utterance()).reason
    assert "more than one word" in Tag(TEXT, ("a b",)).target(utterance(labels=(Label("a b"),))).reason


@pytest.mark.parametrize("name", ["classify", "tag"])
def test_utterances_with_labels_cannot_be_joined(name):
    TASKS[name].check(TEXT, 1)
    with pytest.raises(UserError, match=r"augment\.join"):
        TASKS[name].check(TEXT, 2)


def test_a_task_of_another_version_is_refused():
    with pytest.raises(ModelError, match="its task is translate, and this version has ctc, classify, tag"):
        tasks.of(ModelCard(FeatureConfig(), TEXT, task="translate"))
