"""Speakers who do not exist, drawn: definitions of voices for espeak-ng, styles for Kokoro."""

import numpy as np
import numpy.typing as npt


def draw_voice(rng: np.random.Generator) -> str:
    """The definition of a drawn speaker: an espeak-ng voice variant with formants of its own.

    Formants are in percent of the default adult male's; speakers of high formants have, on the whole, a high pitch.
    Voicing, spectral tilt and echo are drawn as widely as in espeak-ng's own variants. Breath is not drawn: espeak-ng
    does not repeat it to the last bit, even in a fresh process.
    """

    def numbers(count: int, lowest: float, highest: float) -> str:
        return " ".join(f"{value:.0f}" for value in rng.uniform(lowest, highest, count))

    build = rng.uniform(0, 1)  # from a large man to a small woman
    lowest = 60 * 3**build * rng.uniform(0.85, 1.2)
    tract = 86 + 38 * build + rng.normal(0, 5)
    lines = [f"pitch {lowest:.0f} {lowest * rng.uniform(1.2, 1.9):.0f}"]
    for formant in range(9):
        frequency = tract + rng.normal(0, 9 if formant else 4)
        shift = -rng.uniform(0, 250) if formant == 2 and rng.random() < 0.2 else 0  # Hz
        lines.append(f"formant {formant} {frequency:.0f} {numbers(2, 60, 160)} {shift:.0f}")
    for share, line in (
        (0.4, f"flutter {numbers(1, 0, 6)}"),
        (0.3, f"roughness {numbers(1, 0, 4)}"),
        (0.3, f"klatt {rng.integers(1, 7)}"),
        (0.7, f"voicing {numbers(1, 40, 180)}"),
        (0.9, f"consonants {numbers(1, 3, 140)} {numbers(1, 30, 150)}"),
        (0.3, f"echo {numbers(1, 20, 160)} {numbers(1, 5, 40)}"),
        (0.3, f"stressAdd {numbers(8, -30, 120)}"),
        (0.3, f"stressAmp {numbers(8, 14, 26)}"),
    ):
        if rng.random() < share:
            lines.append(line)
    if rng.random() < 0.7:
        # Loudness (0 to 255) at rising frequencies in Hz: a random walk that falls more than it rises, for some
        # speakers to the muffled sound of a bad telephone.
        corners = np.cumsum(rng.uniform(80, 900, 5))
        walk = np.clip(250 * np.exp(np.cumsum(rng.normal(rng.uniform(-1, 0), 0.8, 5))), 10, 255)
        lines.append(
            "tone " + " ".join(f"{corner:.0f} {level:.0f}" for corner, level in zip(corners, walk, strict=True))
        )
    return "\n".join(["language variant", *lines, ""])


def draw_style(rng: np.random.Generator, styles: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A drawn speaker: (D,) from `styles` (V, D), those of V voices.

    How a voice sounds and how it moves are the two halves of a style, and are drawn apart: a point between the voices,
    or somewhat beyond them, and a little of what none of them has.
    """
    drawn = []
    for half in np.split(styles, 2, axis=1):
        centre = 1 / len(half)
        weights = centre + rng.uniform(0.7, 1.4) * (rng.dirichlet([0.6] * len(half)) - centre)
        drawn.append(weights @ half + rng.normal(0, 0.25, half.shape[1]) * half.std(axis=0))
    return np.concatenate(drawn).astype(np.float32)
