"""Plans: detection and widths, against finite differences, simulated skies and fits; the command and its files."""

import json
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from scipy import stats

import pgm_mock
from pgm_mock import InputError, Observation
from pgm_mock.cli import main
from pgm_mock.errors import DataWarning
from pgm_mock.planning import Place, detector_places, field_places, plan_by_fisher, sky_level
from pgm_mock.planning.forecast import fisher_widths
from pgm_mock.psf import GaussianPSF

BARE = {"telescope": "EMOS2", "background": 3e-6, "pixel": 4.0}


def wcs(size=4.0, ny=100):
    found = WCS(naxis=2)
    found.wcs.ctype, found.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [-size / 3600, size / 3600]
    found.wcs.crpix, found.wcs.crval = [ny / 2, ny / 2], [150.0, 2.0]
    return found


def field(exposure_unit="s", pointing=True, seed=0, size=100):
    """A vignetted field with a gap, a bright source, and a background of 0.2 counts a pixel on its axis."""
    y, x = np.mgrid[:size, :size] + 1.0
    exposure = 2e4 * (1 - 1e-4 * np.hypot(x - 50, y - 50) ** 2).clip(0.05)
    exposure[:, 70:72] = 0.0
    bright = 300 * np.exp(-0.5 * ((x - 30) ** 2 + (y - 40) ** 2) / 1.5**2) / (2 * np.pi * 1.5**2)
    counts = np.random.default_rng(seed).poisson(exposure * 1e-5 + np.where(exposure > 0, bright, 0.0))
    header = fits.Header(
        {"TELESCOP": "XMM", "INSTRUME": "EMOS2"} | ({"RA_PNT": 150.0, "DEC_PNT": 2.0} if pointing else {})
    )
    return Observation(counts, exposure, wcs=wcs(), exposure_unit=exposure_unit, header=header, name="field")


def widths_by_differences(place, flux, exposure, spread=0.5):
    """Fisher's information of a Gaussian PSF by central differences of images that SciPy integrates over pixels."""
    ny, nx = place.seconds.shape
    prior = np.array([1 / 2.0**2, 1 / 2.0**2, 1 / 2.0**2, 1 / 1.5**2, 1 / spread**2])

    def image(values):
        x, y, log_flux, log_sky, log_width = values
        across, down = (
            np.diff(stats.norm.cdf(np.arange(number + 1) + 0.5, at, np.exp(log_width)))
            for number, at in ((nx, x), (ny, y))
        )
        light = np.exp(log_flux) * down[:, None] * across
        return exposure * place.seconds * (light + np.exp(log_sky))

    at = np.array([place.x, place.y, np.log(flux), np.log(place.background), np.log(float(place.psf.typical_width))])
    steps = 1e-4 * np.eye(5)
    slopes = np.array([(image(at + step) - image(at - step)).ravel() / 2e-4 for step in steps])
    seen = place.seconds.ravel() > 0
    information = (slopes[:, seen] / image(at).ravel()[seen]) @ slopes[:, seen].T
    variance = np.diag(np.linalg.inv(information + np.diag(prior)))
    return np.sqrt(variance[2]), place.pixel * np.sqrt(0.5 * (variance[0] + variance[1]))


@pytest.mark.parametrize("gap", [False, True])
def test_fishers_widths_are_those_of_finite_differences(gap):
    """Oracle: images and derivatives by SciPy; priors as they are documented."""
    seconds = np.ones((31, 31))
    if gap:
        seconds[:, 16:18] = 0.0
    place = Place("here", 15.3, 16.1, 0.0, seconds, (1, 1), 2e-5, GaussianPSF(), 4.0)
    for flux in (0.001, 0.01):
        assert fisher_widths(place, flux, 1e4) == pytest.approx(widths_by_differences(place, flux, 1e4), rel=1e-4)


def test_a_source_is_faint_by_its_counts_and_its_background():
    """Oracle: tests/benchmarks/PLAN.md, where 30 counts are enough in a low background and too few in a high one."""
    for background, counts, faint in [(3e-6, 20.0, True), (3e-6, 31.0, False), (3e-5, 31.0, True), (3e-5, 60.0, False)]:
        (one,) = plan_by_fisher(counts / 2e4, [2e4], telescope="EMOS2", background=background, pixel=4.0).forecasts
        assert one.is_faint == faint


