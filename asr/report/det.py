"""What a threshold on the confidence misses, over what else it accepts in an hour: a picture."""

from pathlib import Path

import numpy as np

from asr.report import plot
from asr.score.rejection import Rejection

check = plot.check
_LEAST = 0.05  # of a step on the axis of false accepts, which has 0 too


def write(path: Path, measured: Rejection, threshold: float) -> None:
    """Draw the DET curve (Martin et al. 1997) with the operating point at a threshold and its 95 % intervals.

    Written whole or not at all.
    """
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = picture.subplots()
    curve, point = measured.curve(), measured.at(threshold)
    axis.step(curve.false_accepts_per_hour, 100 * np.asarray(curve.miss_rates), where="post")
    accepted, missed = point.false_accepts_range, point.miss_range
    accepts, misses = point.false_accepts_per_hour, 100 * point.miss_rate
    axis.errorbar(
        [accepts],
        [misses],
        xerr=[[accepts - accepted.low], [accepted.high - accepts]],
        yerr=[[misses - 100 * missed.low], [100 * missed.high - misses]],
        fmt="o",
        capsize=3,
        label=f"confidence {threshold:.3g}: {misses:.1f} % missed, {accepts:.2f} accepted/h",
    )
    axis.set_xscale("symlog", linthresh=max(_LEAST, 1 / measured.negative_hours))
    axis.set_xlim(left=-_LEAST)
    axis.set_ylim(0, min(105.0, max(10.0, 4 * misses)))
    axis.set_xlabel(f"false accepts an hour, in {measured.negative_hours:.2f} h of other sound")
    axis.set_ylabel(f"of {len(measured.positives)} {measured.what} missed, %")
    axis.grid(alpha=0.3)
    axis.legend(loc="upper right")
    plot.write(path, picture)
