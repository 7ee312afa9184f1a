"""The likelihood over photons against SciPy's dense sum, in value, gradient and Hessian."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import log_density as numpyro_log_density
from scipy import stats

from pgm_mock import Observation, Priors, stamp_model
from pgm_mock.counts import PhotonList, PixelList, PoissonImage, bucket, list_counts
from pgm_mock.inference.unconstrained import Data, constrain, log_density


@pytest.fixture
def priors(priors):
    """Positions without bounds are unconstrained as they are."""
    return unbounded(priors)


def unbounded(priors):
    return priors.replace(x_pos=dist.Normal(111.0, 2.0), y_pos=dist.Normal(61.0, 2.0))


Z = {"x_pos": 110.6, "y_pos": 61.2, "flux": np.log(4e-3), "background": np.log(1e-5), "psf_width": np.log(1.4)}


def dense(z, observation, priors):
    """NumPyro's own log-density of the model on the full image."""
    theta = constrain(z, priors)
    arguments = (observation.exposure, observation.columns, observation.rows, priors, observation.counts)
    value = numpyro_log_density(stamp_model, arguments, {}, theta)[0]
    return value + z["flux"] + z["background"] + z["psf_width"]


def test_photons_are_the_counts(stamp):
    photons = list_counts(stamp.counts)
    image = np.zeros(stamp.shape)
    np.add.at(image, (photons.row, photons.column), photons.number)
    np.testing.assert_array_equal(image, stamp.counts)
    expected = -stats.poisson.logpmf(stamp.counts, 1.0).sum() - stamp.counts.size
    assert float(photons.log_factorials) == pytest.approx(expected)
    assert len(photons.number) == bucket(int(stamp.counts.sum())) == 256
    assert [bucket(n) for n in (0, 256, 257, 1024, 1025)] == [256, 256, 512, 1024, 2048]


@pytest.mark.slow
@pytest.mark.parametrize("place", [Z, Z | {"flux": -30.0}, Z | {"x_pos": 130.0}, Z | {"psf_width": -5.0}], ids=str)
def test_value_gradient_and_hessian_are_the_dense_ones(stamp, priors, place):
    data = Data.of(stamp)
    vector, names = jnp.array(list(place.values())), list(place)

    def sparse(v):
        return log_density(dict(zip(names, v, strict=True)), data, priors)

    def full(v):
        return dense(dict(zip(names, v, strict=True)), stamp, priors)

    assert float(sparse(vector)) == pytest.approx(float(full(vector)), rel=1e-12, abs=1e-10)
    np.testing.assert_allclose(jax.grad(sparse)(vector), jax.grad(full)(vector), rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(jax.hessian(sparse)(vector), jax.hessian(full)(vector), rtol=1e-8, atol=1e-6)


def test_value_is_scipys_on_a_real_stamp(real):
    stamp = real.stamp(232, 399)
    priors = Priors(x_pos=232.6, y_pos=399.3, flux=0.03, background=8e-6, psf_width=1.6)
    found = log_density({}, Data.of(stamp), priors)

    def interval(centre, mean):
        return np.diff(stats.norm.cdf([centre - 0.5, centre + 0.5], mean, 1.6), axis=0)[0]

    mean = stamp.exposure * (0.03 * interval(stamp.columns, 232.6) * interval(stamp.rows, 399.3) + 8e-6)
    expected = stats.poisson.logpmf(stamp.counts, mean)[stamp.exposure > 0].sum()
    assert float(found) == pytest.approx(expected, rel=1e-12, abs=1e-10)


def test_single_precision(stamp):
    """Rounding: some 100 logarithms of order 10 to 6e-8 each."""
    expected = float(dense(Z, stamp, unbounded(Priors.default(stamp))))
    with jax.enable_x64(False):
        found = float(log_density(Z, Data.of(stamp), unbounded(Priors.default(stamp))))
    assert found == pytest.approx(expected, abs=2e-3)


def test_a_psf_without_factors_takes_the_dense_mean(stamp):
    mean = jnp.asarray(stamp.exposure * 1e-4)
    image = PoissonImage(mean, jnp.asarray(stamp.exposure > 0))
    assert float(image.log_prob(list_counts(stamp.counts))) == pytest.approx(float(image.log_prob(stamp.counts)))


def test_no_photon_at_all(stamp, priors):
    empty = Observation(counts=0 * stamp.counts, exposure=stamp.exposure, origin=stamp.origin)
    value, gradient = jax.value_and_grad(lambda z: log_density(z, Data.of(empty), priors))(Z)
    assert float(value) == pytest.approx(float(dense(Z, empty, priors)), abs=1e-10)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))


def test_padding_changes_nothing(stamp, priors):
    short, long = (log_density(Z, Data.of(stamp, n), priors) for n in (256, 1024))
    assert float(short) == pytest.approx(float(long), rel=1e-14)


def test_a_bright_image_is_a_list_of_pixels(stamp, priors):
    bright = Observation(counts=100 * stamp.counts + (stamp.exposure > 0), exposure=stamp.exposure, origin=stamp.origin)
    data = Data.of(bright)
    assert isinstance(list_counts(stamp.counts), PhotonList)
    assert isinstance(data.photons, PixelList)
    assert len(data.photons.number) == stamp.counts.size
    vector, names = jnp.array(list(Z.values())), list(Z)
    sparse = jax.value_and_grad(lambda v: log_density(dict(zip(names, v, strict=True)), data, priors))
    full = jax.value_and_grad(lambda v: dense(dict(zip(names, v, strict=True)), bright, priors))
    (value, gradient), (expected, slope) = sparse(vector), full(vector)
    assert float(value) == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9)


def test_an_absurdly_bright_background_is_improbable(stamp, priors):
    """A product of eight means beyond 1e38 overflows; a sampler that comes by must not find an infinite likelihood."""
    z = Z | {"background": float(np.log(1e53))}
    value, gradient = jax.value_and_grad(lambda z: log_density(z, Data.of(stamp), priors))(z)
    assert float(value) == pytest.approx(-1e53 * stamp.exposure.sum(), rel=1e-9)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))