def test_four_times_the_exposure_halves_the_widths_of_bright_sources():
    """Oracle: the square root of time; the background's prior, where wings hide the background, changes it by 1 %."""
    found = plan_by_fisher(1.0, [1e4, 4e4], **BARE)
    (first, last) = found.forecasts
    assert last.flux_width / first.flux_width == pytest.approx(0.5, rel=0.01)
    assert last.position_width / first.position_width == pytest.approx(0.5, rel=0.01)
    assert (first.probability, first.method, first.mocks) == (pytest.approx(1.0), "Fisher", 0)


def test_the_background_is_measured_beside_sources():
    """Oracle: the level of the simulation, within three Poisson errors; a bright source alone doubles the mean."""
    levels, errors = [], []
    for seed in range(5):
        one = field(seed=seed).stamp(30, 40, 20)
        levels.append(sky_level(one.counts, one.exposure))
        errors.append(np.sqrt(1e-5 / one.exposure.sum()))
        assert one.counts.sum() / one.exposure.sum() > 1.7e-5
    assert np.mean(levels) == pytest.approx(1e-5, abs=3 * np.mean(errors) / np.sqrt(5))
    empty = sky_level(np.zeros((9, 9)), np.full((9, 9), 100.0))
    assert empty == pytest.approx(0.5 / 8100)


def test_places_of_a_field_have_its_exposure_and_psf():
    """Oracle: the map, scaled to its largest value; the PSF that the header's telescope has there."""
    observation = field()
    (place,) = field_places(observation, [(60, 55)], half_size=10)
    assert np.allclose(place.seconds * observation.exposure.max(), observation.stamp(60, 55, 10).exposure)
    assert place.off_axis == pytest.approx(4 * np.hypot(10, 5) / 60, abs=0.02)
    expected = pgm_mock.telescope_psf(observation.header, observation.wcs, 60, 55).psf
    assert float(place.psf.typical_width) == pytest.approx(float(expected.typical_width))
    assert place.pixel == pytest.approx(4.0)
    in_ks = replace(observation, exposure=observation.exposure / 1e3, exposure_unit="ks")
    (same,) = field_places(in_ks, [(60, 55)], half_size=10)
    assert same.background == pytest.approx(place.background)
    (ring,) = field_places(observation, off_axis=[2.0], half_size=5)
    assert np.hypot(ring.x - 50, ring.y - 50) * 4 / 60 == pytest.approx(2.0, abs=0.1)
    assert observation.exposure[round(ring.y) - 1, round(ring.x) - 1] > 0


def test_a_bare_detectors_psf_is_the_headers():
    """Oracle: the PSF of an image of that telescope with the same pixel and off-axis angle."""
    observation = field()
    x = 50.0 + 7 * 60 / 4
    (place,) = detector_places("emos2", 3e-6, 4.0, [7.0])
    known = pgm_mock.telescope_psf(observation.header, observation.wcs, x, 50.0)
    assert float(place.psf.typical_width) == pytest.approx(float(known.psf.typical_width), rel=1e-3)
    assert float(place.psf.slope) == pytest.approx(float(known.psf.slope), rel=1e-4)
    for name in ("EPN", "Swift XRT", "eROSITA", "Chandra ACIS", "ROSAT PSPC"):
        (place,) = detector_places(name, 3e-6, 4.0, [0.0])
        assert 0 < float(np.sum(pgm_mock.planning.forecast.light_of(place))) <= 1 + 1e-6


