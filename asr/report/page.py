"""Runs as one self-contained HTML page: how they were trained, what they come to, where they fail, how they differ."""

import json
import logging
import shlex
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from asr import files
from asr.data import corpus, folder, formats
from asr.data.manifest import Utterance
from asr.modelfile.describe import describe
from asr.modelfile.locate import MODEL_FILE
from asr.report import breakdown, charts, commands, plot, worst
from asr.report.runs import Run, Tested
from asr.score import Report, ScoreError, page, tables
from asr.score.tables import Table

REPORT_FILE = "report.html"
_STYLE = (
    charts.STYLE
    + """audio { display: block; width: 100%; max-width: 26rem; height: 2.2rem; margin: .3rem 0; }
details { margin: .75rem 0; } summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; background: var(--band); padding: .6rem; font-size: .85rem; }
h3.part { font-size: 1.05rem; margin: 1.5rem 0 .25rem; } nav a { margin-right: 1rem; } a { color: inherit; }
@media print { audio, nav { display: none; } details > *:not(summary) { display: block; } }
"""
)
_RATES = ("dev_wer", "dev_cer", "dev_error", "dev_accuracy")

_MAX_SKIPPED = 200
_Line = tuple[str, list[float], list[float], int, str]

logger = logging.getLogger("asr.report")


def write(path: Path, runs: Sequence[Run], negatives: Sequence[Utterance] = ()) -> None:
    """Write the page of one run, or of several side by side, whole or not at all.

    `negatives` is sound in which a recogniser is to find nothing; without it, each run's own, where its corpus has
    some. Raises PlotError where matplotlib is missing.
    """
    plot.check(path.with_suffix(".svg"))
    files.write_text(path, html(runs, negatives))


def html(runs: Sequence[Run], negatives: Sequence[Utterance] = ()) -> str:
    """The page as text; see `write`."""
    names = _names(runs)
    links = "".join(f'<a href="#run{number}">{escape(name)}</a>' for number, name in enumerate(names))
    parts = [f"<nav>{links}</nav>"] if len(runs) > 1 else []
    parts += [_results(runs, names), _training(runs, names)]
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        parts.append(f'<h2 id="run{number}">{escape(name)}: what it was</h2>{_description(run)}')
        for tested in run.tested.values():
            split = f"{name}: {tested.split}"
            parts.append(f"<section><h2>{escape(split)}</h2>{_details(run, tested)}</section>")
        parts.append(commands.section(run))
        parts.append(commands.rejected(run, negatives or run.splits.get(corpus.NEGATIVES, [])))
    titles = [f"{run.card.recipe.get('name', '')} {name}".strip() for run, name in zip(runs, names, strict=True)]
    return page.document(" beside ".join(titles), "\n".join(filter(None, parts)), _STYLE)


def _names(runs: Sequence[Run]) -> list[str]:
    """The names of folders, with the folder above where they repeat."""
    short = [run.name for run in runs]
    if len(set(short)) == len(short):
        return short
    return [f"{run.folder.resolve().parent.name}/{run.name}" for run in runs]


def _results(runs: Sequence[Run], names: Sequence[str]) -> str:
    parts = ["<h2>Results</h2>"]
    for split in (*reversed(corpus.SPLITS), corpus.REAL):
        found = [(name, run, run.tested[split]) for name, run in zip(names, runs, strict=True) if split in run.tested]
        texts = [(name, tested) for name, run, tested in found if run.is_recogniser]
        if texts:
            parts.append(f'<h3 class="part">{escape(_SPLITS[split])}</h3>{_totals(texts)}')
        for name, run, tested in found:
            if not run.is_recogniser:
                parts.append(f'<p class="how">{escape(f"{name}, {split}: {tested.classes.summary}")}</p>')
    rows: list[tuple[tables.Cell, ...]] = [
        (name, describe(run.folder / MODEL_FILE)["file"]["weights"], len(run.epochs), _minutes(run))
        for name, run in zip(names, runs, strict=True)
    ]
    parts.append(page.table(Table("", ("run", "weights", "epochs", "minutes"), rows)))
    return "\n".join(parts)


_SPLITS = {
    "test": "Test split", "dev": "Dev split, which stood in for a test split", "train": "Training split, for want of "
    "another", "real": "Recordings of people",
}  # fmt: skip


