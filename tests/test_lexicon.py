import itertools
import json

import oracles
import pytest

from asr.decode import lexicon
from asr.decode.decoder import DecoderConfig, DecodingResources
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
                state, _ = words.steps(state).get(token, (None, 0)) if state is not None else (None, 0)
            is_accepted = state is not None and words.is_end(state)
            assert is_accepted == oracles.is_sequence(tuple(text.split()), [tuple(entry.split()) for entry in entries])


@pytest.mark.parametrize("entries", [["a"], ["a", "ab", "b a"], ["a b", "a bb a", "b"], ["ab", "abb", "aab b"]])
def test_words_are_those_that_begin_with_what_is_spelled(entries):
    lexicon_of = Lexicon(entries, TOKENIZER)
    assert lexicon_of.words(Lexicon.START) == set()
    for entry in entries:
        words = entry.split()
        for last, word in enumerate(words):
            for length in range(1, len(word) + 1):
                state, spelled = Lexicon.START, " ".join([*words[:last], word[:length]])
                for token in TOKENIZER.encode(spelled):
                    state, weight = lexicon_of.steps(state)[token]
                    assert weight == 0.0
                # Of an entry that goes on so, its word at this place; and the first words of those that begin anew
                # where an entry may have ended before.
                expected = set()
                for other in map(str.split, entries):
                    for first in range(last + 1):
                        before, here = words[first:last], last - first
                        is_start = oracles.is_sequence(tuple(words[:first]), [tuple(one.split()) for one in entries])
                        if is_start and len(other) > here and other[:here] == before:
                            expected |= {other[here]} if other[here].startswith(word[:length]) else set()
                assert lexicon_of.words(state) == expected, spelled


@pytest.mark.parametrize(
    "entries", [["a", "b"], ["a b", "b a", "a"], ["a b", "a b a", "b"], ["a", "b", "a b", "b a b"]]
)
def test_words_are_taken_for_the_fewest_entries_that_they_are_made_of(entries):
    known, words_of = [tuple(entry.split()) for entry in entries], Lexicon(entries, TOKENIZER).entries
    for length in range(6):
        for words in itertools.product("ab", repeat=length):
            found = words_of(words)
            ways = [
                cut
                for count in range(1, length + 1)
                for cut in itertools.product(range(1, 4), repeat=count)
                if sum(cut) == length and all(words[sum(cut[:i]) : sum(cut[: i + 1])] in known for i in range(count))
            ]
            assert sum(found) == length and (not words or bool(ways) == oracles.is_sequence(words, known))
            assert tuple(found) in [way for way in ways if len(way) == len(ways[0])] if ways else set(found) <= {1}


def read(tmp_path, data, text=TEXT):
    path = tmp_path / "words.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return lexicon.read_words(path, text)


def test_word_lists_are_normalised_and_each_word_stands_once(tmp_path, caplog):
    assert read(tmp_path, "\ufeffA\r\n\r\n b,\na  b\na\n") == ["a", "b", "a b"]
    assert not caplog.records


def test_words_need_no_file():
    assert lexicon.read_words(["A", "b", "a  b", "a"], TEXT) == ["a", "b", "a b"]
    assert lexicon.read_words(("a one",), TextConfig("aneo ")) == ["a one"], "no guess at pronunciations"
    for words, message in ((["a", "c"], "the lexicon, 'c': the character 'c'"), ([], "the lexicon: no words")):
        with pytest.raises(DecodeError, match=message):
            lexicon.read_words(words, TEXT)


def test_a_decoder_takes_words_in_place_of_files(tmp_path):
    (tmp_path / "words.txt").write_text("ab\nb a\n")
    (tmp_path / "hot.txt").write_text("ab\t2.5\n")
    for words in (str(tmp_path / "words.txt"), tmp_path / "words.txt", ["ab", "b a"]):
        for hot in (tmp_path / "hot.txt", {"ab": 2.5}):
            config = DecoderConfig(lexicon=words, hotwords=hot)
            assert config.kind == "beam+lexicon"
            known = DecodingResources.read(config, TEXT)
            assert known.hotwords == {"ab": 2.5}
            assert known.lexicon.words(known.lexicon.steps(Lexicon.START)[2][0]) == {"b"}
    assert DecoderConfig(lexicon=["ab"]) == DecoderConfig(lexicon=("ab",)), "which nobody changes afterwards"
    with pytest.raises(DecodeError, match="the hot word 'b' is not in the lexicon"):
        DecodingResources.read(DecoderConfig(lexicon=["ab"], hotwords=["b"]), TEXT)


ENGLISH = TextConfig("abcdefghijklmnopqrstuvwxyz ")
PRONOUNCED = {
    "Kaldi": "one w ah n\nseven s eh v ah n\n",
    "Kaldi with stress and positions": "one W_B AH1_I N_E\nseven S_B EH1_I V_I AH0_I N_E\n",
    "Kaldi with silences": "<eps> sil\n<unk> spn\none w ah n\nseven s eh v ah n\n",
    "Kaldi with noises": "!SIL SIL\nSIL SIL\n<UNK> SPN\n[laughter] NSN\nONE W AH1 N\nSEVEN S EH1 V AH0 N\n",
    "Kaldi with probabilities": "one 1.0 w ah n\none 0.3 w aa n\nseven 1 s eh v ah n\n",
    "Kaldi's symbols": "<eps> 0\none 1\nseven 2\n#0 3\n",
    "MFA": "one\tw ah n\nseven\ts eh v ah n\n",
    "MFA with probabilities": "one\t0.99\t0.2\t1.0\t1.0\tw ah n\nseven\t1.0\t0.1\t1.0\t1.0\ts \u025b v \u0259 n\n",
    "IPA": "one w \u028c n\nseven s \u025b v \u0259 n\n",
    "CMUdict": ";;; a comment\nONE  W AH1 N\nONE(2)  HH W AH1 N\nSEVEN  S EH1 V AH0 N\n",
    "flashlight": "one\to n e |\nseven\ts e v e n |\n",
    "letters": "one o n e\nseven s e v e n\n",
}


