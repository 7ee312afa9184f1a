"""The fast climb to the modes of many images. Oracle: SciPy's minimiser on a likelihood written anew."""

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize, stats

from pgm_mock import Priors
from pgm_mock.inference import program
from pgm_mock.inference.refit import refit, refit_with_height

NAMES = ("x_pos", "y_pos", "flux", "background")
WIDTH = 1.4
BACKGROUND = np.log(1e-5), 0.5


@pytest.fixture(scope="module")
def pulling(stamp):
    """Priors that pull the position and the flux away from the data, each by more than a standard deviation."""
    return Priors.default(stamp).replace(
        x_pos=dist.Normal(111.6, 0.3),
        y_pos=dist.Normal(60.7, 0.3),
        flux=dist.LogNormal(np.log(0.01), 0.3),
        background=dist.LogNormal(*BACKGROUND),
        psf_width=WIDTH,
    )


@pytest.fixture(scope="module")
def starts():
    rng = np.random.default_rng(6)
    return {
        "x_pos": 110.6 + rng.normal(0, 0.2, 3),
        "y_pos": 61.2 + rng.normal(0, 0.2, 3),
        "flux": 4e-3 * np.exp(rng.normal(0, 0.2, 3)),
        "background": 1e-5 * np.exp(rng.normal(0, 0.2, 3)),
        "psf_width": np.full(3, WIDTH),
    }


@pytest.fixture(scope="module")
def images(stamp):
    rng = np.random.default_rng(7)
    return np.stack([stamp.counts, rng.poisson(stamp.counts), rng.poisson(stamp.counts)])


def expected(stamp, x, y, flux, background):
    """Expected counts, the light of a pixel being a difference of normal distributions."""
    along_x, along_y = (
        np.diff(stats.norm.cdf(np.append(edges - 0.5, edges[-1] + 0.5), at, WIDTH))
        for edges, at in ((stamp.x[0], x), (stamp.y[:, 0], y))
    )
    return stamp.exposure * (flux * np.outer(along_y, along_x) + background)


def log_likelihood(stamp, image, *parameters):
    """sum(N ln mu - mu) over the exposed pixels."""
    mean = expected(stamp, *parameters)
    seen = stamp.exposure > 0
    return float(np.sum(image[seen] * np.log(mean[seen]) - mean[seen]))


def test_without_their_priors_position_and_flux_are_those_of_the_largest_likelihood(stamp, pulling, starts, images):
    def found_by_scipy(image):
        def cost(p):
            prior = stats.norm.logpdf(p[3], *BACKGROUND)
            return -log_likelihood(stamp, image, p[0], p[1], *np.exp(p[2:])) - prior

        start = np.array([110.6, 61.2, np.log(4e-3), np.log(1e-5)])
        tight = {"xatol": 1e-5, "fatol": 1e-7, "maxiter": 4000, "maxfev": 4000}
        return optimize.minimize(cost, start, method="Nelder-Mead", options=tight).x

    oracle = np.array([found_by_scipy(image) for image in images])
    share = dict.fromkeys(("x_pos", "y_pos", "flux"), 0.0)
    pulled = refit(stamp, images, starts, pulling)
    number = len(program._compiled)
    found, heights = refit_with_height(stamp, images, starts, pulling, prior_share=share)
    assert len(program._compiled) == number
    own = np.stack([found["x_pos"], found["y_pos"], np.log(found["flux"]), np.log(found["background"])], axis=1)
    spread = np.array([0.2, 0.2, 0.14, 0.15])  # standard deviations of such fits
    assert np.abs((own - oracle) / spread).max() < 0.05
    assert np.abs(pulled["x_pos"] - oracle[:, 0]).min() > 0.1
    assert (np.log(pulled["flux"]) > oracle[:, 2] + 0.1).all()
    for image, height, *each in zip(images, heights, *(found[name] for name in NAMES), strict=True):
        assert height == pytest.approx(log_likelihood(stamp, image, *each), rel=1e-6)


def test_what_is_not_free_stays_where_it_is(stamp, pulling, starts, images):
    held, heights = refit_with_height(stamp, images, starts, pulling, free=())
    for name, start in starts.items():
        np.testing.assert_allclose(held[name], start, rtol=1e-6)
    for image, height, *each in zip(images, heights, *(starts[name] for name in NAMES), strict=True):
        assert height == pytest.approx(log_likelihood(stamp, image, *each), rel=1e-6)
    number = len(program._compiled)
    share = {"flux": 0.0}
    found, heights = refit_with_height(stamp, images, starts, pulling, prior_share=share, free=["flux", "psf_width"])
    assert len(program._compiled) == number
    for name in ("x_pos", "y_pos", "background"):
        np.testing.assert_allclose(found[name], starts[name], rtol=1e-6)
    for number, image in enumerate(images):
        x, y, _, background = (starts[name][number] for name in NAMES)

        def cost(log_flux, image=image, x=x, y=y, background=background):
            return -log_likelihood(stamp, image, x, y, np.exp(log_flux), background)

        best = optimize.minimize_scalar(cost, bracket=(-6.0, -5.0)).x
        assert np.log(found["flux"][number]) == pytest.approx(best, abs=0.05 * 0.14)
        assert heights[number] == pytest.approx(-cost(best), abs=2e-3)


def test_every_climb_ends_where_the_residuals_balance_the_priors(stamp, pulling):
    """Oracle: at the mode the derivatives by ln F and ln b vanish: the residuals' sum is the pull of the normal priors.

    What is left of it, in standard deviations of the counts, must lie far below the spread of that pull over the
    images; else the sum of the counts says where a climb stopped.
    """
    rng = np.random.default_rng(4)
    pulls = {"flux": (np.log(0.03), 2.0), "background": (np.log(1e-5), 1.5)}
    truth = {"x_pos": 110.6, "y_pos": 61.2, "flux": 0.05, "background": 1e-5}
    wide = pulling.replace(**{name: dist.LogNormal(*pull) for name, pull in pulls.items()})
    starts = {name: truth[name] * np.exp(rng.normal(0, 0.05, 64)) for name in ("flux", "background")}
    starts |= {name: truth[name] + rng.normal(0, 0.1, 64) for name in ("x_pos", "y_pos")}
    images = rng.poisson(expected(stamp, *truth.values()), (64, *stamp.shape))
    found = refit(stamp, images, starts, wide)
    means = np.stack([expected(stamp, *each) for each in zip(*(found[name] for name in NAMES), strict=True)])
    spread = np.sqrt(means.sum((1, 2)))
    pull = sum((np.log(found[name]) - middle) / width**2 for name, (middle, width) in pulls.items()) / spread
    left = (images - means).sum((1, 2)) / spread - pull
    assert np.abs(left).max() < 0.2 * np.std(pull)
