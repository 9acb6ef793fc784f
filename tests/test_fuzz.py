"""Nothing but a UserError comes out of what reads files and messages of strangers; tools/fuzz.py does it for longer."""

import importlib
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest
from conftest import REPOSITORY
from hypothesis import strategies as st

sys.path.insert(0, str(REPOSITORY / "tools"))
fuzz, edits, readers = (importlib.import_module(name) for name in ("fuzz", "fuzzing.edits", "fuzzing.readers"))
sys.path.remove(str(REPOSITORY / "tools"))

SHARE = st.floats(0, 1, exclude_max=True)
EDITS = st.lists(
    st.builds(edits.Edit, st.sampled_from(edits.KINDS), SHARE, SHARE, st.integers(0, len(edits.PIECES) - 1)),
    min_size=1,
    max_size=6,
)
_SLOW = [hypothesis.HealthCheck.too_slow]  # of a machine that is busy with other things


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return readers.made(list(readers.READERS), tmp_path_factory.mktemp("readers"))


@pytest.mark.parametrize("name", sorted(readers.READERS))
def test_what_is_damaged_is_read_or_refused(made, name):
    reader = made[name]
    assert any(fuzz.tried(reader, seed) == "read" for seed in reader.seeds), "the inputs to damage are good"

    @hypothesis.settings(max_examples=40, database=None, derandomize=True, suppress_health_check=_SLOW)
    @hypothesis.given(st.sampled_from(reader.seeds), EDITS, st.sampled_from(reader.seeds))
    def damaged(seed, some, other):
        fuzz.tried(reader, edits.apply(seed, some, other))

    damaged()


def test_the_tool_counts_and_goes_on_and_keeps_what_escapes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    arguments = ["--readers", "sphinx", "--out", str(tmp_path), "--inputs"]
    assert fuzz.main([*arguments, "20"]) == 0 and "| sphinx | 20 |" in capsys.readouterr().out

    def broken(_data):
        raise KeyError("not ours")

    monkeypatch.setitem(readers.READERS, "sphinx", lambda _folder: readers.Reader(broken, (b"x",)))
    assert fuzz.main([*arguments, "25"]) == 1 and "| sphinx | 25 |" in capsys.readouterr().out
    assert len(list(tmp_path.glob("sphinx-*KeyError"))) == 1, "one input for each place"


