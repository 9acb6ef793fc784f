"""Segments -> log-probabilities: features, VTLN warps, batches of like length, the session."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.decode.hypothesis import Emission
from asr.features import FeatureExtractor, FeatureWarp, Frames, feature_warps, group_by_length, pad
from asr.modelfile.card import ModelCard
from asr.modelfile.session import Session
from asr.recognition.frontend import Segment
from asr.text import BLANK

_MAX_BATCH = 8  # utterances in a batch, see group_by_length
_SILENCE = 1e-9  # probability of each letter where nobody speaks


@dataclass(frozen=True)
class Network:
    """An acoustic model: a session, and what of the metadata says how it is used."""

    session: Session
    extractor: FeatureExtractor
    num_tokens: int
    warps: tuple[FeatureWarp, ...] = ()
    """None where features go through the network as they are."""
    max_batch: int = _MAX_BATCH

    @classmethod
    def of(cls, session: Session, card: ModelCard, extractor: FeatureExtractor) -> "Network":
        """The network of a model."""
        factors = card.recognition.vtln_warps
        warps = feature_warps(factors, card.features, card.statistics) if factors != (1.0,) else ()
        return cls(session, extractor, len(card.outputs), warps)

    def emissions(self, segments: Sequence[Segment]) -> list[Emission]:
        """Log-probabilities (T, V) of each segment, (0, V) of one in which nobody speaks. Raises FeatureError."""
        none = np.empty((0, self.extractor.config.num_features), np.float32)
        return self.log_probs(
            [self.extractor.features(segment.cepstra) if segment.is_speech else none for segment in segments],
            [self.extractor.prior_share(segment.cepstra) if segment.is_speech else 0.0 for segment in segments]
            if self.warps
            else None,
        )

    def log_probs(self, frames: Sequence[Frames], prior_shares: Sequence[float] | None = None) -> list[Emission]:
        """Features (T, F) of several utterances -> log_probs (T, V) of each, in batches that hold little padding.

        `prior_shares` are how much of what was subtracted from each is the mean of the corpus, all of it if not given:
        warps need it. The network is not asked about what has no frames.
        """
        shares = np.ones(len(frames), np.float32) if prior_shares is None else np.array(prior_shares, np.float32)
        found: list[Emission] = [np.empty((0, self.num_tokens), np.float32)] * len(frames)
        for indices in group_by_length([len(utterance) for utterance in frames], self.max_batch):
            for index, emission in zip(
                indices, self._batch([frames[index] for index in indices], shares[indices]), strict=True
            ):
                found[index] = emission
        return found

    def _batch(self, frames: Sequence[Frames], prior_shares: npt.NDArray[np.float32]) -> list[Emission]:
        """Features of utterances that go through the network together -> log_probs (T, V) of each.

        Of several warps the mean, which is the geometric one of the probabilities, made to sum to one again.
        """
        padded, lengths = pad(frames, np.float32)
        outputs = [
            self.session.run(None, {"frames": warped, "frame_lengths": lengths})
            for warped in ([warp(padded, prior_shares) for warp in self.warps] or [padded])
        ]
        log_probs, output_lengths = outputs[0]
        if len(outputs) > 1:
            log_probs = np.mean([warped for warped, _ in outputs], axis=0)
            log_probs = log_probs - np.logaddexp.reduce(log_probs, axis=2, keepdims=True)
        return [emission[:length] for emission, length in zip(log_probs, output_lengths, strict=True)]

    def join(self, parts: Sequence[tuple[Segment, Emission]]) -> tuple[Segment, Emission]:
        """Segments that follow one another as one, and its log_probs (T, V): blank where nobody speaks."""
        emissions = [
            emission if segment.is_speech else self._blanks(self.extractor.config.num_stacked(len(segment.cepstra)))
            for segment, emission in parts
        ]
        first, last = parts[0][0], parts[-1][0]
        cepstra = np.concatenate([segment.cepstra for segment, _ in parts])
        return Segment(cepstra, first.origin_s, first.start_s, last.end_s), np.concatenate(emissions)

    def _blanks(self, num_frames: int) -> Emission:
        """Log-probabilities (T, V) of a blank that is all but certain."""
        log_probs = np.full((num_frames, self.num_tokens), math.log(_SILENCE), np.float32)
        log_probs[:, BLANK] = math.log1p(-_SILENCE * (self.num_tokens - 1))
        return log_probs
