"""The sampler, piece by piece and whole, on targets that are no images. Oracles: closed forms, SciPy, ArviZ."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from arviz_stats.base import array_stats
from scipy import special, stats

from pgm_mock import InputError, sampler
from pgm_mock.random import source_generator
from pgm_mock.sampler import mixture, psis, run
from pgm_mock.sampler.adaptation import adapt
from pgm_mock.sampler.laplace import laplace
from pgm_mock.sampler.weights import log_evidence, resample, weigh

EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def test_laplace_finds_a_gaussian_exactly_and_any_mode_roughly():
    precision = np.array([[4.0, 1.0], [1.0, 2.0]])

    def gaussian(u):
        return -0.5 * (u - 1.0) @ precision @ (u - 1.0)

    mode, factor, height = laplace(gaussian, jnp.zeros(2))
    assert float(height) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(mode, 1.0, atol=1e-10)
    np.testing.assert_allclose(factor @ factor.T, np.linalg.inv(precision), atol=1e-10)
    mode, _, _ = laplace(lambda u: -jnp.sum(jnp.log1p(u**2)), jnp.full(2, 6.0))
    np.testing.assert_allclose(mode, 0.0, atol=1e-3)


def test_mixture_density_is_scipys_and_its_draws_follow_it():
    shares = np.array([0.3, 0.7])
    places, factors = np.array([[0.0, 1.0], [3.0, -1.0]]), np.array([[[1.0, 0], [0.5, 2.0]], [[0.3, 0], [0.1, 0.6]]])
    mix = mixture.Mixture(jnp.log(shares), jnp.asarray(places), jnp.asarray(factors))
    u = np.random.default_rng(0).normal(size=(50, 2))
    parts = [s * stats.multivariate_t.pdf(u, m, f @ f.T, df=5) for s, m, f in zip(shares, places, factors, strict=True)]
    np.testing.assert_allclose(mixture.log_density(jnp.asarray(u), mix), np.log(sum(parts)), rtol=1e-10)
    normals, uniforms = (
        jax.random.normal(jax.random.key(0), (40_000, 7)),
        jax.random.uniform(jax.random.key(1), (40_000,)),
    )
    draws = np.asarray(mixture.sample(normals, uniforms, mix))

    def cdf(x):
        return sum(s * stats.t.cdf((x - m[0]) / f[0, 0], 5) for s, m, f in zip(shares, places, factors, strict=True))

    assert stats.kstest(draws[:, 0], cdf).pvalue > 1e-3


@pytest.mark.parametrize("dimension", [1, 4, 5, 20])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_mixture_density_holds_far_away_and_beside_a_component_without_a_share(dimension, precision):
    """Oracle: SciPy's. In single precision a density itself, 1e-60, would be 0."""
    rng = np.random.default_rng(dimension)
    factors = np.tril(rng.normal(size=(3, dimension, dimension))) * 0.3 + np.eye(dimension)
    places, log_shares = rng.normal(size=(3, dimension)), np.array([np.log1p(-1e-9), np.log(1e-9), -np.inf])
    u = rng.normal(size=(40, dimension)) * 10.0 ** rng.integers(-1, 5, size=(40, 1))
    u[0] = places[2]
    numbers = (jnp.asarray(each.astype(precision)) for each in (log_shares, places, factors))
    found = mixture.log_density(jnp.asarray(u.astype(precision)), mixture.Mixture(*numbers))
    each = [stats.multivariate_t.logpdf(u, m, f @ f.T, df=5) for m, f in zip(places[:2], factors[:2], strict=True)]
    wanted = np.logaddexp(each[0] + log_shares[0], each[1] + log_shares[1])
    np.testing.assert_allclose(found, wanted, rtol=1e-10 if precision is np.float64 else 2e-4, atol=1e-3)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_mixture_density_of_a_narrow_component_in_a_wide_one(precision):
    """Oracle: SciPy's, where the wide one is far less dense than the narrow one at its middle, and all there is."""
    factors = np.stack([1e-3 * np.eye(20), np.eye(20)])
    mix = mixture.Mixture(
        *(jnp.asarray(each.astype(precision)) for each in (np.log([0.5, 0.5]), np.zeros((2, 20)), factors))
    )
    u = np.array([[0.0] * 20, [1e-3] * 20, [1.0] * 20, [100.0] * 20])
    each = [np.log(0.5) + stats.multivariate_t.logpdf(u, np.zeros(20), f @ f.T, df=5) for f in factors]
    found = mixture.log_density(jnp.asarray(u.astype(precision)), mix)
    np.testing.assert_allclose(found, np.logaddexp(*each), rtol=1e-5)


