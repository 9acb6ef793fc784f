"""What recognition does that training does not: settings of their own, which travel with the model."""

from dataclasses import dataclass

from asr.errors import UserError
from asr.features import FeatureConfig

_MAX_WARPS = 16


@dataclass(frozen=True)
class RecognitionConfig:
    """How sound is brought to a network when it is recognised; training has augmentation instead."""

    vtln_warps: tuple[float, ...] = (1.0,)
    """Factors by which the frequency axis is warped: sound goes through the network with each of them, and the mean of
    the log-probabilities is taken: with [0.86, 1, 1.15] as spoken, by a taller and by a smaller speaker."""
    noise_pad_ms: float = 0.0
    """So much faint noise, 60 dB below the peak, before and after a sound, so that words cut tightly have a context."""
    min_silence_ms: float = 0.0
    """Sound is cut in each pause of so much, and each segment is recognised on its own, with 0.3 s of silence around it
    at most, for a network that was trained on one word at a time. 0: sound of up to half a minute stays whole."""

    def __post_init__(self) -> None:
        for name in ("noise_pad_ms", "min_silence_ms"):
            if not 0 <= getattr(self, name) <= 10_000:
                raise UserError(f"recognition.{name} must be from 0 to 10000, not {getattr(self, name):g}")
        object.__setattr__(self, "vtln_warps", tuple(self.vtln_warps))  # JSON gives a list
        shown = list(self.vtln_warps[: _MAX_WARPS + 1])
        if not 1 <= len(self.vtln_warps) <= _MAX_WARPS or not all(0.5 <= factor <= 2 for factor in self.vtln_warps):
            raise UserError(f"recognition.vtln_warps must be at most {_MAX_WARPS} numbers from 0.5 to 2, not {shown}")

    def check(self, features: FeatureConfig) -> None:
        """Raise UserError where these settings do not go with those of the features."""
        if self.vtln_warps != (1.0,) and features.variance == "utterance":
            raise UserError(
                "recognition.vtln_warps need a features.variance that is none or corpus: an utterance's own changes "
                "with the warp"
            )
