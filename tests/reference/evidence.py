"""ln evidence of a stamp with several sources on a background that grows, computed without pgm_mock.

The model
    The counts of the pixels with a positive exposure t are independent Poisson variables of mean
    t (sum_j F_j P_j + b exp(gx (x - mean x) + gy (y - mean y))), where P_j is a King profile
    (1 + r² / core²)^-slope, integrated over the pixel. x_j and y_j are normal about the place asked for, with a
    standard deviation of 2 pixels, and cut off at a reach; ln F_j ~ N(ln(30 / T), 2), ln b ~ N(ln(0.1 / T), 1.5) with
    T the median positive exposure, ln core ~ N(ln typical, 0.3), gx and gy ~ N(0, 0.05). The model without a source is
    the same with one source fewer.

The method
    A King profile is a mixture of Gaussians over the logarithm of their inverse variance. The trapezium rule with a
    step of 0.6 is right to 2e-6 of the profile within 60 pixels, for cores from half a pixel and slopes near 1.4.
    Each parameter is a standard normal number z. A mixture of t distributions goes from the prior to the posterior:
    in each round it is fitted to draws from the last one, weighted by prior times likelihood^beta, and beta rises as
    far as the effective number of draws allows. No mode is searched for. The evidence is the mean weight of fresh
    draws from the last mixture, a fifth of which are from copies of it that are twice as wide.

Why it is independent
    It imports numpy and scipy only, and shares no line with the package.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp, ndtr, ndtri

POSITION_SD, STEP = 2.0, 0.6
DOF, COMPONENTS, EM_STEPS = 5.0, 6, 8
PER_ROUND, LEAST_ESS, LAST_ROUNDS = 20_000, 1500.0, 5
WIDE_SHARE, WIDE = 0.2, 2.0
CHUNK = 500


class Scene(NamedTuple):
    """Counts and exposure, both (ny, nx), the centre of whose first pixel is at `first`; and the PSF's numbers."""

    counts: np.ndarray
    exposure: np.ndarray
    first: tuple[float, float]
    core: float
    slope: float

    def log_likelihood(self, z, sources):
        """Log-likelihood of each row of z: core, background, gx, gy, and (x, y, flux) of each (x, y, reach)."""
        return np.concatenate([self._chunk(z[start : start + CHUNK], sources) for start in range(0, len(z), CHUNK)])

    def means(self, z, sources):
        """Expected counts of each row of z, shape (n, ny, nx)."""
        offsets = [np.arange(size) - 0.5 * (size - 1) for size in self.counts.shape[::-1]]
        typical = np.median(self.exposure[self.exposure > 0])
        grown = [np.exp(0.05 * z[:, 2 + axis, None] * offsets[axis]) for axis in (0, 1)]
        sky = 0.1 / typical * np.exp(1.5 * z[:, 1, None]) * grown[0]
        light = grown[1][:, :, None] * sky[:, None, :]
        log_s = np.arange(-17.5, 3.0, STEP)
        share = STEP * np.exp((self.slope - 1) * log_s - np.exp(log_s) - gammaln(self.slope - 1))
        sigma = self.core * np.exp(0.3 * z[:, 0, None, None]) * np.sqrt(0.5 * np.exp(-log_s))[:, None]
        for number, (x, y, reach) in enumerate(sources):
            own = z[:, 4 + 3 * number : 7 + 3 * number]
            flux = 30.0 / typical * np.exp(2.0 * own[:, 2])
            profiles = []
            for axis, place in enumerate((x, y)):
                outside = ndtr(-reach / POSITION_SD)
                centre = place + POSITION_SD * ndtri(outside + (1 - 2 * outside) * ndtr(own[:, axis]))
                edges = self.first[axis] - 0.5 + np.arange(self.counts.shape[1 - axis] + 1)
                profiles.append(np.diff(ndtr((edges - centre[:, None, None]) / sigma)))
            light += np.matmul(profiles[1].swapaxes(1, 2), profiles[0] * share[:, None] * flux[:, None, None])
        return self.exposure * light

    def _chunk(self, z, sources):
        used = self.exposure > 0
        counts, mean = self.counts[used], self.means(z, sources)[:, used]
        hit = counts > 0
        return np.log(mean[:, hit]) @ counts[hit] - mean.sum(axis=1) - gammaln(counts + 1).sum()


