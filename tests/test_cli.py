"""The doors as a user meets them: real processes, what they print where, and their exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr import audio, extras
from asr.data import manifest
from asr.decode import lm
from asr.modelfile.locate import SHIPPED
from asr.recognition.recognizer import Recognizer

DOORS = ("asr-train", "asr-transcribe", "asr-align", "asr-evaluate", "asr-score", "asr-lm", "asr-export", "asr-plot")


def run(*command, cwd=None, stdin=None):
    program = Path(sys.executable).parent / command[0]
    return subprocess.run([program, *map(str, command[1:])], cwd=cwd, input=stdin, capture_output=True, timeout=300)


def fails(done, *said):
    """One sentence on stderr, exit code 2, nothing on stdout."""
    message = done.stderr.decode()
    assert done.returncode == 2, message
    assert not done.stdout
    assert message.splitlines()[-1].startswith("error: ") and "Traceback" not in message
    for part in said:
        assert part in message


@pytest.fixture
def sound(tones):
    return [utterance.audio for utterance in manifest.read(tones / "test.jsonl")]


class TestEveryDoor:
    @pytest.mark.parametrize("door", DOORS)
    def test_help_and_version(self, door):
        done = run(door, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"usage: {door}".encode()) and not done.stderr
        assert run(door, "--version").stdout.startswith(door.encode())

    @pytest.mark.parametrize("door", DOORS)
    def test_wrong_usage_is_exit_code_2(self, door):
        done = run(door, "--no-such-option")
        assert done.returncode == 2 and b"usage:" in done.stderr and not done.stdout

    @pytest.mark.parametrize("door", ["train", "transcribe", "align", "evaluate", "score", "lm", "export", "plot"])
    def test_help_loads_nothing_heavy(self, door):
        code = f"import sys, asr.cli.{door}; sys.argv = ['x', '--help']; asr.cli.{door}.main()"
        done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0
        for heavy in ("numpy", "torch", "onnxruntime", "yaml", "tqdm"):
            assert f" {heavy}\n" not in done.stderr


class TestTranscribe:
    def test_one_file_is_one_line(self, tones_run, sound):
        done = run("asr-transcribe", "--model", tones_run[0], sound[0])
        assert done.returncode == 0
        assert set(done.stdout.decode().rstrip("\n")) <= set("abcd") and done.stdout.count(b"\n") == 1
        assert not done.stderr

    def test_several_files_and_folders_name_each(self, tones_run, sound, tones):
        done = run("asr-transcribe", "--model", tones_run[0], tones / "test", sound[0])
        lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
        assert [path for path, _ in lines] == [*sound, sound[0]]
        assert lines[0][1] == lines[-1][1]

    def test_formats(self, tones_run, sound):
        text = run("asr-transcribe", "--model", tones_run[0], sound[0]).stdout.decode().strip()
        as_json = json.loads(run("asr-transcribe", "--model", tones_run[0], "--format", "json", sound[0]).stdout)
        assert as_json["text"] == text and as_json["path"] == sound[0] and 0.2 < as_json["duration_s"] < 1
        as_trn = run("asr-transcribe", "--model", tones_run[0], "--format", "trn", sound[0]).stdout.decode()
        assert as_trn == f"{text} ({Path(sound[0]).stem})\n"
        folder = Path(sound[0]).parent.parent
        as_trn = run("asr-transcribe", "--model", tones_run[0], "--format", "trn", folder).stdout.decode()
        assert "(test/000)\n" in as_trn and "(train/000)\n" in as_trn, "ids are unique below a folder"

    def test_a_closed_vocabulary(self, tones_run, sound, tmp_path):
        heard = run("asr-transcribe", "--model", tones_run[0], sound[0]).stdout.decode().strip()
        (tmp_path / "words.txt").write_text("dddd\n\nABCD\n")
        command = ["asr-transcribe", "--model", tones_run[0], "--lexicon", tmp_path / "words.txt", sound[0]]
        assert run(*command).stdout.decode().strip() in ("dddd", "abcd", "")
        assert run(*command, "--min-confidence", "0.9").stdout.decode() == "\n", f"{heard} is none of these words"
        (tmp_path / "words.txt").write_text(f"dddd\n{heard}\n")
        assert run(*command, "--min-confidence", "0.1").stdout.decode().strip() == heard
        for wrong in ("50", "nan", "-0.1", "much"):
            assert b"must be from 0 to 1" in run(*command, "--min-confidence", wrong).stderr

    def test_nbest(self, tones_run, sound):
        best = run("asr-transcribe", "--model", tones_run[0], "--decoder", "beam", sound[0]).stdout.decode()
        done = run("asr-transcribe", "--model", tones_run[0], "--nbest", 5, sound[0])
        scores, texts = zip(*(line.split("\t") for line in done.stdout.decode().splitlines()), strict=True)
        assert texts[0] + "\n" == best and len(set(texts)) == len(texts) > 1
        assert sorted(map(float, scores), reverse=True) == list(map(float, scores))
        as_json = json.loads(
            run("asr-transcribe", "--model", tones_run[0], "--nbest", 5, "--format", "json", sound[0]).stdout
        )
        assert [hypothesis["text"] for hypothesis in as_json["nbest"]] == list(texts)

    def test_one_subtitle_file_for_each_sound(self, tones_run, sound, tmp_path):
        command = ["asr-transcribe", "--model", tones_run[0], "--format", "srt", sound[0]]
        assert run(*command).stdout.decode().startswith("1\n00:00:00,")
        fails(run(*command, sound[1]), "srt holds one recording", "--output")
        assert run(*command, Path(sound[0]).parent, "--output", tmp_path / "srt").returncode == 0
        assert len(list((tmp_path / "srt").rglob("*.srt"))) >= len(sound)

    def test_files_of_one_name_are_told_apart(self, tones_run, sound, tmp_path):
        texts = [run("asr-transcribe", "--model", tones_run[0], path).stdout.decode().strip() for path in sound[:2]]
        files = [tmp_path / folder / "rec.wav" for folder in "AB"]
        for source, path in zip(sound, files, strict=False):
            path.parent.mkdir()
            shutil.copy(source, path)
        command = ["asr-transcribe", "--model", tones_run[0], *files]
        assert run(*command, "--format", "trn").stdout.decode() == f"{texts[0]} (A/rec)\n{texts[1]} (B/rec)\n"
        assert run(*command, "--output", tmp_path / "out").returncode == 0
        assert [(tmp_path / "out" / f"{name}.txt").read_text().strip() for name in ("A/rec", "B/rec")] == texts

    def test_standard_input(self, tones_run, sound):
        expected = run("asr-transcribe", "--model", tones_run[0], sound[0]).stdout
        command = "asr-transcribe", "--model", tones_run[0], "--format", "trn", "-"
        assert b" (stdin)\n" in run(*command, stdin=Path(sound[0]).read_bytes()).stdout
        done = run("asr-transcribe", "--model", tones_run[0], "-", stdin=Path(sound[0]).read_bytes())
        assert done.returncode == 0 and done.stdout == expected
        fails(run("asr-transcribe", "--model", tones_run[0], "-", stdin=b""), "standard input")
        fails(run("asr-transcribe", "--model", tones_run[0], "-", stdin=b"nonsense"), "standard input")

    @pytest.mark.skipif(os.name == "nt", reason="no such files")
    def test_pipes_are_files(self, tones_run, sound, tmp_path):
        expected = run("asr-transcribe", "--model", tones_run[0], sound[0]).stdout
        data = Path(sound[0]).read_bytes()
        done = run("asr-transcribe", "--model", tones_run[0], "/dev/stdin", stdin=data)
        assert done.returncode == 0 and done.stdout == expected
        files = ["/dev/stdin", *sound[1:3]]
        texts = [run("asr-transcribe", "--model", tones_run[0], *files, "--jobs", jobs, stdin=data) for jobs in (1, 2)]
        assert texts[0].stdout.startswith(b"/dev/stdin\t" + expected) and texts[0].stdout == texts[1].stdout
        command = f"asr-transcribe --model {tones_run[0]} <(cat {sound[0]})"
        assert subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout == expected

    def test_what_cannot_be_used_below_a_folder_is_named(self, tones_run, sound, tmp_path):
        shutil.copy(sound[0], tmp_path / "a.wav")
        (tmp_path / "b.m4a").write_bytes(b"phone")
        (tmp_path / "\x1b[2J.wav").write_bytes(b"no sound")
        done = run("asr-transcribe", "--model", tones_run[0], tmp_path)
        assert done.returncode == 1 and len(done.stdout.splitlines()) == 1
        errors = done.stderr.decode()
        assert "b.m4a: m4a, which libsndfile does not read; convert it: ffmpeg -i" in errors
        assert r"\x1b[2J.wav: not a sound file" in errors and "\x1b" not in errors
        assert "2 of 3 files could not be transcribed" in errors

    def test_no_model_is_loaded_in_the_parent_of_processes_and_a_folder_is_listed_once(self, tones_run, tones):
        arguments = ["x", "--model", str(tones_run[0]), "--jobs", "2", str(tones / "test")]
        code = f"""import sys, asr.cli.transcribe, asr.cli.inputs
