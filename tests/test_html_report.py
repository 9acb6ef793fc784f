"""The page of a run holds what the run came to, needs nothing else, and survives what is missing."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from asr import audio, score
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.report import breakdown, page, worst
from asr.report.runs import ENVIRONMENT_FILE, ReportError, Run, environment

pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")


@pytest.fixture(scope="module")
def run(tones_run, tmp_path_factory):
    """A run of tones of which some hypotheses are made wrong, so that there is something to show."""
    folder = tmp_path_factory.mktemp("runs") / "tones<1>"
    shutil.copytree(tones_run[0], folder)
    hypotheses = dict(score.read(folder / "test.hyp.trn").texts)
    first, second, third, *_ = hypotheses
    hypotheses |= {first: "dd", second: "", third: f"{hypotheses[third]} ab"}
    (folder / "test.hyp.trn").write_text(score.format_trn(hypotheses), "utf-8")
    (folder / ENVIRONMENT_FILE).write_text(json.dumps(environment()), "utf-8")
    (folder / "skipped.txt").write_text("train\tid-1\tsilence: <b>\n", "utf-8")
    return Run.read(folder)


@pytest.fixture(scope="module")
def made(run):
    return page.html([run])


class Balance(HTMLParser):
    """Open elements; those without an end of their own are passed over."""

    VOID = frozenset("meta link input option br use path rect line image".split())

    def __init__(self):
        super().__init__()
        self.open, self.urls = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        self.urls += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_startendtag(self, tag, attributes):
        self.urls += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network(made):
    parser = Balance()
    parser.feed(made)
    assert not parser.open
    assert parser.urls and all(url.startswith(("data:", "#")) for url in parser.urls)
    assert "#0101" not in made and "#11010" not in made, "a colour that does not follow the theme"
    ids = re.findall(r'\bid="([^"]+)"', made)
    referred = set(re.findall(r"url\(#([^)]+)\)", made)) | {url[1:] for url in parser.urls if url[0] == "#"}
    assert referred <= set(ids)


def test_it_shows_what_the_run_came_to(run, made):
    scored = run.tested["test"].score
    assert f'<td>words</td><td class="n" data-v="{scored.word.rate!r}">' in made
    for what in ("loss, nats per token", "WER of the dev split", "learning rate", "blank", "wrong by word",
                 "errors by length", "errors by SNR", "To train it again", "1 skipped", "Recipe, "):  # fmt: skip
        assert what in made, what
    assert made.count("<article") == len(scored.worst()) == made.count("<audio") and "&lt;b&gt;" in made
    assert "tones&lt;1&gt;" in made and "tones<1>" not in made and sys.argv[0].rpartition("/")[2] in made
    assert page.html([run]) == made


def test_runs_side_by_side_are_tested_for_their_difference(run, tones_run):
    made = page.html([run, Run.read(tones_run[0])])
    assert "MAPSSWE p" in made and made.count("<nav>") == 1 and 'id="run1"' in made


def test_runs_on_other_references_are_not_compared(run, tones_run, tmp_path):
    shutil.copytree(tones_run[0], tmp_path / "other")
    for side in ("ref", "hyp"):
        path = tmp_path / "other" / f"test.{side}.trn"
        path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[1:]), "utf-8")
    made = page.html([run, Run.read(tmp_path / "other")])
    assert "MAPSSWE p" not in made and "no test of differences" in made


def test_misses_over_false_accepts(run, tones):
    made = page.html([run], manifest.read(tones / "dev.jsonl"))
    assert "words missed" in made and "accepted an hour" in made


def test_a_run_whose_data_are_gone_still_has_a_page(run, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "_data_of", staticmethod(lambda card: tmp_path / "gone"))
    made = page.html([Run.read(run.folder)])
    assert "are not there" in made and "<audio" not in made and "wrong by word" in made


def test_mistakes(tmp_path):
    with pytest.raises(ReportError, match=r"not the folder of a finished run: it has no metrics\.jsonl"):
        Run.read(tmp_path)


def test_the_command_writes_the_page(run, tmp_path):
    program = Path(sys.executable).parent / "asr-report"
    done = subprocess.run([program, run.folder, "-o", tmp_path / "a.html"], capture_output=True, text=True)
    assert done.returncode == 0 and "the report is in" in done.stderr
    assert (tmp_path / "a.html").read_text("utf-8").startswith("<!doctype html>")


def scored():
    references = {"a": "x y", "b": "x", "c": "y y z"}
    return score.score(references, {"a": "x z", "b": "", "c": "y y z w"}, speakers={"a": "m", "b": "n", "c": "m"})


def test_groups_have_the_errors_of_their_utterances():
    found = {group.name: (group.errors, group.total) for group in breakdown.by_word(scored())}
    assert found == {"x": (1, 2), "y": (1, 3), "z": (0, 1)}
    by_length = [(group.name, group.errors, group.total) for group in breakdown.by_length(scored())]
    assert by_length == [("1 word", 1, 1), ("2 words", 1, 2), ("3 to 4 words", 1, 3)]
    assert [(group.name, group.rate) for group in breakdown.by_speaker(scored())] == [("n", 1.0), ("m", 0.4)]


def test_confusions_count_each_word_once():
    counts, names, columns = breakdown.confused(scored())
    assert (names, columns) == (["y", "z"], ["y", "z", "(other)"]) and counts.tolist() == [[2, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize("ratio_db", [10, 20, 40])
def test_the_ratio_of_speech_to_its_background(ratio_db):
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(32000).astype(np.float32) * 0.3 * 10 ** (-ratio_db / 20)
    tone = np.zeros(32000, np.float32)
    tone[8000:24000] = 0.3 * np.sqrt(2) * np.sin(np.arange(16000))
    assert breakdown.speech_over_background(noise + tone, 16000) == pytest.approx(ratio_db, abs=1.5)


def test_an_utterance_without_sound_has_no_player(tmp_path):
    audio.write(tmp_path / "a.wav", np.full(31 * 8000, 0.1, np.float32), 8000)
    assert worst._shown(Utterance("a", "x", str(tmp_path / "a.wav")), None, "") == ""
    assert "no such file" in worst._shown(Utterance("a", "x", str(tmp_path / "b.wav")), None, "")
