"""Priors: defaults, replacing, TOML, and what is refused. Oracle: SciPy's densities."""

import math
import os
import subprocess
import sys

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from pgm_mock import InputError, Observation, Priors
from pgm_mock.distributions import position_prior
from pgm_mock.psf import KingPSF, choose_psf
from pgm_mock.resources import resource
from pgm_mock.scene import Scene


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "priors.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def test_default_is_made_from_exposure_and_position_alone(stamp):
    priors = Priors.default(stamp, 110, 60)
    without_counts = Observation(counts=0 * stamp.counts, exposure=stamp.exposure, origin=stamp.origin)
    assert priors.describe() == Priors.default(without_counts, 110, 60).describe()
    typical = np.median(stamp.exposure[stamp.exposure > 0])
    expected = {
        "x_pos": stats.truncnorm(-3, 3, 110, 2),
        "y_pos": stats.truncnorm(-3, 3, 60, 2),
        "flux": stats.lognorm(2, scale=30 / typical),
        "background": stats.lognorm(1.5, scale=0.1 / typical),
        "psf_width": stats.lognorm(0.5, scale=1.5),
    }
    for name, density in expected.items():
        value = density.ppf(0.3)
        assert float(priors[name].log_prob(value)) == pytest.approx(density.logpdf(value), abs=1e-9)


def test_default_position_is_the_middle(stamp):
    medians = Priors.default(stamp).medians()
    assert (medians["x_pos"], medians["y_pos"]) == pytest.approx((111, 61), abs=1e-6)


def test_doubling_the_exposure_halves_the_flux(stamp):
    doubled = Observation(counts=stamp.counts, exposure=2 * stamp.exposure)
    shift = Priors.default(stamp)["flux"].loc - Priors.default(doubled)["flux"].loc
    assert shift == pytest.approx(math.log(2))


def test_replace_leaves_the_others_and_the_original(priors):
    changed = priors.replace(flux=dist.Gamma(2.0, 100.0), psf_width=1)
    assert list(changed) == Scene().needed
    assert list(changed.free) == ["x_pos", "y_pos", "flux", "background"]
    assert changed["psf_width"] == 1.0
    assert list(priors.free) == Scene().needed


def test_the_example_file(real):
    stamp = real.stamp(271, 216)
    priors = Priors.read(resource("priors.toml"), stamp, 271.4, 216)
    assert priors.describe() == {
        "x_pos": "Normal(loc=271.4, scale=2)",
        "y_pos": "Normal(loc=216, scale=2)",
        "flux": "LogNormal(loc=-6.2146, scale=2)",
        "background": "LogNormal(loc=-12, scale=2)",
        "psf_width": "LogNormal(loc=0.405, scale=0.5)",
    }


def test_toml_of_fixed_values_any_distribution_and_the_centre(write, stamp):
    text = """
    [x_pos]
    value = "center"
    [y_pos]
    dist = "Uniform"
    low = "center-1.5"
    high = "center + 2"
    [psf_width]
    dist = "TruncatedNormal"
    loc = 1.0
    scale = 0.3
    low = 0
    """
    priors = Priors.read(write(text), stamp, 110.25, 61)
    assert priors["x_pos"] == 110.25
    assert (priors["y_pos"].low, priors["y_pos"].high) == (59.5, 63.0)
    expected = stats.truncnorm.logpdf(1.2, -1 / 0.3, np.inf, 1.0, 0.3)
    assert float(priors["psf_width"].log_prob(1.2)) == pytest.approx(expected, abs=1e-9)
    assert priors.describe()["flux"] == Priors.default(stamp).describe()["flux"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[flux]\nvalue = ", "expected TOML: "),
        ("[fluxx]\nvalue = 1", r"\[fluxx\]: expected a table named x_pos, y_pos, flux"),
        ("[flux]\nloc = 1", r"\[flux\]: expected either dist = .* or value"),
        ("flux = 3", r"\[flux\]: expected either dist"),
        ("[flux]\nvalue = 1\nloc = 2", r"\[flux\]: expected nothing beside value, found loc"),
        (
            '[flux]\ndist = "Lognormal"',
            r"\[flux\]: expected the name of a NumPyro distribution, found dist = 'Lognormal'",
        ),
        ('[flux]\ndist = "kl_divergence"', r"\[flux\]: expected the name of a NumPyro distribution"),
        ('[flux]\ndist = "LogNormal"\nlocation = 1', r"\[flux\]: LogNormal cannot be made: .*location"),
        ('[flux]\ndist = "LogNormal"\nscale = -1', r"\[flux\]: LogNormal cannot be made: .*scale"),
        ('[flux]\ndist = "LogNormal"\nloc = "center"', r"\[flux\]: expected a number for loc, found 'center'"),
        ('[x_pos]\nvalue = "middle"', r"\[x_pos\]: expected a number or \"center\" for value, found 'middle'"),
        ("[flux]\nvalue = true", r"\[flux\]: expected a number for value, found True"),
        (
            '[flux]\ndist = "Poisson"\nrate = 3.0',
            r"\[flux\]: expected a continuous prior of one number, as Normal, found Poisson",
        ),
        (
            '[psf_width]\ndist = "Normal"\nloc = 1.0',
            r"psf_width: expected a prior on values ≥ 0, .* found Normal\(loc=1",
        ),
        ('[background]\ndist = "Uniform"\nlow = -1.0', "background: expected a prior on values ≥ 0"),
        ("[psf_width]\nvalue = 0", "psf_width: expected a value > 0, found 0"),
        ("[flux]\nvalue = nan", "flux: expected a value ≥ 0, found nan"),
        ("[flux]\nvalue = -1", "flux: expected a value ≥ 0, found -1"),
    ],
)
def test_toml_refusals_name_file_and_entry(write, stamp, text, message):
    with pytest.raises(InputError, match=r"priors\.toml: " + message):
        Priors.read(write(text), stamp)


