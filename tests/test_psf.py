"""The PSF against SciPy, closed forms and finite differences."""

from dataclasses import replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from jax.test_util import check_grads
from scipy import integrate, special, stats

from pgm_mock import InputError, Region
from pgm_mock.catalogue.fields import Field
from pgm_mock.catalogue.sources import Settings, sources_of
from pgm_mock.errors import DataWarning
from pgm_mock.pixels import Pixels
from pgm_mock.psf import (
    PSF,
    TELESCOPES,
    GaussianPSF,
    ImagePSF,
    KingPSF,
    MoffatPSF,
    SumOfGaussians,
    choose_and_say,
    choose_psf,
    describe_psf,
    elongated,
    epic_psf,
    gaussian_between,
    gaussian_in_unit_interval,
    parse_psf,
    telescope_psf,
    width_in_words,
)
from pgm_mock.psf.king import gaussians_of_king
from pgm_mock.psf.telescopes import half_light_radius
from pgm_mock.scene.light import Optics

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

    @pytest.mark.slow
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


ON_EDGES = {
    **FAMILIES,
    "sum of gaussians": SumOfGaussians(np.array([0.4, 2.0, 900.0]), np.array([0.3, 0.6, 0.1])),
    "beta": SumOfGaussians.of_beta(3.0, 0.6, GaussianPSF(), 1.2),
}


@pytest.mark.parametrize("place", [(20.3, 18.7, 1.5), (20.5, 18.5, 0.05), (1.0, 1.0, 0.3), (160.0, -4.0, 9.0)])
@pytest.mark.parametrize("psf", ON_EDGES.values(), ids=ON_EDGES.keys())
def test_from_edges_as_from_centres(psf, place):
    """Oracle: the same pixels, of which nothing says that they follow one another; where a value is 0, its log is."""
    exposure = np.ones((37, 41))
    whole, single = (
        Optics(psf, place[2]).point(pixels, *place[:2], 1.0).image()
        for pixels in (Pixels.in_one_piece(exposure, X, Y), Pixels(exposure, X, Y))
    )
    assert np.all(np.isfinite(whole))
    np.testing.assert_allclose(whole, single, rtol=1e-10, atol=1e-300)


def test_far_tail_between_edges_keeps_relative_precision():
    """Oracle: the logarithm of the tail, log_ndtr, on either side of the mean."""
    edges = np.arange(-26.0, 27.0) + 0.5
    upper, lower = special.log_ndtr(-(np.arange(9.0, 25.0) - 0.5)), special.log_ndtr(-(np.arange(9.0, 25.0) + 0.5))
    expected = upper + np.log1p(-np.exp(lower - upper))
    found = np.log(gaussian_between(edges, 0.0, 1.0))
    np.testing.assert_allclose(found[25 + 9 : 25 + 25], expected, rtol=1e-12)
    np.testing.assert_allclose(found[::-1][26 + 9 : 26 + 25], expected, rtol=1e-12)


