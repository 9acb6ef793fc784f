import dataclasses
import itertools
import re
import shutil
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from asr import audio
from asr.data import manifest
from asr.decode import align
from asr.decode.align import AlignError
from asr.decode.decoder import DecoderConfig
from asr.endpointing import Segmenter, SpeechConfig
from asr.errors import UserError
from asr.features import FeatureError
from asr.modelfile.card import ModelError, Timing
from asr.modelfile.locate import model_file, newest_model, shipped_names
from asr.recognition import source, times
from asr.recognition.evaluate import evaluate
from asr.recognition.frontend import Segment
from asr.recognition.recognizer import Options, Recognizer
from asr.text import TextError


@pytest.fixture(scope="module")
def recognizer(tones_run):
    return Recognizer.load(tones_run[0])


@pytest.fixture(scope="module")
def utterances(tones):
    return manifest.read(tones / "test.jsonl")


def with_features(recognizer, **settings):
    """The same network with other settings of its features."""
    features = dataclasses.replace(recognizer.card.features, **settings)
    return recognizer.with_metadata(dataclasses.replace(recognizer.card, features=features))


def with_recognition(recognizer, **settings):
    """The same network with other settings of recognition."""
    recognition = dataclasses.replace(recognizer.card.recognition, **settings)
    return recognizer.with_metadata(dataclasses.replace(recognizer.card, recognition=recognition))


def whole(recognizer, anything, sample_rate=None):
    """A sound as one segment, and its log-probabilities."""
    ((_, parts),) = recognizer.recognise([anything], sample_rate)
    return recognizer.network.join(parts)


def emissions(recognizer, sources):
    return [whole(recognizer, anything)[1] for anything in sources]


def test_file_waveform_and_manifest_say_the_same(recognizer, utterances):
    for utterance in utterances:
        transcript = recognizer.transcribe(utterance.audio)
        waveform = audio.read(utterance.audio)
        assert recognizer.transcribe(utterance) == transcript
        assert recognizer.transcribe(Path(utterance.audio).read_bytes()) == transcript
        assert recognizer.transcribe(waveform, 16000) == transcript
        assert recognizer.transcribe((waveform * 32768).astype(np.int16), 16000) == transcript
        assert recognizer.transcribe(source.open(utterance, recognizer.card.features)) == transcript
        assert transcript.duration_s == pytest.approx(len(waveform) / 16000, abs=1e-3)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros((16000, 2), np.float32), "one axis, not 2: average its channels first"),
        (np.full(16000, 128, np.uint8), "float samples in .* or int16, not uint8"),
        (np.zeros(16000, np.int32), "float samples in .* or int16, not int32"),
        (np.array([*np.zeros(16000), np.nan]), "not finite"),
    ],
)
def test_a_waveform_that_no_file_could_hold_is_refused(recognizer, waveform, message):
    with pytest.raises(audio.AudioError, match=message):
        recognizer.transcribe(waveform, 16000)


def test_each_result_comes_as_soon_as_it_can_be_had(recognizer, utterances):
    """A sound is read when all before it are out, until there are enough of them to go through the network together."""
    num_read = 0

    def sources():
        nonlocal num_read
        for utterance in itertools.islice(itertools.cycle(utterances), 120):
            num_read += 1
            yield utterance

    waiting = [num_read - num_done for num_done, _ in enumerate(recognizer.recognise(sources()), start=1)]
    assert waiting[0] == 0 and max(waiting) > 20 and waiting[-1] == 0


def test_how_many_go_together_changes_nothing(recognizer, utterances):
    alone = [recognizer.transcribe(utterance) for utterance in utterances]
    assert list(recognizer.transcribe_all(utterances)) == alone
    assert list(recognizer.transcribe_all(utterances[::-1])) == alone[::-1]


