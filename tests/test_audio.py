import io
import os
import shlex
import subprocess
import sys
import threading

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


def encoded(samples, rate=16000, form="WAV", subtype=None, **options):
    data = io.BytesIO()
    soundfile.write(data, samples, rate, format=form, subtype=subtype, **options)
    return data.getvalue()


def read_bytes(tmp_path, data, name="sound.wav", **options):
    (tmp_path / name).write_bytes(data)
    return audio.read(tmp_path / name, **options)


def mp3(samples, rate=16000, mode="CONSTANT", quality=0.5):
    return encoded(samples, rate, "MP3", compression_level=quality, bitrate_mode=mode)


def frames_of(data):
    """The frames of an MP3 file that has nothing else, but for one of Xing's or Info's, which is no sound."""
    kbps = {True: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            False: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]}  # fmt: skip
    frames = []
    while data:
        version = data[1] >> 3 & 3
        rate = (44100, 48000, 32000)[data[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
        length = (144 if version == 3 else 72) * 1000 * kbps[version == 3][data[2] >> 4] // rate + (data[2] >> 1 & 1)
        frames.append(data[:length])
        data = data[length:]
    return frames[1:] if b"Xing" in frames[0] or b"Info" in frames[0] else frames


def per_frame(rate):
    return 1152 if rate >= 32000 else 576


DELAY = 529  # samples that a decoder of MP3 is late, and mpg123 cuts off


class TestMp3:
    @pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
    @pytest.mark.parametrize("rate", [8000, 16000, 44100])
    def test_what_has_an_info_frame_is_what_libsndfile_gives(self, tmp_path, mode, rate):
        data = mp3(sine(rate, 1.3), rate, mode)
        expected = soundfile.read(io.BytesIO(data), dtype="float32")[0]
        waveform = read_bytes(tmp_path, data, "x.mp3")
        assert len(waveform) == int(1.3 * rate) and np.allclose(waveform, expected, atol=1e-6)

    @pytest.mark.parametrize("rate", [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_a_variable_rate_without_an_info_frame_is_read_to_its_end(self, tmp_path, rate, channels):
        """As an encoder writes it to a pipe: silence in small frames, then noise and a tone in large ones."""
        noise = 0.2 * np.random.default_rng(0).standard_normal(rate)
        parts = [np.zeros(rate), noise, sine(rate, 1.0)]
        shaped = [np.stack([part] * channels, axis=1) for part in parts]
        frames = [frame for part, quality in zip(shaped, (0.9, 0.1, 0.6), strict=True)
                  for frame in frames_of(mp3(part, rate, quality=quality))]  # fmt: skip
        assert len(set(map(len, frames))) > 1
        waveform = read_bytes(tmp_path, b"".join(frames), "x.mp3")
        assert len(waveform) == len(frames) * per_frame(rate) - DELAY
        assert waveform[-rate // 2 : -rate // 5].std() == pytest.approx(0.5 / 2**0.5, rel=0.1), "the tone at the end"
        assert audio.info(tmp_path / "x.mp3").num_samples == len(waveform)
        blocks = np.concatenate(list(audio.blocks(tmp_path / "x.mp3", block_s=0.3)))
        assert np.allclose(blocks, waveform, atol=1e-6)

    ID3 = b"ID3\x04\0\0" + bytes([0, 0, 300 >> 7, 300 & 127]) + b"\xff\xfb\x50\xc4" * 75
    PICTURE = b"ID3\x03\0\0" + bytes([0, 60000 >> 14, 60000 >> 7 & 127, 60000 & 127]) + b"\xff\xd8\xff\xe0" * 15000
    APE = b"APETAGEX" + b"\xd0\x07\0\0" + b"\x60\0\0\0" + b"\x01\0\0\0" + bytes(8) + b"x" * 60
    APE_FOOTER = b"y" * 60 + b"APETAGEX" + b"\xd0\x07\0\0" + b"\x5c\0\0\0" + b"\x01\0\0\0" + b"\0\0\0\x80" + bytes(8)
    ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
    LYRICS = b"LYRICSBEGIN" + b"IND0000200" + b"000024LYRICS200"

    @pytest.mark.parametrize("before", [b"", ID3, PICTURE, ID3 + PICTURE, bytes(1000), b"\xffjunk" * 99])
    @pytest.mark.parametrize("after", [b"", ID3V1, APE, APE_FOOTER + ID3V1, LYRICS + ID3V1, bytes(2000), ID3,
                                       b"?" * 9999, b"\xff"])  # fmt: skip
    @pytest.mark.parametrize("has_info", [True, False])
    def test_tags_pictures_and_padding_change_nothing(self, tmp_path, before, after, has_info):
        data = mp3(sine(44100, 0.7), 44100)
        data = data if has_info else b"".join(frames_of(data))
        bare = read_bytes(tmp_path, data, "bare.mp3")
        assert np.array_equal(read_bytes(tmp_path, before + data + after, "x.mp3"), bare)

    @pytest.mark.parametrize("between", [b"", ID3V1, ID3V1 + ID3, bytes(500)])
    @pytest.mark.parametrize("has_info", [True, False])
    def test_files_one_behind_the_other_are_read_to_the_end(self, tmp_path, between, has_info):
        parts = [mp3(sine(16000, 1.0, hertz), mode="VARIABLE") for hertz in (300.0, 900.0, 2000.0)]
        num_frames = sum(len(frames_of(part)) for part in parts)
        parts = parts if has_info else [b"".join(frames_of(part)) for part in parts]
        waveform = read_bytes(tmp_path, between.join(parts), "x.mp3")
        assert len(waveform) == num_frames * 576 - DELAY
        tail = np.abs(np.fft.rfft(waveform[-12000:-4000]))
        assert 2 * np.argmax(tail) == pytest.approx(2000, abs=6), "the last tone"

    def test_streams_that_differ_are_named(self, tmp_path):
        with pytest.raises(AudioError, match=r"x\.mp3: holds streams that differ: 16000 Hz mono and 44100 Hz mono"):
            read_bytes(tmp_path, mp3(sine(16000)) + mp3(sine(44100), 44100), "x.mp3")

    @pytest.mark.parametrize("has_info", [True, False])
    @pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
    def test_what_breaks_off_is_named(self, tmp_path, has_info, share):
        data = mp3(sine(16000, 2.0))
        data = data if has_info else b"".join(frames_of(data))
        length = len(frames_of(mp3(sine(16000, 2.0)))[0])
        cut = int(share * len(data)) // length * length + length // 2
        with pytest.raises(AudioError, match=r"x\.mp3: damaged: breaks off"):
            read_bytes(tmp_path, data[:cut], "x.mp3")
        if has_info:  # also between two frames
            whole = int(share * len(data)) // length * length
            with pytest.raises(AudioError, match=r"x\.mp3: damaged: breaks off after \d+ of \d+ MPEG frames"):
                read_bytes(tmp_path, data[:whole], "x.mp3")

    def test_what_is_overwritten_is_named(self, tmp_path):
        data = mp3(sine(16000, 2.0))
        with pytest.raises(AudioError, match=r"x\.mp3: damaged: \d+ bytes at \d+ are no MPEG frames"):
            read_bytes(tmp_path, data[:3000] + b"x" * 1500 + data[4500:], "x.mp3")

    def test_a_flac_file_behind_a_tag_is_no_mp3(self, tmp_path):
        assert len(read_bytes(tmp_path, self.ID3 + encoded(sine(16000), form="FLAC"), "x.flac")) == 8000


CONTAINERS = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_U8"), ("WAV", "FLOAT"), ("WAV", "ULAW"),
              ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "GSM610"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"),
              ("W64", "PCM_16"), ("W64", "ULAW"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AU", "PCM_16"),
              ("AU", "ULAW"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("NIST", "ULAW"), ("VOC", "PCM_16"),
              ("SVX", "PCM_16")]  # fmt: skip


@pytest.mark.parametrize(("form", "subtype"), CONTAINERS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.95])
@pytest.mark.parametrize("endian", ["FILE", "BIG"])
def test_a_file_that_is_shorter_than_its_header_says_is_named(tmp_path, form, subtype, share, endian):
    if (endian == "BIG" and form not in ("WAV", "AU", "AIFF")) or (endian == "BIG" and subtype != "PCM_16"):
        pytest.skip("there is one order of bytes")
    data = encoded(sine(16000, 1.0), form=form, subtype=subtype, endian=endian)
    assert len(read_bytes(tmp_path, data, "x.bin")) >= 16000
    with pytest.raises(AudioError, match=r"x\.bin: (damaged: breaks off after|not a sound file .* malformed)"):
        read_bytes(tmp_path, data[: int(share * len(data))], "x.bin")
    with pytest.raises(AudioError, match=r"x\.bin"):
        list(audio.blocks(tmp_path / "x.bin", 8000, block_s=0.1))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0x7FFFFFFF - 44])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "ULAW"])
@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF])
def test_a_stream_whose_header_was_never_completed_is_read(tmp_path, size, subtype, riff_size):
    data = bytearray(encoded(sine(16000), subtype=subtype))
    offset = data.index(b"data") + 4
    data[4:8] = riff_size.to_bytes(4, "little")
    data[offset : offset + 4] = size.to_bytes(4, "little")
    waveform = read_bytes(tmp_path, bytes(data))
    assert 8000 <= len(waveform) <= 8012 and np.abs(waveform[:8000] - sine(16000)).max() < 0.02
    assert np.array_equal(np.concatenate(list(audio.blocks(tmp_path / "sound.wav", block_s=0.1))), waveform)
    assert np.array_equal(audio.read(tmp_path / "sound.wav", start_s=0.1, end_s=0.2), waveform[1600:3200])
    assert audio.info(tmp_path / "sound.wav").num_samples == len(waveform)


