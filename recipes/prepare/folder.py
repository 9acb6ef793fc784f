"""Your own recordings in a folder, in either of two layouts, mixed as you like.

Layouts: SOURCE/**/WORD_OR_PHRASE/*.wav (the folder's name is the text, underscores are spaces), or SOURCE/**/NAME.wav
beside NAME.txt or NAME.lab (its text). What lies below a folder whose name begins with an underscore (SOURCE/_unknown,
SOURCE/_background_noise_) is a negative example: its transcript is empty. Links are followed, hidden files and folders
passed over; what cannot be used is named. Licence: whatever yours is. With `speaker`, a regular expression whose first
group finds the speaker in a file's path below SOURCE, dev and test get speakers of their own for the words; without, a
random share of each text. Copies of one recording stay in one split.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr.data import corpus
from asr.data import folder as recordings
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.files import shown

_LONGEST_S = 4.0  # of a negative example: minutes of noise would be padding to all the words of a batch


def prepare(
    folder: Path,
    source: str,
    speaker: str = "",
    dev_share: float = 0.1,
    test_share: float = 0.2,
    language: str = "",
    synthetic_per_word: int = 0,
    other_speech: int = 0,
    carrier_share: float = 0.3,
    noise_share: float = 0.0,
    text: str = "",
    neural_voices: str = "",
    sample_rate: int = 16000,
    seed: int = 1,
) -> Splits:
    """Read the sound files below `source`; seeded shares of them become dev and test.

    Synthetic voices join the training split, as synthetic.py has them: they speak every text of the recordings
    `synthetic_per_word` times, in `language`, and `other_speech` utterances that give no output but the texts that
    stand in `carrier_share` of them; `noise_share` utterances without speech come on top of theirs.
    """
    splits = Splits()
    utterances = _utterances(source, splits)
    if speaker:
        utterances = _with_speakers(utterances, speaker, source, splits)
    probed = corpus.probe(utterances)
    splits.skipped += probed.skipped
    _note_lost_words(utterances, probed.readable, splits)
    _note_copies(probed, splits)
    readable = [piece for utterance in probed.readable for piece in _pieces(utterance)]

    def group(utterance: Utterance) -> str:
        return utterance.speaker or probed.digests[str(utterance.audio)]

    # What stays in one split: a speaker, or the copies of a recording where the speaker is not known. Files
    # of one text stand side by side in shuffled order, so that every n-th gives each text its share.
    rng = np.random.default_rng(seed)
    shuffled = [readable[index] for index in rng.permutation(len(readable))]
    rank = {text: index for index, text in enumerate(dict.fromkeys(utterance.text for utterance in shuffled))}
    shuffled.sort(key=lambda utterance: rank[utterance.text])
    test: set[str] = set()
    dev: set[str] = set()
    for says_words in (True, False):  # a share of each
        groups = list(dict.fromkeys(group(one) for one in shuffled if bool(one.text) == says_words))
        test |= set(_every(groups, test_share))
        rest = [name for name in groups if name not in test]
        dev |= set(_every(rest, min(1.0, dev_share / max(1 - test_share, 1e-9))))
    for utterance in readable:
        name = group(utterance)
        (splits.test if name in test else splits.dev if name in dev else splits.train).append(utterance)
    if synthetic_per_word or other_speech:
        texts = ",".join(dict.fromkeys(utterance.text for utterance in splits.train if utterance.text))
        speak = corpus.load_script(Path(__file__).with_name("synthetic.py"))
        spoken = speak(
            folder=folder,
            words=f"{texts},",
            language=language,
            utterances_per_word=synthetic_per_word,
            held_out_per_word=0,
            other_speech=other_speech,
            carrier_share=carrier_share,
            noise_share=noise_share,
            text=text,
            neural_voices=neural_voices,
            neural_share=0.3,
            fastest=260,
            sample_rate=sample_rate,
            seed=seed,
        )
        splits.train += spoken.train
        splits.notes += spoken.notes
    return splits


def _utterances(source: str, splits: Splits) -> list[Utterance]:
    """The sound files with their transcripts; those without go to `splits.skipped`. Raises CorpusError."""
    try:
        found = recordings.read(Path(source))
    except UserError as error:
        raise CorpusError(f"data.source={error}") from None
    splits.skipped += found.skipped
    words = {utterance.text for utterance in found.utterances}
    if found.utterances and not any(words):
        raise CorpusError(
            f"data.source={source}: no positive examples: every usable file is in a folder whose name begins with an "
            "underscore"
        )
    if len(words - {""}) == 1 and len(found.utterances) > 1 and words & found.folder_texts:
        splits.notes.append(f"all recordings have the same text, {max(words)!r}, the name of their folder")
    return found.utterances


def _with_speakers(utterances: Sequence[Utterance], speaker: str, source: str, splits: Splits) -> list[Utterance]:
    try:
        pattern = re.compile(speaker)
    except re.error as error:
        raise CorpusError(f"data.speaker={speaker}: not a regular expression: {error}") from None
    named: list[Utterance] = []
    missed: list[str] = []
    for utterance in utterances:
        # Speakers of negative examples may be anybody, in files named in any way.
        path = Path(str(utterance.audio)).relative_to(source).as_posix()
        found = pattern.search(path) if utterance.text else None
        who = (found.group(1) if pattern.groups else found.group()) if found else None
        named.append(replace(utterance, speaker=shown(who) if who else None))
        if utterance.text and not who:
            missed.append(path)
    if missed:
        count = sum(bool(utterance.text) for utterance in utterances)
        which = "none of" if len(missed) == count else f"{count - len(missed)} of"
        splits.notes.append(
            f"data.speaker={speaker} finds a speaker in {which} {count} files (not in {shown(missed[0])}): where it "
            "finds none, dev and test may hold voices that are in the training split"
        )
    return named


def _note_lost_words(utterances: Sequence[Utterance], readable: Sequence[Utterance], splits: Splits) -> None:
    lost = dict.fromkeys(one.text for one in utterances)
    for utterance in readable:
        lost.pop(utterance.text, None)
    if lost:
        splits.notes.append(f"no recording can be read of {', '.join(map(repr, list(lost)[:5]))}")


def _note_copies(probed: corpus.Probed, splits: Splits) -> None:
    texts: dict[str, set[str]] = {}
    for utterance in probed.readable:
        texts.setdefault(probed.digests[str(utterance.audio)], set()).add(utterance.text)
    counts = Counter(probed.digests[str(utterance.audio)] for utterance in probed.readable)
    copied = [digest for digest, count in counts.items() if count > 1]
    if copied:
        example = next(one for one in probed.readable if probed.digests[str(one.audio)] == copied[0])
        num_files = sum(counts[digest] for digest in copied)
        plural = "recording" if len(copied) == 1 else "recordings"
        splits.notes.append(
            f"{num_files} files are {len(copied)} {plural}, copied (such as {shown(str(example.audio))}); "
            "copies stay in one split, so that test holds nothing of the training split, unless their speakers differ"
        )
    if differing := [digest for digest in copied if len(texts[digest]) > 1]:
        words = " and ".join(map(repr, sorted(texts[differing[0]])))
        splits.notes.append(f"{len(differing)} recordings have several texts, such as {words}")


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


def _every(groups: list[str], share: float) -> list[str]:
    """Evenly spaced members that make up `share` of the groups."""
    return [group for index, group in enumerate(groups) if int((index + 1) * share + 0.5) > int(index * share + 0.5)]


if __name__ == "__main__":
    corpus.main(prepare)