def test_many_threads_may_share_a_recogniser(tones_run, utterances, tmp_path):
    words = [utterance.text for utterance in utterances]
    (tmp_path / "words.jsgf").write_text(f"#JSGF V1.0;\ngrammar words;\npublic <word> = {' | '.join(words)};\n")
    sentences = DecoderConfig(sentences=tmp_path / "words.jsgf")
    for decoding in (DecoderConfig(), DecoderConfig(lexicon=words), sentences):
        expected = [Recognizer.load(tones_run[0], decoding=decoding).transcribe(each.audio) for each in utterances]
        recognizer = Recognizer.load(tones_run[0], decoding=decoding)
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(recognizer.transcribe, [each.audio for each in utterances * 4]))
        assert made == expected * 4


def test_a_recogniser_never_changes(recognizer):
    with pytest.raises(dataclasses.FrozenInstanceError):
        recognizer.card = recognizer.card


def test_the_model_file_gives_what_training_saw(tones_run, recognizer, utterances):
    """The score that the run printed is that of the exported model."""
    assert evaluate(recognizer, utterances).score == tones_run[1].score


def test_several_warps_are_the_mean_of_each(recognizer, utterances):
    """Log-probabilities of each warp alone, their mean, and a sum of one again; the batch changes nothing."""

    def emission(*warps):
        warped = with_recognition(recognizer, vtln_warps=warps)
        together = [parts[0][1] for _, parts in warped.recognise(utterances[:3])]
        alone = emissions(warped, utterances[:3])
        assert all(np.allclose(one, part, atol=1e-4) for one, part in zip(alone, together, strict=True))
        return together[0]

    parts = [emission(warp) for warp in (0.9, 1.0, 1.1)]
    mean = np.exp(np.mean(parts, axis=0))
    assert not np.allclose(parts[0], parts[1], atol=0.01)
    assert np.allclose(np.exp(emission(0.9, 1.0, 1.1)), mean / mean.sum(axis=1, keepdims=True), atol=1e-5)


def test_noise_padding_leaves_the_clock_alone(recognizer, utterances):
    """With padding a sound gives what a sound gives that has it, at the same times.

    But for where it pauses: how quiet it is does not follow from the padding, which is fainter than any room.
    """
    plain, padded = recognizer, with_recognition(recognizer, noise_pad_ms=200.0)
    extractor = padded.frontend.extractor
    for utterance in utterances[:4]:
        waveform = audio.read(utterance.audio)
        longer = padded.frontend.padded(waveform)
        assert len(longer) == len(waveform) + 2 * 3200 and np.array_equal(longer[3200:-3200], waveform)
        assert np.abs(longer[:3200]).max() < 0.01 * np.abs(waveform).max()
        expected, transcript = plain.transcribe(longer, 16000), padded.transcribe(waveform, 16000)
        assert transcript.text == expected.text
        assert transcript.duration_s == pytest.approx(len(waveform) / 16000, abs=1e-3)
        (_, theirs), (segment, ours) = whole(plain, longer, 16000), whole(padded, waveform, 16000)
        assert np.array_equal(ours, theirs) and segment.padding_s == pytest.approx(0.2)
        unpadded = Segment(extractor.cepstra(waveform), 0.0, 0.0, len(waveform) / 16000)
        spans = [dataclasses.replace(span, start_frame=span.start_frame - 20, end_frame=span.end_frame - 20)
                 for span in align.align(ours, plain.card.tokenizer.encode(transcript.text))]  # fmt: skip
        loudness = plain.frontend.loudness(unpadded)
        bounds = times.word_times([spans], 0.01, unpadded.end_s, plain.card.timing, loudness)
        (word,) = transcript.words
        assert (word.start_s, word.end_s) == pytest.approx(bounds[0].tolist(), abs=0.02)
    assert not padded.frontend.padded(np.zeros(10, np.float32)).any()


def test_bytes_that_are_no_sound_are_refused(recognizer):
    for data in (b"", b"nonsense"):
        with pytest.raises(audio.AudioError, match=r"^sound: "):
            recognizer.transcribe(data)


def test_another_rate_is_resampled(recognizer, utterances, tmp_path):
    heard = 0
    for utterance in utterances:
        waveform = audio.resample(audio.read(utterance.audio), 16000, 44100)
        audio.write(tmp_path / "x.wav", waveform, 44100)
        heard += recognizer.transcribe(tmp_path / "x.wav").text == recognizer.transcribe(utterance.audio).text
    assert heard >= 0.9 * len(utterances)


