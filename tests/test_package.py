"""The wheel and the sdist hold what runs, and the wheel runs from another folder than the checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest
from conftest import REPOSITORY

NEEDED = ("asr/py.typed", "asr/models/digits.onnx", "asr/score/page.html", "asr/twins/recognizer.js")


@pytest.mark.slow
def test_what_is_built_is_whole_and_runs(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")
    for kind in ("wheel", "sdist"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", tmp_path]
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "site")
    assert names >= set(NEEDED)
    source = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "asr").rglob("*.py")}
    assert source <= names
    with tarfile.open(sdist) as packed:
        inside = {name.partition("/")[2] for name in packed.getnames()}
    assert inside >= {*NEEDED, "pyproject.toml", "README.md", "recipes/yesno.yaml", "tests/conftest.py"}
    code = (
        "import asr, numpy as np; from asr import Recognizer; print(asr.__file__);"
        "print(repr(Recognizer.load().transcribe(np.zeros(8000, np.float32), 8000).text))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    path, text = done.stdout.splitlines()
    assert path.startswith(str(tmp_path)) and text == "''"
