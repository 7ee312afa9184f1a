r"""Which source would be detected, and with which probability: the law of the likelihood ratio, without simulating.

With m_i the counts expected in pixel i without the source, t_i its exposure and P_i its share of the source's light,
the ratio of a source of flux F to none is the maximum over F, and over the position, of

    ln L(F) / L(0) = sum_i n_i ln(1 + F r_i) - F S,    r_i = t_i P_i / m_i,    S = sum_i t_i P_i.

At a flux F' that is held, it is a sum of independent Poisson numbers times l_i = ln(1 + F' r_i). Where the source has
the flux F, n_i is Poisson about m_i + F t_i P_i, and the cumulants of that sum, which are linear in F, are

    A = sum_i mu_i l_i - F' S,    V = sum_i mu_i l_i²,    k3 = sum_i mu_i l_i³.

The maximum over F touches this sum at F', which is chosen so that they touch at the threshold c: F' is the flux F50
that is detected in half of all images. It solves, with F' = F,

    A - k3 / (6 V) = c,

where A - k3 / (6 V) is the median. What the position's freedom adds is a random number, too, half a chi-square with
two degrees of freedom: `gain` in the mean, its square and twice its cube are added to A, V and k3. Every other flux has
F' = F50; the probability that it is detected is that of a law with the same three cumulants, a multiple of a Poisson
number of mean m = V³ / k3² shifted, whose tail is an incomplete gamma function of z = (c - A) / sqrt(V):

    p = gammainc(m + z sqrt(m) + 1/2, m).

For large m it is the expansion of Cornish and Fisher (1938); that one fails where single photons count, this one does
not. What is known of m_i beforehand, or fitted to many more counts than the source has, is taken as exact; false
alarms of the same search are not in it.

All in double precision, for many places at once: arrays have the pixels of a window as their last axis, and the window
should hold nearly all of the light that a search uses, 12 pixels on each side for a camera of 4" pixels.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import special

from .errors import InputError

POSITION_GAIN = 1.0
"""What the likelihood ratio gains where the position is free, and refined between the pixels [ln L].

Two free coordinates add half a chi-square with two degrees of freedom to a normal ratio: 1 in the mean. Where the
ratio is taken on the centres of pixels alone, it gains `ON_PIXELS_GAIN`; at a position that is known, 0. By simulation
it is 0.8 to 1.3, 0.5 to 1.1 and -0.2 to 0.3 (0.01 to 5 counts a pixel, beside a gap or not).
"""
ON_PIXELS_GAIN = 0.75
LEAST_THRESHOLD = 3.0
"""Lower thresholds are passed by chance at many places of any image, and by single photons in a dark one."""
_MOST_STEPS = 60
_LONGEST_STEP = 1.0
"""Of the climb in ln F."""
_PRECISION = 1e-9
_REACH, _HALVINGS = 12.0, 48
"""About the flux that is detected in half of all images: how far in ln F others are looked for."""
_MOST_ROOT = 1e6
"""Of the Poisson law's mean, which is then normal; double precision cannot tell larger ones."""
_BLOCK = 2_000_000
"""Pixels of windows that are worked on at once."""