find = asr.cli.inputs.find
asr.cli.inputs.find = lambda *given: print("listed", file=sys.stderr) or find(*given)
import atexit, os
parent = os.getpid()
atexit.register(lambda: print("loaded" if "asr.modelfile.session" in sys.modules else "not loaded", file=sys.stderr))
sys.argv = {arguments}
asr.cli.transcribe.main()
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr.split("\n")[:-1] == ["listed", "not loaded"]

    def test_a_folder_of_features(self, tones_run, sound, tmp_path):
        cepstra = Recognizer.load(tones_run[0]).frontend.extractor.cepstra(audio.read(sound[0]))
        (tmp_path / "features").mkdir()
        np.save(tmp_path / "features" / "a.npy", cepstra)
        command = ["asr-transcribe", "--model", tones_run[0], tmp_path / "features"]
        text = run("asr-transcribe", "--model", tones_run[0], sound[0]).stdout.decode()
        assert run(*command).stdout.decode() == f"{tmp_path / 'features' / 'a.npy'}\t{text}"
        shutil.copy(sound[1], tmp_path / "features" / "b.wav")
        assert run(*command).stdout.decode().startswith(f"{tmp_path / 'features' / 'b.wav'}\t")

    def test_without_a_model_the_newest_run_is_used_and_named(self, tones_run, sound, tmp_path):
        shutil.copytree(tones_run[0], tmp_path / "runs" / "tones" / "1")
        done = run("asr-transcribe", sound[0], cwd=tmp_path)
        assert b"model: " in done.stderr and b"runs/tones/1/model.onnx" in done.stderr
        assert done.stdout == run("asr-transcribe", "--model", tones_run[0], sound[0]).stdout

    def test_without_a_run_the_shipped_model_is_used_and_named(self, sound, tmp_path):
        done = run("asr-transcribe", sound[0], cwd=tmp_path)
        assert done.returncode == 0 and b"comes with the package" in done.stderr

    def test_bad_files_are_named_and_the_good_ones_go_on(self, tones_run, sound, tmp_path):
        (tmp_path / "bad.wav").write_text("nonsense")
        done = run(
            "asr-transcribe", "--model", tones_run[0], sound[0], tmp_path / "bad.wav", sound[1], tmp_path / "gone.wav"
        )
        assert done.returncode == 1
        assert done.stdout.count(b"\n") == 2
        message = done.stderr.decode()
        assert (
            "bad.wav" in message and "gone.wav" in message and "2 of 4 files" in message and "Traceback" not in message
        )

    @pytest.mark.parametrize("form", ["text", "json", "ctm"])
    def test_processes_change_nothing(self, tones_run, sound, tmp_path, form):
        (tmp_path / "bad.wav").write_text("nonsense")
        command = ["asr-transcribe", "--model", tones_run[0], "--format", form]
        files = [*sound[:9], tmp_path / "bad.wav", *sound[9:], tmp_path / "gone.wav", *sound, *sound]
        serial = run(*command, "--jobs", 1, *files)
        done = run(*command, "--jobs", 3, *files)
        assert (done.returncode, done.stdout, done.stderr) == (serial.returncode, serial.stdout, serial.stderr)
        assert done.returncode == 1 and b"2 of 74 files" in done.stderr
        for name, jobs in (("one", 1), ("two", 2)):
            run(*command, "--jobs", jobs, "--output", tmp_path / name, Path(sound[0]).parent)
        files = sorted(path.name for path in (tmp_path / "one").iterdir())
        assert len(files) == len(sound)
        assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)

    def test_mistakes_with_processes(self, tones_run, sound, tmp_path):
        fails(run("asr-transcribe", "--jobs", 2, "--model", tmp_path / "gone.onnx", *sound), "gone.onnx: no such model")
        command = ["asr-transcribe", "--jobs", 2, "--model", tones_run[0], "--lexicon", tmp_path / "gone"]
        fails(run(*command, *sound), "gone")
        done = run("asr-transcribe", "--jobs", 0, sound[0])
        assert done.returncode == 2 and b"at least 1" in done.stderr

    @pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    def test_a_killed_worker_and_an_interrupted_batch_end_at_once(self, tones_run, sound, number):
        """SIGKILL comes to a worker, as when memory runs out; SIGINT to all, as from a terminal."""
        program = Path(sys.executable).parent / "asr-transcribe"
        command = [program, "--model", tones_run[0], "--jobs", "2", *sound * 400]
        # A shell that runs the tests in the background has them ignore SIGINT, and all that they start.
        settings = {"start_new_session": True, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings) as door:
            assert door.stdout.readline()
            workers = Path(f"/proc/{door.pid}/task/{door.pid}/children").read_text().split()
            assert len(workers) == 2
            if number == signal.SIGINT:
                os.killpg(door.pid, number)
            else:
                os.kill(int(workers[0]), number)
            _, message = door.communicate(timeout=60)
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
        assert b"Traceback" not in message
        if number == signal.SIGINT:
            assert door.returncode == 130 and message == b"interrupted\n"
        else:
            assert door.returncode == 2
            assert b"was killed by signal 9, as the system does when memory runs out" in message

    def test_one_file_needs_no_processes(self, tones_run, sound):
        arguments = ["x", "--model", str(tones_run[0]), sound[0]]
        code = f"import sys, asr.cli.transcribe; sys.argv = {arguments}; asr.cli.transcribe.main()"
        done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0
        assert " multiprocessing\n" not in done.stderr and " asr.workers\n" not in done.stderr

    def test_mistakes(self, tones_run, sound, tmp_path):
        fails(run("asr-transcribe", "--model", tones_run[0], tmp_path / "gone.wav"), "gone.wav", "no such file")
        fails(run("asr-transcribe", "--model", tmp_path / "gone.onnx", sound[0]), "gone.onnx")
        fails(run("asr-transcribe", "--model", tones_run[0], tmp_path), "no sound files")

    def test_mistakes_in_what_the_decoder_is_given(self, tones_run, sound, tmp_path):
        def decoding(*options):
            return run("asr-transcribe", "--model", tones_run[0], sound[0], *options)

        bad = tmp_path / "bad"
        bad.write_text("abcd\nxyz\n")
        fails(decoding("--lexicon", bad), "bad, line 2: the character 'x' is not in the alphabet")
        fails(decoding("--hotwords", bad), "bad, line 2")
        fails(decoding("--lm", bad), "bad, line 2: not a language model in ARPA format")
        for option in ("--lexicon", "--hotwords", "--lm"):
            fails(decoding(option, tmp_path / "gone"), "gone: no such")
        bad.write_text("abcd\tmuch\n")
        fails(decoding("--hotwords", bad), "bad, line 1: the boost 'much'")
        (tmp_path / "words").write_text("dd\n")
        bad.write_text("abcd\n")
        fails(decoding("--hotwords", bad, "--lexicon", tmp_path / "words"), "'abcd' is not in the lexicon")
        fails(decoding("--decoder", "greedy", "--beam-width", 5), "the greedy decoder has no beam_width")
        fails(decoding("--lm-weight", 1), "lm_weight without an lm")
        (tmp_path / "capitals").write_text("ONE TWO\n")
        capitals = tmp_path / "capitals.arpa"
        run("asr-lm", tmp_path / "capitals", "-o", capitals)
        fails(decoding("--lm", capitals), "capitals.arpa", "cannot spell a word of it")

    def test_it_never_imports_pytorch(self, tones_run, sound):
        arguments = ["x", "--model", str(tones_run[0]), sound[0]]
        code = f"import sys, asr.cli.transcribe; sys.argv = {arguments}; asr.cli.transcribe.main()"
        done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and " torch\n" not in done.stderr and "onnxruntime" not in done.stderr

    def test_real_recordings_and_damaged_ones_together(self, real_speech):
        done = run("asr-transcribe", "--model", SHIPPED,
                   real_speech / "wake_words" / "alexa", real_speech / "broken_audio")  # fmt: skip
        assert done.returncode == 1
        for path in (real_speech / "broken_audio").glob("*.flac"):
            assert path.name in done.stderr.decode()
        assert done.stdout.count(b"\n") == len(list((real_speech / "wake_words" / "alexa").glob("*.flac")))


