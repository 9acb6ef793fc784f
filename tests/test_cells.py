from dataclasses import replace

import onnx
import pytest
import torch

from asr.network import onnx_graph
from asr.network.cells import CELLS
from asr.training import run


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_reading_the_inputs_of_the_operator_is_the_inverse_of_making_them(cell):
    torch.manual_seed(0)
    directions = [cell.make(3, 5) for _ in range(2)]
    for layer in directions:
        cell.init(layer)
    inputs = cell.to_onnx(directions)
    assert set(inputs) <= {item.name for item in onnx.defs.get_schema(cell.operator, 14).inputs}
    assert inputs["W"].shape == (2, cell.num_gates * 5, 3) and inputs["R"].shape == (2, cell.num_gates * 5, 5)
    for layer, weights in zip(directions, cell.from_onnx(inputs), strict=True):
        own = layer.state_dict()
        assert own.keys() == weights.keys() and all(torch.equal(own[name], weights[name]) for name in own)


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_new_weights_follow_the_seed(cell):
    layers = [cell.make(3, 5) for _ in range(3)]
    for seed, layer in zip((1, 1, 2), layers, strict=True):
        torch.manual_seed(seed)
        cell.init(layer)
    one, again, other = ([weight.clone() for weight in layer.parameters()] for layer in layers)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_forget_gates_of_an_lstm_begin_open():
    lstm = CELLS["lstm"].make(3, 5)
    CELLS["lstm"].init(lstm)
    assert lstm.bias_ih_l0.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def test_a_new_cell_is_one_record(monkeypatch, tones_recipe, tmp_path):
    """The twin of an LSTM whose forget gates begin shut is trained, exported and inherited by its name alone."""

    def init(layer):
        CELLS["lstm"].init(layer)
        torch.nn.init.zeros_(layer.bias_ih_l0)

    monkeypatch.setitem(CELLS, "lstm_shut", replace(CELLS["lstm"], name="lstm_shut", init=init))
    settings = ["model.cell=lstm_shut", "train.epochs=1", "data.limit=8", "model.hidden_size=4"]
    run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'one'}"])
    weights, card = onnx_graph.read(tmp_path / "one" / "model.onnx")
    assert card.recipe["model"]["cell"] == "lstm_shut" and weights["forwards.0.bias_ih_l0"].abs().max() < 0.1
    run.start(tones_recipe, [*settings, f"train.init_from={tmp_path / 'one'}", f"run_dir={tmp_path / 'two'}"])
