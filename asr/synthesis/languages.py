"""The languages of espeak-ng: which voices speak one, and what of its data they need.

A language is named as espeak-ng names it, by a code of BCP 47 in lower case: de, pt-br, en-gb-x-rp. A code without a
region stands for all of its voices: pt for those of Portugal and of Brazil.
"""

import difflib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from asr import extras
from asr.synthesis.errors import SynthesisError


class Accent(NamedTuple):
    """A voice of espeak-ng that is no variant."""

    code: str
    """The name of its file: de, en-gb-scotland."""
    languages: tuple[str, ...]
    """Codes of what it speaks: nb and no."""
    file: Path
    """Of its definition, relative to the folder of the data."""
    dictionary: str
    """The name of the rules that it reads by."""


def data_folder() -> Path:
    """Where espeak-ng's data lie; raises SynthesisError where it is not installed."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise SynthesisError(f"espeak-ng is not installed ({error}): {extras.install('synth')}") from None
    return Path(espeakng_loader.get_data_path())


@cache
def all_accents() -> tuple[Accent, ...]:
    """Every voice there is, by code. Raises SynthesisError."""
    data = data_folder()
    found = []
    for path in sorted((data / "lang").rglob("*")):
        if not path.is_file():
            continue
        lines = [line.split() for line in path.read_text("utf-8", "replace").splitlines()]
        spoken = tuple(line[1].lower() for line in lines if len(line) > 1 and line[0] == "language")
        if spoken:
            named = [line[1] for line in lines if len(line) > 1 and line[0] == "dictionary"]
            dictionary = [*named, spoken[0].partition("-")[0]][0]
            found.append(Accent(path.name.lower(), spoken, path.relative_to(data), dictionary))
    return tuple(sorted(found))


def accents(language: str) -> list[str]:
    """The codes of the voices that speak a language. Raises SynthesisError naming the nearest where there is none."""
    codes = [accent.code for accent in all_accents()]
    wanted = language.lower().replace("_", "-")
    found = [
        accent.code
        for accent in all_accents()
        for spoken in [{accent.code, *accent.languages}]
        if wanted in spoken or ("-" not in wanted and wanted in {code.partition("-")[0] for code in spoken})
    ]
    if not found:
        near = difflib.get_close_matches(wanted, codes, 3, 0.3)
        raise SynthesisError(f"espeak-ng has no language {language!r}; near it are {', '.join(near or codes[:3])}")
    return found


def is_same(language: str, other: str) -> bool:
    """Whether two codes are of one language, whatever their regions."""
    return language.lower().partition("-")[0] == other.lower().partition("-")[0]


def needed(codes: Iterable[str]) -> set[Path]:
    """The files below the folder of the data that voices of these codes need: definitions and dictionaries."""
    wanted = {code.lower() for code in codes}
    chosen = [accent for accent in all_accents() if accent.code in wanted]
    return {accent.file for accent in chosen} | {Path(f"{accent.dictionary}_dict") for accent in chosen}