def test_mixture_fit_looks_at_the_blocks_that_hold_draws():
    """Oracle: the fit to the same draws in one block."""
    rng = np.random.default_rng(4)
    u, weights = rng.normal(size=(3, 500, 2)), rng.random((3, 500))
    weights[2] = 0.0
    start = mixture.Mixture(
        jnp.log(jnp.full(2, 0.5)), jnp.array([[-1.0, 0.0], [1.0, 0.0]]), jnp.stack([jnp.eye(2)] * 2)
    )
    weights = jnp.asarray(weights / weights.sum())
    parts = mixture.fit_weighted(jnp.asarray(u), weights, start, jnp.asarray(2))
    whole = mixture.fit_weighted(jnp.asarray(u[:2].reshape(1, 1000, 2)), weights[:2].reshape(1, 1000), start, 1)
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_mixture_fit_recovers_what_it_was_drawn_from():
    rng = np.random.default_rng(3)
    u = np.concatenate([rng.normal([-4, 0], 0.5, (3000, 2)), rng.normal([3, 1], [1.0, 0.2], (6000, 2))])
    start = mixture.Mixture(
        jnp.log(jnp.full(2, 0.5)), jnp.array([[-1.0, 0.0], [1.0, 0.0]]), jnp.tile(jnp.eye(2), (2, 1, 1))
    )
    fitted = mixture.fit_weighted(jnp.asarray(u)[None], jnp.full((1, 9000), 1 / 9000), start, 1, steps=40)
    np.testing.assert_allclose(np.exp(fitted.log_shares), [1 / 3, 2 / 3], atol=0.01)
    np.testing.assert_allclose(fitted.locations, [[-4, 0], [3, 1]], atol=0.05)


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_psis_is_arvizs(shape):
    """ArviZ takes the same log weights as an array and smooths them by the same method."""
    ratios = np.log(stats.genpareto.rvs(shape, size=3000, random_state=2) + 0.1)
    smoothed, khat = psis.smooth(ratios)
    theirs, their_khat = array_stats.psislw(-ratios)
    assert khat == pytest.approx(float(their_khat), abs=0.02)
    np.testing.assert_allclose(np.exp(smoothed), np.exp(theirs), rtol=0.03, atol=1e-6)
    assert np.exp(smoothed).sum() == pytest.approx(1.0)


def test_psis_of_weights_that_are_none_is_not_certified():
    for ratios in (np.full(100, -np.inf), np.where(np.arange(100) == 3, np.nan, 0.0)):
        smoothed, khat = psis.smooth(ratios)
        assert np.isnan(smoothed).all()
        assert khat == np.inf


def test_weights_of_a_gaussian_give_its_ess_in_closed_form():
    """From N(0, 4) to 3 N(1, 1): the mean square of the weights is 4 / sqrt(7) exp(1 / 7)."""
    n = 200_000
    draws = np.random.default_rng(8).normal(0.0, 2.0, n)
    found = weigh(np.log(3.0) + stats.norm.logpdf(draws, 1.0), stats.norm.logpdf(draws, 0.0, 2.0))
    mean_square = 4.0 / np.sqrt(7.0) * np.exp(1.0 / 7.0)
    assert found.ess == pytest.approx(n / mean_square, rel=0.01)
    assert np.exp(found.log_weights) @ draws == pytest.approx(1.0, abs=0.02)
    assert found.khat < 0.1


