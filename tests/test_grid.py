"""The posterior on a grid. Oracles: dense sums in SciPy, closed forms, and the sampled posterior."""

import dataclasses
import itertools
import json
import warnings

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray
from scipy import integrate, stats

from pgm_mock import (
    DataWarning,
    GaussianPSF,
    InputError,
    KingPSF,
    Observation,
    Priors,
    credible_interval,
    expected_counts,
    fit,
    grid_posterior,
    hdi,
    marginal,
    mode,
)
from pgm_mock.cli import main
from pgm_mock.inference import grid as grid_module
from pgm_mock.plot import plot_grid

FORCED = {"x_pos": 110.6, "y_pos": 61.2, "background": 1e-5, "psf_width": 1.4}


def dense_log_likelihood(stamp, x_pos, y_pos, flux, background, psf_width):
    """Sum SciPy's log-probability over the exposed pixels."""
    edges = np.append(stamp.columns[0] - 0.5, stamp.columns[0][-1] + 0.5)
    columns = np.diff(stats.norm.cdf(edges, x_pos, psf_width))
    edges = np.append(stamp.rows[:, 0] - 0.5, stamp.rows[-1, 0] + 0.5)
    rows = np.diff(stats.norm.cdf(edges, y_pos, psf_width))
    mean = stamp.exposure * (flux * np.outer(rows, columns) + background)
    exposed = stamp.exposure > 0
    return stats.poisson.logpmf(stamp.counts[exposed], mean[exposed]).sum()


def density(x, p, name="flux"):
    return xarray.DataArray(p, coords={name: x}, dims=name)


def gaussian(x, mean=0.0, sd=1.0):
    return density(x, stats.norm.pdf(x, mean, sd))


@pytest.fixture(scope="module")
def two(stamp, priors):
    """A grid of flux and width."""
    free = {"flux": dist.Uniform(0.0, 0.012), "psf_width": dist.TruncatedNormal(1.0, 0.3, low=0.0)}
    fixed = {name: value for name, value in FORCED.items() if name != "psf_width"}
    axes = {"flux": np.linspace(0.0, 0.012, 41), "psf_width": np.linspace(0.3, 2.9, 37)}
    return grid_posterior(stamp, priors.replace(**fixed, **free), **axes)


def test_every_point_is_scipys_dense_sum(stamp, two):
    for i, j in itertools.product((1, 17, 40), (0, 20, 36)):
        flux, width = float(two["flux"][i]), float(two["psf_width"][j])
        wanted = dense_log_likelihood(stamp, 110.6, 61.2, flux, 1e-5, width)
        assert float(two["log_likelihood"][i, j]) == pytest.approx(wanted, rel=1e-12, abs=1e-9)
        prior = stats.uniform.logpdf(flux, 0, 0.012) + stats.truncnorm.logpdf(width, -1 / 0.3, np.inf, 1.0, 0.3)
        assert float(two["log_prior"][i, j]) == pytest.approx(prior, abs=1e-6)


def test_it_is_normalised_and_labelled(stamp, two):
    joint = np.exp((two["log_prior"] + two["log_likelihood"]).values)
    assert two.attrs["log_evidence"] == pytest.approx(
        np.log(np.trapezoid(np.trapezoid(joint, two["psf_width"]), two["flux"])), abs=1e-9
    )
    assert float(two["posterior"].integrate("flux").integrate("psf_width")) == pytest.approx(1.0)
    assert (two["flux"].attrs["units"], two["psf_width"].attrs["units"]) == ("ct / s", "pixel")
    assert two.attrs["prior_background"] == "1e-05"
    found = mode(two)
    assert two["posterior"].sel(found).item() == two["posterior"].max().item()
    both = marginal(two, "psf_width", "flux")
    assert both.dims == ("psf_width", "flux")
    np.testing.assert_allclose(both.integrate("psf_width"), marginal(two, "flux"), rtol=1e-12)


