# %% [markdown]
# # 4. The posterior by sampling
#
# A grid spends nearly all of its points where the posterior is nothing. A *sampler* goes where the probability is: it
# gives draws of the parameters, and any question about the posterior becomes a count of draws. You write the oldest
# one; then the package's samplers tell more: the evidence, an upper limit, whether there is a source at all.

# %%
import time

import arviz
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
field = pgm_mock.Observation.read(files.image, files.exposure)
stamp = field.stamp(x_pos, y_pos, half_size=20)
small_im, small_ex, small_x, small_y = stamp.counts, stamp.exposure, stamp.x, stamp.y
truth = course.truth(n, files)
priors = pgm_mock.Priors.default(stamp, x=x_pos, y=y_pos)
NAMES = ["x_pos", "y_pos", "flux", "background", "psf_width"]

# %% [markdown]
# ## A sampler of your own
#
# **Metropolis** (Metropolis et al. 1953): from the present point propose a step, drawn from a symmetric distribution.
# If the density is higher there, go. If not, go with the probability $p_\mathrm{new} / p_\mathrm{old}$, else stay; and
# staying counts as one more draw of the present point. The chain then visits each region as often as its probability
# says.
#
# **Exercise 4.1.** Write `metropolis(log_density, start, step, number, rng)`. `log_density` takes an array of the
# parameters and gives $\ln p$ up to a constant; propose from a Gaussian with the standard deviations `step`; return the
# `number` draws as an array of shape (number, parameters).

# %% tags=["exercise"]
def metropolis(log_density, start, step, number, rng):
    ### BEGIN SOLUTION: Exercise 4.1: return an array of number draws, made by steps that are accepted or rejected.
    point, height = np.array(start, dtype=float), log_density(start)
    draws = np.empty((number, point.size))
    for i in range(number):
        proposed = point + rng.normal(0.0, step)
        there = log_density(proposed)
        if np.log(rng.uniform()) < there - height:
            point, height = proposed, there
        draws[i] = point
    return draws
    ### END SOLUTION


# %% tags=["check"]
course.check_metropolis(metropolis)

# %% [markdown]
# **Exercise 4.2.** The target. Write `log_posterior(u)`, for `u` = (x, y, ln flux, ln background, ln width): prior plus
# likelihood. In logarithms no step can leave the positive numbers, and a log-normal prior is a Gaussian. The priors are
# those of part 2: position ± 2 pixels; ln(30 / t) ± 2, ln(0.1 / t) ± 1.5, ln 1.5 ± 0.5, with t the median exposure.
# Copy `expected_image` and `log_likelihood` from your homework.

# %% tags=["exercise"]
t = np.median(small_ex[small_ex > 0])
middles = np.array([x_pos, y_pos, np.log(30 / t), np.log(0.1 / t), np.log(1.5)])
widths = np.array([2.0, 2.0, 2.0, 1.5, 0.5])


### BEGIN SOLUTION: Exercise 4.2: copy expected_image and log_likelihood, and define log_posterior(u).
def expected_image(exptime, xs, ys, pars):
    x_0, y_0, width = pars["x_pos"], pars["y_pos"], pars["psf_width"]
    across = stats.norm.cdf(xs + 0.5, x_0, width) - stats.norm.cdf(xs - 0.5, x_0, width)
    up = stats.norm.cdf(ys + 0.5, y_0, width) - stats.norm.cdf(ys - 0.5, y_0, width)
    return exptime * (pars["flux"] * across * up + pars["background"])


def log_likelihood(counts, exptime, xs, ys, pars):
    mu = expected_image(exptime, xs, ys, pars)
    return np.sum(special.xlogy(counts, mu) - mu - special.gammaln(counts + 1))


def log_posterior(u):
    pars = dict(zip(NAMES, [u[0], u[1], *np.exp(u[2:])]))
    prior = -0.5 * np.sum(((u - middles) / widths) ** 2)
    return prior + log_likelihood(small_im, small_ex, small_x, small_y, pars)


### END SOLUTION

# %% tags=["check"]
course.check_log_posterior(log_posterior, (small_im, small_ex, small_x, small_y), middles, widths)

# %% [markdown]
# Ten thousand steps, of about the size of the posterior (a first guess of it is enough). Half a minute:

