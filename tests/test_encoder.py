import oracles
import pytest
import torch

from asr.errors import UserError
from asr.network import encoder as model_module
from asr.network import peephole
from asr.network.cells import CELLS
from asr.network.encoder import AcousticModel, ModelConfig


def batch(lengths, width=13, seed=0):
    frames = torch.randn(len(lengths), max(lengths), width, generator=torch.Generator().manual_seed(seed))
    return frames, torch.tensor(lengths)


CONFIGS = [
    ModelConfig(),
    ModelConfig(hidden_size=7, num_layers=1),
    ModelConfig(hidden_size=5, num_layers=3, bidirectional=False),
    *(ModelConfig(hidden_size=6, cell=cell) for cell in CELLS if cell != "lstm"),
]


@pytest.fixture(autouse=True)
def drawn():
    torch.manual_seed(0)


def network(config, num_tokens=27):
    """A network of drawn weights, with peepholes that are open where it has some."""
    model = AcousticModel(config, 13, num_tokens)
    for name, weight in model.named_parameters():
        if "peepholes" in name:
            torch.nn.init.normal_(weight)
    return model


@pytest.mark.parametrize("config", CONFIGS)
def test_equals_packed_sequences(config):
    model = network(config).eval()
    frames, lengths = batch([30, 1, 17, 30, 2])
    log_probs, output_lengths = model(frames, lengths)
    expected = oracles.packed_log_probs(model, frames, lengths)
    assert torch.equal(output_lengths, lengths)
    for row, length in enumerate(lengths):
        assert (log_probs[row, :length] - expected[row, :length]).abs().max() < 1e-6


@pytest.mark.parametrize("config", CONFIGS)
def test_padding_and_neighbours_change_nothing(config):
    model = network(config).eval()
    lengths = [40, 3, 25, 1]
    frames, _ = batch(lengths)
    together, _ = model(frames.nan_to_num(), torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone, _ = model(frames[row : row + 1, :length], torch.tensor([length]))
        assert (together[row, :length] - alone[0]).abs().max() < 1e-6


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_those_of_packed_sequences(cell):
    model = network(ModelConfig(dropout=0.0, cell=cell))
    frames, lengths = batch([20, 11, 5])
    mask = torch.arange(20) < lengths[:, None]
    frames.requires_grad_()
    ours, theirs = model(frames, lengths)[0], oracles.packed_log_probs(model, frames, lengths)
    # The oracle's module has copies of the weights; the frames and the head are shared, and so are all paths to them.
    for wanted in (frames, model.head.weight):
        one, other = (torch.autograd.grad((log_probs[mask] ** 2).sum(), wanted, retain_graph=True)[0]
                      for log_probs in (ours, theirs))  # fmt: skip
        assert other.abs().max() > 0
        assert (one - other).abs().max() < 1e-5 * other.abs().max()


def test_gradients_by_every_weight_of_peephole_cells_equal_those_of_the_steps():
    model = network(ModelConfig(dropout=0.0, cell="lstm_peephole", hidden_size=5))
    frames, lengths = batch([12, 7, 1])
    mask = torch.arange(12) < lengths[:, None]
    ours, theirs = (
        torch.autograd.grad((log_probs[mask] ** 2).sum(), list(model.parameters()))
        for log_probs in (model(frames, lengths)[0], oracles.stepped_log_probs(model, frames, lengths))
    )
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() < 1e-5 * max(1, other.abs().max())


def test_the_peephole_recurrence_has_the_gradient_of_its_values():
    inputs, recurrent, peepholes = (
        torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in ((6, 3, 8), (8, 2), (3, 2))
    )
    assert torch.autograd.gradcheck(peephole._Recurrence.apply, (inputs, recurrent, peepholes))


def test_peepholes_that_are_shut_make_an_lstm():
    ours, theirs = (AcousticModel(ModelConfig(cell=cell), 13, 27).eval() for cell in ("lstm_peephole", "lstm"))
    theirs.load_state_dict({name: value for name, value in ours.state_dict().items() if "peepholes" not in name})
    frames, lengths = batch([30, 12])
    assert (ours(frames, lengths)[0] - theirs(frames, lengths)[0]).abs().max() < 1e-6


def test_a_projection_stands_before_the_head():
    model = AcousticModel(ModelConfig(hidden_size=6, projection=4), 13, 27)
    assert model.projection.weight.shape == (4, 12) and model.head.weight.shape == (27, 4)


def test_a_cell_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"model\.cell must be one of lstm, gru, rnn, lstm_peephole, not 'lstn'"):
        ModelConfig(cell="lstn")


