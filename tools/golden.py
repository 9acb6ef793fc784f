"""Golden vectors: what a model makes of a few made-up sounds, step by step, for every home of it to be tested on.

    python tools/golden.py MODEL OUTPUT.json [--lexicon FILE] [--sentences FILE]

For each sound: its waveform; the segments that are recognised, with cepstra, features and log-probabilities; the tokens
of the best path; the text; start, end and text of the words. The sounds are the same on every machine.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import files
from asr.decode import ctc_paths
from asr.decode.decoder import DecoderConfig
from asr.recognition.recognizer import Recognizer

Waveform = npt.NDArray[np.float32]
_FORMANTS = ((730, 1090), (270, 2290), (570, 840), (300, 870), (530, 1840), (660, 1720), (440, 1020))  # Hz, of vowels


def sounds(sample_rate: int) -> Iterator[tuple[str, Waveform]]:
    """Names and waveforms (num_samples,): syllables, words with pauses, a knock, silence, next to nothing."""
    rng = np.random.default_rng(7)
    pause = np.zeros(int(0.6 * sample_rate))
    words = [_word(rng, sample_rate, count) for count in (2, 3, 1, 4)]
    noise = 1e-3 * rng.standard_normal(6 * sample_rate)

    def noisy(*parts: npt.NDArray[np.float64]) -> Waveform:
        whole = np.concatenate(parts)
        return (whole + noise[: len(whole)]).astype(np.float32)

    knock = np.zeros(sample_rate)
    knock[sample_rate // 2 : sample_rate // 2 + 60] = 0.8
    yield "word", noisy(words[0])
    yield "words", noisy(pause, words[1], pause, words[2], pause, words[3], pause)[: 6 * sample_rate]
    yield "quiet", 1e-3 * noisy(words[3])
    yield "knock", noisy(knock)
    yield "silence", np.zeros(sample_rate, np.float32)
    yield "short", noisy(words[0])[:100]


def _word(rng: np.random.Generator, sample_rate: int, num_syllables: int) -> npt.NDArray[np.float64]:
    """Syllables: a hiss, and a voice of two formants that glide from one vowel to another."""
    parts = []
    for _ in range(num_syllables):
        hiss = rng.standard_normal(int(rng.uniform(0.04, 0.1) * sample_rate)) * rng.uniform(0.02, 0.1)
        count = int(rng.uniform(0.15, 0.3) * sample_rate)
        share = np.linspace(0, 1, count)[:, None]
        begin, end = rng.choice(_FORMANTS, 2)
        phases = np.cumsum(2 * np.pi * (begin + (end - begin) * share) / sample_rate, axis=0)
        pulses = np.exp(-((np.arange(count) * rng.uniform(100, 220) / sample_rate) % 1) * 4)
        voice = 0.3 * pulses * np.sin(phases).sum(axis=1) * np.sin(np.pi * share[:, 0]) ** 0.5
        parts += [hiss, voice]
    return np.concatenate(parts)


def golden(recognizer: Recognizer) -> list[dict[str, Any]]:
    """What a recogniser makes of each sound, as values of JSON."""
    made = []
    for name, waveform in sounds(recognizer.card.features.sample_rate):
        (result,) = recognizer.recognise([waveform], recognizer.card.features.sample_rate)
        if isinstance(result, Exception):
            raise result
        parts = result[1]
        transcript = recognizer.transcript(parts)
        segments = [
            {
                "start_s": segment.start_s,
                "end_s": segment.end_s,
                "is_speech": segment.is_speech,
                "cepstra": segment.cepstra.tolist(),
                "features": recognizer.frontend.extractor.features(segment.cepstra).tolist(),
                "log_probs": emission.tolist(),
                "tokens": ctc_paths.collapse(emission.argmax(axis=1)) if len(emission) else [],
            }
            for segment, emission in parts
        ]
        words = [[word.start_s, word.end_s, word.text] for word in transcript.words]
        made.append({"name": name, "waveform": waveform.tolist(), "segments": segments, "text": transcript.text,
                     "words": words, "intent": transcript.intent, "slots": dict(transcript.slots)})  # fmt: skip
    return made


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("output", type=Path, metavar="OUTPUT.json")
    parser.add_argument("--lexicon", help="words, one a line")
    parser.add_argument("--sentences", help="sentences with intents and slots")
    arguments = parser.parse_args()
    decoding = DecoderConfig(lexicon=arguments.lexicon, sentences=arguments.sentences)
    recognizer = Recognizer.load(arguments.model, decoding=decoding, runtime="numpy")
    files.write_text(arguments.output, json.dumps(golden(recognizer)) + "\n")


if __name__ == "__main__":
    main()
