# %% [markdown]
# # 3. Homework: the posterior, by brute force
#
# Bayes' theorem, $p(\theta | N) \propto p(N | \theta)\, p(\theta)$, can be computed as it stands: evaluate the
# right-hand side on a grid of parameters, and normalise. With one parameter that is easy, with two it is fine. With
# five?

# %%
import json
import time
import warnings

import jax
import matplotlib.pyplot as plt
import numpy as np
import numpyro.distributions as dist
from scipy import special, stats

import pgm_mock
from pgm_mock import course, plot

jax.config.update("jax_enable_x64", True)
pgm_mock.keep_compiled()  # on disk, for the next part
plt.rcParams["figure.dpi"] = 70

# None is a simulated field. For the real sky, "a1835": the folder that `pgm-mock fetch --out a1835` made.
DATA = None
files = course.data_files(DATA)
n = 12  # the row of your source, from part 1
regions = np.loadtxt(files.regions)
x_pos, y_pos, radius = regions[n]
stamp = pgm_mock.Observation.read(files.image, files.exposure).stamp(x_pos, y_pos, half_size=20)
small_im, small_ex, small_x, small_y = stamp.counts, stamp.exposure, stamp.x, stamp.y
truth = course.truth(n, files)

# %% [markdown]
# **Exercise 3.1.** Copy `expected_image` from part 2. (If you did not finish it: `pgm_mock.expected_counts(exptime, xs,
# ys, **pars)` gives the same.)

# %% tags=["exercise"]
def expected_image(exptime, xs, ys, pars):
    ### BEGIN SOLUTION: Exercise 3.1: copy your function from part 2.
    x_0, y_0, width = pars["x_pos"], pars["y_pos"], pars["psf_width"]
    across = stats.norm.cdf(xs + 0.5, x_0, width) - stats.norm.cdf(xs - 0.5, x_0, width)
    up = stats.norm.cdf(ys + 0.5, y_0, width) - stats.norm.cdf(ys - 0.5, y_0, width)
    return exptime * (pars["flux"] * across * up + pars["background"])
    ### END SOLUTION


# %% tags=["check"]
course.check_expected_image(expected_image)

# %% [markdown]
# ## The likelihood
#
# The **likelihood** $L(\theta) = p(N | \theta)$ is the probability of the data that you have, as a function of the
# parameters. It is no distribution of the parameters: it does not integrate to 1 over them. Given $\mu$ the pixels are
# independent, so their probabilities multiply (Cash 1979):
#
# $$L = \prod_k \frac{\mu_k^{N_k} e^{-\mu_k}}{N_k!}, \qquad
#   \ln L = \sum_k \left( N_k \ln \mu_k - \mu_k - \ln N_k! \right)$$
#
# Why logarithms? A double-precision number cannot be smaller than about $10^{-308}$. Look:

# %%
some = {"x_pos": x_pos, "y_pos": y_pos, "flux": 2e-3, "background": 5e-6, "psf_width": 1.5}
four_stamps = np.tile(stats.poisson.pmf(small_im, expected_image(small_ex, small_x, small_y, some)), (2, 2))
print(f"product of the probabilities of 400 pixels: {np.prod(four_stamps[:20, :20]):.3g}")
print(f"product of the probabilities of {small_im.size} pixels: {np.prod(four_stamps[:41, :41]):.3g}")
print(f"product of the probabilities of {four_stamps.size} pixels: {np.prod(four_stamps):.3g}")

# %% [markdown]
# **Exercise 3.2.** Write `log_likelihood(counts, exptime, xs, ys, pars)`, a sum over the pixels. Two things to think
# about: pixels without exposure ($\mu = N = 0$, so $p = 1$), and the term $\ln N!$: does it matter?

# %% tags=["exercise"]
def log_likelihood(counts, exptime, xs, ys, pars):
    ### BEGIN SOLUTION: Exercise 3.2: return the sum over all pixels of ln p(N | mu).
    mu = expected_image(exptime, xs, ys, pars)
    return np.sum(special.xlogy(counts, mu) - mu - special.gammaln(counts + 1))
    ### END SOLUTION


# %% tags=["check"]
course.check_log_likelihood(log_likelihood)