def test_no_such_file(stamp):
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        Priors.read("none.toml", stamp)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (dist.Normal(np.zeros(3), 1.0), r"x_pos: expected a prior of one number, found shape \(3,\)"),
        (dist.Delta(1.0), r"x_pos: expected a continuous prior on an interval of numbers, or a .*, found Delta"),
        ("271", "x_pos: expected a distribution or a number, found '271'"),
        (np.array([1.0]), "x_pos: expected a distribution or a number"),
    ],
)
def test_python_refusals_name_the_parameter(priors, prior, message):
    with pytest.raises(InputError, match=message):
        priors.replace(x_pos=prior)


def test_names_are_checked(priors):
    with pytest.raises(InputError, match=r"unknown \['width'\]"):
        priors.replace(width=1.0)
    with pytest.raises(InputError, match=r"missing \['y_pos', 'flux', 'background', 'psf_width'\]"):
        Priors(x_pos=1.0)


FAMILIES = [
    dist.Gamma(2.0, 3.0),
    dist.HalfNormal(1.0),
    dist.Exponential(2.0),
    dist.Uniform(0, 3),
    dist.Beta(2.0, 3.0),
    dist.LogUniform(0.1, 3.0),
    dist.HalfCauchy(1.0),
]


@pytest.mark.parametrize("prior", FAMILIES, ids=lambda prior: type(prior).__name__)
def test_positive_families_are_accepted(priors, prior):
    assert priors.replace(flux=prior)["flux"] is prior


@pytest.mark.slow
def test_leaves_have_one_order_in_every_process():
    """NumPyro keeps a distribution's fields in a set, whose order the hash seed decides, and with it the disk cache."""
    code = (
        "import jax, numpyro.distributions as d; from pgm_mock import Priors; n = d.LogNormal(1.0, 2.0);"
        "t = d.TruncatedNormal(3.0, 4.0, low=5.0, high=6.0);"
        "print(jax.tree.leaves(Priors(x_pos=t, y_pos=7.0, flux=n, background=d.Gamma(8.0, 9.0), psf_width=n)))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "6", "9")
    }
    assert len(found) == 1


def test_a_pytree_of_priors_comes_back_whole(priors):
    leaves, structure = jax.tree.flatten(priors.replace(psf_width=dist.TruncatedNormal(3.0, 4.0, low=0.5), x_pos=270.0))
    again = jax.tree.unflatten(structure, leaves)
    assert again["psf_width"].base_dist.loc == 3.0
    assert (again["psf_width"].base_dist.scale, again["psf_width"].low, again["x_pos"]) == (4.0, 0.5, 270.0)
    assert (again["flux"].loc, again["flux"].scale) == (priors["flux"].loc, priors["flux"].scale)


def test_words_are_read_back(priors):
    mixed = priors.replace(
        x_pos=dist.Uniform(260.0, 280.0), psf_width=dist.TruncatedNormal(1.0, 0.3, low=0.1), background=5e-6
    )
    again = Priors.parse(mixed.describe(), mixed.psf)
    assert again.describe() == mixed.describe()
    value = 1.3
    assert float(again["psf_width"].log_prob(value)) == pytest.approx(float(mixed["psf_width"].log_prob(value)))
    for text in ("__import__('os')", "Normal(loc=open('x'))", "Nothing(loc=1)", "", "Normal(loc=1, size=3)"):
        with pytest.raises(InputError, match="flux: expected a distribution with numbers as its arguments, found"):
            Priors.parse(mixed.describe() | {"flux": text}, mixed.psf)


def test_a_cut_off_normal_knows_its_distribution_function():
    """Oracle: SciPy."""
    prior = position_prior(270.0, 3.0)
    values = np.array([266.0, 267.0, 268.5, 270.0, 272.9, 273.0, 280.0])
    expected = stats.truncnorm(-1.5, 1.5, 270.0, 2.0).cdf(values)
    np.testing.assert_allclose(prior.cdf(values), expected, atol=1e-12)
    np.testing.assert_allclose(prior.probability_below(values), expected, atol=1e-12)


def test_the_psf_may_be_named(real, stamp):
    """Oracle: the PSF of that name at the place asked for, where the header says the telescope."""
    by_name = Priors.default(real.stamp(232, 399), 232, 399, psf="auto")
    assert by_name == Priors.default(
        real.stamp(232, 399), 232, 399, choose_psf("auto", real.header, real.wcs, 232, 399)
    )
    assert isinstance(by_name.psf, KingPSF)
    assert Priors.default(stamp, psf="auto") == Priors.default(stamp)
    for wrong, said in (
        ("kingg", "expected auto, gaussian, .* found 'kingg'"),
        (3, "expected a PSF such as"),
        (KingPSF, ""),
    ):
        with pytest.raises(InputError, match=f"^psf: .*{said}"):
            Priors.default(stamp, psf=wrong)
