import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.text import BLANK, TextConfig, TextError, Tokenizer

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
    for alphabet in ("", "aa", "ABC"):
        with pytest.raises(TextError, match="alphabet"):
            TextConfig(alphabet=alphabet)
