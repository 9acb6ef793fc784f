"""A server in a process of its own, as its user starts it."""

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

COMMAND = [sys.executable, "-c", "from asr.cli.serve import main; main()"]


@dataclass
class Running:
    process: subprocess.Popen
    port: int = 0
    wyoming: int = 0
    lines: list = field(default_factory=list)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def read(self, is_ready):
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"tcp://127.0.0.1:(\d+)", line):
                self.wyoming = int(found[1])
            if found := re.search(r"http://127.0.0.1:(\d+)", line):
                self.port = int(found[1])
                is_ready.set()
        is_ready.set()

    def wait_for(self, text, seconds=20):
        end = time.monotonic() + seconds
        while not any(text in line for line in self.lines):
            assert time.monotonic() < end, "".join(self.lines)
            time.sleep(0.02)


@contextmanager
def serving(*options, cwd=None, **environment):
    """A Running server with these options."""
    import os

    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    running, is_ready = Running(process), threading.Event()
    reader = threading.Thread(target=running.read, args=(is_ready,), daemon=True)
    reader.start()
    try:
        assert is_ready.wait(60) and running.port, "".join(running.lines)
        yield running
    finally:
        process.terminate()
        process.wait(60)
        reader.join(5)
        process.stderr.close()
