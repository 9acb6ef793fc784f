import copy
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from asr.features import FeatureConfig, Statistics
from asr.modelfile import convert
from asr.modelfile.card import ModelCard, ModelError, Timing, Tuning
from asr.network import onnx_graph
from asr.network.encoder import AcousticModel, ModelConfig
from asr.recognition.recognizer import Recognizer
from asr.text import TextConfig

CARD = ModelCard(
    FeatureConfig(deltas=1), TextConfig(alphabet="ab c"),
    Statistics(np.arange(26, dtype=np.float32) / 7, np.arange(1, 27, dtype=np.float32)), {"name": "x"}, "1.2", "abc",
)  # fmt: skip
CONFIGS = [
    ModelConfig(),
    ModelConfig(hidden_size=7, num_layers=1),
    ModelConfig(hidden_size=5, num_layers=3, bidirectional=False),
    ModelConfig(hidden_size=5, num_layers=1, projection=3),
    ModelConfig(hidden_size=5, cell="lstm_peephole"),
    ModelConfig(hidden_size=5, num_layers=1, bidirectional=False, cell="lstm_peephole"),
    ModelConfig(hidden_size=6, cell="gru"),
    ModelConfig(hidden_size=5, num_layers=3, bidirectional=False, cell="gru"),
    ModelConfig(hidden_size=6, cell="rnn"),
    ModelConfig(hidden_size=7, num_layers=1, bidirectional=False, cell="rnn"),
]


def described(config):
    return f"{config.cell}-{config.num_layers}-{'both' if config.bidirectional else 'forward'}-{config.projection}"


def export(config, path):
    torch.manual_seed(0)
    model = AcousticModel(config, 26, 5).eval()
    for name, weight in model.named_parameters():
        if "peepholes" in name:
            torch.nn.init.normal_(weight)
    difference = onnx_graph.export(model, CARD, path)
    assert difference < onnx_graph.PARITY
    return model, path


@pytest.fixture(params=CONFIGS, ids=described)
def exported(request, tmp_path):
    return export(request.param, tmp_path / "model.onnx")


def run(path, frames, lengths):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"frames": frames, "frame_lengths": np.array(lengths, np.int64)})


@pytest.mark.parametrize("lengths", [[1], [200], [5, 90, 33], [7] * 16])
def test_export_changes_nothing(exported, lengths):
    model, path = exported
    frames = np.random.default_rng(1).standard_normal((len(lengths), max(lengths) + 3, 26)).astype(np.float32)
    log_probs, output_lengths = run(path, frames, lengths)
    with torch.no_grad():
        expected = model(torch.from_numpy(frames), torch.tensor(lengths))[0].numpy()
    assert output_lengths.tolist() == lengths
    for row, length in enumerate(lengths):
        assert np.abs(log_probs[row, :length] - expected[row, :length]).max() < 1e-4


def test_padding_changes_nothing_in_the_graph_either(exported):
    _, path = exported
    frames = np.random.default_rng(1).standard_normal((2, 60, 26)).astype(np.float32)
    frames[1, 20:] = 1e3
    together, _ = run(path, frames, [60, 20])
    alone, _ = run(path, frames[1:, :20], [20])
    assert np.abs(together[1, :20] - alone[0]).max() < 1e-5


def test_the_file_is_all_that_inference_needs(exported):
    _, path = exported
    metadata = {item.key: item.value for item in onnx.load(path).metadata_props}
    card = ModelCard.from_metadata(metadata)
    assert (card.features, card.text, card.recipe, card.version, card.commit) == (
        CARD.features, CARD.text, CARD.recipe, CARD.version, CARD.commit,
    )  # fmt: skip
    assert np.array_equal(card.statistics.mean, CARD.statistics.mean)
    assert np.array_equal(card.statistics.std, CARD.statistics.std)
    assert metadata["sample_rate"] == "16000"


def wrong(cell):
    """The same cell, but for weights that arrive one per cent too large in the graph."""
    return replace(cell, to_onnx=lambda layers: {name: 1.01 * value for name, value in cell.to_onnx(layers).items()})