@pytest.mark.parametrize("alphabet", ["abcdefghijklmnopqrstuvwxyz ", "abcdefghijklmnopqrstuvwxyz"])
@pytest.mark.parametrize("data", PRONOUNCED.values(), ids=PRONOUNCED)
def test_of_pronunciations_the_words_are_read(tmp_path, data, alphabet, caplog):
    assert read(tmp_path, data, TextConfig(alphabet)) == ["one", "seven"]
    assert str(tmp_path / "words.txt") in caplog.text and "spelled with letters" in caplog.text
    assert lexicon.read_list(tmp_path / "words.txt", TextConfig(alphabet))[-1] == "seven"


@pytest.mark.parametrize(
    "data", ["uno u n o\ndos d o s\ncasa k a s a\n", "sieben z i: b @ n\neins aI n s\nzwei ts v aI\n"]
)
def test_of_other_phones_a_warning_or_the_error_says_what_the_lines_look_like(tmp_path, data, caplog):
    for alphabet, outcome in (("abcdefghijklmnopqrstuvwxyz", "error"), ("abcdefghijklmnopqrstuvwxyz :@", "warning")):
        try:
            words = read(tmp_path, data, TextConfig(alphabet, punctuation=""))
        except DecodeError as error:
            assert outcome == "error" and "look like words and their pronunciations (line 1:" in str(error)
        else:
            assert outcome == "warning" and words == data.lower().splitlines()
            assert "look like words and their pronunciations (line 1:" in caplog.text


@pytest.mark.parametrize("data", [
    "turn on the light\nturn it off\ngo\n", "ok go\nhey you\n", "stop and go\nyes\n",
    "january the third\nmay the first\n", "new york\nlos angeles\n", "play some jazz\n", "bye bye\nno no\n",
    "t v on\nt v off\n", "enter\nrubout\n",
])  # fmt: skip
def test_phrases_are_phrases(tmp_path, data, caplog):
    assert read(tmp_path, data, ENGLISH) == data.splitlines()
    assert not caplog.records


def test_numbers_after_words_are_spoken_where_the_alphabet_has_digits(tmp_path):
    assert read(tmp_path, "channel 5\nroom 12\n", TextConfig("abcdefghijklmnopqrstuvwxyz 0123456789")) == [
        "channel 5", "room 12"
    ]  # fmt: skip


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_list_is_a_list_of_words(tmp_path, indent, caplog):
    assert read(tmp_path, json.dumps(["one two", "seven", "[unk]"], indent=indent), ENGLISH) == ["one two", "seven"]
    assert "skipped, as they are no words: [unk]" in caplog.text


@pytest.mark.parametrize(("data", "message"), [
    ('["one", "seven"', "looks like JSON, and is none"), ('{"one": 1}', "JSON that is no list of words"),
    ('["one", 2]', "JSON that is no list of words"), ('["one", "2"]', "entry 2: the character '2'"), ("[]", "no words"),
    ("<eps>\n<unk>\n", "no words"), ("a" * 2000, "line 1: 2000 letters; a word or phrase has at most 1000"),
    ("a" * (1 << 23), "line 1: longer than 4 MiB"),
])  # fmt: skip
def test_what_is_no_list_is_an_error(tmp_path, data, message):
    with pytest.raises(DecodeError, match=message) as caught:
        read(tmp_path, data, ENGLISH)
    assert str(caught.value).startswith(str(tmp_path / "words.txt"))


@pytest.mark.parametrize(("data", "message"), [
    (b"a\nc\n", "line 2: the character 'c'"), (b"a\n\xff\n", "line 2: not UTF-8"), (b"a\n...\n", "line 2: nothing"),
    (b"\n", "no words"),
])  # fmt: skip
def test_bad_lists_are_named_with_their_line(tmp_path, data, message):
    with pytest.raises(DecodeError, match=message) as caught:
        read(tmp_path, data)
    assert str(caught.value).startswith(str(tmp_path / "words.txt"))
    with pytest.raises(DecodeError, match="gone: no such lexicon"):
        lexicon.read_words(tmp_path / "gone", TEXT)


def test_words_that_the_language_model_lacks_are_named(tmp_path, caplog):
    (tmp_path / "x.arpa").write_text("\\data\\\nngram 1=3\n\n\\1-grams:\n-0.5\tab\n-0.5\t</s>\n-0.5\tb\n\n\\end\\\n")
    DecodingResources.read(DecoderConfig(lexicon=["ab", "ba"], lm=tmp_path / "x.arpa"), TEXT)
    assert "lacks 1 of 2 words of the lexicon, which is never recognised, as the model has no <unk>" in caplog.text
    assert "ba" in caplog.messages[0] and str(tmp_path / "x.arpa") in caplog.messages[0]
    DecodingResources.read(DecoderConfig(hotwords=["bab"], lm=tmp_path / "x.arpa"), TEXT)
    assert "lacks 1 of 1 words of the hot words" in caplog.messages[1]
    with pytest.raises(DecodeError, match=r"x\.arpa: holds none of the lexicon, such as 'ba'"):
        DecodingResources.read(DecoderConfig(lexicon=["ba", "bab"], lm=tmp_path / "x.arpa"), TEXT)
