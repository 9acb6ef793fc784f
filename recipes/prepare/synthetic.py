"""A few hundred English words spoken by espeak-ng: no recordings, no network, the same corpus for the same seed.

Corpus: made here, in seconds. Licence: the sound is yours; espeak-ng, which speaks it, is GPL-3.0 and only a tool.
Layout: FOLDER/{train,dev,test}/WORD-VOICE-NUMBER.wav, 16 kHz. Dev and test speak with voices that training never
hears.
"""

from pathlib import Path

import numpy as np

from asr.data import corpus, synth
from asr.data.corpus import Splits
from asr.data.manifest import Utterance

# No two of these sound alike (two/to, four/for): a recogniser that knows only sounds could not tell them apart.
WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand yes no up down left right on
off stop go start pause play next previous open close forward backward follow learn back home help cancel repeat enter
erase louder quieter volume music radio light lamp kitchen bedroom garage door window alarm timer message phone answer
record delete save send search camera reset sleep lock january february march april may june july august september
october november december monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday morning
evening alfa bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike oscar papa quebec romeo sierra
tango uniform victor whiskey xray yankee zulu red orange yellow green purple black white brown silver north south east
west above below inside outside under bird cat dog horse tiger rabbit monkey spider fish sheep house tree river
mountain garden street village city school table chair bottle paper pencil number money water coffee sugar butter
bread apple banana mother father brother sister doctor people woman happy quick quiet heavy simple always never please
sorry hello because together really begin finish watch listen question example jazz box voice
""".split()

ACCENTS = "en-us en-us en-us en-us-nyc en en en-gb-x-rp en-gb-scotland en-029".split()
# espeak-ng's own voices that could be people's: formants 0 to 5 within 75 to 140 % of the default's, a pitch of 60 Hz
# or more, voicing of 50 % or more, no robots. Dealt out at random; training hears none of them: its speakers are drawn.
DEV_VOICES = """
Alex Mike adam benjamin edward grandpa klatt2 klatt4 linda m1 m5 m8 max mike2 norbert rob
""".split()
TEST_VOICES = """
Andrea Gene Gene2 Nguyen antonio aunty belinda david edward2 f1 f2 f3 f4 f5 john klatt klatt3 klatt5 klatt6 m2 m3 m4
m6 m7 pablo paul pedro quincy robert sandro
""".split()


def prepare(
    folder: Path, utterances_per_word: int = 100, held_out_per_word: int = 4, num_voices: int = 280, seed: int = 1
) -> Splits:
    """Speak every word `utterances_per_word` times for training, and a few times each for dev and test."""
    rng = np.random.default_rng(seed)
    words = sorted(set(WORDS))
    drawn = {f"drawn{number:03}": synth.draw_voice(rng) for number in range(num_voices)}
    parts = {"dev": (DEV_VOICES, held_out_per_word), "test": (TEST_VOICES, held_out_per_word),
             "train": (list(drawn), utterances_per_word)}  # fmt: skip
    lines, speakers, split_of = [], [], []
    for split, (names, times) in parts.items():
        for number in range(times):
            for word in rng.permutation(words).tolist():
                voice = str(rng.choice(names))
                speakers.append(voice)
                split_of.append(split)
                lines.append(
                    synth.Line(
                        path=str(folder / split / f"{word}-{voice}-{number}.wav"),
                        text=word if word != "xray" else "x-ray",
                        voice=f"{rng.choice(ACCENTS)}+{voice}",
                        words_per_minute=int(rng.integers(120, 180)),
                        pitch=int(rng.integers(30, 70)),
                        pitch_range=int(rng.integers(20, 80)),
                    )
                )
    splits = Splits()
    for line, speaker, split, duration_s in zip(
        lines, speakers, split_of, synth.speak_all(lines, sample_rate=16000, voices=drawn), strict=True
    ):
        path = Path(line.path)
        getattr(splits, split).append(
            Utterance(id=path.stem, audio=line.path, text=path.stem.split("-")[0], speaker=speaker,
                      duration_s=round(duration_s, 4))
        )  # fmt: skip
    return splits


if __name__ == "__main__":
    corpus.main(prepare)