def test_an_export_that_differs_is_refused_and_leaves_no_file(tmp_path):
    model = AcousticModel(ModelConfig(), 26, 5)
    model.cell = wrong(model.cell)
    with pytest.raises(RuntimeError, match="differs"):
        onnx_graph.export(model, CARD, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_makes_much_of_rounding_is_exported_and_a_wrong_graph_of_it_is_not(tmp_path):
    torch.manual_seed(0)
    model = AcousticModel(ModelConfig(), 26, 5)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights *= 4 if "weight" in name else 1  # chaotic: what differs at first grows from frame to frame
        frames, lengths = torch.randn(8, 120, 26), torch.tensor([120] * 8)
        exact = copy.deepcopy(model).eval().double()(frames.double(), lengths)[0]
        assert (model.eval()(frames, lengths)[0] - exact).abs().max() > 10 * onnx_graph.PARITY
    onnx_graph.export(model, CARD, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").is_file()
    model.cell = wrong(model.cell)
    with pytest.raises(RuntimeError, match="differs"):
        onnx_graph.export(model, CARD, tmp_path / "wrong.onnx")


def test_the_default_network_is_about_240_kilobytes(tmp_path):
    onnx_graph.export(
        AcousticModel(ModelConfig(), 26, 27),
        ModelCard(FeatureConfig(deltas=1, variance="none"), TextConfig()),
        tmp_path / "m",
    )
    assert (tmp_path / "m").stat().st_size < 300_000


def test_reading_is_the_inverse_of_exporting(exported):
    model, path = exported
    weights, card = onnx_graph.read(path)
    own = model.state_dict()
    assert weights.keys() == own.keys() and all(torch.equal(weights[name], own[name]) for name in own)
    assert card.text == CARD.text and card.features == CARD.features
    assert np.array_equal(card.statistics.std, CARD.statistics.std)


def test_what_is_no_model_is_not_read(tmp_path):
    (tmp_path / "text.onnx").write_bytes(b"no model at all")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], [])), tmp_path / "other.onnx")
    for name, said in (
        ("text.onnx", "not an ONNX model"),
        ("other.onnx", "not a model"),
        ("none.onnx", "no such model"),
    ):
        with pytest.raises(ModelError, match=said):
            onnx_graph.read(tmp_path / name)


def test_eight_bits_are_a_quarter_of_the_size_and_nearly_the_same(exported, tmp_path):
    _, path = exported
    small = tmp_path / "small.onnx"
    worst = convert.quantise(path, small)
    assert 0 < worst < 0.1 and sorted(tmp_path.iterdir()) == sorted([path, small])
    # Of what stays in floats there is a number for each unit or gate, never a matrix: biases, peepholes, scales.
    left = {item.name for item in onnx.load(small).graph.initializer if item.data_type == onnx.TensorProto.FLOAT}
    assert not any(name.rstrip("0123456789") in ("W", "R") or name.endswith("_weight") for name in left)
    operators = {node.op_type for node in onnx.load(small).graph.node}
    assert operators == {node.op_type for node in onnx.load(path).graph.node} | {"Mul"}, "all of them ONNX's own"
    before, after = ({item.key: item.value for item in onnx.load(one).metadata_props} for one in (path, small))
    assert before.pop("precision") == '"float32"' and after.pop("precision") == '"int8"' and before == after


def test_the_default_network_in_eight_bits_is_under_90_kilobytes(tmp_path):
    onnx_graph.export(
        AcousticModel(ModelConfig(), 26, 27),
        ModelCard(FeatureConfig(deltas=1, variance="none"), TextConfig()),
        tmp_path / "m",
    )
    convert.quantise(tmp_path / "m", tmp_path / "s")
    assert (tmp_path / "s").stat().st_size < 90_000


def test_with_eight_bits_neighbours_change_nothing_either(exported, tmp_path):
    convert.quantise(exported[1], tmp_path / "small.onnx")
    recognizer = Recognizer.load(tmp_path / "small.onnx")
    rng = np.random.default_rng(2)
    frames = [scale * rng.standard_normal((length, 26)).astype(np.float32) for scale, length in ((1, 30), (20, 50))]
    together = recognizer.network.log_probs(frames)
    assert all(
        np.allclose(one, recognizer.network.log_probs([alone])[0], atol=1e-5)
        for one, alone in zip(together, frames, strict=True)
    )


