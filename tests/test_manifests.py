"""Manifests in other formats: what is written is read again, what people have is read, what cannot be is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr import audio
from asr.data import formats, manifest
from asr.data.formats import folders, records
from asr.data.manifest import ManifestError, Utterance

RATE = 8000


def sound(path, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(path.name.encode()))
    audio.write(path, (0.1 * rng.standard_normal(int(RATE * seconds))).astype(np.float32), RATE)
    return str(path)


@pytest.fixture
def some(tmp_path):
    """Three utterances of two speakers, one without a known one."""
    made = [("ann-1", "smart mirror", "ann"), ("bob-1", "größer", "bob"), ("x", "view", None)]
    return [
        Utterance(key, text, sound(tmp_path / "wav" / f"{key}.wav"), speaker=speaker, duration_s=0.5)
        for key, text, speaker in made
    ]


def told(utterances, *, has_speaker=True):
    """What every format keeps: the text, the speaker, the samples."""
    return sorted(
        (one.text, one.speaker if has_speaker else None, manifest.read_waveform(one, RATE).tobytes())
        for one in utterances
    )


NAMES = {"jsonl": "m.jsonl", "nemo": "nemo.json", "lhotse": "cuts.jsonl.gz", "common-voice": "cv.tsv"}


@pytest.mark.parametrize("form", formats.FORMATS)
def test_what_is_written_is_read_again(some, tmp_path, form, monkeypatch):
    out = tmp_path / "new" / "deeper" / NAMES.get(form, form)
    out.parent.mkdir(parents=True)
    has_speaker = form != "ljspeech"
    given = some if has_speaker else [Utterance(one.id, one.text, one.audio) for one in some]
    if form == "speech-commands":
        given = [one for one in some if one.speaker]
    formats.FORMATS[form].write(out, given)
    assert formats.guess(out) == form and formats.is_manifest(out)
    again = formats.read(out)
    assert told(again) == told(given)
    if form != "speech-commands":
        assert {one.id for one in again} == {one.id for one in given}
    # Relative to the file, so that the whole tree can be moved and read from anywhere.
    moved = tmp_path.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    monkeypatch.chdir(moved)
    assert told(formats.read(moved / out.relative_to(tmp_path))) == told(again_moved(given, tmp_path, moved))


def again_moved(utterances, before, after):
    from dataclasses import replace

    return [replace(one, audio=str(after / Path(one.audio).relative_to(before))) for one in utterances]


@pytest.mark.parametrize("form", ["jsonl", "nemo", "lhotse", "kaldi", "audiofolder"])
def test_parts_of_recordings_keep_their_samples(tmp_path, form):
    whole = sound(tmp_path / "long.wav", 2.0)
    parts = [
        Utterance("a", "one", whole, start_s=0.25, end_s=0.75),
        Utterance("b", "two", whole, start_s=1.0, end_s=2.0),
    ]
    out = tmp_path / "out" / NAMES.get(form, form)
    out.parent.mkdir()
    formats.FORMATS[form].write(out, parts)
    assert told(formats.read(out)) == told(parts)


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_kaldi_refuses_commands_and_names_what_is_missing(tmp_path):
    sound(tmp_path / "a.wav")
    put(tmp_path / "wav.scp", "a sph2pipe -f wav a.sph |\n")
    put(tmp_path / "text", "a yes\n")
    with pytest.raises(ManifestError, match=r"wav\.scp, line 1: the sound of a comes out of a command"):
        formats.read(tmp_path)
    put(tmp_path / "wav.scp", "a a.wav\n")
    assert told(formats.read(tmp_path)) == told([Utterance("a", "yes", str(tmp_path / "a.wav"))])
    put(tmp_path / "text", "a yes\nb no\n")
    with pytest.raises(ManifestError, match=r"text, line 2: b is not in wav\.scp"):
        formats.read(tmp_path)
    put(tmp_path / "segments", "a a 0.1 0.3\nb a x 0.4\n")
    with pytest.raises(ManifestError, match=r"segments, line 2: not `utterance recording start end`"):
        formats.read(tmp_path)


def test_common_voice_finds_clips_and_speakers(tmp_path):
    sound(tmp_path / "clips" / "c1.wav")
    header = "client_id\tpath\tsentence\tup_votes"
    table = put(tmp_path / "train.tsv", f'{header}\nab12\tc1.wav\t"Quoted," she wrote.\t2\n')
    (one,) = formats.read(table)
    assert (one.id, one.text, one.speaker) == ("c1", '"Quoted," she wrote.', "ab12")
    put(table, f"{header}\nab12\tc1.wav\n")
    with pytest.raises(ManifestError, match=r"train\.tsv, line 2: not the 4 columns"):
        formats.read(table)


def test_audiofolder_reads_both_tables_and_splits(tmp_path):
    sound(tmp_path / "train" / "a.wav")
    sound(tmp_path / "test" / "b.wav")
    put(tmp_path / "train" / "metadata.csv", 'file_name,transcription\na.wav,"one, two"\n')
    put(tmp_path / "test" / "metadata.jsonl", '{"file_name": "b.wav", "text": "three", "speaker_id": 7}\n')
    found = {one.id: (one.text, one.speaker) for one in formats.read(tmp_path)}
    assert found == {"train/a": ("one, two", None), "test/b": ("three", "7")}
    put(tmp_path / "test" / "metadata.jsonl", '{"file_name": "b.wav"}\n')
    with pytest.raises(ManifestError, match="no text: none of the columns transcription"):
        formats.read(tmp_path)


def test_ljspeech_takes_the_normalised_text(tmp_path):
    sound(tmp_path / "wavs" / "LJ001-0001.wav")
    put(tmp_path / "metadata.csv", "LJ001-0001|in 1455|in fourteen fifty-five\n")
    (one,) = formats.read(tmp_path)
    assert one.text == "in fourteen fifty-five" and Path(one.audio).is_file()
    assert formats.read(tmp_path / "metadata.csv") == [one]


def test_speech_commands_keep_a_speaker_together(tmp_path):
    for name in ("yes/a1_nohash_0", "yes/b2_nohash_0", "no/b2_nohash_0", "_background_noise_/hum"):
        sound(tmp_path / f"{name}.wav")
    put(tmp_path / "validation_list.txt", "yes/b2_nohash_0.wav\nno/b2_nohash_0.wav\n")
    put(tmp_path / "testing_list.txt", "")
    found = formats.read(tmp_path)
    assert {(one.id, one.text, one.speaker) for one in found} == {
        ("yes/a1_nohash_0", "yes", "a1"), ("yes/b2_nohash_0", "yes", "b2"), ("no/b2_nohash_0", "no", "b2"),
        ("_background_noise_/hum", "", None),
    }  # fmt: skip
    splits = folders.split_of(tmp_path, found)
    assert {one.speaker for one in splits["dev"]} == {"b2"} and len(splits["train"]) == 2


def test_nemo_tells_files_of_one_name_apart(tmp_path):
    lines = [{"audio_filepath": f"{folder}/x.wav", "duration": 1, "text": folder} for folder in ("a", "b")]
    path = put(tmp_path / "m.json", "".join(json.dumps(line) + "\n" for line in lines))
    assert len({one.id for one in formats.read(path)}) == 2
    put(path, '{"audio_filepath": "x.wav", "text": 3}\n')
    with pytest.raises(ManifestError, match=r"m\.json, line 1: the text must be text"):
        formats.read(path)


def test_lhotse_reads_what_we_write_and_commands_are_refused(some, tmp_path):
    cut = {"id": "c", "type": "MonoCut", "start": 0, "duration": 1, "supervisions": [],
           "recording": {"duration": 1, "sources": [{"type": "command", "source": "rm -rf x"}]}}  # fmt: skip
    path = put(tmp_path / "cuts.jsonl", json.dumps(cut) + "\n")
    with pytest.raises(ManifestError, match="commands and URLs are not run"):
        formats.read(path)
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    records.write_lhotse(tmp_path / "out.jsonl", some)
    cuts = list(lhotse.CutSet.from_file(tmp_path / "out.jsonl"))
    assert [(cut.id, cut.supervisions[0].text, cut.supervisions[0].speaker) for cut in cuts] == [
        (one.id, one.text, one.speaker) for one in some
    ]


@pytest.mark.parametrize(("form", "utterance", "what"), [
    ("common-voice", Utterance("a", "x", "a.wav", start_s=1.0), "parts of a recording"),
    ("nemo", Utterance("a", "x", features="a.npy"), "features instead of sound"),
    ("ljspeech", Utterance("a", "x", "a.wav", speaker="s"), "speakers"),
    ("kaldi", Utterance("a", "x", "a.wav", intent="on"), "intents"),
])  # fmt: skip
def test_what_a_format_has_no_place_for_is_refused(tmp_path, form, utterance, what):
    with pytest.raises(ManifestError, match=f"utterance a: {form} has no place for {what}"):
        formats.FORMATS[form].write(tmp_path / "out", [utterance])


def test_a_path_of_no_format_says_so(tmp_path):
    with pytest.raises(ManifestError, match="no such manifest"):
        formats.read(tmp_path / "gone.jsonl")
    with pytest.raises(ManifestError, match="a folder of none of the formats kaldi"):
        formats.read(tmp_path)
    with pytest.raises(ManifestError, match="name one of kaldi"):
        formats.form_of(tmp_path / "out")
    put(tmp_path / "empty.jsonl", "")
    with pytest.raises(ManifestError, match="no utterances"):
        formats.read(tmp_path / "empty.jsonl")


def test_the_command_converts(some, tmp_path):
    manifest.write(tmp_path / "m.jsonl", some)
    program = Path(sys.executable).parent / "asr-manifest"
    command = [program, "convert", tmp_path / "m.jsonl", tmp_path / "kaldi", "--to", "kaldi"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "3 utterances, from jsonl to kaldi" in done.stderr
    assert told(formats.read(tmp_path / "kaldi")) == told(some)
