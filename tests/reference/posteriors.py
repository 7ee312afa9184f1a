"""Reference posteriors of the point sources of Abell 1835, computed without pgm_mock.

Usage::

    python tests/reference/posteriors.py IMAGE EXPOSURE REGIONS > tests/reference/a1835_posteriors.json

IMAGE is a FITS image of counts, EXPOSURE the exposure map in seconds on the same pixels, and REGIONS a text file with
one circle ``x y radius`` a line, in FITS image pixels (the first pixel is centred on 1).

The model
    Around every region centre a stamp of 41 x 41 pixels is cut, with exposure 0 outside the image. The counts of the
    pixels with a positive exposure t_k are independent Poisson variables of mean mu_k = t_k (F P_k + b), where P_k is
    the integral over pixel k of a circular Gaussian with mean (x0, y0) and standard deviation sigma. The priors are

    ==========  =====================  =======================================
    parameter   prior                  meaning
    ==========  =====================  =======================================
    x_pos       Normal(x_region, 2)    x0, column, FITS image pixels
    y_pos       Normal(y_region, 2)    y0, row, FITS image pixels
    flux        LogNormal(-6.2146, 2)  F, counts/s
    background  LogNormal(-12, 2)      b, counts/s/pixel
    psf_width   LogNormal(0.405, 0.5)  sigma, pixels
    ==========  =====================  =======================================

The method
    The posterior is sampled in theta = (x0, y0, ln F, ln b, ln sigma), where all priors are normal, in two ways.

    1. Markov chains: an ensemble of walkers (emcee) that starts from a tempered posterior, hence spread over all the
       modes, and mixes differential evolution (with jumps between modes) with independence proposals from a kernel
       density estimate of the other half of the ensemble. ``emcee.moves.DESnookerMove`` is left out on purpose: in
       emcee 3.1.6 its direction is no unit vector (dfm/emcee pull request 531), so detailed balance does not hold.
    2. Self-normalised importance sampling: a mixture of multivariate t distributions is fitted to the chain, and
       refitted to a pilot run of weighted draws. Fresh draws from this mixture give the moments, the quantiles and the
       evidence with their standard errors. A fixed share of the draws comes from a widened copy of the mixture and from
       the prior, which keeps the weights in the tails and in modes that the mixture may lack small.

Modes outside the region
    The priors let the position leave the region, and a much brighter source elsewhere in the stamp may then outweigh
    the penalty of a position many prior standard deviations away. Local samplers do not notice. A search for maxima
    from starting points all over the stamp therefore precedes the sampling. Where the highest maximum is within 10
    pixels of the region centre in x and y (five prior standard deviations), there is one result. Where it is farther
    away, as for (251, 379), whose stamp has the bright source (232, 399) in its corner, the result describes the exact
    posterior, which sits there, and the additional entry ``near_region`` has the same numbers for the posterior
    restricted to these 10 pixels: its ln_evidence is the integral over this box (the prior is not normalised again),
    and its moments are what a sampler started at the region centre finds.

Why it is independent
    The script imports numpy, scipy, astropy and emcee only. It shares no line with the package: the pixel integrals,
    the likelihood, the priors, the stamps and both samplers are written here from the formulae above. The likelihood
    is checked against a sum of scipy's Poisson log-probabilities before it is used. With the seeds fixed, the output
    is the same at every run with the same library versions and one thread.

The output
    A JSON list with one object a source. In each parameter, mean, sd, q16, q50 and q84 come from importance sampling
    with the standard errors mean_se and sd_se. emcee_mean and emcee_sd come from the chains, with standard errors from
    batch means of the whole ensemble; emcee_ess = (emcee_sd / emcee_mean_se)^2 is the number of effectively independent
    samples, and emcee_tau the integrated autocorrelation time of a walker in steps.
    ln_evidence includes the constant -ln N! of every pixel. ``ess`` is (sum w)^2 / sum w^2 of the importance weights.
"""

import json
import sys

import emcee
import numpy as np
from astropy.io import fits
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp, ndtr
from scipy.stats import lognorm, multivariate_t, norm, poisson

NAMES = ("x_pos", "y_pos", "flux", "background", "psf_width")
HALF = 20  # half-width of a stamp: 2 * HALF + 1 pixels a side
POSITION_SD = 2.0
LOG_MEANS = (-6.2146, -12.0, 0.405)  # ln F, ln b, ln sigma
LOG_SDS = (2.0, 2.0, 0.5)
NDIM = len(NAMES)

