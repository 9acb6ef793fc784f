"""How far word times are from the true ones of espeak-ng's speech: median error of starts and ends, in milliseconds.

    python tools/align_error.py MODEL [MODEL...]

Sentences of two to eight words of the model's recipe (synthetic.py), with commas and so pauses here and there, spoken
by the voices of its test split, which are not in training, and aligned as asr-align does; also in noise. A figure for
each model, then the mean over them. `--calibrate` measures on dev voices how long before its tokens a word of this
model begins and how long after them it ends, and stores it in the model file. `--split dev` is for choosing what
asr/align.py does.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "recipes" / "prepare"))

import synthetic

from asr import audio
from asr.decode import align
from asr.modelfile.card import Timing
from asr.modelfile.locate import model_file
from asr.modelfile.onnx_file import write_card
from asr.recognition import confidence
from asr.recognition.recognizer import Recognizer
from asr.synthesis import cast, espeak

Times = npt.NDArray[np.float64]
"""Starts and ends (N, 2), in seconds."""


def sentences(
    words: Sequence[str], split: str, count: int, sample_rate: int, snr_db: float | None = None
) -> Iterator[tuple[str, audio.Waveform, Times]]:
    """(text, waveform (num_samples,), times of the words (N, 2) in seconds) of `count` sentences."""
    rng, noisy = np.random.default_rng(("dev", "test").index(split)), np.random.default_rng(2)
    voices = {"dev": cast.DEV_VOICES, "test": cast.TEST_VOICES}[split]
    synthesizer = espeak.Synthesizer()
    while count:
        sentence = rng.choice(words, size=rng.integers(2, 9)).tolist()
        spoken = [synthetic.spoken(word) + ("," if rng.random() < 0.15 else "") for word in sentence]
        voice = f"{rng.choice(cast.ENGLISH_ACCENTS)}+{rng.choice(voices)}"
        prosody = [int(rng.integers(*limits)) for limits in ((120, 180), (30, 70), (20, 80))]
        waveform, timed = synthesizer.speak_words(espeak.Line("", " ".join(spoken), voice, *prosody))
        margins = (rng.uniform(0.05, 0.4, 2) * sample_rate).astype(int)
        if [word.text for word in timed] != spoken:  # espeak-ng runs some words together
            continue
        count -= 1
        waveform = np.pad(audio.resample(waveform, synthesizer.sample_rate, sample_rate), margins)
        noise = noisy.standard_normal(len(waveform))
        loudness = 1e-4 if snr_db is None else np.sqrt(np.square(waveform).mean()) * 10 ** (-snr_db / 20)
        times = np.array([(word.start_s, word.end_s) for word in timed]) + margins[0] / sample_rate
        yield " ".join(sentence), (waveform + loudness * noise).astype(np.float32), times


def errors(recognizer: Recognizer, split: str, count: int, snr_db: float | None = None) -> tuple[Times, Times]:
    """Seconds by which each word's start and end (N, 2) are late; and if its tokens alone were the word."""
    words = str(recognizer.card.recipe.get("data", {}).get("words", "")).split() or synthetic.WORDS
    features = recognizer.card.features
    late, tokens_late = [], []
    for text, waveform, times in sentences(words, split, count, features.sample_rate, snr_db):
        found = recognizer.align(waveform, text, features.sample_rate).words
        late.append(np.array([(word.start_s, word.end_s) for word in found]) - times)
        emission = recognizer.network.log_probs([recognizer.frontend.extractor(waveform)])[0]
        tokenizer = recognizer.card.tokenizer
        spans = confidence.word_spans(align.align(emission, tokenizer.encode(text)), tokenizer.space)
        tokens = np.array([(word[0].start_frame, word[-1].end_frame) for word in spans])
        tokens_late.append(tokens * features.frame_ms / 1000 - times)
    return np.concatenate(late), np.concatenate(tokens_late)


def calibrate(model: str, recognizer: Recognizer, count: int) -> Recognizer:
    """The recogniser with margins of words measured on dev voices, which are stored in the model file."""
    late = np.concatenate([errors(recognizer, "dev", count, snr_db)[1] for snr_db in (None, 20)])
    lead_s, tail_s = np.round(np.median(late, axis=0) * [1, -1], 4).tolist()
    card = replace(recognizer.card, timing=Timing(lead_s, tail_s))
    write_card(model_file(model), card)
    print(f"{Path(model).name}: lead {1000 * lead_s:.0f} ms, tail {1000 * tail_s:.0f} ms, stored", file=sys.stderr)
    return recognizer.with_metadata(card)


def line(name: str, noise: str, late: Times) -> None:
    """A row of the table."""
    cells = [f"{np.median(abs(side)):10.1f}{np.median(side):6.1f}{np.quantile(abs(side), 0.9):5.0f}" for side in late.T]
    print(f"{name:24}{noise:>10}{len(late):7}{''.join(cells)}{np.median(abs(late)):8.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--split", choices=("dev", "test"), default="test", help="whose voices speak")
    parser.add_argument("--calibrate", action="store_true", help="first, on dev voices, and store it in the models")
    arguments = parser.parse_args()
    print(f"{'ms':24}{'noise':>10}{'words':>7}{'start':>10}{'bias':>6}{'90%':>5}{'end':>10}{'bias':>6}{'90%':>5}"
          f"{'both':>8}")  # fmt: skip
    both: dict[str, list[float]] = {}
    for model in arguments.models:
        recognizer = Recognizer.load(model)
        if recognizer.card.tokenizer.space is None:
            parser.error(f"{model}: an alphabet without a space spells no sentences: train recipes/spelling.yaml")
        if arguments.calibrate:
            recognizer = calibrate(model, recognizer, arguments.sentences)
        for snr_db, noise in ((None, "none"), (20, "20 dB SNR"), (10, "10 dB SNR")):
            late, tokens_late = (1000 * seconds for seconds in
                                 errors(recognizer, arguments.split, arguments.sentences, snr_db))  # fmt: skip
            line(Path(model).name, noise, late)
            line("  its tokens alone", noise, tokens_late)
            both.setdefault(noise, []).append(float(np.median(abs(late))))
    for noise, values in both.items():
        print(f"{noise:>9}: {np.mean(values):.1f} ms ({min(values):.1f} to {max(values):.1f}), mean over the models")


if __name__ == "__main__":
    main()
