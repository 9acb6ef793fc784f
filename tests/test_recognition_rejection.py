from dataclasses import replace
from types import SimpleNamespace

import pytest

from asr.data import manifest
from asr.data.manifest import Utterance
from asr.decode.decoder import DecoderConfig
from asr.errors import UserError
from asr.grammar.intent import Meaning
from asr.modelfile.card import ModelError
from asr.recognition.recognizer import Recognizer
from asr.recognition.rejection import (
    GARBAGE_PENALTIES,
    THRESHOLDS,
    choose,
    choose_threshold,
    measure,
    of_commands,
    rejection,
    to_dict,
    to_text,
)
from asr.recognition.transcript import Transcript, Word
from asr.score import ScoreError
from asr.text import TextConfig


def transcript(duration_s=1.0, **words):
    """A made-up transcript: words with their confidence."""
    return Transcript(" ".join(words), duration_s, tuple(Word(text, 0.0, 1.0, value) for text, value in words.items()))


@pytest.fixture
def measured():
    references = ["go left", "left", "stop", "go"]
    transcripts = [transcript(go=0.9, left=0.8), transcript(right=0.7), transcript(um=0.6, stop=0.5), UserError("gone")]
    return rejection(references, transcripts, [transcript(1000, go=0.3, stop=0.4), transcript(800)])


def test_words_are_judged_where_they_are_spoken(measured):
    assert measured.positives.tolist() == [-1, -1, 0.5, 0.8, 0.9], "inserted words do not count"
    assert measured.negatives.tolist() == [0.3, 0.4] and measured.negative_hours == 0.5


def test_the_threshold_misses_least_of_those_with_few_false_accepts(measured):
    assert choose_threshold(measured, 4) == 0.0
    assert choose_threshold(measured, 2) == pytest.approx(0.35)
    assert choose_threshold(measured, 0) == pytest.approx(0.45)


def test_a_threshold_lies_between_confidences_that_differ_in_the_last_digit():
    for number in range(100):
        spoken = rejection(["go"], [transcript(go=(number + 2) / 1e6)], [transcript(3600, go=(number + 1) / 1e6)])
        point = spoken.at(choose_threshold(spoken, 0))
        assert (point.misses, point.false_accepts) == (0, 0)


def test_no_threshold_helps_against_the_greatest_confidence():
    measured = rejection(["go"], [transcript(go=1.0)], [transcript(3600, go=1.0)])
    with pytest.raises(ModelError, match=r"as few as 0\.5 false accepts an hour: at 1 there are 1\.0"):
        choose_threshold(measured, 0.5)


def test_no_other_penalty_and_threshold_miss_less_for_as_few_false_accepts(tones_run, tones):
    utterances = manifest.read(tones / "test.jsonl")
    words = sorted({utterance.text for utterance in utterances})[::2]
    recognizer = Recognizer.load(tones_run[0], decoding=DecoderConfig(lexicon=words))
    known = [utterance for utterance in utterances if utterance.text in words]
    found = [parts for _, parts in recognizer.recognise(known)]
    others = [parts for _, parts in recognizer.recognise([one for one in utterances if one.text not in words])]
    hours = sum(parts[-1][0].end_s for parts in others) / 3600
    kept = {}
    for count in (0, 1, 3):
        chosen, measured = choose(recognizer, known, found, others, count / hours)
        point = measured.at(chosen.tuning.min_confidence)
        assert point.false_accepts <= count
        assert measure(chosen, known, found, others).at(point.threshold) == point, "what is stored is what was measured"
        for penalty in (None, *GARBAGE_PENALTIES):
            tuning = replace(recognizer.tuning, garbage_penalty=penalty)
            other = measure(recognizer.with_tuning(tuning), known, found, others)
            assert point.misses <= other.at(other.threshold_for(count / hours)).misses
        kept[count] = point.misses
    assert kept[0] >= kept[1] >= kept[3]
    named = Recognizer.load(tones_run[0], decoding=DecoderConfig(lexicon=words, garbage_penalty=7))
    assert choose(named, known, found, others, 1 / hours)[0].tuning.garbage_penalty == 7


def test_words_and_negative_audio_are_needed():
    with pytest.raises(ScoreError):
        rejection([""], [transcript()], [transcript(go=0.5)])
    with pytest.raises(ScoreError):
        rejection(["go"], [transcript(go=0.5)], [])


def test_reports(measured):
    values = to_dict(measured, 0.35)
    assert [row["threshold"] for row in values["thresholds"]] == list(THRESHOLDS)
    assert (values["words"], values["negative_hours"]) == (5, 0.5)
    assert values["min_confidence"]["miss_rate"] == 0.4 and values["min_confidence"]["false_accepts_per_hour"] == 2
    *_, last, note = to_text(measured, 0.35).splitlines()
    assert last.split()[:2] == ["0.3500", "40.00%"] and last.endswith("as transcribed")
    assert note == "of 5 words, and in 0.50 hours of other audio"


def test_commands_count_as_a_whole_and_other_sound_segment_by_segment():
    def command(intent, confidence, duration_s=1.0, **slots):
        return replace(transcript(duration_s), intent=intent, slots=slots, confidence=confidence)

    def wanted(text="", **labels):
        return Utterance("id", text, "x.wav", **labels)

    recognizer = SimpleNamespace(
        card=SimpleNamespace(text=TextConfig(alphabet="stop ")),
        parser=lambda text: Meaning("Stop", (), 0.0) if text == "stop" else None,
    )
    utterances = [
        wanted(intent="Go", slots={"where": "up"}),
        wanted("stop"),
        wanted("stop"),
        wanted("no"),
        wanted("stop"),
    ]
    found = [
        command("Go", 0.9, where="up"),
        command("Stop", 0.7),
        command("Go", 0.8),
        command("Stop", 0.6),
        UserError(""),
    ]
    others = [[command("Go", 0.5, 900.0), command("Go", 0.4, 1800.0)], [command(None, None, 1800.0)], []]
    measured = of_commands(recognizer, utterances, found, others)
    assert measured.positives.tolist() == [-1, -1, 0.7, 0.9] and measured.negatives.tolist() == [0.4, 0.5]
    assert measured.negative_hours == 1.0 and "of 4 commands, and in 1.00 hours" in to_text(measured, 0.5)