@pytest.mark.slow
def test_evidence_is_not_low_because_proposals_were_fitted_to_the_draws():
    """A t distribution of ten dimensions that integrates to 1; weights against all proposals make it 0.97."""
    size, dimension, defensive = 1000, 10, np.array([400, 100, 100, 100])
    first = mixture.Mixture(jnp.zeros(1), jnp.zeros((1, dimension)), 0.5 * jnp.eye(dimension)[None])
    target = jax.jit(lambda u: mixture.log_density(u[None], first)[0])

    @jax.jit
    def rounds(key):
        normals, uniforms, wide = (
            jax.random.normal(key, (4, size, dimension + mixture.DEGREES)),
            jax.random.uniform(key, (4, size)),
            2.0 * jax.random.normal(jax.random.fold_in(key, 1), (4, size, dimension)),
        )
        at_modes = first._replace(locations=first.locations + 0.3)
        log_wide = lambda u: jnp.sum(jax.scipy.stats.norm.logpdf(u, 0.0, 2.0), axis=1)  # noqa: E731
        return adapt(target, at_modes, normals, uniforms, wide, log_wide, defensive)

    found = [rounds(key) for key in jax.random.split(jax.random.key(5), 30)]
    by_own = np.exp([log_evidence(one.target, one.log_own, 4) for one in found])
    by_all = np.array([np.mean(np.exp(one.target - one.log_proposal)) for one in found])
    for values, low in ((by_own, False), (by_all, True)):
        error = values.std() / np.sqrt(len(values))
        assert (np.mean(values) < 1 - 4 * error) == low
        assert low or np.mean(values) < 1 + 4 * error


@pytest.mark.slow
def test_a_shear_straightens_a_bent_density():
    """x ~ N(0, 1), y ~ N(2 x², 0.1): bent in (x, y), a Gaussian in (x, y - 2 x²); the integral is 1 in both."""
    size, defensive = 600, np.array([260, 60, 60, 60])
    first = mixture.Mixture(jnp.zeros(1), jnp.zeros((1, 2)), 0.5 * jnp.eye(2)[None])
    generator = np.random.default_rng(2)
    normals, uniforms = generator.standard_normal((4, size, 2 + mixture.DEGREES)), generator.random((4, size))
    wide = jnp.asarray(generator.normal(0.0, 3.0, (4, size, 2)))
    log_wide = lambda u: jnp.sum(jax.scipy.stats.norm.logpdf(u, 0.0, 3.0), axis=1)  # noqa: E731

    def target(u):
        return jax.scipy.stats.norm.logpdf(u[0]) + jax.scipy.stats.norm.logpdf(u[1], 2.0 * u[0] ** 2, 0.1)

    def weighted(**shear):
        found = adapt(target, first, normals, uniforms, wide, log_wide, defensive, **shear)
        np.testing.assert_allclose(found.target, jax.vmap(target)(found.draws), rtol=1e-12)
        return found, weigh(np.asarray(found.target), np.asarray(found.log_proposal))

    (_, bent), (found, straight) = (
        weighted(),
        weighted(shear=lambda u: jnp.zeros_like(u).at[:, 1].set(-2.0 * u[:, 0] ** 2)),
    )
    assert straight.ess > 3.0 * bent.ess
    assert log_evidence(found.target, found.log_own, 4) == pytest.approx(0.0, abs=0.1)
    shares, (x, y) = np.exp(straight.log_weights), np.asarray(found.draws).T
    assert shares @ x == pytest.approx(0.0, abs=0.15)
    assert shares @ (y - 2.0 * x**2) == pytest.approx(0.0, abs=0.02)
    assert shares @ y == pytest.approx(2.0, abs=0.4)


def test_a_sample_of_equal_weights_has_each_draw_as_often_as_its_weight_says():
    """Systematic resampling takes a draw of weight w floor(m w) or ceil(m w) times of m."""
    weights = np.random.default_rng(4).dirichlet(np.full(300, 0.3))
    chosen = resample(source_generator(1, "a"), np.log(weights), 1000)
    often = np.bincount(chosen, minlength=300)
    assert (np.floor(1000 * weights) <= often).all()
    assert (often <= np.ceil(1000 * weights)).all()
    order = stats.spearmanr(chosen, np.arange(1000)).pvalue
    assert order > 1e-3


def draw(log_density, starts, seed=0, **options):
    return sampler.sample(jax.random.key(seed), log_density, starts, **options)


def within(draws, info, mean, sd, errors=5.0):
    """Means and standard deviations within so many Monte-Carlo errors."""
    assert info.certified, info.problems
    found = np.sqrt(np.diagonal(draws.covariance()))
    error = errors / np.sqrt(info.ess)
    assert np.all(np.abs(draws.mean() - mean) < error * np.asarray(sd)), (draws.mean(), mean)
    np.testing.assert_allclose(found, sd, rtol=2 * error)


def test_the_example_of_the_docstring_runs():
    tried = doctest.testmod(run)
    assert tried.attempted > 5
    assert not tried.failed


