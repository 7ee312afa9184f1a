"""A background map with a free normalisation, in the files, in the model and in every method."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from astropy.io import fits
from scipy import stats

from pgm_mock import (
    GaussianPSF,
    InputError,
    Observation,
    Priors,
    best_fit,
    expected_counts,
    fit,
    generate_mock_image,
    model_graph,
    posterior_predictive_check,
    prior_predictive,
)
from pgm_mock.catalogue import Field, catalog, read_fields
from pgm_mock.cli import main
from pgm_mock.counts import PoissonImage, list_counts
from pgm_mock.fieldmock import expected_field
from pgm_mock.inference.refit import refit
from pgm_mock.psf import KingPSF
from pgm_mock.regions import Region
from pgm_mock.results import fitted_to, flat_draws
from pgm_mock.scene import Pixels, Scene

TRUTH = {"x_pos": 110.6, "y_pos": 61.2, "flux": 8e-3, "background": 1e-5, "psf_width": 1.4, "background_norm": 1.3}


@pytest.fixture(scope="module")
def mapped(stamp):
    """A stamp with a particle background that rises to one side and does not know of vignetting."""
    behind = 0.3 + 0.03 * (stamp.x - 101.0) + 0.0 * stamp.y
    with_map = replace(stamp, background_map=behind)
    image = stamp.exposure, stamp.x, stamp.y, TRUTH
    return replace(with_map, counts=generate_mock_image(*image, background_map=behind, seed=5), name="mapped")


def by_scipy(observation, parameters):
    """The mean by its formula, the Gaussian integrated over the pixels by SciPy."""
    axes = []
    for ramp, place in ((observation.columns, "x_pos"), (observation.rows, "y_pos")):
        edges = [(ramp + half - parameters[place]) / parameters["psf_width"] for half in (-0.5, 0.5)]
        axes.append(stats.norm.cdf(edges[1]) - stats.norm.cdf(edges[0]))
    mean = observation.exposure * (parameters["flux"] * axes[0] * axes[1] + parameters["background"])
    return mean + np.where(observation.exposure > 0, parameters["background_norm"] * observation.background_map, 0.0)


def test_expected_counts_and_factors_are_the_formula(mapped):
    oracle = by_scipy(mapped, TRUTH)
    np.testing.assert_allclose(expected_counts(*mapped.image, **TRUTH), oracle, rtol=1e-9, atol=1e-12)
    factors = Scene().naming(TRUTH).light(Pixels(*mapped.image), GaussianPSF(), TRUTH)
    np.testing.assert_allclose(factors.image(float), oracle, rtol=1e-9, atol=1e-12)
    assert float(factors.total()) == pytest.approx(oracle.sum(), rel=1e-9)
    as_it_is = {name: value for name, value in TRUTH.items() if name != "background_norm"}
    once = by_scipy(mapped, TRUTH | {"background_norm": 1.0})
    np.testing.assert_allclose(expected_counts(*mapped.image, **as_it_is), once, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("psf", [GaussianPSF(), KingPSF(1.6)], ids=["few products", "many products"])
@pytest.mark.parametrize("bright", [1, 40], ids=["photons", "pixels"])
def test_log_probability_of_a_list_is_scipys(mapped, psf, bright):
    mean = np.asarray(expected_counts(*mapped.image, psf=psf, **TRUTH))
    counts, exposed = mapped.counts * bright, mapped.exposure > 0
    oracle = stats.poisson.logpmf(counts, mean)[exposed].sum()
    factors = Scene().naming(TRUTH).light(Pixels(*mapped.image), psf, TRUTH)
    told = PoissonImage(jnp.asarray(mean), jnp.asarray(exposed), factors)
    assert float(told.log_prob(list_counts(counts))) == pytest.approx(oracle, rel=1e-10)


@pytest.mark.slow
def test_its_norm_alone_has_a_gamma_posterior(mapped):
    """Oracle: with all else fixed at nothing a Gamma prior stays one, of N more counts and the map's sum more rate."""
    counts = np.random.default_rng(3).poisson(0.8 * mapped.background_map)
    only = replace(mapped, counts=np.where(mapped.exposure > 0, counts, 0), name="map alone")
    nothing = {name: TRUTH[name] for name in ("x_pos", "y_pos", "psf_width")} | {"flux": 0.0, "background": 0.0}
    posterior = fit(only, Priors(**nothing, background_norm=dist.Gamma(4.0, 5.0)))
    exact = stats.gamma(4.0 + only.counts.sum(), scale=1.0 / (5.0 + only.background_map.sum()))
    draws = flat_draws(posterior)["background_norm"]
    assert draws.mean() == pytest.approx(exact.mean(), abs=4 * exact.std() / np.sqrt(1000))
    assert draws.std() == pytest.approx(exact.std(), rel=0.1)


