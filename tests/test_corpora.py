"""Public corpora: each row of the table reads a made-up tree of its layout, and its recipes run to the end on one."""

import functools
import hashlib
import http.server
import re
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from asr import audio
from asr.data import corpus, download
from asr.data.download import Archive
from asr.errors import UserError

SCRIPT = REPOSITORY / "recipes" / "prepare" / "corpora.py"
prepare = corpus.load_script(SCRIPT)
CORPORA = prepare.__globals__["CORPORA"]
HEADER = "client_id\tpath\tsentence\n"


def put(path, text=None, seconds=0.6):
    """A file of text, or of a second of tone that its name decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text, "utf-8")
        return
    hertz = 300 + 37 * (sum(path.name.encode()) % 40)
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(8000 * seconds)) / 8000)
    audio.write(path if path.suffix.islower() else path.with_suffix(".wav"), tone.astype(np.float32), 8000)


def librispeech(root, parts=("train-clean-100", "dev-clean", "test-clean")):
    for number, part in enumerate(parts):
        for speaker in range(3):
            folder = root / "LibriSpeech" / part / f"{10 * number + speaker}" / "1"
            keys = [f"{10 * number + speaker}-1-000{line}" for line in range(2)]
            put(folder / f"{10 * number + speaker}-1.trans.txt", "".join(f"{key} HELLO YOU\n" for key in keys))
            for key in keys:
                put(folder / f"{key}.flac")


def ljspeech(root):
    put(root / "LJSpeech-1.1" / "metadata.csv", "".join(f"LJ-{n}|in 2|in two\n" for n in range(12)))
    for number in range(12):
        put(root / "LJSpeech-1.1" / "wavs" / f"LJ-{number}.wav")


def speech_commands(root):
    for number, word in enumerate(("yes", "no", "up") * 3):
        put(root / word / f"s{number // 3}_nohash_0.wav")
    put(root / "_background_noise_" / "hum.wav")
    put(root / "validation_list.txt", "".join(f"{word}/s1_nohash_0.wav\n" for word in ("yes", "no", "up")))
    put(root / "testing_list.txt", "".join(f"{word}/s2_nohash_0.wav\n" for word in ("yes", "no", "up")))


def vctk(root):
    for speaker in ("p225", "p226", "p227", "p228"):
        put(root / "txt" / speaker / f"{speaker}_001.txt", "Please call Stella.\n")
        mic = "mic1" if speaker == "p228" else "mic2"
        put(root / "wav48_silence_trimmed" / speaker / f"{speaker}_001_{mic}.flac")


def common_voice(root):
    for number, split in enumerate(corpus.SPLITS):
        put(root / f"{split}.tsv", f"{HEADER}c{number}\tcv_{number}.mp3\tGuten Tag\n")
        put(root / "clips" / f"cv_{number}.wav")
        (root / "clips" / f"cv_{number}.wav").rename(root / "clips" / f"cv_{number}.mp3")


def timit(root):
    for part, speaker in (("TRAIN", "FCJF0"), ("TEST", "MDAB0"), ("TEST", "FAKS0")):
        for sentence in ("SA1", "SX37"):
            put(root / part / "DR1" / speaker / f"{sentence}.TXT", "0 46797 She had your dark-suit, all year.\n")
            put(root / part / "DR1" / speaker / f"{sentence}.WAV")


def audiomnist(root):
    for speaker in (1, 12, 26):
        put(root / "AudioMNIST-master" / "data" / f"{speaker:02}" / f"7_{speaker:02}_0.wav")


def tidigits(root):
    for part, speaker in (("train", "ae"), ("train", "bf"), ("test", "cg")):
        put(root / part / "man" / speaker / "1z3a.wav")


def yesno(root):
    for number in range(12):
        put(root / "waves_yesno" / f"{'_'.join(f'{number:04b}' * 2)}.wav", seconds=1.5)


def fluent(root):
    head = ",path,speakerId,transcription,action,object,location\n"
    for number, split in enumerate(("train", "valid", "test")):
        row = f"0,wavs/speakers/s{number}/{number}.wav,s{number},Turn on the lights,activate,lights,none\n"
        put(root / "fluent_speech_commands_dataset" / "data" / f"{split}_data.csv", head + row)
        put(root / "fluent_speech_commands_dataset" / "wavs" / "speakers" / f"s{number}" / f"{number}.wav")


MINI = functools.partial(librispeech, parts=("train-clean-5", "dev-clean-2"))
TREES = {
    "librispeech": (librispeech, (6, 6, 6), "hello you"),
    "mini_librispeech": (MINI, (4, 2, 6), "hello you"),
    "ljspeech": (ljspeech, (10, 1, 1), "in two"),
    "speech_commands": (speech_commands, (3, 3, 3), None),
    "vctk": (vctk, (2, 1, 1), "please call stella."),
    "common_voice": (common_voice, (1, 1, 1), "Guten Tag"),
    "timit": (timit, (1, 1, 1), "she had your dark suit all year"),
    "audiomnist": (audiomnist, (1, 1, 1), "seven"),
    "tidigits": (tidigits, (1, 1, 1), "one zero three"),
    "yesno": (yesno, (5, 1, 6), None),
    "fluent_speech_commands": (fluent, (1, 1, 1), "turn on the lights"),
}  # fmt: skip


def test_every_corpus_has_a_tree():
    assert set(TREES) == set(CORPORA)


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_read_with_its_splits_and_no_speaker_in_two(name, tmp_path):
    make, sizes, text = TREES[name]
    make(tmp_path)
    splits = prepare(tmp_path / "out", str(tmp_path), name)
    assert not splits.skipped, splits.skipped
    assert tuple(len(getattr(splits, split)) for split in corpus.SPLITS) == sizes
    every = [utterance for split in corpus.SPLITS for utterance in getattr(splits, split)]
    assert len({utterance.id for utterance in every}) == len(every)
    assert text is None or {utterance.text for utterance in every} == {text}
    for one in range(3):
        speakers = [{item.speaker for item in getattr(splits, split) if item.speaker} for split in corpus.SPLITS]
        assert not speakers[one] & speakers[one - 1]


def test_what_corpora_mean(tmp_path):
    yesno(tmp_path / "a")
    (one,) = [item for item in prepare(tmp_path, str(tmp_path / "a"), "yesno").train if item.id == "0_0_0_1_0_0_0_1"]
    assert one.text == "no no no yes no no no yes"
    fluent(tmp_path / "b")
    (one,) = prepare(tmp_path, str(tmp_path / "b"), "fluent_speech_commands").test
    assert (one.intent, one.slots) == ("activate", {"object": "lights"})


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match=r"data\.corpus_name=x: there are librispeech"):
        prepare(tmp_path, str(tmp_path), "x")
    with pytest.raises(UserError, match=r"no vctk below it; its layout: SOURCE/\*\*/txt/pNNN"):
        prepare(tmp_path, str(tmp_path), "vctk")
    with pytest.raises(UserError, match="timit cannot be downloaded here"):
        prepare(tmp_path, str(tmp_path), "timit", download=True)


RECIPES = {
    "speech_commands": ("speech_commands", "task=ctc"),
    "speech_commands_classifier": ("speech_commands", "task=classify"),
    "librispeech_100": ("librispeech", "model.num_layers=1"),
    "yesno": ("yesno", "augment.time_masks=0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_its_recipe_runs_to_the_end(name, tmp_path, monkeypatch):
    from asr.training import run

    monkeypatch.chdir(tmp_path)
    tree, setting = RECIPES[name]
    TREES[tree][0](tmp_path / "tree")
    settings = [f"data.source={tmp_path / 'tree'}", "model.hidden_size=6", "train.epochs=1", "train.batch_size=4"]
    result = run.start(REPOSITORY / "recipes" / f"{name}.yaml", [*settings, setting, "run_dir=run"])
    assert result.split == "test" and (tmp_path / "run" / "model.onnx").is_file()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `data`, from the byte that is asked for; the first answer breaks off in the middle."""

    data, asked = b"", []

    def do_GET(self):
        start = int(re.search(r"\d+", self.headers.get("Range", "0"))[0])
        self.asked.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.data) - start))
        self.end_headers()
        end = len(self.data) // 2 if len(self.asked) == 1 else None
        self.wfile.write(self.data[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    yesno(tmp_path / "made")
    with tarfile.open(tmp_path / "waves_yesno.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "made" / "waves_yesno", "waves_yesno")
    Server.data, Server.asked = (tmp_path / "waves_yesno.tar.gz").read_bytes(), []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/waves_yesno.tar.gz"
    server.shutdown()
    server.server_close()


def test_a_download_goes_on_where_it_broke_off_and_is_checked(served, tmp_path, log):
    digest = f"sha256:{hashlib.sha256(Server.data).hexdigest()}"
    with pytest.raises(UserError, match="the same command goes on where it stopped"):
        download.fetch([Archive(served, digest)], tmp_path / "got", "CC BY")
    download.fetch([Archive(served, digest)], tmp_path / "got", "CC BY")
    download.fetch([Archive(served, digest)], tmp_path / "got", "CC BY")  # which asks for nothing
    assert Server.asked == [0, len(Server.data) // 2] and "licence: CC BY" in log.getvalue()
    assert len(prepare(tmp_path, str(tmp_path / "got"), "yesno").test) == 6
    assert not list((tmp_path / "got").glob("[!.]*.gz*"))


def test_what_is_not_what_was_published_is_removed(served, tmp_path):
    Server.asked.append(0)
    with pytest.raises(UserError, match="is not what was published"):
        download.fetch([Archive(served, f"md5:{'0' * 32}")], tmp_path / "got", "CC BY")
    assert not [*(tmp_path / "got").iterdir()]


def test_no_archive_writes_outside(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        packed.add(SCRIPT, "../escaped")
    with pytest.raises(UserError, match="damaged"):
        download._unpack(tmp_path / "a.tar", tmp_path / "in")
    assert not (tmp_path / "escaped").exists()


def test_the_page_has_every_corpus_and_format():
    from asr.data.formats import FORMATS

    page = Path(REPOSITORY / "recipes" / "corpora.md").read_text("utf-8")
    assert all(f"| `{name}` |" in page for name in [*CORPORA, *FORMATS])
