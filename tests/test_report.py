"""What is shown: tables, sclite's report, aligned text, JSON, and the page in a real browser."""

import json
import re
from html.parser import HTMLParser

import pytest
from chromium import chromium

from asr import score
from asr.score import Counting, Report, tables
from asr.score.page import page

REFERENCES = {"anna-1": "the cat sat", "bob-1": "on the mat", "bob-2": "<b>wide</b> 漢字 café", "anna-2": "ok"}
HYPOTHESES = {"anna-1": "the hat sat down", "bob-1": "on mat", "bob-2": "<b>wide</b> 漢 cafe", "anna-2": "ok"}
SPEAKERS = {key: key.partition("-")[0] for key in REFERENCES}


@pytest.fixture
def report():
    one = score.score(REFERENCES, HYPOTHESES, speakers=SPEAKERS)
    return Report.of(["small"], [one], notes=["ref is odd"])


@pytest.fixture
def two_systems():
    scores = [score.score(REFERENCES, side, speakers=SPEAKERS) for side in (HYPOTHESES, REFERENCES)]
    return Report.of(["small", "large"], scores)


def test_sclites_percentages(real_speech):
    """Speakers, sum, mean and median of sclite's own reports, digit for digit."""
    checked = 0
    for path in sorted((real_speech / "scoring").glob("*/*/expected.json")):
        expected = json.loads(path.read_text("utf-8"))
        if not expected.get("plain") or not expected.get("case_sensitive") or "sys_percent" not in expected["word"]:
            continue
        sides = [score.read(path.parent / name, "trn").texts for name in ("ref.trn", "hyp.trn")]
        speakers = {key: speaker for key, speaker, *_ in expected["word"]["utterances"]}
        made = tables.sys_report("x", score.score(*sides, speakers=speakers, counting=Counting("sclite")))
        rows = {}
        for line in made.splitlines():
            cells = [cell.split() for cell in line.strip("|").split("|")]
            if len(cells) == 3:
                rows[" ".join(cells[0])] = cells[2]
        truth = expected["word"]["sys_percent"]
        wanted = {**truth["speakers"], "Mean": truth["mean"], "Median": truth["median"], "Sum/Avg": truth["sum_avg"]}
        empty = sum(not one["words"] for one in expected["word"]["speakers"].values())
        if empty == len(truth["speakers"]):
            del wanted["Sum/Avg"]  # sclite prints 0.0 however much was inserted; ours counts, as for a speaker
        if empty > 1 or "Sum/Avg" not in wanted:
            del wanted["Mean"], wanted["Median"]  # sclite's are not those of the speakers it prints
        for name, percent in wanted.items():
            assert rows[name] == [percent[key] for key in ("corr", "sub", "del", "ins", "err", "s_err")], (
                f"{path} {name}"
            )
        checked += 1
    assert checked > 50


def test_tables_in_text_and_markdown(report):
    text = report.to_text(has_details=True, top=1)
    assert "fewest edits, of those fewest substitutions; nfc, whitespace; characters are code points" in text
    assert "bootstrap over 2 speakers, 1000 resamples, seed 0" in text
    assert re.search(r"^words +50\.00% .* 5 +10 +6 +3 +1 +1  3/4$", text, re.MULTILINE)
    assert re.search(r"^bob +50\.00% ", text, re.MULTILINE)
    assert "3 utterances with errors, worst first, the first 1" in text
    markdown = report.to_markdown(has_details=True)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines if line.startswith("| words")} == {11}
    assert r"| 1 | café | cafe |" in lines and "| ---: | --- | --- |" in lines


def test_markdown_escapes_what_it_would_read():
    assert "a\\|b" in tables.Table("", ("x",), [("a|b",)]).to_markdown()


def test_columns_stand_under_each_other_in_wide_characters(report):
    text = report.to_alignments(top=9)
    block = next(block for block in text.split("\n\n") if "bob-2" in block).splitlines()
    assert block[1] == "REF: <b>wide</b> 漢字 café"
    assert block[2] == "HYP: <b>wide</b> 漢   cafe"
    assert block[3] == "                 S    S"
    block = next(block for block in text.split("\n\n") if "anna-1" in block).splitlines()
    assert block[1:] == ["REF: the cat sat ****", "HYP: the hat sat down", "         S       I"]


def test_alignments_are_broken_to_the_width_of_the_terminal():
    texts = {"u": " ".join(f"word{number}" for number in range(40))}
    one = Report.of(["x"], [score.score(texts, {"u": texts["u"].replace("word7 ", "")})])
    lines = one.to_alignments(width=40).splitlines()
    assert max(map(len, lines[1:])) <= 40
    assert " ".join(line[5:] for line in lines if line.startswith("REF: ")).split() == texts["u"].split()


def test_colour_only_where_asked(report):
    assert "\033[" not in report.to_alignments()
    painted = report.to_alignments(has_color=True)
    plain = re.sub(r"\033\[\d*m", "", painted)
    assert [line.rstrip() for line in plain.splitlines()] == report.to_alignments().splitlines()
    assert painted.count("\033[0m") == 3 * 5


