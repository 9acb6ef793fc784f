"""Your own recordings in a folder, in either of two layouts, mixed as you like.

Layouts: SOURCE/**/WORD_OR_PHRASE/*.wav (the folder's name is the text, underscores are spaces), or SOURCE/**/NAME.wav
beside NAME.txt (its text). What lies below a folder whose name begins with an underscore (SOURCE/_unknown,
SOURCE/_background_noise_) is a negative example: its transcript is empty. Licence: whatever yours is. With
`speaker`, a regular expression whose first group finds the speaker in a file's path below SOURCE, dev and test get
speakers of their own for the words; without, a random share of each text.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr import audio
from asr.data import corpus
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import LeftOut, Utterance

_LONGEST_S = 4.0  # of a negative example: minutes of noise would be padding to all the words of a batch


def prepare(
    folder: Path,  # noqa: ARG001
    source: str,
    speaker: str = "",
    dev_share: float = 0.1,
    test_share: float = 0.2,
    seed: int = 1,
) -> Splits:
    """Read the sound files below `source`; seeded shares of them become dev and test."""
    splits = Splits()
    utterances: dict[str, Utterance] = {}
    try:
        files = audio.find([source]) if Path(source).is_dir() else []
    except audio.AudioError:
        files = []
    if not files:
        raise CorpusError(f"data.source={source}: no sound files below it")
    for path, key in files:
        try:
            text = _text(Path(path), Path(source))
            if key in utterances:
                raise CorpusError(f"the same name as {utterances[key].audio}")
            # Speakers of negative examples may be anybody, in files named in any way.
            found = re.search(speaker, Path(path).relative_to(source).as_posix()) if speaker and text else None
        except (CorpusError, UnicodeDecodeError) as error:
            splits.left_out.append(LeftOut(key, f"no text: {error}"))
        except re.error as error:
            raise CorpusError(f"data.speaker={speaker}: not a regular expression: {error}") from None
        else:
            who = (found.group(1) if found.re.groups else found.group()) if found else None
            utterances[key] = Utterance(key, text, audio=path, speaker=who)
    if utterances and not any(utterance.text for utterance in utterances.values()):
        raise CorpusError(f"data.source={source}: no positive examples: every usable file is in a folder whose name "
                          "begins with an underscore")  # fmt: skip
    readable, unreadable = corpus.probe(utterances.values())
    splits.left_out += unreadable
    readable = [piece for utterance in readable for piece in _pieces(utterance)]

    # What must stay in one part together: a speaker, or a single file where the speaker is not known. Files of one
    # text stand side by side in shuffled order, so that every n-th gives each text its share.
    rng = np.random.default_rng(seed)
    shuffled = [readable[place] for place in rng.permutation(len(readable))]
    rank = {text: place for place, text in enumerate(dict.fromkeys(utterance.text for utterance in shuffled))}
    shuffled.sort(key=lambda utterance: rank[utterance.text])
    test: set[str] = set()
    dev: set[str] = set()
    for says_words in (True, False):  # a share of each
        groups = list(dict.fromkeys(_group(one) for one in shuffled if bool(one.text) == says_words))
        test |= set(_every(groups, test_share))
        rest = [group for group in groups if group not in test]
        dev |= set(_every(rest, min(1.0, dev_share / max(1 - test_share, 1e-9))))
    for utterance in readable:
        group = _group(utterance)
        (splits.test if group in test else splits.dev if group in dev else splits.train).append(utterance)
    return splits


def _group(utterance: Utterance) -> str:
    """What stays in one split: the utterances of a speaker, or of a file."""
    return utterance.speaker or str(utterance.audio)


def _pieces(utterance: Utterance) -> Iterator[Utterance]:
    """The utterance, or pieces of a long negative example."""
    count = 1 if utterance.text else math.ceil(utterance.duration_s / _LONGEST_S)
    if count == 1:
        yield utterance
        return
    length_s = utterance.duration_s / count
    for start_s in (round(number * length_s, 3) for number in range(count)):
        yield replace(utterance, id=f"{utterance.id}@{start_s:g}", start_s=start_s, end_s=start_s + length_s,
                      duration_s=round(length_s, 4))  # fmt: skip


def _text(path: Path, root: Path) -> str:
    """The transcript of a file: its .txt, or the name of its folder. Raises CorpusError if there is neither."""
    if any(name.startswith("_") for name in path.relative_to(root).parts[:-1]):
        return ""
    transcript = path.with_suffix(".txt")
    if transcript.is_file():
        # TIMIT's transcripts begin with the first and the last sample.
        text = re.sub(r"^0 \d{4,} ", "", " ".join(transcript.read_text("utf-8-sig").split()))
        if not text:
            raise CorpusError(f"{transcript} is empty")
        return text
    if path.parent == root:
        raise CorpusError("neither NAME.txt beside it nor a folder named for it")
    return path.parent.name.replace("_", " ")


def _every(groups: list[str], share: float) -> list[str]:
    """Evenly spaced members that make up `share` of the groups."""
    return [group for place, group in enumerate(groups) if int((place + 1) * share + 0.5) > int(place * share + 0.5)]


if __name__ == "__main__":
    corpus.main(prepare)
