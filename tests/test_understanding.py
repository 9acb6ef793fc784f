"""Sentences through the recogniser: nothing else comes out, with intent and slots; they travel in the model file."""

import json
import subprocess
from dataclasses import replace

import pytest

from asr.data import manifest
from asr.decode.decoder import DecoderConfig
from asr.decode.hypothesis import DecodeError
from asr.errors import UserError
from asr.grammar import compiled
from asr.modelfile.card import Tuning
from asr.recognition.recognizer import Options, Recognizer

SENTENCES = "intents:\n  Spell: ['{word}']\nlists:\n  word: {values: [%s]}\n"


@pytest.fixture
def sentences(tones, tmp_path):
    """The words of the test split, the first one with a value of its own."""
    words = sorted({utterance.text for utterance in manifest.read(tones / "test.jsonl")})
    values = [f"{{in: {words[0]}, out: first}}", *words[1:]]
    path = tmp_path / "words.yaml"
    path.write_text(SENTENCES % ", ".join(values))
    return path, words


def test_only_sentences_come_out_with_their_meaning(tones, tones_run, sentences):
    path, words = sentences
    recognizer = Recognizer.load(tones_run[0], decoding=DecoderConfig(sentences=path))
    right = 0
    for utterance in manifest.read(tones / "test.jsonl"):
        transcript = recognizer.transcribe(utterance)
        assert transcript.text in (*words, "")
        if transcript.text:
            value = "first" if transcript.text == words[0] else transcript.text
            assert (transcript.intent, transcript.slots) == ("Spell", {"word": value})
        else:
            assert transcript.intent is None
        right += transcript.text == utterance.text
    assert right >= 22
    refused = recognizer.transcribe(utterance, options=Options(min_confidence=1.0))
    assert (refused.text, refused.intent, refused.words) == ("", None, ())


def test_they_travel_in_the_model(tones, tones_run, sentences):
    path, words = sentences
    given = Recognizer.load(tones_run[0], decoding=DecoderConfig(sentences=path))
    card = given.card
    kept = replace(card, sentences=compiled.read(path, card.text).to_dict(), tuning={"beam+sentences": Tuning(slope=2)})
    again = given.with_metadata(type(card).from_metadata(kept.to_metadata()))
    plain = Recognizer.of(given.network.session, kept)
    assert plain.tuning.slope == 2
    for utterance in manifest.read(tones / "test.jsonl")[:6]:
        transcript = given.transcribe(utterance)
        assert again.transcribe(utterance).text == transcript.text == plain.transcribe(utterance).text
        assert plain.transcribe(utterance).slots == transcript.slots
    free = Recognizer.of(given.network.session, kept, DecoderConfig(lexicon=words[:1]))
    assert free.parser is None, "a lexicon that is asked for comes before the sentences of the model"


def test_mistakes(tones_run, tmp_path, sentences):
    with pytest.raises(DecodeError, match="lexicon and sentences"):
        DecoderConfig(sentences=sentences[0], lexicon=["a"])
    (tmp_path / "far.yaml").write_text("intents: {A: [xyz]}")
    with pytest.raises(UserError, match=r"far\.yaml: intent A: .*'x', which the alphabet lacks"):
        Recognizer.load(tones_run[0], decoding=DecoderConfig(sentences=tmp_path / "far.yaml"))
    (tmp_path / "two.yaml").write_text("intents: {A: [a b]}")
    with pytest.raises(UserError, match="space"):
        Recognizer.load(tones_run[0], decoding=DecoderConfig(sentences=tmp_path / "two.yaml"))


def test_the_command_gives_intent_and_slots(tones, tones_run, sentences):
    done = subprocess.run(
        ["asr-transcribe", "--model", tones_run[0], "--sentences", sentences[0], "--format", "json", tones / "test"],
        capture_output=True,
        text=True,
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(records) == 24
    assert sum(record.get("intent") == "Spell" for record in records) >= 22
