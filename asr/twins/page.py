"""A model file -> one HTML file that recognises a dropped file or the microphone, with no server and no network."""

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import files, tasks
from asr.features import FeatureExtractor
from asr.features.speech_level import deemphasis
from asr.modelfile import graph, session
from asr.modelfile.card import ModelCard, ModelError
from asr.modelfile.layers import OtherNetwork, stacks

_HERE = Path(__file__).parent


def write(source: Path, target: Path) -> None:
    """Write the page of a model; raises ModelError naming the file where the page cannot do what the model asks for."""
    page = (_HERE / "page.html").read_text("utf-8")
    script = (_HERE / "recognizer.js").read_text("utf-8")
    held = json.dumps(settings(source), ensure_ascii=False).replace("</", "<\\/")
    page = page.replace("/*MODEL*/", f"const MODEL = {held};").replace("/*RECOGNIZER*/", script)
    files.write_text(target, page)


def settings(source: Path) -> dict[str, Any]:
    """All that recognizer.js needs of a model, as values of JSON."""
    _, card = session.load(source, runtime="numpy")
    tasks.check(source, card, "asr-transcribe")
    try:
        networks = stacks(graph.read(source.read_bytes()))
    except OtherNetwork as error:
        raise ModelError(f"{source}: {error}, and a page has no other cells than LSTMs") from None
    recognition = card.recognition
    if card.sentences is not None or card.features.source != "audio" or len(networks) != 1:
        raise ModelError(f"{source}: a page recognises sound by one network, without sentences")
    if recognition.min_silence_ms or recognition.noise_pad_ms or recognition.vtln_warps != (1.0,):
        raise ModelError(
            f"{source}: a page does not cut sound in pauses, pad it with noise or warp it: train with "
            "recognition.min_silence_ms=0, noise_pad_ms=0 and vtln_warps=[1]"
        )
    (network,) = networks
    arrays = _front_end(card) | {"head": network.head, "head_bias": network.head_bias}
    for index, layer in enumerate(network.layers):
        for name, values in (("W", layer.inputs), ("R", layer.recurrent), ("B", layer.bias)):
            arrays[f"layer{index}{name}"] = values
    config = card.features
    features = {**asdict(config), "window": config.window, "hop": config.hop}
    return {
        "features": features | {"peak_frames": round(100 / config.hop_ms)},
        "tokens": card.tokenizer.tokens,
        "layers": [{"size": layer.hidden_size, "directions": len(layer.inputs)} for layer in network.layers],
        "arrays": {name: _encoded(values) for name, values in arrays.items()},
    }


def _front_end(card: ModelCard) -> dict[str, npt.NDArray[Any]]:
    config, mfcc = card.features, FeatureExtractor(card.features).mfcc
    is_hamming = config.window_function == "hamming"
    basis, gains = deemphasis(config)
    arrays: dict[str, npt.NDArray[Any]] = {
        "window": np.hamming(config.window) if is_hamming else np.ones(config.window),
        "filters": mfcc.filters,
        "cosines": mfcc.cosines,
        "level_basis": basis,
        "level_gains": gains,
    }
    return arrays | (dict(vars(card.statistics)) if card.statistics else {})


def _encoded(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