def test_a_file_of_no_samples_and_other_chunks_holds_none(tmp_path):
    data = encoded(np.zeros(0)) + b"LIST\x04\0\0\0INFO"
    with pytest.raises(AudioError, match="holds no samples"):
        read_bytes(tmp_path, data)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_ogg_is_read_to_its_end_and_what_breaks_off_is_named(tmp_path, subtype):
    parts = [encoded(sine(16000, 1.0, hertz), form="OGG", subtype=subtype) for hertz in (300.0, 900.0)]
    one, other = (read_bytes(tmp_path, part, "x.ogg") for part in parts)
    assert np.array_equal(read_bytes(tmp_path, b"".join(parts), "x.ogg"), np.concatenate([one, other]))
    assert np.array_equal(audio.read(tmp_path / "x.ogg", start_s=1.5, end_s=1.9), other[8000:14400])
    for cut in (0.5, 0.97):
        with pytest.raises(AudioError, match=r"x\.ogg: damaged: breaks off within its last page"):
            read_bytes(tmp_path, parts[0] + parts[1][: int(cut * len(parts[1]))], "x.ogg")
    stereo = encoded(np.zeros((8000, 2)), form="OGG", subtype=subtype)
    with pytest.raises(AudioError, match=r"x\.ogg: holds streams of 16000 Hz with 1 channels and"):
        read_bytes(tmp_path, parts[0] + stereo, "x.ogg")


