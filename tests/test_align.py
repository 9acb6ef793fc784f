import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode import align as alignment
from asr.decode import ctc_paths
from asr.decode.align import AlignError, align


@settings(max_examples=60)
@given(
    tokens=st.lists(st.integers(1, 3), min_size=1, max_size=3), num_frames=st.integers(1, 6), seed=st.integers(0, 999)
)
def test_it_is_the_best_of_all_paths(tokens, num_frames, seed):
    emission = oracles.random_log_probs(num_frames, 4, seed)
    if ctc_paths.min_frames(tokens) > num_frames:
        with pytest.raises(AlignError, match="need"):
            align(emission, tokens)
        return
    _, path = oracles.best_alignment(emission, tokens)
    spans = align(emission, tokens)
    assert [span.token for span in spans] == tokens
    ours = np.zeros(num_frames, int)
    for span in spans:
        ours[span.start_frame : span.end_frame] = span.token
        assert span.score == pytest.approx(emission[span.start_frame : span.end_frame, span.token].mean())
    assert ours.tolist() == list(path)


@settings(max_examples=30)
@given(num_frames=st.integers(1, 30), seed=st.integers(0, 999))
def test_the_greedy_text_lies_on_the_greedy_path(num_frames, seed):
    emission = oracles.random_log_probs(num_frames, 5, seed)
    path = emission.argmax(axis=1)
    spans = align(emission, ctc_paths.collapse(path))
    for span in spans:
        assert (path[span.start_frame : span.end_frame] == span.token).all()
    assert sum(span.end_frame - span.start_frame for span in spans) == (path > 0).sum()


@settings(max_examples=30)
@given(num_tokens=st.integers(1, 12), spare=st.integers(0, 40), seed=st.integers(0, 999))
def test_a_table_that_is_not_held_at_once_gives_the_same(num_tokens, spare, seed):
    tokens = np.random.default_rng(seed).integers(1, 4, num_tokens).tolist()
    emission = oracles.random_log_probs(ctc_paths.min_frames(tokens) + spare, 4, seed)
    expected = align(emission, tokens)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "_CELLS", 0)
        assert align(emission, tokens) == expected


@pytest.mark.parametrize(("num_frames", "num_tokens"), [(40, 20), (300, 40), (2000, 900)])
def test_torchaudio_finds_the_same_path(num_frames, num_tokens):
    try:
        from torchaudio.functional import forced_align
    except (ImportError, OSError) as error:  # missing, or built for another PyTorch
        pytest.skip(f"torchaudio cannot be imported: {error}")
    import torch

    tokens = np.random.default_rng(0).integers(1, 30, num_tokens)
    emission = torch.from_numpy(oracles.random_log_probs(num_frames, 30)).float()
    path, _ = forced_align(emission[None], torch.from_numpy(tokens)[None])
    ours = np.zeros(num_frames, int)
    for span in align(emission.numpy(), tokens.tolist()):
        ours[span.start_frame : span.end_frame] = span.token
    assert ours.tolist() == path[0].tolist()


def test_nothing_lies_nowhere():
    assert align(np.zeros((3, 4)), []) == [] and align(np.zeros((0, 4)), []) == []


def test_a_token_without_any_probability_is_an_error():
    with np.errstate(divide="ignore"), pytest.raises(AlignError, match="no path"):
        align(np.log(np.eye(3)[[0, 1, 0]]), [2])