@pytest.mark.slow
def test_banana():
    """x ~ N(0, 1), y ~ N(x² - 1, 1/2): mean 0, and the variance of y is 2 + 1/4."""

    def log_density(u):
        return jax.scipy.stats.norm.logpdf(u[0]) + jax.scipy.stats.norm.logpdf(u[1], u[0] ** 2 - 1.0, 0.5)

    draws, info = draw(log_density, np.array([0.5, 0.5]))
    within(draws, info, [0.0, 0.0], [1.0, 1.5])
    assert info.log_evidence == pytest.approx(0.0, abs=0.1)
    assert len(info.modes) == 1
    np.testing.assert_allclose(info.modes[0], [0.0, -1.0], atol=1e-3)


@pytest.mark.slow
def test_student_t_in_twenty_dimensions():
    """The covariance of a Student-t with 7 degrees of freedom is 7/5 of its scale matrix."""
    dimension, degrees = 20, 7.0
    mixing = np.eye(dimension) + 0.3 * np.tri(dimension, k=-1)
    inverse = np.linalg.inv(mixing @ mixing.T)
    norm = special.gammaln((degrees + dimension) / 2) - special.gammaln(degrees / 2)
    norm -= 0.5 * dimension * np.log(degrees * np.pi) + 0.5 * np.linalg.slogdet(mixing @ mixing.T)[1]

    def log_density(u):
        off = u - 1.0
        return norm - 0.5 * (degrees + dimension) * jnp.log1p(off @ inverse @ off / degrees)

    scale = np.sqrt(np.diagonal(mixing @ mixing.T))
    draws, info = draw(log_density, np.zeros(dimension), scale=scale, num_draws=40_000)
    within(draws, info, np.ones(dimension), scale * np.sqrt(7 / 5))
    assert info.log_evidence == pytest.approx(0.0, abs=0.1)


@pytest.mark.slow
def test_two_modes_have_their_shares():
    """A third at (-6, 0), two thirds at (6, 2), of unlike widths."""
    places, widths, shares = np.array([[-6.0, 0.0], [6.0, 2.0]]), np.array([0.5, 1.5]), np.array([1 / 3, 2 / 3])

    def log_density(u):
        each = jax.scipy.stats.norm.logpdf(u, places, widths[:, None]).sum(axis=1)
        return jax.scipy.special.logsumexp(each + jnp.log(shares))

    draws, info = draw(log_density, places + 0.7)
    assert info.certified, info.problems
    left = np.exp(draws.log_weights) @ (draws.positions[:, 0] < 0)
    assert left == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / info.ess))
    np.testing.assert_allclose(info.mode_share, shares[::-1], atol=1e-3)
    # From one start, a defence as wide as what is known beforehand finds the other.
    defence = sampler.Defence.student_t(np.zeros(2), np.array([6.0, 2.0]))
    draws, info = draw(log_density, places[0], defence=defence)
    left = np.exp(draws.log_weights) @ (draws.positions[:, 0] < 0)
    assert left == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / info.ess))
    # Modes that are not kept are no secret.
    _, info = draw(log_density, places + 0.7, num_modes=1)
    assert "1 more modes may hold part of the density" in info.problems[-1]


