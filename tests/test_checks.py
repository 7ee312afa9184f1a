"""Model criticism. Oracles: sums by hand, SciPy's laws, simulation from the model, and the real sky's known faults."""

import dataclasses

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray
from scipy import stats

from pgm_mock import (
    DataWarning,
    InputError,
    Priors,
    fit,
    fit_many,
    posterior_predictive_check,
    prior_predictive,
    prior_predictive_check,
    read_regions,
)
from pgm_mock.checks import STATISTICS
from pgm_mock.checks.predictive import p_value
from pgm_mock.checks.statistics import Fitted, blocks, dipole, matched_filter
from pgm_mock.checks.words import direction, in_words
from pgm_mock.cli import main
from pgm_mock.plot import plot_check
from pgm_mock.resources import resource
from pgm_mock.results import fitted_to


def blank(counts, mean, width=1.5, exposed=None):
    """A stamp with the source in its middle."""
    ny, nx = np.shape(counts)
    dy, dx = np.mgrid[:ny, :nx] - np.array([ny // 2, nx // 2])[:, None, None]
    exposed = np.ones((ny, nx), bool) if exposed is None else exposed
    offsets = dx.astype(float), dy.astype(float)
    return Fitted(np.asarray(counts), np.asarray(mean, float), exposed, *offsets, np.hypot(*offsets), width)


def test_tail_probabilities():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=4000)
    assert p_value(0.0, sample, False) == pytest.approx(0.5, abs=0.03)
    assert p_value(1.96, sample, True) == pytest.approx(0.05, abs=0.015)
    assert p_value(-1.96, sample, True) == pytest.approx(0.05, abs=0.015)
    assert p_value(3.8, sample, False) == pytest.approx(stats.norm.sf(3.8), rel=9)  # a tail of 25 draws, extrapolated
    assert p_value(40.0, sample, False) < 1e-6
    assert p_value(5.0, np.full(200, 5.0), False) == 1.0
    found = [p_value(x, y, False) for x, y in zip(rng.normal(size=2000), rng.normal(size=(2000, 200)), strict=True)]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("law", [stats.expon(), stats.gumbel_r()], ids=["exponential", "largest of many"])
def test_p_values_beyond_the_replicates_are_as_rare_as_they_say(law):
    """Oracle: binomial counts. 200 replicates must tell 1 in 1000 from 1 in 200: nine statistics share out 1 %."""
    rng = np.random.default_rng(8)
    observed = law.rvs(20000, random_state=rng)
    observed = observed[observed > law.isf(0.08)]  # the others are no candidates
    found = np.array([p_value(x, law.rvs(200, random_state=rng), False) for x in observed])
    for level in (0.001, 0.005, 0.02):
        assert stats.binomtest(int(np.sum(found < level)), 20000, level).pvalue > 1e-3, level


def test_statistics_by_hand():
    mean = np.full((21, 21), 0.5)
    counts = np.zeros((21, 21), int)
    counts[10, 10], counts[2:4, 16:18] = 6, 3
    fitted = blank(counts, mean)
    exposed = counts.size
    assert STATISTICS["total_counts"].of(fitted) == pytest.approx((18 - 0.5 * exposed) / np.sqrt(0.5 * exposed))
    assert STATISTICS["largest_pixel"].of(fitted) == pytest.approx(-np.log10(stats.poisson.sf(5, 0.5)))
    assert STATISTICS["overdispersion"].of(fitted) == pytest.approx(
        np.sum((counts - mean) ** 2 - counts) / np.sqrt(2 * np.sum(mean**2))
    )
    zeros = exposed * np.exp(-0.5)
    spread = np.sqrt(exposed * np.exp(-0.5) * (1 - np.exp(-0.5)))
    assert STATISTICS["zero_fraction"].of(fitted) == pytest.approx((np.sum(counts == 0) - zeros) / spread)
    row, column = np.unravel_index(np.argmax(blocks(fitted)), counts.shape)
    assert abs(row - 2.5) <= 2
    assert abs(column - 16.5) <= 2
    # About row 1 four of a block's five rows are in the image, and all twelve counts.
    assert blocks(fitted).max() == pytest.approx(-np.log10(stats.poisson.sf(11, 0.5 * 20)))
    gx, gy = dipole(fitted)
    assert gx > 0 > gy
    ring = STATISTICS["radial_profile"].of(fitted)
    assert ring > (6 - 0.5) ** 2 / 0.5


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_of_many_images_are_those_of_each(name, stamp):
    """Oracle: one image after the other, each about a place and of a width of its own."""
    rng = np.random.default_rng(4)
    mean = rng.uniform(0.1, 0.6, (5, *stamp.shape)) * (stamp.exposure > 0)
    places, width = rng.uniform(-6, 6, (2, 5, 1, 1)), rng.uniform(0.3, 4.0, 5)
    offsets = np.broadcast_arrays(stamp.columns - stamp.centre[0] - places[0], stamp.rows - stamp.centre[1] - places[1])
    many = Fitted(rng.poisson(mean), mean, stamp.exposure > 0, *offsets, np.hypot(*offsets), width)
    each = [
        STATISTICS[name].of(many._replace(**{key: getattr(many, key)[n] for key in many._fields if key != "exposed"}))
        for n in range(5)
    ]
    np.testing.assert_allclose(STATISTICS[name].of(many), each, rtol=1e-12, atol=1e-12)
    one = many._replace(**{key: getattr(many, key)[0] for key in many._fields if key != "exposed"})
    about_one = [STATISTICS[name].of(one._replace(counts=counts)) for counts in many.counts]
    np.testing.assert_allclose(STATISTICS[name].of(one._replace(counts=many.counts)), about_one, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_an_empty_stamp_is_like_its_empty_replicates(stamp, priors):
    """Images that are the same have the same statistics: else the last digits of a fit decide which is more extreme."""
    empty = dataclasses.replace(stamp, counts=np.zeros(stamp.shape, int))
    check = posterior_predictive_check(empty, fit(empty, priors, num_draws=2500))
    assert np.sum(check.replicated["zero_fraction"] == check.observed["zero_fraction"]) >= 20
    assert not check.flagged


def test_the_filter_is_a_score_with_unit_variance():
    """Under a flat mean it is standard normal, away from the edges; and it peaks on an added source."""
    rng = np.random.default_rng(1)
    mean = np.full((61, 61), 4.0)
    values = [matched_filter(blank(rng.poisson(mean), mean))[10:-10:7, 10:-10:7] for _ in range(60)]
    assert np.std(values) == pytest.approx(1.0, abs=0.06)
    assert np.mean(values) == pytest.approx(0.0, abs=0.06)
    counts = rng.poisson(mean)
    counts[40, 20] += 40
    assert np.unravel_index(np.argmax(matched_filter(blank(counts, mean))), counts.shape) == (40, 20)


def test_pixels_without_exposure_do_not_count():
    rng = np.random.default_rng(2)
    mean = np.full((31, 31), 0.8)
    exposed = np.ones((31, 31), bool)
    exposed[:, 20:23] = False
    counts = rng.poisson(mean) * exposed
    one = blank(counts, np.where(exposed, mean, 0.0), exposed=exposed)
    other = blank(np.where(exposed, counts, 99), np.where(exposed, mean, 7.0), exposed=exposed)
    for name, statistic in STATISTICS.items():
        assert statistic.of(one) == pytest.approx(statistic.of(other)), name


def test_directions(stamp, real):
    assert direction(stamp, 0.0, 1.0) == "top"
    assert direction(stamp, 1.0, 1.0) == "top right"
    assert direction(stamp, -1.0, 0.0) == "left"
    sky = real.stamp(271, 216)
    assert direction(sky, 0.0, 1.0) == "north"
    assert direction(sky, -1.0, 0.0) == "east"  # right ascension grows to the left
    assert direction(sky, 1.0, -1.0) == "south-west"


@pytest.mark.slow
def test_a_fit_knows_what_it_was_fitted_to(real, tmp_path):
    stamp = real.stamp(188, 418, 10)
    priors = Priors.default(stamp, 188, 418)
    again, told = fitted_to(fit(stamp, priors, seed=0))
    np.testing.assert_array_equal(again.counts, stamp.counts)
    np.testing.assert_array_equal(again.x, stamp.x)
    assert (again.name, again.exposure_unit) == (stamp.name, stamp.exposure_unit)
    assert again.wcs.to_header() == stamp.wcs.to_header()
    assert told.describe() == priors.describe()


@pytest.mark.slow
@pytest.mark.long
def test_the_real_skys_faults_are_found(real, tmp_path):
    """The cluster's wing and a bright neighbour are flagged with the right words, clean stamps are not."""
    words = {
        (336, 417): "the background rises to the south",
        (381, 359): "the background rises to the east",
        (310, 413): "the background rises to the south",
        (251, 379): "a second source 27 pixels to the north-east, near x=232 y=399",
        (188, 418): None,
        (391, 418): None,
        (197, 248): None,
        (460, 287): None,
    }
    stamps = [real.stamp(*place) for place in words]
    priors = [Priors.default(stamp, *place) for stamp, place in zip(stamps, words, strict=True)]
    for (place, said), stamp, posterior in zip(words.items(), stamps, fit_many(stamps, priors), strict=True):
        check = posterior_predictive_check(stamp, posterior)
        assert check.flagged == (said is not None), (place, check.p_values)
        if said:
            assert any(said in sentence for sentence in check.sentences), (place, check.sentences)
    assert len(plot_check(check).axes) == 3 + 1 + 8


def test_a_second_source_is_named_with_its_place(stamp):
    mean = np.full(stamp.shape, 0.2)
    counts = np.zeros(stamp.shape, int)
    row, column = 3, 10
    counts[row - 1 : row + 2, column - 1 : column + 2] = 8
    dx, dy = stamp.columns - stamp.x[14, 2], stamp.rows - stamp.y[14, 2]
    offsets = np.broadcast_to(dx, stamp.shape), np.broadcast_to(dy, stamp.shape)
    fitted = Fitted(counts, mean, stamp.exposure > 0, *offsets, np.hypot(dx, dy), 1.4)
    p_values = {"brightest_block": 1e-9, "filter_peak": 1e-9}
    (said,) = in_words(stamp, fitted, p_values, 0.01, (stamp.x[14, 2], stamp.y[14, 2]))
    assert said.endswith(f"near x={stamp.x[row, column]:g} y={stamp.y[row, column]:g}")
    assert said.startswith(f"a second source {np.hypot(8, 11):.0f} pixels to the ")


@pytest.mark.slow
@pytest.mark.long
def test_sound_mocks_are_flagged_no_more_often_than_asked(stamp, priors):
    """50 mocks of the model: p-values are nearly uniform; without the new fits they crowd in the middle."""
    mocks = prior_predictive(stamp, priors, num_samples=50, seed=12)["prior_predictive"]["counts"].values[0]
    stamps = [dataclasses.replace(stamp, counts=counts, name=f"mock {n}") for n, counts in enumerate(mocks)]
    posteriors = fit_many(stamps, [priors] * len(stamps))
    checks = [
        posterior_predictive_check(stamp, posterior, priors=priors, num_replicates=200, significance=0.05)
        for stamp, posterior in zip(stamps, posteriors, strict=True)
    ]
    flagged = sum(check.flagged for check in checks)
    assert stats.binomtest(flagged, len(checks), 0.05, alternative="greater").pvalue > 0.01
    for name in ("radial_profile", "background_gradient", "brightest_block", "filter_peak"):
        assert stats.kstest([check.p_values[name] for check in checks], "uniform").pvalue > 1e-3, name
    # A fitted profile is closer to its data than to any other: the plain form never finds it improbable.
    plain = np.array([check.plain_p_values["radial_profile"] for check in checks])
    calibrated = np.array([check.p_values["radial_profile"] for check in checks])
    assert np.mean(plain < 0.2) < np.mean(calibrated < 0.2)
    assert plain.mean() > calibrated.mean()


@pytest.mark.slow
def test_default_priors_make_images_like_the_real_ones(real):
    """Of all 26 sources: the stamp's counts lie well inside those of the mocks, and few mocks are empty or absurd."""
    for region in read_regions(resource("a1835_regions.txt")):
        stamp = real.stamp(region.x, region.y)
        found = prior_predictive_check(stamp, Priors.default(stamp, region.x, region.y), num_samples=500)
        assert 0.05 < found.rank < 0.97, (region, found.line())
        assert found.empty < 0.01
        assert found.absurd < 0.1
        assert f"the stamp has {stamp.counts.sum():,}" in found.line()


def test_priors_in_the_wrong_unit_are_told(stamp, priors):
    """A flux per kilosecond where it is per second; a background a million times too faint, with no source."""
    loc, scale = priors["flux"].loc, priors["flux"].scale
    with pytest.warns(DataWarning, match=r"priors: \d+ % of the images that they make have a pixel of more than 1000"):
        found = prior_predictive_check(stamp, priors.replace(flux=dist.LogNormal(loc + np.log(1000.0), scale)))
    assert found.absurd > 0.5
    with pytest.warns(DataWarning, match="have no photon at all; is the flux in ct / s"):
        prior_predictive_check(stamp, priors.replace(flux=0.0, background=1e-12))


def test_refusals(stamp, priors, tmp_path, capsys):
    posterior = fit(stamp, priors, seed=1)
    with pytest.raises(InputError, match="num_replicates: expected at least 100, found 3"):
        posterior_predictive_check(stamp, posterior, num_replicates=3)
    with pytest.raises(InputError, match="posterior: expected the groups observed_data and constant_data"):
        fitted_to(prior_predictive(stamp, priors, num_samples=2))
    assert main(["check", str(tmp_path)]) == 2
    assert "expected a folder with the .nc files of `pgm-mock fit`, found none" in capsys.readouterr().err


@pytest.mark.slow
def test_command_line(stamp, priors, tmp_path, capsys):
    fit(stamp, priors, seed=1).to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    several = {name: xarray.Dataset({"counts_a": 0.0}) for name in ("observed_data", "constant_data")}
    several |= {"posterior": xarray.Dataset({"offset_east": 0.0})}
    xarray.DataTree.from_dict(several).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    assert main(["check", str(tmp_path), "--n", "100", "--no-compile-cache"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("one: p = ")
    assert said.err.endswith(f"{tmp_path}/a.nc: a fit of several images, which is not checked\n")
    assert (tmp_path / "one_check.png").exists()
