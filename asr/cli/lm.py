"""`asr-lm`: estimate an n-gram language model from transcripts."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import new_parser, positive
from asr.cli.output import check_folder
from asr.errors import UserError


def main() -> NoReturn:
    """`asr-lm`."""
    parser = new_parser(
        "asr-lm", "Estimate an n-gram language model from transcripts, by interpolated modified Kneser-Ney smoothing."
    )
    parser.add_argument(
        "texts",
        nargs="+",
        type=Path,
        metavar="TEXT",
        help="a sentence on each line, or any file of transcripts that asr-score reads (- for standard input)",
    )
    parser.add_argument(
        "--input-format",
        choices=("trn", "kaldi", "jsonl", "json", "csv", "tsv", "ctm", "stm", "lines"),
        help="of TEXT (default: by its name and content)",
    )
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="LM.arpa", help=".gz: compressed")
    parser.add_argument("--order", type=positive, default=3, metavar="N", help="longest n-gram (default 3)")
    parser.add_argument("--unit", choices=("word", "character"), default="word", help="what is counted (default word)")
    parser.add_argument("--lexicon", type=Path, metavar="WORDS.txt", help="words that must be in it, seen or not")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="RUN_OR_ONNX",
        help="normalise as this model does (default: lower case, punctuation is a space)",
    )
    run_command(_lm, parser.parse_intermixed_args())


def _lm(arguments: argparse.Namespace) -> int:
    from asr.decode import kneser_ney, lexicon
    from asr.decode import lm as language_model
    from asr.recognition.recognizer import Recognizer
    from asr.score.guess import NAMES
    from asr.score.transcripts import read_sentences
    from asr.text import TextConfig

    check_folder(arguments.output)
    text = Recognizer.load(arguments.model).card.text if arguments.model else TextConfig()
    is_character = arguments.unit == "character"
    sentences = []
    for path in arguments.texts:
        form, utterances = read_sentences(path, arguments.input_format)
        if form != "lines" and not arguments.input_format:
            say(f"{path}: read as {NAMES[form]}")
        for where, line in utterances:
            sentence = language_model.units(text.normalise(line), is_character=is_character)
            try:
                kneser_ney.check(sentence)
            except UserError as error:
                raise UserError(f"{path}, {where}: {error}") from None
            if sentence:
                sentences.append(sentence)
    words = lexicon.read_list(arguments.lexicon, text) if arguments.lexicon else []
    vocabulary = [unit for word in words for unit in language_model.units(word, is_character=is_character)]
    model = kneser_ney.estimate(sentences, arguments.order, vocabulary)
    language_model.write(arguments.output, model)
    counts = ", ".join(f"{len(table)} {n}-grams" for n, table in enumerate(model.ngrams, start=1))
    say(
        f"{len(sentences)} sentences, {counts}; perplexity on these sentences {model.perplexity(sentences):.1f}; "
        f"in {arguments.output}"
    )
    return 0
