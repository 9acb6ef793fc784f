"""Which field of a record is its id, which its text and which its speaker, by the names that toolkits give them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Role = Literal["reference", "hypothesis"]
"""What a file is read for: some hold both."""

NAME_KEYS = ("id", "utt_id", "utterance_id", "uttid", "utt", "utterance", "segment_id", "key")
SOUND_KEYS = ("file", "path", "audio", "audio_filepath", "audio_path", "audio_file", "wav", "wav_filename", "wav_path",
              "filename", "file_name", "sound")  # fmt: skip
ID_KEYS = (*NAME_KEYS, *SOUND_KEYS)
TEXT_KEYS = ("text", "transcript", "transcription", "sentence", "words", "wrd", "txt")
REFERENCE_KEYS = ("reference", "ref", "ref_text", "reference_text", "ground_truth", "target_text", "src")
SPEAKER_KEYS = ("speaker", "speaker_id", "spk", "spk_id", "client_id")
OFFSET_KEYS = ("offset", "start_s", "start", "start_time", "begin", "begin_time")

_TEXT = "(text|transcript|transcription|sentence|words?)"
_HYPOTHESIS_KEY = re.compile(
    rf"(pred|predicted|predictions?|hyp|hypo|hypothesis|hypotheses|recogni[sz]ed|decoded|generated)([_ -]?{_TEXT})?"
    rf"|(rec|asr|output|model|transcribed)[_ -]?{_TEXT}|(asr|model)[_ -]output|pred_text_.*"
    rf"|{_TEXT}[_ -](pred|predicted|prediction|hyp|hypothesis|rec|asr|model)"
)


class FieldError(ValueError):
    """A record that lacks what is wanted; the message is the end of a sentence that begins with where it stands."""


@dataclass(frozen=True)
class TextField:
    """Where the text of a record stands."""

    key: str
    is_predicted: bool
    """Whether its name says that it holds a hypothesis."""
    beside: str = ""
    """The field that holds the reference beside a hypothesis, if any."""


@cache
def text_field(keys: tuple[str, ...], role: Role) -> TextField | None:
    """Which of the keys of a record, in lower case, holds its text; None without one.

    A recogniser that copies the manifest, as NeMo does, leaves the reference in `text` and puts its own words beside
    it. Then they alone are the hypothesis. Raises FieldError where several keys hold hypotheses, or none does.
    """
    predicted = [key for key in keys if _HYPOTHESIS_KEY.fullmatch(key) or (key == "res" and "src" in keys)]
    references = [key for key in REFERENCE_KEYS if key in keys]
    texts = [key for key in TEXT_KEYS if key in keys]
    if role == "hypothesis":
        if len(predicted) > 1:
            raise FieldError(f"{' and '.join(map(repr, predicted))} hold hypotheses; keep one of them")
        if predicted:
            return TextField(predicted[0], True, next(iter([*references, *texts]), ""))
        if references and not texts:
            raise FieldError(f"{references[0]!r} holds a reference, and nothing holds a hypothesis")
        return TextField(texts[0], False) if texts else None
    if predicted and not references and not texts:
        raise FieldError(f"{predicted[0]!r} holds a hypothesis, and nothing holds a reference")
    return TextField([*references, *texts][0], False) if references or texts else None


def wanted() -> str:
    """What a record must hold, for messages."""
    return "an id (id, utt_id, path, audio_filepath, ...) and a text (text, transcript, sentence, ...)"


def id_of(values: Mapping[str, Any]) -> str | None:
    """The id of a record; of a segment of a longer recording, the recording's path with its offset.

    A whole number is an id too. Raises FieldError for what is neither.
    """
    key = next((key for key in ID_KEYS if values.get(key) is not None), None)
    if key is None:
        return None
    value = values[key]
    if isinstance(value, dict):  # as in Hugging Face's datasets
        value = value.get("path")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise FieldError(f"the id in {key!r} is {_named(value)}; write it as a string")
    if key not in SOUND_KEYS:
        return value
    return segment_id(value, next((values[key] for key in OFFSET_KEYS if key in values), None))


def segment_id(path: str, offset_s: Any) -> str:
    """The id of a segment that begins after so many seconds of a recording; the recording's path at its beginning."""
    try:
        return f"{path}@{float(offset_s)!r}" if float(offset_s) else path
    except (TypeError, ValueError, OverflowError):
        return path


def text_of(value: Any, key: str) -> str:
    """A text from a string, or from the words in a list of them; raises FieldError for what is neither."""
    if isinstance(value, list):
        words = [word.get("text", word.get("word")) if isinstance(word, dict) else word for word in value]
        strings = [word for word in words if isinstance(word, str)]
        if len(strings) == len(words):
            return " ".join(strings)
    if not isinstance(value, str):
        raise FieldError(f"the text in {key!r} is {_named(value)}; write it as a string")
    return value.strip()


def _named(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return {int: "a number", float: "a number", list: "a list", dict: "an object"}.get(type(value), "no string")
