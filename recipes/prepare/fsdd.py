"""Free Spoken Digit Dataset: English digits, 8 kHz, by a few speakers.

Corpus: Jackson et al., Free Spoken Digit Dataset. Licence: CC BY-SA 4.0. Layout:
SOURCE/recordings/DIGIT_SPEAKER_INDEX.wav; indices 0 to 4 are the official test split, 5 to 9 serve as dev here. With
a held-out speaker, that speaker is the whole test split and the official test indices of the others serve as dev.
"""

import re
from pathlib import Path

from asr.data import corpus
from asr.data.corpus import CorpusError, Splits
from asr.data.download import Archive, fetch
from asr.data.manifest import Skipped, Utterance

ARCHIVE = Archive("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip")
DIGITS = "zero one two three four five six seven eight nine".split()


def prepare(
    folder: Path,  # noqa: ARG001
    source: str,
    held_out_speaker: str = "",
    label: str = "digit",
    download: bool = False,
) -> Splits:
    """Read the recordings below `source`; `held_out_speaker` is trained without and tested on.

    `label` is what a classifier learns: digit or speaker. `download` fetches the recordings into `source`.
    """
    if label not in ("digit", "speaker"):
        raise CorpusError(f"data.label={label}: a recording has a digit and a speaker")
    if download:
        fetch([ARCHIVE], Path(source), "FSDD, Jackson et al.: CC BY-SA 4.0")
    recordings = sorted(Path(source).glob("**/recordings/*.wav")) or sorted(Path(source).glob("*.wav"))
    splits, utterances, indices = Splits(), [], {}
    for path in recordings:
        name = re.fullmatch(r"(\d)_([^_]+)_(\d+)", path.stem)
        if not name:
            splits.skipped.append(Skipped(path.name, "a name that is not DIGIT_SPEAKER_INDEX.wav"))
            continue
        digit, speaker, index = name.groups()
        text = DIGITS[int(digit)]
        utterances.append(
            Utterance(path.stem, text, str(path), speaker=speaker, label=text if label == "digit" else speaker)
        )
        indices[path.stem] = int(index)
    if not utterances:
        raise CorpusError(f"data.source={source}: no recordings/DIGIT_SPEAKER_INDEX.wav below it")
    speakers = sorted({str(utterance.speaker) for utterance in utterances})
    if held_out_speaker and held_out_speaker not in speakers:
        raise CorpusError(f"data.held_out_speaker={held_out_speaker}: the speakers are {', '.join(speakers)}")

    utterances, unreadable, _ = corpus.probe(utterances)
    splits.skipped += unreadable
    for utterance in utterances:
        is_official_test = indices[utterance.id] < 5
        if held_out_speaker:
            split = splits.test if utterance.speaker == held_out_speaker else None
            split = split if split is not None else splits.dev if is_official_test else splits.train
        else:
            split = splits.test if is_official_test else splits.dev if indices[utterance.id] < 10 else splits.train
        split.append(utterance)
    return splits


if __name__ == "__main__":
    corpus.main(prepare)