def test_a_grid_that_is_not_kept_has_the_same_marginals(stamp, priors, two, monkeypatch):
    """The same grid, summed in blocks of an awkward size, a large one beside it."""
    monkeypatch.setattr(grid_module, "KEPT_POINTS", 10)
    monkeypatch.setattr(grid_module, "_BLOCK_POINTS", 97)
    free = {"flux": dist.Uniform(0.0, 0.012), "psf_width": dist.TruncatedNormal(1.0, 0.3, low=0.0)}
    fixed = {name: value for name, value in FORCED.items() if name != "psf_width"}
    summed = grid_posterior(stamp, priors.replace(**fixed, **free), flux=two["flux"], psf_width=two["psf_width"])
    assert "posterior" not in summed
    for names in (("flux",), ("psf_width",), ("psf_width", "flux")):
        np.testing.assert_allclose(marginal(summed, *names), marginal(two, *names), rtol=1e-10)
    assert mode(summed) == mode(two)
    assert summed.attrs["log_evidence"] == pytest.approx(two.attrs["log_evidence"], abs=1e-10)
    with pytest.raises(InputError, match="expected some of the grid's parameters flux, psf_width, found"):
        marginal(summed, "x_pos")


def test_a_psf_without_factors_gives_the_same(stamp, priors):
    class Whole(GaussianPSF):
        def profiles(self, x, y, x_pos, y_pos, psf_width):
            return None

        def pixel_fraction(self, x, y, x_pos, y_pos, psf_width):
            columns, rows = GaussianPSF.profiles(self, x, y, x_pos, y_pos, psf_width)
            return columns * rows

    jax.tree_util.register_static(Whole)
    forced = priors.replace(**{**FORCED, "psf_width": 1.4})
    axis = np.linspace(1e-5, 0.012, 300)
    one, two = grid_posterior(stamp, forced, flux=axis), grid_posterior(stamp, forced.with_psf(Whole()), flux=axis)
    np.testing.assert_allclose(one["log_likelihood"], two["log_likelihood"], rtol=1e-12)


def test_the_background_alone_has_a_gamma_posterior():
    """With a flat prior the posterior of a uniform background is a Gamma distribution."""
    exposure = np.full((9, 9), 1000.0)
    counts = np.zeros((9, 9), int)
    counts[2, 3], counts[5, 5] = 4, 3
    stamp = Observation(counts=counts, exposure=exposure)
    fixed = {"x_pos": 5.0, "y_pos": 5.0, "flux": 0.0, "psf_width": 1.0}
    priors = Priors(background=dist.Uniform(0.0, 1e-3), **fixed)
    grid = grid_posterior(stamp, priors, background=np.linspace(0.0, 4e-4, 4001))
    law = stats.gamma(8, scale=1 / exposure.sum())
    assert mode(grid)["background"] == pytest.approx(7 / exposure.sum(), abs=1e-7)
    assert credible_interval(grid, probability=0.9) == pytest.approx(law.interval(0.9), rel=1e-4)
    (ends,) = hdi(grid, "background", probability=0.9)
    assert law.cdf(ends[1]) - law.cdf(ends[0]) == pytest.approx(0.9, abs=1e-4)
    assert law.pdf(ends[0]) == pytest.approx(law.pdf(ends[1]), rel=1e-3)


@pytest.mark.slow
def test_it_agrees_with_sampling(stamp, priors):
    """All five parameters: marginal means and deviations, and the evidence, of importance sampling."""
    posterior = fit(stamp, priors, num_draws=20_000, seed=3)
    drawn = {name: posterior["posterior"][name].values for name in priors}
    axes = {n: np.linspace(*(v.mean() + np.array([-4.5, 5.5]) * v.std()), 17) for n, v in drawn.items()}
    axes = {n: v[v > 0] for n, v in axes.items()}
    grid = grid_posterior(stamp, priors, **axes)
    assert grid.attrs["log_evidence"] == pytest.approx(posterior.attrs["log_evidence"], abs=0.1)
    for name, values in drawn.items():
        density = marginal(grid, name)
        mean = float((density * density[name]).integrate(name))
        sd = float((density * (density[name] - mean) ** 2).integrate(name)) ** 0.5
        assert mean == pytest.approx(values.mean(), abs=0.12 * values.std())
        assert sd == pytest.approx(values.std(), rel=0.12)


