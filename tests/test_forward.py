"""A model file read and run with NumPy alone gives what onnxruntime gives."""

import random
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from asr import audio
from asr.cli.jobs import choose_runtime
from asr.features import FeatureConfig
from asr.modelfile import convert, session
from asr.modelfile import graph as graphs
from asr.modelfile.card import ModelCard, ModelError
from asr.modelfile.forward import Forward
from asr.modelfile.layers import rounded, stacks
from asr.modelfile.locate import SHIPPED
from asr.network import onnx_graph
from asr.network.encoder import AcousticModel, ModelConfig
from asr.text import TextConfig

CARD = ModelCard(FeatureConfig(variance="none"), TextConfig())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Model files of every kind."""
    folder = tmp_path_factory.mktemp("models")
    shapes = {"plain": (7, 2, True), "forwards": (5, 1, False), "deep": (4, 3, True)}
    for name, (size, layers, both) in shapes.items():
        onnx_graph.export(AcousticModel(ModelConfig(size, layers, both), 13, 27), CARD, folder / f"{name}.onnx")
    convert.quantise(folder / "plain.onnx", folder / "small.onnx")
    convert.ensemble([folder / "plain.onnx", folder / "deep.onnx"], folder / "two.onnx")
    convert.quantise(folder / "two.onnx", folder / "two_small.onnx")
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["plain", "forwards", "deep", "small", "two", "two_small"])
def test_numpy_gives_what_onnxruntime_gives(files, name):
    network, judge = Forward(stacks(graphs.read(files[name].read_bytes()))), session.start(files[name])
    for frames, lengths in session.probes(13):
        inputs = {"frames": 3 * frames, "frame_lengths": lengths}
        for found, wanted in zip(network.run(None, inputs), judge.run(None, inputs), strict=True):
            assert found.shape == wanted.shape and np.allclose(found, wanted, atol=2e-5)


def test_the_reader_reads_what_onnx_reads(files):
    for path in (*files.values(), SHIPPED):
        graph, judge = graphs.read(path.read_bytes()), onnx.load(path)
        assert graph.metadata == {item.key: item.value for item in judge.metadata_props}
        assert [(node.operator, node.inputs, node.outputs) for node in graph.nodes] == [
            (node.op_type, tuple(node.input), tuple(node.output)) for node in judge.graph.node
        ]
        for node, wanted in zip(graph.nodes, judge.graph.node, strict=True):
            values = {item.name: helper.get_attribute_value(item) for item in wanted.attribute}
            assert node.attributes == {
                name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()
            }
        for item in judge.graph.initializer:
            wanted = numpy_helper.to_array(item)
            found = graph.constants[item.name]
            assert found.dtype == wanted.dtype and np.array_equal(found, wanted)


def test_the_reader_reads_values_that_are_not_raw(files):
    model = onnx.load(files["plain"])
    for item in model.graph.initializer:
        values = numpy_helper.to_array(item)
        item.CopyFrom(helper.make_tensor(item.name, item.data_type, values.shape, values.ravel()))
    raw = graphs.read(files["plain"].read_bytes()).constants
    constants = graphs.read(model.SerializeToString()).constants
    assert all(np.array_equal(constants[name], values) for name, values in raw.items())


def test_broken_files_are_refused_in_one_sentence(files):
    content, rng = files["two_small"].read_bytes(), random.Random(0)
    for _ in range(300):
        broken = bytearray(content[: rng.randrange(1, len(content))])
        for _ in range(rng.randrange(4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            stacks(graphs.read(bytes(broken)))
        except ModelError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda graph: setattr(graph.node[-3], "op_type", "Identity"), "is made by Identity"),
        (lambda graph: graph.node[2].attribute.add(name="clip", f=3.0), "settings that are not ours"),
        (lambda graph: setattr(graph.node[2], "domain", "com.microsoft"), "not one of ONNX's own"),
        (lambda graph: setattr(graph.initializer[1], "data_location", 1), "in another file"),
        (lambda graph: graph.initializer[-1].ClearField("name"), "no constant beside"),
    ],
)
def test_other_graphs_are_refused(files, change, said):
    model = onnx.load(files["plain"])
    change(model.graph)
    with pytest.raises(ModelError, match=said):
        stacks(graphs.read(model.SerializeToString()))


def test_eight_bits_rounded_again_are_the_same():
    weights = np.random.default_rng(0).standard_normal((2, 8, 5)).astype(np.float32)
    weights[0, 0] = 0
    whole, scales = rounded(weights, axis=2)
    assert np.abs(whole * scales - weights).max() <= scales.max() / 1.99
    again, same = rounded(whole * scales, axis=2)
    assert np.array_equal(again, whole) and np.allclose(scales, same)


def test_without_onnxruntime_numpy_recognises():
    code = f"""
import sys
import numpy as np
from asr.recognition.recognizer import Recognizer
word = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
quick = Recognizer.load({str(SHIPPED)!r}, runtime="numpy").transcribe(word, 8000)
assert "onnxruntime" not in sys.modules
assert Recognizer.load({str(SHIPPED)!r}).transcribe(word, 8000).text == quick.text
assert "onnxruntime" in sys.modules
import importlib.util
importlib.util.find_spec = lambda name: None  # as if it were not installed
assert Recognizer.load({str(SHIPPED)!r}).transcribe(word, 8000) == quick
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_short_file_is_transcribed_without_onnxruntime(tmp_path):
    audio.write(tmp_path / "one.wav", np.zeros(8000, np.float32), 8000)
    assert choose_runtime([str(tmp_path / "one.wav"), "-"]) == "numpy"
    audio.write(tmp_path / "many.wav", np.zeros(600000, np.float32), 8000)
    assert choose_runtime([str(tmp_path / "many.wav")]) == "onnxruntime"
