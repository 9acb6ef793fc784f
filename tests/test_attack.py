"""A training loses nothing; tools/attack.py does it for longer."""

import subprocess
import sys

import pytest
from conftest import REPOSITORY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the attacks fork processes and read /proc, as Linux has it"),
]


@pytest.mark.parametrize(("kind", "count"), [("kills", 4), ("cuts", 2), ("disks", 3), ("pairs", 3)])
def test_a_bounded_form_of_each_attack(kind, count):
    command = [sys.executable, REPOSITORY / "tools" / "attack.py", "--only", kind, "--count", str(count)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "skipped: " in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr + done.stdout
    tried = int(done.stdout.splitlines()[2].split("|")[2])
    assert tried >= count, done.stdout