SEED = 1835
REACH = 10.0  # pixels from the region centre, in x and in y, that count as near
SEARCH_REACH = 26.0  # pixels from the region centre in which maxima are searched
N_SEARCH = 60_000
SEARCH_CELLS = 8  # cells along x and y with one search each
LOG_GAP = 14.0  # difference of log-posterior beyond which the lower of a near and a far maximum is neglected
N_TEMPERED = 100_000  # prior draws behind the initial walkers
N_WALKERS = 200
N_BURN = 1_000
N_STEPS = 5_000
N_BATCHES = 50  # batches of steps behind the standard errors of the chain means
N_FIT = 20_000  # chain samples behind the first mixture
N_COMPONENTS = 12
T_DOF = 5.0
EM_STEPS = 60
N_PILOT = 200_000
N_DRAWS = 400_000
PRIOR_SHARE = 0.1
WIDE_SHARE = 0.2  # of the draws from the mixture
WIDE_FACTOR = 3.0  # ratio of the standard deviations
CHUNK = 1_000  # parameter vectors in one evaluation of the likelihood


def pixel_shares(pixels, mean, sigma):
    """Integrals of normal distributions over unit pixels.

    The differences are taken between tail probabilities, on whichever side they are small. A plain difference of two
    cdf values near 1 would lose the far upper tail, which a large flux makes count.

    Parameters
    ----------
    pixels : array, shape (p,)
        Successive pixel centres.
    mean, sigma : arrays, shape (n, 1)
        Means and standard deviations.

    Returns
    -------
    array, shape (n, p)
        Non-negative shares.
    """
    z = (np.append(pixels - 0.5, pixels[-1] + 0.5) - mean) / sigma
    tail, upper = ndtr(-np.abs(z)), z > 0
    across = upper[:, 1:] != upper[:, :-1]  # the mean lies in this pixel
    return np.where(across, 1 - tail[:, 1:] - tail[:, :-1], np.abs(np.diff(tail, axis=1)))