@pytest.fixture(scope="module")
def posterior(mapped):
    return fit(mapped, Priors.default(mapped, 110.6, 61.2))


@pytest.mark.slow
def test_the_truth_is_found(mapped, posterior):
    """Oracle: the truth of a mock, to three standard deviations."""
    assert posterior.attrs["method"] == "importance"
    draws = flat_draws(posterior)
    for name, true in TRUTH.items():
        assert abs(np.mean(draws[name]) - true) < 3 * np.std(draws[name]), name
    check = posterior_predictive_check(mapped, posterior, num_replicates=100, seed=1)
    assert not check.flagged
    again, priors = fitted_to(posterior)
    np.testing.assert_array_equal(again.background_map, mapped.background_map)
    assert priors.describe() == Priors.default(mapped, 110.6, 61.2).describe()


@pytest.mark.slow
def test_refit_is_best_fit(mapped, posterior):
    priors = Priors.default(mapped, 110.6, 61.2)
    best = best_fit(mapped, priors)
    start = {name: np.asarray([np.median(draws)]) for name, draws in flat_draws(posterior).items()}
    found = refit(mapped, mapped.counts[None], start, priors)
    for name in TRUTH:
        scale = np.std(flat_draws(posterior)[name])
        assert abs(found[name][0] - best[name]) < 0.05 * scale, name


