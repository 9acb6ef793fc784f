"""The utterances with the most errors: a player, the waveform, letters over time, and both texts along it."""

import base64
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape

import numpy as np

from asr import audio
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.recognition import source
from asr.recognition.recognizer import Part, Recognizer
from asr.recognition.transcript import Transcript
from asr.report import charts, plot
from asr.report.runs import Run, Tested
from asr.score import page

NUM_UTTERANCES = 50
_DOTS = 500  # of a waveform
_MAX_PLAYED_S = 30.0

logger = logging.getLogger("asr.report")


def articles(run: Run, tested: Tested, most: int = NUM_UTTERANCES) -> str:
    """The `most` worst utterances as HTML."""
    scored = tested.score
    worst = scored.worst(most)
    recognizer = run.recognizer if run.is_recogniser and worst else None
    parts = []
    for index in worst:
        one = scored.utterance(index)
        known = tested.utterances.get(one.id)
        more = _shown(known, recognizer, tested.references[one.id]) if known else ""
        parts.append(page.article(one, scored.alignments[index], more))
    return "".join(parts)


def labelled(tested: Tested, most: int = NUM_UTTERANCES) -> str:
    """The first `most` utterances that a classifier has labelled wrongly."""
    wrong = [key for key, label in tested.references.items() if tested.hypotheses[key] != label]
    parts = []
    for key in wrong[:most]:
        known = tested.utterances.get(key)
        head = f"{key} · {tested.references[key]} → {tested.hypotheses[key] or '(none)'}"
        parts.append(f"<article><h3>{escape(head)}</h3>{_shown(known, None, '') if known else ''}</article>\n")
    return "".join(parts)


def wrong_commands(recognizer: Recognizer, found: Sequence[tuple[Utterance, Transcript | UserError]]) -> str:
    """The first utterances whose command was not what is labelled: what was wanted, what was found, their sound."""
    parts = []
    for utterance, transcript in found[:NUM_UTTERANCES]:
        wanted = f"{utterance.intent} {dict(utterance.slots or {})}"
        got = transcript if isinstance(transcript, UserError) else f"{transcript.intent} {dict(transcript.slots)}"
        text = "" if isinstance(transcript, UserError) else transcript.text
        lines = "<br>".join(escape(line) for line in (f"wanted: {wanted}", f"got: {got}", f"output: {text}"))
        shown = _shown(utterance, recognizer, recognizer.card.text.normalise(utterance.text))
        parts.append(f"<article><h3>{escape(utterance.id)}</h3><p>{lines}</p>{shown}</article>\n")
    return "".join(parts)


def _shown(utterance: Utterance, recognizer: Recognizer | None, reference: str) -> str:
    """Player and picture; an utterance whose sound is not there any more, or is very long, has none."""
    try:
        if not utterance.audio:
            return _picture(utterance, recognizer, reference, None, 0) if recognizer else ""
        rate = audio.info(utterance.audio).sample_rate
        waveform = manifest.read_waveform(utterance, rate)
        if len(waveform) > _MAX_PLAYED_S * rate:
            return ""
        data = base64.b64encode(audio.encoded(waveform, rate, "utterance.flac")).decode()
        player = f'<audio controls preload="none" src="data:audio/flac;base64,{data}"></audio>'
        return player + _picture(utterance, recognizer, reference, waveform, rate)
    except UserError as error:
        logger.info("%s is not in the report: %s", utterance.id, error)
        return f'<p class="key">{escape(str(error))}</p>'


def _picture(
    utterance: Utterance, recognizer: Recognizer | None, reference: str, waveform: audio.Waveform | None, rate: int
) -> str:
    if waveform is None:
        waveform = np.zeros(1, np.float32)
    duration_s = len(waveform) / rate if rate else utterance.duration_s
    if recognizer is None:
        made = charts.recognition(_levels(waveform), duration_s, None, [])
        return charts.figure(made, is_wide=True)
    sound = replace(source.open(utterance, recognizer.card.features), offset_s=0.0)
    (result,) = recognizer.recognise([sound])
    if isinstance(result, UserError):
        raise result
    _, parts = result
    rows = [("output", _spans(recognizer.transcript(parts)))]
    if reference:
        rows.insert(0, ("spoken", list(_aligned(recognizer, parts, reference))))
    segment, emission = recognizer.network.join(parts)
    tokens = [token for token in reversed(plot.likely(emission)) if token]
    names = [{" ": "␣"}.get(name := recognizer.card.tokenizer.tokens[token], name) for token in tokens]
    end_s = segment.origin_s + len(emission) * recognizer.card.features.frame_ms / 1000
    letters = (np.exp(emission[:, tokens]).T, names, segment.origin_s, end_s) if tokens else None
    return charts.figure(charts.recognition(_levels(waveform), duration_s, letters, rows), is_wide=True)


def _aligned(recognizer: Recognizer, parts: Sequence[Part], text: str) -> Iterator[tuple[str, float, float]]:
    """Where the reference would lie; nowhere if it cannot be aligned."""
    try:
        yield from _spans(recognizer.alignment(parts, text))
    except UserError:
        return


def _spans(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [(word.text, word.start_s, word.end_s) for word in transcript.words]


def _levels(waveform: audio.Waveform) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest of the samples in each dot."""
    step = max(1, len(waveform) // _DOTS)
    dots = np.pad(waveform, (0, -len(waveform) % step), mode="edge").reshape(-1, step)
    return dots.min(axis=1), dots.max(axis=1)
