"""A model file and what its user knows -> all that a home without Python needs: numbers, tables, weights."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asr.decode.decoder import DecoderConfig
from asr.endpointing import SpeechPlan, band_basis
from asr.features import FeatureExtractor, feature_warps
from asr.features.config import round_half_up
from asr.features.speech_level import deemphasis
from asr.grammar import network as networks
from asr.modelfile import graph, layers
from asr.modelfile.card import ModelCard, ModelError
from asr.modelfile.layers import Stack
from asr.recognition.recognizer import Recognizer
from asr.twins.automaton import Automaton, flatten

Bits = Literal[8, 32]
Array = npt.NDArray[Any]
_MANY = 170_000  # weights: 900 KB of base64


@dataclass(frozen=True)
class Weights:
    """A matrix; with 8 bits whole numbers and the scale of each of its rows, or columns."""

    values: Array
    scales: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Twin:
    """A model as other homes take it. `bits` are those of its weights."""

    name: str
    recognizer: Recognizer
    network: Stack
    bits: Bits
    automaton: Automaton | None
    """Of the lexicon or the sentences; None: any text, by the best path."""

    @classmethod
    def read(cls, source: Path, bits: Bits | None = None, decoding: DecoderConfig | None = None) -> "Twin":
        """Of a model file; weights that have 8 bits keep them. Raises ModelError where it is nothing for a twin.

        `bits` None: 32, or 8 where weights of 32 would make a page of more than 1 MB.
        """
        recognizer = Recognizer.load(source, decoding=decoding, runtime="numpy")
        try:
            networks = layers.stacks(graph.read(source.read_bytes()))
        except layers.OtherNetwork as error:
            raise ModelError(f"{source}: {error}, and a page or a board has no other cells than LSTMs") from None
        card = recognizer.card
        if card.features.source != "audio" or len(networks) != 1 or len(card.outputs) > 255:
            raise ModelError(f"{source}: a page or a board recognises sound, by one network of up to 255 tokens")
        constraint = recognizer.constraint or recognizer.resources.lexicon
        automaton = flatten(constraint) if constraint else None
        fewest: Bits = 8 if card.precision == "int8" or networks[0].num_weights > _MANY else 32
        bits = 8 if card.precision == "int8" else bits or fewest
        return cls(source.name, recognizer, networks[0], bits, automaton)

    @property
    def card(self) -> ModelCard:
        """The metadata of the model."""
        return self.recognizer.card

    @property
    def ignored(self) -> list[str]:
        """Settings of the decoder that a twin has not, in words."""
        tuning = self.recognizer.tuning
        found = {"min_confidence": tuning.min_confidence, "garbage_penalty": self.automaton and tuning.garbage_penalty}
        return [name for name, value in found.items() if value]

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """Every setting that is one number or a word, by its name."""
        config, frontend = self.card.features, self.recognizer.frontend
        speech, plan = frontend.speech, SpeechPlan.of(frontend.speech, config)
        padding = round_half_up(frontend.padding_s * config.sample_rate)
        return {
            "sample_rate": config.sample_rate,
            "window_size": min(config.window, config.fft_size),
            "window_span": config.window,
            "hop": config.hop,
            "fft_size": config.fft_size,
            "num_filters": config.num_filters,
            "num_cepstra": config.num_cepstra,
            "has_log_energy": config.energy == "log_energy",
            "preemphasis": config.preemphasis,
            "floor": 10 ** (-config.filter_floor_db / 10) if config.filter_floor_db else 0,
            "deltas": config.deltas,
            "delta_window": config.delta_window,
            "stack": config.stack,
            "mean": config.mean,
            "variance": config.variance,
            "prior_frames": config.prior_frames,
            "peak_frames": round(100 / config.hop_ms),
            "padding": padding,
            "padding_frames": round(frontend.padding_s / config.hop_s),
            "whole_samples": round(speech.max_segment_s * config.sample_rate),
            "cuts": frontend.min_silence_s > 0,
            **{f"speech_{name}": count for name, count in vars(plan).items()},
            "noise_share": speech.noise_share,
            "min_noise_db": speech.min_noise_db,
            "threshold_db": speech.threshold_db,
            "usual_share": speech.usual_share,
            "unsteady": speech.unsteady,
            "max_threshold_db": speech.max_threshold_db,
            "pause_db": speech.pause_db,
            "num_warps": len(self.card.recognition.vtln_warps),
            **self._decoding(),
        }

    @cached_property
    def tables(self) -> dict[str, Array]:
        """Constants of the front end and of the decoder, by name."""
        config, mfcc = self.card.features, FeatureExtractor(self.card.features).mfcc
        is_hamming = config.window_function == "hamming"
        basis, gains = deemphasis(config)
        filters = mfcc.filters[:, :-1] / config.fft_size**2
        bins = [np.flatnonzero(filters[:, k]) for k in range(config.num_filters)]
        spans = [(found[0], found[-1] + 1) if len(found) else (0, 0) for found in bins]
        tables: dict[str, Array] = {
            "window": (np.hamming(config.window) if is_hamming else np.ones(config.window))[: config.fft_size],
            "filter_first": np.array([first for first, _ in spans], np.int32),
            "filter_count": np.array([end - first for first, end in spans], np.int32),
            "filter_weights": np.concatenate([filters[first:end, k] for k, (first, end) in enumerate(spans)]),
            "cosines": mfcc.cosines,
            "band_basis": band_basis(config),
        }
        if config.mean == "speech":
            tables |= {"level_basis": basis, "level_gains": gains}
        if self.card.statistics:
            tables |= {"mean": self.card.statistics.mean, "std": self.card.statistics.std}
        if self.card.recognition.vtln_warps != (1.0,):
            one = 1 + config.deltas
            warps = feature_warps(self.card.recognition.vtln_warps, config, self.card.statistics)
            size = config.num_cepstra * one
            tables["warps"] = np.stack([warp.matrix[:size, :size] for warp in warps])
            tables["warp_offsets"] = np.stack([warp.offset[:size] for warp in warps])
        if self.automaton:
            tables |= {f"automaton_{name}": values for name, values in vars(self.automaton).items()}
        return tables

    @cached_property
    def weights(self) -> dict[str, Weights]:
        """Matrices of the network, by name: those of layer 0 are layer0_inputs (D, 4 H, F) and layer0_recurrent."""
        found = {}
        for index, layer in enumerate(self.network.layers):
            found[f"layer{index}_inputs"] = self._weights(layer.inputs, 2)
            found[f"layer{index}_recurrent"] = self._weights(layer.recurrent, 2)
            found[f"layer{index}_bias"] = Weights(layer.bias)
        head = self._weights(self.network.head, 0)
        found["head"] = Weights(np.ascontiguousarray(head.values.T), head.scales)  # (V, D H)
        found["head_bias"] = Weights(self.network.head_bias)
        return found

    @property
    def sentences(self) -> dict[str, Any] | None:
        """The network that intents are found in, as `asr.grammar.network.to_dict` gives it, and the words skipped."""
        parser = self.recognizer.parser
        if parser is None:
            return None
        return {**networks.to_dict(parser.network), "skip_words": sorted(parser.skip_words)}

    def _weights(self, values: Array, axis: int) -> Weights:
        if self.bits == 32:
            return Weights(values)
        whole, scales = layers.rounded(values, axis)
        return Weights(whole, scales.ravel())

    def _decoding(self) -> dict[str, Any]:
        """Numbers of the beam; none for the best path."""
        if not self.automaton:
            return {}
        config, tuning = self.recognizer.resources, self.recognizer.tuning
        _, word_bonus, blank_penalty = config.weights(tuning.lm_weight, tuning.word_bonus, tuning.blank_penalty)
        return {"word_bonus": word_bonus, "blank_penalty": blank_penalty, "beam_width": config.config.beam_width or 50}
