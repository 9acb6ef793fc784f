"""Free Spoken Digit Dataset: English digits, 8 kHz, by a few speakers.

Corpus: Jackson et al., Free Spoken Digit Dataset. Licence: CC BY-SA 4.0. Layout:
SOURCE/recordings/DIGIT_SPEAKER_INDEX.wav; indices 0 to 4 are the official test part, 5 to 9 serve as dev here. With
a held-out speaker, that speaker is the whole test part and the official test indices of the others serve as dev.
"""

import re
from pathlib import Path

import numpy as np

from asr import audio
from asr.data import corpus, manifest
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import LeftOut, Utterance

DIGITS = "zero one two three four five six seven eight nine".split()
SAMPLE_RATE = 8000


def prepare(
    folder: Path,
    source: str,
    held_out_speaker: str = "",
    also: str = "",
    also_count: int = 3000,
    test_strings: int = 0,
) -> Splits:
    """Read the recordings below `source`; `held_out_speaker` is trained without and tested on.

    `also` is a manifest, of synthetic digits say, of which `also_count` utterances drawn at random join the training
    part: three speakers are few to learn what all have in common. With `test_strings`, so many strings of digits are
    the test part, put together of its recordings: two to five by one speaker, after 100 to 400 ms of silence, each
    followed by 50 to 500 ms, and noise 60 dB below the loudest sample.
    """
    recordings = sorted(Path(source).glob("recordings/*.wav")) or sorted(Path(source).glob("*.wav"))
    splits, utterances, indices = Splits(), [], {}
    for path in recordings:
        name = re.fullmatch(r"(\d)_([^_]+)_(\d+)", path.stem)
        if not name:
            splits.left_out.append(LeftOut(path.name, "a name that is not DIGIT_SPEAKER_INDEX.wav"))
            continue
        digit, speaker, index = name.groups()
        utterances.append(Utterance(id=path.stem, audio=str(path), text=DIGITS[int(digit)], speaker=speaker))
        indices[path.stem] = int(index)
    if not utterances:
        raise CorpusError(f"data.source={source}: no recordings/DIGIT_SPEAKER_INDEX.wav below it")
    speakers = sorted({str(utterance.speaker) for utterance in utterances})
    if held_out_speaker and held_out_speaker not in speakers:
        raise CorpusError(f"data.held_out_speaker={held_out_speaker}: the speakers are {', '.join(speakers)}")

    utterances, unreadable, _ = corpus.probe(utterances)
    splits.left_out += unreadable
    for utterance in utterances:
        is_official_test = indices[utterance.id] < 5
        if held_out_speaker:
            part = splits.test if utterance.speaker == held_out_speaker else None
            part = part if part is not None else splits.dev if is_official_test else splits.train
        else:
            part = splits.test if is_official_test else splits.dev if indices[utterance.id] < 10 else splits.train
        part.append(utterance)
    if also:
        others = manifest.read(also)
        drawn = np.random.default_rng(0).permutation(len(others))[:also_count]
        splits.train += [others[place] for place in sorted(drawn)]
    if test_strings and splits.test:
        splits.test = strings(splits.test, test_strings, folder / "strings")
    return splits


def strings(utterances: list[Utterance], count: int, folder: Path) -> list[Utterance]:
    """Put `count` strings of recordings together in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    said = []
    for number in range(count):
        speaker = utterances[rng.integers(len(utterances))].speaker
        own = [utterance for utterance in utterances if utterance.speaker == speaker]
        chosen = [own[place] for place in rng.integers(len(own), size=rng.integers(2, 6))]
        sounds = [np.zeros(round(rng.uniform(0.1, 0.4) * SAMPLE_RATE), np.float32)]
        for utterance in chosen:
            sound = manifest.read_waveform(utterance, SAMPLE_RATE)
            sounds += [sound - sound.mean(), np.zeros(round(rng.uniform(0.05, 0.5) * SAMPLE_RATE), np.float32)]
        whole = np.concatenate(sounds)
        whole += (1e-3 * np.abs(whole).max() * rng.standard_normal(len(whole))).astype(np.float32)
        path = folder / f"{speaker}-{number}.wav"
        audio.write(path, whole, SAMPLE_RATE)
        text = " ".join(utterance.text for utterance in chosen)
        said.append(Utterance(path.stem, text, str(path), speaker=speaker, duration_s=len(whole) / SAMPLE_RATE))
    return said


if __name__ == "__main__":
    corpus.main(prepare)
