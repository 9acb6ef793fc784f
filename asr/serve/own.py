"""Training on one's own takes: asr-train in a process of its own, followed from outside, so without PyTorch."""

import asyncio
import contextlib
import json
import logging
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asr
from asr import files
from asr.errors import UserError
from asr.serve.config import RecordConfig
from asr.serve.takes import Takes

MIN_TAKES = 3  # of each prompt, over all speakers
_MIN_SPEAKERS = 3  # for dev and test to have speakers of their own
_RECIPE = Path(asr.__file__).parents[1] / "recipes" / "own_words.yaml"
_COMMAND = (sys.executable, "-c", "from asr.cli.train import main; main()")
Trained = Callable[[Path, list[str], Path], Awaitable[list[dict[str, str]]]]
_logger = logging.getLogger(__name__)


class Training:
    """At most one training at a time.

    `trained` is given the folder of a run that has ended well, its prompts and the manifest it was tested on, and gives
    references and hypotheses of its recordings.
    """

    def __init__(self, config: RecordConfig, takes: Takes, trained: Trained) -> None:
        self._config, self._takes, self._folder = config, takes, config.folder.absolute()
        self._recipe = (config.recipe or _RECIPE).absolute()
        self._trained = trained
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._run = self._folder
        self._state: dict[str, Any] = {"state": "none"}
        self._began = 0.0
        self._is_stopped = False

    async def start(self) -> None:
        """Begin. Raises UserError where there is too little to learn from, or one is running."""
        if self._task is not None and not self._task.done():
            raise UserError("a training is running already")
        if not self._recipe.is_file():
            raise UserError(f"there is no recipe {files.shown(self._recipe)}; start the server with --recipe")
        counts, prompts = self._takes.counts(), self._takes.prompts
        for text in prompts:
            count = sum(by_text[text] for by_text in counts.values())
            if count < MIN_TAKES:
                raise UserError(f"{text}: {count} of at least {MIN_TAKES} takes; record more, or remove it")
        if not prompts:
            raise UserError("there are no prompts yet")
        self._run = self._folder / "runs" / time.strftime("%Y-%m-%d_%H-%M-%S")
        settings = [f"data.source={self._takes.recordings.absolute()}", f"data.folder={self._folder / 'corpus'}",
                    f"run_dir={self._run}"]  # fmt: skip
        if len(counts) >= _MIN_SPEAKERS:
            settings.append("data.speaker=^([^/]+)/")
        self._began = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *_COMMAND, str(self._recipe), *settings, *self._config.settings, "--format", "json",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._is_stopped = False
        self._state = {"state": "running", "message": ""}
        self._task = asyncio.create_task(self._follow(self._process, prompts))

    def state(self) -> dict[str, Any]:
        """none, running, done or failed; how far it is, and at its end the report."""
        if self._state["state"] != "running":
            return self._state
        return {**self._state, "seconds": round(time.monotonic() - self._began), **self._progress()}

    async def stop(self) -> None:
        """End what is running, and wait until it has."""
        if self._process and self._task and not self._task.done():
            self._is_stopped = True
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            await self._task

    async def _follow(self, process: asyncio.subprocess.Process, prompts: list[str]) -> None:
        assert process.stdout and process.stderr
        output = asyncio.create_task(process.stdout.read())
        last = ""
        async for line in process.stderr:
            last = line.decode(errors="replace").strip() or last
            self._state["message"] = last
        code, result = await process.wait(), await output
        if code:
            is_stopped = self._is_stopped or code < 0
            self._state = {"state": "failed", "message": "it was stopped" if is_stopped else last}
            return
        try:
            report = json.loads(result)
            tested = self._folder / "corpus" / f"{report['split']}.jsonl"
            report["recordings"] = await self._trained(self._run, prompts, tested)
        except (UserError, ValueError) as error:
            self._state = {"state": "failed", "message": str(error)}
            _logger.warning("training: %s", error)
            return
        self._state = {"state": "done", "seconds": round(time.monotonic() - self._began), "report": report}

    def _progress(self) -> dict[str, Any]:
        """Epochs so far, of how many, and the error rate on the dev split in the last one."""
        try:
            lines = files.read_text(self._run / "metrics.jsonl").splitlines()
            wanted = re.search(r"^ +epochs: (\d+)", files.read_text(self._run / "recipe.yaml"), re.MULTILINE)
        except UserError:
            return {"epoch": 0, "epochs": None}
        epochs = int(wanted[1]) if wanted else None
        return {"epoch": len(lines), "epochs": epochs, **({"last": json.loads(lines[-1])} if lines else {})}
