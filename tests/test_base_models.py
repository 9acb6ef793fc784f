"""Laws of the base models that ship: silence and level change nothing, and letters stand where they are spoken."""

import numpy as np
import oracles
import pytest
from conftest import REPOSITORY

from asr import audio
from asr.decode.decoder import DecoderConfig
from asr.errors import UserError
from asr.recognition.recognizer import Options, Recognizer
from asr.score import score
from asr.synthesis.espeak import Line, Synthesizer
from asr.training import recipe, run

MODELS = sorted((REPOSITORY / "asr" / "models").glob("english*.onnx"))
TEXTS = (
    """
seven|yes|kitchen|water|three|one two three|open the garage door|tomorrow morning|please stop the music|yellow
nine eight zero five|hello|question|set a timer for twenty minutes|six|monday|b e n|turn left|radio|fourteen
""".strip()
    .replace("\n", "|")
    .split("|")
)
VOICES = ("en-us", "en-gb-x-rp+f3", "en-us+m3", "en-gb-scotland+f2")
RATE = 16000


@pytest.fixture(scope="module")
def recordings():
    """(text, waveform (num_samples,) at RATE, words with their times) of each text by each voice."""
    synthesizer, found = Synthesizer(), []
    for text in TEXTS:
        for voice in VOICES:
            waveform, words = synthesizer.speak_words(Line("", text, voice, words_per_minute=150))
            found.append((text, audio.resample(waveform, synthesizer.sample_rate, RATE), words))
    return found


@pytest.fixture(scope="module", params=MODELS, ids=lambda path: path.stem)
def recognizer(request):
    return Recognizer.load(request.param)


def padded(waveform, before_s, after_s, below_db, seed=0):
    """Steady noise so far below the sound, before, after and behind it."""
    rng = np.random.default_rng(seed)
    whole = np.pad(waveform, (round(before_s * RATE), round(after_s * RATE)))
    level = np.sqrt(np.mean(np.square(waveform))) * 10 ** (-below_db / 20)
    return (whole + level * rng.standard_normal(len(whole))).astype(np.float32)


def character_errors(recognizer, recordings, change):
    references = {str(key): text for key, (text, _, _) in enumerate(recordings)}
    hypotheses = {
        str(key): recognizer.transcribe(change(waveform), RATE).text for key, (_, waveform, _) in enumerate(recordings)
    }
    return 100 * score(references, hypotheses).character.rate


@pytest.mark.parametrize("below_db", [60, 30])
def test_silence_around_speech_changes_nothing(recognizer, recordings, below_db):
    close = character_errors(recognizer, recordings, lambda one: padded(one, 0.1, 0.1, below_db))
    for before_s, after_s in ((0.4, 0.4), (3, 3), (0, 5)):
        wide = character_errors(recognizer, recordings, lambda one: padded(one, before_s, after_s, below_db))  # noqa: B023
        assert abs(wide - close) < 2


def test_the_level_changes_nothing(recognizer, recordings):
    as_spoken = character_errors(recognizer, recordings, lambda one: padded(one, 0.3, 0.3, 50))
    for gain_db in (-30, 20):
        changed = character_errors(
            recognizer,
            recordings,
            lambda one: padded(one, 0.3, 0.3, 50) * np.float32(10 ** (gain_db / 20)),  # noqa: B023
        )
        assert abs(changed - as_spoken) < 1


def test_letters_stand_where_they_are_spoken(recognizer, recordings):
    frame_s, margin_s = recognizer.card.features.frame_ms / 1000, 0.5
    inside = total = 0
    for _, waveform, words in recordings:
        ((_, parts),) = recognizer.recognise([padded(waveform, margin_s, margin_s, 40)], RATE)
        _, emission = recognizer.network.join(parts)
        path = np.argmax(emission, axis=1)
        starts = np.flatnonzero((path > 0) & (path != np.concatenate([[0], path[:-1]])))
        letters = [start for start in starts if recognizer.card.tokenizer.tokens[path[start]] != " "]
        seconds = np.array(letters) * frame_s - margin_s
        total += len(letters)
        inside += sum(any(word.start_s - 0.1 <= second <= word.end_s + 0.1 for word in words) for second in seconds)
    assert inside >= 0.95 * total > 0.5 * sum(len(text) for text, _, _ in recordings) * 0.95


def test_a_phrase_of_a_lexicon_is_refused_whole(recognizer, recordings):
    entries = ["turn left", "twenty minutes", "garage door", "stop the music", "seven", "hello"]
    decoding = DecoderConfig(lexicon=entries, garbage_penalty=4)
    accepting = Recognizer.load(recognizer.card.recipe["name"], decoding=decoding)
    kept = set()
    for _, waveform, _ in recordings:
        ((_, parts),) = accepting.recognise([padded(waveform, 0.3, 0.3, 40)], RATE)
        every = accepting.transcript(parts, Options(min_confidence=0.0)).words
        for threshold in {word.confidence + step for word in every for step in (0, 1e-6)}:
            text = accepting.transcript(parts, Options(min_confidence=threshold)).text
            kept.add(text)
            assert oracles.is_sequence(tuple(text.split()), [tuple(entry.split()) for entry in entries]), text
    assert any(" " in text for text in kept) and "" in kept, "phrases that are taken, and such that are not"


def test_a_recipe_begins_with_the_base_model_of_its_shape():
    path = REPOSITORY / "recipes" / "english_letters.yaml"
    source = run.find_parent(recipe.load(path))
    assert source == REPOSITORY / "asr" / "models" / "english_small.onnx"
    assert Recognizer.load(source).card.features == recipe.load(path).features
    with pytest.raises(UserError, match=r"2 lstm layers of 40 units and 26 inputs.*2 of 48 and 26"):
        run.find_parent(recipe.load(path, ["model.hidden_size=48"]))
