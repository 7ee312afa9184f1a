"""The PSF against SciPy, closed forms and finite differences."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.io import fits
from jax.test_util import check_grads
from scipy import special, stats

from pgm_mock import InputError
from pgm_mock.errors import DataWarning
from pgm_mock.psf import (
    PSF,
    GaussianPSF,
    ImagePSF,
    KingPSF,
    MoffatPSF,
    choose_psf,
    describe_psf,
    elongated,
    epic_psf,
    gaussian_in_unit_interval,
    parse_psf,
)

X, Y = np.arange(1.0, 42.0)[None, :], np.arange(1.0, 38.0)[:, None]


def scipy_gaussian(x_pos, y_pos, sigma):
    def interval(centre, mean):
        return stats.norm.cdf(centre + 0.5, mean, sigma) - stats.norm.cdf(centre - 0.5, mean, sigma)

    return interval(X, x_pos) * interval(Y, y_pos)


@pytest.mark.parametrize("place", [(20.3, 18.7, 1.5), (1.0, 1.0, 0.05), (20.5, 18.5, 0.8), (60.0, -4.0, 9.0)])
def test_gaussian_is_scipys_integral_over_the_pixel(place, precision):
    found = GaussianPSF().pixel_fraction(X, Y, *place)
    np.testing.assert_allclose(found, scipy_gaussian(*place), atol=20 * precision)


def mirrored(psf):
    """The PSF with x and y exchanged: itself, where it is round."""
    if not isinstance(psf, ImagePSF):
        return psf
    return replace(psf, in_x=psf.in_y, in_y=psf.in_x, first_x=psf.first_y, first_y=psf.first_x)


FAMILIES = {
    "gaussian": GaussianPSF(),
    "king": KingPSF(slope=3.0),
    "moffat": MoffatPSF(slope=3.0),
    "elongated gaussian": elongated(0.6, 30.0),
    "elongated king": elongated(0.8, -50.0, slope=2.5, extent=15.0),
}


@pytest.mark.parametrize("psf", FAMILIES.values(), ids=FAMILIES.keys())
class TestEveryPSF:
    """What any family has to do."""

    def test_whole_plane_holds_all_light(self, psf, precision):
        x, y = np.arange(-400.0, 441.0)[None, :], np.arange(-400.0, 441.0)[:, None]
        total = jnp.sum(psf.pixel_fraction(x, y, 20.2, 19.9, 2.0))
        assert float(total) == pytest.approx(1.0, abs=3e3 * precision)

    def test_swapping_x_and_y_transposes(self, psf):
        first = psf.pixel_fraction(X, Y, 20.2, 14.9, 2.0)
        np.testing.assert_allclose(mirrored(psf).pixel_fraction(Y.T, X.T, 14.9, 20.2, 2.0), first.T, rtol=1e-12)

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


NODES, WEIGHTS = (each / 2 for each in np.polynomial.legendre.leggauss(12))


def by_quadrature(density, x, y):
    """Oracle: Gauss-Legendre quadrature with 12 x 12 points in each pixel."""
    inside_x, inside_y = x.ravel()[:, None] + NODES, y.ravel()[:, None] + NODES
    values = density(inside_x[None, None], inside_y[:, :, None, None])
    return np.einsum("yaxb,a,b->yx", values, WEIGHTS, WEIGHTS)


def king(core, slope, x_pos, y_pos):
    def density(x, y):
        squared = ((x - x_pos) ** 2 + (y - y_pos) ** 2) / core**2
        return (slope - 1) / (np.pi * core**2) * (1 + squared) ** -slope

    return density


@pytest.mark.parametrize("slope", [1.15, 1.4, 1.6, 2.0, 2.5, 3.3, 5.0])
@pytest.mark.parametrize("core", [0.6, 1.1, 4.0])
def test_king_is_its_integral_over_the_pixel(slope, core):
    found = KingPSF(slope).pixel_fraction(X, Y, 20.23, 18.61, core)
    np.testing.assert_allclose(found, by_quadrature(king(core, slope, 20.23, 18.61), X, Y), atol=1e-4)


def test_king_encloses_the_light_of_its_closed_form():
    """Oracle: 1 - (1 + r²/core²)^(1 - slope), and what is published for MOS2: 0.66, 0.82, 0.91 at 15, 30, 60 arcsec."""
    x, y = np.arange(-160.0, 161.0)[None, :], np.arange(-160.0, 161.0)[:, None]
    found = np.asarray(KingPSF(1.40).pixel_fraction(x, y, 0.0, 0.0, 11.15))
    for radius, published in ((37.5, 0.66), (75.0, 0.82), (150.0, 0.91)):
        near, light = np.hypot(x, y) <= radius, 1 - (1 + (radius / 11.15) ** 2) ** -0.4
        assert light == pytest.approx(published, abs=0.04)
        assert found[near].sum() == pytest.approx(light, abs=1e-3)


def test_moffat_is_half_as_high_at_half_its_width():
    """Oracle: the definition of the full width at half maximum, on pixels that are small against it."""
    x = np.array([[0.0, 50.0]])
    for slope in (1.5, 2.5, 4.765):
        centre, half = np.asarray(MoffatPSF(slope).pixel_fraction(x, np.zeros((1, 1)), 0.0, 0.0, 100.0))[0]
        assert half / centre == pytest.approx(0.5, abs=2e-3)


@pytest.mark.parametrize("angle", [0.0, 30.0, 135.0])
def test_elongated_gaussian_is_its_integral_over_the_pixel(angle):
    turn, ratio, width = np.deg2rad(angle), 0.6, 1.8

    def density(x, y):
        along = (x - 20.23) * np.cos(turn) + (y - 18.61) * np.sin(turn)
        across = (y - 18.61) * np.cos(turn) - (x - 20.23) * np.sin(turn)
        return stats.norm.pdf(along, scale=width) * stats.norm.pdf(across, scale=ratio * width)

    found = elongated(ratio, angle).pixel_fraction(X, Y, 20.23, 18.61, width)
    np.testing.assert_allclose(found, by_quadrature(density, X, Y), atol=1e-4)


@pytest.mark.parametrize("sampling", [1.0, 3.0, 5.3])
def test_image_of_a_gaussian_is_the_gaussian(sampling):
    """Oracle: the family with a closed form, sampled finely or coarsely, shifted by parts of pixels."""
    offset = (np.arange(121) - 60)[None, :] / sampling
    fine = np.asarray(gaussian_in_unit_interval(offset * sampling, 0.0, 2.0 * sampling))
    psf = ImagePSF.of(fine.T @ fine, sampling)
    for x_pos, y_pos in ((20.0, 18.0), (20.31, 18.77)):
        expected = GaussianPSF().pixel_fraction(X, Y, x_pos, y_pos, 2.0)
        np.testing.assert_allclose(psf.pixel_fraction(X, Y, x_pos, y_pos, 1.0), expected, atol=1e-4)


def test_image_psf_reads_its_sampling_and_centre_from_the_header(tmp_path):
    sigma = 4.0
    y, x = np.mgrid[1:62, 1:62]
    image = np.exp(-0.5 * ((x - 33.5) ** 2 + (y - 28.0) ** 2) / sigma**2)
    header = fits.Header({"CDELT1": -1e-4, "CDELT2": 1e-4, "CRPIX1": 33.5, "CRPIX2": 28.0})
    fits.PrimaryHDU(image, header).writeto(tmp_path / "psf.fits")
    with pytest.warns(DataWarning, match="adds up to 100.5; normalised"):
        psf = ImagePSF.read(tmp_path / "psf.fits", pixel_size=4e-4)
    found = np.asarray(psf.pixel_fraction(X, Y, 20.2, 18.1, 1.0))
    np.testing.assert_allclose(found, scipy_gaussian(20.2, 18.1, sigma / 4), atol=2e-3)
    with pytest.warns(DataWarning):
        again = parse_psf(describe_psf(psf))
    np.testing.assert_array_equal(again.in_x, psf.in_x)


@pytest.mark.parametrize("image", [np.zeros((9, 9)), np.full((9, 9), np.nan), np.ones(9), np.ones((2, 2))])
def test_image_psf_refuses_what_is_no_psf(image):
    with pytest.raises(InputError, match=r"mine: expected a finite image of at least 4 x 4 pixels"):
        ImagePSF.of(image, 1.0, source="mine")


@pytest.mark.parametrize("psf", [GaussianPSF(), KingPSF(1.4, 1.1), MoffatPSF(3.5, 2.0)])
def test_described_and_parsed_is_the_same(psf):
    assert parse_psf(describe_psf(psf)) == psf
    assert isinstance(psf, PSF)


def test_unknown_psf_is_refused():
    with pytest.raises(InputError, match="psf: expected gaussian, king, moffat or a FITS file, found 'airy'"):
        choose_psf("airy", None, None, 1.0, 1.0)


def test_epic_king_of_the_real_header(real):
    """Oracle: the coefficients of MOS2 by hand: at 1.41 keV (1 to 2 keV), 7.0 arcmin from the axis."""
    found = epic_psf(real.header, real.wcs, 271, 216)
    assert found.instrument == "EMOS2"
    assert found.energy == pytest.approx(np.sqrt(2.0))
    off_axis = np.hypot(271 - 324.5, 216 - 324.5) * 4 / 60
    assert found.off_axis == pytest.approx(off_axis, abs=0.1)
    core = 4.759 - 0.203 * 2**0.5 + 0.014 * off_axis - 0.0229 * 2**0.5 * off_axis
    assert found.psf.typical_width == pytest.approx(core / 4, rel=1e-2)
    assert found.psf.slope == pytest.approx(
        1.411 - 0.005 * 2**0.5 - 0.001 * off_axis - 0.0002 * 2**0.5 * off_axis, rel=1e-4
    )
    assert "EMOS2 at 1.4 keV (the header's PI range)" in found.line()
    assert epic_psf(fits.Header({"INSTRUME": "ACIS"}), real.wcs, 271, 216) is None
