"""What a result carries and how it is looked at. Oracles: SciPy, ArviZ, the model's own functions, round trips."""

import copy
import inspect
import json
import pickle
import typing

import arviz as az
import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray
from scipy import special, stats

import pgm_mock
from pgm_mock import (
    PSF,
    GaussianPSF,
    InputError,
    KingPSF,
    MoffatPSF,
    Priors,
    StampPosterior,
    compute_log_likelihood,
    elongated,
    fit,
    fit_many,
    plot,
    posterior_predictive_check,
    sample_posterior_predictive,
    summarise,
)
from pgm_mock import psf as psf_package
from pgm_mock.checks import Check
from pgm_mock.inference import posterior as posterior_module
from pgm_mock.mock import expected_images
from pgm_mock.plot.images import mean_image
from pgm_mock.psf import EachPSF, ImagePSF, describe_psf, parse_psf
from pgm_mock.results import fitted_to, flat_draws, posterior_means, psf_of
from tests.test_grid import dense_log_likelihood

THETA = {"x_pos": 110.6, "y_pos": 61.2, "flux": 4e-3, "background": 1e-5, "psf_width": 1.4}
GAUSSIAN = GaussianPSF()
OPTIONS = {"num_draws": 2500, "min_ess": 100.0, "num_chains": 2, "num_samples": 500, "seed": 4}
PLACES = [(115.0, 66.0), (103.0, 54.0)]


def drawn(stamp, priors, psf=GAUSSIAN, method="importance", shape=(2, 50), **values):
    """A posterior of made-up draws about a point, without any inference."""
    rng = np.random.default_rng(3)
    medians = priors.medians() | THETA | values
    spread = {n: rng.normal(0.0, 0.002, (*shape, *np.shape(v))) for n, v in medians.items() if n in priors}
    draws = {n: medians[n] + each * np.where(medians[n] == 0, 1.0, medians[n]) for n, each in spread.items()}
    statistics = {"lp": rng.normal(size=shape), "diverging": np.zeros(shape, bool)}
    numbers = {"khat": 0.1, "ess": 90.0}
    settings = {"seed": 0}
    return StampPosterior(stamp, priors.with_psf(psf), method, draws, statistics, numbers, {}, settings, ("made up",))


class Own(GaussianPSF):
    """A PSF of a user's own."""


jax.tree_util.register_static(Own)