def _odd(path, kind):
    """A file that is none."""
    path.unlink(missing_ok=True)
    if kind == "loop":
        path.symlink_to(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
        threading.Thread(target=_feed, args=[path], daemon=True).start()


def _feed(path):
    """Zeros without end for whoever reads, also the second time."""
    while path.exists():
        with suppress(OSError), path.open("wb") as pipe:
            while True:
                pipe.write(b"\0" * 65536)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices and named pipes")
@pytest.mark.parametrize("kind", ["loop", "endless", "folder", "pipe"])
@pytest.mark.parametrize("name", sorted(readers.READERS))
def test_what_is_no_file_is_refused_at_once(tmp_path, monkeypatch, name, kind):
    monkeypatch.setenv("ASR_MAX_PIPE_MB", "20")
    monkeypatch.setenv("ASR_MAX_TEXT_MB", "20")
    reader = readers.made([name], tmp_path)[name]
    if reader.file is None:
        pytest.skip("it reads no file")
    _odd(reader.file, kind)
    began = time.process_time()
    with pytest.raises((fuzz.UserError, OSError)):
        reader.read_file(reader.file)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("recipe", b"a: " + b"[" * 20000, "brackets within brackets"),
        ("sentences", b"- " * 20000, "lists within lists"),
        ("jsgf", b"#JSGF V1.0;\ngrammar a;\npublic <b> = " + b"(" * 20000, "brackets within brackets"),
        ("jsgf", b"#JSGF V1.0;\ngrammar a;\npublic <b> = " + b"{" * 20000, "s.jsgf"),
        (
            "rhino",
            b"context:\n  expressions: {a: [b]}\n  slots: [c]\n",
            "`slots` must be a mapping from names to lists",
        ),
        ("recipe", b"extends: " + b"a" * 5000, "a name too long"),
        ("recipe", b"data: {prepare: %s, folder: x, source: y}" % (b"a" * 500), "data.prepare: "),
        (
            "recipe",
            b"data: {prepare: prepare.py, folder: x, source: y}\nfeatures: {sample_rate: %s}" % (b"9" * 400),
            "more digits than a setting may have",
        ),
        (
            "recipe",
            b"name: ../../x\ndata: {prepare: prepare.py, folder: x, source: y}",
            "the name of a folder below runs",
        ),
        ("recipe", b"model: {num_layers: 1000000}\ndata: {prepare: prepare.py, folder: x, source: y}", "from 1 to 100"),
        ("recipe", b"train: {<<: {epochs: 3}, batch_size: 2}", "data.prepare is missing"),
        ("recipe", b"extends: base.yaml\nrun_dir: null\nx: 1\n", "unknown setting x"),
        (
            "manifest",
            b'{"id": "d", "audio": "d", "labels": [{"label": "b", "start_s": 0, "end_s": %s}]}' % (b"9" * 400),
            "labels holds names, or objects",
        ),
        ("sentences", b"intents: {A: ['a {n}']}\nlists: {n: {range: {from: 0, to: .inf}}}", "a range of whole numbers"),
        (
            "sentences",
            b"intents: {A: ['a {n}']}\nlists: {n: {range: {from: 0, to: 1%s}}}" % (b"0" * 40),
            "10000 numbers",
        ),
        (
            "sentences",
            b"intents: {A: ['a {n}']}\nlists: {n: {range: {from: 1%s, to: 1%s}}}" % (b"0" * 400, b"0" * 400),
            "none beyond",
        ),
        (
            "sentences",
            b"intents: {A: ['{n}']}\nlists: {n: {range: {from: 1, to: 2, multiplier: .inf}}}",
            "whole numbers",
        ),
        (
            "sentences",
            b"intents: {A: ['{n}']}\nlists: {n: {range: {from: 9, to: 9, multiplier: 1e300}}}",
            "none beyond",
        ),
        ("sentences", b"language: ../../x\nintents: {A: [a]}", "must be a code"),
        ("sentences", b"skip_words: 5\nintents: {A: [a]}", "must be a list"),
        ("sentences", b"intents: {A: {data: [{sentences: [a], slots: b}]}}", "must be a mapping"),
        ("other_sounds", b"caff\x00\x01\x00\x00desc" + b"\xff" * 60, "sound"),
    ],
)
def test_depth_and_length_are_named_at_once(made, name, data, message):
    with pytest.raises(fuzz.UserError, match=message):
        made[name].read(data)


def test_servers_end_what_is_no_message(made):
    """Payloads that would never end, events that are none, depth, and names that no UTF-8 can hold."""
    events = (
        b'{"type": "audio-chunk", "payload_length": 1000000000000}\n' + b"x" * 100,
        *(b"[1]\n", b'{"a": 1}\n', b'{"type": "ping", "data": {"text": "\\ud800"}}\n'),
    )
    chunk = b'{"type": "audio-chunk", "data": {"rate": %s, "width": %s, "channels": %s}, "payload_length": 8}\n12345678'
    forms = (b"-8000 2 1", b"8000 2 0", b"8000 9 1", b"1 2 1", b"1e4 2 1", b"8000 3 1")
    for data in events:
        made["server_wyoming"].read(data)
    for form in forms:
        assert b"a chunk " in b"".join(made["server_wyoming"].read(chunk % tuple(form.split())))
    for data, reason in ((b"[" * 100_000, "no JSON"), (b'{"config": {"sample_rate": "\\ud800"}}', r"not \\ud800")):
        sent = made["server_stream"].read(data)
        assert any(reason in message.get("text", "") for message in sent)


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("server_form", b"origin: http://[\nhost: x\n\n", 403),
        ("server_prompts", b"host: x\n\n" + b"[" * 50_000, 400),
        ("server_prompts", b'host: x\n\n{"prompts": ["\\ud800"]}', 400),
    ],
)
def test_a_server_refuses_what_is_no_request(made, name, data, status):
    assert made[name].read(data)[0] == status
