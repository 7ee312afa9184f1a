"""Detection without simulating: against exact Poisson tails, and against images that are simulated and searched."""

import numpy as np
import pytest
from scipy import ndimage, special, stats
from scipy.interpolate import RectBivariateSpline
from scipy.optimize import minimize

from pgm_mock import InputError, power
from pgm_mock.power import POSITION_GAIN, detection_probability, flux_detected

SIZE, X, Y = 25, 12.2, 11.7
THRESHOLD = 8.6


def gaussian(x, y, sigma=1.5):
    """Integrals over pixels of a Gaussian, by the error function."""
    edges = np.arange(SIZE + 1) - 0.5
    along, up = (np.diff(0.5 * special.erf((edges - at) / sigma / np.sqrt(2))) for at in (x, y))
    return up[:, None] * along


def king_table(core=1.1, slope=1.4, step=0.1):
    """Integrals over pixels of a King profile about offsets from it, by sums over ten by ten points a pixel."""
    fine = np.arange(-(SIZE + 4), SIZE + 4 + step / 2, step)
    density = (slope - 1) / (np.pi * core**2) * (1 + (fine**2 + fine[:, None] ** 2) / core**2) ** -slope
    width = round(1 / step)
    weights = np.r_[0.5, np.ones(width - 1), 0.5] / width  # the trapezium rule over a pixel
    for axis in (0, 1):
        density = ndimage.convolve1d(density, weights, axis=axis)
    return RectBivariateSpline(fine, fine, density)


TABLE = king_table()


def king(x, y):
    pixels = np.arange(SIZE)
    return TABLE(pixels - y, pixels - x)


PSFS = {"gaussian": gaussian, "king": king}


def largest_ratio(counts, background, exposure, psf, flux, free):
    """Maximise ln L(F) / L(0) over flux and position by Nelder and Mead's simplex."""
    photons = counts > 0

    def minus(values):
        light = exposure * psf(*values[1:]) if free else here
        expected = np.exp(values[0]) * light[photons] / background[photons]
        return np.exp(values[0]) * light.sum() - counts[photons] @ np.log1p(expected)

    here = exposure * psf(X, Y)
    start = np.array([np.log(flux), X, Y] if free else [np.log(flux)])
    simplex = np.vstack([start, start + np.diag([0.4, 0.6, 0.6][: len(start)])])
    return -minimize(minus, start, method="Nelder-Mead", options={"initial_simplex": simplex, "fatol": 0.01}).fun


def detected(psf, background, flux, number, gap, free=True):
    """Count the simulated images in which the source is detected; the share, and its standard error."""
    rng = np.random.default_rng(5)
    exposure = np.ones((SIZE, SIZE))
    if gap:
        exposure[:, 14] = 0.0
    mean = np.full((SIZE, SIZE), background)
    truth = exposure * (mean + flux * psf(X, Y))
    found = [largest_ratio(rng.poisson(truth), mean, exposure, psf, flux, free) >= THRESHOLD for _ in range(number)]
    share = np.mean(found)
    return share, np.sqrt(max(share * (1 - share), 1 / number) / number)


def window(psf, background, gap):
    exposure = np.ones((SIZE, SIZE))
    if gap:
        exposure[:, 14] = 0.0
    return np.full(SIZE**2, background), (exposure * psf(X, Y)).ravel()


@pytest.mark.slow
@pytest.mark.parametrize(("background", "free"), [(0.3, True), (0.3, False), (0.01, True)])
def test_completeness_is_that_of_simulated_searches(background, free):
    """Oracle: Poisson images, and SciPy's maximum of the likelihood ratio over flux and position."""
    for probability in (0.5, 0.9):
        mean, light = window(gaussian, background, gap=True)
        flux = float(flux_detected(mean, light, THRESHOLD, probability, gain=POSITION_GAIN * free))
        share, error = detected(gaussian, background, flux, 250, gap=True, free=free)
        assert abs(share - probability) < 0.04 + 2.5 * error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "background", "gap"),
    [("gaussian", 0.01, True), ("gaussian", 5.0, False), ("king", 0.01, False), ("king", 0.3, True)],
)
def test_fluxes_are_right_to_4_percent(family, background, gap):
    """Oracle: as above; at 4 % less flux fewer are detected than asked for, at 4 % more flux more are."""
    psf = PSFS[family]
    mean, light = window(psf, background, gap)
    for probability in (0.5, 0.9):
        flux = float(flux_detected(mean, light, THRESHOLD, probability))
        (less, _), (share, error), (more, _) = (
            detected(psf, background, factor * flux, 400, gap) for factor in (0.96, 1.0, 1.04)
        )
        assert abs(share - probability) < 0.04 + 1.5 * error
        assert less < probability + 2 * error
        assert more > probability - 2 * error