# %%
best = pgm_mock.best_fit(stamp, priors)
start = np.array([best["x_pos"], best["y_pos"], *np.log([best[name] for name in NAMES[2:]])])
step = np.array([0.12, 0.12, 0.08, 0.05, 0.06])
started = time.perf_counter()
chain = metropolis(log_posterior, start, step, 10_000, np.random.default_rng(1))
took = time.perf_counter() - started
mine = dict(zip(NAMES, [chain[:, 0], chain[:, 1], *np.exp(chain[:, 2:]).T]))
ess = float(arviz.ess(mine["flux"][None]))  # of shape (chains, draws)
print(f"{took:.0f} s; 10,000 draws of the flux are worth {ess:.0f} independent ones")
figure, axes = plt.subplots(5, 1, figsize=(9, 6.5), layout="constrained", sharex=True)
for ax, name in zip(axes, NAMES):
    ax.plot(mine[name], lw=0.4)
    ax.set_ylabel(name)
axes[-1].set_xlabel("step");

# %% [markdown]
# Neighbouring draws of a chain are alike: their *effective sample size* (ESS) is what counts. A chain whose trace
# wanders slowly has seen little, however long it is.
#
# ## The package's samplers
#
# **NUTS**, the No-U-Turn sampler (Hoffman & Gelman 2014), moves through the parameters like a ball on a hillside,
# guided by the gradient, and turns back before it comes round: few steps, hardly alike. Several chains from different
# starts must agree; *R-hat* compares the scatter between them with that within, and should be near 1 (Vehtari et al.
# 2021).
#
# **Importance sampling** draws from a simpler distribution $q$ that covers the posterior, and gives each draw the
# weight $w = p / q$. Draws are independent, and the mean of the weights is the *evidence* (below). It comes with a
# certificate, **k-hat**: the shape of the tail of the weights; up to 0.7 sums over them can be trusted (Vehtari et al.
# 2024). Its weakness is the dimension, as you will see.

# %%
fits = {}
for method in ("nuts", "importance"):
    pgm_mock.fit(stamp, priors, method=method, seed=1)  # compile
    started = time.perf_counter()
    fits[method] = pgm_mock.fit(stamp, priors, method=method, seed=1)
    print(f"{method:>10}: {time.perf_counter() - started:.2f} s; {pgm_mock.summarise(fits[method]).line()}")

# %%
print(f"{'':>10}  {'Metropolis':>21}  {'NUTS':>21}  {'importance':>21}" + (f"  {'truth':>9}" if truth else ""))
for name in NAMES:
    told = [mine[name], *(fit["posterior"][name].values for fit in fits.values())]
    columns = "  ".join(f"{draws.mean():>10.4g} ± {draws.std():<8.2g}" for draws in told)
    print(f"{name:>10}  {columns}" + (f"  {truth[name]:>9.4g}" if truth else ""))

# %%
# eti89: the central 89 %; mcse: the error of mean and sd, as the draws are of a finite number
arviz.summary(fits["nuts"], round_to="none").map("{:.4g}".format)

# %%
known = {name: value for name, value in (truth or {}).items() if name != "background"}
plot.plot_corner(fits["importance"], known);

# %% [markdown]
# On the simulated field the truth is marked. (Not that of the background: light of the cluster and of other sources
# comes on top of it, in the table above as well.) Flux and width rise together, a little: a wider source needs more
# light for the same core.

# %%
plot.plot_posterior_image(stamp, fits["importance"]);

# %% [markdown]
# ## Which method gets worse with dimension?
#
# All of them, and importance sampling badly. Let the posterior be a Gaussian of width 1 in each of $d$ dimensions, and
# $q$ one of width 1.3: hardly different. Each dimension multiplies a factor into the weight.
#
# **Exercise 4.3.** Write `effective_draws(weights)`, the number of equal draws that weighted ones are worth,
# $(\sum w)^2 / \sum w^2$.

# %% tags=["exercise"]
def effective_draws(weights):
    ### BEGIN SOLUTION: Exercise 4.3: return (sum of the weights) squared over the sum of their squares.
    return np.sum(weights) ** 2 / np.sum(np.square(weights))
    ### END SOLUTION


# %% tags=["check"]
course.check_effective_draws(effective_draws)

# %%
rng = np.random.default_rng(0)
print("dimensions   effective draws of 10,000")
for d in (1, 2, 5, 10, 20, 50, 100):
    z = 1.3 * rng.standard_normal((10_000, d))
    log_w = np.sum(stats.norm.logpdf(z) - stats.norm.logpdf(z, scale=1.3), axis=1)
    print(f"{d:>10}   {effective_draws(np.exp(log_w - log_w.max())):>8.0f}")