def test_exposure_needed_is_where_nine_in_ten_are_detected():
    found = plan_by_fisher(0.002, [5e3, 1e4], **BARE)
    assert found.probabilities(0, np.array(found.needed))[0] == pytest.approx(0.9, abs=0.003)
    assert np.isnan(plan_by_fisher(1e-6, [1e3], **BARE).needed[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flux": 0.0}, "flux: expected a count rate above 0"),
        ({"flux": np.nan}, "flux: expected a count rate above 0"),
        ({"flux": 1e9}, "flux, background: expected at most 1e"),
        ({"exposures": []}, "exposures: expected times"),
        ({"exposures": [-1.0]}, "exposures: expected times"),
        ({"threshold": 1.0}, "threshold: expected 3 to 10,000 in ln L, found 1"),
        ({"mocks": 3}, "mocks: expected 0, or 10 to 1,000, found 3"),
        ({"telescope": "EMOS3"}, "telescope: expected EMOS1, .* found 'EMOS3'; did you mean EMOS"),
        ({"telescope": None}, "expected a field .* or a telescope, found neither"),
        ({"background": None}, "background: expected one beside a telescope"),
        ({"background": 0.0}, "background: expected a rate above 0"),
        ({"pixel": 0.0}, "pixel: expected a side of 0.001"),
        ({"off_axis": [-1.0]}, "off_axis: expected angles of 0 to 600"),
        ({"energy": -1.0}, "energy: expected a number of keV above 0"),
        ({"positions": [(1, 1)]}, "positions: expected a field"),
        ({"positions": np.ones((2, 2))}, "positions: expected a field"),
        ({"seed": -1}, "seed: expected a whole number"),
    ],
)
def test_bad_plans_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        pgm_mock.plan(**({"flux": 0.002, "exposures": [1e4], "mocks": 0} | BARE | change))


def test_bad_fields_are_refused():
    observation = field()
    chandra = replace(observation, exposure_unit="cm2 s ct / photon")
    for change, message in [
        ({"observation": chandra, "positions": [(60, 55)]}, "exposure map: expected .* unit of time"),
        ({"observation": replace(observation, wcs=None), "positions": [(60, 55)]}, "image: expected celestial"),
        ({"observation": observation}, "expected a place in the field, or off-axis angles; found none"),
        ({"observation": observation, "positions": [(900, 55)]}, "stamp at x=900"),
        ({"observation": observation, "off_axis": [50.0]}, "off_axis: expected an angle within the exposed field"),
        ({"observation": observation, "positions": [(60, 55)], "pixel": 4.0}, "pixel: expected a telescope"),
        ({"observation": observation, "telescope": "EPN"}, "found both"),
        ({"observation": field(pointing=False), "off_axis": [2.0]}, "off_axis: expected a pointing"),
    ]:
        with pytest.raises(InputError, match=message):
            pgm_mock.plan(0.002, [1e4], mocks=0, **change)


def test_what_is_not_published_is_said():
    for name, angle, energy, message in [
        ("EMOS2", 15.0, None, "published up to 12'"),
        ("Swift XRT", 3.0, None, "as one for the whole field"),
        ("Swift XRT", 0.0, 2.0, "without its dependence on energy"),
        ("EMOS2", 0.0, 9.0, "used from 0.1 to 6 keV, found 9"),
    ]:
        with pytest.warns(DataWarning, match=message):
            detector_places(name, 3e-6, 4.0, [angle], energy=energy)
    with pytest.warns(DataWarning, match="hold .* of the source's light"):
        detector_places("eROSITA", 3e-6, 0.5, [0.0], half_size=5)