def test_a_child_of_another_cell_is_refused():
    with pytest.raises(UserError, match=r"model\.cell"):
        AcousticModel(ModelConfig(cell="gru"), 13, 4).inherit(AcousticModel(ModelConfig(), 13, 4).state_dict(), {})


@pytest.mark.parametrize("cell", CELLS)
def test_a_child_of_any_cell_says_what_its_parent_says(cell):
    parent, child = (network(ModelConfig(cell=cell, projection=3)).eval() for _ in range(2))
    frames, lengths = batch([30, 12])
    child.inherit(parent.state_dict(), {row: row for row in range(27)})
    assert torch.equal(parent(frames, lengths)[0], child(frames, lengths)[0])


def test_reordering_has_the_gradient_of_a_gather():
    values = torch.randn(6, 3, 2, dtype=torch.double, requires_grad=True)
    index = model_module._reversal(torch.tensor([6, 4, 1]), 6)
    assert torch.autograd.gradcheck(lambda v: model_module._reorder(v, index), (values,))
    assert torch.equal(model_module._reorder(model_module._reorder(values, index), index), values)


def test_dropout_silences_whole_utterances_and_keeps_the_mean():
    model = AcousticModel(ModelConfig(dropout=0.25), 13, 27)
    ones = torch.ones(5, 400, 80)
    dropped = model._drop(ones, torch.Generator().manual_seed(0))
    assert torch.equal(dropped, dropped[:1].expand_as(dropped)), "one mask for all frames"
    assert not torch.equal(dropped[0, 0], dropped[0, 1]), "another for each utterance"
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_forget_gates_begin_open():
    for lstm in AcousticModel(ModelConfig(), 13, 27).forwards:
        _, forget, *_ = lstm.bias_ih_l0.chunk(4)
        assert torch.equal(forget, torch.ones(40)) and lstm.bias_ih_l0.sum() == 40


def test_log_probs_sum_to_one():
    log_probs, _ = AcousticModel(ModelConfig(), 13, 27)(*batch([12, 7]))
    assert torch.allclose(log_probs.exp().sum(dim=2), torch.ones(2, 12), atol=1e-5)


def test_the_default_network_has_58_827_weights():
    assert AcousticModel(ModelConfig(), 13, 27).num_weights == 58_827


def test_dropout_is_off_when_evaluating():
    model = AcousticModel(ModelConfig(dropout=0.5), 13, 27)
    frames, lengths = batch([20])
    assert not torch.equal(model(frames, lengths)[0], model(frames, lengths)[0])
    model.eval()
    assert torch.equal(model(frames, lengths)[0], model(frames, lengths)[0])


@pytest.mark.parametrize("settings", [{"hidden_size": 0}, {"num_layers": 0}, {"dropout": 1.0}])
def test_impossible_sizes_are_refused(settings):
    with pytest.raises(UserError, match="model"):
        ModelConfig(**settings)


def test_a_child_with_the_same_tokens_says_what_its_parent_says():
    parent, child = AcousticModel(ModelConfig(), 13, 27).eval(), AcousticModel(ModelConfig(), 13, 27).eval()
    frames, lengths = batch([30, 12])
    assert not torch.equal(parent(frames, lengths)[0], child(frames, lengths)[0])
    child.inherit(parent.state_dict(), {row: row for row in range(27)})
    assert torch.equal(parent(frames, lengths)[0], child(frames, lengths)[0])


def test_a_child_with_other_tokens_keeps_its_own_rows_and_takes_the_shared_ones():
    parent, child = AcousticModel(ModelConfig(), 13, 4), AcousticModel(ModelConfig(), 13, 5)
    drawn = child.head.weight.detach().clone()
    child.inherit(parent.state_dict(), {0: 0, 1: 3, 4: 2})
    assert torch.equal(child.head.weight[[0, 1, 4]], parent.head.weight[[0, 3, 2]])
    assert torch.equal(child.head.bias[[0, 1, 4]], parent.head.bias[[0, 3, 2]])
    assert torch.equal(child.head.weight[[2, 3]], drawn[[2, 3]])
    assert torch.equal(child.backwards[1].weight_hh_l0, parent.backwards[1].weight_hh_l0)


@pytest.mark.parametrize(
    "config", [ModelConfig(hidden_size=8), ModelConfig(num_layers=1), ModelConfig(bidirectional=False)]
)
def test_a_child_of_another_shape_is_refused(config):
    with pytest.raises(UserError, match=r"model\.cell, hidden_size"):
        AcousticModel(ModelConfig(), 13, 4).inherit(AcousticModel(config, 13, 4).state_dict(), {})
    with pytest.raises(UserError, match=r"deltas"):
        AcousticModel(ModelConfig(), 13, 4).inherit(AcousticModel(ModelConfig(), 26, 4).state_dict(), {})
