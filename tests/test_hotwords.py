import pytest

from asr.decode import hotwords
from asr.decode.hypothesis import DecodeError
from asr.text import TextConfig

TEXT = TextConfig(alphabet="ab ")


def test_hot_words_have_boosts(tmp_path):
    path = tmp_path / "hot.txt"
    path.write_text("a b\t2.5\nB\n")
    assert hotwords.read_hotwords(path, TEXT) == {"a b": 2.5, "b": hotwords.BOOST}


def test_hot_words_need_no_file():
    assert hotwords.read_hotwords(["A b", "b"], TEXT) == {"a b": hotwords.BOOST, "b": hotwords.BOOST}
    assert hotwords.read_hotwords({"A b": 2.5, "b": 3}, TEXT) == {"a b": 2.5, "b": 3.0}
    for words, message in ((["c"], "the hot words, 'c': the character 'c'"), ({"a": -1}, "'a': the boost '-1'")):
        with pytest.raises(DecodeError, match=message):
            hotwords.read_hotwords(words, TEXT)


@pytest.mark.parametrize(("data", "message"), [
    (b"a\nc\n", "line 2: the character 'c'"), (b"a\n\xff\n", "line 2: not UTF-8"), (b"a\n...\n", "line 2: nothing"),
    (b"\n", "no words"),
])  # fmt: skip
def test_bad_lists_are_named_with_their_line(tmp_path, data, message):
    path = tmp_path / "hot.txt"
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=message) as caught:
        hotwords.read_hotwords(path, TEXT)
    assert str(caught.value).startswith(str(path))
    with pytest.raises(DecodeError, match="gone: no such file of hot words"):
        hotwords.read_hotwords(tmp_path / "gone", TEXT)


@pytest.mark.parametrize("boost", ["-1", "inf", "nan", "x", "", "1000"])
def test_boosts_are_numbers_of_at_least_0(tmp_path, boost):
    (tmp_path / "hot.txt").write_text(f"a\t{boost}\n")
    with pytest.raises(DecodeError, match=r"hot\.txt, line 1: the boost"):
        hotwords.read_hotwords(tmp_path / "hot.txt", TEXT)
