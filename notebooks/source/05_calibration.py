# %% [markdown]
# # 5. Is the inference right?
#
# You have a posterior. Is it the right one? On the real sky nobody knows the truth. But the model can make data whose
# truth is known: draw parameters from the prior, simulate, infer, and look where the truth lies. That is *calibration*,
# and it needs no sky at all.

# %%
import dataclasses

import arviz
import jax
import matplotlib.pyplot as plt
import numpy as np
import numpyro.distributions as dist
from scipy import stats

import pgm_mock
from pgm_mock import course, plot

jax.config.update("jax_enable_x64", True)
pgm_mock.keep_compiled()  # on disk, for the next part
plt.rcParams["figure.dpi"] = 70

# None is a simulated field. For the real sky, "a1835": the folder that `pgm-mock fetch --out a1835` made.
DATA = None
files = course.data_files(DATA)
n = 12  # the row of your source, from part 1
x_pos, y_pos, radius = np.loadtxt(files.regions)[n]
stamp = pgm_mock.Observation.read(files.image, files.exposure).stamp(x_pos, y_pos, half_size=15)
# A smaller stamp, and narrower priors than the default ones, which would make sources from a tenth of a count to
# thousands: both to save time.
t = np.median(stamp.exposure[stamp.exposure > 0])
priors = pgm_mock.Priors.default(stamp, x=x_pos, y=y_pos).replace(
    flux=dist.LogNormal(np.log(40.0 / t), 0.45), background=dist.LogNormal(np.log(0.08 / t), 0.2)
)

# %% [markdown]
# ## Twenty mocks: how many intervals hold the truth?
#
# **Exercise 5.1.** Write `holds(truth, draws, probability)`: whether the truth lies in the *central* interval of the
# draws that holds this probability and leaves as much below as above.

# %% tags=["exercise"]
def holds(truth, draws, probability=0.68):
    ### BEGIN SOLUTION: Exercise 5.1: return True where the truth is between the two quantiles.
    low, high = np.quantile(draws, [(1 - probability) / 2, (1 + probability) / 2])
    return low < truth < high
    ### END SOLUTION


# %% tags=["check"]
course.check_holds(holds)

# %% [markdown]
# Twenty mocks of your stamp: parameters from the priors, counts from the model, a fit of each. (They are the package's
# mocks; yours of part 2 would do as well.) The first fits compile, which takes a minute.

# %%
truths = [pgm_mock.draw_parameters(priors, seed=seed) for seed in range(20)]
mocks = [
    dataclasses.replace(
        stamp,
        counts=pgm_mock.generate_mock_image(stamp.exposure, stamp.x, stamp.y, pars, seed=100 + seed),
        name=f"mock {seed}",
    )
    for seed, pars in enumerate(truths)
]
posteriors = pgm_mock.fit_many(mocks, [priors] * 20, method="importance", num_draws=2500, seed=1)
draws_of = [{name: p["posterior"][name].values.ravel() for name in priors} for p in posteriors]

# %%
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
hits = [holds(true["flux"], draws["flux"]) for true, draws in zip(truths, draws_of)]
for row, (true, draws, hit) in enumerate(zip(truths, draws_of, hits)):
    ax.plot(np.quantile(draws["flux"], [0.16, 0.84]), [row, row], color="C0" if hit else "C1")
    ax.plot(true["flux"], row, "k|", ms=9)
ax.set(xscale="log", xlabel="flux [counts / s]", ylabel="mock", yticks=range(0, 20, 5))
ax.set_title(f"{sum(hits)} of 20 intervals hold the truth (black); orange ones do not")
low, high = stats.binom(20, 0.68).ppf([0.025, 0.975])
print(f"{sum(hits)} of 20; a right 68 % interval gives {low:.0f} to {high:.0f} in 95 % of such experiments")

# %% [markdown]
# Twenty mocks cannot tell 68 % from 80 %. More of them can, and *all* of the posterior can be tested at once.
#
# ## The rank of the truth
#
# Truth and draws come from the same distribution, if the inference is right. So the *rank* of the truth among the
# draws, the share of the draws below it, is uniform from 0 to 1 (Talts et al. 2018).
#
# **Exercise 5.2.** Write `rank(truth, draws)`.

# %% tags=["exercise"]
def rank(truth, draws):
    ### BEGIN SOLUTION: Exercise 5.2: return the share of the draws that are below the truth.
    return np.mean(draws < truth)
    ### END SOLUTION


# %% tags=["check"]
course.check_rank(rank)

# %%
ranks = [rank(true["flux"], draws["flux"]) for true, draws in zip(truths, draws_of)]
print(f"the flux's ranks in 20 mocks: {np.round(np.sort(ranks), 2)}")
print(f"chance that uniform ranks look as uneven as these: {stats.kstest(ranks, 'uniform').pvalue:.2f}")

# %% [markdown]
# A histogram of many ranks tells what is wrong: like a ∪, posteriors are too narrow; like a ∩, too wide; a slope, they
# are shifted. `calibrate` does it all, two hundred times:

# %%
found = pgm_mock.calibrate(stamp, priors, num_simulations=200, seed=1)
print(found.attrs["verdict"])
SHOWN = ["flux", "psf_width", "log_likelihood"]
plot.plot_calibration(found.sel(quantity=SHOWN));

# %% [markdown]
# Three rows: histograms of the ranks; the share of ranks below each value, minus that value, in a band that 99 % of
# all right inferences stay in; how often the central 50, 68, 90 and 95 % intervals hold the truth. (Drawn are
# three of the seven quantities; the verdict is on all of them.) Beside the five parameters
# stand the source's expected counts and the log-likelihood. The last one is there for a reason.
#
# ## Break it
#
# **Exercise 5.3.** Somebody is lazy, and returns draws from *the prior* in place of the posterior. Which ranks will
# notice? Write the lazy inference: `lazy(stamps, all_priors)` yields, for each stamp, `arviz.from_dict({"posterior":
# {name: array of shape (1, draws), ...}})` with 500 draws of each parameter from its prior (`own.free[name].sample(key,
# (1, 500))`, with a `jax.random.key` of its own for each).

# %% tags=["exercise"]
def lazy(stamps, all_priors):
    for number, (_, own) in enumerate(zip(stamps, all_priors)):
        ### BEGIN SOLUTION: Exercise 5.3: yield an ArviZ object with 500 draws of each parameter from its prior.
        keys = jax.random.split(jax.random.key(number), len(own.free))
        draws = {name: np.asarray(own.free[name].sample(key, (1, 500))) for name, key in zip(own.free, keys)}
        yield arviz.from_dict({"posterior": draws})
        ### END SOLUTION


# %% tags=["check"]
course.check_lazy(lazy, stamp, priors)

# %%
broken = pgm_mock.calibrate(stamp, priors, num_simulations=200, seed=1, inference=lazy)
print(broken.attrs["verdict"])
plot.plot_calibration(broken.sel(quantity=SHOWN));

# %% [markdown] tags=["answer"]
# The parameters' ranks are perfect: the prior is calibrated, it just never looked at the data. Only the log-likelihood,
# which compares truth and draws *on the image*, gives it away.

# %% [markdown]
# That is why a calibration should test a quantity that looks at the data, too (Modrák et al. 2023).
#
# Next: [does the model describe the image?](06_criticism.ipynb)
