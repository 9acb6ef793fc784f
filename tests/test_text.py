import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.text import BLANK, TextConfig, TextError, Tokenizer, letters_of

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@given(st.text(alphabet=LETTERS + " "))
def test_encode_then_decode_is_identity(text):
    tokenizer = Tokenizer(LETTERS + " ")
    tokens = tokenizer.encode(text)
    assert BLANK not in tokens
    assert tokenizer.decode(tokens) == text


def test_letters_have_27_outputs_and_phrases_28():
    assert len(Tokenizer(TextConfig().alphabet)) == 27
    assert len(Tokenizer(TextConfig(alphabet=LETTERS + " ").alphabet)) == 28


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    config = TextConfig()
    assert config.normalise(config.normalise(text)) == config.normalise(text)


def test_normalise():
    assert TextConfig().normalise("  Hello,\tWORLD -- cafe\u0301 ") == "hello world caf\u00e9"
    assert TextConfig(lowercase=False, alphabet="AB").normalise("A.b") == "A b"


def test_a_character_outside_the_alphabet_is_an_error_not_dropped():
    with pytest.raises(TextError, match="'3'"):
        Tokenizer(LETTERS).encode("route3")


def test_impossible_alphabets_are_refused():
    for alphabet in ("aa", "ABC"):
        with pytest.raises(TextError, match="alphabet"):
            TextConfig(alphabet=alphabet)


def test_lower_case_is_that_of_the_language():
    for capital, language, small in (
        ("STRASSE GROẞ Äpfel", "de", "strasse groß äpfel"),
        ("IŞIK İYİ", "tr", "ışık iyi"),
        ("I\u0307YI\u0307", "tr", "iyi"),  # a capital I, and a dot above
        ("I\u015eIK", "az", "ışık"),
        ("ISIK", "en", "isik"),
        ("ΣΟΦΌΣ", "el", "σοφός"),
        ("Привет, Й", "ru", "привет й"),
        ("Cafe\u0301", "fr", "caf\u00e9"),
    ):
        assert TextConfig(language=language, alphabet="").normalise(capital) == small


@given(st.text(st.characters(exclude_categories=["C", "Z"])), st.sampled_from(["", "de", "tr", "az", "el"]))
def test_an_alphabet_of_transcripts_spells_them(text, language):
    normalised = TextConfig(language=language, alphabet="").normalise(text)
    alphabet = letters_of([normalised])
    assert Tokenizer(alphabet).encode(normalised) is not None
    assert list(alphabet) == sorted(set(normalised))
