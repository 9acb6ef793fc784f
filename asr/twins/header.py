"""A model file -> one C99 file that recognises on a board: no heap, no library but libm, memory that is fixed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import files
from asr.modelfile.card import ModelError
from asr.twins.twin import Array, Twin

_PARTS = ("memory", "frontend", "speech", "network", "decode", "interface")
_SCOPES = {"none": 0, "utterance": 1, "corpus": 2, "speech": 3}
_ABOUT = """\
/* A speech recogniser: {name}, {rate} Hz, {bits} bits, {words}. Made by asr-export; Apache-2.0.

     static asr_recognizer recognizer;
     asr_start(&recognizer, 0);
     asr_feed(&recognizer, samples, count);        as often as there are samples, up to ASR_MAX_MS
     puts(asr_result(&recognizer));                and another utterance may begin

   With asr_start(&recognizer, 1) sound may be endless: ask asr_result after each asr_feed. Define ASR_MAX_MS,
   ASR_LIVE 0, ASR_MAX_TEXT or ASR_MAX_PREFIXES before this file is included to have it larger or smaller. */

#ifndef ASR_MODEL_H
#define ASR_MODEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
"""


def write(twin: Twin, target: Path) -> None:
    """Write the file; raises ModelError where C cannot do what the model asks for."""
    config = twin.card.features
    if config.sample_rate / config.fft_size > 40 or config.fft_size & (config.fft_size - 1):
        raise ModelError(f"{twin.name}: on a board features.fft_size is a power of two, of at least a 40th of the rate")
    if config.hop > config.window or twin.numbers["padding"] != twin.numbers["padding_frames"] * config.hop:
        raise ModelError(f"{twin.name}: on a board windows overlap, and recognition.noise_pad_ms is so many hops")
    here = Path(__file__).parent / "c"
    parts = [(here / f"{part}.h").read_text("utf-8") for part in _PARTS]
    lines = "\n".join([*_numbers(twin), "", *_tables(twin), ""])
    about = _ABOUT.format(
        name=twin.name, rate=config.sample_rate, bits=twin.bits, words="a lexicon" if twin.automaton else "any text"
    )
    files.write_text(target, "\n".join([about, lines, *parts, "#endif\n"]))


def _numbers(twin: Twin) -> Iterator[str]:
    tokens, layers = twin.card.tokenizer.tokens, twin.network.layers
    widths = [len(layer.inputs) * layer.hidden_size for layer in layers]
    numbers: dict[str, Any] = twin.numbers | {
        "num_tokens": len(tokens),
        "space": tokens.index(" ") if " " in tokens else -1,
        "num_layers": len(layers),
        "layer_mask": int(len(layers) > 2),
        "max_size": max(layer.hidden_size for layer in layers),
        "max_width": max(widths),
        "head_width": widths[-1],
        "has_automaton": int(twin.automaton is not None),
    }
    for name, number in _SCOPES.items():
        yield f"#define ASR_OF_{name.upper()} {number}"
    for name, value in numbers.items():
        shown = _SCOPES[value] if isinstance(value, str) else int(value) if isinstance(value, bool) else value
        yield f"#define ASR_{name.upper()} {_number(shown) if isinstance(shown, float) else shown}"
    yield "typedef " + ("int8_t" if twin.bits == 8 else "float") + " asr_weight;"
    yield "#define ASR_SCALED(sum, scales, row) " + ("((sum) * (scales)[row])" if twin.bits == 8 else "(sum)")


def _tables(twin: Twin) -> Iterator[str]:
    angles = 2 * np.pi * np.arange(twin.card.features.fft_size // 2) / twin.card.features.fft_size
    for name, values in {"cos": np.cos(angles), "sin": np.sin(angles), **twin.tables}.items():
        yield _array(name, values)
    tokens = ", ".join(json.dumps(token, ensure_ascii=False) for token in twin.card.tokenizer.tokens)
    yield f"static const char *const asr_tokens[] = {{{tokens}}};"
    for name, weights in twin.weights.items():
        yield _array(name, weights.values)
        if weights.scales is not None:
            yield _array(f"{name}_scales", weights.scales)
    yield "typedef struct {\n  const asr_weight *inputs, *recurrent;"
    yield "  const float *bias, *input_scales, *recurrent_scales;\n  int size, width, directions;\n} asr_layer;"
    yield "static const asr_layer asr_layers[] = {"
    for index, layer in enumerate(twin.network.layers):
        name = f"asr_layer{index}_"
        scales = f"{name}inputs_scales, {name}recurrent_scales" if twin.bits == 8 else "0, 0"
        sizes = f"{layer.hidden_size}, {layer.inputs.shape[2]}, {len(layer.inputs)}"
        yield f"  {{{name}inputs, {name}recurrent, {name}bias, {scales}, {sizes}}},"
    yield "};"


def _array(name: str, values: Array) -> str:
    kinds = {"f": "float", "i": f"int{8 * values.itemsize}_t", "u": "uint8_t"}
    flat: npt.NDArray[Any] = values.ravel()
    shown = [_number(value) if values.dtype.kind == "f" else str(value) for value in flat.tolist()] or ["0"]
    lines = [", ".join(shown[start : start + 16]) for start in range(0, len(shown), 16)]
    return f"static const {kinds[values.dtype.kind]} asr_{name}[] = {{\n" + ",\n".join(lines) + "};"


def _number(value: float) -> str:
    """A constant of C that is the float32 nearest to a number."""
    shown = f"{np.float32(value):.9g}"
    return f"{shown}f" if {".", "e"} & set(shown) else f"{shown}.0f"
