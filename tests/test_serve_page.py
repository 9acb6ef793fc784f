"""The page of `asr-serve` in a real Chromium, with a recording as its microphone."""

import base64
import json

import numpy as np
import pytest
from chromium import chromium

for package in ("selenium", "starlette", "uvicorn", "websockets"):
    pytest.importorskip(package)

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from serving import serving

from asr import audio
from asr.synthesis import espeak

SENTENCES = """
language: en
intents:
  Light:
    data:
      - sentences: ["{number}"]
lists:
  number:
    values: [one, two, three]
"""
HOSTILE = "<img src=x onerror=alert(1)>.wav"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A digit at 48 kHz, as Chromium's fake microphone plays it again and again."""
    synthesizer, rng = espeak.Synthesizer(), np.random.default_rng(0)
    spoken = 0.5 * audio.resample(
        synthesizer.speak(espeak.Line("", "seven", "en-us+m3")), synthesizer.sample_rate, 48000
    )
    # Silence of so long that a slow machine is done with the digit before the next one begins.
    waveform = np.concatenate([np.zeros(48000, np.float32), spoken, np.zeros(5 * 48000, np.float32)])
    path = tmp_path_factory.mktemp("sound") / "seven.wav"
    audio.write(path, waveform + (3e-4 * rng.standard_normal(len(waveform))).astype(np.float32), 48000)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    lexicon = tmp_path_factory.mktemp("lexicon") / "words.txt"
    lexicon.write_text("\n".join("one two three four five six seven eight nine zero".split()) + "\n", "utf-8")
    with serving("--lexicon", str(lexicon)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(sound, tmp_path_factory):
    fake = ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")
    with chromium(tmp_path_factory.mktemp("chromium"), *fake, f"use-file-for-fake-audio-capture={sound}") as opened:
        yield opened


@pytest.fixture
def page(browser, server):
    browser.get("about:blank")
    for kind in ("performance", "browser"):
        browser.get_log(kind)
    browser.get(server.url)
    wait(browser, lambda: text(browser, "#sentences"))
    return browser


def wait(browser, is_so, seconds=20):
    return WebDriverWait(browser, seconds, 0.05).until(lambda _: is_so())


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).textContent.trim()", selector)


def drop(browser, path, name):
    """The file of `path`, dropped on the page under a name."""
    script = """
        const data = new DataTransfer(), bytes = Uint8Array.from(atob(arguments[0]), (one) => one.charCodeAt(0));
        data.items.add(new File([bytes], arguments[1]));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
    """
    browser.execute_script(script, base64.b64encode(path.read_bytes()).decode(), name)


def no_script_fails(browser):
    return [one["message"] for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_press_talk_and_see_words_with_times(page, server):
    page.find_element("id", "talk").click()
    wait(page, lambda: text(page, "#partial"))
    wait(page, lambda: "seven" in text(page, "#final"))
    page.find_element("css selector", "body").send_keys(Keys.ESCAPE)
    wait(page, lambda: page.find_element("id", "result").is_displayed())
    assert set(text(page, "#transcript").split()) == {"seven"}
    assert "confidence" in page.find_element("css selector", "#words button").get_attribute("aria-label")
    assert page.find_element("id", "talk").get_attribute("aria-pressed") == "false"
    assert float(text(page, "#clock").split()[0]) > 1
    known = page.find_elements("css selector", "#sentences button")
    assert "✓ seven" in known[6].text
    wait(page, lambda: page.execute_script("return document.getElementById('audio').duration > 1"))
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith((server.url, "blob:", "data:")) for url in asked)
    assert no_script_fails(page)


def test_a_dropped_file_becomes_words_that_play(page, sound):
    drop(page, sound, "seven.wav")
    wait(page, lambda: text(page, "#transcript") == "seven")
    assert text(page, "#name").startswith("seven.wav, ")
    page.find_element("css selector", "#words button").click()
    wait(page, lambda: page.execute_script("return document.getElementById('audio').currentTime") > 0.8)
    made = page.execute_async_script("""
        const done = arguments[0];
        import("/page/result.js").then(({srt, json}) => {
            const one = {name: "a", duration: 2, text: "b", words: [], meanings: [],
                         segments: [{start: 61.5, end: 3661.25, text: "b"}]};
            done([srt(one), JSON.parse(json(one)).duration]);
        });
    """)
    assert made == ["1\n00:01:01,500 --> 01:01:01,250\nb\n", 2]
    assert no_script_fails(page)


