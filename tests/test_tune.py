import numpy as np
import pytest

from asr import score
from asr.data import manifest
from asr.decode.decoder import DecoderConfig
from asr.errors import UserError
from asr.modelfile.card import Tuning
from asr.recognition import tune
from asr.recognition.recognizer import Recognizer


@pytest.fixture(scope="module")
def dev(tones):
    return manifest.read(tones / "dev.jsonl")


def segments(recognizer, utterances):
    return [result if isinstance(result, UserError) else result[1] for result in recognizer.recognise(utterances)]


def tuned_on(recognizer, utterances):
    return tune.tune(recognizer, utterances, segments(recognizer, utterances))


def test_tuning_never_makes_dev_worse(tones_run, dev, tmp_path):
    listed = tmp_path / "words.txt"
    listed.write_text("\n".join({utterance.text for utterance in dev}))
    recognizer = Recognizer.load(tones_run[0], decoding=DecoderConfig(lexicon=listed))
    tuned = tuned_on(recognizer, dev)
    assert tuned.after.errors <= tuned.before.errors
    assert tuned.kind == "beam+lexicon" and tuned.tuning.lm_weight is None
    assert 0 <= tuned.calibrated_error <= 1
    again = recognizer.with_tuning(tuned.tuning)
    assert again.tuning == tuned.tuning and recognizer.tuning == Tuning(), "a recogniser never changes"
    hypotheses = [again.transcript(parts).text.split() for parts in segments(again, dev)]
    assert score.total(score.count([[utterance.text] for utterance in dev], hypotheses)) == tuned.after


def test_sentences_constrain_what_is_tuned(tones_run, dev, tmp_path):
    words = sorted({utterance.text for utterance in dev})
    (tmp_path / "words.jsgf").write_text(f"#JSGF V1.0;\ngrammar words;\npublic <word> = {' | '.join(words)};\n")
    (tmp_path / "words.txt").write_text("\n".join(words))
    ours, lexicon = (
        tuned_on(Recognizer.load(tones_run[0], decoding=decoding), dev)
        for decoding in (
            DecoderConfig(sentences=tmp_path / "words.jsgf"),
            DecoderConfig(lexicon=tmp_path / "words.txt"),
        )
    )
    assert ours.kind == "beam+sentences"
    assert (ours.before, ours.after) == (lexicon.before, lexicon.after)


def test_weights_that_are_given_are_kept(tones_run, dev):
    recognizer = Recognizer.load(tones_run[0], decoding=DecoderConfig(word_bonus=0.5))
    assert tuned_on(recognizer, dev).tuning.word_bonus == 0.5
    recognizer = Recognizer.load(tones_run[0], decoding=DecoderConfig(blank_penalty=1.25))
    assert tuned_on(recognizer, dev).tuning.blank_penalty == 1.25


def test_greedy_has_no_weights_and_is_calibrated(tones_run, dev):
    tuning = tuned_on(Recognizer.load(tones_run[0]), dev).tuning
    assert (tuning.lm_weight, tuning.word_bonus, tuning.blank_penalty) == (None,) * 3 and tuning != Tuning()


def test_words_are_judged_on_an_alignment_of_the_fewest_edits(tones_run, dev):
    """Half of the words, an utterance each, were never spoken: these alone are wrong."""
    recognizer = Recognizer.load(tones_run[0])
    emissions = [[emission for _, emission in parts] for parts in segments(recognizer, dev)]
    hypotheses = [list(recognizer.decoder(emission)[0].words) for (emission,) in emissions]
    spoken = [words if index % 2 else ["x", "y"] for index, words in enumerate(hypotheses)]
    log_odds, is_right, fold = tune._judged(recognizer, tune._Dev(emissions, spoken))
    expected = [index % 2 == 1 for index, words in enumerate(hypotheses) for _ in words]
    assert is_right.tolist() == expected and len(log_odds) == len(fold) == len(expected) > 10
    assert np.array_equal(fold, [index % 5 for index, words in enumerate(hypotheses) for _ in words])


def test_the_calibration_learns_from_negatives(tones_run, dev):
    """Whatever is recognised in them is wrong, so that all words have less confidence."""
    recognizer = Recognizer.load(tones_run[0])
    found = segments(recognizer, dev)
    alone, both = tune.tune(recognizer, dev, found), tune.tune(recognizer, dev, found, found)
    assert (both.before, both.after) == (alone.before, alone.after), "the weights are chosen on the words"
    confidences = [
        [word.confidence for parts in found for word in recognizer.with_tuning(tuned.tuning).transcript(parts).words]
        for tuned in (alone, both)
    ]
    assert np.mean(confidences[1]) < np.mean(confidences[0]) - 0.2


def test_a_part_that_cannot_be_read_is_an_error(tones_run, tmp_path):
    gone = [manifest.Utterance("gone", "abcd", str(tmp_path / "gone.wav"))]
    with pytest.raises(manifest.ManifestError, match=r"gone\.wav"):
        tuned_on(Recognizer.load(tones_run[0]), gone)


def test_without_a_word_in_any_hypothesis_nothing_is_calibrated(tones_run, dev, tmp_path):
    (tmp_path / "words.txt").write_text("ddddddddddddddddddddddddddd\n")
    recognizer = Recognizer.load(tones_run[0], decoding=DecoderConfig(lexicon=tmp_path / "words.txt", word_bonus=-99.0))
    tuned = tuned_on(recognizer, dev)
    assert (tuned.tuning.slope, tuned.tuning.intercept) == (1.0, 0.0)
    assert "no hypothesis has a word" in str(tuned) and "nan" not in str(tuned)
