"""Words and segments with times, as NIST's ctm and stm have them: the words of a ctm go into the segments of an stm."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from asr.score.source import ScoreError, Source, some

_IGNORED = "ignore_time_segment_in_scoring"
_EXPECTED = {"stm": "recording channel speaker start end words", "ctm": "recording channel start duration word"}


class Segment(NamedTuple):
    """A part of a recording in an stm (several words) or a ctm (one word)."""

    recording: str
    channel: str
    start_s: float
    end_s: float
    text: str
    speaker: str = ""

    @property
    def id(self) -> str:
        """Recording, channel and times."""
        return f"{self.recording}_{self.channel}_{self.start_s:.2f}_{self.end_s:.2f}"

    @property
    def is_scored(self) -> bool:
        """Whether it is none of those that an stm excludes from scoring."""
        return self.text.lower() != _IGNORED


def read(source: Source, form: Literal["stm", "ctm"]) -> list[Segment]:
    """Segments of an stm or words of a ctm, in the file's order; raises ScoreError naming the line."""
    min_fields = 5 if form == "stm" else 4
    result = []
    for number, line in enumerate(source.lines, start=1):
        fields = line.split(maxsplit=min_fields)
        if not fields or fields[0].startswith(";;"):
            continue
        try:
            if len(fields) < min_fields + (form == "ctm"):
                raise ValueError
            first, second = float(fields[min_fields - 2]), float(fields[min_fields - 1])
        except ValueError:
            raise ScoreError(f"{source.name}, line {number}: not a line of {form}: {_EXPECTED[form]}") from None
        end = second if form == "stm" else first + second
        if not 0 <= first <= end < float("inf"):
            raise ScoreError(f"{source.name}, line {number}: from {first:g} s to {end:g} s is no span of time")
        rest = fields[min_fields] if len(fields) > min_fields else ""
        if form == "ctm":
            result.append(Segment(fields[0], fields[1], first, end, rest.split()[0]))
        else:
            rest = re.sub(r"^<[^>]*>\s*", "", rest).strip()  # labels: <o,f0,male>
            result.append(Segment(fields[0], fields[1], first, end, rest, fields[2]))
    return result


def by_segment(source: Source, segments: Sequence[Segment]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """(text by id, speaker by id, notes) of the segments of an stm; raises ScoreError where one stands twice."""
    scored = [segment for segment in segments if segment.is_scored]
    texts = {segment.id: segment.text for segment in scored}
    if len(texts) < len(scored):
        twice, _ = Counter(segment.id for segment in scored).most_common(1)[0]
        raise ScoreError(f"{source.name}: the segment {twice} stands there twice")
    excluded = len(segments) - len(scored)
    notes = [f"excludes {excluded} segment{'s' * (excluded > 1)} from scoring"] if excluded else []
    return texts, {segment.id: segment.speaker for segment in scored}, notes


def by_recording(words: Sequence[Segment]) -> dict[str, str]:
    """The words of each recording in the order of their times: one utterance each, or one for each channel."""
    has_channels = len({word.channel for word in words}) > 1
    texts: dict[str, list[str]] = {}
    for word in sorted(words, key=lambda word: word.start_s):
        key = f"{word.recording}_{word.channel}" if has_channels else word.recording
        texts.setdefault(key, []).append(word.text)
    return {key: " ".join(texts[key]) for key in sorted(texts)}


def assign(source: Source, words: Sequence[Segment], segments: Sequence[Segment]) -> tuple[dict[str, str], list[str]]:
    """(text by id, notes) of the words of a ctm in the segments of an stm.

    A word goes where the middle of its time is, or else into the nearest segment; at the border of two into the later
    one. Raises ScoreError where there are words, and none of a recording that has segments.
    """
    by_channel: dict[tuple[str, str], list[Segment]] = {}
    for segment in sorted(segments, key=lambda segment: segment.start_s):
        by_channel.setdefault((segment.recording, segment.channel), []).append(segment)
    times = {key: np.array([(segment.start_s, segment.end_s) for segment in some]) for key, some in by_channel.items()}
    texts: dict[str, list[str]] = {}
    num_outside, unknown = 0, set()
    for word in sorted(words, key=lambda word: word.start_s):
        key = (word.recording, word.channel)
        if key not in times:
            unknown.add(" ".join(key))
            continue
        middle = (word.start_s + word.end_s) / 2
        distances = np.maximum(times[key][:, 0] - middle, middle - times[key][:, 1]).clip(0)
        index = len(distances) - 1 - int(np.argmin(distances[::-1]))  # the last of several
        num_outside += int(distances[index] > 0)
        nearest = by_channel[key][index]
        if nearest.is_scored:
            texts.setdefault(nearest.id, []).append(word.text)
    if words and segments and not {(word.recording, word.channel) for word in words} & set(times):
        known = some(sorted(" ".join(key) for key in times))
        raise ScoreError(
            f"{source.name}: has words of {some(sorted(unknown))}, and the references are of {known}: "
            "no recording and channel is in both"
        )
    notes = []
    if num_outside:
        notes.append(
            f"has {num_outside} word{'s' * (num_outside > 1)} outside all segments, counted in the nearest one"
        )
    if unknown:
        notes.append(f"has words of recordings that the references lack, not counted: {some(sorted(unknown))}")
    # A segment without a word is an empty hypothesis, not a missing one.
    return {segment.id: " ".join(texts.get(segment.id, [])) for segment in segments if segment.is_scored}, notes
