"""Inferences that are broken on purpose: what a calibration has to see."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from pgm_mock import GaussianPSF, Observation, Priors, StampPosterior
from pgm_mock.counts import PoissonImage
from pgm_mock.inference.many import iter_posteriors
from pgm_mock.inference.posterior import FAILED

Stamps, AllPriors = Iterable[Observation], Iterable[Priors]


@jax.tree_util.register_static
@dataclass(frozen=True)
class AtCentres(GaussianPSF):
    """The Gaussian at each pixel's centre instead of its integral over the pixel."""

    def profiles(self, x, y, x_pos, y_pos, psf_width):
        def density(offset):
            return jnp.exp(-0.5 * (offset / psf_width) ** 2) / (jnp.sqrt(2 * jnp.pi) * psf_width)

        return density(jnp.asarray(x) - x_pos), density(jnp.asarray(y) - y_pos)


@jax.tree_util.register_static
@dataclass(frozen=True)
class WithoutTotal(GaussianPSF):
    """The same PSF under another name, so that the broken likelihood is compiled anew."""


def changed(change: Callable[[Observation], Observation]) -> Callable[[Stamps, AllPriors], Iterator[StampPosterior]]:
    """Infer from stamps that were misread."""
    return lambda stamps, priors: iter_posteriors(map(change, stamps), priors, method="importance")


def exposure_ignored(stamp: Observation) -> Observation:
    return dataclasses.replace(stamp, exposure=np.where(stamp.exposure > 0, stamp.exposure.max(), 0.0))


def swapped(stamp: Observation) -> Observation:
    """Counts and exposure with x and y exchanged; the coordinates stay."""
    return dataclasses.replace(stamp, counts=stamp.counts.T, exposure=stamp.exposure.T)


def off_by_one(stamp: Observation) -> Observation:
    return dataclasses.replace(stamp, origin=(stamp.origin[0] + 1, stamp.origin[1]))


def wrong_units(stamps: Stamps, priors: AllPriors) -> Iterator[StampPosterior]:
    """A flux prior for counts per kilosecond."""

    def other(one: Priors) -> Priors:
        return one.replace(flux=dist.LogNormal(one["flux"].loc + jnp.log(1000.0), one["flux"].scale))

    return iter_posteriors(stamps, map(other, priors), method="importance")


def without_total(stamps: Stamps, priors: AllPriors) -> Iterator[StampPosterior]:
    """The likelihood without the sum of the expected counts."""
    sound = PoissonImage._log_prob_of_list

    def broken(self, listed):
        return sound(self, listed) + self.light.total()

    PoissonImage._log_prob_of_list = broken
    try:
        yield from iter_posteriors(stamps, (one.with_psf(WithoutTotal()) for one in priors), method="importance")
    finally:
        PoissonImage._log_prob_of_list = sound


def too_narrow(stamps: Stamps, priors: AllPriors) -> Iterator[StampPosterior]:
    """Every posterior 10 % narrower than it should be."""
    for posterior in iter_posteriors(stamps, priors, method="importance"):
        weights = np.exp(posterior.weighted["log_weight"])
        narrow = {}
        for name, values in posterior.weighted.items():
            mean = np.sum(weights * values)
            narrow[name] = values if name == "log_weight" else mean + 0.9 * (values - mean)
        yield dataclasses.replace(posterior, weighted=narrow)


def prior_returned(stamps: Stamps, priors: AllPriors) -> Iterator[StampPosterior]:
    """Draws from the prior, whatever the data."""
    for number, (stamp, one) in enumerate(zip(stamps, priors, strict=True)):
        keys = jax.random.split(jax.random.key(number), len(one))
        draws = {
            name: np.asarray(prior.sample(key, (1, 1000))) for key, (name, prior) in zip(keys, one.items(), strict=True)
        }
        yield StampPosterior(stamp, one, "prior", draws, {}, {}, {}, {}, ())


def some_fail(stamps: Stamps, priors: AllPriors) -> Iterator[StampPosterior]:
    """Sound, but one in twenty posteriors is not there."""
    for number, posterior in enumerate(iter_posteriors(stamps, priors, method="importance")):
        if number % 20:
            yield posterior
        else:
            nothing = {name: np.full((1, 1), np.nan) for name in posterior.draws}
            yield dataclasses.replace(posterior, method=FAILED, draws=nothing, weighted={}, problems=("none",))


def at_centres(stamps: Stamps, priors: AllPriors) -> Iterator[StampPosterior]:
    """The PSF sampled at pixel centres."""
    return iter_posteriors(stamps, (one.with_psf(AtCentres()) for one in priors), method="importance")


BROKEN = {
    "PSF sampled at pixel centres": at_centres,
    "exposure ignored": changed(exposure_ignored),
    "x and y swapped": changed(swapped),
    "off by one in the origin": changed(off_by_one),
    "flux prior in wrong units": wrong_units,
    "likelihood without its total": without_total,
    "posterior 10 % too narrow": too_narrow,
    "prior returned as posterior": prior_returned,
    "one posterior in 20 missing": some_fail,
}