@pytest.mark.parametrize("background", [200.0, 5000.0])
def test_one_pixel_is_poissons_tail(background):
    """Oracle: in one pixel n ln(n / m) - n + m grows with n, so that detection is a Poisson tail, known exactly."""
    number = np.arange(background, 3 * background)
    ratio = special.xlogy(number, number / background) - number + background
    least = number[np.argmax(ratio >= THRESHOLD)]
    for probability in (0.1, 0.5, 0.9, 0.99):
        flux = flux_detected([background], [1.0], THRESHOLD, probability, gain=0.0)
        exact = stats.poisson.sf(least - 1, background + flux)
        # Counts are whole numbers, a ratio is not: half a count, as a part of the standard deviation.
        step = 0.5 * stats.norm.pdf(stats.norm.ppf(probability)) / np.sqrt(background)
        assert abs(exact - probability) < 0.002 + step


def test_a_high_background_is_the_normal_limit():
    """Oracle: with ever more background the ratio is Z² / 2, Z normal about F sqrt(sum t² P² / m)."""
    light = gaussian(X, Y).ravel()
    mean = np.full(SIZE**2, 1e7)
    unit = np.sqrt(np.sum(light**2 / mean))
    for probability in (0.5, 0.9, 0.99):
        expected = (np.sqrt(2 * THRESHOLD) + stats.norm.ppf(probability)) / unit
        assert flux_detected(mean, light, THRESHOLD, probability, gain=0.0) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("family", PSFS)
@pytest.mark.parametrize("background", [1e-3, 0.01, 0.3, 5.0, 1e5])
def test_probability_and_flux_are_each_others_inverse(family, background):
    mean, light = window(PSFS[family], background, gap=True)
    for threshold in (3.0, 5.0, THRESHOLD, 200.0):
        for probability in (0.3, 0.5, 0.9, 0.999):
            flux = flux_detected(mean, light, threshold, probability)
            assert flux > 0
            assert detection_probability(mean, light, flux, threshold) == pytest.approx(probability, abs=1e-6)


@pytest.mark.parametrize("background", [1e-4, 0.3, 50.0])
def test_more_flux_is_detected_more_often(background):
    mean, light = window(king, background, gap=False)
    half = float(flux_detected(mean, light, THRESHOLD))
    found = detection_probability(mean, light, half * np.linspace(0.0, 12.0, 400), THRESHOLD)
    assert found[0] < 0.01
    assert found[-1] > 0.999
    assert np.all(np.diff(found) >= 0)


def test_many_places_at_once_are_each_as_alone(monkeypatch):
    """Oracle: the same place alone; blocks of any size."""
    rng = np.random.default_rng(0)
    mean, light = rng.uniform(0.01, 5.0, (3, 4, SIZE**2)), gaussian(X, Y).ravel() * rng.uniform(10, 30, (3, 4, 1))
    monkeypatch.setattr(power, "_BLOCK", 2 * SIZE**2)
    fluxes, shares = flux_detected(mean, light, THRESHOLD, 0.9), detection_probability(mean, light, 0.5, THRESHOLD)
    assert fluxes.shape == shares.shape == (3, 4)
    alone = flux_detected(mean[1, 2], light[1, 2], THRESHOLD, 0.9)
    assert fluxes[1, 2] == pytest.approx(alone, rel=1e-9)
    assert shares[1, 2] == pytest.approx(detection_probability(mean[1, 2], light[1, 2], 0.5, THRESHOLD), rel=1e-9)
    assert detection_probability(mean[0, 0], light[0, 0], [[0.1], [0.2]], [7.0, 8.0, 9.0]).shape == (2, 3)


def test_where_nothing_is_seen_nothing_is_detected():
    mean, light = np.ones((2, 9)), np.stack([np.full(9, 0.1), np.zeros(9)])
    mean[1] = 0.0
    for probability in (0.5, 0.9):
        found = flux_detected(mean, light, THRESHOLD, probability)
        assert np.isfinite(found[0])
        assert found[1] == np.inf
    shares = detection_probability(mean, light, 1e6, THRESHOLD)
    assert shares.tolist() == [1.0, 0.0]


def test_what_chance_alone_detects_takes_no_flux():
    assert flux_detected([1.0, 1.0], [0.5, 0.5], 3.0, 1e-6, gain=2.9) == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": 1.0}, "probability: expected a number between 0 and 1, found 1"),
        ({"threshold": 0.5}, "threshold: expected at least 3 in ln L, found 0.5"),
        ({"threshold": np.nan}, "threshold: expected at least 3"),
        ({"mean": np.zeros(9)}, "mean: expected counts above 0 wherever there is light"),
        ({"mean": np.full(9, np.nan)}, "mean: expected counts above 0"),
        ({"mean": np.ones(8)}, "mean, light: expected one last axis of pixels"),
        ({"light": -np.ones(9)}, "light: expected finite numbers of at least 0"),
        ({"threshold": np.ones(3), "mean": np.ones((2, 9))}, "expected shapes of places that agree"),
    ],
)
def test_bad_numbers_are_named(change, message):
    with pytest.raises(InputError, match=message):
        flux_detected(**({"mean": np.ones(9), "light": np.ones(9), "threshold": THRESHOLD} | change))
    with pytest.raises(InputError, match="flux: expected a finite number of at least 0"):
        detection_probability(np.ones(9), np.ones(9), -1.0, THRESHOLD)
