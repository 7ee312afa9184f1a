"""The sampler of counts. Oracles: JAX's own random words, SciPy's Poisson law, closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pgm_mock import InputError, poisson
from pgm_mock.counts import PoissonImage
from pgm_mock.threefry import random_words

KEY = jax.random.key(11, impl="threefry2x32")
MEANS = [1e-8, 1e-4, 0.01, 0.28, 1.0, 1.999, 2.001, 5.0, 9.99, 10.0, 30.0, 1e3, 1e5, 1e6]


def chi_square_p(counts, mean):
    """P-value of counts against SciPy's probabilities, in bins of at least 20 expected."""
    step = max(1, int(np.sqrt(mean) / 10))
    low, high = int(stats.poisson.ppf(1e-6, mean)), int(stats.poisson.isf(1e-6, mean)) + 1
    edges = np.arange(low, high + step, step)
    expected = np.diff(np.concatenate([[0.0], stats.poisson.cdf(edges, mean), [1.0]])) * counts.size
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(expected))
    keep = expected > 20
    if keep.sum() < 2:
        return stats.binomtest(int((counts > 0).sum()), counts.size, -np.expm1(-mean)).pvalue
    pooled_observed = np.append(observed[keep], observed[~keep].sum())
    pooled_expected = np.append(expected[keep], expected[~keep].sum())
    used = pooled_expected > 5
    return stats.chi2.sf(np.sum((pooled_observed - pooled_expected)[used] ** 2 / pooled_expected[used]), used.sum() - 1)


def test_words_are_jaxs_own():
    ours = random_words(KEY, jnp.arange(5000))
    np.testing.assert_array_equal(ours, jax.random.bits(KEY, (5000,), jnp.uint32))
    assert np.all(random_words(KEY, jnp.arange(5000), 1) != ours)


@pytest.mark.parametrize("mean", MEANS)
def test_law_is_poisson(mean, precision):
    counts = np.asarray(poisson.poisson(KEY, jnp.full(200_000, mean)))
    assert chi_square_p(counts, mean) > 1e-4
    assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / counts.size) + 1e-12
    if mean > 1e-3:
        spread = np.sqrt((2 + 1 / mean) / counts.size)
        assert abs(counts.var() / mean - 1) < 5 * spread


@pytest.mark.slow
@pytest.mark.parametrize("mean", [1e-8, 1e-6, 0.28, 2.0, 7.0, 40.0])
def test_law_is_poisson_in_ten_million_draws(mean):
    """The rare words that need 64 bits, and the rare large counts, come up only in many draws."""
    counts = np.concatenate(
        [np.asarray(poisson.poisson(jax.random.fold_in(KEY, n), jnp.full(1_000_000, mean))) for n in range(10)]
    )
    assert chi_square_p(counts, mean) > 1e-3


def test_mean_zero_is_zero_and_large_counts_saturate(precision):
    counts = np.asarray(poisson.poisson(KEY, jnp.array([0.0] * 1000 + [1e12] * 3)))
    assert np.all(counts[:1000] == 0)
    assert np.all(counts[1000:] == 2**31 - 1)
    assert counts.dtype == np.int32


def test_traced_and_eager_draws_are_the_same():
    means = jnp.asarray(np.random.default_rng(0).gamma(0.3, 20.0, (40, 50)))
    eager = poisson.poisson(KEY, means)
    traced = jax.jit(poisson.poisson)(KEY, means)
    np.testing.assert_array_equal(eager, traced)
    assert (np.asarray(eager) > 15).any()


def test_both_precisions_draw_the_same_small_counts():
    means = np.random.default_rng(0).gamma(0.3, 1.0, 20_000)
    double = np.asarray(poisson.poisson(KEY, jnp.asarray(means)))
    with jax.enable_x64(False):
        single = np.asarray(poisson.poisson(KEY, jnp.asarray(means, jnp.float32)))
    assert np.mean(double != single) < 1e-4


@pytest.mark.parametrize("bad", [np.nan, -1e-9, np.inf, -np.inf])
def test_means_that_are_none_are_refused(bad):
    with pytest.raises(InputError, match=r"mean: expected means that are finite and ≥ 0, found .* \(1 such\)"):
        poisson.poisson(KEY, jnp.array([0.1, bad, 3.0]))


def test_a_real_mixture_has_a_uniform_randomised_pit(real):
    """The mean of a real stamp's model: a wide mixture; its randomised PIT is uniform (Czado et al. 2009)."""
    stamp = real.stamp(232, 399)
    mean = np.asarray(stamp.exposure * (0.03 * np.exp(-((stamp.x - 232) ** 2 + (stamp.y - 399) ** 2) / 5) / 16 + 8e-6))
    draws = np.stack([np.asarray(poisson.poisson(jax.random.fold_in(KEY, n), jnp.asarray(mean))) for n in range(60)])
    exposed = mean > 0
    u = np.random.default_rng(1).random((60, exposed.sum()))
    below, here = (
        stats.poisson.cdf(draws[:, exposed] - 1, mean[exposed]),
        stats.poisson.pmf(draws[:, exposed], mean[exposed]),
    )
    assert stats.kstest((below + u * here).ravel(), "uniform").pvalue > 1e-4


def test_pixels_and_keys_are_independent():
    draws = np.stack([np.asarray(poisson.poisson(jax.random.fold_in(KEY, n), jnp.full(2000, 3.0))) for n in range(200)])
    whitened = (draws - 3.0) / np.sqrt(3.0)
    for a, b in ((whitened[:, :-1], whitened[:, 1:]), (whitened[:-1], whitened[1:])):
        assert abs(np.mean(a * b)) < 5 / np.sqrt(a.size)


def test_distribution_draws_batches_with_nothing_unexposed(stamp):
    mean = jnp.full((3, *stamp.shape), 4.0)
    image = PoissonImage(mean, jnp.asarray(stamp.exposure > 0))
    counts = np.asarray(image.sample(KEY, (5,)))
    assert counts.shape == (5, 3, *stamp.shape)
    assert np.all(counts[..., stamp.exposure == 0] == 0)
    assert counts[..., stamp.exposure > 0].mean() == pytest.approx(4.0, abs=0.1)
    assert len({counts[i, j].tobytes() for i in range(5) for j in range(3)}) == 15