class Stamp:
    """Counts and exposure around one region, and the log-densities of its parameters.

    Parameters
    ----------
    image, exposure : 2-D arrays of the same shape
        Counts, and exposure in seconds; the first axis is y.
    x, y : float
        Region centre in FITS image pixels.
    reach : float
        The likelihood is set to 0 where x0 or y0 is farther than this from the region centre.
    """

    def __init__(self, image, exposure, x, y, reach=np.inf):
        self.x, self.y, self.reach = x, y, reach
        self.columns = int(np.floor(x + 0.5)) + np.arange(-HALF, HALF + 1)  # FITS pixel numbers
        self.rows = int(np.floor(y + 0.5)) + np.arange(-HALF, HALF + 1)
        row, column = np.meshgrid(self.rows - 1, self.columns - 1, indexing="ij")
        inside = (row >= 0) & (row < image.shape[0]) & (column >= 0) & (column < image.shape[1])
        self.counts = np.zeros(row.shape)
        self.exposure = np.zeros(row.shape)
        self.counts[inside] = image[row[inside], column[inside]]
        self.exposure[inside] = exposure[row[inside], column[inside]]
        self.used = self.exposure > 0

        self.hit_row, self.hit_column = np.nonzero(self.used & (self.counts > 0))
        self.hit_counts = self.counts[self.hit_row, self.hit_column]
        self.total_exposure = self.exposure[self.used].sum()
        self.live_exposure = np.where(self.used, self.exposure, 0.0)
        hit_exposure = self.exposure[self.hit_row, self.hit_column]
        self.constant = np.sum(self.hit_counts * np.log(hit_exposure) - gammaln(self.hit_counts + 1))
        counts = self.counts[self.used]
        self.saturated = poisson.logpmf(counts, counts).sum()  # no rates are more likely than mu_k = N_k
        self.prior_mean = np.array([x, y, *LOG_MEANS])
        self.prior_sd = np.array([POSITION_SD, POSITION_SD, *LOG_SDS])

    def log_likelihood(self, theta):
        """Poisson log-likelihood, including -ln N!, of each row of theta."""
        result = np.empty(len(theta))
        for start in range(0, len(theta), CHUNK):
            part = slice(start, start + CHUNK)
            x0, y0, log_flux, log_background, log_sigma = theta[part].T[:, :, None]
            with np.errstate(all="ignore"):
                flux, background, sigma = np.exp(log_flux), np.exp(log_background), np.exp(log_sigma)
                in_x = pixel_shares(self.columns, x0, sigma)
                in_y = pixel_shares(self.rows, y0, sigma)
                rate = flux * in_x[:, self.hit_column] * in_y[:, self.hit_row] + background
                seen = np.sum((in_y @ self.live_exposure) * in_x, axis=1)
                expected = flux[:, 0] * seen + background[:, 0] * self.total_exposure
                result[part] = np.log(rate) @ self.hit_counts + self.constant - expected
        if np.nanmax(result) > self.saturated:
            raise ArithmeticError("a log-likelihood exceeds that of the saturated model")
        near = np.all(np.abs(theta[:, :2] - self.prior_mean[:2]) <= self.reach, axis=1)
        return np.where(np.isfinite(result) & near, result, -np.inf)

    def log_likelihood_slow(self, theta):
        """Evaluate the same quantity pixel by pixel for one vector theta, with scipy's Poisson distribution."""
        x0, y0, flux, background, sigma = self.natural(theta[None])[0]
        in_x = norm.cdf(self.columns + 0.5, x0, sigma) - norm.cdf(self.columns - 0.5, x0, sigma)
        in_y = norm.cdf(self.rows + 0.5, y0, sigma) - norm.cdf(self.rows - 0.5, y0, sigma)
        mean = self.exposure * (flux * np.outer(in_y, in_x) + background)
        return poisson.logpmf(self.counts[self.used], mean[self.used]).sum()

    def log_prior(self, theta):
        """Log-density of the prior, with respect to theta, of each row of theta."""
        z = (theta - self.prior_mean) / self.prior_sd
        return -0.5 * np.sum(z**2, axis=1) - np.sum(np.log(self.prior_sd)) - 0.5 * NDIM * np.log(2 * np.pi)

    def log_posterior(self, theta):
        """Unnormalised log-posterior of each row of theta."""
        return self.log_prior(theta) + self.log_likelihood(theta)

    def draw_prior(self, size, rng):
        """Draws of theta from the prior."""
        return self.prior_mean + self.prior_sd * rng.standard_normal((size, NDIM))

    @staticmethod
    def natural(theta):
        """Translate rows of theta to the parameters NAMES."""
        return np.concatenate([theta[:, :2], np.exp(theta[:, 2:])], axis=1)


class Mixture:
    """A mixture of multivariate t distributions, fitted to weighted points by expectation maximisation."""

    def __init__(self, points, weights, rng):
        weights = weights / weights.sum()
        centred = points - np.average(points, axis=0, weights=weights)
        scale = np.sqrt(np.average(centred**2, axis=0, weights=weights))
        centres = [points[rng.choice(len(points), p=weights)]]
        for _ in range(N_COMPONENTS - 1):  # spread the first centres over the points
            distance = np.min([np.sum(((points - c) / scale) ** 2, axis=1) for c in centres], axis=0)
            chance = weights * distance
            centres.append(points[rng.choice(len(points), p=chance / chance.sum())])
        self.share = np.full(N_COMPONENTS, 1 / N_COMPONENTS)
        self.mean = np.array(centres)
        self.shape = np.array([np.diag((0.5 * scale) ** 2)] * N_COMPONENTS)
        self.floor = np.diag((0.03 * scale) ** 2)
        self.fit(points, weights, EM_STEPS)

    def fit(self, points, weights, steps):
        """Improve the mixture by some steps of expectation maximisation."""
        weights = weights / weights.sum()
        for _ in range(steps):
            log_density, squared = self.components(points)
            log_density += np.log(self.share)
            duty = weights[:, None] * np.exp(log_density - logsumexp(log_density, axis=1, keepdims=True))
            pull = duty * (T_DOF + NDIM) / (T_DOF + squared)
            self.share = np.maximum(duty.sum(axis=0), 1e-3)
            self.share /= self.share.sum()
            for k in range(N_COMPONENTS):
                if duty[:, k].sum() > 1e-6:
                    self.mean[k] = np.average(points, axis=0, weights=pull[:, k])
                    offset = points - self.mean[k]
                    spread = (offset * pull[:, k, None]).T @ offset / duty[:, k].sum()
                    self.shape[k] = spread + self.floor

    def widen(self):
        """Give a part of every component's share to a copy with a larger spread."""
        self.share = np.concatenate([(1 - WIDE_SHARE) * self.share, WIDE_SHARE * self.share])
        self.mean = np.concatenate([self.mean, self.mean])
        self.shape = np.concatenate([self.shape, WIDE_FACTOR**2 * self.shape])

    def components(self, points):
        """Log-densities and squared scaled distances of the points (rows) in the components (columns)."""
        log_density = np.empty((len(points), len(self.share)))
        squared = np.empty((len(points), len(self.share)))
        constant = gammaln((T_DOF + NDIM) / 2) - gammaln(T_DOF / 2) - NDIM / 2 * np.log(T_DOF * np.pi)
        for k in range(len(self.share)):
            root = np.linalg.cholesky(self.shape[k])
            squared[:, k] = np.sum(((points - self.mean[k]) @ np.linalg.inv(root).T) ** 2, axis=1)
            log_density[:, k] = constant - np.sum(np.log(np.diag(root)))
        log_density -= (T_DOF + NDIM) / 2 * np.log1p(squared / T_DOF)
        return log_density, squared

    def log_density(self, points):
        """Log-density of the mixture."""
        return logsumexp(self.components(points)[0] + np.log(self.share), axis=1)

    def draw(self, size, rng):
        """Draws from the mixture."""
        parts = []
        for k, number in enumerate(rng.multinomial(size, self.share)):
            normal = rng.standard_normal((number, NDIM)) @ np.linalg.cholesky(self.shape[k]).T
            parts.append(self.mean[k] + normal * np.sqrt(T_DOF / rng.chisquare(T_DOF, number))[:, None])
        return np.concatenate(parts)


