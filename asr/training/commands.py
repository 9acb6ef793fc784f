"""What a run of sentences is judged by: commands that are right, and those found in what is none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.grammar import compiled
from asr.grammar.compiled import Compiled
from asr.modelfile.card import ModelCard, Tuning
from asr.recognition.recognizer import Options, Recognizer
from asr.score.commands import Accepted
from asr.training.recipe import Recipe

KIND = "beam+sentences"  # of the decoder that recognises nothing else
BLANK_PENALTY = 2.0  # of a trained network, which is surer of its letters in noise than a base (recipes/LOG.md)
MIN_CONFIDENCE = 0.1  # of a command: no real order lost, a fortieth of the false accepts (recipes/LOG.md)
GARBAGE_PENALTY = 12.0  # of a trained network: costs about one real order in a hundred (recipes/LOG.md)
NEAR_MISSES, OTHER_SPEECH = "near misses", "other speech"


def sentences(settings: Recipe) -> Compiled | None:
    """Those of the file that the corpus speaks, if it speaks some; raises UserError naming it."""
    path = settings.data.settings.get("sentences")
    return compiled.read(path, settings.text) if path else None


def with_sentences(card: ModelCard, settings: Recipe, parent: ModelCard | None) -> ModelCard:
    """The card with the sentences of its recipe, if there are some.

    What was tuned for the `parent` holds until people's speech tells more, but for the penalties and the threshold of
    sentences, which are those of a trained network.
    """
    made = sentences(settings)
    tuning = parent.tuning if parent else {}
    if made is None:
        return replace(card, tuning=tuning)
    tuned = replace(
        tuning.get(KIND, Tuning()),
        blank_penalty=BLANK_PENALTY,
        garbage_penalty=GARBAGE_PENALTY,
        min_confidence=MIN_CONFIDENCE,
    )
    return replace(card, sentences=made.to_dict(), tuning={**tuning, KIND: tuned})


def accepted(model: Path, negatives: Sequence[Utterance]) -> dict[str, Accepted]:
    """The commands that are found in near misses and in other speech; nothing without sentences."""
    found: dict[str, Accepted] = {}
    recognizer = Recognizer.load(model) if negatives else None
    if recognizer is None or recognizer.constraint is None:
        return found
    for kind, is_near in ((NEAR_MISSES, True), (OTHER_SPEECH, False)):
        utterances = [utterance for utterance in negatives if (utterance.intent is not None) == is_near]
        accepts = 0
        for transcript in recognizer.transcribe_all(utterances, options=Options(has_words=False)):
            accepts += not isinstance(transcript, UserError) and transcript.intent is not None
        hours = sum(utterance.duration_s for utterance in utterances) / 3600
        if utterances:
            found[kind] = Accepted(accepts, len(utterances), hours)
    return found
