import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from asr import audio
from asr.audio import AudioError
from asr.features import FeatureConfig, FeatureExtractor


def sine(sample_rate, seconds=0.5, hertz=440.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(sample_rate * seconds)) / sample_rate)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "au", "w64", "caf"])
def test_every_format_is_read(tmp_path, suffix):
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, sine(16000), 16000)
    waveform = audio.read(path, 16000)
    assert waveform.dtype == np.float32
    assert len(waveform) == pytest.approx(8000, abs=1200 if suffix == "mp3" else 0)
    assert np.abs(waveform).max() == pytest.approx(0.5, abs=0.05)


def test_nist_sphere_is_read(tmp_path):
    """1,024 bytes of header, then big-endian samples, as in AN4 and TIMIT."""
    samples = (sine(16000) * 32767).astype(">i2")
    header = f"NIST_1A\n   1024\nsample_count -i {len(samples)}\nsample_rate -i 16000\nchannel_count -i 1\n" \
             "sample_byte_format -s2 10\nsample_n_bytes -i 2\nsample_coding -s3 pcm\nend_head\n"  # fmt: skip
    path = tmp_path / "sound.sph"
    path.write_bytes(header.encode().ljust(1024) + samples.tobytes())
    assert np.array_equal(audio.read(path), samples.astype(np.float32) / 32768)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_another_rate_is_resampled_not_misheard(tmp_path, rate):
    path = tmp_path / "sound.wav"
    audio.write(path, sine(rate), rate)
    waveform = audio.read(path, 16000)
    assert len(waveform) == pytest.approx(8000, abs=2)
    assert np.abs(waveform[500:-500] - sine(16000)[500 : len(waveform) - 500]).max() < 0.01


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "sound.wav"
    stereo = np.stack([sine(16000), np.zeros(8000, np.float32)], axis=1)
    soundfile.write(path, stereo, 16000, subtype="FLOAT")
    assert np.allclose(audio.read(path, 16000), stereo[:, 0] / 2, atol=1e-6)


def test_a_part_is_cut_out(tmp_path):
    path = tmp_path / "sound.wav"
    audio.write(path, sine(16000), 16000)
    whole = audio.read(path)
    assert np.array_equal(audio.read(path, start_s=0.1, end_s=0.2), whole[1600:3200])
    with pytest.raises(AudioError, match=r"no part from 0\.4 s to 0\.9 s in its 0\.500 s"):
        audio.read(path, start_s=0.4, end_s=0.9)


def test_writing_then_reading_is_identity(tmp_path):
    path = tmp_path / "sound.wav"
    samples = (np.arange(-100, 100, dtype=np.float32)) / 32768
    audio.write(path, samples, 16000)
    assert np.array_equal(audio.read(path), samples)


def broken(tmp_path, kind):
    path = tmp_path / f"{kind}.flac"
    if kind == "missing":
        return path
    if kind == "text":
        path.write_text("this is not sound")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "no samples":
        soundfile.write(path.with_suffix(".wav"), np.zeros(0), 16000)
        return path.with_suffix(".wav")
    elif kind == "folder":
        path.mkdir()
    elif kind == "not finite":
        soundfile.write(path.with_suffix(".wav"), np.full(100, np.nan), 16000, subtype="FLOAT")
        return path.with_suffix(".wav")
    elif kind == "absurd":
        soundfile.write(path.with_suffix(".wav"), np.full(100, -1e20), 16000, subtype="FLOAT")
        return path.with_suffix(".wav")
    elif kind == "absurd channels":
        soundfile.write(path.with_suffix(".wav"), np.full((100, 2), [3e38, -3e38]), 16000, subtype="FLOAT")
        return path.with_suffix(".wav")
    else:
        soundfile.write(path, np.random.default_rng(0).standard_normal(16000) * 0.1, 16000)
        data = bytearray(path.read_bytes())
        path.write_bytes(
            data[: len(data) // 2] if kind == "cut short" else bytes(data[:9000] + b"x" * 400 + data[9400:])
        )
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "no samples", "folder", "not finite", "absurd",
                                  "absurd channels", "cut short", "damaged"])  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_read_is_named(tmp_path, kind):
    path = broken(tmp_path, kind)
    with pytest.raises(AudioError) as caught:
        audio.read(path, 16000)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loudest", [1e-6, 1.0, 1.7, 2.0**15, 2.0**31])