def test_eight_bits_are_the_end_of_the_way(exported, tmp_path):
    convert.quantise(exported[1], tmp_path / "small.onnx")
    for what in (onnx_graph.read, lambda path: convert.quantise(path, tmp_path / "again.onnx")):
        with pytest.raises(ModelError, match=r"small\.onnx: .*int8"):
            what(tmp_path / "small.onnx")
    assert not (tmp_path / "again.onnx").exists()


def neighbour(model, seed):
    """A network near another, as one is that began with it."""
    near = copy.deepcopy(model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in near.parameters():
            weight += 0.3 * weight.std() * torch.randn_like(weight)
    return near


def test_an_ensemble_hears_the_mean_of_its_networks(exported, tmp_path):
    model, path = exported
    config = replace(model.config, hidden_size=model.config.hidden_size + 3)
    torch.manual_seed(5)
    stranger = AcousticModel(config, CARD.features.num_features, len(CARD.tokenizer))
    others = {"near": neighbour(model, 1), "stranger": stranger}
    tuned = replace(CARD, tuning={"beam": Tuning(lm_weight=1.0)}, timing=Timing(0.1, 0.06))
    for name, other in others.items():
        onnx_graph.export(other, tuned, tmp_path / f"{name}.onnx")
    paths = [path, *(tmp_path / f"{name}.onnx" for name in others)]
    convert.ensemble(paths, tmp_path / "all.onnx")
    frames = np.random.default_rng(1).standard_normal((3, 50, 26)).astype(np.float32)
    lengths = [50, 17, 1]
    heard, output_lengths = run(tmp_path / "all.onnx", frames, lengths)
    assert output_lengths.tolist() == lengths
    each = np.exp(np.mean([run(one, frames, lengths)[0].astype(np.float64) for one in paths], axis=0))
    assert np.allclose(np.exp(heard), each / each.sum(axis=2, keepdims=True), atol=1e-5)
    assert all(np.abs(heard - run(one, frames, lengths)[0]).max() > 0.01 for one in paths)
    card = Recognizer.load(tmp_path / "all.onnx").card
    assert card.has_same_input_as(CARD) and not card.tuning and card.timing.lead_s == pytest.approx((0.04 + 0.2) / 3)
    # The order is of no importance but for whose card it gets, and a network beside itself is itself.
    convert.ensemble(paths[::-1], tmp_path / "turned.onnx")
    assert np.allclose(run(tmp_path / "turned.onnx", frames, lengths)[0], heard, atol=1e-5)
    convert.ensemble([path] * 2, tmp_path / "twice.onnx")
    assert np.allclose(run(tmp_path / "twice.onnx", frames, lengths)[0], run(path, frames, lengths)[0], atol=1e-5)
    convert.quantise(tmp_path / "all.onnx", tmp_path / "small.onnx")
    assert (tmp_path / "small.onnx").stat().st_size < (tmp_path / "all.onnx").stat().st_size


def test_what_an_ensemble_cannot_be_is_refused(exported, tmp_path):
    model, path = exported
    whole = tmp_path / "all.onnx"
    convert.ensemble([path, path], whole)
    other_letters = replace(CARD.text, alphabet=CARD.text.alphabet[::-1])
    onnx_graph.export(model, replace(CARD, text=other_letters), tmp_path / "spells.onnx")
    with pytest.raises(ModelError, match=r"spells.onnx: has other features or another alphabet"):
        convert.ensemble([path, tmp_path / "spells.onnx"], tmp_path / "none.onnx")
    for refused in (lambda: convert.ensemble([path, whole], tmp_path / "none.onnx"),
                    lambda: onnx_graph.read(whole)):  # fmt: skip
        with pytest.raises(ModelError, match=r"all.onnx: "):
            refused()
    assert not (tmp_path / "none.onnx").exists()