# %% [markdown] tags=["answer"]
# `xlogy` is 0 where the counts are 0. The term $\ln N!$ does not depend on the parameters: it drops out when the
# posterior is normalised.

# %% [markdown]
# ## 1. The flux alone
#
# *Forced photometry*: position, PSF width and background are known, only the flux is not. The background is the rate of
# the pixels outside the circles of all known sources, grown by half:

# %%
away = small_ex > 0
for x_c, y_c, r_c in regions:
    away &= np.hypot(small_x - x_c, small_y - y_c) > 1.5 * r_c
background = float(small_im[away].sum() / small_ex[away].sum())
fixed = {"x_pos": x_pos, "y_pos": y_pos, "background": background, "psf_width": 1.5}
circle = np.hypot(small_x - x_pos, small_y - y_pos) < radius
net = small_im[circle].sum() - background * small_ex[circle].sum()
top = float(f"{(net + 6 * np.sqrt(net + 9)) / small_ex[20, 20]:.2g}")
flux = np.linspace(0.0, top, 1000)
print(f"{small_im[away].sum()} counts in {away.sum()} pixels: b = {background:.3g} counts / s / pixel")
print(f"about {net:.0f} counts from the source; a grid of 1000 fluxes from 0 to {top} counts / s")

# %% [markdown]
# **Exercise 3.3.** Take a flat prior. Compute `posterior_1`, the posterior *density* of the flux on the grid: its
# integral is 1, $\sum_i p_i\, \Delta F = 1$. (Subtract the largest $\ln L$ before you take the exponential. Why is that
# allowed?)

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 3.3: set posterior_1 to the normalised density on the grid flux.
step = flux[1] - flux[0]
logs = np.array([log_likelihood(small_im, small_ex, small_x, small_y, {**fixed, "flux": f}) for f in flux])
posterior_1 = np.exp(logs - logs.max())
posterior_1 /= posterior_1.sum() * step
### END SOLUTION

# %% tags=["check"]
course.check_posterior(flux, posterior_1, (small_im, small_ex, small_x, small_y), fixed)

# %% [markdown]
# The answer is given as the *mode*, the most probable flux, and the 68 % *highest-density interval* (HDI).
# Of all sets of fluxes that hold 68 % of the probability, it is the shortest. On a grid: sort the points by their
# density, from the highest down, and take them until they hold 68 %.
#
# **Exercise 3.4.** Write `mode(grid, density)` and `hdi(grid, density, probability)`, which returns the two ends.

# %% tags=["exercise"]
def mode(grid, density):
    ### BEGIN SOLUTION: Exercise 3.4: return the value of the grid where the density is highest.
    return grid[np.argmax(density)]
    ### END SOLUTION


def hdi(grid, density, probability=0.68):
    ### BEGIN SOLUTION: Exercise 3.4: sort the points by density, and return the two ends of those that hold enough.
    order = np.argsort(density)[::-1]
    held = np.cumsum(density[order]) / density.sum()
    inside = grid[order[: np.searchsorted(held, probability) + 1]]
    return inside.min(), inside.max()
    ### END SOLUTION


# %% tags=["check"]
course.check_hdi(mode, hdi)

# %%
mode_1, hdi_1 = mode(flux, posterior_1), hdi(flux, posterior_1)
half = np.diff(hdi_1)[0] / 2
print(f"flux {mode_1:.6f} counts / s, 68 % between {hdi_1[0]:.6f} and {hdi_1[1]:.6f}")
print(f"half the interval is {half * small_ex[20, 20]:.1f} counts; the root of {net:.0f} is {np.sqrt(net):.1f}")
if truth:
    print(f"the truth, {truth['flux']:.6f}, is {(truth['flux'] - mode_1) / half:+.1f} sigma from the mode;", end=" ")
    print("of many sources one in three is more than 1 sigma off, and one in twenty more than 2")
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.plot(flux, posterior_1)
ax.fill_between(flux, posterior_1, where=(flux >= hdi_1[0]) & (flux <= hdi_1[1]), alpha=0.3, label="68 % HDI")
if truth:
    ax.axvline(truth["flux"], color="C3", label="truth")