def test_hdi_of_one_mode_and_of_two():
    x = np.linspace(-6, 14, 4001)
    np.testing.assert_allclose(hdi(gaussian(x), probability=0.6827), [[-1.0, 1.0]], atol=1e-3)
    mixed = density(x, 0.5 * stats.norm.pdf(x) + 0.5 * stats.norm.pdf(x, 8.0, 0.5))
    found = hdi(mixed, probability=0.8)
    assert found.shape == (2, 2)
    law = [
        integrate.quad(lambda v: 0.5 * stats.norm.pdf(v) + 0.5 * stats.norm.pdf(v, 8, 0.5), *ends)[0] for ends in found
    ]
    assert sum(law) == pytest.approx(0.8, abs=1e-4)
    exponential = density(np.linspace(0, 20, 5001), np.exp(-np.linspace(0, 20, 5001)))
    np.testing.assert_allclose(hdi(exponential, probability=0.68), [[0.0, -np.log(0.32)]], atol=1e-3)
    np.testing.assert_allclose(credible_interval(exponential, probability=0.68), -np.log([0.84, 0.16]), atol=1e-3)
    flat = density(np.linspace(0, 1, 11), np.ones(11))
    np.testing.assert_allclose(credible_interval(flat, probability=0.5), [0.25, 0.75])


def test_warns_of_edge_and_step(stamp, priors):
    forced = priors.replace(**FORCED, flux=dist.LogNormal(-6.0, 2.0))
    with pytest.warns(DataWarning, match=r"flux: the posterior reaches the grid's edge at 0\.005"):
        grid_posterior(stamp, forced, flux=np.linspace(1e-4, 0.005, 200))
    with pytest.warns(DataWarning, match="flux: the posterior is narrower than the grid's step"):
        grid_posterior(stamp, forced, flux=np.linspace(1e-4, 0.5, 30))
    bounded = priors.replace(**FORCED, flux=dist.Uniform(0.0, 0.005))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid_posterior(stamp, bounded, flux=np.linspace(0.0, 0.005, 200))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "axes: expected at least one parameter"),
        ({"width": [1, 2]}, "axes: expected parameters of x_pos.*found 'width'"),
        ({"flux": [1.0]}, "flux: expected a list of at least 2 values"),
        ({"flux": [2.0, 1.0]}, "flux: expected finite values that rise"),
        ({"flux": [-1.0, 1.0]}, "flux: expected a value ≥ 0, found -1"),
        ({"flux": "many"}, "flux: expected numbers, found 'many'"),
        ({"psf_width": [0.0, 1.0]}, "psf_width: expected a value > 0, found 0"),
        ({"background": [1e-6, 1e-5]}, "background: expected a distribution for a parameter on an axis, found 1e-05"),
        ({"psf_width": [1.0, 2.0]}, "priors: expected an axis or a fixed value for flux; found neither"),
        ({"flux": [1.0, 2.0], "psf_width": [9.0, 9.5]}, "expected some points where prior times likelihood is not 0"),
    ],
)
def test_refusals(stamp, priors, axes, message):
    free = {"flux": dist.LogNormal(-6.0, 2.0), "psf_width": dist.Uniform(0.1, 5.0)}
    half = priors.replace(**{**FORCED, **free})
    with pytest.raises(InputError, match=message):
        grid_posterior(stamp, half, **axes)


def test_marginal_mode_and_intervals_refuse(two):
    with pytest.raises(InputError, match="names: expected some of the grid's parameters flux, psf_width"):
        marginal(two)
    with pytest.raises(InputError, match="name: expected one parameter of flux, psf_width, as 'flux'; found none"):
        hdi(marginal(two, "flux", "psf_width"))
    with pytest.raises(InputError, match="probability: expected a number between 0 and 1, found 68"):
        credible_interval(two, "flux", probability=68)


def test_a_grid_says_its_modes_and_intervals_itself(two):
    """Oracle: those of its marginals."""
    for name in ("flux", "psf_width"):
        density = marginal(two, name)
        np.testing.assert_array_equal(hdi(two, name, probability=0.9), hdi(density, probability=0.9))
        assert credible_interval(two, name) == credible_interval(density)
        assert mode(two, name) == mode(density)
    assert set(mode(two)) == {"flux", "psf_width"}
    with pytest.raises(InputError, match="names: expected some of the grid's parameters flux, psf_width, found"):
        hdi(two, "x_pos")
    with pytest.raises(InputError, match="names: expected none beside a density of flux, found psf_width"):
        hdi(marginal(two, "flux"), "psf_width")