@pytest.mark.filterwarnings("error")
def test_how_loud_floating_point_is_changes_nothing_up_to_integers_of_32_bits(tmp_path, loudest):
    wave = np.sin(np.arange(1600)).astype(np.float32)
    wave[7] = 1.0
    soundfile.write(tmp_path / "x.wav", wave * np.float32(loudest), 16000, subtype="FLOAT")
    waveform = audio.read(tmp_path / "x.wav", 16000)
    assert np.array_equal(waveform, wave * np.float32(loudest))
    assert np.isfinite(FeatureExtractor(FeatureConfig(mean="utterance", variance="none"))(waveform)).all()


def test_a_stream_of_unknown_length_is_read(tmp_path):
    """A FLAC file written to a pipe has no number of samples in its header."""
    path = tmp_path / "piped.flac"
    soundfile.write(path, sine(16000), 16000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert len(audio.read(path, 16000)) == 8000


def test_a_header_cannot_claim_all_memory(tmp_path):
    path = tmp_path / "greedy.flac"
    soundfile.write(path, sine(16000), 16000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"greedy\.flac: damaged"):
        audio.read(path, 16000)


def test_formats_that_cannot_seek_are_read(tmp_path):
    path = tmp_path / "phone.wav"
    soundfile.write(path, sine(8000), 8000, subtype="GSM610")
    whole = audio.read(path)
    assert len(whole) >= 4000
    assert np.array_equal(audio.read(path, start_s=0.1, end_s=0.2), whole[800:1600])


def test_standard_input_is_read():
    data = io.BytesIO()
    soundfile.write(data, sine(16000), 16000, format="WAV")
    code = "from asr import audio; print(len(audio.read('-', 16000)))"
    done = subprocess.run([sys.executable, "-c", code], input=data.getvalue(), capture_output=True, check=True)
    assert done.stdout.split() == [b"8000"]


def test_real_damaged_files_are_named(real_speech):
    files = sorted((real_speech / "broken_audio").glob("*.flac"))
    assert files
    for path in files:
        with pytest.raises(AudioError, match=path.name):
            audio.read(path, 16000)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8", "ULAW"])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_those_that_libsndfile_gives(tmp_path, subtype, channels):
    path = tmp_path / "sound.wav"
    samples = np.random.default_rng(0).uniform(-1, 1, (5000, channels))
    soundfile.write(path, samples, 16000, subtype=subtype)
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    assert np.array_equal(audio.read(path), expected)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("block_s", [0.1, 0.77, 3.0])
def test_blocks_are_what_reading_gives(tmp_path, suffix, rate, block_s):
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.stack([sine(rate, 2.3), sine(rate, 2.3, 1000.0)], axis=1), rate)
    whole = audio.read(path, 16000)
    blocks = list(audio.blocks(path, 16000, block_s=block_s))
    assert all(block.dtype == np.float32 for block in blocks) and (len(blocks) > 1) == (block_s < 2.3)
    joined = np.concatenate(blocks)
    assert joined.shape == whole.shape and np.abs(joined - whole).max() < 1e-5
    if len(blocks) == 1:
        assert np.array_equal(joined, whole)


def test_a_damaged_end_is_found_after_the_last_block(tmp_path):
    path = tmp_path / "sound.wav"
    audio.write(path, sine(16000, 2.0), 16000)
    path.write_bytes(path.read_bytes()[:-20000])
    blocks = audio.blocks(path, 16000, block_s=0.5)
    try:
        given = sum(map(len, blocks))
    except AudioError as error:
        assert "breaks off" in str(error)
    else:
        assert given == len(audio.read(path)), "libsndfile believes the size of the file"