def test_the_shortest_sound_is_transcribed(recognizer):
    for num_samples in (1, 100, 399, 400, 401):
        assert isinstance(recognizer.transcribe(np.zeros(num_samples, np.float32), 16000).text, str)


def test_a_waveform_needs_its_rate(recognizer):
    with pytest.raises(audio.AudioError, match="sample_rate"):
        recognizer.transcribe(np.zeros(100))


def test_unreadable_utterances_count_as_empty_hypotheses(recognizer, utterances, tmp_path):
    gone = manifest.Utterance("gone", "abcd", str(tmp_path / "gone.wav"))
    evaluation = evaluate(recognizer, [*utterances[:3], gone])
    assert [item.id for item in evaluation.unreadable] == ["gone"]
    assert evaluation.hypotheses["gone"] == ""
    assert evaluation.score.word.deletions == 1
    assert evaluation.score.word.utterances == 4


def test_bad_models_are_named(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    for path in (tmp_path / "bad.onnx", tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(ModelError, match=re.escape(str(path))):
            Recognizer.load(path)


def test_a_strangers_model_is_named(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [other])
    opset = helper.make_opsetid("", 14)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx: not a model of this package"):
        Recognizer.load(tmp_path / "other.onnx")


def test_the_newest_run_is_found(tmp_path):
    import os

    for age, name in enumerate(["runs/b/2", "runs/a/1", "runs/c/3"]):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "model.onnx").touch()
        if name != "runs/c/3":
            (folder / "metrics.jsonl").touch()
        os.utime(folder / "model.onnx", (1e9 - age, 1e9 - age))
    assert newest_model(tmp_path) == tmp_path / "runs/b/2/model.onnx"
    shutil.copytree(tmp_path / "runs/b/2", tmp_path / "runs/mine")
    assert newest_model(tmp_path) == tmp_path / "runs/mine/model.onnx"
    shutil.move(tmp_path / "runs", tmp_path / "elsewhere" / "runs")
    assert newest_model(tmp_path) is None, "other folders are not looked through"


def test_a_model_of_precomputed_features_refuses_sound(recognizer, utterances):
    precomputed = with_features(recognizer, source="precomputed")
    for anything in (utterances[0].audio, utterances[0]):
        with pytest.raises(FeatureError, match=r"000\.wav: this model was trained on precomputed features"):
            precomputed.transcribe(anything)


def test_feature_files_are_transcribed(recognizer, utterances, tmp_path):
    cepstra = recognizer.frontend.extractor.cepstra(audio.read(utterances[0].audio))
    np.save(tmp_path / "x.npy", cepstra)
    values = np.array([cepstra.size], ">i4").tobytes() + cepstra.astype(">f4").tobytes()
    (tmp_path / "x.mfc").write_bytes(values)
    expected = recognizer.transcribe(utterances[0].audio).text
    both = dataclasses.replace(utterances[1], features=str(tmp_path / "x.npy"))
    alone = dataclasses.replace(both, audio=None)
    precomputed = with_features(recognizer, source="precomputed")
    for model in (recognizer, precomputed):
        for anything in (tmp_path / "x.npy", tmp_path / "x.mfc", alone):
            assert model.transcribe(anything).text == expected
    assert precomputed.transcribe(both).text == expected
    assert recognizer.transcribe(both).text == recognizer.transcribe(utterances[1]).text
    np.save(tmp_path / "y.npy", cepstra[:, 1:])
    with pytest.raises(manifest.ManifestError, match=r"y\.npy: features of shape"):
        recognizer.transcribe(tmp_path / "y.npy")


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_every_word_has_times_and_a_confidence(tones_run, utterances, decoder):
    recognizer = Recognizer.load(tones_run[0], decoding=DecoderConfig(decoder=decoder))
    for utterance in utterances:
        transcript = recognizer.transcribe(utterance.audio)
        assert " ".join(word.text for word in transcript.words) == transcript.text
        assert transcript.nbest[0].text == transcript.text
        reached = 0.0
        for word in transcript.words:
            assert reached <= word.start_s < word.end_s <= transcript.duration_s and 0 <= word.confidence <= 1
            reached = word.end_s
        # The tones begin 50 ms after the start and end 40 ms before the end, where the last token may still be.
        if transcript.text == utterance.text:
            assert transcript.words[0].start_s == pytest.approx(0.05, abs=0.03)
            assert transcript.words[-1].end_s == pytest.approx(transcript.duration_s - 0.04, abs=0.05)


@pytest.mark.parametrize("decoding", [DecoderConfig(), DecoderConfig(nbest=3)])
@pytest.mark.parametrize("has_words", [True, False])
def test_many_files_are_transcribed_as_each_alone(tones_run, utterances, tmp_path, decoding, has_words):
    recognizer, options = Recognizer.load(tones_run[0], decoding=decoding), Options(has_words=has_words)
    (tmp_path / "bad.wav").write_text("nonsense")
    paths = [*(utterance.audio for utterance in utterances), str(tmp_path / "gone.wav"), str(tmp_path / "bad.wav")]
    paths = [paths[index] for index in np.random.default_rng(0).permutation(len(paths))]
    for path, transcript in zip(paths, recognizer.transcribe_all(paths, options=options), strict=True):
        if path.startswith(str(tmp_path)):
            assert isinstance(transcript, audio.AudioError) and path in str(transcript)
        else:
            alone = recognizer.transcribe(path, options=options)
            assert dataclasses.replace(transcript, nbest=()) == dataclasses.replace(alone, nbest=())
            for left, right in zip(transcript.nbest, alone.nbest, strict=True):
                assert left.text == right.text and left.score == pytest.approx(right.score, abs=1e-3)


def test_batches_change_no_emission(recognizer, utterances):
    together = [parts[0][1] for _, parts in recognizer.recognise(utterances)]
    for alone, batched in zip(emissions(recognizer, utterances), together, strict=True):
        assert np.abs(alone - batched).max() < 1e-5


@pytest.fixture(scope="module")
def long_sound(utterances):
    """The sounds of all utterances with pauses between, some long and some that are none, twice; where each begins."""
    rng = np.random.default_rng(0)
    parts, starts, reached = [], [], 0
    for utterance in [*utterances, *utterances]:
        waveform = audio.read(utterance.audio)
        starts.append(reached / 16000)
        parts += [waveform, np.float32(0.002) * rng.standard_normal(round(16000 * rng.choice([0.7, 1.2, 1.5, 6.0])))]
        reached += len(waveform) + len(parts[-1])
    return np.concatenate(parts).astype(np.float32), starts


def test_a_long_recording_is_recognised_as_its_segments(recognizer, long_sound):
    """Each on its own, as an utterance; the words in turn, with the times of the recording."""
    waveform, _ = long_sound
    transcript = recognizer.transcribe(waveform, 16000)
    extractor, segmenter = recognizer.frontend.extractor, Segmenter(SpeechConfig(), recognizer.card.features)
    cepstra, texts = extractor.cepstra(waveform), []
    for start, end, is_speech in segmenter.feed(cepstra) + segmenter.flush():
        if is_speech:
            emission = recognizer.network.log_probs([extractor.features(cepstra[start:end])])[0]
            texts.append(recognizer.decoder(emission)[0].text)
    assert transcript.text.split() == [text for text in texts if text] == [word.text for word in transcript.words]
    assert transcript.nbest[0].text == transcript.text
    assert transcript.duration_s == pytest.approx(len(waveform) / 16000, abs=1e-3)
    reached = 0.0
    for word in transcript.words:
        assert reached <= word.start_s < word.end_s <= transcript.duration_s
        reached = word.end_s


def test_words_of_a_long_recording_are_where_they_are_said(recognizer, utterances, long_sound):
    waveform, starts = long_sound
    words = recognizer.transcribe(waveform, 16000).words
    near = alone = 0  # the tones were learned without silence around them, which is spelled, too
    for utterance, start_s in zip([*utterances, *utterances], starts, strict=True):
        end_s = start_s + utterance.duration_s
        here = [word for word in words if word.start_s < end_s and start_s < word.end_s]
        near += bool(here)
        for word in here:
            # So small a network may hear a last letter in the silence after it, by its seed and processor.
            if word.text.startswith(utterance.text):
                assert word.start_s == pytest.approx(start_s + 0.05, abs=0.3)
                assert word.text != utterance.text or word.end_s == pytest.approx(end_s - 0.04, abs=0.3)
                alone += 1
    # That each segment is recognised the test above says; the network itself may miss one or two.
    assert near >= 0.9 * len(starts)
    assert alone >= len(starts) // 4


@pytest.mark.parametrize("decoding", [DecoderConfig(), DecoderConfig(decoder="beam")])
def test_how_a_long_recording_is_read_changes_nothing(tones_run, long_sound, tmp_path, monkeypatch, decoding):
    recognizer = Recognizer.load(tones_run[0], decoding=decoding)
    waveform, _ = long_sound
    audio.write(tmp_path / "long.wav", waveform, 16000)
    expected = recognizer.transcribe(tmp_path / "long.wav")
    assert recognizer.transcribe(audio.read(tmp_path / "long.wav"), 16000) == expected
    real = audio.blocks
    for block_s in (0.3, 7.7, 25.0):
        monkeypatch.setattr(audio, "blocks", lambda path, rate, block_s, size=block_s: real(path, rate, block_s=size))
        assert recognizer.transcribe(tmp_path / "long.wav") == expected
    monkeypatch.undo()
    files = [tmp_path / "long.wav", tmp_path / "gone.wav", tmp_path / "long.wav"]
    first, gone, second = recognizer.transcribe_all(files)
    assert first == second == expected and isinstance(gone, audio.AudioError)


def test_what_lasts_up_to_half_a_minute_is_one_utterance(recognizer, utterances):
    waveform = np.concatenate([audio.read(utterances[0].audio)] * 100)[: 30 * 16000]
    emission = recognizer.network.log_probs([recognizer.frontend.extractor(waveform)])[0]
    transcript = recognizer.transcribe(waveform, 16000)
    assert transcript.text == recognizer.decoder(emission)[0].text and len(transcript.words) == 1
    assert len(recognizer.transcribe(np.append(waveform, waveform[:16000]), 16000).words) != 1


@pytest.fixture
def cutting(recognizer):
    """The same network where its settings say that it was trained on single words."""
    return with_recognition(recognizer, min_silence_ms=300.0)


def in_silence(waveform, before_s, after_s):
    padded = np.pad(waveform, (round(16000 * before_s), round(16000 * after_s)))
    noise = np.random.default_rng(0).standard_normal(len(padded)).astype(np.float32)
    return padded + np.float32(1e-3) * np.abs(waveform).max() * noise


def test_a_word_in_silence_is_recognised_alone(cutting, utterances):
    """Nothing else is in its segment; in those of noise so small a network, trained without any, may spell letters."""
    right = []
    for index, utterance in enumerate(utterances):
        before_s, after_s = 1 + index % 3, 6 - index % 4
        waveform = in_silence(audio.read(utterance.audio), before_s, after_s)
        heard = cutting.transcribe(waveform, 16000)
        said_s = before_s + 0.05, before_s + utterance.duration_s - 0.04
        here = [word for word in heard.words if word.start_s < said_s[1] and said_s[0] < word.end_s]
        assert all((word.start_s, word.end_s) == pytest.approx(said_s, abs=0.3) for word in here)
        assert heard.duration_s == pytest.approx(len(waveform) / 16000, abs=1e-3)
        right.append([word.text for word in here] == [utterance.text])
    assert np.mean(right) >= 0.25


@pytest.mark.parametrize("stack", [2, 3])
def test_segments_are_whole_frames_of_the_network_and_have_their_times(cutting, utterances, stack):
    """In noise that is louder than the padding, which is a tenth of the frames."""
    stacked = with_recognition(with_features(cutting, stack=stack), noise_pad_ms=200.0)
    waveform = in_silence(audio.read(utterances[0].audio), 1.33, 1.57)
    noise = np.random.default_rng(1).standard_normal(len(waveform)).astype(np.float32)
    waveform += np.float32(0.02) * np.abs(waveform).max() * noise
    found = list(stacked.frontend.segments(source.open(waveform, stacked.card.features, 16000)))
    assert len(found) == 3 and all(len(one.cepstra) % stack == 0 for one in found[:-1])
    cepstra = stacked.frontend.extractor.cepstra(stacked.frontend.padded(waveform))
    assert np.array_equal(np.concatenate([one.cepstra for one in found]), cepstra)
    assert (found[0].origin_s, found[0].start_s) == (pytest.approx(-0.2), 0.0)
    assert found[-1].end_s == pytest.approx(len(waveform) / 16000)
    for left, right in itertools.pairwise(found):
        assert left.end_s == right.start_s == pytest.approx(right.origin_s)
        assert left.end_s - left.origin_s == pytest.approx(0.01 * len(left.cepstra))
    assert found[1].start_s == pytest.approx(1.33 + 0.05 - 0.3, abs=0.1)


def test_the_only_segment_with_a_text_keeps_its_hypotheses(tones_run, utterances):
    several = Recognizer.load(tones_run[0], decoding=DecoderConfig(decoder="beam", nbest=4))
    parts = [whole(several, utterance) for utterance in utterances[:3]]
    blank = np.full((20, parts[0][1].shape[1]), -30.0)
    blank[:, 0] = 0.0
    silence = (Segment(np.zeros((0, 13), np.float32), 0.0, 0.0, 1.0, is_speech=False), blank)
    for part in parts:
        alone = several.transcript([part])
        among = several.transcript([silence, part, silence])
        assert [one.text for one in among.nbest] == [one.text for one in alone.nbest] and len(alone.nbest) == 4
        assert among.text == alone.text and among.words == alone.words
        for one, other in itertools.pairwise(among.nbest):
            assert one.score >= other.score
    both = several.transcript(parts[:2])
    assert len(both.nbest) == 1 and len(both.text.split()) == 2


def test_options_belong_to_the_call(tones_run, utterances):
    several = Recognizer.load(tones_run[0], decoding=DecoderConfig(decoder="beam", nbest=4))
    plain = several.transcribe(utterances[0])
    for nbest in (1, 2, 6):
        other = several.transcribe(utterances[0], options=Options(nbest=nbest))
        assert other.text == plain.text and other.nbest[:4] == plain.nbest[:nbest] and len(other.nbest) == nbest
    tuned = several.with_tuning(dataclasses.replace(several.tuning, min_confidence=1.0))
    assert tuned.transcribe(utterances[0]).text == ""
    assert tuned.transcribe(utterances[0], options=Options(min_confidence=0.0)) == plain
    assert several.transcribe(utterances[0]) == plain


def test_evaluation_and_alignment_recognise_what_transcription_does(
    recognizer, cutting, long_sound, utterances, tmp_path
):
    """In recordings that are cut, too: in short ones at a pause, in long ones."""
    audio.write(tmp_path / "long.wav", long_sound[0], 16000)
    quiet = in_silence(audio.read(utterances[1].audio), 2, 2)
    audio.write(tmp_path / "short.wav", np.concatenate([quiet, quiet]), 16000)
    for model in (recognizer, cutting):
        for name in ("long", "short"):
            spoken = manifest.Utterance(name, "abcd", str(tmp_path / f"{name}.wav"), duration_s=1.0)
            transcript = model.transcribe(spoken.audio)
            assert evaluate(model, [spoken, utterances[0]]).hypotheses[name] == transcript.text
            segment, emission = whole(model, spoken)
            assert (segment.start_s, segment.end_s) == pytest.approx((0, transcript.duration_s), abs=1e-3)
            seconds = len(emission) * model.card.features.frame_ms / 1000
            assert seconds == pytest.approx(transcript.duration_s, abs=0.05)
    (word,) = cutting.align(quiet, utterances[1].text, 16000).words
    assert (word.start_s, word.end_s) == pytest.approx((2.05, 2 + utterances[1].duration_s - 0.04), abs=0.15)
    bounds = [character.start_s for character in word.characters] + [word.end_s]
    assert (np.diff(bounds) > 0).all() and bounds[0] == word.start_s


@pytest.mark.parametrize("num_samples", [1, 100, 900, 4000])
def test_no_word_and_no_character_is_empty(recognizer, num_samples):
    """However short the sound, and though they are spelled in the noise around it."""
    edged = with_recognition(recognizer, noise_pad_ms=200.0)
    waveform = np.random.default_rng(0).standard_normal(num_samples).astype(np.float32)
    for text in ("a", "abcd"):
        (word,) = edged.align(waveform, text, 16000).words
        bounds = [(character.start_s, character.end_s) for character in word.characters]
        assert all(start_s < end_s for start_s, end_s in bounds)
        assert (bounds[0][0], bounds[-1][1]) == (word.start_s, word.end_s)
        assert word.end_s <= max(num_samples / 16000, 0.001 * len(text)) + 1e-3


def test_a_word_below_the_threshold_is_in_no_best_hypothesis(tones_run, utterances):
    several = Recognizer.load(tones_run[0], decoding=DecoderConfig(decoder="beam", nbest=3))
    transcript = several.transcribe(utterances[0].audio, options=Options(min_confidence=1.0))
    assert transcript.text == transcript.nbest[0].text == " ".join(word.text for word in transcript.words)
    assert len(transcript.nbest) == 3


def test_a_sound_for_a_model_of_features_is_named_and_the_others_go_on(recognizer, utterances, tmp_path):
    np.save(tmp_path / "x.npy", recognizer.frontend.extractor.cepstra(audio.read(utterances[0].audio)))
    precomputed = with_features(recognizer, source="precomputed")
    files = [tmp_path / "x.npy", utterances[0].audio, tmp_path / "x.npy"]
    first, second, third = precomputed.transcribe_all(files)
    assert first == third and first.text == recognizer.transcribe(utterances[0].audio).text
    assert isinstance(second, UserError) and str(second).startswith(f"{utterances[0].audio}: ")


def test_memory_does_not_grow_with_a_recording(recognizer, tmp_path):
    import soundfile

    rng = np.random.default_rng(0)
    minute = (0.1 * rng.standard_normal(60 * 16000) * np.repeat(rng.random(60) > 0.4, 16000)).astype(np.float32)
    peaks = []
    for minutes in (3, 9):
        with soundfile.SoundFile(tmp_path / f"{minutes}.wav", "w", 16000, 1) as sound:
            for _ in range(minutes):
                sound.write(minute)
        tracemalloc.start()
        recognizer.transcribe(tmp_path / f"{minutes}.wav", options=Options(has_words=False))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] < 60e6