def test_json_has_speakers_utterances_and_intervals(report, two_systems):
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert values["word"]["errors"] == 5 == sum(one["word"]["errors"] for one in values["utterances"])
    assert values["speakers"]["anna"]["word"]["reference_length"] == 4
    assert values["utterances"][0]["alignment"] == "CSCI"
    assert values["intervals"]["word"]["resampled"] == "speakers" and values["notes"] == ["ref is odd"]
    both = json.loads(json.dumps(two_systems.to_dict(), allow_nan=False))
    assert [one["system"] for one in both["systems"]] == ["small", "large"]
    assert both["comparisons"][0]["mcnemar"]["only_b_right"] == 3
    silent = [score.score({"u": ""}, {"u": text}) for text in ("", "a")]
    json.dumps(Report.of(["x", "y"], silent).to_dict(), allow_nan=False)


class _Page(HTMLParser):
    """Checks that tags close in order, and collects text and addresses."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.addresses = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action")]
        if tag not in ("meta", "link", "input", "option", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_without_scripts_and_escapes_everything(two_systems):
    html = page(two_systems, "<script>alert(1)</script>")
    made = _Page(html)
    assert made.addresses == ["data:,"]
    text = "".join(made.text)
    assert "<b>wide</b>" in text and "漢字" in text and "1 S, 0 D, 1 I" in text
    assert "<b>wide" not in html and "<script>alert" not in html
    assert html.count("<article") == 2 * len(REFERENCES)


def test_a_page_of_many_utterances_says_what_it_leaves_out(monkeypatch):
    monkeypatch.setattr("asr.score.page.MAX_UTTERANCES", 10)
    texts = {f"u{index}": "a b" for index in range(25)}
    html = page(Report.of(["x"], [score.score(texts, {**texts, "u24": "a"})]), "many")
    assert html.count("<article") == 10 and "15 more are not on this page" in html
    assert html.index('data-k="u24"') < html.index('data-k="u0"')


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


class TestInChromium:
    @pytest.fixture
    def opened(self, browser, two_systems, tmp_path):
        browser.get("about:blank")
        browser.get_log("performance")
        path = tmp_path / "page.html"
        path.write_text(page(two_systems, "small, large against ref"), encoding="utf-8")
        browser.get(path.as_uri())
        return browser

    def column(self, browser, table, column):
        script = "return [...document.querySelectorAll('table')[arguments[0]].tBodies[0].rows].map(" \
                 "row => row.cells[arguments[1]].textContent)"  # fmt: skip
        return browser.execute_script(script, table, column)

    def shown(self, browser):
        return browser.execute_script(
            "return [...document.querySelectorAll('section')[0].querySelectorAll('article')]"
            ".filter(one => one.offsetParent !== null).map(one => one.dataset.k)"
        )

    def test_no_request_leaves_the_page_and_no_script_fails(self, opened):
        messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
        asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        assert asked and all(url.startswith(("file:", "data:", "chrome:")) for url in asked)
        assert [one for one in opened.get_log("browser") if one["level"] == "SEVERE"] == []

    def test_a_click_sorts_and_another_turns_round(self, opened):
        speakers, errors = 2, 3
        button = opened.find_elements("css selector", "table")[speakers].find_elements("css selector", "th button")
        button[errors].click()
        assert self.column(opened, speakers, errors) == ["3", "2"]
        button[errors].click()
        assert self.column(opened, speakers, errors) == ["2", "3"]
        button[0].click()
        assert self.column(opened, speakers, 0) == ["anna", "bob"]
        heads = opened.find_elements("css selector", "table")[speakers].find_elements("css selector", "th")
        assert [head.get_attribute("aria-sort") for head in heads[:2]] == ["ascending", None]

    def test_the_filter_hides_and_the_order_changes(self, opened):
        assert self.shown(opened) == ["anna-1", "bob-2", "bob-1", "anna-2"]
        search = opened.find_element("css selector", "section input[type=search]")
        search.send_keys("BOB")
        assert self.shown(opened) == ["bob-2", "bob-1"]
        assert opened.find_element("css selector", "section output").text == "2 of 4"
        opened.find_element("css selector", "section .kind option[value=d]").click()
        assert self.shown(opened) == ["bob-1"]
        opened.find_element("css selector", "section .kind option[value='']").click()
        search.clear()
        search.send_keys(" ")
        opened.find_element("css selector", "section .sort option[value='k up']").click()
        assert self.shown(opened) == ["anna-1", "anna-2", "bob-1", "bob-2"]

    def test_readable_on_a_phone(self, opened):
        opened.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 380, "height": 700, "deviceScaleFactor": 2, "mobile": True},
        )
        try:
            wide, inner = opened.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
            assert inner == 380 and wide <= 380
            sizes = opened.execute_script(
                "return [...document.querySelectorAll('.w span, td, p')]"
                ".map(one => parseFloat(getComputedStyle(one).fontSize))"
            )
            assert min(sizes) >= 13
        finally:
            opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def test_errors_are_marked_by_letters_not_by_colour_alone(self, opened):
        marks = opened.execute_script(
            "return [...document.querySelectorAll('section .w b')].map(one => one.textContent)"
        )
        assert sorted(marks) == ["D", "I", "S", "S", "S"]


def test_no_word_or_id_steers_the_terminal():
    evil = "\x1b[2J\x07\x9b"
    result = score.score({f"u{evil}": f"a {evil} b"}, {f"u{evil}": f"a {evil}x b"}, speakers={f"u{evil}": evil})
    report = Report.of([f"sys{evil}"], [result], resamples=0)
    for text in (report.to_text(has_details=True), report.to_markdown(has_details=True), report.to_sys(),
                 report.to_alignments()):  # fmt: skip
        assert not set(text) & {"\x1b", "\x07", "\x9b"}
    assert r"\x1b[2J\x07\x9bx" in report.to_text(has_details=True)
