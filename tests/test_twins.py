"""One model, every home: JavaScript, C and onnxruntime give what NumPy gives, of the model file alone."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from chromium import chromium
from conftest import REPOSITORY

from asr import audio
from asr.decode.decoder import DecoderConfig
from asr.decode.lexicon import Lexicon
from asr.errors import UserError
from asr.modelfile import convert, graph
from asr.modelfile.locate import model_file
from asr.recognition.live import Live
from asr.recognition.recognizer import Recognizer
from asr.text import Tokenizer
from asr.twins import automaton, header, page
from asr.twins.twin import Twin

WORDS = ["three", "four", "forty", "for two", "two", "toe", "six"]
SENTENCES = """
intents:
  Count:
    data:
      - sentences: ["[please] {number} [and] {number}"]
  Stop:
    data:
      - sentences: ["(stop|for ever)"]
lists:
  number:
    values: [three, "two", {in: for, out: four}, {in: fort, out: forty}]
"""


def tool(name):
    specification = importlib.util.spec_from_file_location(name, REPOSITORY / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


golden, parity = tool("golden"), tool("parity")


@dataclass
class Case:
    """A model with decoding resources, sounds, and what is found in them."""

    model: Path
    decoding: DecoderConfig | None
    expected: list

    @property
    def waveforms(self):
        return [np.array(one["waveform"], np.float32) for one in self.expected]

    def check(self, found, *, has_meaning=False):
        assert len(found) == len(self.expected)
        for one, expected in zip(found, self.expected, strict=True):
            rows = [row for segment in expected["segments"] for row in segment["log_probs"]]
            assert one.log_probs.shape[0] == len(rows)
            assert not rows or np.abs(np.exp(one.log_probs) - np.exp(np.array(rows))).max() < 1e-3
            assert not rows or np.abs(np.maximum(one.log_probs, -15) - np.maximum(rows, -15)).max() < 1e-3
            assert one.text == expected["text"], expected["name"]
            if has_meaning:
                assert (one.intent, one.slots) == (expected["intent"], expected["slots"])


@pytest.fixture(scope="module", params=["digits", "english_small", "lexicon", "sentences", "8 bits"])
def case(request, tmp_path_factory):
    name = request.param
    model, decoding = model_file(Path("digits" if name == "digits" else "english_small")), None
    folder = tmp_path_factory.mktemp("twins")
    if name == "lexicon":
        decoding = DecoderConfig(lexicon=WORDS)
    if name == "sentences":
        pytest.importorskip("hassil")
        (folder / "sentences.yaml").write_text(SENTENCES, "utf-8")
        decoding = DecoderConfig(sentences=folder / "sentences.yaml")
    if name == "8 bits":
        convert.quantise(model, folder / "small.onnx")
        model = folder / "small.onnx"
    recognizer = Recognizer.load(model, decoding=decoding, runtime="numpy")
    return Case(model, decoding, json.loads(json.dumps(golden.golden(recognizer))))


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"there is no {program}")


def test_golden_vectors_say_something(case):
    assert sum(bool(one["text"]) for one in case.expected) >= (1 if case.decoding else 2)
    segments = [segment for one in case.expected for segment in one["segments"]]
    assert all(len(segment["features"]) == len(segment["log_probs"]) for segment in segments if segment["is_speech"])


def test_onnxruntime_gives_what_numpy_gives(case):
    pytest.importorskip("onnxruntime")
    case.check(parity.python(case.model, case.decoding, "onnxruntime")(case.waveforms)[0], has_meaning=True)


@needs("node")
def test_javascript_gives_what_python_gives(case, tmp_path):
    home = parity.javascript(Twin.read(case.model, decoding=case.decoding), tmp_path)
    case.check(home(case.waveforms)[0], has_meaning=True)


@needs("gcc")
def test_c_gives_what_python_gives(case, tmp_path):
    home = parity.c(Twin.read(case.model, decoding=case.decoding), tmp_path)
    case.check(home(case.waveforms)[0])


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_is_clean(case, tmp_path, compiler):
    """No warning of either compiler, nothing undefined, no byte beyond an array."""
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    home = parity.c(Twin.read(case.model, decoding=case.decoding), tmp_path, compiler, parity.STRICT)
    case.check(home(case.waveforms)[0])


LIVE_C = """
#include <stdio.h>
#define ASR_MAX_MS 32200
#include "model.h"
static asr_recognizer recognizer;
static float block[BLOCK];
int main(void) {
  size_t count;
  asr_start(&recognizer, 1);
  while ((count = fread(block, sizeof *block, BLOCK, stdin)) > 0) {
    const char *text;
    asr_feed_float(&recognizer, block, count);
    text = asr_result(&recognizer);
    if (*text) puts(text);
  }
  asr_end(&recognizer);
  puts(asr_result(&recognizer));
  return 0;
}
"""
LIVE_JS = """
const { makeRecognizer } = require(process.argv[1]), live = makeRecognizer(require(process.argv[2])).live();
const held = require("fs").readFileSync(0), texts = [];
const sound = new Float32Array(held.buffer.slice(held.byteOffset, held.byteOffset + held.length));
for (let at = 0; at < sound.length; at += 777) {
  texts.push(...live.feed(sound.subarray(at, at + 777)));
  live.partial();
}
console.log([...texts, ...live.flush()].map(({ text }) => text).filter(Boolean).join(" "));
"""


@pytest.fixture(scope="module")
def live():
    """A model, sound that is longer than its pauses, and what Live makes of it."""
    model = model_file(Path("english_small"))
    recognizer = Recognizer.load(model, runtime="numpy")
    pause = 1e-3 * np.random.default_rng(0).standard_normal(20000)
    parts = [part for _, sound in golden.sounds(16000) for part in (sound, pause)]
    waveform = np.concatenate(parts).astype(np.float32)
    stream = Live(recognizer)
    finals = [*stream.feed(waveform, has_partial=False), *stream.flush()]
    texts = [final.text for final in finals if final.text]
    assert len(texts) > 2
    return model, waveform, " ".join(texts)


@needs("node")
def test_live_sound_in_javascript(live, tmp_path):
    model, waveform, text = live
    (tmp_path / "recognizer.js").write_text(page.script(), "utf-8")
    (tmp_path / "model.json").write_text(json.dumps(page.settings(Twin.read(model))), "utf-8")
    command = ["node", "-e", LIVE_JS, tmp_path / "recognizer.js", tmp_path / "model.json"]
    done = subprocess.run(command, input=waveform.tobytes(), stdout=-1, check=True)
    assert done.stdout.decode().strip() == text


@needs("gcc")
@pytest.mark.parametrize("block", [333, 16000])
def test_live_sound_in_c(live, tmp_path, block):
    model, waveform, text = live
    header.write(Twin.read(model), tmp_path / "model.h")
    (tmp_path / "live.c").write_text(LIVE_C, "utf-8")
    command = ["gcc", "-std=c99", "-O2", *parity.STRICT[:4], f"-DBLOCK={block}", tmp_path / "live.c"]
    subprocess.run([*command, "-o", tmp_path / "live", "-lm"], check=True)
    done = subprocess.run([tmp_path / "live"], input=waveform.tobytes(), stdout=-1, check=True)
    assert " ".join(done.stdout.decode().split()) == text


def test_c_has_no_heap_and_no_library_but_libm(tmp_path):
    header.write(Twin.read(model_file(Path("digits"))), tmp_path / "model.h")
    text = (tmp_path / "model.h").read_text("utf-8")
    assert set(re.findall(r"#include <(.*)>", text)) == {"math.h", "stddef.h", "stdint.h", "string.h"}
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca|printf)\b", text)


def test_a_page_is_one_small_file_without_addresses(tmp_path):
    for name, most in (("digits", 500_000), ("english_small", 500_000), ("english", 1_000_000)):
        page.write(Twin.read(model_file(Path(name))), tmp_path / "page.html")
        text = (tmp_path / "page.html").read_text("utf-8")
        assert len(text.encode()) < most and "http" not in text
        assert "/*MODEL*/" not in text and "/*RECOGNIZER*/" not in text


def test_states_of_an_automaton_accept_what_the_lexicon_accepts():
    tokenizer = Tokenizer("abc ")
    lexicon = Lexicon(["ab", "ab c", "c"], tokenizer)
    flat = automaton.flatten(lexicon)

    def accepts(text):
        state = 0
        for token in tokenizer.encode(text):
            steps = range(flat.first[state], flat.first[state + 1])
            found = [index for index in steps if flat.tokens[index] == token]
            if not found:
                return False
            state = flat.targets[found[0]]
        return bool(flat.is_end[state])

    assert all(map(accepts, ("", "ab", "ab c", "c ab c", "ab ab")))
    assert not any(map(accepts, ("a", "b", "abc", "ab a", "cc")))


def test_an_endless_automaton_is_refused(monkeypatch):
    monkeypatch.setattr(automaton, "MAX_STATES", 3)
    with pytest.raises(UserError, match="more than 3 states"):
        automaton.flatten(Lexicon(["abcabc"], Tokenizer("abc")))


@needs("node")
@pytest.mark.slow
def test_a_model_of_8_bits_runs_in_onnxruntime_web(tmp_path):
    """The graph of asr-export, unchanged, in WebAssembly."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path, "onnxruntime-web@1"]
    try:
        subprocess.run(install, capture_output=True, timeout=120, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        pytest.skip("onnxruntime-web cannot be installed: no network")
    model = tmp_path / "small.onnx"
    convert.quantise(model_file(Path("english_small")), model)
    recognizer = Recognizer.load(model, runtime="numpy")
    frames = np.random.default_rng(0).standard_normal((1, 50, recognizer.card.features.num_features))
    inputs = {"frames": frames.astype(np.float32), "frame_lengths": np.array([50], np.int64)}
    expected = recognizer.network.session.run(None, inputs)[0]
    (tmp_path / "run.js").write_text(
        "const ort = require('onnxruntime-web'), fs = require('fs');\n"
        "ort.env.wasm.numThreads = 1;\n"
        "(async () => { const model = new Uint8Array(fs.readFileSync('small.onnx'));\n"
        "const session = await ort.InferenceSession.create(model);\n"
        "const frames = JSON.parse(fs.readFileSync(0));\n"
        f"const given = {{ frames: new ort.Tensor('float32', Float32Array.from(frames), {list(frames.shape)}),\n"
        "frame_lengths: new ort.Tensor('int64', BigInt64Array.from([50n]), [1]) };\n"
        "console.log(JSON.stringify([...(await session.run(given)).log_probs.data])); })();\n",
        "utf-8",
    )
    given = json.dumps(inputs["frames"].ravel().tolist())
    done = subprocess.run(["node", "run.js"], input=given, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = np.array(json.loads(done.stdout)).reshape(expected.shape)
    assert np.abs(found - expected).max() < 1e-3
    assert not any(node.operator not in {"Cast", "Mul"} for node in graph.read(model.read_bytes()).nodes[:2])


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Words with pauses as a WAV file, long enough for the start of a browser."""
    path = tmp_path_factory.mktemp("sound") / "words.wav"
    waveform = dict(golden.sounds(48000))["words"]
    audio.write(path, waveform, 48000)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory, sound):
    flags = ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream",
             f"use-file-for-fake-audio-capture={sound}")  # fmt: skip
    with chromium(tmp_path_factory.mktemp("chromium"), *flags) as opened:
        yield opened


@pytest.fixture(scope="module", params=["digits", "english_small"])
def opened(request, browser, tmp_path_factory):
    model = model_file(Path(request.param))
    path = tmp_path_factory.mktemp("page") / "page.html"
    page.write(Twin.read(model), path)
    browser.get(path.as_uri())
    recognizer = Recognizer.load(model, runtime="numpy")
    return browser, recognizer, golden.golden(recognizer)


@pytest.mark.slow
class TestInChromium:
    def test_log_probabilities_and_text_are_those_of_python(self, opened):
        browser, _, expected = opened
        script = "const r = recognise(Float32Array.from(arguments[0]));" \
                 "return [r.text, r.parts.flatMap(({ emission }) => emission.map((row) => [...row]))]"  # fmt: skip
        for one in expected:
            text, rows = browser.execute_script(script, one["waveform"])
            wanted = [row for segment in one["segments"] for row in segment["log_probs"]]
            assert text == one["text"] and len(rows) == len(wanted)
            assert not rows or np.abs(np.maximum(rows, -15) - np.maximum(wanted, -15)).max() < 1e-3
            assert browser.find_element("id", "final").text == one["text"]

    def test_it_is_fifty_times_faster_than_real_time(self, opened):
        if os.getloadavg()[0] > os.cpu_count():
            pytest.skip("others use this machine: a page has no clock of its own processor")
        browser, recognizer, expected = opened
        script = "const s = Float32Array.from(arguments[0]), took = []; for (let i = 0; i < 20; i++) {" \
                 "const t = performance.now(); recognizer.recognise(s); took.push(performance.now() - t); }" \
                 "return Math.min(...took) / 1000"  # fmt: skip
        waveform = expected[1]["waveform"]
        seconds = browser.execute_script(script, waveform)
        assert len(waveform) / recognizer.card.features.sample_rate / seconds > 50

    def test_words_come_from_the_microphone_while_they_are_spoken(self, opened):
        from selenium.webdriver.support.ui import WebDriverWait

        browser, _, _ = opened
        browser.find_element("id", "speak").click()
        said = lambda browser: browser.find_element("id", "final").text  # noqa: E731
        WebDriverWait(browser, 30).until(said)
        browser.find_element("id", "speak").click()
        assert said(browser)
        assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []

    def test_no_request_leaves_the_page_and_a_phone_shows_it(self, opened):
        browser, _, _ = opened
        messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        assert all(url.startswith(("file:", "data:", "blob:", "chrome:")) for url in asked)
        size = {"width": 380, "height": 700, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 380
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.slow
@needs("arm-none-eabi-gcc")
class TestOnABoard:
    footprint = tool("footprint")

    @pytest.mark.parametrize("bits, most", [(32, 320), (8, 120)])
    def test_it_is_small(self, tmp_path, bits, most):
        flash, ram = self.footprint.size(Twin.read(model_file(Path("digits")), bits), "Cortex-M4", 2000, tmp_path)
        assert flash < most * 1024 and ram < 128 * 1024

    @needs("qemu-system-arm")
    @pytest.mark.parametrize("core", ["Cortex-M4", "Cortex-M7"])
    def test_it_recognises_what_python_recognises(self, tmp_path, core):
        model = model_file(Path("digits"))
        waveform = np.round(dict(golden.sounds(8000))["word"] * 32767).astype(np.int16)
        expected = Recognizer.load(model, runtime="numpy").transcribe(waveform, 8000).text
        assert expected and self.footprint.run(Twin.read(model), core, waveform, tmp_path) == expected