@pytest.mark.parametrize("mean", [0.0, 0.5, 0.3, -2.5])
def test_derivatives_between_edges(mean):
    """Oracle: d/dm of Phi(b - m) - Phi(a - m) is phi(a - m) - phi(b - m), also where an edge is at m; and d2/dm2."""
    edges = np.arange(-4.0, 5.0) - 0.5
    slope = jax.jacfwd(gaussian_between, argnums=1)(edges, mean, 1.0)
    bend = jax.jacfwd(jax.jacrev(gaussian_between, argnums=1), argnums=1)(edges, mean, 1.0)
    density = stats.norm.pdf(edges, mean)
    np.testing.assert_allclose(slope, -np.diff(density), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(bend, -np.diff((edges - mean) * density), rtol=1e-12, atol=1e-15)


def test_profiles_of_its_own_are_not_those_of_the_class_it_inherits_from():
    class Twice(GaussianPSF):
        """A Gaussian with twice the light in each column."""

        def profiles(self, x, y, x_pos, y_pos, psf_width):
            columns, rows = super().profiles(x, y, x_pos, y_pos, psf_width)
            return 2.0 * columns, rows

    pixels = Pixels.in_one_piece(np.ones((37, 41)), X, Y)
    once, twice = (Optics(psf, 1.5).point(pixels, 20.3, 18.7, 1.0).image() for psf in (GaussianPSF(), Twice()))
    np.testing.assert_allclose(twice, 2.0 * np.asarray(once), rtol=1e-12)


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


@pytest.mark.parametrize("slope", [1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6, 2.0, 2.5, 3.3, 5.0])
def test_gaussians_of_a_king_profile_enclose_its_light_far_into_the_wings(slope, precision):
    """Oracle: 1 - (1 + r²)^(1 - slope), from a hundredth of the core radius to 5,000 times it."""
    radius = np.geomspace(1e-2, 5e3, 400)
    sigma, share = (np.asarray(each, float) for each in gaussians_of_king(1.0, slope))
    found = -np.expm1(-0.5 * (radius[:, None] / sigma) ** 2) @ share
    np.testing.assert_allclose(found, 1 - (1 + radius**2) ** (1 - slope), atol=1e-3)
    assert share.sum() == pytest.approx(1.0, abs=20 * precision)


@pytest.mark.parametrize("slope", [1.15, 1.25, 1.5])
@pytest.mark.parametrize("core", [0.1, 0.25, 0.45])
def test_king_of_a_narrow_core_is_its_integral_over_the_pixel(slope, core):
    """Oracles: SciPy's quadrature in the pixels that hold most light, and the light within 18 pixels in closed form."""
    x_pos, y_pos = 20.31, 18.87
    found = np.asarray(KingPSF(slope).pixel_fraction(X, Y, x_pos, y_pos, core))
    density = king(core, slope, x_pos, y_pos)
    for x in (19, 20, 21):
        for y in (18, 19):
            columns = sorted({x - 0.5, min(max(x_pos, x - 0.5), x + 0.5), x + 0.5})
            rows = sorted({y - 0.5, min(max(y_pos, y - 0.5), y + 0.5), y + 0.5})
            parts = [
                integrate.dblquad(lambda b, a: density(a, b), *ends, *limits, epsabs=1e-6)[0]
                for ends in pairwise(columns)
                for limits in pairwise(rows)
            ]
            assert found[y - 1, x - 1] == pytest.approx(sum(parts), abs=1e-3)
    # pixels that the circle cuts hold light in part; their borders average out to much less than 1e-3
    radius = np.arange(14.0, 18.0, 0.05)
    within = np.array([found[np.hypot(X - x_pos, Y - y_pos) <= r].sum() for r in radius])
    assert np.mean(within - (1 - (1 + (radius / core) ** 2) ** (1 - slope))) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(("core", "beta"), [(0.05, 0.55), (0.3, 0.55), (0.3, 0.6), (3.0, 2 / 3)])
@pytest.mark.parametrize(("psf_core", "psf_slope"), [(0.25, 1.2), (0.5, 1.4)])
def test_a_flat_beta_model_through_a_narrow_core_encloses_the_light_of_both(core, beta, psf_core, psf_slope):
    """Oracle: Hankel transforms: of a convolution it is the product, and that of each profile is a Bessel function."""

    def transform(k, core, slope):
        return 2 * (k * core / 2) ** (slope - 1) * special.kv(slope - 1, k * core) / special.gamma(slope - 1)

    shape = SumOfGaussians.of_beta(core, beta, KingPSF(psf_slope), psf_core)
    sigma, share = (np.asarray(each) for each in shape.gaussians(1.0))
    k = np.geomspace(1e-6, 60, 10_000)
    expected = transform(k, core, 3 * beta - 0.5) * transform(k, psf_core, psf_slope)
    difference = expected - np.exp(-0.5 * (k[:, None] * sigma) ** 2) @ share
    for radius in np.geomspace(0.1, 60, 12):
        wrong = integrate.trapezoid(radius * special.j1(k * radius) * difference * k, np.log(k))
        assert wrong == pytest.approx(0.0, abs=1e-3)


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


def test_described_and_parsed_gaussians_give_the_same_light():
    psf = SumOfGaussians(np.array([1.0, 2.5, 40.0]), np.array([0.7, 0.0, 0.3]), width_spread=0.15)
    again = parse_psf(describe_psf(psf))
    assert isinstance(psf, PSF)
    assert (again.width_spread, len(again.sigma)) == (0.15, 2)
    found, expected = (one.pixel_fraction(X, Y, 20.2, 18.1, 1.1) for one in (again, psf))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_each_family_says_what_its_width_is():
    told = {type(psf).__name__: (psf.width_name, psf.width_unit) for psf in FAMILIES.values()}
    assert told == {
        "GaussianPSF": ("sigma", "pixel"),
        "KingPSF": ("core radius", "pixel"),
        "MoffatPSF": ("FWHM", "pixel"),
        "ImagePSF": ("stretch", ""),
    }
    assert {name: width_in_words(name) for name in told} == told
    assert width_in_words("MyOwnPSF") == ("width", "pixel")


def test_unknown_psf_is_refused():
    with pytest.raises(InputError, match="psf: expected auto, gaussian, king, moffat or a FITS file, found 'airy'"):
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


def camera(wcs_of, **keywords):
    """A header and a WCS of 1 arcsec a pixel with its pointing at pixel (1, 1)."""
    pointing = {"RA_PNT": 10.0, "DEC_PNT": 0.0}
    return fits.Header(pointing | keywords), wcs_of(1 / 3600)


@pytest.fixture
def wcs_of():
    def make(pixel):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [10.0, 0.0], [1.0, 1.0]
        wcs.wcs.cdelt = [-pixel, pixel]
        return wcs

    return make


@pytest.mark.parametrize("instrument", ["EMOS1", "EMOS2", "EPN"])
def test_epic_formulas_are_clamped_where_they_run_off(wcs_of, instrument):
    """pn at 9.2 keV and 16.7 arcmin had a core radius of -0.02 pixel: it is that of 6 keV and 12 arcmin now."""
    header, wcs = camera(wcs_of, INSTRUME=instrument, DSTYP1="PI", DSVAL1="7000:12000")
    found = epic_psf(header, wcs, 1, 1 + 16.7 * 60)
    assert (found.energy, found.off_axis) == pytest.approx((9.165, 16.7), abs=0.01)
    header["DSVAL1"] = "6000:6001"
    edge = epic_psf(header, wcs, 1, 1 + 12 * 60).psf
    assert float(found.psf.typical_width) == pytest.approx(float(edge.typical_width), rel=1e-3)
    assert float(found.psf.typical_width) > 1.9
    assert float(found.psf.slope) > 1.2
    assert "at 9.2 keV (the header's PI range) (taken as 6, where what is published ends), 16.7'" in found.line()
    assert "16.7' off axis (taken as 12, where what is published ends): core radius" in found.line()


def test_every_telescope_is_recognised_and_has_light_that_adds_up(wcs_of):
    """A header of each row, over energies and off-axis angles beyond any image: the PSF is one, and says itself."""
    names = {
        "EMOS1": ("XMM", "EMOS1"), "EMOS2": ("XMM", "EMOS2"), "EPN": ("XMM", "EPN"), "Swift XRT": ("SWIFT", "XRT"),
        "eROSITA": ("eROSITA", "FM1"), "Chandra ACIS": ("CHANDRA", "ACIS"), "ROSAT PSPC": ("ROSAT", "PSPCB"),
    }  # fmt: skip
    assert set(names) == {row.name for row in TELESCOPES}
    for name, (telescop, instrume) in names.items():
        for place in (1.0, 600.0, 1300.0):
            header, wcs = camera(wcs_of, TELESCOP=telescop, INSTRUME=instrume)
            found = telescope_psf(header, wcs, 1.0, place)
            assert found.instrument == name
            assert name in found.line()
            sigma, share = (np.asarray(each) for each in found.psf.gaussians(found.psf.typical_width))
            assert share.sum() == pytest.approx(1.0, abs=1e-12)
            assert (sigma > 0).all()
            assert (share >= 0).all()


@pytest.mark.parametrize(
    ("telescop", "instrume", "arcmin", "fraction", "arcsec", "tolerance"),
    [
        ("SWIFT", "XRT", 0.0, 0.5, 9.0, 0.5),  # Moretti et al.: half-energy width 18"
        ("eROSITA", "TM0", 0.0, 0.5, 15.0, 0.5),  # Merloni et al.: survey's half-energy width 30"
        ("CHANDRA", "ACIS", 0.0, 0.5, 0.42, 0.05),  # on axis
        ("CHANDRA", "ACIS", 4.0, 0.9, 9 * 0.492, 0.1),  # the ACIS memo: 9 and 34 pixels
        ("CHANDRA", "ACIS", 12.0, 0.9, 34 * 0.492, 0.1),
        ("ROSAT", "PSPCB", 0.0, 0.5, 13.2, 0.5),  # the guest observer facility: 0.22 arcmin
    ],
)
def test_published_radii(wcs_of, telescop, instrume, arcmin, fraction, arcsec, tolerance):
    header, wcs = camera(wcs_of, TELESCOP=telescop, INSTRUME=instrume)
    psf = telescope_psf(header, wcs, 1.0, 1.0 + 60 * arcmin).psf
    sigma, share = (np.asarray(each) for each in psf.gaussians(psf.typical_width))
    radii = np.geomspace(0.01, 1000, 20_000)
    within = -np.expm1(-0.5 * (radii[:, None] / sigma) ** 2) @ share
    assert np.interp(fraction, within, radii) == pytest.approx(arcsec, abs=tolerance)
    if isinstance(psf, SumOfGaussians) and fraction == 0.5:
        assert half_light_radius(psf) == pytest.approx(np.interp(0.5, within, radii), rel=1e-3)


def test_a_choice_is_said_in_one_line(wcs_of):
    header, wcs = camera(wcs_of, TELESCOP="XMM", INSTRUME="EPN")
    said = {name: choose_and_say(name, header, wcs, 1.0, 1.0)[1] for name in ("auto", "king", "gaussian", "moffat")}
    assert said["auto"] == said["king"]
    assert "King profile of EPN at 1.5 keV (assumed: the header has no PI range)" in said["auto"]
    assert said["gaussian"].startswith("PSF: Gaussian; a Gaussian's flux leaves out the light in the wings")
    assert "this image's own is a King profile of EPN" in said["gaussian"]
    assert "Moffat profile, slope 2.5, FWHM of some 3 pixel" in said["moffat"]
    assert "has no header" in choose_and_say("auto", None, None, 1.0, 1.0)[1]
    assert "no celestial coordinates" in choose_and_say("king", header, None, 1.0, 1.0)[1]
    assert not any("\n" in line for line in said.values())


class TestImagesOfOtherSampling:
    """A plane of a cube, images without a pixel size, and sizes in other units."""

    @staticmethod
    def gaussian(sigma):
        y, x = np.mgrid[-30:31, -30:31]
        image = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
        return image / image.sum()

    def test_a_plane_of_a_cube_without_a_pixel_size(self, tmp_path, wcs_of):
        cube = np.stack([self.gaussian(3.0), self.gaussian(6.0)])
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube, name="PSF")]).writeto(tmp_path / "psf.fits")
        name = f"{tmp_path / 'psf.fits'}[PSF,2]"
        with pytest.raises(InputError, match=r"psf\.fits\[PSF,2\]: expected a pixel size .* or --psf-sampling N"):
            choose_psf(name, None, wcs_of(1e-3), 20.0, 18.0)
        psf = choose_psf(name, None, None, 20.0, 18.0, sampling=4.0)
        found = psf.pixel_fraction(X, Y, 20.0, 18.0, 1.0)
        np.testing.assert_allclose(found, scipy_gaussian(20.0, 18.0, 1.5), atol=2e-3)
        assert describe_psf(psf) == f"ImagePSF({name}; sampling=4)"
        np.testing.assert_array_equal(parse_psf(describe_psf(psf)).in_x, psf.in_x)
        assert choose_and_say(name, None, None, 1.0, 1.0, 4.0)[1].endswith("4 of its pixels for each pixel")

    def test_a_pixel_size_in_arcsec(self, tmp_path, wcs_of):
        header = fits.Header({"CDELT2": 1.0, "CUNIT2": "arcsec"})
        fits.PrimaryHDU(self.gaussian(4.0), header).writeto(tmp_path / "psf.fits")
        psf = choose_psf(str(tmp_path / "psf.fits"), None, wcs_of(4 / 3600), 20.0, 18.0)
        assert float(psf.sampling) == pytest.approx(4.0)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ({"CDELT2": 1.0, "CUNIT2": "mm"}, "expected CDELT2 in an angle, or --psf-sampling N.*; found 'mm'"),
            ({"CDELT2": 1.0}, "expected a pixel size like the image's, or --psf-sampling N.*; found CDELT2 = 1 deg"),
            ({"CDELT2": "x"}, r"expected a pixel size \(CDELT2\) or --psf-sampling N.*; found neither"),
        ],
    )
    def test_pixel_sizes_that_cannot_be_right(self, tmp_path, wcs_of, header, message):
        fits.PrimaryHDU(self.gaussian(4.0), fits.Header(header)).writeto(tmp_path / "psf.fits")
        with pytest.raises(InputError, match=message):
            choose_psf(str(tmp_path / "psf.fits"), None, wcs_of(4 / 3600), 20.0, 18.0)

    def test_a_sampling_without_an_image_is_refused(self):
        with pytest.raises(
            InputError, match="psf_sampling: expected a FITS file of a PSF beside it, found the PSF 'king'"
        ):
            choose_psf("king", None, None, 1.0, 1.0, sampling=2.0)

    def test_the_sampling_reaches_a_catalogues_sources(self, tmp_path, stamp):
        fits.PrimaryHDU(self.gaussian(4.0)).writeto(tmp_path / "psf.fits")
        field = Field(stamp, [Region("1", 110.6, 61.2, 5.0)])
        (source,) = sources_of([field], Settings(psf=str(tmp_path / "psf.fits"), psf_sampling=4.0, half_size=8))
        assert float(source.priors.psf.sampling) == 4.0