@pytest.mark.slow
def test_a_map_like_the_exposure_moves_the_background_alone(stamp):
    """Oracle: invariance. A part of the uniform background that is called a map changes no limit and no detection."""
    bare = replace(stamp, name="shift")
    part = 4e-6
    with_map = replace(bare, background_map=part * bare.exposure)
    wide = {"background": dist.TruncatedNormal(0.0, 1.0, low=0.0)}
    plain, shifted = (fit(one, Priors.default(bare, 110.6, 61.2).replace(**wide), seed=2) for one in (bare, with_map))
    # Beside a map the limit is sampled, and no source has the likelihood at its posterior's mode, not the highest one.
    for name, tolerance in (("flux_ul95", 0.02), ("det_like", 3e-3), ("ln_bayes_factor", 0.15)):
        assert shifted.attrs[name] == pytest.approx(plain.attrs[name], rel=tolerance, abs=tolerance), name
    moved = flat_draws(plain)["background"].mean() - flat_draws(shifted)["background"].mean()
    assert moved == pytest.approx(part, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("norm", [{"background_norm": 1.0}, {}], ids=["norm of 1", "no norm"])
def test_a_map_of_part_of_the_source_lowers_its_limit_by_that_part(stamp, norm):
    """Oracle: invariance. A bright source whose light is a map in part has that much less flux, and limit."""
    part, place = 1e-3, {"x_pos": 110.6, "y_pos": 61.2, "psf_width": 1.4}
    bare = replace(stamp, name="part")
    known = np.asarray(expected_counts(*bare.image, **place, flux=part, background=0.0))
    priors = Priors.default(bare, 110.6, 61.2).replace(**place)
    plain = fit(bare, priors, seed=2)
    shifted = fit(replace(bare, background_map=known), priors.replace(**norm), seed=2)
    assert plain.attrs["flux_ul95"] - shifted.attrs["flux_ul95"] == pytest.approx(part, rel=0.02)


def test_mocks_have_it(mapped):
    """Oracle: the mean of many mocks, to five standard errors."""
    priors = Priors(**TRUTH)
    drawn = prior_predictive(mapped, priors, num_samples=2000, seed=1)["prior_predictive"]["counts"].values[0]
    mean = by_scipy(mapped, TRUTH)
    assert np.all(np.abs(drawn.mean(axis=0) - mean) <= 5 * np.sqrt(mean / 2000))
    field = expected_field(mapped, [], 1e-5, background_norm=1.3)
    np.testing.assert_allclose(field, by_scipy(mapped, TRUTH | {"flux": 0.0}), rtol=1e-6)


def test_graph_has_its_norm(mapped):
    graph = model_graph(mapped, Priors.default(mapped))
    assert "background_norm" in graph.parents["expected_counts"]


def test_files_and_stamps_keep_it(mapped, tmp_path):
    paths = [tmp_path / f"{name}.fits" for name in ("image", "exposure", "map")]
    mapped.write(*paths)
    again = Observation.read(*paths[:2], background_map=paths[2])
    np.testing.assert_array_equal(again.background_map, mapped.background_map)
    cut = again.stamp(101.0, 60.0, 4)
    np.testing.assert_array_equal(cut.background_map[:, 4:], mapped.background_map[5:14, :5])
    assert not cut.background_map[:, :4].any()
    with pytest.raises(InputError, match=r"no\.fits: expected an observation with a background map, found none"):
        replace(mapped, background_map=None).write(*paths[:2], tmp_path / "no.fits")


@pytest.mark.parametrize(
    ("behind", "message"),
    [
        (np.ones((3, 3)), r"background_map: expected the exposure map's shape \(21, 21\), found \(3, 3\)"),
        (np.full((21, 21), -1.0), "background_map: expected counts per exposed pixel, finite and ≥ 0, found -1 in col"),
        (np.full((21, 21), np.nan), "background_map: expected counts per exposed pixel, finite and ≥ 0, found nan"),
    ],
)
def test_a_bad_map_is_named(stamp, behind, message):
    with pytest.raises(InputError, match=message):
        replace(stamp, background_map=behind)


def test_a_norm_without_a_map_is_refused(stamp):
    with pytest.raises(InputError, match="background_norm: expected an observation with a background map, found none"):
        fit(stamp, Priors.default(stamp).replace(background_norm=dist.LogNormal(0.0, 0.5)))


class TestCatalogue:
    @pytest.mark.slow
    def test_its_norm_is_a_column_and_another_map_another_catalogue(self, mapped, tmp_path):
        regions = [Region("a", 110.6, 61.2, 3.0)]
        options = {"half_size": 8, "num_replicates": 0, "gradient": False}
        table = catalog(Field(mapped, regions), tmp_path / "out", **options)
        low, high = (table[f"BKG_NORM_{end}"][0] for end in ("LOWERR", "UPERR"))
        assert table["BKG_NORM"][0] - 3 * low < TRUTH["background_norm"] < table["BKG_NORM"][0] + 3 * high
        other = replace(mapped, background_map=2 * mapped.background_map)
        with pytest.raises(InputError, match="out"):
            catalog(Field(other, regions), tmp_path / "out", **options)

    def test_a_survey_names_it_in_the_fourth_column(self, mapped, tmp_path):
        mapped.write(*(tmp_path / f"{name}.fits" for name in ("image", "exposure", "map")))
        (tmp_path / "sources.txt").write_text("110.6 61.2 3\n")
        survey = tmp_path / "survey.txt"
        survey.write_text("image.fits exposure.fits sources.txt map.fits\nimage.fits exposure.fits sources.txt\n")
        with_map, without = read_fields(survey)
        np.testing.assert_array_equal(with_map.observation.background_map, mapped.background_map)
        assert without.observation.background_map is None
        survey.write_text("image.fits exposure.fits sources.txt map.fits more\n")
        with pytest.raises(InputError, match=r"line 1: expected `image exposure regions \[background map\]`"):
            read_fields(survey)


class TestCommandLine:
    @pytest.fixture
    def files(self, mapped, tmp_path):
        paths = [str(tmp_path / f"{name}.fits") for name in ("image", "exposure", "map")]
        mapped.write(*paths)
        return paths

    def test_mock_and_info_take_it(self, files, tmp_path, capsys):
        image, exposure, behind = files
        arguments = [image, exposure, "--background-map", behind]
        assert main(["info", *arguments]) == 0
        assert "background map:" in capsys.readouterr().out
        place = ["--x", "110", "--y", "61", "--half-size", "8", "--n", "2", "--out", str(tmp_path / "mocks.fits")]
        assert main(["mock", *arguments, *place, "--set", "flux=0", "--set", "background=0"]) == 0
        with fits.open(tmp_path / "mocks.fits") as hdus:
            assert hdus["BACKGROUND_MAP"].data.shape == (17, 17)
            assert hdus[0].data.sum() > 0
            assert "background_norm" in hdus["PARAMETERS"].columns.names

    def test_bad_use_is_one_line(self, files, tmp_path, capsys):
        image, exposure, behind = files
        small = tmp_path / "small.fits"
        fits.PrimaryHDU(np.ones((3, 3))).writeto(small)
        for arguments, message in [
            (["fit", image, exposure, "--background-map", str(small)], f"{small}: expected the shape (21, 21) of"),
            (["fit", image, exposure, "--background-map", str(tmp_path / "no")], f"{tmp_path / 'no'}: no such file"),
            (["calibrate", "--background-map", behind], "--background-map: expected IMAGE and EXPOSURE beside it"),
            (["catalog", image, "--background-map", behind], "--background-map: expected IMAGE and EXPOSURE; a list"),
        ]:
            assert main(arguments) == 2
            assert message in capsys.readouterr().err.splitlines()[-1]