def every_psf(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.random((15, 15))
    from astropy.io import fits

    fits.writeto(tmp_path / "psf.fits", image / image.sum())
    return [
        GaussianPSF(),
        KingPSF(1.41, 1.1),
        MoffatPSF(2.6),
        ImagePSF.read(tmp_path / "psf.fits", 1.0, sampling=2.0),
        elongated(0.6, 35.0),
        elongated(0.5, -20.0, slope=1.7, extent=12.0, sampling=4),
        EachPSF.of([KingPSF(1.41, 1.1), KingPSF(1.45, 1.2), KingPSF(1.41, 1.1)]),
    ]


@pytest.mark.slow
def test_every_family_of_psf_is_read_back_from_its_description(tmp_path):
    """Oracle: round trip, to the fraction in each pixel; a family that is not in the list fails the second part."""
    x, y = np.arange(1.0, 22.0)[None, :], np.arange(1.0, 20.0)[:, None]
    every = every_psf(tmp_path)
    for psf in every:
        again = parse_psf(describe_psf(psf))
        assert type(again) is type(psf)
        light = [np.asarray(one.pixel_fraction(x, y, 9.3, 10.8, 1.3)) for one in (psf, again)]
        np.testing.assert_allclose(*light, rtol=1e-7, atol=1e-12)
    named = {getattr(psf_package, name) for name in psf_package.__all__}
    families = {one for one in named if inspect.isclass(one) and hasattr(one, "typical_width") and one is not PSF}
    assert families - {psf_package.SumOfGaussians} == {type(psf) for psf in every}


@pytest.mark.parametrize("psf", [KingPSF(1.45, 1.2), elongated(0.5, 30.0)], ids=["King", "elongated"])
def test_a_posteriors_own_psf_makes_its_image(stamp, priors, psf):
    """Oracle: the model's expected counts with the PSF of the fit, averaged over the draws."""
    posterior = drawn(stamp, priors, psf).tree()
    draws = flat_draws(posterior)
    wanted = expected_images(stamp, draws, psf).mean(axis=0)
    gaussian = expected_images(stamp, draws, GaussianPSF()).mean(axis=0)
    np.testing.assert_allclose(mean_image(stamp, posterior), wanted, rtol=1e-9)
    np.testing.assert_allclose(mean_image(stamp, posterior, GaussianPSF()), gaussian, rtol=1e-9)
    assert np.abs(wanted - gaussian).max() > 0.01 * gaussian.max()
    shown = plot.plot_posterior_image(stamp, posterior).axes[1].images[0].get_array()
    np.testing.assert_allclose(shown[stamp.exposure > 0], wanted[stamp.exposure > 0], rtol=1e-9)
    plt.close("all")


def test_a_psf_that_cannot_be_read_back_is_asked_for(stamp, priors, tmp_path):
    own = drawn(stamp, priors, Own()).tree()
    asked = r"psf: expected the posterior's PSF, as psf=.* since it cannot be read back from 'Own'; found none"
    for take in (mean_image, posterior_predictive_check, plot.plot_posterior_image):
        with pytest.raises(InputError, match=asked):
            take(stamp, own)
    for take in (compute_log_likelihood, sample_posterior_predictive):
        with pytest.raises(InputError, match=asked):
            take(own)
    assert psf_of(own, KingPSF(2.0)) == KingPSF(2.0)
    kept = every_psf(tmp_path)[3]
    (tmp_path / "psf.fits").unlink()
    with pytest.raises(InputError, match=r"it cannot be read back from 'ImagePSF\(.*psf\.fits; sampling=2\)'"):
        psf_of(drawn(stamp, priors, kept).tree())


@pytest.mark.slow
def test_a_king_fit_of_the_real_sky_is_checked_with_its_king(real):
    """The brightest source: with a Gaussian the same posterior had p = 1.5e-23, so that is refused."""
    stamp = real.stamp(232, 399)
    psf = parse_psf(describe_psf(psf_package.epic_psf(stamp.header, stamp.wcs, 232, 399).psf))
    posterior = fit(stamp, Priors.default(stamp, 232, 399, psf))
    priors = Priors.parse(Priors.default(stamp, 232, 399, psf).describe(), psf)
    own, told = (posterior_predictive_check(stamp, posterior, priors=one) for one in (None, priors))
    assert own.p_value == told.p_value
    assert own.p_value > 1e-6
    with pytest.raises(InputError, match=r"priors: expected the PSF of the posterior, KingPSF\(.*found GaussianPSF"):
        posterior_predictive_check(stamp, posterior, priors=priors.with_psf(GaussianPSF()))


def test_a_tree_is_built_when_it_is_looked_at(stamp, priors, monkeypatch):
    built = []
    sound = posterior_module.data_tree

    def counted(*arguments, **options):
        built.append(1)
        return sound(*arguments, **options)

    monkeypatch.setattr(posterior_module, "data_tree", counted)
    made = drawn(stamp, priors)
    tree = made.tree()
    assert isinstance(tree, xarray.DataTree)
    assert not built
    assert tree.attrs["khat"] == 0.1
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data", "constant_data"}
    np.testing.assert_array_equal(tree["posterior"]["flux"].values, made.draws["flux"])
    np.testing.assert_array_equal(tree.posterior.flux.values, made.draws["flux"])
    assert tree["posterior"].parent is tree
    assert len(built) == 1
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = tree.nonsense


def test_a_tree_is_a_tree_in_every_respect(stamp, priors, tmp_path):
    """Oracle: an xarray tree that was built at once."""

    made = drawn(stamp, priors)
    plain = made._build()
    object.__setattr__(made, "_build", plain.copy)  # a tree says when it was built

    def fresh():
        return made.tree()

    assert fresh().identical(plain)
    assert repr(fresh()) == repr(plain)
    for again in (
        copy.copy(fresh()),
        copy.deepcopy(fresh()),
        fresh().copy(deep=True),
        pickle.loads(pickle.dumps(fresh())),
    ):
        assert again.identical(plain)
    looked_at = fresh()
    assert "posterior" in looked_at
    assert pickle.loads(pickle.dumps(looked_at)).identical(plain)
    fresh().to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back["posterior"]["flux"].values, plain["posterior"]["flux"].values)
    changed = fresh()
    changed["extra"] = xarray.Dataset({"one": 1.0})
    assert set(changed.children) == {*plain.children, "extra"}


@pytest.fixture(scope="module")
def posterior(stamp, priors):
    return fit(stamp, priors, **OPTIONS)


def test_a_trees_draws_are_taken_back(stamp, crowded):
    """Oracle: round trip; neighbours and weighted draws too."""
    made = drawn(stamp, crowded)
    made.weighted.update({name: draws[:1] for name, draws in made.draws.items()}, log_weight=np.zeros((1, 50)))
    back = StampPosterior.of_tree(made.tree(), stamp, crowded)
    for mine, theirs in ((back.draws, made.draws), (back.weighted, made.weighted)):
        assert set(mine) == set(theirs)
        for name, draws in theirs.items():
            np.testing.assert_array_equal(mine[name], draws)
    assert (back.method, back.problems) == ("importance", ())


