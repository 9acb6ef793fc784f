"""Decoding with a lexicon and an n-gram model: ours against torchaudio's ctc_decoder, one thread each.

    pip install flashlight-text kenlm
    python tools/bench.py MODEL MANIFEST --lexicon WORDS.txt --lm LM.arpa --lm-weight 0.5 --word-bonus 3

prints a table of milliseconds an utterance and WER. flashlight-text (C++) ends a word at a separator alone, which
nobody says at the end of an utterance: a last frame that is surely the separator is added for it.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from asr import score
from asr.data import manifest
from asr.data.manifest import LeftOut
from asr.decode import lexicon
from asr.decode.decoder import DecoderConfig
from asr.evaluate import emissions
from asr.transcribe import Recognizer


def main():
    """Parse, decode with each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--lexicon", type=Path, required=True)
    parser.add_argument("--lm", type=Path)
    parser.add_argument("--lm-weight", type=float, default=0.5)
    parser.add_argument("--word-bonus", type=float, default=1.5)
    parser.add_argument("--beam-widths", type=int, nargs="+", default=[20, 50, 100])
    parser.add_argument("--repeat", type=int, default=3, help="the fastest pass of so many counts")
    arguments = parser.parse_args()

    recognizer = Recognizer.load(arguments.model)
    utterances = manifest.read(arguments.manifest)
    found = {key: value for key, value in emissions(recognizer, utterances) if not isinstance(value, LeftOut)}
    references = {utterance.id: recognizer.card.text.normalise(utterance.text) for utterance in utterances}
    seconds = sum(map(len, found.values())) * recognizer.card.features.hop_ms / 1000
    print(f"{len(found)} utterances, {seconds:.0f} s of speech")
    print(f"{'decoder':28} {'beam':>5} {'ms/utterance':>13} {'x real time':>12} {'WER':>8}")

    def row(name, width, decode):
        took = math.inf
        for _ in range(arguments.repeat):
            start = time.perf_counter()
            heard = {key: decode(emission) for key, emission in found.items()}
            took = min(took, time.perf_counter() - start)
        rate = score.score(references, heard).word.rate
        print(f"{name:28} {width:>5} {1000 * took / len(found):>13.2f} {seconds / took:>12.0f} {rate:>8.2%}")

    for width in arguments.beam_widths:
        decoding = DecoderConfig(
            lexicon=arguments.lexicon, lm=arguments.lm, beam_width=width, word_bonus=arguments.word_bonus,
            lm_weight=arguments.lm_weight if arguments.lm else None,
        )  # fmt: skip
        decoder = Recognizer.load(arguments.model, decoding=decoding).decoder
        row("asr", width, lambda emission, decoder=decoder: decoder(emission)[0].text)
    words = lexicon.read_words(arguments.lexicon, recognizer.card.text)
    with tempfile.TemporaryDirectory() as folder:
        for threshold in (50.0, 10.0):
            for width in arguments.beam_widths:
                decode = flashlight(recognizer, words, arguments, width, threshold, Path(folder))
                row(f"ctc_decoder, threshold {threshold:g}", width, decode)


def flashlight(recognizer, words, arguments, width, threshold, folder):
    """torchaudio's decoder with the same lexicon and model, as a function of an emission (T, V)."""
    import torch
    from torchaudio.models.decoder import ctc_decoder

    torch.set_num_threads(1)
    tokens = ["|" if token == " " else token for token in recognizer.tokenizer.tokens]
    if "|" not in tokens:
        tokens.append("|")  # an alphabet without a space: a separator that only the added frame holds
    spelled = folder / "lexicon.txt"
    spelled.write_text("".join(f"{word} {' '.join(word)} |\n" for word in words), "utf-8")
    # KenLM's logarithms are to base 10. log_add: paths are summed, as ours are.
    decoder = ctc_decoder(
        lexicon=str(spelled), tokens=tokens, lm=str(arguments.lm) if arguments.lm else None, beam_size=width,
        beam_threshold=threshold, lm_weight=arguments.lm_weight * math.log(10), word_score=arguments.word_bonus,
        log_add=True, blank_token=tokens[0], sil_token="|", unk_word="<unk>",
    )  # fmt: skip
    end = np.full((1, len(tokens)), -30.0, np.float32)
    end[0, tokens.index("|")] = 0.0

    def decode(emission):
        padded = np.full((len(emission) + 1, len(tokens)), -30.0, np.float32)
        padded[:-1, : emission.shape[1]] = emission
        padded[-1] = end
        best = decoder(torch.from_numpy(padded)[None])[0]
        return " ".join(best[0].words) if best else ""

    return decode


if __name__ == "__main__":
    main()