ax.set(xlabel="flux F [counts / s]", ylabel="posterior density", ylim=(0, None))
ax.legend();

# %% [markdown]
# ## 2. Flux and width
#
# Nobody knows the PSF's width that well either. Suppose that a handbook says $\sigma = 1.0 \pm 0.3$ pixel: take that as
# a Gaussian prior, and see what the data make of it. The posterior is now a surface over flux and width; the *marginal*
# of the flux is its integral over the width.
#
# **Exercise 3.5.** Compute `posterior_2`, of shape (fluxes, widths), normalised over both, on these coarser axes; and
# `marginal_2`, the density of the flux alone. Measure the time that a point takes, `seconds_per_point`.

# %% tags=["exercise"]
coarse = flux[::5]
width = np.linspace(0.3, 2.4, 85)
### BEGIN SOLUTION: Exercise 3.5: set posterior_2, marginal_2 and seconds_per_point.
started = time.perf_counter()
logs = np.empty((coarse.size, width.size))
for i, f in enumerate(coarse):
    for j, sigma in enumerate(width):
        pars = {**fixed, "flux": f, "psf_width": sigma}
        logs[i, j] = log_likelihood(small_im, small_ex, small_x, small_y, pars) + stats.norm.logpdf(sigma, 1.0, 0.3)
seconds_per_point = (time.perf_counter() - started) / logs.size
posterior_2 = np.exp(logs - logs.max())
posterior_2 /= posterior_2.sum() * (coarse[1] - coarse[0]) * (width[1] - width[0])
marginal_2 = posterior_2.sum(axis=1) * (width[1] - width[0])
### END SOLUTION

# %% tags=["check"]
course.check_posterior_2d(coarse, width, posterior_2, marginal_2, (small_im, small_ex, small_x, small_y), fixed)

# %%
before = np.interp(coarse, flux, posterior_1)
mode_2, hdi_2 = mode(coarse, marginal_2), hdi(coarse, marginal_2)
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
axes[0].contourf(coarse, width, posterior_2.T, 12)
axes[0].set(xlabel="flux F [counts / s]", ylabel=r"PSF width $\sigma$ [pixel]")
axes[1].plot(coarse, before, label="width fixed at 1.5")
axes[1].plot(coarse, marginal_2, label="width marginalised")
axes[1].set(xlabel="flux F [counts / s]", ylabel="posterior density", ylim=(0, None))
if truth:
    axes[0].plot(truth["flux"], truth["psf_width"], "C3+", ms=12, mew=2)
    axes[1].axvline(truth["flux"], color="C3", label="truth")
axes[1].legend();

# %% [markdown]
# **Exercise 3.6.** What happened to the flux? Say it in numbers. Write `compare(grid, before, after)`, which returns
# two: `shift`, the mode of the second density minus that of the first, in units of *half the first 68 % interval*
# ("sigma"); and `widening`, the width of the second interval over that of the first. Is the change worth a sentence in
# a paper?

# %% tags=["exercise"]
def compare(grid, before, after):
    ### BEGIN SOLUTION: Exercise 3.6: return shift and widening.
    (low, high), (new_low, new_high) = hdi(grid, before), hdi(grid, after)
    shift = (mode(grid, after) - mode(grid, before)) / ((high - low) / 2)
    return shift, (new_high - new_low) / (high - low)
    ### END SOLUTION


# %% tags=["check"]
course.check_compare(compare)

# %%
shift, widening = compare(coarse, before, marginal_2)
print(f"the flux moved by {shift:+.2f} sigma, and its interval is {widening:.2f} times as wide")

# %% [markdown] tags=["answer"]
# Hardly: the change is a small part of sigma. With few background counts in its way the flux is nearly a count of
# photons, and a width only says how many of the outer ones belong to the source. A prior that is wrong by a lot of its
# width would change more.

# %% [markdown]
# ## 3. The curse of dimensionality
#
# Nothing is fixed now: five parameters. A grid with $m$ points along each of $d$ axes has $m^d$ points.
#
# **Exercise 3.7.** Write `memory(m, d)`, the bytes of such a grid of doubles, and `seconds(m, d, per_point)`, the time.

