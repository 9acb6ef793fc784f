"""From log-probabilities to text: the best path, and the beam that knows words and their order."""

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import speech
from benchmarks.measuring import section

# --- the best path --------------------------------------------------------------------------------------------------


def _same_tokens(ours: Any, peer: Any) -> str:
    assert ours == peer
    return "the same tokens"


def _emissions() -> Any:
    """Log-probabilities (300, 249, 27) in which the blank is likely."""
    import numpy as np

    logits = np.random.default_rng(0).standard_normal((300, 249, 27), np.float32)
    logits[:, :, 0] += 3
    return logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))


greedy = section(
    "greedy", "Best path: 300 emissions of 2.5 s to tokens", "emissions", 300, same=_same_tokens, repeats=7,
)  # fmt: skip


@greedy.contender("asr.decode.greedy, in a batch")
def _(_folder: Path) -> Iterator[Any]:
    from asr.decode import greedy

    log_probs = _emissions()
    yield
    yield greedy.decode(log_probs)[-1]


@greedy.contender("asr.decode.greedy, one by one")
def _(_folder: Path) -> Iterator[Any]:
    from asr.decode import greedy

    log_probs = _emissions()
    yield
    yield [greedy.decode(one[None])[0] for one in log_probs][-1]


@greedy.contender("torch argmax and unique_consecutive")
def _(_folder: Path) -> Iterator[Any]:
    import torch

    torch.set_num_threads(1)
    log_probs = torch.from_numpy(_emissions())
    yield
    tokens = []
    for path in log_probs.argmax(dim=2):
        collapsed = path.unique_consecutive()
        tokens.append(collapsed[collapsed != 0].tolist())
    yield tokens[-1]


# --- words that are known -------------------------------------------------------------------------------------------

NUM_SENTENCES, NUM_WORDS = 150, 8
BEAM_WIDTH, BEAM_THRESHOLD, LM_WEIGHT, WORD_BONUS = 50, 14.0, 0.5, 1.5
TOKENS = ("<blank>", *"abcdefghijklmnopqrstuvwxyz", " ")


def _sentence(source: random.Random, vocabulary: list[str]) -> list[str]:
    """Words of which each is likely to be followed by one of ten."""
    words = [source.choice(vocabulary)]
    while len(words) < NUM_WORDS:
        following = random.Random(words[-1]).sample(vocabulary, 10)
        words.append(source.choice(following) if source.random() < 0.8 else source.choice(vocabulary))
    return words