def test_the_name_of_a_file_never_becomes_markup(page, sound, tmp_path):
    drop(page, sound, HOSTILE)
    wait(page, lambda: text(page, "#name").startswith(HOSTILE))
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    drop(page, broken, HOSTILE)
    wait(page, lambda: page.find_element("id", "error").is_displayed())
    assert text(page, "#error").count(HOSTILE) == 1
    assert page.find_elements("css selector", "img, main script") == []


def test_texts_of_the_server_never_become_markup(page):
    markup = page.execute_async_script("""
        const done = arguments[0];
        import("/page/result.js").then(({element, Result}) => {
            const evil = "<b onclick=alert(1)>x</b>";
            const word = {word: evil, start: 0, end: 1, confidence: 0.1};
            new Result(() => {}).show({name: evil, sound: new Blob([]), samples: new Int16Array(9), duration: 1,
                text: evil, words: [word], segments: [],
                meanings: [{text: evil, intent: evil, slots: {[evil]: evil}}]});
            done([document.querySelectorAll("[onclick]").length, document.getElementById("meanings").textContent]);
        });
    """)
    assert markup[0] == 0 and markup[1].count("<b onclick") == 4


def test_readable_on_a_phone_with_a_name_for_every_control(page, sound):
    drop(page, sound, "a_very_long_name_of_a_recording_" * 4 + ".wav")
    wait(page, lambda: text(page, "#transcript"))
    size = {"width": 380, "height": 700, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= 380
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    controls = page.find_elements("css selector", "button, select, input, canvas, [role=meter]")
    assert all(one.accessible_name for one in controls if one.is_displayed())


def test_a_model_of_sentences_says_what_they_mean_and_asks_for_its_token(browser, tmp_path):
    path = tmp_path / "light.yaml"
    path.write_text(SENTENCES, encoding="utf-8")
    with serving("--sentences", str(path), "--token", "secret") as running:
        browser.get(running.url)
        wait(browser, lambda: browser.find_element("id", "access").is_displayed())
        browser.find_element("id", "token").send_keys("secret" + Keys.ENTER)
        wait(browser, lambda: "Light, number = " in text(browser, "#sentences"))
        assert not browser.find_element("id", "error").is_displayed()


@pytest.mark.slow
def test_from_an_empty_folder_to_an_own_recogniser(browser, tmp_path):
    """Words typed, said, checked, counted and trained on, and the report, without a terminal."""
    tiny = [part for setting in ("train.epochs=2", "augment.room_ms=0") for part in ("--train-setting", setting)]
    with serving("--model", "digits", "--record", str(tmp_path / "mine"), *tiny) as running:
        browser.get(running.url)
        browser.get_log("browser")
        wait(browser, lambda: browser.find_element("id", "own-words").is_displayed())
        browser.find_element("id", "own-words").send_keys("7")
        browser.find_element("id", "own-save").click()
        wait(browser, lambda: "numbers as words" in text(browser, "#error"))
        browser.find_element("id", "own-words").send_keys(Keys.BACKSPACE + "Seven!")
        browser.find_element("id", "own-save").click()
        wait(browser, lambda: text(browser, "#own-prompt") == "seven")
        assert not browser.find_element("id", "own-train").is_enabled()
        browser.find_element("id", "own-speaker").send_keys("anna")
        for count in range(1, 4):
            browser.find_element("id", "own-record").click()
            wait(browser, lambda n=count: f"{n} of anna" in text(browser, "#own-list"), 40)
            wait(browser, lambda: text(browser, "#own-record") == "Record")
            assert text(browser, "#own-status").startswith("Kept seven")
        browser.find_element("id", "own-undo").click()
        wait(browser, lambda: "2 of anna" in text(browser, "#own-list"))
        browser.find_element("id", "own-record").click()
        wait(browser, lambda: browser.find_element("id", "own-train").is_enabled(), 40)
        browser.find_element("id", "own-train").click()
        wait(browser, lambda: browser.find_element("id", "own-report").is_displayed(), 200)
        assert "seven" in text(browser, "#own-report table")
        wait(browser, lambda: text(browser, "#sentences") == "seven")
        assert browser.execute_script("return document.getElementById('model').value") == "own"
        controls = browser.find_elements(
            "css selector", "#own button, #own input, #own textarea, #own canvas, progress"
        )
        assert all(one.accessible_name for one in controls if one.is_displayed())
        severe = [one["message"] for one in browser.get_log("browser") if one["level"] == "SEVERE"]
        assert len(severe) == 1 and "400" in severe[0]  # the word that was no word
