"""What a run's model makes of commands and of other sound: the right and the wrong ones, misses over false accepts."""

from collections.abc import Iterator, Sequence
from html import escape

from asr.data import corpus
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.recognition import rejection
from asr.recognition.recognizer import Options, Part, Recognizer
from asr.recognition.transcript import Transcript
from asr.report import charts, worst
from asr.report.runs import Run
from asr.score import page
from asr.score.commands import Command
from asr.score.tables import Cell, Rate, Table

_OPTIONS = Options(min_confidence=0.0, has_nearest=False)


def section(run: Run) -> str:
    """Commands that are right, those found in what is none, and the wrong ones to listen to."""
    found = run.commands
    rows: list[tuple[Cell, ...]] = []
    for split, scored in found.get("commands", {}).items():
        shares = {"commands": scored["commands"], "intents": scored["intents"], **scored["slots"]}
        for name, one in shares.items():
            between = f"{Rate(one['interval'][0])} to {Rate(one['interval'][1])}"
            rows.append((split, name, Rate(one["accuracy"]), between, one["total"]))
    if not rows:
        return ""
    parts = [page.table(Table("commands", ("split", "what", "right", "95% interval", "of"), rows))]
    accepted: list[tuple[Cell, ...]] = []
    for kind, one in found.get("accepted", {}).items():
        between = " to ".join(f"{rate:.0f}" for rate in one["interval"])
        accepted.append(
            (kind, one["accepts"], one["recordings"], f"{one['hours']:.2f}", f"{one['per_hour']:.0f}", between)
        )
    if accepted:
        header = ("found in", "commands", "recordings", "hours", "an hour", "95% interval")
        parts.append(page.table(Table("commands found in what is none", header, accepted)))
    recognizer = run.recognizer
    for split in found["commands"]:
        utterances = run.splits.get(split, [])
        wrong = [pair for pair in _recognised(recognizer, utterances) if not _is_right(*pair)]
        if wrong:
            title = f"{len(wrong)} of {len(utterances)} commands of the split {split} are wrong"
            if len(wrong) > worst.NUM_UTTERANCES:
                title += f"; the first {worst.NUM_UTTERANCES}"
            parts.append(f'<h3 class="part">{escape(title)}</h3>{worst.wrong_commands(recognizer, wrong)}')
    return f"<h2>{escape(run.name)}: commands</h2>{''.join(parts)}"


def _recognised(
    recognizer: Recognizer, utterances: Sequence[Utterance]
) -> list[tuple[Utterance, Transcript | UserError]]:
    labelled = [utterance for utterance in utterances if utterance.intent is not None]
    return list(zip(labelled, recognizer.transcribe_all(labelled, options=_OPTIONS), strict=True))


def _is_right(utterance: Utterance, transcript: Transcript | UserError) -> bool:
    if isinstance(transcript, UserError):
        return False
    return Command.of(utterance).is_met_by(Command.of(transcript))


def rejected(run: Run, negatives: Sequence[Utterance]) -> str:
    """Misses over false accepts as a curve and a table, where there is sound to be rejected."""
    positives = run.splits.get(corpus.REAL) or next((list(one.utterances.values()) for one in run.tested.values()), [])
    if not negatives or not positives or not run.is_recogniser:
        return ""
    try:
        spoken, others = _segments(run.recognizer, positives), _segments(run.recognizer, negatives)
        readable = (parts for parts in others if not isinstance(parts, UserError))
        measured = rejection.measure(run.recognizer, positives, spoken, readable)
    except UserError as error:
        return f'<p class="how">no curve of rejection: {escape(str(error))}</p>'
    curve = measured.curve()
    points = [measured.at(threshold) for threshold in rejection.THRESHOLDS]
    marks = [(one.false_accepts_per_hour, one.miss_rate, f"{one.threshold:g}") for one in points[1::2]]
    chart = charts.tradeoff(curve.miss_rates.tolist(), curve.false_accepts_per_hour.tolist(), measured.what, marks)
    rows: list[tuple[Cell, ...]] = []
    for one in points:
        missed, accepts = one.miss_range, one.false_accepts_range
        accepted = f"{one.false_accepts_per_hour:.2f}", f"{accepts.low:.2f} to {accepts.high:.2f}"
        rows.append(
            (f"{one.threshold:g}", Rate(one.miss_rate), f"{Rate(missed.low)} to {Rate(missed.high)}", *accepted)
        )
    header = ("threshold", "missed", "95% interval", "accepted an hour", "95% interval")
    title = f"of {len(measured.positives)} {measured.what}, and in {measured.negative_hours:.2f} h of other sound"
    made = f'<div class="charts">{charts.figure(chart)}{page.table(Table(title, header, rows))}</div>'
    return f"<h2>{escape(run.name)}: rejection</h2>{made}"


def _segments(recognizer: Recognizer, utterances: Sequence[Utterance]) -> Iterator[list[Part] | UserError]:
    """Those of each utterance with their log-probabilities, as they come."""
    for result in recognizer.recognise(utterances):
        yield result if isinstance(result, UserError) else result[1]
