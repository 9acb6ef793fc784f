"""What shows itself in a notebook is HTML in which nothing of a name or a text is markup."""

from asr import score
from asr.modelfile.locate import SHIPPED
from asr.recognition.recognizer import Recognizer
from asr.recognition.transcript import Transcript, Word


def test_a_transcript_its_words_and_its_intent():
    word = Word("<on>", 0.1, 0.5, 0.9)
    made = Transcript("<on>", 1.0, (word,), intent="Turn", slots={"room": "<b>"})._repr_html_()
    assert "&lt;on&gt;" in made and "<on>" not in made and "<b>&lt;on" in made and "&lt;b&gt;" in made and "90%" in made
    assert "(empty)" in Transcript("", 1.0)._repr_html_()


def test_a_score_and_a_recogniser():
    made = score.score({"1": "a b"}, {"1": "a c"})._repr_html_()
    assert "50.00%" in made and made.count("<tr>") == 3
    assert "greedy" in Recognizer.load(SHIPPED, runtime="numpy")._repr_html_()