@pytest.mark.slow
def test_fit_and_fit_many_give_the_same_kind(stamp, priors, posterior):
    """Oracle: ArviZ's functions, the package's own, and equality of the two."""
    one, (many, failed) = posterior, fit_many([stamp, stamp], [priors, Priors(**THETA)], **OPTIONS)
    assert type(one) is type(many)
    assert one.equals(many)
    assert one.attrs == many.attrs
    assert summarise(many).line() == summarise(one).line()
    assert many.attrs["khat"] < 0.7
    assert az.summary(many).equals(az.summary(one))
    assert az.summary(many, var_names=["flux"])["mean"].size == 1
    assert set(az.extract(many, num_samples=10).data_vars) == set(priors)
    assert summarise(failed).line().endswith("no posterior  WARNING: " + failed.attrs["problems"])
    assert (failed.attrs["method"], failed.attrs["problems"][:8]) == ("failed", "priors: ")


@pytest.fixture(scope="module")
def checked(posterior):
    """A posterior with both groups."""
    return sample_posterior_predictive(compute_log_likelihood(posterior), seed=2)


@pytest.mark.slow
def test_log_likelihood_is_scipys_in_each_pixel(stamp, priors, checked):
    found = checked["log_likelihood"]["counts"]
    assert found.dims == ("chain", "draw", "pixel")
    assert found.sizes["pixel"] == (stamp.exposure > 0).sum()
    draws = checked["posterior"].to_dataset().isel(chain=1, draw=7)
    theta = {name: float(draws[name]) for name in priors}
    assert float(found[1, 7].sum()) == pytest.approx(dense_log_likelihood(stamp, **theta), rel=1e-10)
    place = found["pixel"][(found["x"] == 111) & (found["y"] == 61)].item()
    inside = [
        special.ndtr((c + h - theta[n]) / theta["psf_width"])
        for n, c in (("x_pos", 111), ("y_pos", 61))
        for h in (0.5, -0.5)
    ]
    fraction = (inside[0] - inside[1]) * (inside[2] - inside[3])
    mean = stamp.exposure[10, 10] * (theta["flux"] * fraction + theta["background"])
    assert float(found[1, 7, place]) == pytest.approx(stats.poisson.logpmf(stamp.counts[10, 10], mean), rel=1e-9)


@pytest.mark.slow
def test_replicated_counts_follow_the_model(stamp, checked):
    """Oracle: the Poisson law of the posterior's images: mean and variance of each total."""
    found = checked["posterior_predictive"]["counts"]
    assert found.dtype.kind == "i"
    means = expected_images(stamp, flat_draws(checked), GaussianPSF())[:, stamp.exposure > 0].sum(axis=1)
    totals = found.values.reshape(len(means), -1).sum(axis=1)
    assert abs(np.sum((totals - means) / np.sqrt(means))) < 4 * np.sqrt(len(means))
    assert stats.chi2.sf(np.sum((totals - means) ** 2 / means), len(means)) == pytest.approx(0.5, abs=0.4999)
    assert checked["posterior_predictive"].attrs["seed"] == 2


@pytest.mark.slow
def test_arviz_takes_both_groups(stamp, priors, posterior, checked, tmp_path):
    loo = az.loo(checked)
    assert loo.n_data_points == (stamp.exposure > 0).sum()
    in_sample = float(special.logsumexp(checked["log_likelihood"]["counts"], axis=(0, 1), b=1 / 1000).sum())
    assert in_sample - 10 < loo.elpd <= in_sample
    with pytest.warns(UserWarning, match="look discrete"):  # ArviZ's advice
        az.plot_ppc_dist(checked)
    az.plot_ppc_rootogram(checked)
    plt.close("all")
    checked.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as back:
        assert az.loo(back).elpd == pytest.approx(loo.elpd)
        again, told = fitted_to(back)
    np.testing.assert_array_equal(again.counts, stamp.counts)
    assert told.describe() == priors.describe()
    np.testing.assert_allclose(mean_image(stamp, checked), mean_image(stamp, posterior))


@pytest.fixture(scope="module")
def crowded(stamp):
    """Priors with two neighbours and a slope of the background."""
    import numpyro.distributions as dist

    return Priors.default(stamp, 110.6, 61.2, neighbours=PLACES).replace(background_dx=dist.Normal(0.0, 0.05))


