"""Who speaks a corpus: drawn speakers of espeak-ng in the accents of a language, and the neural voices that know it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.synthesis import languages, neural
from asr.synthesis.espeak import Line
from asr.synthesis.speakers import draw_voice

NEURAL_FASTEST = 260  # words per minute: neural voices swallow sounds when they hurry
ENGLISH_ACCENTS = "en-us en-us en-us en-us-nyc en en en-gb-x-rp en-gb-scotland en-029".split()
# espeak-ng's own voices that could be people's: formants 0 to 5 within 75 to 140 % of the default's, a pitch of 60 Hz
# or more, voicing of 50 % or more, no robots. Dealt out at random; none is in training, whose speakers are drawn.
DEV_VOICES = """
Alex Mike adam benjamin edward grandpa klatt2 klatt4 linda m1 m5 m8 max mike2 norbert rob
""".split()
TEST_VOICES = """
Andrea Gene Gene2 Nguyen antonio aunty belinda david edward2 f1 f2 f3 f4 f5 john klatt klatt3 klatt5 klatt6 m2 m3 m4
m6 m7 pablo paul pedro quincy robert sandro
""".split()


@dataclass(frozen=True)
class Speaker:
    """Somebody who says a line."""

    name: str
    voice: str
    """As espeak.Line has it."""
    fastest: int = 1000
    """Words per minute."""
    network: str = ""
    """The neural voice that it is one of."""
    reads_phonemes: bool = True
    """Whether its lines may hold phoneme mnemonics; else they must be spelled."""

    def line(self, path: Path, text: str, slowest: int, fastest: int, rng: np.random.Generator) -> Line:
        """The line that it says at a drawn rate, from `slowest` to `fastest` words per minute, pitch and intonation."""
        return Line(
            path=str(path),
            text=text,
            voice=self.voice,
            words_per_minute=int(rng.integers(slowest, min(fastest, self.fastest))),
            pitch=int(rng.integers(30, 70)),
            pitch_range=int(rng.integers(20, 80)),
        )


@dataclass(frozen=True)
class Cast:
    """The speakers of a corpus in one language."""

    accents: Sequence[str]
    """Voices of espeak-ng; one that stands twice is twice as frequent."""
    drawn: dict[str, str]
    """Definitions of the speakers of training, by name."""
    networks: Sequence[str] = ()
    """Neural voices by turns."""
    num_speakers: dict[str, int] = field(default_factory=dict)
    """Of each neural voice."""
    readers: frozenset[str] = frozenset()
    """Neural voices whose lines must be spelled."""
    notes: Sequence[str] = ()
    """Which neural voices were passed over."""

    @classmethod
    def draw(cls, rng: np.random.Generator, num_voices: int, language: str = "en", neural_voices: str = "") -> "Cast":
        """`num_voices` speakers of espeak-ng, as many of Kokoro, and all of the other `neural_voices`.

        Neural voices are named as by asr.synthesis.neural.load, separated by spaces; those that do not speak the
        language are passed over. Raises SynthesisError.
        """
        accents = ENGLISH_ACCENTS if language == "en" else languages.accents(language)
        names, num_speakers, readers, notes = neural_voices.split(), {}, set(), []
        for name in sorted(set(names)):
            network = neural.load(name)
            if any(languages.is_same(language, spoken) for spoken in network.languages):
                num_speakers[name] = network.num_speakers or num_voices
                readers |= set() if network.reads_phonemes else {name}
            else:
                known = ", ".join(sorted(network.languages))
                notes.append(f"the neural voice {name} speaks {known} and not {language}: passed over")
        drawn = {f"drawn{number:03}": draw_voice(rng) for number in range(num_voices)}
        kept = [name for name in names if name in num_speakers]
        return cls(accents, drawn, kept, num_speakers, frozenset(readers), notes)

    def speaker(self, split: str, rng: np.random.Generator) -> Speaker:
        """One of espeak-ng's: drawn for train; of its own for dev and test, who are not in training."""
        names = {"dev": DEV_VOICES, "test": TEST_VOICES}.get(split) or list(self.drawn)
        name = str(rng.choice(names))
        return Speaker(name, f"{rng.choice(self.accents)}+{name}")

    def neural_speaker(self, turn: int, rng: np.random.Generator) -> Speaker:
        """One of the neural voice whose turn it is, for training."""
        network = self.networks[turn % len(self.networks)]
        number = int(rng.integers(self.num_speakers[network]))
        voice = f"{rng.choice(self.accents)}+{network}:{number}"
        name = f"{Path(network).stem}{number}"
        return Speaker(name, voice, NEURAL_FASTEST, network, network not in self.readers)
