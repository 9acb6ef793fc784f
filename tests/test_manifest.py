import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr import audio
from asr.data import manifest
from asr.data.manifest import ManifestError, Utterance

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    text=TEXT,
    speaker=st.none() | TEXT.filter(bool),
    duration=st.floats(0, 1e4),
    start=st.floats(0, 1e4),
    length=st.none() | st.floats(0.1, 1e4),
)
def test_writing_then_reading_is_identity(tmp_path_factory, text, speaker, duration, start, length):
    folder = tmp_path_factory.getbasetemp()
    utterance = Utterance("u-1", text, str(folder / "a.wav"), None, duration, speaker, start, length and start + length)
    manifest.write(folder / "m.jsonl", [utterance])
    assert manifest.read(folder / "m.jsonl") == [utterance]


def test_paths_are_relative_to_the_manifest(tmp_path):
    manifest.write(tmp_path / "lists" / "m.jsonl", [Utterance("u", "a", str(tmp_path / "sound" / "u.wav"))])
    assert json.loads((tmp_path / "lists" / "m.jsonl").read_text())["audio"] == "../sound/u.wav"
    (tmp_path / "lists").rename(tmp_path / "elsewhere")
    assert manifest.read(tmp_path / "elsewhere" / "m.jsonl")[0].audio == str(tmp_path / "sound" / "u.wav")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "Expecting value"),
        ("[1]", "not a JSON object"),
        ('{"id": "b", "text": "x"}', "neither `audio` nor `features`"),
        ('{"id": "b", "audio": "b.wav"}', "'text' is missing"),
        ('{"id": "b", "text": 3, "audio": "b.wav"}', "text must be a str"),
        ('{"id": "b", "text": "x", "audio": "b.wav", "duration_s": "long"}', "duration_s must be a float"),
        ('{"id": "b", "text": "x", "audio": "b.wav", "durations": 1}', "unknown key 'durations'"),
        ('{"id": "a", "text": "x", "audio": "b.wav"}', "the id a was on line 1"),
        ('{"id": "b c", "text": "x", "audio": "b.wav"}', "must not be empty nor hold spaces"),
        ("\udcff", "not UTF-8"),
        ('{"id": "b", "text": "x", "audio": "b.wav", "end_s": Infinity}', "must be finite, in order"),
        ('{"id": "b", "text": "x", "audio": "b.wav", "start_s": 2, "end_s": 1}', "must be finite, in order"),
        ('{"id": "b", "text": "x", "features": "b.npy", "start_s": 2}', "cut sound, not features"),
        ("[" * 100000, "recursion"),
        (f'{{"id": "b", "text": "x", "audio": "b.wav", "duration_s": 1{"0" * 400}}}', "more than 300 digits"),
        (f'{{"id": "b", "text": "x", "audio": "b.wav", "start_s": 1{"0" * 5000}}}', "4300 digits"),
        (r'{"id": "\ud800", "text": "x", "audio": "b.wav"}', "must not be empty nor hold spaces"),
        (r'{"id": "a\u001b[2J", "text": "x", "audio": "b.wav"}', "must not be empty nor hold spaces"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, said):
    path = tmp_path / "m.jsonl"
    good = '{"id": "a", "text": "x", "audio": "a.wav"}'
    path.write_bytes(f"{good}\n\n{line}\n".encode("utf-8", "surrogateescape"))
    with pytest.raises(ManifestError, match=said) as caught:
        manifest.read(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")


def test_missing_and_empty_manifests_are_named(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    for name in ("missing.jsonl", "empty.jsonl"):
        with pytest.raises(ManifestError, match=name):
            manifest.read(tmp_path / name)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sphinx_features_of_either_byte_order(tmp_path, order):
    frames = np.random.default_rng(0).standard_normal((7, 13)).astype(np.float32)
    path = tmp_path / "u.mfc"
    path.write_bytes(np.array([frames.size], f"{order}i4").tobytes() + frames.astype(f"{order}f4").tobytes())
    read = manifest.read_features(path, 13)
    assert read.dtype == np.float32
    assert np.array_equal(read, frames)


def test_numpy_features(tmp_path):
    frames = np.random.default_rng(0).standard_normal((7, 13))
    np.save(tmp_path / "u.npy", frames)
    assert np.allclose(manifest.read_features(tmp_path / "u.npy", 13), frames)


def bad_features(tmp_path):
    frames = np.zeros((4, 13), np.float32)
    files = {
        "short.mfc": np.array([52], "<i4").tobytes() + frames.tobytes()[:-8],
        "width.mfc": np.array([50], "<i4").tobytes() + frames.tobytes()[:200],
        "empty.mfc": b"",
        "zero.mfc": np.array([0], "<i4").tobytes(),
        "odd.mfc": b"\0\0\0",
        "text.npy": b"not an array",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        yield tmp_path / name
    np.save(tmp_path / "shape.npy", np.zeros((4, 12)))
    yield tmp_path / "shape.npy"
    np.save(tmp_path / "nan.npy", np.full((4, 13), np.nan))
    yield tmp_path / "nan.npy"
    yield tmp_path / "missing.npy"
    np.save(tmp_path / "words.npy", np.array([["a"] * 13]))
    yield tmp_path / "words.npy"
    np.save(tmp_path / "complex.npy", np.ones((4, 13)) * 1j)
    yield tmp_path / "complex.npy"
    np.save(tmp_path / "huge.npy", np.full((4, 13), 1e300))
    yield tmp_path / "huge.npy"


@pytest.mark.parametrize("shape", ["(1000000000000, 13)", "(1000000000, 13)", "(-10, 13)", "(10, 12)", "(11, 13)",
                                   "(10, 13", "(10, 13,))", "(1e3, 13)", f"({'9' * 50}, 13)", f"({'9' * 5000}, 13)",
                                   "(10, 'a')", "10", "lambda: 0", "\0", "(" * 300])  # fmt: skip
def test_a_damaged_header_of_an_array_takes_no_memory_and_is_named(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros((10, 13), np.float32))
    data = (tmp_path / "x.npy").read_bytes()
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    (tmp_path / "x.npy").write_bytes(data[:8] + len(header).to_bytes(2, "little") + header + data[128:])
    with pytest.raises(ManifestError, match=r"x\.npy") as caught:
        manifest.read_features(tmp_path / "x.npy", 13)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("descr", ["'|O'", "'<c8'", "'<U3'", "[('a', '<f4')]", "'nonsense'", "'>f4'", "'<i2'"])
def test_arrays_of_any_numbers_and_of_nothing_else(tmp_path, descr):
    frames = np.arange(130).reshape(10, 13)
    path = tmp_path / "x.npy"
    if descr in ("'>f4'", "'<i2'"):
        np.save(path, np.asfortranarray(frames.astype(descr.strip("'"))))
        assert np.array_equal(manifest.read_features(path, 13), frames)
        return
    np.save(path, np.zeros((10, 13), np.float32))
    path.write_bytes(path.read_bytes().replace(b"'<f4'", descr.encode()))
    with pytest.raises(ManifestError, match=r"x\.npy: (not a|damaged)"):
        manifest.read_features(path, 13)


def test_names_that_are_not_utf_8_come_back(tmp_path):
    """Python has the bytes of such a name as surrogates."""
    utterance = Utterance("u", "é", str(tmp_path / "caf\udce9.wav"))
    manifest.write(tmp_path / "m.jsonl", [utterance])
    assert manifest.read(tmp_path / "m.jsonl") == [utterance]
    (tmp_path / "m.jsonl").read_text("ascii")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\ud800"])
def test_what_cannot_be_the_name_of_a_file_is_named(tmp_path, name):
    with pytest.raises(audio.AudioError, match="no such file") as caught:
        manifest.read_waveform(Utterance("u", "x", str(tmp_path / name)), 16000)
    assert "\0" not in str(caught.value)
    for suffix in (".npy", ".mfc"):
        with pytest.raises(ManifestError, match="no such file"):
            manifest.read_features(tmp_path / (name + suffix), 13)


def test_a_manifest_may_come_from_a_pipe(tmp_path):
    line = b'{"id": "a", "text": "x", "audio": "a.wav"}\n'
    code = "from asr.data import manifest; print(manifest.read('/dev/stdin')[0].id)"
    assert subprocess.run([sys.executable, "-c", code], input=line, capture_output=True).stdout.split() == [b"a"]


def test_bad_feature_files_are_named(tmp_path):
    for path in bad_features(tmp_path):
        with pytest.raises(ManifestError, match=path.name):
            manifest.read_features(path, 13)


def test_real_sphinx_files(real_speech):
    paths = sorted((real_speech / "an4" / "feat").rglob("*.mfc"))
    assert paths
    for path in paths:
        frames = manifest.read_features(path, 13)
        assert 20 < len(frames) < 2000
        assert 0 < frames[:, 0].mean() < 100, "c0 of the wrong byte order would be anywhere"


def test_a_manifest_that_cannot_be_written_leaves_the_old_one(tmp_path):
    manifest.write(tmp_path / "m.jsonl", [Utterance("a", "x", str(tmp_path / "a.wav"))])
    before = (tmp_path / "m.jsonl").read_bytes()
    with pytest.raises(UnicodeEncodeError):
        manifest.write(tmp_path / "m.jsonl", [Utterance("a", "\ud800", str(tmp_path / "a.wav"))])
    assert (tmp_path / "m.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.jsonl"]
