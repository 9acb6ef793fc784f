"""Public corpora by name, each a row of a table: what it is, its licence, its layout below SOURCE, its official splits.

`--corpus NAME` is one of librispeech, mini_librispeech, ljspeech, speech_commands, vctk, common_voice, timit,
audiomnist, tidigits, yesno, fluent_speech_commands; an4.py and fsdd.py beside this file have settings of their own.
`--download` fetches what is free to fetch into SOURCE, resumes, and compares checksums.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from asr.data import corpus, formats
from asr.data.corpus import CorpusError, Splits
from asr.data.download import Archive, fetch
from asr.data.formats import folders
from asr.data.manifest import Utterance, clean
from asr.errors import UserError

Found = dict[str, list[Utterance]]
"""Utterances by split; what is in "train" alone is split by speaker, see `_carve`."""

_TIMIT_CORE = """MDAB0 MWBT0 FELC0 MTAS1 MWEW0 FPAS0 MJMP0 MLNT0 FPKT0 MLLL0 MTLS0 FJLM0 MBPM0 MKLT0 FNLP0 MCMJ0 MJDH0
FMGD0 MGRT0 MNJM0 FDHC0 MJLN0 MPAM0 FMLD0""".split()
_AUDIOMNIST = {  # the first of the published folds (Becker et al. 2018)
    "dev": {12, 47, 59, 15, 27, 41, 4, 11, 21, 31, 44, 50},
    "test": {26, 52, 60, 18, 32, 42, 5, 13, 22, 33, 45, 51},
}
_DIGITS = "zero one two three four five six seven eight nine".split()
_OPENSLR = "https://www.openslr.org/resources"


class Corpus(NamedTuple):
    """One corpus."""

    what: str
    licence: str
    splits: str
    """Which they are: official, or how they are made."""
    archives: tuple[Archive, ...]
    """To download; none where its owners hand it out themselves."""
    read: Callable[[Path], Found]
    """What lies below the folder of the corpus; raises UserError."""


def _librispeech(parts: dict[str, str]) -> Callable[[Path], Found]:
    """SOURCE/[LibriSpeech/]PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt beside its FLAC files."""

    def read(root: Path) -> Found:
        root = root / "LibriSpeech" if (root / "LibriSpeech").is_dir() else root
        found: Found = {}
        for split, part in parts.items():
            found[split] = [
                Utterance(key, text.lower(), str(table.parent / f"{key}.flac"), speaker=key.partition("-")[0])
                for table in sorted((root / part).glob("*/*/*.trans.txt"))
                for key, text in _pairs(table)
            ]
        return found

    return read


def _pairs(table: Path) -> Iterator[tuple[str, str]]:
    for line in table.read_text("utf-8").splitlines():
        key, _, text = line.partition(" ")
        yield key, text


def _ljspeech(root: Path) -> Found:
    """SOURCE/[LJSpeech-1.1/]metadata.csv and wavs/."""
    made = formats.read(next((one.parent for one in root.glob("**/metadata.csv")), root), "ljspeech")
    return {"train": made[:-500], "dev": made[-500:-250], "test": made[-250:]} if len(made) > 1000 else {"train": made}


def _speech_commands(root: Path) -> Found:
    """SOURCE/WORD/HASH_nohash_N.wav, testing_list.txt and validation_list.txt; without _background_noise_."""
    words = [one for one in folders.read_speech_commands(root) if one.text]
    return folders.split_of(root, words)


def _vctk(root: Path) -> Found:
    """SOURCE/**/txt/pNNN/pNNN_MMM.txt, wav48_silence_trimmed/pNNN/pNNN_MMM_mic2.flac (mic1 where that is missing)."""
    made = []
    for text in sorted(root.glob("**/txt/*/*.txt")):
        folder = text.parents[2] / "wav48_silence_trimmed" / text.parent.name
        sounds = (folder / f"{text.stem}_{mic}.flac" for mic in ("mic2", "mic1"))
        if sound := next((one for one in sounds if one.is_file()), None):
            made.append(Utterance(text.stem, " ".join(text.read_text("utf-8").split()).lower(), str(sound),
                                  speaker=text.parent.name))  # fmt: skip
    return {"train": made}


def _common_voice(root: Path) -> Found:
    """SOURCE/{train,dev,test}.tsv and SOURCE/clips/: the folder of one language."""
    return {split: formats.read(root / f"{split}.tsv", "common-voice") for split in corpus.SPLITS}


def _timit(root: Path) -> Found:
    """SOURCE/{TRAIN,TEST}/DRn/SPEAKER/SENTENCE.{WAV,TXT} in either case; without the SA sentences, which all read."""
    found: Found = {split: [] for split in corpus.SPLITS}
    for path in sorted(root.glob("**/*")):
        parts = [part.upper() for part in path.parts]
        if path.suffix.lower() != ".txt" or len(parts) < 4 or parts[-4] not in ("TRAIN", "TEST"):
            continue
        speaker, sentence = parts[-2], path.stem.upper()
        sounds = (path.with_suffix(suffix) for suffix in (".WAV", ".wav", ".WAV.wav"))
        sound = next((one for one in sounds if one.is_file()), None)
        if sound and not sentence.startswith("SA"):
            split = "train" if parts[-4] == "TRAIN" else "test" if speaker in _TIMIT_CORE else "dev"
            text = re.sub(r"^\s*\d+\s+\d+\s+|[^a-z' ]", " ", path.read_text("utf-8").lower().replace("-", " "))
            found[split].append(Utterance(f"{speaker}-{sentence}", " ".join(text.split()), str(sound), speaker=speaker))
    return found


def _audiomnist(root: Path) -> Found:
    """SOURCE/**/data/SPEAKER/DIGIT_SPEAKER_N.wav."""
    found: Found = {split: [] for split in corpus.SPLITS}
    for path in sorted(root.glob("**/data/*/*.wav")):
        digit, speaker, _ = path.stem.split("_")
        split = next((name for name, held in _AUDIOMNIST.items() if int(speaker) in held), "train")
        found[split].append(Utterance(path.stem, _DIGITS[int(digit)], str(path), speaker=speaker))
    return found


def _tidigits(root: Path) -> Found:
    """SOURCE/**/{train,test}/{man,woman,boy,girl}/SPEAKER/DIGITS{a,b}.wav: z is zero, o is oh."""
    names = {"z": "zero", "o": "oh", **{str(number): word for number, word in enumerate(_DIGITS)}}
    found: Found = {"train": [], "test": []}
    for path in sorted(one for one in root.glob("**/*") if one.suffix.lower() == ".wav"):
        split = path.parts[-4].lower()
        if split in found and re.fullmatch(r"[zo1-9]+[ab]", path.stem.lower()):
            speaker = path.parent.name.lower()
            text = " ".join(names[letter] for letter in path.stem.lower()[:-1])
            found[split].append(Utterance(f"{speaker}-{path.stem.lower()}", text, str(path), speaker=speaker))
    return found


def _yesno(root: Path) -> Found:
    """SOURCE/[waves_yesno/]0_1_..._1.wav: eight words of Hebrew by one man, 1 yes, 0 no."""
    made = []
    for path in sorted(root.glob("**/*.wav")):
        if re.fullmatch(r"[01](_[01])+", path.stem):
            text = " ".join("yes" if one == "1" else "no" for one in path.stem.split("_"))
            made.append(Utterance(path.stem, text, str(path)))
    half = (len(made) + 1) // 2
    return {"train": made[: half - half // 6], "dev": made[half - half // 6 : half], "test": made[half:]}


def _fluent(root: Path) -> Found:
    """SOURCE/**/data/{train,valid,test}_data.csv, whose actions are intents, and objects and locations slots."""
    table = next(root.glob("**/train_data.csv"), None)
    if table is None:
        return {}
    found: Found = {}
    for split, name in (("train", "train"), ("dev", "valid"), ("test", "test")):
        with (table.parent / f"{name}_data.csv").open(encoding="utf-8", newline="") as file:
            found[split] = [
                Utterance(clean(Path(row["path"]).stem), re.sub(r"[^a-z' ]", " ", row["transcription"].lower()).strip(),
                          str(table.parents[1] / row["path"]), speaker=row["speakerId"], intent=row["action"],
                          slots={key: row[key] for key in ("object", "location") if row[key] != "none"})
                for row in csv.DictReader(file)
            ]  # fmt: skip
    return found


_DIGESTS = {
    "train-clean-100.tar.gz": "sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "dev-clean.tar.gz": "sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "test-clean.tar.gz": "sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "train-clean-5.tar.gz": "md5:5df7d4e78065366204ca6845bb08f490",
    "dev-clean-2.tar.gz": "md5:6d7ab67ac6a1d2c993d050e16d61080d",
    "LJSpeech-1.1.tar.bz2": "sha256:be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5",
    "speech_commands_v0.02.tar.gz": "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    "VCTK-Corpus-0.92.zip": "sha256:f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
    "waves_yesno.tar.gz": "sha256:30301975fd8c5cac4040c261c0852f57cfa8adbbad2ce78e77e4986957445f27",
}
"""Of archives, as torchaudio and OpenSLR publish them."""


def _archives(*urls: str) -> tuple[Archive, ...]:
    return tuple(Archive(url, _DIGESTS.get(url.rpartition("/")[2], "")) for url in urls)


CORPORA: dict[str, Corpus] = {
    "librispeech": Corpus(
        "100 hours of read English, 251 speakers", "CC BY 4.0", "official: train-clean-100, dev-clean, test-clean",
        _archives(f"{_OPENSLR}/12/train-clean-100.tar.gz",
            f"{_OPENSLR}/12/dev-clean.tar.gz",
            f"{_OPENSLR}/12/test-clean.tar.gz",
        ),
        _librispeech({"train": "train-clean-100", "dev": "dev-clean", "test": "test-clean"}),
    ),
    "mini_librispeech": Corpus(
        "5 hours of LibriSpeech", "CC BY 4.0", "train-clean-5; test is dev-clean-2; dev speakers carved",
        _archives(f"{_OPENSLR}/31/train-clean-5.tar.gz",
            f"{_OPENSLR}/31/dev-clean-2.tar.gz",
        ),
        _librispeech({"train": "train-clean-5", "test": "dev-clean-2"}),
    ),
    "ljspeech": Corpus(
        "24 hours of one reader, English", "public domain", "the last 250 are test, the 250 before dev (ESPnet)",
        _archives("https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2"),
        _ljspeech,
    ),
    "speech_commands": Corpus(
        "Speech Commands v2: 35 words, 2,618 speakers", "CC BY 4.0", "official: validation_list.txt, testing_list.txt",
        _archives("https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"),
        _speech_commands,
    ),
    "vctk": Corpus(
        "VCTK 0.92: 110 speakers of English accents", "CC BY 4.0", "none official: speakers carved",
        _archives("https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip"),
        _vctk,
    ),
    "common_voice": Corpus(
        "Common Voice, one language", "CC0; its owners hand it out", "official: train.tsv, dev.tsv, test.tsv", (),
        _common_voice,
    ),
    "timit": Corpus(
        "TIMIT: 630 speakers of American English", "LDC93S1, bought",
        "official: TRAIN, core test; the rest of TEST is dev",
        (), _timit,
    ),
    "audiomnist": Corpus(
        "30,000 English digits of 60 speakers", "MIT", "the first published fold: 36, 12 and 12 speakers",
        _archives("https://github.com/soerenab/AudioMNIST/archive/refs/heads/master.zip"), _audiomnist,
    ),
    "tidigits": Corpus(
        "TIDIGITS: strings of English digits, 326 speakers", "LDC93S10, bought",
        "official: train, test; dev speakers carved",
        (), _tidigits,
    ),
    "yesno": Corpus(
        "yesno: 60 recordings of eight Hebrew words", "CC BY 3.0", "halves by name; the end of the first is dev",
        _archives(f"{_OPENSLR}/1/waves_yesno.tar.gz"),
        _yesno,
    ),
    "fluent_speech_commands": Corpus(
        "Fluent Speech Commands: intents with slots, 97 speakers", "academic use; its owners hand it out",
        "official: train, valid, test", (), _fluent,
    ),
}  # fmt: skip


def prepare(
    folder: Path,  # noqa: ARG001
    source: str,
    corpus_name: str,
    download: bool = False,
    held_out_share: float = 0.1,
    seed: int = 1,
) -> Splits:
    """Read a corpus below `source`; where a split is missing, a seeded `held_out_share` of the speakers makes it."""
    if corpus_name not in CORPORA:
        raise CorpusError(f"data.corpus_name={corpus_name}: there are {', '.join(CORPORA)}")
    row, root = CORPORA[corpus_name], Path(source).expanduser()
    if download:
        if not row.archives:
            raise CorpusError(f"{corpus_name} cannot be downloaded here ({row.licence}); put it below {source}")
        fetch(row.archives, root, f"{row.what}: {row.licence}")
    try:
        found = row.read(root)
    except (UserError, OSError) as error:
        raise CorpusError(f"data.source={source}: {error}") from None
    if not found.get("train"):
        raise CorpusError(
            f"data.source={source}: no {corpus_name} below it; its layout: {' '.join((row.read.__doc__ or '').split())}"
        )
    splits = Splits()
    for split, utterances in _carve(found, held_out_share, seed).items():
        probed = corpus.probe(utterances)
        setattr(splits, split, probed.readable)
        splits.skipped += probed.skipped
    return splits


def _carve(found: Found, share: float, seed: int) -> Found:
    """The splits, those that are missing made of whole speakers of train; where none is known, of utterances."""
    train = found["train"]
    for number, split in enumerate(("dev", "test")):
        if split not in found:
            held = corpus.split_speakers(_groups(train), share, seed + number)
            found[split] = [one for one, group in zip(train, _groups(train), strict=True) if group in held]
            train = [one for one, group in zip(train, _groups(train), strict=True) if group not in held]
    return {**found, "train": train}


def _groups(utterances: Iterable[Utterance]) -> list[str]:
    return [utterance.speaker or utterance.id for utterance in utterances]


if __name__ == "__main__":
    corpus.main(prepare)