class _Sums(NamedTuple):
    """The cumulants at a held flux: c0 + F c1, for A, V and k3, each of shape (places,)."""

    mean: tuple[np.ndarray, np.ndarray]
    variance: tuple[np.ndarray, np.ndarray]
    third: tuple[np.ndarray, np.ndarray]

    def at(self, flux: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return A, V and k3 of a source of this flux."""
        first, second, third = (zero + flux * one for zero, one in self)
        return first, second, third


class DetectionLaw(NamedTuple):
    """What is detected at some places, for any flux and probability (see the module for the method).

    Attributes:
        half: the flux that is detected in half of all images, shape (places,) [count / exposure unit]; any where no
            light is seen.
        sums: the cumulants with F' held there, and what the free position gains.
        target: the threshold, shape (places,) [ln L].
    """

    half: np.ndarray
    sums: _Sums
    target: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, light: np.ndarray, threshold: np.ndarray, gain: float = POSITION_GAIN) -> Self:
        """Compute it.

        Args:
            mean, light: as for `flux_detected`, shape (places, pixels).
            threshold: shape (places,).
            gain: as for `flux_detected`.
        """
        return cls(*_half_detected(mean, light, threshold, gain), threshold)

    @classmethod
    def joined(cls, laws: "list[DetectionLaw]") -> Self:
        """Put the places of several laws one after the other."""

        def every(*parts: np.ndarray) -> np.ndarray:
            return np.concatenate(parts)

        sums = zip(*(law.sums for law in laws), strict=True)
        joined = _Sums(*(tuple(map(every, *pairs)) for pairs in sums))  # type: ignore[arg-type]
        return cls(every(*(law.half for law in laws)), joined, every(*(law.target for law in laws)))

    def flux(self, probability: float) -> np.ndarray:
        """Return the flux that is detected with a probability, shape (places,); infinite where no light is seen."""
        found = _with_probability(self.half, self.sums, self.target, probability)
        return np.where(self.sums.variance[1] > 0, found, np.inf)

    def probability(self, flux: np.ndarray) -> np.ndarray:
        """Return the probability that a flux is detected, shape (places,); `flux` is a number or of that shape."""
        return _chance(self.sums, np.broadcast_to(flux, self.half.shape), self.target)


def flux_detected(
    mean: Any, light: Any, threshold: Any, probability: float = 0.5, *, gain: float = POSITION_GAIN
) -> np.ndarray:
    """Compute the flux of a source that is detected with a given probability (see the module for the method).

    Args:
        mean: counts expected without the source, shape (..., pixels), > 0 where there is light [count / pixel].
        light: exposure times the PSF's share in each pixel, shape (..., pixels) [exposure unit].
        threshold: of the ln likelihood ratio, at least `LEAST_THRESHOLD`; a number, or shape (...).
        probability: of detection, between 0 and 1.
        gain: of the free position, `POSITION_GAIN`, `ON_PIXELS_GAIN`, or 0 where the position is known [ln L].

    Returns:
        The flux, shape (...) [count / exposure unit]: infinite where no light is seen, 0 where that often the
        background alone is detected.

    Raises:
        InputError: numbers that cannot be expected counts or light, a threshold that is too low, a probability that is
            none.
    """
    if not 0.0 < probability < 1.0:
        raise InputError(f"probability: expected a number between 0 and 1, found {probability}")

    def of_block(mean: np.ndarray, light: np.ndarray, threshold: np.ndarray, _: np.ndarray) -> np.ndarray:
        return DetectionLaw.of(mean, light, threshold, gain).flux(probability)

    return _in_blocks(of_block, mean, light, threshold, 0.0)


def detection_probability(
    mean: Any, light: Any, flux: Any, threshold: Any, *, gain: float = POSITION_GAIN
) -> np.ndarray:
    """Compute the probability that a source is detected: `flux_detected`, turned round.

    Args:
        mean, light, threshold, gain: those of `flux_detected`.
        flux: of the source, ≥ 0; a number, or shape (...) [count / exposure unit].

    Returns:
        The probability, shape (...); it grows with the flux, and is 0 where no light is seen.

    Raises:
        InputError: as `flux_detected`, or a flux below 0.
    """

    def of_block(mean: np.ndarray, light: np.ndarray, threshold: np.ndarray, flux: np.ndarray) -> np.ndarray:
        return DetectionLaw.of(mean, light, threshold, gain).probability(flux)

    return _in_blocks(of_block, mean, light, threshold, flux)


def _chance(sums: _Sums, flux: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the probability that the sum reaches its target; shape (places,)."""
    first, variance, third = sums.at(flux)
    seen = variance > 0
    spread = np.sqrt(np.where(seen, variance, 1.0))
    root = np.minimum(spread**3 / np.where(seen, third, 1.0), _MOST_ROOT)
    number = root**2 + (target - first) / spread * root + 0.5
    return np.where(seen, np.where(number > 0, special.gammainc(np.maximum(number, 1e-300), root**2), 1.0), 0.0)


def _with_probability(half: np.ndarray, sums: _Sums, target: np.ndarray, probability: float) -> np.ndarray:
    """Find the flux with which `_chance` is a given probability, by halving an interval of ln F; 0 where none is."""
    low, high = np.log(half) - _REACH, np.log(half) + _REACH
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        less = _chance(sums, np.exp(middle), target) < probability
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    by_chance = _chance(sums, np.zeros_like(half), target) >= probability
    return np.where(by_chance, 0.0, np.exp(0.5 * (low + high)))


def _half_detected(mean: np.ndarray, light: np.ndarray, target: np.ndarray, gain: float) -> tuple[np.ndarray, _Sums]:
    """Solve A - k3 / (6 V) = target with F' = F, by Newton's steps in ln F, in which A is convex.

    Returns:
        The flux that is detected in half of all images, any where no light is seen, and the sums with F' held there.
    """
    ratio = light / np.where(light > 0, mean, 1.0)
    curvature = np.sum(light * ratio, axis=-1)
    seen = curvature > 0
    # Right where the background is high; elsewhere too little.
    flux = np.sqrt(2.0 * (target - gain) / np.where(seen, curvature, 1.0))
    for _ in range(_MOST_STEPS):
        sums = _sums(mean, light, ratio, flux, gain)
        first, variance, third = sums.at(flux)
        slope = np.where(seen, flux * sums.mean[1], 1.0)
        excess = first - third / np.where(seen, 6.0 * variance, 1.0) - target
        step = np.where(seen, np.clip(-excess / slope, -_LONGEST_STEP, _LONGEST_STEP), 0.0)
        flux = flux * np.exp(step)
        if np.max(np.abs(step), initial=0.0) < _PRECISION:
            break
    return flux, sums


def _sums(mean: np.ndarray, light: np.ndarray, ratio: np.ndarray, held: np.ndarray, gain: Any) -> _Sums:
    """Sum over the pixels, with F' held at `held`, shape (places,), and add the cumulants of what a place gains."""
    log_ratio = np.log1p(held[:, None] * ratio)
    zero, one, found = mean, light, []
    for _ in range(3):
        zero, one = zero * log_ratio, one * log_ratio
        found.append((np.sum(zero, axis=-1), np.sum(one, axis=-1)))
    found[0] = (found[0][0] - held * np.sum(light, axis=-1), found[0][1])
    gain = np.where(found[1][1] > 0, gain, 0.0)  # nothing where no light is seen
    of_place = (gain, gain**2, 2.0 * gain**3)
    return _Sums(*((zero + more, one) for (zero, one), more in zip(found, of_place, strict=True)))


Block = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _in_blocks(of_block: Block, mean: Any, light: Any, threshold: Any, flux: Any) -> np.ndarray:
    """Check the arrays, and work through all places, a few at a time.

    Args:
        of_block: takes mean and light of shape (places, pixels), thresholds and fluxes of shape (places,).
        mean, light, threshold, flux: those of `detection_probability`.
    """
    mean, light, threshold, flux = (np.asarray(one, float) for one in (mean, light, threshold, flux))
    if not mean.ndim or not light.ndim or mean.shape[-1] != light.shape[-1]:
        raise InputError(f"mean, light: expected one last axis of pixels, found shapes {mean.shape} and {light.shape}")
    pixels = light.shape[-1]
    try:
        places = np.broadcast_shapes(mean.shape[:-1], light.shape[:-1], threshold.shape, flux.shape)
    except ValueError as error:
        found = ", ".join(str(one.shape) for one in (mean, light, threshold, flux))
        raise InputError(
            f"expected shapes of places that agree in mean, light, threshold and flux, found {found}"
        ) from error
    _check(mean, light, threshold, flux)
    result = np.empty(int(np.prod(places)))
    mean, light = (np.broadcast_to(one, (*places, pixels)).reshape(-1, pixels) for one in (mean, light))
    threshold, flux = (np.broadcast_to(one, places).reshape(-1) for one in (threshold, flux))
    size = max(1, _BLOCK // max(pixels, 1))
    for first in range(0, len(result), size):
        here = slice(first, first + size)
        result[here] = of_block(mean[here], light[here], threshold[here], flux[here])
    return result.reshape(places)


def _check(mean: np.ndarray, light: np.ndarray, threshold: np.ndarray, flux: np.ndarray) -> None:
    if not (np.all(np.isfinite(light)) and np.all(light >= 0)):
        raise InputError("light: expected finite numbers of at least 0, found others")
    if not (np.all(np.isfinite(mean)) and np.all(np.where(light > 0, mean, 1.0) > 0)):
        raise InputError("mean: expected counts above 0 wherever there is light, found none")
    if not np.all((threshold >= LEAST_THRESHOLD) & np.isfinite(threshold)):
        raise InputError(f"threshold: expected at least {LEAST_THRESHOLD:g} in ln L, found {np.min(threshold):.4g}")
    if not np.all((flux >= 0) & np.isfinite(flux)):
        raise InputError("flux: expected a finite number of at least 0, found another")
