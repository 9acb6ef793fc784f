import itertools

import oracles
import pytest

from asr.decode import lexicon
from asr.decode.hypothesis import DecodeError
from asr.decode.lexicon import Lexicon
from asr.text import TextConfig, Tokenizer

TEXT = TextConfig(alphabet="ab ")
TOKENIZER = Tokenizer(TEXT.alphabet)


@pytest.mark.parametrize("entries", [["a"], ["a", "ab", "b a"], ["a b", "a b a", "b"], ["a", "a b", "b a b"]])
def test_it_accepts_the_sequences_of_its_entries_and_nothing_else(entries):
    words = Lexicon(entries, TOKENIZER)
    for length in range(7):
        for letters in itertools.product("ab ", repeat=length):
            text = "".join(letters)
            if text != " ".join(text.split()):
                continue
            state = Lexicon.START
            for token in TOKENIZER.encode(text):
                state = words.steps(state).get(token) if state is not None else None
            is_accepted = state is not None and words.is_end(state)
            assert is_accepted == oracles.is_sequence(tuple(text.split()), [tuple(entry.split()) for entry in entries])


@pytest.mark.parametrize("entries", [["a"], ["a", "ab", "b a"], ["a b", "a bb a", "b"], ["ab", "abb", "aab b"]])
def test_what_may_be_meant_are_the_words_that_begin_so(entries):
    lexicon_of = Lexicon(entries, TOKENIZER)
    assert lexicon_of.meant(Lexicon.START) == set()
    for entry in entries:
        words = entry.split()
        for last, word in enumerate(words):
            for length in range(1, len(word) + 1):
                state, said = Lexicon.START, " ".join([*words[:last], word[:length]])
                for token in TOKENIZER.encode(said):
                    state = lexicon_of.steps(state)[token]
                # Of an entry that goes on so, its word at this place; and the first words of those that begin anew
                # where an entry may have ended before.
                meant = set()
                for other in map(str.split, entries):
                    for first in range(last + 1):
                        before, here = words[first:last], last - first
                        is_start = oracles.is_sequence(tuple(words[:first]), [tuple(one.split()) for one in entries])
                        if is_start and len(other) > here and other[:here] == before:
                            meant |= {other[here]} if other[here].startswith(word[:length]) else set()
                assert lexicon_of.meant(state) == meant, said


def test_word_lists_are_normalised_and_each_word_stands_once(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffA\r\n\r\n b,\na  b\na\n".encode())
    assert lexicon.read_words(path, TEXT) == ["a", "b", "a b"]


def test_hot_words_have_boosts(tmp_path):
    path = tmp_path / "hot.txt"
    path.write_text("a b\t2.5\nB\n")
    assert lexicon.read_hotwords(path, TEXT) == {"a b": 2.5, "b": lexicon.BOOST}


@pytest.mark.parametrize(("data", "said"), [
    (b"a\nc\n", "line 2: the character 'c'"), (b"a\n\xff\n", "line 2: not UTF-8"), (b"a\n...\n", "line 2: nothing"),
    (b"\n", "no words"),
])  # fmt: skip
def test_bad_lists_are_named_with_their_line(tmp_path, data, said):
    path = tmp_path / "words.txt"
    path.write_bytes(data)
    for read in (lexicon.read_words, lexicon.read_hotwords):
        with pytest.raises(DecodeError, match=said) as caught:
            read(path, TEXT)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(DecodeError, match="gone: no such lexicon"):
        lexicon.read_words(tmp_path / "gone", TEXT)


@pytest.mark.parametrize("boost", ["-1", "inf", "nan", "x", "", "1000"])
def test_boosts_are_numbers_of_at_least_0(tmp_path, boost):
    (tmp_path / "hot.txt").write_text(f"a\t{boost}\n")
    with pytest.raises(DecodeError, match=r"hot\.txt, line 1: the boost"):
        lexicon.read_hotwords(tmp_path / "hot.txt", TEXT)
