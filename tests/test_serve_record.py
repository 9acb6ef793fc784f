"""Recording one's own words with `asr-serve --record`, over HTTP; its page is tested with the page."""

import io
import json
import re

import numpy as np
import pytest

for package in ("httpx", "soundfile", "starlette", "uvicorn", "websockets", "wyoming"):
    pytest.importorskip(package)

import httpx
import soundfile
from serving import serving

from asr import audio
from asr.data import folder as recordings
from asr.errors import UserError
from asr.serve.takes import SAMPLE_RATE, Takes, examined
from asr.synthesis import espeak

TINY = ["train.epochs=2", "augment.renew=1", "augment.room_ms=0"]
RATE = 44100


def spoken(word, seed=0, before_s=0.6, after_s=0.8):
    """A word at RATE with faint noise around it: (num_samples,), and where it begins and ends in seconds."""
    synthesizer = espeak.Synthesizer()
    rng = np.random.default_rng(seed)
    waveform = synthesizer.speak(espeak.Line("", word, "en-us+m3", 150 + 10 * seed))
    word = 0.5 * audio.resample(waveform, synthesizer.sample_rate, RATE)
    loud = np.flatnonzero(np.abs(word) > 0.02)
    word = word[loud[0] : loud[-1]]
    parts = [np.zeros(round(before_s * RATE)), word, np.zeros(round(after_s * RATE))]
    whole = np.concatenate(parts)
    return whole + 3e-4 * rng.standard_normal(len(whole)), before_s, before_s + len(word) / RATE


def wav(waveform):
    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1), RATE, "PCM_16", format="WAV")
    return file.getvalue()


def test_takes_are_trimmed_with_room_and_their_faults_named():
    waveform, start_s, end_s = spoken("seven")
    take = examined(waveform.astype(np.float32), RATE)
    assert take.faults == ()
    assert start_s - 0.4 < take.start_s < start_s and end_s < take.end_s < end_s + 0.4
    first = round(start_s * RATE)
    loudest = int(np.abs(waveform).argmax())
    for changed, fault in (
        (np.clip(4 * waveform, -0.5, 0.5), "too loud"),
        (0.03 * waveform, "too quiet"),
        (waveform[loudest:], "begins within"),
        (waveform[:loudest], "ends within"),
        (waveform[:first], "Nobody speaks"),
        (np.zeros(RATE), "Nobody speaks"),
    ):
        assert any(fault in one for one in examined(changed.astype(np.float32), RATE).faults), fault


def test_takes_lie_where_the_recipe_reads_them(tmp_path):
    takes = Takes(tmp_path / "mine")
    takes.set_prompts(["Lamp on!", "  seven", "seven", ""])
    assert takes.prompts == ["lamp on", "seven"]
    for bad in (["7"], "seven", [1], ["été"]):
        with pytest.raises(UserError):
            takes.set_prompts(bad)
    for speaker, text in (("anna", "seven"), ("anna", "lamp on"), ("Jörg 2", "seven")):
        assert takes.add(wav(spoken(text)[0]), speaker, text).name
    for speaker, text, data in (
        ("../x", "seven", wav(spoken("seven")[0])),
        ("_x", "seven", wav(spoken("seven")[0])),
        ("anna", "eight", wav(spoken("seven")[0])),
        ("anna", "seven", b"no sound"),
        ("anna", "seven", wav(np.zeros(30 * RATE))),
    ):
        with pytest.raises(UserError):
            takes.add(data, speaker, text)
    found = {one.id: (one.text, one.audio) for one in recordings.read(takes.recordings).utterances}
    assert {key: text for key, (text, _) in found.items()} == {
        "anna/0001": "seven", "anna/0002": "lamp on", "Jörg_2/0001": "seven",
    }  # fmt: skip
    info = audio.info(found["anna/0001"][1])
    assert info.sample_rate == SAMPLE_RATE and 0.3 < info.duration_s < 1.3
    assert takes.counts() == {"anna": {"seven": 1, "lamp on": 1}, "Jörg 2": {"seven": 1}}
    takes.remove("anna", "0001")
    assert takes.counts()["anna"] == {"lamp on": 1}
    for speaker, name in (("anna", "0001"), ("..", "0001"), ("anna", "../x")):
        with pytest.raises(UserError):
            takes.remove(speaker, name)
    assert takes.add(wav(spoken("seven")[0]), "anna", "seven").name == "0003"


@pytest.mark.slow
def test_from_an_empty_folder_to_a_model(tmp_path):
    options = [part for setting in TINY for part in ("--train-setting", setting)]
    with (
        serving("--model", "digits", "--record", str(tmp_path / "mine"), *options) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        assert client.get("/health").json()["records"] is True
        assert client.get("/v1/record").json()["prompts"] == []
        refused = client.put("/v1/record/prompts", content=b"[]")
        assert refused.status_code == 400 and "prompts" in refused.json()["error"]["message"]
        assert client.put("/v1/record/prompts", json={"prompts": ["seven", "two"]}).status_code == 200
        refused = client.post("/v1/record/training")
        assert refused.status_code == 409 and "0 of at least 3 takes" in refused.json()["error"]["message"]
        for word in ("seven", "two"):
            for seed in range(3):
                form = {"speaker": "anna", "text": word}
                answer = client.post("/v1/record/takes", data=form, files={"file": wav(spoken(word, seed)[0])}).json()
                assert answer["take"]["name"] and answer["take"]["faults"] == []
        quiet = client.post("/v1/record/takes", data=form, files={"file": wav(0.03 * spoken("two")[0])}).json()
        assert quiet["take"]["name"] is None and quiet["take"]["faults"]
        assert [one["takes"] for one in quiet["prompts"]] == [{"anna": 3}, {"anna": 3}]
        assert client.delete("/v1/record/takes/anna/0099").status_code == 404
        assert client.post("/v1/record/training").json()["training"]["state"] == "running"
        assert client.post("/v1/record/training").status_code == 409
        while (state := client.get("/v1/record").json()["training"])["state"] == "running":
            pass
        assert state["state"] == "done", state
        assert state["report"]["recordings"] and {"said", "recognised"} == set(state["report"]["recordings"][0])
        assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["digits", "own"]
        known = client.get("/v1/sentences?model=own").json()["sentences"]
        assert [one["text"] for one in known] == ["seven", "two"]
        data = wav(spoken("seven", 1)[0])
        answer = client.post("/v1/audio/transcriptions", data={"model": "own"}, files={"file": ("a.wav", data)})
        assert answer.json()["text"] in ("seven", "two", "")
        run = next((tmp_path / "mine" / "runs").iterdir())
        assert json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["epoch"] == 2
        client.post("/v1/record/training")
        assert re.fullmatch("it was stopped|", client.delete("/v1/record/training").json()["training"]["message"])


def test_what_record_mode_is_told_wrongly(tmp_path):
    import subprocess

    from serving import COMMAND

    (tmp_path / "file").write_text("")
    for options, message in (
        (["--recipe", "x.yaml"], "--record FOLDER"),
        (["--record", str(tmp_path / "file")], "file"),
    ):
        done = subprocess.run([*COMMAND, "--model", "digits", *options], capture_output=True, text=True)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