@pytest.mark.slow
def test_the_command_writes_table_and_picture(tmp_path, capsys):
    """Oracle: the files read again, and the numbers of the Python function."""
    observation, out = field(), tmp_path / "plan"
    image, exposure = tmp_path / "image.fits", tmp_path / "exposure.fits"
    observation.write(image, exposure)
    place = ["--x", "60", "--y", "55", "--half-size", "12"]
    words = ["plan", image, exposure, *place, "--flux", "0.01", "--exposure", "10:80:4", "--mocks", "0", "--out", out]
    assert main([*map(str, words), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    expected = pgm_mock.plan(
        0.01, 1e3 * np.geomspace(10, 80, 4), observation=observation, positions=[(60, 55)], mocks=0, half_size=12
    )
    rows = told["places"][0]["exposures"]
    assert [row["exposure_ks"] for row in rows] == pytest.approx([10, 20, 40, 80])
    assert [row["flux_width"] for row in rows] == pytest.approx(
        [one.flux_width for one in expected.forecasts], rel=1e-5
    )
    assert rows[0]["bias"] is None
    for name in ("plan.ecsv", "plan.fits"):
        table = QTable.read(out / name)
        assert table["P_DETECT"] == pytest.approx([one.probability for one in expected.forecasts], rel=1e-5)
        assert str(table["EXPOSURE"].unit) == "ks"
        assert table.meta["THRESH"] == 8.6
    assert matplotlib.image.imread(out / "plan.png").std() > 0.05
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("at x=60 y=55 and 0.01 ct / s: detected in ")
    assert said.count("\n") == 1
    assert "80 ks give ±" in said


def test_bad_usage_is_one_line_and_leaves_nothing(tmp_path, capsys):
    observation, out = field(), tmp_path / "plan"
    image, exposure = str(tmp_path / "image.fits"), str(tmp_path / "exposure.fits")
    observation.write(image, exposure)
    bare = ["--telescope", "EMOS2", "--pixel", "4", "--background", "3e-6"]
    for words, message in [
        ([*bare, "--exposure", "80:10"], "--exposure: expected LO:HI"),
        ([*bare, "--exposure", "a"], "--exposure: expected LO:HI"),
        ([*bare, "--exposure", "10:20:1000000"], "--exposure: expected LO:HI"),
        ([*bare, "--exposure", "nan,10"], "--exposure: expected LO:HI"),
        ([*bare, "--exposure", "10", "--off-axis", "x"], "--off-axis: expected angles"),
        ([*bare, "--exposure", "10", "--mocks", "2"], "--mocks: expected 0, or 10 to 1,000"),
        ([*bare, "--exposure", "10", "--x", "3"], "--x, --y, --ra, --dec: expected IMAGE"),
        ([image, "--exposure", "10"], "expected IMAGE and EXPOSURE, or --telescope; found IMAGE alone"),
        ([image, exposure, "--exposure", "10"], "expected --x --y, --ra --dec or --off-axis"),
        ([image, exposure, "--exposure", "10", "--x", "3"], "expected a position, --x X --y Y"),
        ([image, exposure, *bare, "--exposure", "10"], "expected a field"),
        (
            [image, exposure, "--exposure", "10", "--x", "60", "--y", "55", "--pixel", "4"],
            "--pixel: expected a telescope",
        ),
        ([*bare, "--exposure", "10", "--psf", "king"], "--psf: expected a field (IMAGE EXPOSURE)"),
    ]:
        assert main(["plan", "--flux", "0.01", "--out", str(out), *words]) == 2
        err = capsys.readouterr().err.splitlines()[-1]
        assert err.startswith(f"pgm-mock plan: {message}"), err
    assert not out.exists()


@pytest.mark.slow
def test_mocks_tell_what_faint_sources_give():
    """Oracle: the probability without simulating, within the binomial error."""
    (one,) = pgm_mock.plan(0.0015, [7e3], half_size=10, mocks=12, **BARE).forecasts
    assert (one.method, one.mocks) == ("mocks", 12)
    assert one.is_faint
    error = np.sqrt(one.probability * (1 - one.probability) / one.mocks)
    assert abs(one.detected - one.probability) < 3 * error + 0.04
    assert one.flux_low < one.flux_width < one.flux_high
    assert one.position_low < one.position_width < one.position_high
    assert one.bias > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("counts", [32.0])
def test_fishers_widths_are_those_of_fits(counts):
    """Oracle: medians of 60 posteriors of mocks; their own error is a percent of the flux's width."""
    from pgm_mock.planning.bymocks import mock_forecasts

    found = plan_by_fisher(counts / 2e4, [2e4], off_axis=[5.0], **BARE)
    (one,) = mock_forecasts(found.places, found.flux, found.forecasts, found.threshold, 60, 0)
    assert found.forecasts[0].flux_width == pytest.approx(one.flux_width, rel=0.04)
    assert found.forecasts[0].position_width == pytest.approx(one.position_width, rel=0.08)


@pytest.mark.slow
def test_two_sets_of_mocks_agree():
    """Oracle: another seed, within three errors of a difference of medians; the same seed gives the same numbers."""
    first, last, again = (pgm_mock.plan(0.0012, [7e3], seed=seed, **BARE).forecasts[0] for seed in (0, 1, 0))
    assert again == first
    for what in ("flux", "position"):
        low, high = (getattr(first, f"{what}_{end}") for end in ("low", "high"))
        error = np.sqrt(np.pi / 2 / first.mocks) * 0.5 * (high - low)
        widths = [getattr(one, f"{what}_width") for one in (first, last)]
        assert abs(widths[1] - widths[0]) < 3 * np.sqrt(2) * error