def _totals(found: Sequence[tuple[str, Tested]]) -> str:
    """Error rates with intervals, side by side; tests of their differences where the references are the same."""
    names, scores = [name for name, _ in found], [tested.score for _, tested in found]
    try:
        report = Report.of(names, scores)
    except ScoreError as error:
        lines = [f'<p class="how">no test of differences: {escape(str(error))}</p>']
        alone = [Report.of([name], [score]) for name, score in zip(names, scores, strict=True)]
        intervals = [one.intervals[0] for one in alone]
        return "".join([*lines, page.table(tables.totals(names, scores, intervals))])
    how = [tables.describe(scores[0]), *(tables.describe_interval(word) for word, _ in report.intervals[:1])]
    lines = [f'<p class="how">{escape(line)}</p>' for line in how]
    lines.append(page.table(tables.totals(names, scores, report.intervals)))
    if report.comparisons:
        lines.append(page.table(tables.comparisons(report.comparisons)))
    return "".join(lines)


def _minutes(run: Run) -> str:
    return f"{sum(epoch.get('seconds', 0.0) for epoch in run.epochs) / 60:.1f}"


def _training(runs: Sequence[Run], names: Sequence[str]) -> str:
    """Losses, error rates, the share of the blank and the learning rate over epochs, a colour a run."""

    def series(key: str, number: int, name: str, style: str = "-") -> list[_Line]:
        found = [(epoch["epoch"], epoch[key]) for epoch in runs[number].epochs if epoch.get(key) is not None]
        return [(name, [one for one, _ in found], [value for _, value in found], number, style)] if found else []

    def all_of(key: str) -> list[_Line]:
        return [one for number, name in enumerate(names) for one in series(key, number, name)]

    losses = []
    for number, name in enumerate(names):
        of = f"{name}, " if len(names) > 1 else ""
        losses += series("train_loss", number, f"{of}train", "--") + series("dev_loss", number, f"{of}dev")
    made = [charts.lines(losses, "loss, nats per token", is_log=True)] if losses else []
    for key in _RATES:
        if found := all_of(key):
            made.append(charts.lines(_percent(found), f"{key.removeprefix('dev_').upper()} of the dev split, %"))
    if found := all_of("dev_blank"):
        made.append(charts.lines(_percent(found), "frames of the dev split that are blank, %"))
    if found := all_of("learning_rate"):
        made.append(charts.lines(found, "learning rate at the start of the epoch"))
    return f'<h2>Training</h2><div class="charts">{"".join(map(charts.figure, made))}</div>' if made else ""


def _percent(series: Sequence[_Line]) -> list[_Line]:
    return [
        (name, epochs, [100 * value for value in values], number, style)
        for name, epochs, values, number, style in series
    ]


def _description(run: Run) -> str:
    """The data, what was skipped, the recipe, the environment, and the command that trains it again."""
    parts = []
    rows = [_split_row(name, utterances) for name, utterances in run.splits.items()]
    if rows:
        header = ("split", "utterances", "hours", "speakers", "characters", "longest, s")
        parts.append(page.table(Table(f"data in {run.data}", header, rows)))
    else:
        parts.append(f'<p class="how">the manifests in {escape(str(run.data))} are not there as seen from here</p>')
    parts.append(_skipped(run))
    found = run.environment
    command = shlex.join(found.get("command") or ["asr-train", str(run.folder / "recipe.yaml"), "run_dir=runs/again"])
    if run.card.commit:
        command = f"git checkout {run.card.commit.removesuffix('-dirty')}\n{command}"
    parts.append(f"<p>To train it again:</p><pre>{escape(command)}</pre>")
    if found:
        packages = ", ".join(f"{name} {version}" for name, version in found.get("packages", {}).items())
        python, system, processor, cores = (found.get(key) for key in ("python", "system", "processor", "cores"))
        machine = f"Python {python} on {system}, {processor}, {cores} cores"
        parts.append(f'<p class="how">{escape(machine)}; {escape(packages)}</p>')
    made_by = f"asr {run.card.version}" + (f", commit {run.card.commit}" if run.card.commit else "")
    parts.append(f'<p class="how">{escape(made_by)}</p>')
    recipe = run.folder / "recipe.yaml"
    text = recipe.read_text("utf-8") if recipe.is_file() else json.dumps(run.card.recipe, indent=1, ensure_ascii=False)
    parts.append(f"<details><summary>Recipe, resolved</summary><pre>{escape(text)}</pre></details>")
    return "\n".join(filter(None, parts))