def test_a_known_text_is_aligned_as_a_hypothesis(recognizer, utterances):
    for utterance in utterances:
        heard = recognizer.transcribe(utterance.audio)
        aligned = recognizer.align(utterance.audio, f" {heard.text.upper()}!")
        assert aligned.text == heard.text
        assert [dataclasses.replace(word, characters=()) for word in aligned.words] == list(heard.words)
        for word in aligned.words:
            assert "".join(character.text for character in word.characters) == word.text
            bounds = [(character.start_s, character.end_s) for character in word.characters]
            assert (bounds[0][0], bounds[-1][1]) == (word.start_s, word.end_s)
            assert all(left[1] == right[0] for left, right in itertools.pairwise(bounds))
            assert all(start_s < end_s for start_s, end_s in bounds)


def test_letters_are_where_the_tones_are(recognizer, tones):
    """A tone starts every 160 ms on the average, after 50 ms of nothing."""
    late = []
    for utterance in manifest.read(tones / "test.jsonl"):
        waveform = audio.read(utterance.audio)
        is_loud = np.convolve(np.abs(waveform), np.ones(160) / 160, "same") > 0.02
        starts = np.flatnonzero(np.diff(is_loud.astype(int)) == 1) / 16000
        assert len(starts) == len(utterance.text)
        (word,) = recognizer.align(waveform, utterance.text, 16000).words
        late += [character.start_s - start for character, start in zip(word.characters, starts, strict=True)]
        assert word.start_s == pytest.approx(starts[0], abs=0.02), "the sound says so"
    assert np.median(np.abs(late)) < 0.08


