"""Which mistake an image of expected counts, or the mean of many mocks, was made with."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import special, stats

from .reference import Scene, expected, light, profile

Distance = Callable[[np.ndarray], float]
"""How far an image is from the student's, where 1 is as near as can be told."""

SHIFTS = np.arange(-12.0, 12.5, 0.5)
WIDTHS = np.unique(np.append(np.geomspace(0.2, 5.0, 65), [0.5, 1 / 3, np.sqrt(0.5), np.sqrt(2), 2.0, 3.0]))


def mistake(scene: Scene, distance: Distance) -> str | None:
    """Return what is wrong with an image, in words; None where it is right."""
    if distance(expected(scene)) <= 1:
        return None
    for said, image in _wrong(scene):
        if distance(image) <= 1:
            return said
    said, image = _moved_or_wider(scene, distance)
    if distance(image) < 0.2 * distance(expected(scene)):
        return said
    x_pos, y_pos = scene.parameters["x_pos"], scene.parameters["y_pos"]
    return (
        f"the image is not that of a source at x = {x_pos:g}, y = {y_pos:g} on an even background:"
        " t (F P + b) is expected in each pixel."
    )


def _wrong(scene: Scene) -> Iterator[tuple[str, np.ndarray]]:
    """The images that common mistakes make, and what to say of each."""
    exposure, x, y, pars = scene
    flux, background, width = pars["flux"], pars["background"], pars["psf_width"]
    share = light(x, y, pars)
    yield "your x and y are swapped.", expected(scene.swapped())
    across, up = (stats.norm.pdf(ramp, pars[name], width) for ramp, name in ((x, "x_pos"), (y, "y_pos")))
    at_centres = (
        "the PSF is taken at the centres of the pixels; it should be integrated over each pixel, from one edge to the"
        " other."
    )
    yield at_centres, exposure * (flux * across * up + background)
    peak = 2 * np.pi * width**2 * across * up
    yield "the PSF is not normalised: all of a source's light should sum to 1.", exposure * (flux * peak + background)
    normalised = "the PSF is normalised over the image; a part of the light may fall outside: integrate the Gaussian."
    yield normalised, exposure * (flux * share / share.sum() + background)
    yield normalised, exposure * (flux * across * up / (across * up).sum() + background)
    rates = flux * share + background
    one_for_all = "all pixels have the same exposure; each should have its own, exptime."
    for typical in (np.mean(exposure), np.median(exposure), np.median(exposure[exposure > 0]), exposure.max()):
        yield one_for_all, np.full_like(exposure, typical) * rates
        yield one_for_all, np.where(exposure > 0, typical, 0.0) * rates
    yield "the exposure is missing: the flux is in counts per second.", rates
    no_background = "the background is missing, or not multiplied by the exposure."
    no_source = "the source is missing, or not multiplied by the exposure."
    yield no_background, exposure * flux * share + background
    yield no_source, flux * share + exposure * background
    yield no_background, exposure * flux * share
    yield no_source, exposure * background
    mean = expected(scene)
    yield "the expected counts are rounded; they need not be whole numbers.", np.round(mean)
    cut = "the noise is Gaussian, rounded and cut at 0; counts have a Poisson distribution."
    yield cut, _gaussian_cut_at_zero(mean)


def _gaussian_cut_at_zero(mean: np.ndarray) -> np.ndarray:
    """The mean of max(0, round(normal(mu, sqrt mu)))."""
    above = np.arange(1.0, mean.max() + 10 * np.sqrt(mean.max()) + 10)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = special.ndtr((mean - above + 0.5) / np.sqrt(mean))
    return np.where(mean > 0, chance.sum(axis=0), 0.0)


def _moved_or_wider(scene: Scene, distance: Distance) -> tuple[str, np.ndarray]:
    """The nearest image of a source at another place, or of another width."""
    exposure, x, y, pars = scene
    flux, background, width = pars["flux"], pars["background"], pars["psf_width"]

    def image(across: np.ndarray, up: np.ndarray) -> np.ndarray:
        return exposure * (flux * across * up + background)

    across = {d: profile(x, pars["x_pos"] + d, width) for d in SHIFTS}
    up = {d: profile(y, pars["y_pos"] + d, width) for d in SHIFTS}
    moved = {(dx, dy): image(across[dx], up[dy]) for dx in SHIFTS for dy in SHIFTS}
    shift = min(moved, key=lambda at: distance(moved[at]))
    wider = {factor: expected(scene.but(psf_width=factor * width)) for factor in WIDTHS}
    factor = min(wider, key=lambda f: distance(wider[f]))
    if distance(moved[shift]) < distance(wider[factor]):
        return _shifted(*shift), moved[shift]
    said = f"the source is {factor:.2g} times as wide as it should be: psf_width is the standard deviation of the PSF."
    return said, wider[factor]


def _shifted(dx: float, dy: float) -> str:
    said = f"the source is shifted by {dx:+g} pixels in x and {dy:+g} in y"
    if {abs(dx), abs(dy)} <= {0.0, 1.0}:
        return f"{said}: arrays count from 0, FITS images from 1."
    if {abs(dx), abs(dy)} <= {0.0, 0.5}:
        return f"{said}: a pixel reaches from half a pixel below its centre to half a pixel above."
    return f"{said}."


def exact(image: np.ndarray) -> Distance:
    """Distance from an image without noise: its largest difference, in units of 1e-4 of the peak."""
    return lambda other: float(np.abs(image - other).max() / (1e-4 * max(other.max(), 1e-300)))


def noisy(total: np.ndarray, mocks: int) -> Distance:
    """Distance from the sum of many mocks: its Poisson deviance; 1 is seven standard deviations above the mean."""

    def distance(other: np.ndarray) -> float:
        mean = mocks * other
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(total > 0, total * np.log(total / mean), 0.0)
        deviance = 2 * np.sum(ratio - total + mean)
        pixels = np.count_nonzero(other > 0)
        return float(deviance / (pixels + 7 * np.sqrt(2 * pixels))) if np.isfinite(deviance) else np.inf

    return distance