def test_wav_behind_wav_is_read_to_its_end(tmp_path):
    parts = [encoded(sine(16000, 0.5, hertz)) for hertz in (300.0, 900.0, 2000.0)]
    expected = np.concatenate([read_bytes(tmp_path, part) for part in parts])
    assert np.array_equal(read_bytes(tmp_path, b"".join(parts)), expected)


class TestChannels:
    @pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
    @pytest.mark.parametrize("gain", [-1.0, -0.98, -1.1])
    def test_where_channels_cancel_one_another_the_louder_one_is_taken(self, tmp_path, subtype, gain):
        one = sine(16000, 3.3) * np.linspace(0.5, 0.1, 52800, dtype=np.float32)
        data = encoded(np.stack([one, gain * one], axis=1), subtype=subtype)
        assert np.abs(read_bytes(tmp_path, data) - one).max() < 1e-4

    def test_the_louder_one_of_several_is_taken(self, tmp_path):
        one = 0.1 * sine(16000, 2.5)
        channels = np.stack([0.3 * one, one, -one, -0.3 * one], axis=1)
        assert np.abs(read_bytes(tmp_path, encoded(channels, subtype="FLOAT")) - one).max() < 1e-6

    @pytest.mark.parametrize("gain", [1.0, 0.5, 0.0, -0.5, -0.7])
    def test_else_they_are_averaged(self, tmp_path, gain):
        one = sine(16000, 2.5)
        waveform = read_bytes(tmp_path, encoded(np.stack([one, gain * one], axis=1), subtype="FLOAT"))
        assert np.allclose(waveform, (1 + gain) / 2 * one, atol=1e-6)

    @pytest.mark.parametrize("rate", [16000, 44100])
    @pytest.mark.parametrize("block_s", [0.1, 0.77, 1.0, 2.2])
    def test_blocks_change_nothing(self, tmp_path, rate, block_s):
        """Not even where the channels cancel in a part of the recording alone."""
        rng = np.random.default_rng(0)
        one = 0.1 * rng.standard_normal(5 * rate)
        other = np.concatenate([0.1 * rng.standard_normal(2 * rate), -one[2 * rate :]])
        (tmp_path / "x.wav").write_bytes(encoded(np.stack([one, other], axis=1), rate))
        whole = audio.read(tmp_path / "x.wav", 16000)
        blocks = np.concatenate(list(audio.blocks(tmp_path / "x.wav", 16000, block_s=block_s)))
        assert blocks.shape == whole.shape and np.abs(blocks - whole).max() < 1e-5
        assert np.abs(whole[-16000:]).max() > 0.1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_pipes_are_read_as_files_are(tmp_path, form):
    data = encoded(sine(16000, 1.0), form=form)
    (tmp_path / "file").write_bytes(data)
    expected = audio.read(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(data))
    writer.start()
    assert np.array_equal(audio.read(tmp_path / "pipe"), expected)
    writer.join()
    code = "import sys; from asr import audio; print(len(audio.read(sys.argv[1])))"
    for name in ("-", "/dev/stdin"):
        done = subprocess.run([sys.executable, "-c", code, name], input=data, capture_output=True, check=True)
        assert done.stdout.split() == [str(len(expected)).encode()]
    done = subprocess.run([sys.executable, "-c", code, "/dev/stdin"], input=b"", capture_output=True)
    assert b"AudioError: /dev/stdin: empty" in done.stderr


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("p.m4a", b"\0\0\0\x1cftypM4A \0\0\0\0", "MPEG-4"),
        ("p.mp4", b"\0\0\0\x1cftypisom\0\0\0\0", "MPEG-4"),
        ("p.3gp", b"\0\0\0\x1cftyp3gp4\0\0\0\0", "3GPP"),
        ("p.wav", b"\0\0\0\x1cftypM4A \0\0\0\0", "MPEG-4"),
        ("p.webm", b"\x1a\x45\xdf\xa3", "WebM"),
        ("p.amr", b"#!AMR\n", "AMR"),
        ("p.aac", b"\xff\xf1\x50\x80", "AAC"),
        ("p.wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
        ("p.shn", b"ajkg\x02", "Shorten"),
        ("it's.m4a", b"nothing known", "m4a"),
    ],
)
def test_formats_that_libsndfile_does_not_read_are_named_with_what_to_do(tmp_path, name, head, kind):
    with pytest.raises(AudioError, match=kind) as caught:
        read_bytes(tmp_path, head.ljust(2000, b"\x55"), name)
    target = "p-converted.wav" if name == "p.wav" else name.rpartition(".")[0] + ".wav"
    source, target = (shlex.quote(str(tmp_path / one)) for one in (name, target))
    assert str(caught.value).endswith(f"; convert it: ffmpeg -i {source} {target}")


