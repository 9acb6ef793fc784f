"""How much of a stranger's file is taken in at once: limits against bombs, which the environment may move.

ASR_MAX_TEXT_MB (268): of a text file, after unpacking. ASR_MAX_SOUND_S (14400, four hours): of sound that is held
whole, as training, aligning and evaluating hold it; transcribing does not. ASR_MAX_PIPE_MB (1074): of sound from a
pipe.
"""

import math
import os

from asr.errors import UserError


def max_text_bytes() -> int:
    """Of a text file, unpacked."""
    return int(1e6 * _limit("ASR_MAX_TEXT_MB", 268.435456))


def max_sound_s() -> float:
    """Of sound that is held whole, in seconds."""
    return _limit("ASR_MAX_SOUND_S", 14400.0)


def max_pipe_bytes() -> int:
    """Of sound that comes through a pipe."""
    return int(1e6 * _limit("ASR_MAX_PIPE_MB", 1073.741824))


def _limit(name: str, default: float) -> float:
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"the environment's {name} is {text!r}, where a number above 0 is wanted")
    return value