def _split_row(name: str, utterances: Sequence[Utterance]) -> tuple[tables.Cell, ...]:
    seconds = [utterance.duration_s for utterance in utterances]
    speakers = len({utterance.speaker for utterance in utterances if utterance.speaker})
    characters = sum(len(utterance.text) for utterance in utterances)
    return name, len(utterances), f"{sum(seconds) / 3600:.2f}", speakers or "unknown", characters, f"{max(seconds):.1f}"


def _skipped(run: Run) -> str:
    if not run.skipped:
        return '<p class="how">nothing was skipped</p>'
    kinds = Counter(reason.split(":")[0] for _, _, reason in run.skipped)
    first = {reason.split(":")[0]: key for _, key, reason in reversed(run.skipped)}
    rows: list[tuple[tables.Cell, ...]] = [(times, kind, first[kind]) for kind, times in kinds.most_common()]
    lines = "".join(f"{key}: {reason}\n" for _, key, reason in run.skipped[:_MAX_SKIPPED])
    most = min(len(run.skipped), _MAX_SKIPPED)
    listed = f"<details><summary>The first {most}</summary><pre>{escape(lines)}</pre></details>"
    return page.table(Table(f"{len(run.skipped)} skipped", ("times", "why", "the first"), rows)) + listed


def _details(run: Run, tested: Tested) -> str:
    """Where a split goes wrong."""
    if not run.is_recogniser:
        return _classes(tested)
    scored = tested.score
    words = breakdown.by_word(scored)
    kinds = [
        ("wrong by word", "word", [group for group in words if group.errors] or words),
        ("errors by speaker", "speaker", breakdown.by_speaker(scored)),
        ("errors by length", "length", breakdown.by_length(scored)),
        ("errors by SNR (estimated)", "SNR", breakdown.by_noise(scored, tested.utterances)),
    ]
    drawn, listed = [], []
    for title, what, groups in kinds:
        if groups:
            few = groups[: breakdown.MAX_BARS]
            of = f", the worst {len(few)} of {len(groups)}" if len(few) < len(groups) else ""
            drawn.append(charts.figure(charts.bars([group.bar for group in few], title + of)))
            listed.append(page.table(breakdown.table(groups[:500], title, what)))
    if found := breakdown.confused(scored):
        what = "spoken (rows), taken for (columns)"
        drawn.append(charts.figure(charts.matrix(*found, what), what, is_wide=True))
    listed += [page.table(one) for one in tables.confusions(scored, 500) if one.rows]
    parts = [f'<div class="charts">{"".join(drawn)}</div>']
    parts.append(f'<details><summary>The same as tables</summary><div class="side">{"".join(listed)}</div></details>')
    worst_of = min(worst.NUM_UTTERANCES, len(scored.worst()))
    if worst_of:
        parts.append(f'<h3 class="part">The {worst_of} worst of {len(scored.ids)} utterances</h3>{page.TOOLS}')
        parts.append(f'<div class="utterances">{worst.articles(run, tested)}</div>')
    else:
        parts.append(f"<p>None of {len(scored.ids)} utterances has an error.</p>")
    return "\n".join(parts)


def _classes(tested: Tested) -> str:
    found = tested.classes
    names = [label or "(none)" for label in found.labels]
    what = "references (rows), hypotheses (columns)"
    made = charts.matrix(found.counts, names, names, what)
    listed = f"<details><summary>By class</summary><pre>{escape(found.to_text())}</pre></details>"
    wrong = worst.labelled(tested)
    title = f'<h3 class="part">Wrong, the first {worst.NUM_UTTERANCES}</h3>' if wrong else ""
    return f'{charts.figure(made, what, is_wide=True)}{listed}{title}<div class="utterances">{wrong}</div>'


def read_negatives(path: Path) -> list[Utterance]:
    """Sound in which nothing is to be recognised: a manifest, or a folder of recordings."""
    if path.is_dir() and not formats.is_manifest(path):
        return folder.read(path, has_texts=False).utterances
    return formats.read(path)