def test_packed_sphere_is_named_with_what_to_do(tmp_path):
    header = b"NIST_1A\n   1024\nsample_count -i 5000\nsample_n_bytes -i 2\nchannel_count -i 1\n" \
             b"sample_rate -i 16000\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"  # fmt: skip
    with pytest.raises(AudioError, match=r"SPHERE, packed \(pcm,embedded-shorten-v2\.00\).*sph2pipe -f wav .*x\.sph"):
        read_bytes(tmp_path, header.ljust(1024) + b"ajkg" + bytes(3000), "x.sph")


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_names_that_are_not_utf_8_are_read_and_named(tmp_path):
    path = str(tmp_path / "caf\udce9.wav")
    audio.write(path, sine(16000), 16000)
    assert len(audio.read(path)) == 8000
    with pytest.raises(AudioError, match=r"caf\\xe9\.wav: not a sound file"):
        read_bytes(tmp_path, b"nothing", "caf\udce9.wav")
    with pytest.raises(AudioError, match=r"a\\x1b\[2J\\n\.wav: no such file"):
        audio.read(tmp_path / "a\x1b[2J\n.wav")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read_says_so(tmp_path):
    audio.write(tmp_path / "x.wav", sine(16000), 16000)
    (tmp_path / "x.wav").chmod(0)
    with pytest.raises(AudioError, match=r"x\.wav: Permission denied"):
        audio.read(tmp_path / "x.wav")


def test_a_link_to_nothing_and_a_rate_of_nothing_are_named(tmp_path):
    (tmp_path / "x.wav").symlink_to(tmp_path / "annex")
    with pytest.raises(AudioError, match=r"x\.wav: a link to a file that is not there"):
        audio.read(tmp_path / "x.wav")
    with pytest.raises(AudioError, match=r"y\.wav: of 1 samples a second"):
        read_bytes(tmp_path, encoded(sine(16000), 1), "y.wav")