def check_likelihood(stamp, rng):
    """Compare the fast log-likelihood, the prior and the t density with scipy's at random points."""
    theta = stamp.draw_prior(20, rng)
    slow = [stamp.log_likelihood_slow(row) for row in theta]
    np.testing.assert_allclose(stamp.log_likelihood(theta), slow, rtol=1e-9, atol=1e-6)
    natural = stamp.natural(theta)
    density = norm.logpdf(natural[:, :2], [stamp.x, stamp.y], POSITION_SD).sum(axis=1)
    density += (lognorm.logpdf(natural[:, 2:], LOG_SDS, scale=np.exp(LOG_MEANS)) + theta[:, 2:]).sum(axis=1)
    np.testing.assert_allclose(stamp.log_prior(theta), density, rtol=1e-9)
    mixture = Mixture(theta, np.ones(len(theta)), rng)
    expected = multivariate_t.logpdf(theta, mixture.mean[0], mixture.shape[0], df=T_DOF)
    np.testing.assert_allclose(mixture.components(theta)[0][:, 0], expected, rtol=1e-9)


def find_maxima(stamp, rng):
    """Maxima of the posterior in and around the stamp.

    Random points are drawn uniformly over position, ln F and ln sigma, with a background that the stamp allows, and the
    best point of every cell of a grid of positions is the start of a Nelder-Mead search.

    Returns
    -------
    near, far : tuples (float, array)
        The highest log-posterior, and its theta, within REACH of the region centre and beyond.
    """
    centre = stamp.prior_mean[:2]
    theta = np.empty((N_SEARCH, NDIM))
    theta[:, :2] = centre + rng.uniform(-SEARCH_REACH, SEARCH_REACH, (N_SEARCH, 2))
    theta[:, 2] = rng.uniform(-10, -2, N_SEARCH)
    theta[:, 3] = np.log(stamp.counts[stamp.used].sum() / stamp.total_exposure) + rng.uniform(-1, 0.2, N_SEARCH)
    theta[:, 4] = rng.uniform(-1, 3, N_SEARCH)
    height = stamp.log_posterior(theta)
    column, row = np.floor((theta[:, :2] - centre + SEARCH_REACH) * (SEARCH_CELLS / 2 / SEARCH_REACH)).T
    cell = column * SEARCH_CELLS + row
    near = far = (-np.inf, None)
    for number in np.unique(cell):
        members = np.flatnonzero(cell == number)
        start = theta[members[np.argmax(height[members])]]
        options = {"maxfev": 1500, "xatol": 1e-3, "fatol": 1e-3}
        found = minimize(
            lambda t: -max(stamp.log_posterior(t[None])[0], -1e10), start, method="Nelder-Mead", options=options
        )
        if np.all(np.abs(found.x[:2] - centre) <= REACH):
            near = max(near, (-found.fun, found.x), key=lambda item: item[0])
        else:
            far = max(far, (-found.fun, found.x), key=lambda item: item[0])
    return near, far


