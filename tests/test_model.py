"""The model against SciPy's sums, at every edge that has a derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax.test_util import check_grads
from numpyro.infer.util import log_density
from scipy import special, stats

from pgm_mock import Observation, Priors, expected_counts, stamp_model
from pgm_mock.counts import PoissonImage
from pgm_mock.inference.unconstrained import Data, constrain
from pgm_mock.inference.unconstrained import log_density as unconstrained_log_density

THETA = {"x_pos": 110.6, "y_pos": 61.2, "flux": 4e-3, "background": 1e-5, "psf_width": 1.4}


def scipy_mean(observation, x_pos, y_pos, flux, background, psf_width):
    def interval(centre, mean):
        return np.diff(stats.norm.cdf([centre - 0.5, centre + 0.5], mean, psf_width), axis=0)[0]

    fraction = interval(observation.columns, x_pos) * interval(observation.rows, y_pos)
    return observation.exposure * (flux * fraction + background)


def scipy_log_density(observation, theta):
    """Sum SciPy's log-probabilities over the exposed pixels and the default priors."""
    exposed = observation.exposure > 0
    likelihood = stats.poisson.logpmf(observation.counts, scipy_mean(observation, **theta))[exposed].sum()
    typical = np.median(observation.exposure[exposed])
    x, y = observation.centre
    prior = sum(stats.truncnorm.logpdf(theta[name], -3, 3, at, 2) for name, at in (("x_pos", x), ("y_pos", y)))
    prior += stats.lognorm.logpdf(theta["flux"], 2.0, scale=30 / typical)
    prior += stats.lognorm.logpdf(theta["background"], 1.5, scale=0.1 / typical)
    prior += stats.lognorm.logpdf(theta["psf_width"], 0.5, scale=1.5)
    return likelihood + prior


def model_log_density(observation, priors, theta):
    arguments = (observation.exposure, observation.columns, observation.rows, priors, observation.counts)
    return log_density(stamp_model, arguments, {}, theta)[0]


def test_expected_counts_are_scipys(stamp, precision):
    found = expected_counts(stamp.exposure, stamp.columns, stamp.rows, **THETA)
    np.testing.assert_allclose(found, scipy_mean(stamp, **THETA), rtol=30 * precision, atol=50 * precision)


def test_log_density_is_scipys_sum_in_double_precision(stamp, priors):
    found = float(model_log_density(stamp, priors, THETA))
    assert found == pytest.approx(scipy_log_density(stamp, THETA), rel=1e-12, abs=1e-10)


def test_log_density_in_single_precision(stamp, priors):
    """The tolerance is the sum's rounding: 400 pixels of order 1 each to 6e-8, and the logarithms' arguments."""
    with jax.enable_x64(False):
        found = float(model_log_density(stamp, Priors.default(stamp), THETA))
    assert found == pytest.approx(scipy_log_density(stamp, THETA), abs=2e-3)


def test_log_density_on_the_real_stamp(real):
    stamp = real.stamp(271, 216)
    theta = THETA | {"x_pos": 271.3, "y_pos": 215.8}
    found = float(model_log_density(stamp, Priors.default(stamp, 271, 216), theta))
    x, y = stamp.centre
    assert (x, y) == (271, 216)
    assert found == pytest.approx(scipy_log_density(stamp, theta), rel=1e-12, abs=1e-10)


def test_unconstrained_density_has_the_jacobian(stamp, priors):
    """For LogNormal parameters the Jacobian of exp is the parameter itself, for a bounded one that of the logistic."""
    z = {name: np.log(THETA[name]) for name in THETA}
    jacobian = 0.0
    for name, centre in (("x_pos", 111.0), ("y_pos", 61.0)):
        share = (THETA[name] - (centre - 6)) / 12
        z[name] = special.logit(share)
        jacobian += np.log(12 * share * (1 - share))
    found = unconstrained_log_density(z, Data.of(stamp), priors)
    jacobian += sum(np.log(THETA[name]) for name in ("flux", "background", "psf_width"))
    assert float(found) == pytest.approx(scipy_log_density(stamp, THETA) + jacobian, abs=1e-9)
    for name, value in constrain(z, priors).items():
        assert float(value) == pytest.approx(THETA[name])


def test_sites_are_the_vocabulary(stamp, priors):
    import numpyro

    seeded = numpyro.handlers.seed(stamp_model, 0)
    trace = numpyro.handlers.trace(seeded).get_trace(stamp.exposure, stamp.columns, stamp.rows, priors)
    kinds = {name: site["type"] for name, site in trace.items()}
    drawn = dict.fromkeys(["x_pos", "y_pos", "flux", "background", "psf_width"], "sample")
    assert kinds == drawn | {"expected_counts": "deterministic", "counts": "sample"}
    assert trace["counts"]["value"].shape == stamp.shape


def test_zero_exposure_is_left_out_of_value_and_gradient(stamp, priors, precision):
    """Whatever counts the unexposed pixels are given, neither the value nor the gradient sees them."""

    def density(theta, counts):
        arguments = (stamp.exposure, stamp.columns, stamp.rows, priors, counts)
        return log_density(stamp_model, arguments, {}, theta)[0]

    junk = np.where(stamp.exposure > 0, stamp.counts, 7)
    clean_value, clean = jax.value_and_grad(density)(THETA, stamp.counts)
    junk_value, junked = jax.value_and_grad(density)(THETA, junk)
    assert float(clean_value) == float(junk_value)
    assert clean == junked
    assert all(np.isfinite(value) for value in jax.tree.leaves(clean))


