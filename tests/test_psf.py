"""The PSF against SciPy, closed forms and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import special, stats

from pgm_mock.psf import PSFS, gaussian_in_unit_interval

X, Y = np.arange(1.0, 42.0)[None, :], np.arange(1.0, 38.0)[:, None]


def scipy_gaussian(x_pos, y_pos, sigma):
    def interval(centre, mean):
        return stats.norm.cdf(centre + 0.5, mean, sigma) - stats.norm.cdf(centre - 0.5, mean, sigma)

    return interval(X, x_pos) * interval(Y, y_pos)


@pytest.mark.parametrize("place", [(20.3, 18.7, 1.5), (1.0, 1.0, 0.05), (20.5, 18.5, 0.8), (60.0, -4.0, 9.0)])
def test_gaussian_is_scipys_integral_over_the_pixel(place, precision):
    found = PSFS["gaussian"].pixel_fraction(X, Y, *place)
    np.testing.assert_allclose(found, scipy_gaussian(*place), atol=20 * precision)


@pytest.mark.parametrize("psf", PSFS.values(), ids=PSFS.keys())
class TestEveryPSF:
    """What any family has to do."""

    def test_whole_plane_holds_all_light(self, psf, precision):
        x, y = np.arange(-400.0, 441.0)[None, :], np.arange(-400.0, 441.0)[:, None]
        total = jnp.sum(psf.pixel_fraction(x, y, 20.2, 19.9, 2.0))
        assert float(total) == pytest.approx(1.0, abs=3e3 * precision)

    def test_swapping_x_and_y_transposes(self, psf):
        first = psf.pixel_fraction(X, Y, 20.2, 14.9, 2.0)
        np.testing.assert_allclose(psf.pixel_fraction(Y.T, X.T, 14.9, 20.2, 2.0), first.T, rtol=1e-12)

    def test_full_ramps_equal_row_and_column(self, psf):
        x, y = np.broadcast_arrays(X, Y)
        found = psf.pixel_fraction(x, y, 20.2, 14.9, 2.0)
        np.testing.assert_allclose(found, psf.pixel_fraction(X, Y, 20.2, 14.9, 2.0), rtol=1e-12)

    def test_shifting_pixels_and_source_together_changes_nothing(self, psf):
        found = psf.pixel_fraction(X + 7, Y - 3, 27.2, 11.9, 2.0)
        np.testing.assert_allclose(found, psf.pixel_fraction(X, Y, 20.2, 14.9, 2.0), rtol=1e-11)

    @pytest.mark.parametrize("place", [(20.0, 18.0, 1.5), (20.5, 18.5, 1.5), (0.5, 0.5, 1.5), (20.0, 18.0, 30.0)])
    def test_derivatives_are_finite_differences(self, psf, place):
        def light(vector):
            return jnp.sum(jnp.sin(X + 2 * Y) * psf.pixel_fraction(X, Y, *vector))

        check_grads(light, (jnp.array(place),), order=2, rtol=1e-5, atol=1e-7)


def test_far_tail_keeps_relative_precision():
    """Oracle: the logarithm of the tail, log_ndtr, where the difference of two cdf's is 0."""
    centre = np.array([9.0, 15.0, 25.0])
    upper, lower = special.log_ndtr(-(centre - 0.5)), special.log_ndtr(-(centre + 0.5))
    expected = upper + np.log1p(-np.exp(lower - upper))
    np.testing.assert_allclose(np.log(gaussian_in_unit_interval(centre, 0.0, 1.0)), expected, rtol=1e-12)


def test_second_derivative_at_the_pixel_centre():
    """Oracle: d²/dm² of Phi(c + 1/2 - m) - Phi(c - 1/2 - m) is -phi(1/2) at m = c, where |c - m| has a kink."""
    found = jax.grad(jax.grad(gaussian_in_unit_interval, argnums=1), argnums=1)(0.0, 0.0, 1.0)
    assert float(found) == pytest.approx(-stats.norm.pdf(0.5), rel=1e-12)


def test_sampling_at_the_centre_is_not_what_it_does():
    """A pixel integral of a narrow source is 1, its density at the centre is far above."""
    assert float(gaussian_in_unit_interval(5.0, 5.0, 0.05)) == pytest.approx(1.0)
