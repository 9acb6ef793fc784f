"""Transcribing on a cluster of Ray's: each file once, also where a worker is killed half-way."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import write_tones

from asr.data import manifest

COMMAND = [sys.executable, "-c", "from asr.cli.transcribe import main; main()"]
ENVIRONMENT = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


def transcribe(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT)


def test_without_a_folder_or_without_ray_it_says_what_to_do(tmp_path):
    write_tones(tmp_path, 1, 0)
    done = transcribe("--engine", "ray", tmp_path / "000.wav")
    assert done.returncode == 2 and ("name their folder with --output" in done.stderr or ".[ray]" in done.stderr)


def kill_a_worker(output, killed):
    """Once the first shard is written."""
    while not killed:
        time.sleep(0.02)
        if not list(output.glob("part-*")):
            continue
        for process in Path("/proc").glob("[0-9]*"):
            try:
                name = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if name.startswith(b"ray::") and b"_Shard" in name:
                os.kill(int(process.name), 9)
                killed.append(name)
                return


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it finds the workers in /proc")
def test_each_file_once_with_a_worker_killed_and_the_text_of_one_process(tmp_path):
    pytest.importorskip("ray.data")
    sound, output = tmp_path / "sound", tmp_path / "out"
    for part in range(30):
        write_tones(sound / f"{part}", 20, part)
    (sound / "broken.wav").write_bytes(b"RIFF")
    killed = []
    killer = threading.Thread(target=kill_a_worker, args=(output, killed), daemon=True)
    killer.start()
    done = transcribe("--engine", "ray", "--jobs", 1, "--output", output, sound)
    assert done.returncode == 1 and "broken.wav" in done.stderr, done.stderr
    assert killed, "a worker was killed"
    lines = [line for part in sorted(output.glob("part-*.jsonl")) for line in part.read_text().splitlines()]
    assert not list(output.glob("*.part")), "nothing unfinished is left"
    assert sorted(json.loads(line)["path"] for line in lines) == sorted(map(str, sound.rglob("*.wav")))
    alone = transcribe("--format", "json", sound).stdout.splitlines()
    assert sorted(line for line in lines if '"error"' not in line) == sorted(alone), "the same text as one process"

    other = transcribe("--engine", "ray", "--output", output, sound / "0")
    assert other.returncode == 2 and "holds shards of other recordings" in other.stderr

    entries = write_tones(tmp_path / "few", 3, 1)
    manifest.write(tmp_path / "few.jsonl", entries)
    done = transcribe("--engine", "ray", "--shards", "parquet", "--output", tmp_path / "rows", tmp_path / "few.jsonl")
    assert done.returncode == 0, done.stderr
    from pyarrow import parquet

    rows = parquet.read_table(tmp_path / "rows" / "part-00000.parquet").to_pylist()
    assert [row["id"] for row in rows] == [one.id for one in entries]
    assert all(json.loads(row["json"])["text"] == row["text"] for row in rows)
