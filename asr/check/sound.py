"""What a sound file is like: its rate and bandwidth, level, clipping, constant offset, and whether its ends are cut."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asr import audio
from asr.audio import Waveform
from asr.check.findings import Example, Finding, finding
from asr.data import manifest
from asr.data.manifest import Utterance

_FRAME = 512  # samples of a spectrum
_MAX_FRAMES = 64  # that are looked at, spread over the sound
_CLIPPED = 0.999  # of the largest sample
_MIN_CLIPPED = 1e-3  # of all samples
_SILENT_DB = -60.0  # peak, against full scale
_OFFSET = 0.02  # of full scale
_NARROW_HZ, _NARROW_DB = 4000.0, 30.0  # what telephones carry, and how steep their edge is
_EDGE_S = 0.01
_CUT_DB = -12.0  # of an edge, against the loudest 10 ms


@dataclass(frozen=True)
class Measured:
    """What a sound is like; levels in decibels against full scale."""

    sample_rate: int
    duration_s: float
    peak_db: float
    clipped: float
    """Share of the samples that are at the largest value, in runs."""
    offset: float
    """Mean of the samples."""
    is_narrow: bool
    """Whether nothing is above 4 kHz although the sample rate would hold it."""
    start_db: float
    """Level of the first 10 ms against the loudest 10 ms."""
    end_db: float
    digest: str
    """Of the samples."""

    @property
    def is_silent(self) -> bool:
        """Whether nobody could speak in it."""
        return self.peak_db < _SILENT_DB

    @property
    def is_clipped(self) -> bool:
        """Whether its peaks are cut off."""
        return self.clipped > _MIN_CLIPPED

    @property
    def is_cut(self) -> bool:
        """Whether it begins or ends at once, at the level of speech."""
        return not self.is_silent and max(self.start_db, self.end_db) > _CUT_DB


def measure(utterance: Utterance) -> Measured:
    """Measure the sound of an utterance, whole; raises AudioError."""
    assert utterance.audio
    rate = audio.info(utterance.audio).sample_rate
    return measure_waveform(manifest.read_waveform(utterance, rate), rate)


def measure_waveform(waveform: Waveform, rate: int) -> Measured:
    """Measure a waveform (num_samples,) at `rate` Hz."""
    peak = float(np.abs(waveform).max(initial=0))
    edge = max(1, round(_EDGE_S * rate))
    whole = waveform[: len(waveform) // edge * edge].reshape(-1, edge)
    levels = np.sqrt(np.square(whole).mean(axis=1)) if len(whole) else np.array([peak])
    loudest = max(float(levels.max()), 1e-9)
    return Measured(
        sample_rate=rate,
        duration_s=len(waveform) / rate,
        peak_db=_db(peak),
        clipped=_clipped(waveform, peak),
        offset=float(waveform.mean()) if len(waveform) else 0.0,
        is_narrow=_is_narrow(waveform, rate),
        start_db=_db(float(levels[0]) / loudest),
        end_db=_db(float(levels[-1]) / loudest),
        digest=hashlib.blake2b(waveform.tobytes(), digest_size=16).hexdigest(),
    )


def _db(value: float) -> float:
    return round(20 * float(np.log10(max(value, 1e-10))), 1)


def _clipped(waveform: Waveform, peak: float) -> float:
    """Share of samples that are as large as the largest one, with a neighbour that is so, too."""
    if peak < 0.1 or len(waveform) < 2:
        return 0.0
    is_high = np.abs(waveform) >= _CLIPPED * peak
    same = np.sign(waveform[1:]) == np.sign(waveform[:-1])
    return float((is_high[1:] & is_high[:-1] & same).mean())


def _is_narrow(waveform: Waveform, rate: int) -> bool:
    if rate < 11_000 or len(waveform) < _FRAME:
        return False
    starts = np.linspace(0, len(waveform) - _FRAME, min(_MAX_FRAMES, len(waveform) // _FRAME)).astype(int)
    frames = waveform[starts[:, None] + np.arange(_FRAME)] * np.hanning(_FRAME).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).mean(axis=0)
    hertz = np.arange(len(power)) * rate / _FRAME
    below = power[(hertz > 0.7 * _NARROW_HZ) & (hertz < 0.9 * _NARROW_HZ)]
    above = power[(hertz > 1.1 * _NARROW_HZ) & (hertz < min(0.48 * rate, 1.8 * _NARROW_HZ))]
    if not len(above) or below.mean() <= 1e-9:
        return False
    return bool(10 * np.log10(below.mean() / max(float(above.mean()), 1e-20)) > _NARROW_DB)


def findings(measured: Mapping[str, Measured], unreadable: Sequence[Example], wanted_rate: int) -> list[Finding]:
    """What is wrong with sounds, by the name of their utterance, for a recipe at `wanted_rate` Hz."""
    found = [*measured.items()]
    silent = [Example(key, f"peak {one.peak_db:.0f} dB") for key, one in found if one.is_silent]
    by_clipping = sorted((pair for pair in found if pair[1].is_clipped), key=lambda pair: -pair[1].clipped)
    clipped = [Example(key, f"{one.clipped:.1%} of the samples") for key, one in by_clipping]
    by_offset = sorted((pair for pair in found if abs(pair[1].offset) > _OFFSET), key=lambda pair: -abs(pair[1].offset))
    offset = [Example(key, f"{one.offset:+.2f} of full scale") for key, one in by_offset]
    cut = [Example(key, f"{one.start_db:.0f} dB, {one.end_db:.0f} dB") for key, one in found if one.is_cut]
    return [
        *finding("undecodable", "sounds cannot be read", unreadable, "Mend or remove them; they are skipped"),
        *_bands(measured, wanted_rate),
        *finding("silence", "sounds are silent", silent, "Remove them, or give them an empty text"),
        *finding(
            "clipping",
            "sounds are clipped",
            clipped,
            "Record them at a lower level; augment.clip_probability=0.15 makes a network used to it",
            is_error=False,
        ),
        *finding(
            "offset",
            "sounds have a constant offset",
            offset,
            "Remove it, as with sox IN OUT highpass 20",
            is_error=False,
        ),
        *finding(
            "cut_ends",
            "sounds begin or end within speech (levels of their ends against their loudest moment)",
            cut,
            "Cut them with 0.1 s of room, or augment with augment.crop_ms",
            is_error=False,
        ),
    ]


def _bands(measured: Mapping[str, Measured], wanted_rate: int) -> list[Finding]:
    """Sample rates below the wanted one, and sounds that hold less than their rate."""
    rates = Counter(one.sample_rate for one in measured.values())
    lower = [Example(f"{rate} Hz", f"{count} sounds") for rate, count in rates.most_common() if rate < wanted_rate]
    narrow = [Example(key, f"{one.sample_rate} Hz") for key, one in measured.items() if one.is_narrow]
    is_mixed = 0 < len(narrow) < len(measured)
    return [
        *finding(
            "sample_rate",
            f"sample rates are below features.sample_rate={wanted_rate}: their upper band is empty",
            lower,
            f"Set features.sample_rate={min(rates, default=wanted_rate)}, unless other recordings are meant",
        ),
        *finding(
            "narrow_band",
            f"sounds hold nothing above 4 kHz{' and others do' if is_mixed else ''}, at {wanted_rate} Hz",
            narrow if wanted_rate > 2.5 * _NARROW_HZ else [],
            "Set features.sample_rate=8000, or find the wide-band originals",
            is_error=is_mixed,
        ),
    ]
