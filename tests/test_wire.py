"""Model files from strangers: what is not ours is refused in a sentence that names the file, and nothing of it runs."""

import json
import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from asr.modelfile import onnx_file, wire
from asr.modelfile.card import ModelError
from asr.modelfile.convert import ensemble, quantise
from asr.modelfile.locate import SHIPPED
from asr.recognition.recognizer import Recognizer


@pytest.fixture
def model():
    return onnx.load(SHIPPED)


def refused(path, model, said=""):
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(ModelError, match=rf"{path.name}: .*{said}") as caught:
        Recognizer.load(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_our_own_files_pass(tmp_path):
    for path in SHIPPED.parent.glob("*.onnx"):
        wire.check(path.read_bytes())
    quantise(SHIPPED, tmp_path / "small.onnx")
    ensemble([SHIPPED, SHIPPED], tmp_path / "both.onnx")
    for name in ("small.onnx", "both.onnx"):
        Recognizer.load(tmp_path / name)


def external(model):
    (weights,) = (item for item in model.graph.initializer if item.name == "head_weight")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def loop(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.insert(0, helper.make_node("Loop", ["frames"], ["x"], body=body))


def hidden_graph(model):
    model.graph.node[0].attribute.append(helper.make_attribute("then", helper.make_graph([], "body", [], [])))


def functions(model):
    model.functions.append(helper.make_function("d", "Cast", ["x"], ["y"], [], [helper.make_opsetid("", 14)]))


def outer_sum(model):
    (node,) = (node for node in model.graph.node if node.op_type == "Add")
    node.input[1] = node.input[0]


def another_output(model):
    model.graph.output[0].name = "hidden0"


def many(model):
    for number in range(1001):
        model.graph.node.append(helper.make_node("Identity", ["frames"], [f"x{number}"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external, "its weights are in another file"),
        (loop, "'Loop'"),
        (hidden_graph, "holds a graph"),
        (functions, "operators of its own"),
        (outer_sum, "no constant beside"),
        (another_output, "outputs"),
        (many, "more than 1000 operators"),
    ],
)
def test_graphs_that_are_not_ours(tmp_path, model, change, said):
    change(model)
    refused(tmp_path / "x.onnx", model, said)
    if change is not another_output:
        with pytest.raises(ModelError, match=r"x\.onnx: "):
            onnx_file.read_graph(tmp_path / "x.onnx")


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e38])
def test_weights_that_are_no_numbers_or_give_none(tmp_path, model, value):
    for item in model.graph.initializer:
        if item.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(item).copy()
            array.flat[::7] = value
            item.CopyFrom(numpy_helper.from_array(array, item.name))
    refused(tmp_path / "x.onnx", model, "(not finite|no log-probabilities)")


HOSTILE = [
    ("features", {"sample_rate": 0}), ("features", {"sample_rate": 10**12}), ("features", {"sample_rate": "16000"}),
    ("features", {"sample_rate": math.nan}), ("features", {"num_filters": 10**9}), ("features", {"fft_size": 10**12}),
    ("features", {"window_ms": 1e9}), ("features", {"hop_ms": 1e-9}), ("features", {"hop_ms": 0.126}),
    ("features", {"stack": 10**9}), ("features", {"deltas": 9}), ("features", {"delta_window": 10**9}),
    ("features", {"preemphasis": math.nan}), ("features", {"mean": "bogus"}), ("features", {"num_cepstra": True}),
    ("features", {"num_cepstra": [13]}), ("features", {"foo": 1}), ("features", {"high_hz": math.nan}),
    ("recognition", {"vtln_warps": [1.0] * 10**6}), ("recognition", {"vtln_warps": "abc"}),
    ("recognition", {"noise_pad_ms": 1e12}), ("recognition", {"min_silence_ms": math.nan}),
    ("speech", {"max_segment_s": 1e9}), ("speech", {"noise_share": -1}), ("speech", {"smoothing_ms": 1e9}),
    ("statistics", {"mean": [math.nan] * 13}), ("statistics", {"std": [0.0] * 13}), ("statistics", {"std": [1.0] * 3}),
    ("text", {"alphabet": "ab"}), ("text", {"alphabet": ""}), ("text", {"alphabet": ["a", "b"]}),
    ("text", {"alphabet": "\x1b[31m\x07" + "abcdefghijklmnopqrstu"}), ("text", {"alphabet": "\ud800" + "a"}),
    ("timing", {"lead_s": math.nan}), ("timing", {"tail_s": -1e9}),
]  # fmt: skip


@pytest.mark.parametrize(("part", "values"), HOSTILE)
def test_metadata_is_typed_and_ranged(tmp_path, model, part, values):
    metadata = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, metadata | {part: json.dumps(json.loads(metadata[part]) | values)})
    refused(tmp_path / "x.onnx", model)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("features", "null"), ("features", "[" * 100_000), ("features", '{"sample_rate": ' + "9" * 5000 + "}"),
        ("features", "{"), ("tuning", "[]"), ("tuning", '{"greedy": {"slope": NaN}}'), ("statistics", "null"),
        ("statistics", "true"), ("statistics", "{}"), ("precision", '"bogus"'), ("precision", "[]"), ("recipe", '"x"'),
        ("tuning", '{"greedy": {"blank_penalty": "x"}}'), ("sentences", "3"), ("sentences", "{}"),
    ],
)  # fmt: skip
def test_metadata_of_another_kind(tmp_path, model, part, text):
    metadata = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, metadata | {part: text})
    path = tmp_path / "x.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(Exception) as caught:
        Recognizer.load(path)
    assert isinstance(caught.value, ModelError) or part == "sentences"


def test_bytes_of_anything_raise_nothing_else():
    whole, rng = SHIPPED.read_bytes(), np.random.default_rng(0)
    for data in (b"", b"\0", b"nonsense", whole[:1000], whole[:-1], whole[1:], bytes(5000), b"\xff" * 5000):
        with pytest.raises(wire.WireError):
            wire.check(data)
    for _ in range(300):
        changed = bytearray(whole)
        for place in rng.integers(0, 3000, 4):
            changed[place] = rng.integers(256)
        try:
            wire.check(bytes(changed))
        except wire.WireError as error:
            assert "\n" not in str(error)