class Mixture(NamedTuple):
    """Multivariate t distributions: shares (k,), locations (k, d), Cholesky factors of their shapes (k, d, d)."""

    share: np.ndarray
    location: np.ndarray
    factor: np.ndarray

    def draw(self, number, rng):
        """Draws, shape (number, d)."""
        which = rng.choice(len(self.share), number, p=self.share)
        stretch = np.sqrt(DOF / rng.chisquare(DOF, number))
        normal = rng.standard_normal((number, self.location.shape[1]))
        return self.location[which] + stretch[:, None] * np.einsum("nij,nj->ni", self.factor[which], normal)

    def each(self, z):
        """Log-density times share, and squared scaled distance, of each z in each member, shape (n, k)."""
        d = z.shape[1]
        constant = gammaln((DOF + d) / 2) - gammaln(DOF / 2) - d / 2 * np.log(DOF * np.pi)
        pairs = zip(self.location, self.factor, strict=True)
        squared = np.stack([np.sum(np.linalg.solve(factor, (z - at).T) ** 2, axis=0) for at, factor in pairs], axis=1)
        log_volume = np.log(np.diagonal(self.factor, axis1=1, axis2=2)).sum(axis=1)
        return np.log(self.share) + constant - log_volume - (DOF + d) / 2 * np.log1p(squared / DOF), squared

    def log_density(self, z):
        """Log-density of each z."""
        return logsumexp(self.each(z)[0], axis=1)

    def fitted(self, z, weights):
        """Return the mixture after some steps of expectation maximisation from this one."""
        floor = 1e-4 * np.cov(z.T, aweights=weights)
        now = self
        for _ in range(EM_STEPS):
            log_density, squared = now.each(z)
            duty = weights[:, None] * np.exp(log_density - logsumexp(log_density, axis=1, keepdims=True))
            pull = duty * (DOF + z.shape[1]) / (DOF + squared) + 1e-300
            share = np.maximum(duty.sum(axis=0), 1e-3)
            location = (pull.T @ z) / pull.sum(axis=0)[:, None]
            off = z - location[:, None]
            shape = np.einsum("nk,kni,knj->kij", pull, off, off, optimize=True) / share[:, None, None] + floor
            now = Mixture(share / share.sum(), location, np.linalg.cholesky(shape))
        return now

    def widened(self):
        """Return it with copies that are wider."""
        share = np.concatenate([(1 - WIDE_SHARE) * self.share, WIDE_SHARE * self.share])
        return Mixture(share, np.tile(self.location, (2, 1)), np.concatenate([self.factor, WIDE * self.factor]))


def about(z, weights, rng):
    """Return a first mixture: members at a few of the weighted draws, each as wide as all of them."""
    factor = np.linalg.cholesky(np.cov(z.T, aweights=weights))
    location = z[rng.choice(len(z), COMPONENTS, p=weights)]
    return Mixture(np.full(COMPONENTS, 1 / COMPONENTS), location, np.tile(0.7 * factor, (COMPONENTS, 1, 1)))


def normalised(log_weights):
    """Weights that add up to 1, and their effective number."""
    weights = np.exp(log_weights - logsumexp(log_weights))
    return weights, 1 / np.sum(weights**2)


def log_evidence(scene, sources, draws, rng):
    """Return ln of the integral of prior times likelihood, its standard error, and the effective number of draws."""
    d = 4 + 3 * len(sources)
    proposal, beta, last = Mixture(np.ones(1), np.zeros((1, d)), np.eye(d)[None]), 0.0, 0
    while last < LAST_ROUNDS:
        z = proposal.draw(PER_ROUND, rng)
        ratio, log_likelihood = log_prior(z) - proposal.log_density(z), scene.log_likelihood(z, sources)
        powers = np.geomspace(max(beta, 1e-8), 1.0, 100)
        beta = max((p for p in powers if normalised(p * log_likelihood + ratio)[1] > LEAST_ESS), default=beta)
        weights, _ = normalised(beta * log_likelihood + ratio)
        mixture = (mixture if last else about(z, weights, rng)).fitted(z, weights)
        last += beta == 1
        proposal = mixture.widened()
    z = proposal.draw(draws, rng)
    log_weights = scene.log_likelihood(z, sources) + log_prior(z) - proposal.log_density(z)
    ess = normalised(log_weights)[1]
    return logsumexp(log_weights) - np.log(draws), np.sqrt(1 / ess - 1 / draws), ess


def log_prior(z):
    """Log-density of standard normal numbers."""
    return -0.5 * np.sum(z**2, axis=1) - 0.5 * z.shape[1] * np.log(2 * np.pi)