class TestPlot:
    def test_a_picture(self, tones_run, sound, tmp_path):
        pytest.importorskip("matplotlib")
        options = ["--model", tones_run[0]]
        done = run("asr-plot", *options, sound[0], tmp_path / "a.png")
        assert done.returncode == 0 and done.stdout == run("asr-transcribe", *options, sound[0]).stdout
        assert not done.stderr and (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        done = run("asr-plot", *options, "-", tmp_path / "b.svg", stdin=Path(sound[0]).read_bytes())
        assert done.returncode == 0 and b"standard input" in (tmp_path / "b.svg").read_bytes()
        fails(run("asr-plot", *options, sound[0], tmp_path / "b.gif"), "b.gif: a picture's name ends in .png, .svg or")
        fails(run("asr-plot", *options, sound[0], tmp_path / "gone" / "b.png"), "there is no folder")
        fails(run("asr-plot", *options, tmp_path / "gone.wav", tmp_path / "b.png"), "gone.wav: no such file")


class TestAlign:
    @pytest.fixture
    def utterances(self, tones):
        return manifest.read(tones / "test.jsonl")

    def test_one_sound(self, tones_run, utterances, tmp_path):
        command = ["asr-align", tones_run[0], utterances[0].audio, utterances[0].text.upper()]
        done = run(*command)
        assert done.returncode == 0 and not done.stderr
        start_s, end_s, confidence, word = done.stdout.decode().rstrip("\n").split("\t")
        assert word == utterances[0].text and 0 <= float(start_s) < float(end_s) and 0 <= float(confidence) <= 1
        (as_json,) = json.loads(run(*command, "--format", "json").stdout)["words"]
        assert (as_json["start_s"], as_json["end_s"]) == (float(start_s), float(end_s))
        assert [character["text"] for character in as_json["characters"]] == list(word)
        assert b'name = "characters"' in run(*command, "--format", "textgrid").stdout
        assert run(*command, "--format", "srt").stdout.startswith(b"1\n00:00:00,")
        assert run(*command, "--format", "vtt").stdout.startswith(b"WEBVTT\n\n00:00:00.")
        assert run(*command, "--format", "ctm").stdout.startswith(f"000 1 {start_s} ".encode())

    def test_ids_that_no_file_can_be_named_for_cost_no_other_utterance(self, tones_run, utterances, tmp_path):
        keys = ["a", "a.json/b", "x/./y", "x/y", "n" * 5000, "../out", "good"]
        lines = [{"id": key, "text": utterances[0].text, "audio": utterances[0].audio} for key in keys]
        lines += [{"id": "nul", "text": "a", "audio": "a\0b"}, {"id": "long", "text": "a", "audio": "x" * 5000}]
        (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        command = ["asr-align", tones_run[0], tmp_path / "m.jsonl", "--format", "json", "--output", tmp_path / "out"]
        done = run(*command)
        assert done.returncode == 1 and b"Traceback" not in done.stderr
        made = {
            path.relative_to(tmp_path / "out").as_posix()
            for path in (tmp_path / "out").rglob("*.json")
            if path.is_file()
        }
        assert made == {"a.json", "x/y.json", "good.json"} and not (tmp_path / "out.json").exists()
        assert b"6 of 9 utterances could not be aligned" in done.stderr
        assert b"x/y: its file of --output would be that of x/./y" in done.stderr

    def test_text_and_sound_from_elsewhere(self, tones_run, utterances, tmp_path):
        model, sound, text = tones_run[0], utterances[0].audio, utterances[0].text
        expected = run("asr-align", model, sound, text).stdout
        (tmp_path / "said.txt").write_text(f"{text}\n", encoding="utf-8-sig")
        assert run("asr-align", model, sound, tmp_path / "said.txt").stdout == expected
        for name, content in (("said.lab", f"{text}\n"), ("said.TEXT", text), ("words", text),
                              ("x.trn", f"b (other)\n{text} ({Path(sound).stem})\n")):  # fmt: skip
            (tmp_path / name).write_text(content)
            done = run("asr-align", model, sound, name, cwd=tmp_path)
            assert done.stdout == expected and (b"TEXT is the file words" in done.stderr) == (name == "words")
        assert run("asr-align", model, sound, "-", stdin=text.encode()).stdout == expected
        assert run("asr-align", model, "-", text, stdin=Path(sound).read_bytes()).stdout == expected
        assert run("asr-align", model, sound, "").stdout == b"", "nothing is said, nothing is aligned"

    def test_a_manifest(self, tones_run, tones, utterances, tmp_path):
        done = run("asr-align", tones_run[0], tones / "test.jsonl")
        assert done.returncode == 0
        rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
        assert [(row[0], row[-1]) for row in rows] == [(utterance.id, utterance.text) for utterance in utterances]
        one = run("asr-align", tones_run[0], utterances[3].audio, utterances[3].text).stdout.decode()
        assert "\t".join(rows[3][1:]) + "\n" == one
        fails(run("asr-align", tones_run[0], tones / "test.jsonl", "--format", "vtt"), "vtt holds one", "--output")
        run("asr-align", tones_run[0], tones / "test.jsonl", "--format", "textgrid", "--output", tmp_path / "grids")
        assert {path.stem for path in (tmp_path / "grids").glob("*.TextGrid")} == {one.id for one in utterances}

    def test_bad_utterances_are_named_and_the_good_ones_go_on(self, tones_run, utterances, tmp_path):
        bad = [manifest.Utterance("gone", "ab", str(tmp_path / "gone.wav")),
               manifest.Utterance("foreign", "abx", utterances[0].audio),
               manifest.Utterance("long", "abcd" * 200, utterances[0].audio),
               manifest.Utterance("../out", "ab", utterances[0].audio)]  # fmt: skip
        manifest.write(tmp_path / "m.jsonl", [utterances[0], *bad, utterances[1]])
        done = run("asr-align", tones_run[0], tmp_path / "m.jsonl", "--output", tmp_path / "texts" / "here")
        message = done.stderr.decode()
        assert done.returncode == 1 and "Traceback" not in message and "4 of 6 utterances" in message
        for part in ("gone.wav", "foreign: the character 'x'", "long: 800 tokens need", "../out: its id leads out"):
            assert part in message
        assert sorted(path.name for path in (tmp_path / "texts").rglob("*.txt")) == ["test-000.txt", "test-001.txt"]

    def test_mistakes(self, tones_run, tones, utterances, tmp_path):
        model, sound = tones_run[0], utterances[0].audio
        fails(run("asr-align", model, sound), "what is spoken in")
        fails(run("asr-align", model, tones / "test.jsonl", "abcd"), "leave TEXT away")
        fails(run("asr-align", model, tmp_path / "gone.jsonl"), "gone.jsonl")
        fails(run("asr-align", model, tmp_path / "gone.wav", "ab"), "gone.wav: no such file")
        fails(run("asr-align", tmp_path / "gone.onnx", sound, "ab"), "gone.onnx")
        fails(run("asr-align", model, sound, "abx"), "000.wav: the character 'x' is not in the alphabet")
        fails(run("asr-align", model, sound, "abcd" * 200), "000.wav: 800 tokens need 800 frames")
        fails(run("asr-align", model, sound, tmp_path / "gone.txt"), "gone.txt: no such file")
        fails(run("asr-align", model, sound, "gone.lab"), "gone.lab: no such file")
        (tmp_path / "two.trn").write_text("a (u1)\nb (u2)\n")
        fails(run("asr-align", model, sound, tmp_path / "two.trn"), "holds 2 utterances", "give the id 000 to one")
        (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
        fails(run("asr-align", model, sound, tmp_path / "latin.txt"), "latin.txt, line 1: not UTF-8")
        fails(run("asr-align", model, "-", "-"), "standard input can be read once")

    def test_it_never_imports_pytorch(self, tones_run, utterances):
        arguments = ["x", str(tones_run[0]), utterances[0].audio, utterances[0].text]
        code = f"import sys, asr.cli.align; sys.argv = {arguments}; asr.cli.align.main()"
        done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and " torch\n" not in done.stderr and "onnxruntime" in done.stderr


class TestExport:
    def test_a_smaller_file_and_what_it_costs(self, tones_run, tones, tmp_path):
        small = tmp_path / "small.onnx"
        done = run("asr-export", tones_run[0], small, "--check", tones / "test.jsonl", "--format", "json")
        assert done.returncode == 0, done.stderr.decode()
        result = json.loads(done.stdout)
        big = str(tones_run[0] / "model.onnx")
        assert result["bytes"] == {name: Path(name).stat().st_size for name in (big, str(small))}
        assert result["scores"][big]["word"] == tones_run[1].score.word.to_dict()
        scored = run("asr-evaluate", small, tones / "test.jsonl", "--format", "json", cwd=tmp_path)
        assert result["scores"][str(small)]["word"] == json.loads(scored.stdout)["word"]
        lines = run("asr-export", tones_run[0], small, "--check", tones / "test.jsonl").stdout.decode().splitlines()
        assert [line.count("WER") for line in lines] == [1, 1] and lines[1].startswith(f"{small}: ")

    def test_mistakes_are_one_sentence(self, tones_run, tmp_path):
        (tmp_path / "text.onnx").write_text("no model")
        fails(run("asr-export", tmp_path / "text.onnx", tmp_path / "o.onnx"), "text.onnx: not an ONNX model")
        fails(run("asr-export", tmp_path / "gone.onnx", tmp_path / "o.onnx"), "gone.onnx: no such model")
        fails(run("asr-export", tones_run[0], tmp_path / "no" / "o.onnx"), f"there is no folder {tmp_path / 'no'}")
        fails(run("asr-export", tones_run[0], tmp_path), f"{tmp_path}: is a folder")
        same = tones_run[0] / "model.onnx"
        before = same.read_bytes()
        fails(run("asr-export", tones_run[0], same), "would replace the model")
        assert same.read_bytes() == before
        fails(run("asr-export", tones_run[0]), "takes MODEL OUTPUT.onnx")
        fails(run("asr-export", tones_run[0], tones_run[0], tmp_path / "o.onnx"), "with --ensemble OUTPUT.onnx")
        fails(run("asr-export", tones_run[0], "--ensemble", tmp_path / "o.onnx"), "name more of them")
        fails(run("asr-export", tones_run[0], same, "--ensemble", same), "would replace the model")
        fails(
            run("asr-export", tones_run[0], tmp_path / "gone.onnx", "--ensemble", tmp_path / "o.onnx"), "no such model"
        )

    def test_an_ensemble_of_a_model_and_itself_gives_what_the_model_gives(self, tones_run, tones, tmp_path):
        both, check = tmp_path / "both.onnx", ("--check", tones / "test.jsonl", "--format", "json")
        done = run("asr-export", tones_run[0], tones_run[0], "--ensemble", both, *check)
        assert done.returncode == 0, done.stderr.decode()
        result, alone = json.loads(done.stdout), str(tones_run[0] / "model.onnx")
        assert result["scores"][str(both)] == result["scores"][alone]
        assert result["bytes"][str(both)] > 1.8 * result["bytes"][alone]

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_check_names_the_utterances_that_it_cannot_read_once(self, tones_run, tones, tmp_path, count):
        good = manifest.read(tones / "test.jsonl")[0]
        manifest.write(tmp_path / "m.jsonl", [good, manifest.Utterance("gone", "ab", str(tmp_path / "gone.wav"))])
        output = [*(["--ensemble"] if count > 1 else []), tmp_path / "o.onnx"]
        for form in ("text", "json"):
            given = [tones_run[0]] * count
            done = run("asr-export", *given, *output, "--check", tmp_path / "m.jsonl", "--format", form)
            assert done.returncode == 1 and done.stdout, done.stderr.decode()
            named = [line for line in done.stderr.decode().splitlines() if line.startswith("error: ")]
            assert len(named) == 1 and named[0].startswith("error: gone: ") and "gone.wav" in named[0]

    @pytest.mark.parametrize("options", [[], ["--ensemble"]])
    def test_it_never_imports_pytorch(self, tones_run, tmp_path, options):
        models = [str(tones_run[0])] * (2 if options else 1)
        arguments = ["x", *models, *options, str(tmp_path / "o.onnx")]
        code = f"import sys, asr.cli.export; sys.argv = {arguments}; asr.cli.export.main()"
        done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and " torch\n" not in done.stderr and " asr.modelfile.convert\n" in done.stderr


class TestEvaluate:
    def test_hypotheses_and_score(self, tones_run, tones, tmp_path):
        done = run("asr-evaluate", tones_run[0], tones / "test.jsonl", "--format", "json", cwd=tmp_path)
        assert done.returncode == 0
        assert json.loads(done.stdout)["word"] == tones_run[1].score.word.to_dict()
        assert (tmp_path / "test.hyp.trn").read_text() == (tones_run[0] / "test.hyp.trn").read_text()
        scored = run("asr-score", tones / "test.jsonl", tones / "test.jsonl", "--format", "json")
        assert json.loads(scored.stdout)["word"]["errors"] == 0

    @pytest.mark.parametrize("options", [(), ("--nbest", 3)])
    def test_processes_change_nothing(self, tones_run, tones, tmp_path, options):
        utterances = [
            *manifest.read(tones / "train.jsonl"),
            manifest.Utterance("gone", "ab", str(tmp_path / "gone.wav")),
        ]
        manifest.write(tmp_path / "m.jsonl", utterances)
        command = ["asr-evaluate", tones_run[0], tmp_path / "m.jsonl", "--format", "json", *options]
        serial = run(*command, "--jobs", 1, "--output", tmp_path / "1.trn")
        done = run(*command, "--jobs", 3, "--output", tmp_path / "3.trn")
        assert (done.returncode, done.stdout) == (1, serial.stdout) and b"gone.wav" in done.stderr
        assert (tmp_path / "1.trn").read_bytes() == (tmp_path / "3.trn").read_bytes()
        fails(run("asr-evaluate", tmp_path / "none", tones / "dev.jsonl", "--jobs", 2), "no such model")

    def test_tuning_is_stored_with_the_model(self, tones_run, tones, tmp_path):
        model = tmp_path / "model.onnx"
        shutil.copy(tones_run[0] / "model.onnx", model)
        before = run("asr-transcribe", "--model", model, "--format", "json", tones / "dev" / "000.wav").stdout
        words = sorted({utterance.text for utterance in manifest.read(tones / "dev.jsonl")})
        (tmp_path / "words.txt").write_text("\n".join(words))
        knowledge = ["--lexicon", tmp_path / "words.txt"]
        done = run("asr-evaluate", model, tones / "dev.jsonl", *knowledge, "--tune", "--nbest", 4, "--format", "json",
                   cwd=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        result = json.loads(done.stdout)
        assert result["oracle"]["errors"] <= result["word"]["errors"] <= tones_run[1].score.word.errors
        tuning = Recognizer.load(model).card.tuning["beam+lexicon"]
        assert tuning.word_bonus == result["tuned"]["word_bonus"] and tuning.slope == result["tuned"]["slope"] > 0
        assert f"stored in {model}" in done.stderr.decode() and "calibration error" in done.stderr.decode()
        greedy = run("asr-transcribe", "--model", model, "--format", "json", tones / "dev" / "000.wav").stdout
        assert greedy == before, "what was tuned is one kind of decoder"
        again = run("asr-evaluate", model, tones / "dev.jsonl", *knowledge, "--format", "json", cwd=tmp_path)
        assert json.loads(again.stdout)["word"] == result["word"]

    def test_tuning_that_could_not_be_stored_is_refused_at_once(self, tones_run, tones, tmp_path):
        arguments = ["x", str(tones_run[0]), str(tones / "dev.jsonl"), "--tune"]
        code = (
            f"import sys, asr.cli.evaluate; sys.modules['onnx'] = None; sys.argv = {arguments}; asr.cli.evaluate.main()"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
        fails(done, extras.missing("storing what is tuned", "onnx", "train"))
        assert len(done.stderr.splitlines()) == 1

    def test_misses_and_false_accepts(self, tones_run, tones, tmp_path):
        model = tmp_path / "model.onnx"
        shutil.copy(tones_run[0] / "model.onnx", model)
        utterances = manifest.read(tones / "test.jsonl")
        words = sorted({utterance.text for utterance in utterances})[::2]
        (tmp_path / "words.txt").write_text("\n".join(words))
        (tmp_path / "others").mkdir()
        known = [utterance for utterance in utterances if utterance.text in words]
        others = [utterance for utterance in utterances if utterance.text not in words]
        manifest.write(tmp_path / "known.jsonl", known)
        manifest.write(tmp_path / "others.jsonl", others)
        for utterance in others:
            shutil.copy(utterance.audio, tmp_path / "others")
        command = ["asr-evaluate", model, tmp_path / "known.jsonl", "--lexicon", tmp_path / "words.txt",
                   "--format", "json"]  # fmt: skip
        done = run(*command, "--negatives", tmp_path / "others.jsonl", cwd=tmp_path)
        result = json.loads(done.stdout)["rejection"]
        hours = sum(utterance.duration_s for utterance in others) / 3600
        assert result["words"] == len(known) and result["negative_hours"] == pytest.approx(hours, abs=1e-4)
        assert result["min_confidence"] == result["thresholds"][0], "nothing is rejected"
        assert result["thresholds"][0]["false_accepts"] > len(others) / 2, "a closed vocabulary accepts anything"
        assert Recognizer.load(model).card.tuning == {}
        target = 3 / hours
        options = ["--negatives", tmp_path / "others", "--target-false-accepts-per-hour", target]
        done = run(*command, "--tune", *options, cwd=tmp_path)
        result = json.loads(done.stdout)
        assert result["rejection"]["min_confidence"]["false_accepts"] <= 3 and b"stored in" in done.stderr
        tuning = Recognizer.load(model).card.tuning["beam+lexicon"]
        assert tuning.min_confidence == result["rejection"]["min_confidence"]["threshold"]
        assert tuning.garbage_penalty == result["rejection"]["garbage_penalty"]
        assert tuning.garbage_penalty or tuning.min_confidence > 0
        # The rates are what asr-transcribe gives: the threshold is its default.
        rejected = 1 - result["rejection"]["min_confidence"]["miss_rate"]
        assert result["word"]["correct"] == pytest.approx(len(known) * rejected)
        lexicon = ["--model", model, "--lexicon", tmp_path / "words.txt"]
        lines = run("asr-transcribe", *lexicon, tmp_path / "others").stdout.decode().splitlines()
        accepted = [line for line in lines if line.split("\t")[1]]
        assert len(accepted) == result["rejection"]["min_confidence"]["false_accepts"]
        anything = ["--min-confidence", 0, "--garbage-penalty", "inf"]
        every = run("asr-transcribe", *lexicon, *anything, tmp_path / "others").stdout.decode()
        assert sum(bool(line.split("\t")[1]) for line in every.splitlines()) > len(accepted)
        text = run(*command[:-2], *options[:2], cwd=tmp_path).stdout.decode()
        assert "min confidence   missed" in text and text.count("as transcribed\n") == 1
        fails(run(*command, "--negatives", tmp_path / "gone.jsonl"), "gone.jsonl: no such manifest")
        fails(run(*command, *options[2:]), "name it with --negatives")

    def test_unreadable_utterances_are_named_and_counted(self, tones_run, tones, tmp_path):
        utterances = manifest.read(tones / "test.jsonl")[:3]
        manifest.write(
            tmp_path / "m.jsonl", [*utterances, manifest.Utterance("gone", "ab", str(tmp_path / "gone.wav"))]
        )
        output = tmp_path / "out.trn"
        done = run("asr-evaluate", tones_run[0], tmp_path / "m.jsonl", "--output", output, "--format", "json")
        assert done.returncode == 1 and b"gone.wav" in done.stderr
        assert json.loads(done.stdout)["word"]["utterances"] == 4
        assert "\n (gone)\n" in output.read_text()

    def test_mistakes(self, tones_run, tmp_path):
        fails(run("asr-evaluate", tones_run[0], tmp_path / "gone.jsonl"), "gone.jsonl")
        manifest.write(tmp_path / "ab.jsonl", [manifest.Utterance("ab", "ab", "ab.wav")])
        fails(run("asr-evaluate", tones_run[0], tmp_path / "ab.jsonl", "--output", tmp_path), "is a folder")
        (tmp_path / "m.jsonl").write_text('{"id": 3}\n')
        fails(run("asr-evaluate", tones_run[0], tmp_path / "m.jsonl"), "m.jsonl, line 1")


class TestLm:
    def test_from_lines_and_manifests(self, tones, tmp_path):
        (tmp_path / "more.txt").write_text("Abcd, dcba!\n\nad\n", encoding="utf-8-sig")
        (tmp_path / "words.txt").write_text("zebra\n")
        done = run("asr-lm", tones / "train.jsonl", tmp_path / "more.txt", "-o", tmp_path / "lm.arpa.gz", "--order", 2,
                   "--lexicon", tmp_path / "words.txt")  # fmt: skip
        assert done.returncode == 0 and not done.stdout and b"98 sentences" in done.stderr, done.stderr
        model = lm.read(tmp_path / "lm.arpa.gz")
        assert model.order == 2 and {"abcd", "dcba", "ad", "zebra"} <= model.vocabulary

    def test_ids_and_braces_are_no_words(self, tmp_path):
        texts = {"x.trn": "ab cd (u_1)\nef (u_2)\n", "text": "u_1 ab cd\nu_2 ef\n",
                 "x.csv": "id;text\nu_1;ab cd\nu_2;ef\n",
                 "x.json": '{"u_1": "ab cd",\n "u_2": "ef"}\n'}  # fmt: skip
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            done = run("asr-lm", tmp_path / name, "-o", tmp_path / "lm.arpa", "--order", 2)
            assert lm.read(tmp_path / "lm.arpa").vocabulary == {"ab", "cd", "ef", "<s>", "</s>", "<unk>"}
            assert f"{name}: read as ".encode() in done.stderr and b"2 sentences" in done.stderr
        run("asr-lm", tmp_path / "text", "-o", tmp_path / "lm.arpa", "--input-format", "lines")
        assert "u_1" in lm.read(tmp_path / "lm.arpa").vocabulary

    def test_over_characters(self, tones, tones_run, tmp_path):
        run("asr-lm", tones / "train.jsonl", "-o", tmp_path / "lm.arpa", "--unit", "character",
            "--model", tones_run[0])  # fmt: skip
        assert lm.read(tmp_path / "lm.arpa").vocabulary == {*"abcd", "<s>", "</s>", "<unk>"}
        done = run("asr-evaluate", tones_run[0], tones / "test.jsonl", "--lm", tmp_path / "lm.arpa", "--lm-weight",
                   "0.2", "--format", "json", cwd=tmp_path)  # fmt: skip
        assert json.loads(done.stdout)["word"]["rate"] <= tones_run[1].score.word.rate + 0.1

    def test_mistakes(self, tmp_path):
        fails(run("asr-lm", tmp_path / "gone.txt", "-o", tmp_path / "x"), "gone.txt")
        (tmp_path / "empty.txt").write_text("\n...\n")
        fails(run("asr-lm", tmp_path / "empty.txt", "-o", tmp_path / "x"), "no words")
        (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
        fails(run("asr-lm", tmp_path / "latin.txt", "-o", tmp_path / "x"), "latin.txt, line 1: not UTF-8")
        (tmp_path / "words.txt").write_text("zebra\n")
        fails(run("asr-lm", tmp_path / "empty.txt", "-o", tmp_path / "x", "--lexicon", tmp_path / "words.txt"),
              "no words")  # fmt: skip
        fails(run("asr-lm", tmp_path / "gone.txt", "-o", tmp_path / "no" / "x"), "there is no folder")
        fails(run("asr-lm", tmp_path / "gone.txt", "-o", tmp_path), f"{tmp_path}: is a folder")
        (tmp_path / "marks.txt").write_text("<s\n\na <s> b\n")
        fails(run("asr-lm", tmp_path / "marks.txt", "-o", tmp_path / "x"), "marks.txt, line 3: the word <s> is")
        manifest.write(tmp_path / "m.jsonl", [manifest.Utterance("u1", "a </s>", "a.wav")])
        fails(run("asr-lm", tmp_path / "m.jsonl", "-o", tmp_path / "x"), "m.jsonl, utterance u1: the word </s>")


class TestScore:
    @pytest.fixture
    def files(self, tmp_path):
        (tmp_path / "ref").write_text("a b c (u1)\nI (u2)\n(u3)\nd (u4)\n")
        (tmp_path / "hyp").write_text("x (u9)\na x c c (u1)\nI (u2)\n(u3)\n")
        return tmp_path / "ref", tmp_path / "hyp"

    def test_json(self, files):
        done = run("asr-score", *files, "--format", "json")
        result = json.loads(done.stdout)
        assert result["word"] == {
            "utterances": 4, "utterance_errors": 2, "reference_length": 5, "correct": 3, "substitutions": 1,
            "deletions": 1, "insertions": 1, "errors": 3, "rate": 0.6,
        }  # fmt: skip
        assert result["character"]["reference_length"] == 7
        assert (result["missing_hypotheses"], result["extra_hypotheses"]) == (["u4"], ["u9"])
        assert [one["id"] for one in result["utterances"]] == ["u1", "u2", "u3", "u4"]
        assert b"1 without a hypothesis, counted as deletions: u4" in done.stderr
        assert b"1 without a reference, not counted: u9" in done.stderr

    def test_text(self, files):
        done = run("asr-score", *files)
        assert done.returncode == 0 and b"60.00%" in done.stdout and b"read as trn" in done.stderr

    def test_mistakes(self, files, tmp_path):
        fails(run("asr-score", files[0], tmp_path / "gone"), "gone", "no such file")
        (tmp_path / "others").write_text("a b c (x1)\n")
        fails(run("asr-score", files[0], tmp_path / "others"), "share no id", "ref has u1, u2, u3 and", "others has x1")
        fails(run("asr-score", *files, "--input-format", "jsonl"), "ref, line 1")
        (tmp_path / "two").write_text("a\nb\n")
        (tmp_path / "one").write_text("a\n")
        fails(run("asr-score", tmp_path / "two", tmp_path / "one"), "has 2 lines", "has 1")
        (tmp_path / "bad").write_bytes(b"u1 a\nu2 \xff\n")
        fails(run("asr-score", tmp_path / "bad", files[1]), "bad, line 2: not UTF-8")
        (tmp_path / "none").touch()
        fails(run("asr-score", tmp_path / "none", files[1]), "none: no utterances")

    def test_every_view(self, files, tmp_path):
        (tmp_path / "other").write_text("a b c (u1)\nI (u2)\n(u3)\nd (u4)\n")
        (tmp_path / "spk").write_text("u1 anna\nu2 bob\nu3 bob\nu4 anna\n")
        args = ("asr-score", *files, tmp_path / "other", "--speakers", tmp_path / "spk", "--details", "--alignments")
        text = run(*args, "--color", "always").stdout.decode()
        for part in ("MAPSSWE", "hyp: 2 speakers, worst first", "confusions", "\033[", "REF: a "):
            assert part in text
        assert "\033[" not in run(*args).stdout.decode()
        markdown = run(*args, "--format", "markdown").stdout.decode()
        assert "| hyp | words | 60.00% |" in markdown and markdown.count("```") == 2
        table = run("asr-score", *files, "--format", "sys").stdout.decode()
        assert "| Sum/Avg  |     4      5 |   60.0   20.0   20.0   20.0   60.0   50.0 |" in table
        done = run(*args, "--html", tmp_path / "page.html")
        assert done.returncode == 0 and (tmp_path / "page.html").read_text().count("<section>") == 2
        both = json.loads(run(*args, "--format", "json").stdout)
        assert [one["system"] for one in both["systems"]] == ["hyp", "other"]

    def test_rules_weights_and_units(self, tmp_path):
        (tmp_path / "ref").write_text("Colour, two! (u1)\n")
        (tmp_path / "hyp").write_text("color 2 (u1)\n")
        (tmp_path / "map").write_text("colour -> color\n")
        files = tmp_path / "ref", tmp_path / "hyp"
        rules = ("--normalize", "digits,case,punctuation", "--map", tmp_path / "map")
        result = json.loads(run("asr-score", *files, *rules, "--format", "json").stdout)
        assert result["word"]["errors"] == 0
        assert result["normalisation"] == ["nfc", "whitespace", "case", "punctuation", "digits", "mapping of 1"]
        plain = json.loads(run("asr-score", *files, "--weights", "sclite", "--format", "json").stdout)
        assert plain["normalisation"] == [] and plain["counting"]["spaces"] == "ignored"
        assert plain["word"]["substitutions"] == 2

    def test_standard_input(self, files):
        done = run("asr-score", "-", files[1], stdin=files[0].read_bytes())
        assert b"60.00%" in done.stdout
        fails(run("asr-score", "-", "-"), "standard input can be read once")

    def test_mistakes_in_options(self, files, tmp_path):
        fails(run("asr-score", *files, "--normalise", "upper"), "there is no rule upper; there are nfc")
        fails(run("asr-score", *files, "--speakers", tmp_path / "gone"), "gone: no such file")
        fails(run("asr-score", *files, "--map", files[0]), "line 1: not of the form")
        fails(run("asr-score", *files, "--html", tmp_path), f"{tmp_path}: is a folder")
        fails(run("asr-score", *files, "--html", tmp_path / "no" / "page.html"), "there is no folder")
        fails(run("asr-score", *files, files[1], "--resamples", "0"), "resamples above 0")
        assert b"must be between 0 and 1" in run("asr-score", *files, "--confidence", "95").stderr

    def test_a_closed_pipe_is_no_error(self, files):
        program = Path(sys.executable).parent / "asr-score"
        with subprocess.Popen([program, *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.close()
            message = process.stderr.read()
        assert b"Traceback" not in message


class TestTrain:
    def test_from_nothing_to_test_figures(self, tones_recipe, tmp_path):
        done = run("asr-train", tones_recipe, "train.epochs=2", "--format", "json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        result = json.loads(done.stdout)
        assert result["split"] == "test" and result["word"]["utterances"] == 24
        assert result["run"].startswith("runs/tones/") and (tmp_path / result["run"] / "model.onnx").is_file()
        message = done.stderr.decode()
        assert "train      96 utterances" in message and "epoch   2" in message and "REF" in message
        command = result["command"].split()
        assert run(*command, cwd=tmp_path).returncode == 0
        resumed = run("asr-train", "--resume", result["run"], cwd=tmp_path)
        assert resumed.returncode == 0 and b"test: WER" in resumed.stdout

    def test_the_schema_is_printed(self):
        assert json.loads(run("asr-train", "--schema").stdout)["title"]

    def test_mistakes(self, tones_recipe, tmp_path):
        fails(run("asr-train", tones_recipe, "--jobs", 1, "train.epoch=2"), "did you mean train.epochs?")
        fails(run("asr-train", tmp_path / "gone.yaml"), "gone.yaml")
        fails(run("asr-train", "--resume", tmp_path), "recipe.yaml")
        fails(run("asr-train", tones_recipe, f"data.source={tmp_path}", cwd=tmp_path), "train.jsonl")
        assert not (tmp_path / "runs").exists(), "no empty run for a corpus that is not there"
        assert run("asr-train").returncode == 2
        assert run("asr-train", tones_recipe, "--schema").returncode == 2