def test_an_utterance_of_a_recording_keeps_its_clock(recognizer, utterances, tmp_path):
    (alone,) = recognizer.align(utterances[0], utterances[0].text).words
    audio.write(tmp_path / "later.wav", np.pad(audio.read(utterances[0].audio), (16000, 0)), 16000)
    # A duration that is wrong is not believed.
    later = dataclasses.replace(utterances[0], audio=str(tmp_path / "later.wav"), start_s=1.0, duration_s=0.01)
    (word,) = recognizer.align(later, later.text).words
    assert (word.start_s, word.end_s) == pytest.approx((alone.start_s + 1, alone.end_s + 1), abs=1e-3)
    assert [character.start_s for character in word.characters] == pytest.approx(
        [character.start_s + 1 for character in alone.characters], abs=1e-3
    )


def test_the_margins_of_words_are_those_of_the_model(recognizer, utterances):
    _, emission = whole(recognizer, utterances[0])
    later = Segment(np.zeros((0, 13), np.float32), 0.0, 0.0, 9.0)
    (inner,), (outer,) = (
        recognizer.with_metadata(dataclasses.replace(recognizer.card, timing=timing)).words(
            later, emission, utterances[0].text
        )
        for timing in (Timing(0.0, 0.0), Timing(0.02, 0.01))
    )
    assert (inner.start_s - outer.start_s, outer.end_s - inner.end_s) == pytest.approx((0.02, 0.01))