def _make_emissions(folder: Path) -> None:
    """What the network says of words in noise, with frames of a space between them; lexicon and bigrams."""
    import numpy as np

    from asr import Recognizer
    from asr.decode import kneser_ney, lm

    source, rng, vocabulary = random.Random(0), np.random.default_rng(0), speech.vocabulary()
    (folder / "words.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    lm.write(folder / "lm.arpa", kneser_ney.estimate((_sentence(source, vocabulary) for _ in range(5000)), 2))
    sentences = [_sentence(source, vocabulary) for _ in range(NUM_SENTENCES)]
    recognizer = Recognizer.load(speech.MODEL)
    space = np.full((3, len(TOKENS)), 1e-4)
    space[:, 0], space[:, -1] = 0.3, 0.7
    spoken = speech.speak([word for words in sentences for word in words])
    emissions = {}
    for number, words in enumerate(sentences):
        parts = []
        for _ in words:
            waveform = next(spoken)
            loudness = np.sqrt(np.mean(np.square(waveform)))
            noise = 0.03 * loudness * rng.standard_normal(len(waveform), np.float32)
            emission = np.exp(recognizer.network.log_probs([recognizer.frontend.extractor(waveform + noise)])[0])
            parts += [np.hstack([emission, np.full((len(emission), 1), 1e-5)]), space]
        joined = np.concatenate(parts[:-1])
        emissions[str(number)] = np.log(joined / joined.sum(axis=1, keepdims=True)).astype(np.float32)
    np.savez(folder / "emissions.npz", **emissions)
    (folder / "texts.txt").write_text("\n".join(map(" ".join, sentences)) + "\n", "utf-8")


def _read_emissions(folder: Path) -> tuple[list[Any], list[str]]:
    import numpy as np

    texts = (folder / "texts.txt").read_text("utf-8").splitlines()
    with np.load(folder / "emissions.npz") as emissions:
        return [emissions[str(number)] for number in range(len(texts))], texts


def _error_rate(texts: list[str], hypotheses: list[str]) -> float:
    from asr import score

    keys = [str(number) for number in range(len(texts))]
    scored = score.score(dict(zip(keys, texts, strict=True)), dict(zip(keys, hypotheses, strict=True)))
    return scored.word.rate


def _errors(ours: Any, peer: Any) -> str:
    assert abs(ours - peer) < 0.03, (ours, peer)
    return f"WER {peer:.1%}"


decode = section(
    "decode", f"Beam with a lexicon of 200 words and their bigrams: {NUM_SENTENCES} emissions of {NUM_WORDS} words",
    "emissions", NUM_SENTENCES, prepare=_make_emissions, same=_errors, repeats=2,
)  # fmt: skip


@decode.contender("asr.decode.ctc_beam")
def _(folder: Path) -> Iterator[Any]:
    from asr.decode.ctc_beam import BeamSearch
    from asr.decode.decoder import DecoderConfig, DecodingResources
    from asr.text import TextConfig

    emissions, texts = _read_emissions(folder)
    config = DecoderConfig(lexicon=folder / "words.txt", lm=folder / "lm.arpa", beam_width=BEAM_WIDTH,
                           lm_weight=LM_WEIGHT, word_bonus=WORD_BONUS)  # fmt: skip
    decoder = DecodingResources.read(config, TextConfig("".join(TOKENS[1:]))).decoder()
    assert isinstance(decoder, BeamSearch) and decoder.beam_threshold == BEAM_THRESHOLD
    yield
    hypotheses = [decoder(emission)[0].text for emission in emissions]
    yield _error_rate(texts, hypotheses)


@decode.contender("flashlight-text, through torchaudio's ctc_decoder")
def _(folder: Path) -> Iterator[Any]:
    yield from _flashlight(folder, BEAM_THRESHOLD)


@decode.contender("flashlight-text, its own threshold of 50")
def _(folder: Path) -> Iterator[Any]:
    yield from _flashlight(folder, 50.0)


def _flashlight(folder: Path, threshold: float) -> Iterator[Any]:
    import flashlight.lib.text  # noqa: F401 -- torchaudio would say something else of what is missing
    import kenlm  # noqa: F401
    import numpy as np
    import torch
    from torchaudio.models.decoder import ctc_decoder

    torch.set_num_threads(1)
    emissions, texts = _read_emissions(folder)
    words = (folder / "words.txt").read_text("utf-8").split()
    (folder / "lexicon.txt").write_text("".join(f"{word} {' '.join(word)} |\n" for word in words), "utf-8")
    # KenLM's logarithms are to base 10. log_add: paths are summed, as ours are.
    decoder = ctc_decoder(
        lexicon=str(folder / "lexicon.txt"), tokens=[*TOKENS[:-1], "|"], lm=str(folder / "lm.arpa"),
        beam_size=BEAM_WIDTH, beam_threshold=threshold, lm_weight=LM_WEIGHT * math.log(10),
        word_score=WORD_BONUS, log_add=True, blank_token=TOKENS[0], sil_token="|", unk_word="<unk>",
    )  # fmt: skip
    # It ends a word at a separator alone, which nobody says at the end: a last frame that is surely one.
    end = np.full((1, len(TOKENS)), -30, np.float32)
    end[0, -1] = 0
    tensors = [torch.from_numpy(np.concatenate([emission, end]))[None] for emission in emissions]
    yield
    found = [decoder(tensor)[0] for tensor in tensors]
    yield _error_rate(texts, [" ".join(best[0].words) if best else "" for best in found])
