"""Word and character error rates that can be trusted as sclite's are.

Counts add; alignments, confusions, speakers and utterances come from the same counting, and so do confidence
intervals and the comparison of systems. Training, evaluation and reports use this and nothing else.
"""

from asr.score.alignment import Weights, align
from asr.score.counts import ErrorCount, count, errors, total
from asr.score.guess import FORMATS, Format
from asr.score.normalise import Normaliser
from asr.score.report import Report
from asr.score.scoring import Confusions, Counting, Score, Utterance, score
from asr.score.source import ScoreError
from asr.score.transcripts import Transcripts, format_trn, read, read_all

__all__ = [
    "FORMATS", "Confusions", "Counting", "ErrorCount", "Format", "Normaliser", "Report", "Score", "ScoreError",
    "Transcripts", "Utterance", "Weights", "align", "count", "errors", "format_trn", "read", "read_all", "score",
    "total",
]  # fmt: skip
