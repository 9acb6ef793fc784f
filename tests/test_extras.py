import re
import tomllib

import pytest
from conftest import REPOSITORY

from asr import extras

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_name_is_the_distribution_s():
    assert PROJECT["name"] == extras.DISTRIBUTION
    for requirements in PROJECT["optional-dependencies"].values():
        assert not any(requirement.startswith("asr[") for requirement in requirements), "another project's name"


@pytest.mark.parametrize("extra", PROJECT["optional-dependencies"])
def test_the_sentence_works_from_the_index_and_from_a_checkout(extra):
    sentence = extras.missing("--plot", "matplotlib", extra)
    assert sentence.startswith("--plot needs the package matplotlib: ")
    assert f'pip install "{extras.DISTRIBUTION}[{extra}]"' in sentence and f'pip install ".[{extra}]"' in sentence


def test_no_text_names_another_project_s_package():
    """`asr[plot]` would install it; a subscript in code has no letters of an extra between its brackets."""
    extra = re.compile(rf"(?<!ctc-)\basr\[(?:{'|'.join(PROJECT['optional-dependencies'])})\b")
    for path in [*REPOSITORY.glob("asr/**/*.py"), *REPOSITORY.glob("recipes/**/*.py"), *REPOSITORY.glob("*.md")]:
        assert not extra.search(path.read_text("utf-8")), path
