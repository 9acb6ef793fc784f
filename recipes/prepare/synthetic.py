"""English words, letters and digits spoken by espeak-ng: no recordings, no network, the same corpus for the same seed.

Corpus: made here, in seconds, or in minutes where neural voices speak, too. Licence: the sound is yours; espeak-ng,
which speaks it, is GPL-3.0 and only a tool, and the neural voices are Apache-2.0 (Kokoro, Heart) and CC0 (Joe).
Layout: FOLDER/{train,dev,test}/WORDS-VOICE-NUMBER.wav. Voices of dev and test are not in training. A
share of the utterances is silence, noise, hum and knocks, in which nobody speaks.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from asr import audio
from asr.data import corpus
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import Utterance
from asr.noise import background
from asr.synthesis import espeak, neural, speak
from asr.synthesis.speakers import draw_voice

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

# A single letter is a word too, spelled; espeak-ng would read some of them as words (a, i, o).
LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", """
ay bee see dee ee eff gee aitch eye jay kay ell em en oh pea cue are ess tea you vee double-you ex why zee
""".split(), strict=True))  # fmt: skip

ACCENTS = "en-us en-us en-us en-us-nyc en en en-gb-x-rp en-gb-scotland en-029".split()
SLOWEST = 80  # words per minute; espeak-ng speaks no slower
NEURAL_FASTEST = 260  # words per minute: neural voices swallow sounds when they hurry
# espeak-ng's own voices that could be people's: formants 0 to 5 within 75 to 140 % of the default's, a pitch of 60 Hz
# or more, voicing of 50 % or more, no robots. Dealt out at random; none is in training, whose speakers are drawn.
DEV_VOICES = """
Alex Mike adam benjamin edward grandpa klatt2 klatt4 linda m1 m5 m8 max mike2 norbert rob
""".split()
TEST_VOICES = """
Andrea Gene Gene2 Nguyen antonio aunty belinda david edward2 f1 f2 f3 f4 f5 john klatt klatt3 klatt5 klatt6 m2 m3 m4
m6 m7 pablo paul pedro quincy robert sandro
""".split()


def spoken(word: str) -> str:
    """What espeak-ng is given to read for a word."""
    return "x-ray" if word == "xray" else LETTERS.get(word, word)


def reading(word: str, others: Mapping[str, Sequence[str]], share: float, rng: np.random.Generator) -> str:
    """What a synthesiser is given to read: the word or, in a `share` of the cases, one of `others` if it has some."""
    if word in others and rng.random() < share:
        return str(rng.choice(others[word]))
    return spoken(word)


def read_pronunciations(text: str, words: Collection[str]) -> dict[str, list[str]]:
    """WORD=MNEMONICS, separated by spaces -> what a synthesiser is given to read for each word."""
    found: dict[str, list[str]] = {}
    synthesizer = None
    for item in text.split():
        word, _, mnemonics = item.partition("=")
        if not (word and mnemonics):
            raise CorpusError(f"data.pronunciations: {item!r} is not WORD=MNEMONICS, as in three=T*'I")
        if word not in words:
            raise CorpusError(f"data.pronunciations: {word!r} is in neither data.words nor data.also_words: add it to "
                              "one of them, or leave it out")  # fmt: skip
        try:
            synthesizer = synthesizer or espeak.Synthesizer()
            synthesizer.check_mnemonics(mnemonics)
        except espeak.SynthesisError as error:
            raise CorpusError(f"data.pronunciations: {item!r}: {error}") from None
        found.setdefault(word, []).append(f"[[{mnemonics}]]")
    return found


def prepare(
    folder: Path,
    words: str = "",
    most_words: int = 1,
    utterances_per_word: int = 100,
    held_out_per_word: int = 4,
    num_voices: int = 280,
    noise_share: float = 0.0,
    slowest: int = 120,
    fastest: int = 180,
    also_words: str = "",
    also_per_word: int = 40,
    pronunciations: str = "",
    pronounced_share: float = 0.5,
    neural_voices: str = "",
    neural_share: float = 0.5,
    neural_repeats: int = 1,
    sample_rate: int = 16000,
    real: str = "",
    seed: int = 1,
) -> Splits:
    """Speak every word `utterances_per_word` times for training, and a few times each for dev and test.

    `words` are separated by spaces, WORDS if there are none; an utterance has one to `most_words` of them.
    `noise_share` utterances without speech come on top, for each that has some. Speakers are drawn at `slowest` to
    `fastest` words per minute. `also_words` join the training split, `also_per_word` times each and one at a time: what
    sounds like `words` and is not keeps the network from telling them by one sound, or by their length; those of
    `words` themselves come more often.

    `pronunciations` are other pronunciations of words, as in other regions and first languages: WORD=MNEMONICS,
    espeak-ng's of phonemes (three=T*'I), separated by spaces, as many for a word as one likes. For training, such a
    word has one of them, drawn each time, in `pronounced_share` of its utterances; voices that read letters
    alone (heart) pronounce it as spelled, and so do dev and test. Where the share is 1 it is never read as spelled.

    `neural_voices` (of asr.synthesis.neural: kokoro, heart, joe or Piper's .onnx files, separated by spaces) speak
    `neural_share` of the training split, by turns, so that a name that stands twice speaks twice as often; `num_voices`
    speakers of kokoro are drawn. Each of these recordings stands there `neural_repeats` times, to be perturbed in as
    many ways.

    `real` is a folder of recordings of people, laid out as for folder.py: they are tested, and never trained on.
    """
    for name, value, least in (
        ("most_words", most_words, 1), ("utterances_per_word", utterances_per_word, 0),
        ("held_out_per_word", held_out_per_word, 0), ("num_voices", num_voices, 1), ("noise_share", noise_share, 0),
        ("slowest", slowest, SLOWEST), ("also_per_word", also_per_word, 0), ("neural_repeats", neural_repeats, 1),
        ("seed", seed, 0),
    ):  # fmt: skip
        if value < least:
            raise CorpusError(f"data.{name} must be at least {least}, not {value:g}")
    for name, share in (("pronounced_share", pronounced_share), ("neural_share", neural_share)):
        if not 0 <= share <= 1:
            raise CorpusError(f"data.{name} must be from 0 to 1, not {share:g}")
    if slowest >= fastest:
        raise CorpusError(f"data.slowest={slowest} must be below data.fastest={fastest}")
    if neural_voices and slowest >= NEURAL_FASTEST:
        raise CorpusError(f"data.slowest={slowest} must be below {NEURAL_FASTEST}: data.neural_voices speak no faster")
    rng = np.random.default_rng(seed)
    vocabulary = sorted(set(words.split() or WORDS))
    drawn = {f"drawn{number:03}": draw_voice(rng) for number in range(num_voices)}
    plan = [("dev", DEV_VOICES, vocabulary, held_out_per_word, most_words),
             ("test", TEST_VOICES, vocabulary, held_out_per_word, most_words),
             ("train", list(drawn), vocabulary, utterances_per_word, most_words),
             ("train", list(drawn), sorted(set(also_words.split())), also_per_word, 1)]  # fmt: skip
    others = read_pronunciations(pronunciations, {*vocabulary, *also_words.split()})
    is_never_spelled = bool(others) and pronounced_share == 1
    num_speakers, others_of = {}, {}
    for network in sorted(set(neural_voices.split())):
        loaded = neural.load(network)
        num_speakers[network] = loaded.num_speakers or num_voices
        others_of[network] = others if loaded.reads_phonemes else {}
        if is_never_spelled and not loaded.reads_phonemes:
            raise CorpusError(f"data.neural_voices: {network} reads letters alone, and with data.pronounced_share=1 "
                              "the words of data.pronunciations are never to be read so: leave it out")  # fmt: skip
    networks = itertools.cycle(neural_voices.split())
    lines: list[espeak.Line] = []
    texts, splits_of, speakers = [], [], []
    for split, names, choice, times, most in plan:
        stream = [word for _ in range(times) for word in rng.permutation(choice).tolist()]
        while stream:
            count = int(rng.integers(1, most + 1))
            said, stream = stream[:count], stream[count:]
            speaker = str(rng.choice(names))
            voice, rate = f"{rng.choice(ACCENTS)}+{speaker}", int(rng.integers(slowest, fastest))
            ways = others if split == "train" or is_never_spelled else {}
            if split == "train" and neural_voices and rng.random() < neural_share:
                network = next(networks)
                ways = others_of[network]
                number = int(rng.integers(num_speakers[network]))
                speaker = f"{Path(network).stem}{number}"
                voice = f"{rng.choice(ACCENTS)}+{network}:{number}"
                rate = int(rng.integers(slowest, min(fastest, NEURAL_FASTEST)))
            lines.append(
                espeak.Line(
                    path=str(folder / split / f"{'_'.join(said)}-{speaker}-{len(lines)}.wav"),
                    text=" ".join(reading(word, ways, pronounced_share, rng) for word in said),
                    voice=voice,
                    words_per_minute=rate,
                    pitch=int(rng.integers(30, 70)),
                    pitch_range=int(rng.integers(20, 80)),
                )
            )
            texts.append(" ".join(said))
            splits_of.append(split)
            speakers.append(speaker)
    splits = Splits()
    durations_s = speak.speak_all(lines, sample_rate, voices=drawn)
    for line, text, split, speaker, duration_s in zip(lines, texts, splits_of, speakers, durations_s, strict=True):
        stem = Path(line.path).stem
        for again in range(1 if speaker in drawn or split != "train" else neural_repeats):
            name = f"{stem}-{again}" if again else stem
            utterance = Utterance(name, text, audio=line.path, speaker=speaker, duration_s=round(duration_s, 4))
            getattr(splits, split).append(utterance)
    for split in ("dev", "test", "train"):
        utterances: list[Utterance] = getattr(splits, split)
        for number in range(round(noise_share * len(utterances))):
            path = folder / split / f"noise-{split}-{number}.wav"
            waveform = background(rng, round(rng.uniform(0.3, 2.5) * sample_rate), sample_rate)
            audio.write(path, waveform, sample_rate)
            utterances.append(Utterance(path.stem, "", audio=str(path), duration_s=len(waveform) / sample_rate))
    if real:
        spoken = corpus.load_script(Path(__file__).with_name("folder.py"))(folder=folder, source=real)
        splits.real = [*spoken.train, *spoken.dev, *spoken.test]
        splits.skipped += spoken.skipped
    return splits


if __name__ == "__main__":
    corpus.main(prepare)