def starting_points(stamp, rng):
    """Walkers from a tempered posterior: prior draws, resampled with the likelihood to a power below or equal to 1."""
    theta = stamp.draw_prior(N_TEMPERED, rng)
    log_likelihood = stamp.log_likelihood(theta)
    log_likelihood -= log_likelihood.max()
    power = 1.0
    while True:
        weights = np.exp(power * log_likelihood)
        if weights.sum() ** 2 / np.sum(weights**2) > 4 * N_WALKERS:
            break
        power *= 0.8
    return theta[rng.choice(len(theta), N_WALKERS, replace=False, p=weights / weights.sum())]


def run_chains(stamp, rng, maximum=None):
    """Sample the posterior with emcee; return samples of theta, shape (step, walker, parameter).

    The walkers start around the maximum where one is given, and from starting_points where not.
    """
    moves = [
        (emcee.moves.DEMove(sigma=0.05), 0.5),
        (emcee.moves.DEMove(sigma=0.01, gamma0=1.0), 0.1),
        (emcee.moves.KDEMove(), 0.4),
    ]
    sampler = emcee.EnsembleSampler(N_WALKERS, NDIM, stamp.log_posterior, moves=moves, vectorize=True)
    sampler.random_state = np.random.RandomState(rng.integers(2**31)).get_state()
    around = 0.2 * rng.standard_normal((N_WALKERS, NDIM))
    start = starting_points(stamp, rng) if maximum is None else maximum + around
    state = sampler.run_mcmc(start, N_BURN)
    sampler.reset()
    sampler.run_mcmc(state, N_STEPS)
    return sampler.get_chain()


def importance_run(stamp, mixture, size, rng):
    """Draw from the mixture with a share of the prior; return the draws and their log-weights."""
    from_prior = round(PRIOR_SHARE * size)
    theta = np.concatenate([mixture.draw(size - from_prior, rng), stamp.draw_prior(from_prior, rng)])
    log_weights = np.empty(size)
    for start in range(0, size, 100_000):
        part = slice(start, start + 100_000)
        prior = stamp.log_prior(theta[part])
        proposal = np.logaddexp(np.log1p(-PRIOR_SHARE) + mixture.log_density(theta[part]), np.log(PRIOR_SHARE) + prior)
        log_weights[part] = prior + stamp.log_likelihood(theta[part]) - proposal
    return theta, log_weights


def weighted_summary(values, weights):
    """Mean, standard deviation, their standard errors, and quantiles of weighted values (weights sum to 1)."""
    mean = np.sum(weights * values)
    squared = (values - mean) ** 2
    variance = np.sum(weights * squared)
    sd = np.sqrt(variance)
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) - 0.5 * weights[order]
    q16, q50, q84 = np.interp([0.16, 0.5, 0.84], cumulative, values[order])
    return {
        "mean": mean,
        "mean_se": np.sqrt(np.sum(weights**2 * squared)),
        "sd": sd,
        "sd_se": np.sqrt(np.sum(weights**2 * (squared - variance) ** 2)) / (2 * sd),
        "q16": q16,
        "q50": q50,
        "q84": q84,
    }


def batch_error(values):
    """Standard error of the mean of a chain (step, walker), from the means of successive batches of steps."""
    return values.reshape(N_BATCHES, -1).mean(axis=1).std(ddof=1) / np.sqrt(N_BATCHES)


