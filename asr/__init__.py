"""A small speech recogniser: MFCC front end, bidirectional LSTM, CTC.

The public names below are imported when first used, so that `import asr` costs nothing and nothing that only
transcribes or scores ever loads PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "DecoderConfig": "asr.decode.decoder",
    "ErrorCount": "asr.score",
    "FeatureConfig": "asr.features",
    "FeatureExtractor": "asr.features",
    "Options": "asr.recognition.recognizer",
    "Recognizer": "asr.recognition.recognizer",
    "Tokenizer": "asr.text",
    "Transcript": "asr.recognition.transcript",
    "Utterance": "asr.data.manifest",
    "Word": "asr.recognition.transcript",
}

__all__ = ["DecoderConfig", "ErrorCount", "FeatureConfig", "FeatureExtractor", "Options", "Recognizer", "Tokenizer",
           "Transcript", "Utterance", "Word"]  # fmt: skip

if TYPE_CHECKING:
    from asr.data.manifest import Utterance
    from asr.decode.decoder import DecoderConfig
    from asr.features import FeatureConfig, FeatureExtractor
    from asr.recognition.recognizer import Options, Recognizer
    from asr.recognition.transcript import Transcript, Word
    from asr.score import ErrorCount
    from asr.text import Tokenizer


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