def eight_schools(effect=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("school", 8):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        theta = numpyro.deterministic("theta", mu + tau * z)
        numpyro.sample("effect", dist.Normal(theta, ERROR), obs=effect)


@pytest.mark.slow
def test_eight_schools_as_a_numpyro_model():
    """Oracle: given mu and tau the effects integrate in closed form; the rest is a sum over a grid."""
    target = sampler.numpyro_target(eight_schools, EFFECT)
    draws, info = draw(target.log_density, target.start, num_draws=20_000)
    assert info.certified, info.problems
    mu, log_tau = np.linspace(-20.0, 30.0, 801)[:, None], np.linspace(-12.0, 6.0, 1201)
    tau = np.exp(log_tau)
    log_joint = stats.norm.logpdf(mu, 0.0, 5.0) + stats.halfcauchy.logpdf(tau, 0.0, 5.0) + log_tau
    log_joint = log_joint + sum(stats.norm.logpdf(y, mu, np.hypot(tau, s)) for y, s in zip(EFFECT, ERROR, strict=True))
    area = (mu[1, 0] - mu[0, 0]) * (log_tau[1] - log_tau[0])
    evidence = special.logsumexp(log_joint) + np.log(area)
    weights = np.exp(log_joint + np.log(area) - evidence)
    assert info.log_evidence == pytest.approx(evidence, abs=0.1)
    values, shares = target.constrain(draws.positions), np.exp(draws.log_weights)
    truths = {"mu": (weights * mu).sum(), "tau": (weights * tau).sum()}
    square = (weights * mu**2).sum(), (weights * tau**2).sum()
    for (name, truth), second in zip(truths.items(), square, strict=True):
        sd = np.sqrt(second - truth**2)
        assert shares @ values[name] == pytest.approx(truth, abs=5 * sd / np.sqrt(info.ess)), name
    precision = 1 / tau**2 + 1 / ERROR[0] ** 2
    first = (weights * (mu / tau**2 + EFFECT[0] / ERROR[0] ** 2) / precision).sum()
    assert shares @ values["theta"][:, 0] == pytest.approx(first, abs=0.4)


@pytest.mark.slow
def test_a_start_of_a_numpyro_model_is_near_its_prior():
    """NumPyro's own start lies between -2 and 2, which is nowhere where the prior is at 100."""

    def far(y=None):
        place = numpyro.sample("place", dist.Normal(100.0, 1.0))
        numpyro.sample("y", dist.Normal(place, 1.0), obs=y)

    target = sampler.numpyro_target(far, 102.0)
    draws, info = draw(target.log_density, target.start)
    within(draws, info, [101.0], [np.sqrt(0.5)])
    with pytest.raises(InputError, match="model: expected at least one parameter that is not observed, found none"):
        sampler.numpyro_target(lambda: None)


def test_draws_with_too_many_numbers_are_refused():
    """A sixth normal number would make another distribution than the t with five degrees of freedom."""
    mix = mixture.Mixture(jnp.zeros(1), jnp.zeros((1, 2)), jnp.eye(2)[None])
    with pytest.raises(ValueError, match="expected 7 normal numbers for each draw, found 8"):
        mixture.sample(jnp.zeros((3, 8)), jnp.zeros(3), mix)


@pytest.mark.slow
def test_what_cannot_be_trusted_is_not_certified():
    """Tails far heavier than those of any proposal, and a density that is not a number."""
    _, info = draw(lambda u: -0.51 * jnp.sum(jnp.log1p(u**2)), np.zeros(8))
    assert not info.certified
    assert "k-hat" in info.problems[0]
    _, info = draw(lambda u: jnp.where(u[0] > 1.0, jnp.nan, -0.5 * u @ u), np.zeros(2))
    assert "not a number" in info.problems[-1]


@pytest.mark.slow
def test_same_key_same_draws_and_a_scale_changes_units_alone():
    def log_density(u):
        return -0.5 * jnp.sum((u / jnp.array([1e-4, 1e3]) - 2.0) ** 2)

    scale = np.array([2e-4, 700.0])
    draws, info = draw(log_density, np.zeros(2), scale=scale)
    again, _ = draw(log_density, np.zeros(2), scale=scale)
    np.testing.assert_array_equal(draws.positions, again.positions)
    within(draws, info, [2e-4, 2e3], [1e-4, 1e3])
    assert info.log_evidence == pytest.approx(np.log(2 * np.pi * 0.1), abs=0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"starts": [np.nan]}, "starts: expected finite vectors"),
        ({"starts": []}, "starts: expected finite vectors"),
        ({"starts": np.zeros((0, 2))}, "starts: expected finite vectors"),
        ({"starts": np.zeros((1, 1, 1))}, "starts: expected finite vectors"),
        ({"scale": 0.0}, "scale: expected positive numbers"),
        ({"scale": np.ones(3)}, "scale: expected positive numbers, one or 2"),
        ({"num_draws": 10}, "num_draws: expected at least 100 in each"),
        ({"num_rounds": 1}, "num_draws: expected at least 100 in each of 2 rounds"),
        ({"num_modes": 0}, "num_modes: expected at least 1, found 0"),
    ],
)
def test_refuses(options, said):
    """And a density of one dimension that keeps its axis."""
    with pytest.raises(InputError, match=r"log_density: expected one number, found shape \(1,\)"):
        draw(lambda u: -0.5 * u**2, np.zeros(1))
    with pytest.raises(InputError, match=said):
        draw(lambda u: -0.5 * u @ u, **({"starts": np.zeros(2)} | options))