# %% [markdown]
# In five dimensions, with a good $q$, it is hard to beat. In a hundred NUTS is better: its cost grows slowly with the
# dimension.
#
# ## Is there a source?
#
# The **evidence** $Z = \int p(N | \theta)\, p(\theta)\, d\theta$ is how probable the data are under the whole model,
# priors included, before they are seen. The ratio of two models' evidences is the *Bayes factor*: by how much the data
# change the odds between them (Trotta 2008). It pays for freedom that was not needed: a wide prior lowers $Z$.
#
# (The next cells take a minute: they compile.) Three more numbers of the package, and what they do *not* depend on:
#
# - `ln_bayes_factor`: with a source against without. It depends on the priors.
# - `det_like`: $-\ln p$, where $p$ is the chance that noise alone gives a likelihood ratio as large as this one. It
#   uses the largest likelihoods with and without a source. The prior of the flux does not matter; the prior of the
#   position says where the source may be, and that of the width how wide.
# - `flux_ul95`: the 95 % upper limit of the flux of a source at exactly the place asked for, with a flat prior on
#   fluxes ≥ 0. It is defined whether there is a source or not (Kashyap et al. 2010). It is no quantile of the
#   posterior: the fitted source may sit a pixel further, where there is more light, and can then be brighter than the
#   limit.


# %%
def told(posterior):
    says = posterior.attrs
    low, middle, high = np.quantile(posterior["posterior"]["flux"], [0.16, 0.5, 0.84])
    print(f"   flux {middle:.5f} (68 %: {low:.5f} to {high:.5f}) counts / s; upper limit {says['flux_ul95']:.5f}")
    bayes = f"ln evidence {says['log_evidence']:.1f}, ln Bayes factor {says['ln_bayes_factor']:.1f}"
    print(f"   {bayes}, DET_LIKE {says['det_like']:.1f}")


places = {"yours": (x_pos, y_pos), "a bright one": (362, 474), "a faint one": (490, 406), "nothing known": (200, 200)}
found = {}
for name, (x, y) in places.items():
    there = field.stamp(x=x, y=y)
    found[name] = there, pgm_mock.fit(there, pgm_mock.Priors.default(there, x=x, y=y), seed=2)
    print(f"{name}, at ({x:g}, {y:g}): {there.counts.sum()} counts in the stamp")
    told(found[name][1])

# %%
figure, axes = plt.subplots(2, 4, figsize=(14, 6), layout="constrained")
for (name, (there, posterior)), (above, below) in zip(found.items(), axes.T):
    course.show(there.counts, there.x, there.y, ax=above, title=name, norm="asinh", vmin=0, vmax=30)
    draws = posterior["posterior"]["flux"].values.ravel()
    below.hist(np.log10(draws), bins=60, density=True, alpha=0.7)
    if posterior.attrs["ln_bayes_factor"] < 3:  # a limit says something where no source is sure
        below.axvline(np.log10(posterior.attrs["flux_ul95"]), color="C3", ls="--", label="95 % upper limit")
        below.legend(fontsize=8)
    below.set(xlabel="log10 flux [counts / s]", ylabel="density", yticks=[])
    below.locator_params(axis="x", nbins=4)

# %% [markdown]
# A bright source's flux is known to a few per cent, and its posterior is nearly a Gaussian. A faint one's is lopsided,
# with a tail towards nothing. Where nothing is, the posterior follows the prior downwards, to fluxes that no
# observation could tell from 0: only the upper limit says something about the sky there.
#
# **Exercise 4.4.** At the place where nothing is known, take a prior of the flux whose median is three times higher.
# The old one is `old = default.free["flux"]`, a log-normal with the mean `old.loc` and the deviation `old.scale` of the
# logarithm; set `higher` to the new one, with `dist.LogNormal`. Before you run the cells: which numbers will change?

# %% tags=["exercise"]
there, before = found["nothing known"]
default = pgm_mock.Priors.default(there, x=200, y=200)
old = default.free["flux"]
### BEGIN SOLUTION: Exercise 4.4: set higher to a log-normal of the same scale whose median is three times that of old.
higher = dist.LogNormal(old.loc + np.log(3.0), old.scale)
### END SOLUTION

# %% tags=["check"]
ratio, same = np.exp(higher.loc - old.loc), np.isclose(higher.scale, old.scale)
assert same and np.isclose(ratio, 3.0), f"Not yet: the median is {ratio:.3g} times the old one; add a logarithm to loc."
after = pgm_mock.fit(there, default.replace(flux=higher), seed=2)
for name, posterior in (("before", before), ("after", after)):
    print(name)
    told(posterior)

# %% [markdown] tags=["answer"]
# The posterior of the flux and the evidence move with the prior; without a source in the data the evidence falls,
# because the prior now promises more. The limit does not use the prior of the flux. DET_LIKE compares likelihoods
# alone.

# %% [markdown]
# Next: [does the inference recover what the model makes?](05_calibration.ipynb)
