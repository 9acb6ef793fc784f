"""Counting errors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import section


def _make_transcripts(folder: Path) -> None:
    import random

    source = random.Random(1)
    vocabulary = [f"w{number}" for number in range(2000)]
    with (folder / "ref.trn").open("w") as references, (folder / "hyp.trn").open("w") as hypotheses:
        for number in range(100_000):
            reference = source.choices(vocabulary, k=12)
            hypothesis = []
            for word in reference:
                kind = source.random()
                if kind >= 0.03:
                    hypothesis.append(source.choice(vocabulary) if kind < 0.13 else word)
                if source.random() < 0.03:
                    hypothesis.append(source.choice(vocabulary))
            key = f"spk{number % 50}-{number:06d}"
            references.write(f"{' '.join(reference)} ({key})\n")
            hypotheses.write(f"{' '.join(hypothesis)} ({key})\n")


def _read_trn(path: Path) -> dict[str, list[str]]:
    transcripts = {}
    for line in path.read_text("utf-8").splitlines():
        text, _, key = line.rpartition("(")
        transcripts[key[:-1]] = text.split()
    return transcripts


def _same_words(ours: Any, peer: Any) -> str:
    assert ours["errors"] == peer["errors"], (ours, peer)
    return "the same errors" + (", another split" if peer.get("split", ours["split"]) != ours["split"] else "")


scoring = section(
    "scoring", "Scoring: 100,000 pairs of 12 words, trn files to counts", "pairs", 100_000, prepare=_make_transcripts,
    same=_same_words,
)  # fmt: skip


@scoring.contender("asr.score")
def _(folder: Path) -> Iterator[Any]:
    from asr import score

    yield
    reference, (hypothesis,) = score.read_all(folder / "ref.trn", [folder / "hyp.trn"])
    result = score.score(reference.texts, hypothesis.texts)
    word = result.word
    assert result.character.errors
    yield {"errors": word.errors, "split": [word.substitutions, word.deletions, word.insertions]}


@scoring.contender("asr.score, words alone")
def _(folder: Path) -> Iterator[Any]:
    from asr import score
    from asr.score.counts import total

    yield
    reference, (hypothesis,) = score.read_all(folder / "ref.trn", [folder / "hyp.trn"])
    reference_words = [text.split() for text in reference.texts.values()]
    hypothesis_words = [hypothesis.texts[key].split() for key in reference.texts]
    word = total(score.count(reference_words, hypothesis_words))
    yield {"errors": word.errors, "split": [word.substitutions, word.deletions, word.insertions]}


@scoring.contender("rapidfuzz editops")
def _(folder: Path) -> Iterator[Any]:
    from rapidfuzz.distance import Levenshtein

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    split = {"replace": 0, "delete": 0, "insert": 0}
    for key, said in references.items():
        for tag, _, _ in Levenshtein.editops(said, hypotheses[key]).as_list():
            split[str(tag)] += 1
    yield {"errors": sum(split.values()), "split": list(split.values())}


@scoring.contender("rapidfuzz distance")
def _(folder: Path) -> Iterator[Any]:
    from rapidfuzz.distance import Levenshtein

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    yield {"errors": sum(Levenshtein.distance(said, hypotheses[key]) for key, said in references.items())}


@scoring.contender("editdistance")
def _(folder: Path) -> Iterator[Any]:
    import editdistance

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    yield {"errors": sum(editdistance.eval(said, hypotheses[key]) for key, said in references.items())}


@scoring.contender("jiwer")
def _(folder: Path) -> Iterator[Any]:
    import jiwer

    yield
    references, hypotheses = _read_trn(folder / "ref.trn"), _read_trn(folder / "hyp.trn")
    found = jiwer.process_words(
        [" ".join(said) for said in references.values()], [" ".join(hypotheses[key]) for key in references]
    )
    split = [found.substitutions, found.deletions, found.insertions]
    yield {"errors": sum(split), "split": split}