def analyse(stamp, rng, maximum=None):
    """Both computations for one source, as a dictionary."""
    chain = run_chains(stamp, rng, maximum)
    flat = chain.reshape(-1, NDIM)
    mixture = Mixture(flat[rng.choice(len(flat), N_FIT, replace=False)], np.ones(N_FIT), rng)
    theta, log_weights = importance_run(stamp, mixture, N_PILOT, rng)
    weights = np.exp(log_weights - log_weights.max())
    mixture.fit(theta[weights > 1e-8], weights[weights > 1e-8], EM_STEPS // 3)
    mixture.widen()

    theta, log_weights = importance_run(stamp, mixture, N_DRAWS, rng)
    log_evidence = logsumexp(log_weights) - np.log(N_DRAWS)
    weights = np.exp(log_weights - logsumexp(log_weights))
    ess = 1 / np.sum(weights**2)
    result = {
        "x": stamp.x,
        "y": stamp.y,
        "counts": int(stamp.counts[stamp.used].sum()),
        "pixels": int(stamp.used.sum()),
        "ln_evidence": log_evidence,
        "ln_evidence_se": np.sqrt(1 / ess - 1 / N_DRAWS),
        "ess": ess,
        "max_weight": weights.max(),
        "parameters": {},
    }
    natural, chain = stamp.natural(theta), stamp.natural(flat).reshape(chain.shape)
    tau = emcee.autocorr.integrated_time(chain, tol=0)
    for i, name in enumerate(NAMES):
        values = chain[:, :, i]
        mean, sd = values.mean(), values.std()
        mean_se = batch_error(values)
        result["parameters"][name] = weighted_summary(natural[:, i], weights) | {
            "emcee_mean": mean,
            "emcee_mean_se": mean_se,
            "emcee_sd": sd,
            "emcee_sd_se": batch_error((values - mean) ** 2) / (2 * sd),
            "emcee_tau": tau[i],
            "emcee_ess": (sd / mean_se) ** 2,
        }
    return result


def rounded(value, digits=7):
    """Round the floats of a nested structure to seven significant digits, measures of precision to three."""
    if isinstance(value, dict):
        precision = ("_se", "tau", "ess", "weight")
        return {key: rounded(item, 3 if key.endswith(precision) else 7) for key, item in value.items()}
    return value if isinstance(value, int) else float(f"{value:.{digits}g}")


def report(result):
    """One line about the precision and the agreement of the two computations."""
    parameters = result["parameters"].values()
    shift = max(abs(p["emcee_mean"] - p["mean"]) / p["sd"] for p in parameters)
    ratio = max(abs(p["emcee_sd"] / p["sd"] - 1) for p in parameters)
    z_mean, z_sd = (
        max(abs(p[f"emcee_{of}"] - p[of]) / np.hypot(p[f"{of}_se"], p[f"emcee_{of}_se"]) for p in parameters)
        for of in ("mean", "sd")
    )
    return (
        f"({result['x']:g}, {result['y']:g}): {result['counts']} counts, ln Z = {result['ln_evidence']:.4f} +- "
        f"{result['ln_evidence_se']:.4f}, ESS {result['ess']:.0f}, max weight {result['max_weight']:.1e}, "
        f"tau {max(p['emcee_tau'] for p in parameters):.1f}; emcee - importance: means {shift:.4f} sd "
        f"({z_mean:.1f} sigma), sds {ratio:.2%} ({z_sd:.1f} sigma); errors of the means "
        f"{max(p['mean_se'] / p['sd'] for p in parameters):.4f} sd, "
        f"of the sds {max(p['sd_se'] / p['sd'] for p in parameters):.2%}"
    )


def main(image_path, exposure_path, regions_path):
    """Analyse all regions and print the results as JSON; a line a source goes to the standard error."""
    image = fits.getdata(image_path, 0).astype(float)
    exposure = np.nan_to_num(fits.getdata(exposure_path, 0).astype(float))
    regions = np.loadtxt(regions_path, ndmin=2)
    results = []
    for number, (x, y, _radius) in enumerate(regions):
        rng = np.random.default_rng([SEED, number])
        stamp = Stamp(image, exposure, float(x), float(y))
        check_likelihood(stamp, rng)
        (near_height, _), (far_height, far_maximum) = find_maxima(stamp, rng)
        if abs(near_height - far_height) < LOG_GAP:
            raise NotImplementedError(f"({x:g}, {y:g}): a near and a far mode share the posterior")
        if near_height > far_height:
            result = analyse(stamp, rng)
        else:
            result = analyse(stamp, rng, far_maximum)
            result["near_region"] = analyse(Stamp(image, exposure, float(x), float(y), reach=REACH), rng)
            print(f"{number + 1}/{len(regions)} near {report(result['near_region'])}", file=sys.stderr, flush=True)
        print(f"{number + 1}/{len(regions)} {report(result)}", file=sys.stderr, flush=True)
        results.append(result)
    print("[\n" + ",\n".join(json.dumps(rounded(result)) for result in results) + "\n]")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python tests/reference/posteriors.py IMAGE EXPOSURE REGIONS > a1835_posteriors.json")
    main(*sys.argv[1:])