def test_any_parameter_that_is_one_number_has_an_axis(stamp):
    """A slope, a gradient and a map's norm, beside neighbours. Oracle: SciPy's law about the model's mean."""
    behind = 0.02 + 0.001 * (stamp.x - 101.0)
    mapped = dataclasses.replace(stamp, background_map=behind)
    axes = {"psf_slope": [1.4, 1.7, 2.2], "background_dx": [-0.02, 0.0, 0.03], "background_norm": [0.3, 1.0]}
    free = {"psf_slope": dist.Uniform(1.1, 3.0), "background_dx": dist.Normal(0.0, 0.05)}
    free["background_norm"] = dist.LogNormal(0.0, 0.5)
    fixed = FORCED | {"flux": 4e-3, "background_dy": 0.01, "neighbour_flux": np.array([2e-3, 1e-3])}
    fixed |= {"neighbour_x": np.array([115.0, 104.0]), "neighbour_y": np.array([66.0, 53.0])}
    priors = Priors(KingPSF(1.5), **fixed, **free)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        grid = grid_posterior(mapped, priors, **axes)
    exposed = stamp.exposure > 0
    for place in ((0, 0, 0), (1, 2, 1), (2, 1, 0)):
        own = {name: float(values[i]) for (name, values), i in zip(axes.items(), place, strict=True)}
        mean = np.asarray(expected_counts(*mapped.image, psf=KingPSF(1.5), **fixed, **own))
        wanted = stats.poisson.logpmf(stamp.counts, mean)[exposed].sum()
        assert float(grid["log_likelihood"][place]) == pytest.approx(wanted, rel=1e-10)
    assert grid["background_dx"].attrs["units"] == "1 / pixel"
    assert grid.attrs["psf"] == "KingPSF(slope=1.5, typical_width=1.5)"
    figure = plot_grid(grid)
    assert sum(ax.axison for ax in figure.axes) == 6
    with pytest.raises(InputError, match="psf_slope: expected a value > 1, found 1"):
        grid_posterior(mapped, priors, **(axes | {"psf_slope": [1.0, 2.0]}))
    with pytest.raises(InputError, match=r"axes: expected parameters of x_pos.*background_norm, found 'extended_x'"):
        grid_posterior(mapped, priors, extended_x=[1.0, 2.0])
    with pytest.raises(InputError, match=r"axes: expected parameters of .* found 'neighbour_x'"):
        grid_posterior(mapped, priors, neighbour_x=[1.0, 2.0])


def test_command_line_fixes_what_is_not_said_to_the_priors_medians(stamp, tmp_path, capsys):
    """Oracle: the same grid in Python."""
    files = [str(tmp_path / name) for name in ("image.fits", "exposure.fits", "map.fits")]
    mapped = dataclasses.replace(stamp, background_map=np.full(stamp.shape, 0.02))
    mapped.write(*files)
    asked = ["grid", *files[:2], "--background-map", files[2], "--x", "110.6", "--y", "61.2", "--half-size", "8"]
    asked += [
        "--axis",
        "background_norm=0.01:5:200",
        "--set",
        "flux=0.004",
        "--out",
        str(tmp_path),
        "--psf",
        "gaussian",
    ]
    assert main([*asked, "--no-compile-cache", "--json"]) == 0
    told = capsys.readouterr()
    assert (
        "note: fixed to the prior's median, for want of --axis or --set: x_pos=110.6, y_pos=61.2, background="
        in told.err
    )
    assert "flux=" not in told.err
    found = xarray.open_dataset(tmp_path / "x110.6_y61.2_grid.nc", engine="h5netcdf")
    small = Observation.read(*files[:2], background_map=files[2]).stamp(110.6, 61.2, 8)
    priors = Priors.default(small, 110.6, 61.2)
    others = {name: value for name, value in priors.medians().items() if name != "background_norm"}
    axis = np.linspace(0.01, 5, 200)
    grid = grid_posterior(small, priors.replace(**(others | {"flux": 0.004})), background_norm=axis)
    np.testing.assert_allclose(found["posterior"], grid["posterior"], rtol=1e-10)
    assert json.loads(told.out)["parameters"]["background_norm"]["mode"] == mode(grid)["background_norm"]
    assert main([*asked[:9], "--no-compile-cache"]) == 2
    assert "--axis: expected at least one, as flux=0:0.006:1000, found none" in capsys.readouterr().err


def test_pictures_have_one_panel_for_each_pair(two):
    figure = plot_grid(two, {"flux": 0.004})
    assert sum(ax.axison for ax in figure.axes) == 3
    assert "mode" in figure.axes[0].get_title()


def test_a_density_is_asked_of_a_grid():
    with pytest.raises(InputError, match="expected what grid_posterior or marginal gave, found a DataTree"):
        hdi(xarray.DataTree(), "flux")
