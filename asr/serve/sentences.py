"""What a model knows of sentences or words: something to try."""

from typing import Any

import numpy as np

from asr.decode import lexicon
from asr.grammar import compiled, sample
from asr.recognition.recognizer import Recognizer


def known_sentences(recognizer: Recognizer, count: int) -> list[dict[str, Any]]:
    """At most so many different sentences with intent and slots, or words of the lexicon; none where any text may be.

    Always the same ones of one model.
    """
    decoding, card = recognizer.resources.config, recognizer.card
    if recognizer.constraint is not None:
        if decoding.sentences is not None:
            sentences = compiled.read(decoding.sentences, card.text)
        else:
            sentences = compiled.Compiled.from_dict(dict(card.sentences or {}), card.text)
        found: dict[str, dict[str, Any]] = {}
        for text, meaning in sample.samples(sentences.network, 4 * count, np.random.default_rng(0)):
            found.setdefault(text, {"text": text, "intent": meaning.intent, "slots": meaning.values()})
        return list(found.values())[:count]
    if decoding.lexicon is not None:
        return [{"text": word} for word in lexicon.read_words(decoding.lexicon, card.text)[:count]]
    return []
