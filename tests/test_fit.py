"""Posteriors: a conjugate closed form, an independent computation of real sources, and one compilation for all."""

import dataclasses
import json
from pathlib import Path

import arviz as az
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from pgm_mock import InputError, Priors, fit, summarise
from pgm_mock.inference import nuts, program
from pgm_mock.resources import resource
from pgm_mock.scene import Scene

REFERENCE = Path(__file__).parent / "reference" / "a1835_posteriors.json"
SOURCES = [(271, 216), (232, 399), (188, 418), (398, 294), (490, 406)]


@pytest.fixture(scope="module")
def posterior(stamp, priors):
    return fit(stamp, priors, method="nuts", seed=1)


@pytest.mark.slow
def test_background_alone_has_a_gamma_posterior(stamp):
    """Without a source, b ~ Gamma(a, r) and N ~ Poisson(t b) give b | N ~ Gamma(a + sum N, r + sum t)."""
    fixed = {"x_pos": 111.0, "y_pos": 61.0, "flux": 0.0, "psf_width": 1.0}
    priors = Priors(**fixed, background=dist.Gamma(2.0, 1e5))
    posterior = fit(stamp, priors, method="nuts", num_warmup=500, seed=3)
    found = posterior["posterior"]["background"].values.ravel()
    exact = stats.gamma(2.0 + stamp.counts.sum(), scale=1 / (1e5 + stamp.exposure.sum()))
    size = float(az.ess(posterior["posterior"]["background"].to_dataset())["background"])
    assert abs(found.mean() - exact.mean()) < 4 * exact.std() / np.sqrt(size)
    assert found.std() == pytest.approx(exact.std(), rel=4 / np.sqrt(2 * size))
    ranks = np.mean(found[:, None] < exact.ppf([0.05, 0.5, 0.95]), axis=0)
    np.testing.assert_allclose(ranks, [0.05, 0.5, 0.95], atol=4 * 0.5 / np.sqrt(size))
    assert np.all(posterior["posterior"]["flux"].values == 0)


@pytest.mark.slow
@pytest.mark.parametrize("place", SOURCES, ids=str)
def test_real_sources_agree_with_the_independent_computation(real, place):
    """Oracle: tests/reference/posteriors.py, SciPy and emcee; R-hat, ESS and divergences are those promised."""
    (reference,) = [row for row in json.loads(REFERENCE.read_text()) if (row["x"], row["y"]) == place]
    stamp = real.stamp(*place)
    priors = Priors.read(resource("priors.toml"), stamp, *place)
    summary = summarise(fit(stamp, priors, method="nuts", num_samples=2000, seed=0))
    assert summary.r_hat < 1.01
    assert summary.ess > 400
    assert summary.divergences == 0
    assert summary.problems == ()
    assert stamp.counts.sum() == reference["counts"]
    for name, found in summary.parameters.items():
        expected = reference["parameters"][name]
        assert abs(found.mean - expected["mean"]) < 0.1 * expected["sd"], name
        assert found.sd == pytest.approx(expected["sd"], rel=0.1), name


def programs_of(function) -> int:
    return sum(signature[0] is function for signature in program._compiled)


@pytest.mark.slow
@pytest.mark.long
def test_second_source_costs_no_compilation(stamp, priors):
    program.forget()
    numbers = {"method": "nuts", "num_chains": 2, "num_warmup": 20, "num_samples": 20}
    fit(stamp, priors, **numbers)
    assert programs_of(nuts.sample) == 1
    other = dataclasses.replace(stamp, counts=2 * (stamp.counts > 0), origin=(1, 1), name="other")
    fit(other, Priors.default(other, 10.0, 12.0), **numbers, seed=9)
    assert programs_of(nuts.sample) == 1
    fit(other, Priors.default(other, 10.0, 12.0).replace(psf_width=1.0), **numbers)
    assert programs_of(nuts.sample) == 2


def test_groups_dimensions_and_provenance(posterior, stamp, priors):
    assert set(posterior.children) == {"posterior", "sample_stats", "observed_data", "constant_data"}
    assert dict(posterior["posterior"].sizes) == {"chain": 4, "draw": 1000}
    assert set(posterior["posterior"].data_vars) == set(Scene().needed)
    assert {"diverging", "lp", "n_steps", "energy", "acceptance_rate"} <= set(posterior["sample_stats"].data_vars)
    np.testing.assert_array_equal(posterior["observed_data"]["counts"].values, stamp.counts)
    np.testing.assert_array_equal(posterior["constant_data"]["exposure"].values, stamp.exposure)
    np.testing.assert_array_equal(posterior["constant_data"].coords["x"], stamp.x[0])
    attrs = posterior["constant_data"].attrs
    assert {name: attrs[f"prior_{name}"] for name in Scene().needed} == priors.describe()
    assert (attrs["name"], list(attrs["origin"])) == ("small", [101, 51])
    assert (posterior.attrs["seed"], posterior.attrs["method"]) == (1, "nuts")
    assert posterior.attrs["version_jax"]


def test_saved_and_read_back_by_arviz(posterior, tmp_path):
    posterior.to_netcdf(tmp_path / "fit.nc")
    back = az.from_netcdf(tmp_path / "fit.nc")
    np.testing.assert_array_equal(back["posterior"]["flux"].values, posterior["posterior"]["flux"].values)
    assert back["posterior"]["flux"].attrs["units"] == "ct / s"
    assert summarise(back).to_dict() == summarise(posterior).to_dict()
    back.close()


def test_key_depends_on_seed_and_name_alone(stamp, priors, posterior):
    again = fit(stamp, priors, method="nuts", seed=1)
    np.testing.assert_array_equal(again["posterior"]["flux"].values, posterior["posterior"]["flux"].values)
    renamed = fit(dataclasses.replace(stamp, name="another"), priors, method="nuts", seed=1)
    assert np.all(renamed["posterior"]["flux"].values != posterior["posterior"]["flux"].values)


def test_summary_in_a_line_and_as_json(posterior):
    summary = summarise(posterior)
    assert summary.line().startswith("small: flux 0.0")
    assert "ct / s" in summary.line()
    assert "WARNING" not in summary.line()
    flux = posterior["posterior"]["flux"].values
    plain = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert plain["parameters"]["flux"]["mean"] == pytest.approx(flux.mean())
    assert plain["parameters"]["flux"]["upper"] == pytest.approx(np.quantile(flux, 0.84))


def test_bad_chains_are_called_bad(posterior):
    """Shift one chain: its R-hat and effective sample size say so."""
    broken = posterior.copy(deep=True)
    broken["posterior"]["flux"].values[0] += 1.0
    summary = summarise(broken)
    assert summary.r_hat > 1.5
    assert "few independent draws (ESS" in " ".join(summary.problems)
    assert "WARNING" in summary.line()


def test_bad_arguments_are_named(stamp, priors):
    with pytest.raises(InputError, match="method: expected auto, importance, nuts, found 'magic'"):
        fit(stamp, priors, method="magic")
    with pytest.raises(InputError, match="num_samples: expected at least 1, found 0"):
        fit(stamp, priors, num_samples=0)
    with pytest.raises(InputError, match="expected at least one parameter with a distribution, found all fixed"):
        fit(stamp, Priors(x_pos=111.0, y_pos=61.0, flux=1e-3, background=1e-5, psf_width=1.4))