# %% tags=["exercise"]
def memory(m, d):
    ### BEGIN SOLUTION: Exercise 3.7: return the bytes of m points along each of d axes.
    return 8 * m**d
    ### END SOLUTION


def seconds(m, d, per_point):
    ### BEGIN SOLUTION: Exercise 3.7: return the time of all points.
    return per_point * m**d
    ### END SOLUTION


# %% tags=["check"]
course.check_cost(memory, seconds)

# %%
print(f"{'axes':>4} {'points':>8} {'memory':>12} {'your code':>12}   (100 points along each axis)")
for d in range(1, 6):
    days = seconds(100, d, seconds_per_point) / 86400
    print(f"{d:>4} {100**d:>8.0e} {memory(100, d) / 1e9:>9.2g} GB {days:>9.2g} days")

# %% [markdown]
# ## Check yourself with the package
#
# `grid_posterior` does the same, compiled, for any number of parameters. First your two answers:

# %%
flat = pgm_mock.Priors(**fixed, flux=dist.Uniform(0.0, top))
one = pgm_mock.grid_posterior(stamp, flat, flux=flux)
both = flat.replace(psf_width=dist.TruncatedNormal(1.0, 0.3, low=0.0))
two = pgm_mock.grid_posterior(stamp, both, flux=coarse, psf_width=width)
for told, mine, grid in (("flux alone", posterior_1, one), ("with the width", marginal_2, two)):
    its = pgm_mock.marginal(grid, "flux")
    low, high = pgm_mock.hdi(its, probability=0.68)[0]
    worst = np.abs(mine - its.values).max() / its.values.max()
    print(f"{told:>15}: mode {pgm_mock.mode(its)['flux']:.6f}, 68 % {low:.6f} to {high:.6f};", end=" ")
    print(f"differs from yours by {worst:.1e} of the peak")

# %% [markdown]
# Then all five, on ranges about the source. How many points do you need, and what do they cost? (Half a minute.)

# %%
priors = pgm_mock.Priors.default(stamp, x=x_pos, y=y_pos)
best = pgm_mock.best_fit(stamp, priors)
spread = {"x_pos": 2.0, "y_pos": 2.0, "flux": 0.7, "background": 0.5, "psf_width": 0.6}
ranges = {
    name: (best[name] - by, best[name] + by) if name.endswith("pos") else (best[name] * (1 - by), best[name] * (1 + by))
    for name, by in spread.items()
}


def five(points):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        axes = {key: np.linspace(*ends, points) for key, ends in ranges.items()}
        grid = pgm_mock.grid_posterior(stamp, priors, **axes)
    return grid, len(said)


print(f"{'per axis':>8} {'points':>12} {'seconds':>8}  mode and 68 % HDI of the flux")
for points in (5, 8, 12, 20, 30):
    five(points)  # compile
    started = time.perf_counter()
    grid, warned = five(points)
    took = time.perf_counter() - started
    marginal = pgm_mock.marginal(grid, "flux")
    low, high = pgm_mock.hdi(marginal, probability=0.68)[0]
    told = f"{pgm_mock.mode(marginal)['flux']:.5f}, {low:.5f} to {high:.5f}{' (too coarse)' if warned else ''}"
    print(f"{points:>8} {points**5:>12,} {took:>8.2f}  {told}")
for points in (100, 1000):
    print(f"{points:>8} {points**5:>12.0e} {took * (points / 30) ** 5 / 86400:>8.2g} days at this rate")

# %%
plot.plot_grid(grid);

# %% tags=["answers", "solution"]
low, high = pgm_mock.hdi(pgm_mock.marginal(grid, "flux"), probability=0.68)[0]
answers = {
    "source": [x_pos, y_pos],
    "background": background,
    "top": top,
    "forced": {"mode": mode_1, "hdi": list(hdi_1)},
    "flux and width": {"mode": mode_2, "hdi": list(hdi_2)},
    "ranges": {name: [float(end) for end in ends] for name, ends in ranges.items()},
    "all five": {"mode": pgm_mock.mode(pgm_mock.marginal(grid, "flux"))["flux"], "hdi": [low, high]},
}
print(json.dumps(answers, default=float))

# %% [markdown]
# Next: [the posterior by sampling](04_sampling.ipynb): go only where the probability is.