EDGES = {
    "on a pixel's edge": {"x_pos": 110.5, "y_pos": 61.5},
    "on a pixel's centre": {"x_pos": 110.0, "y_pos": 61.0},
    "at the stamp's corner": {"x_pos": 100.5, "y_pos": 50.5},
    "on the chip gap": {"x_pos": 114.0, "y_pos": 61.0},
    "far outside": {"x_pos": 190.0, "y_pos": 61.0},
    "very small PSF": {"psf_width": 1e-3},
    "very large PSF": {"psf_width": 1e3},
    "very faint": {"flux": 1e-30},
    "very bright": {"flux": 1e6},
}


@pytest.mark.parametrize("case", EDGES)
@pytest.mark.parametrize("counted", [True, False], ids=["counts", "no counts"])
def test_gradients_are_finite_at_the_edges(case, counted, stamp, priors, precision):
    counts = stamp.counts if counted else np.zeros(stamp.shape, int)
    anywhere = priors.replace(x_pos=dist.Normal(111.0, 2.0), y_pos=dist.Normal(61.0, 2.0))

    def density(theta):
        return log_density(stamp_model, (stamp.exposure, stamp.columns, stamp.rows, anywhere, counts), {}, theta)[0]

    value, gradient = jax.value_and_grad(density)(THETA | EDGES[case])
    assert np.isfinite(value), case
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient)), (case, gradient)


@pytest.mark.slow
def test_gradient_is_a_finite_difference(stamp, priors):
    def density(vector):
        return model_log_density(stamp, priors, dict(zip(THETA, jnp.exp(vector), strict=True)))

    theta = jnp.log(jnp.array(list(THETA.values())))
    check_grads(density, (theta,), order=1, rtol=1e-4)
    check_grads(density, (theta,), order=2, rtol=5e-3)


def test_no_background_and_no_count_has_a_finite_gradient(stamp):
    """A mean of exactly 0 is possible where a fixed background is 0; without a count it has probability 1."""

    def log_prob(scale):
        return PoissonImage(scale * jnp.zeros(stamp.shape), stamp.exposure > 0).log_prob(jnp.zeros(stamp.shape))

    value, gradient = jax.value_and_grad(log_prob)(1.0)
    assert (float(value), float(gradient)) == (0.0, 0.0)


def test_a_count_where_none_can_be_is_impossible():
    image = PoissonImage(jnp.zeros((1, 1)), jnp.ones((1, 1), bool))
    assert float(image.log_prob(jnp.ones((1, 1)))) == -np.inf


def test_poisson_image_is_scipys_per_batch(precision):
    rng = np.random.default_rng(1)
    mean = rng.gamma(0.5, 4.0, (3, 5, 6))
    counts = rng.poisson(mean)
    exposed = rng.random((5, 6)) > 0.2
    found = PoissonImage(jnp.asarray(mean), jnp.asarray(exposed)).log_prob(counts)
    expected = (stats.poisson.logpmf(counts, mean) * exposed).sum(axis=(1, 2))
    np.testing.assert_allclose(found, expected, rtol=50 * precision)


def test_fixed_parameter_takes_no_part_in_the_density(stamp, priors):
    fixed = priors.replace(psf_width=1.4)
    theta = {name: value for name, value in THETA.items() if name != "psf_width"}
    difference = model_log_density(stamp, priors, THETA) - model_log_density(stamp, fixed, theta)
    assert float(difference) == pytest.approx(stats.lognorm.logpdf(1.4, 0.5, scale=1.5), abs=1e-9)


def test_one_program_for_other_numbers_in_the_same_families(stamp):
    """Priors are a pytree: new locations and scales reuse the compiled function."""
    count = 0

    @jax.jit
    def density(observed, priors):
        nonlocal count
        count += 1
        return unconstrained_log_density(dict.fromkeys(THETA, 0.1), observed, priors)

    moved = Observation(counts=stamp.counts, exposure=stamp.exposure, origin=(1, 1))
    for observation in (stamp, moved):
        density(Data.of(observation), Priors.default(observation))
    assert count == 1
    density(Data.of(stamp), Priors.default(stamp).replace(flux=dist.Gamma(2.0, 500.0)))
    assert count == 2


def test_psf_is_a_part_of_the_model(stamp, priors):
    class Flat:
        def pixel_fraction(self, x, y, x_pos, y_pos, psf_width):
            return jnp.full(np.broadcast_shapes(np.shape(x), np.shape(y)), 0.01)

        def profiles(self, x, y, x_pos, y_pos, psf_width):
            return None

    jax.tree_util.register_static(Flat)
    arguments = (stamp.exposure, stamp.columns, stamp.rows, priors.with_psf(Flat()), stamp.counts)
    flat = log_density(stamp_model, arguments, {}, THETA)[0]
    mean = stamp.exposure * (4e-3 * 0.01 + 1e-5)
    sharp = model_log_density(stamp, priors, THETA)
    exposed = stamp.exposure > 0
    expected = stats.poisson.logpmf(stamp.counts, mean)[exposed].sum()
    expected -= stats.poisson.logpmf(stamp.counts, scipy_mean(stamp, **THETA))[exposed].sum()
    assert float(flat - sharp) == pytest.approx(expected, abs=1e-9)