def test_default_priors_of_neighbours_are_the_sources_about_their_own_place(stamp, crowded):
    """Oracle: the default priors of a source at each of the places; SciPy's, cut off half-way to the source."""
    assert crowded.neighbours == 2
    assert crowded.dimension == 5 + 6 + 1
    levels = (0.0013, 0.16, 0.5, 0.84, 0.9987)
    for number, place in enumerate(PLACES):
        alone = Priors.default(stamp, *place)
        for mine, theirs in (("x_pos", "neighbour_x"), ("y_pos", "neighbour_y"), ("flux", "neighbour_flux")):
            found = crowded.quantiles(theirs, levels)[:, number]
            if mine == "flux":
                assert found == pytest.approx(alone.quantiles(mine, levels))
            else:
                end = 0.5 * max(abs(place[0] - 110.6), abs(place[1] - 61.2)) / 2.0
                middle = place[mine == "y_pos"]
                assert found == pytest.approx(stats.truncnorm(-end, end, middle, 2.0).ppf(levels), rel=1e-6)
    assert "neighbour_x" not in Priors.default(stamp, neighbours=[])
    for wrong in ([1.0, 2.0], [(1.0, 2.0, 3.0)], [("a", "b")], [(float("nan"), 1.0)]):
        with pytest.raises(InputError, match=r"neighbours: expected \(x, y\) of each, found"):
            Priors.default(stamp, neighbours=wrong)


def test_medians_are_exact_and_for_each_neighbour(crowded):
    medians = crowded.medians()
    assert medians["x_pos"] == pytest.approx(110.6, rel=1e-7)
    np.testing.assert_allclose(medians["neighbour_x"], [115.0, 103.0], rtol=1e-7)
    assert medians["flux"] == pytest.approx(np.exp(float(crowded["flux"].loc)), rel=1e-6)
    sampled = crowded.quantiles("neighbour_y", (0.5,))
    assert sampled.shape == (1, 2)
    np.testing.assert_allclose(sampled[0], [66.0, 54.0], atol=0.1)


def test_a_summary_has_every_parameter_and_each_neighbour(stamp, crowded):
    """Oracle: ArviZ's R-hat and effective size of the second neighbour's flux, one chain of which is shifted."""
    made = drawn(stamp, crowded, method="nuts", shape=(4, 200))
    made.draws["neighbour_flux"][0, :, 1] *= 3.0
    tree = made.tree()
    summary = summarise(tree)
    single = [name for name in crowded if not name.startswith("neighbour")]
    assert [name for name in summary.parameters if "[" not in name] == single
    assert {name for name in summary.parameters if "[" in name} == {
        f"neighbour_{what}[{number}]" for what in ("x", "y", "flux") for number in (0, 1)
    }
    second = tree["posterior"]["neighbour_flux"].to_dataset().isel(neighbour=1)
    assert summary.parameters["neighbour_flux[1]"].r_hat == pytest.approx(float(az.rhat(second)["neighbour_flux"]))
    assert summary.parameters["neighbour_flux[1]"].unit == "ct / s"
    assert summary.r_hat == summary.parameters["neighbour_flux[1]"].r_hat > 1.5
    assert summary.ess == pytest.approx(float(az.ess(second, method="bulk")["neighbour_flux"]))
    assert "few independent draws" in summary.line()
    plain = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert plain["parameters"]["neighbour_flux[1]"]["median"] == pytest.approx(
        np.median(made.draws["neighbour_flux"][..., 1])
    )
    means = posterior_means(tree)
    assert set(means) == set(crowded)
    np.testing.assert_allclose(means["neighbour_x"], made.draws["neighbour_x"].mean(axis=(0, 1)))
    figure = plot.plot_corner(tree)
    assert len(figure.axes) == len(single) ** 2
    plt.close("all")


def test_short_representations(stamp, priors):
    told = f"21 x 21 pixels from x=101 y=51, {stamp.counts.sum()} counts, exposure up to 11000 s, no sky coordinates"
    assert repr(stamp) == f"Observation('small', {told})"
    assert len(repr(drawn(stamp, priors))) < 500
    check = Check({"a": 1.0}, {}, {"a": 0.004, "b": 0.5}, {}, True, ("two sources",), None)
    assert repr(check) == "Check(p = 0.008, flagged: two sources)"


def test_one_rule_for_the_seed():
    """Every public function that takes a seed has 0 as its default and takes None."""
    takers = {}
    for name in pgm_mock.__all__:
        value = getattr(pgm_mock, name)
        if inspect.isfunction(value) and "seed" in inspect.signature(value).parameters:
            takers[name] = inspect.signature(value).parameters["seed"].default
    assert {"fit", "calibrate", "draw_parameters", "generate_mock_image", "prior_predictive", "mock_field"} <= set(
        takers
    )
    assert set(takers.values()) == {0}
    for name in set(takers) - {"catalog"}:
        hints = typing.get_type_hints(getattr(pgm_mock, name), localns={"xarray": xarray})
        assert hints["seed"] == int | None, name