def test_texts_that_cannot_be_aligned(recognizer, utterances):
    with pytest.raises(AlignError, match="need"):
        recognizer.align(utterances[0].audio, "abcd" * 100)
    with pytest.raises(TextError, match="'x'"):
        recognizer.align(utterances[0].audio, "abx")
    assert recognizer.align(utterances[0].audio, " . ").words == ()


def test_right_words_have_more_confidence_than_wrong_ones(recognizer, utterances):
    for utterance in utterances:
        segment, emission = whole(recognizer, utterance)
        (right,) = recognizer.words(segment, emission, utterance.text)
        (wrong,) = recognizer.words(segment, emission, utterance.text[:-1])
        if recognizer.decoder(emission)[0].text == utterance.text:
            assert right.confidence > wrong.confidence


def test_words_below_the_threshold_are_dropped(recognizer, utterances):
    transcript = recognizer.transcribe(utterances[0].audio)
    confidence = transcript.words[0].confidence
    assert recognizer.transcribe(utterances[0].audio, options=Options(min_confidence=confidence)) == transcript
    dropped = recognizer.transcribe(utterances[0].audio, options=Options(min_confidence=confidence + 1e-3))
    assert dropped.text == "" and dropped.words == ()


def test_the_best_of_several_hypotheses_has_no_more_errors(tones_run, utterances):
    evaluation = evaluate(Recognizer.load(tones_run[0], decoding=DecoderConfig(nbest=3)), utterances)
    assert evaluation.oracle is not None and evaluation.oracle.errors <= evaluation.score.word.errors


def test_a_model_that_comes_with_the_package_has_a_name(tmp_path, monkeypatch):
    assert {"digits", "english", "english_small"} <= set(shipped_names())
    for name in shipped_names():
        assert model_file(name).name == f"{name}.onnx" and model_file(name).is_file()
    with pytest.raises(ModelError, match=r"englsh: no such model.*english_small"):
        model_file("englsh")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "model.onnx").touch()
    assert model_file("digits").resolve() == tmp_path / "digits" / "model.onnx", "your own run comes first"
