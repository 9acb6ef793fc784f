"""Waveform -> features: MFCCs as python_speech_features computes them, deltas, normalisation. numpy only."""

from asr.features.batch import group_by_length, pad
from asr.features.config import FeatureConfig, FeatureError, Frames
from asr.features.dynamics import Statistics, delta, stack
from asr.features.extractor import FeatureExtractor
from asr.features.mfcc import dct
from asr.features.speech_level import levels_db, relative_to_speech
from asr.features.vtln import FeatureWarp, feature_warps, warp

__all__ = [
    "FeatureConfig",
    "FeatureError",
    "FeatureExtractor",
    "FeatureWarp",
    "Frames",
    "Statistics",
    "dct",
    "delta",
    "feature_warps",
    "group_by_length",
    "levels_db",
    "pad",
    "relative_to_speech",
    "stack",
    "warp",
]
