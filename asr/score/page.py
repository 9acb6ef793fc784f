"""A score as one self-contained HTML page: no network, no fonts, readable without colour and without scripts."""

from html import escape
from importlib.resources import files
from string import Template

from asr.score import tables
from asr.score.report import Report
from asr.score.scoring import Score, Utterance, columns
from asr.score.tables import Cell, Rate, Table

MAX_UTTERANCES = 2000  # on a page, of each system: what a phone still scrolls
_MAX_ROWS = 500


def page(report: Report, title: str) -> str:
    """HTML of a report."""
    reference = [tables.describe(report.scores[0]), *(tables.describe_interval(one) for one, _ in report.intervals[:1])]
    parts = [f'<p class="how">{escape(line)}</p>' for line in (*reference, *report.notes)]
    parts.append(table(tables.totals(report.names, report.scores, report.intervals)))
    if report.comparisons:
        parts.append(table(tables.comparisons(report.comparisons)))
    for name, score in zip(report.names, report.scores, strict=True):
        parts.append(f"<section><h2>{escape(name)}</h2>{_system(score)}</section>")
    return document(title, "\n".join(parts))


def document(title: str, body: str, style: str = "") -> str:
    """A whole page of HTML around its `body`, in the look of all pages; `style` is more CSS."""
    template = Template(files("asr.score").joinpath("page.html").read_text("utf-8"))
    return template.substitute(title=escape(title), style=style, body=body)


def _system(score: Score) -> str:
    parts = []
    if score.missing:
        parts.append(f'<p class="how">{len(score.missing)} references without a hypothesis, counted as deletions</p>')
    if score.extra:
        parts.append(f'<p class="how">{len(score.extra)} hypotheses without a reference, not counted</p>')
    if score.speakers:
        parts.append(table(tables.speakers(score)))
    found = [one for one in tables.confusions(score, _MAX_ROWS) if one.rows]
    if found:
        parts.append(f'<div class="side">{"".join(map(table, found))}</div>')
    worst = score.worst()
    some = [*worst, *(index for index in range(len(score.ids)) if not score.word_counts[index, 1:].any())]
    num_omitted = len(some) - MAX_UTTERANCES
    if num_omitted > 0:
        parts.append(
            f'<p class="how">the {MAX_UTTERANCES} worst utterances; {num_omitted} more are not on this page</p>'
        )
    parts.append(TOOLS)
    articles = (article(score.utterance(index), score.alignments[index]) for index in some[:MAX_UTTERANCES])
    parts.append(f'<div class="utterances">{"".join(articles)}</div>')
    return "\n".join(parts)


TOOLS = """<div class="tools" hidden>
<input type="search" placeholder="words, an id or a speaker" aria-label="filter utterances">
<select class="kind" aria-label="kind of error"><option value="">all<option value="e">with errors
<option value="s">with substitutions<option value="d">with deletions<option value="i">with insertions</select>
<select class="sort" aria-label="order"><option value="e down">most errors first
<option value="r down">highest rate first<option value="k up">by id<option value="n down">longest first</select>
<output></output></div>
<p class="key">above: the reference; below: the hypothesis; <span class="S">S</span> substitution,
<span class="D">D</span> deletion, <span class="I">I</span> insertion</p>"""


def article(utterance: Utterance, letters: str, more: str = "") -> str:
    """An utterance: its errors, reference over hypothesis, and `more` HTML. The page's script filters them."""
    count = utterance.word
    speaker = f" · {utterance.speaker}" if utterance.speaker else ""
    head = f"{utterance.id}{speaker} · {Rate(count.rate)}" + (
        f" · {count.substitutions} S, {count.deletions} D, {count.insertions} I" if count.errors else ""
    )
    text = " ".join([utterance.id, utterance.speaker, *utterance.reference, *utterance.hypothesis])
    words = "".join(_word(*column) for column in columns(utterance.reference, utterance.hypothesis, letters))
    data = {
        "k": utterance.id,
        "e": count.errors,
        "r": count.errors / max(count.reference_length, 1),
        "s": count.substitutions,
        "d": count.deletions,
        "i": count.insertions,
        "n": count.reference_length,
        "t": text,
    }
    attributes = " ".join(f'data-{key}="{escape(str(value))}"' for key, value in data.items())
    return f'<article {attributes}><h3>{escape(head)}</h3><div class="words" dir="auto">{words}</div>{more}</article>\n'


def _word(letter: str, reference: str, hypothesis: str) -> str:
    if letter == "C":
        return f'<span class="w C"><span>{escape(reference)}</span></span> '
    above, below = escape(reference) or "&nbsp;", escape(hypothesis) or "&nbsp;"
    return f'<span class="w {letter}"><span>{above}</span><i>{below}</i><b>{letter}</b></span> '


def table(made: Table) -> str:
    """A table whose columns can be sorted by a click."""
    caption = f"<caption>{escape(made.title)}</caption>" if made.title else ""
    numbers = [made.is_number(column) for column in range(len(made.header))]
    head = "".join(
        f"<th{_CLASS[is_number]}>{escape(name)}</th>" for name, is_number in zip(made.header, numbers, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(cell, is_number) for cell, is_number in zip(row, numbers, strict=True))}</tr>\n"
        for row in made.rows
    )
    return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


_CLASS = {True: ' class="n"', False: ""}


def _cell(cell: Cell, is_number: bool) -> str:
    value = f' data-v="{float(cell)!r}"' if isinstance(cell, float) else ""
    return f"<td{_CLASS[is_number]}{value}>{escape(str(cell))}</td>"
