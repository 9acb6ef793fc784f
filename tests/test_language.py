"""The glossary is kept: phrases that have a word of the field do not come back in texts, messages or comments."""

import re

import pytest
from conftest import REPOSITORY

BANNED = {
    r"hears?|heard|hearing": "recognise, output, be trained on",
    r"left out|leaves? out": "skipped, excluded, dropped",
    r"stretch(es)? of|a stretch|the stretch(es)?|each stretch": "segment",
    r"(the|its|other|every|each|only) doors?|doors (as|start|take)": "command",
    r"blanks? between (\w+ )?words": "space; blank is CTC's only",
    r"vocal tracts?(?! length)": "VTLN warp factor",
    r"in place of": "instead of",
    r"as many as pay": "default: chosen from the input's size",
    r"none of (its|the|your|these|those|them|their) words": "out-of-vocabulary speech, other words",
    r"what is none of": "out-of-vocabulary speech, non-target speech",
    r"how sure|too sure|less sure|surer?ly? that": "confidence",
    r"(is|are|was|were|be|been) said|what (they|it|he|she|somebody|people) says?": "spoken, reference, transcript",
    r"(of|the model) before(?= [a-z]+ (had|has))|the \w+ of before": "the previous, the earlier",
    r"(static|finished) (frames?|features)": "cepstra, features",
}
"""Regular expressions of whole words, each with what to write."""

FOLDERS = ("asr", "recipes", "tools", ".")
SUFFIXES = {".py", ".md", ".yaml", ".html", ".toml"}


def texts():
    for folder in FOLDERS:
        top = REPOSITORY / folder
        for path in sorted(top.glob("*") if folder == "." else top.rglob("*")):
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                yield path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("name", list(texts()))
def test_the_field_s_words(name):
    found = []
    for number, line in enumerate((REPOSITORY / name).read_text("utf-8").splitlines(), 1):
        for phrase, instead in BANNED.items():
            found += [
                f"{name}:{number}: {match[0]!r}; write {instead}"
                for match in re.finditer(rf"\b(?:{phrase})\b", line, re.IGNORECASE)
            ]
    assert not found, "\n".join(found)
