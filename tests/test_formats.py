"""Each format is read back by a parser of its own grammar, and holds what the transcript holds."""

import dataclasses
import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decode.hypothesis import Hypothesis
from asr.recognition import formats
from asr.recognition.transcript import Character, Transcript, Word

KEY = "folder/talk_1"


@st.composite
def transcripts(draw):
    frame, words = 0, []
    for text in draw(st.lists(st.sampled_from(["one", "o'clock", "<b>", "a&b", 'say"', "x" * 30]), max_size=40)):
        start = frame + draw(st.integers(0, 150))
        frame = start + draw(st.integers(1, 90))
        words.append(Word(text, round(start / 100, 3), round(frame / 100, 3), round(draw(st.floats(0, 1)), 4)))
    duration_s = round(frame / 100 + draw(st.sampled_from([0.0, 0.25])), 3)
    return Transcript(" ".join(word.text for word in words), duration_s, tuple(words))


def write(form, transcript):
    return formats.WRITERS[form]("talk 1.wav", KEY, transcript)


def seconds(clock):
    hours, minutes, rest = re.fullmatch(r"(\d\d):(\d\d):(\d\d[.,]\d{3})", clock).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))


def cues(blocks, arrow_line):
    for block in blocks:
        lines = block.split("\n")
        start, end = map(seconds, lines[arrow_line].split(" --> "))
        text = lines[arrow_line + 1 :]
        assert 1 <= len(text) <= 2 and all(text)
        yield start, end, " ".join(text)


def check_cues(found, transcript):
    assert " ".join(text for _, _, text in found) == transcript.text
    times = [time for start, end, _ in found for time in (start, end)]
    assert times == sorted(times) and all(start < end for start, end, _ in found)
    if found:
        assert (found[0][0], found[-1][1]) == (transcript.words[0].start_s, transcript.words[-1].end_s)


@given(transcripts())
def test_srt(transcript):
    text = write("srt", transcript)
    blocks = text.rstrip("\n").split("\n\n") if text else []
    assert [block.split("\n")[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    check_cues(list(cues(blocks, 1)), transcript)


@given(transcripts())
def test_vtt(transcript):
    header, *blocks = write("vtt", transcript).rstrip("\n").split("\n\n")
    assert header == "WEBVTT"
    found = list(cues(blocks, 0))
    assert not any(re.search(r"[<>]|&(?!amp;|lt;|gt;)", text) for _, _, text in found)
    plain = [(start, end, text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
             for start, end, text in found]  # fmt: skip
    check_cues(plain, transcript)


@given(transcripts())
def test_ctm(transcript):
    lines = write("ctm", transcript).splitlines()
    rows = [line.split(" ") for line in lines]
    assert all(len(row) == 6 and row[:2] == [KEY, "1"] for row in rows)
    read = [Word(row[4], float(row[2]), round(float(row[2]) + float(row[3]), 3), float(row[5])) for row in rows]
    assert tuple(read) == transcript.words


@given(transcripts())
def test_textgrid(transcript):
    text = write("textgrid", transcript)
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n')
    assert text.count("IntervalTier") == 1
    (size,) = re.findall(r"intervals: size = (\d+)", text)
    intervals = re.findall(r'intervals \[(\d+)\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"\n?', text)
    assert [int(number) for number, *_ in intervals] == list(range(1, int(size) + 1))
    times = [(float(start), float(end)) for _, start, end, _ in intervals]
    bounds = {float(value) for value in re.findall(r"^ *xmax = (\S+)$", text.partition("intervals:")[0], re.MULTILINE)}
    assert times[0][0] == 0 and bounds == {times[-1][1]} and times[-1][1] >= transcript.duration_s
    assert all(start < end for start, end in times)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(times)), "no gaps"
    labelled = [
        (label.replace('""', '"'), start, end) for (*_, label), (start, end) in zip(intervals, times, strict=True)
    ]
    assert [item for item in labelled if item[0]] == [
        (word.text, word.start_s, word.end_s) for word in transcript.words
    ]


@given(transcripts())
def test_json_and_trn(transcript):
    line = write("json", transcript)
    assert "\n" not in line
    values = json.loads(line)
    assert values["path"] == "talk 1.wav" and "nbest" not in values
    assert tuple(Word(**word) for word in values["words"]) == transcript.words
    assert write("trn", transcript) == f"{transcript.text} ({KEY})"


def test_characters_are_in_json_and_in_a_tier_of_their_own():
    characters = (Character("n", 0.1, 0.2, 0.9), Character("o", 0.2, 0.5, 0.8))
    transcript = Transcript("no no", 1.0, (Word("no", 0.1, 0.5, 0.7, characters), Word("no", 0.6, 0.8, 0.7)))
    first, second = json.loads(write("json", transcript))["words"]
    assert [Character(**values) for values in first["characters"]] == list(characters) and "characters" not in second
    words, tier = write("textgrid", transcript).split("item [2]:")
    assert "size = 2\nitem []" in words and 'name = "words"' in words and 'name = "characters"' in tier
    found = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "(.*)"', tier)
    assert found == [("0.0", "0.1", ""), ("0.1", "0.2", "n"), ("0.2", "0.5", "o"), ("0.5", "1.0", "")]


def test_json_lists_what_else_it_may_have_been():
    transcript = Transcript("a", 1.0, (), (Hypothesis("a", -1.0), Hypothesis("b", -2.00001)))
    assert json.loads(write("json", transcript))["nbest"] == [
        {"text": "a", "score": -1.0},
        {"text": "b", "score": -2.0},
    ]


def test_long_talk_is_cut_into_subtitles_at_pauses():
    words = [Word("word", start, start + 0.3, 1.0) for start in (0.0, 0.4, 0.8, 2.5, 2.9)]
    assert [len(cue) for cue in formats.subtitles(words)] == [3, 2]
    steady = [Word("word", 0.4 * number, 0.4 * number + 0.4, 1.0) for number in range(100)]
    for cue in formats.subtitles(steady):
        assert cue[-1].end_s - cue[0].start_s <= 6.01


@pytest.mark.parametrize("form", formats.WRITERS)
def test_every_format_has_a_suffix(form):
    assert formats.SUFFIXES[form].startswith(".")


def test_an_intent_stands_beside_the_text():
    plain = Transcript("lamp on", 1.0)
    assert "intent" not in json.loads(formats.to_json("a.wav", "a", plain))
    values = json.loads(formats.to_json("a.wav", "a", dataclasses.replace(plain, intent="switch", slots={"to": "on"})))
    assert (values["intent"], values["slots"]) == ("switch", {"to": "on"})
