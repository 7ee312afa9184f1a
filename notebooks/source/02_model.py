# %% [markdown]
# # 2. A model that makes such an image
#
# A model that can *make* data like the observed ones is what inference needs: if we know how probable any image is,
# given the parameters, Bayes' theorem turns that around. And what a model makes can be looked at: does it look real?

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

import pgm_mock
from pgm_mock import course

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

# %% [markdown]
# ## In words and in one line
#
# One point source of flux $F$ at $(x_0, y_0)$, blurred by the telescope's point-spread function (PSF) of width
# $\sigma$, on an even background $b$, is seen for a time $t_k$ by pixel $k$:
#
# $$\mu_k = t_k \left( F \, P_k(x_0, y_0, \sigma) + b \right), \qquad N_k \sim \mathrm{Poisson}(\mu_k)$$
#
# | symbol | name in the code | what it is | unit |
# |---|---|---|---|
# | $x_0, y_0$ | `x_pos`, `y_pos` | position | pixels, from 1 |
# | $F$ | `flux` | photons of the source | counts / s |
# | $b$ | `background` | photons of all else, in each pixel | counts / s / pixel |
# | $\sigma$ | `psf_width` | standard deviation of the PSF | pixels |
# | $t_k$ | `t` | exposure of pixel $k$ | s |
# | $\mu_k$ | `mu` | *expected* counts: any number ≥ 0 | counts / pixel |
# | $N_k$ | `N` | counts: a whole number | counts / pixel |
#
# $P_k$ is the fraction of the source's light that falls **into** pixel $k$: the PSF, here a round Gaussian, integrated
# over the pixel. (A real PSF has wider wings; the package has such PSFs, too.)
#
# **The Poisson distribution** $p(N | \mu) = \mu^N e^{-\mu} / N!$ says how many of many possible, rare and independent
# events happen when $\mu$ are expected. Its variance is its mean: where 100 counts are expected, 90 to 110 are common;
# where 0.1 are expected, nine pixels of ten have none. A Gaussian distribution does not describe such counts.
#
# ## The graph
#
# **Exercise 2.1.** On paper, draw the probabilistic graphical model (PGM): a node for each quantity, arrows from what
# determines to what is determined, a plate around what is repeated in every pixel. Then write it down: `nodes` gives
# for each name of the table its kind and the nodes whose arrows point at it; `plate` lists what is repeated.
#
# The kinds: *stochastic* (drawn from a distribution), *constant* (given), *deterministic* (computed from its parents,
# nothing left to chance), *observed*.

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 2.1: write all eight nodes, for example {'t': ('constant', []), ...}, and the plate.
nodes = {
    "x_pos": ("stochastic", []),
    "y_pos": ("stochastic", []),
    "flux": ("stochastic", []),
    "background": ("stochastic", []),
    "psf_width": ("stochastic", []),
    "t": ("constant", []),
    "mu": ("deterministic", ["x_pos", "y_pos", "flux", "background", "psf_width", "t"]),
    "N": ("observed", ["mu"]),
}
plate = ["t", "mu", "N"]
### END SOLUTION

# %% tags=["check"]
course.check_graph(nodes, plate)

# %% [markdown]
# **Exercise 2.2.** Write the joint probability of all of it as a product: a list of factors such as `"p(flux)"` and
# `"p(mu | ..., t)"`; product over the pixels understood. A deterministic node has a factor, too: given its parents only
# one value is possible, so that $p(\mu | \theta, t)$ is a *delta function*, infinitely narrow. The constant `t` has
# none.

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 2.2: set factors to the list of all factors of the joint probability.
factors = [
    "p(x_pos)",
    "p(y_pos)",
    "p(flux)",
    "p(background)",
    "p(psf_width)",
    "p(mu | x_pos, y_pos, flux, background, psf_width, t)",
    "p(N | mu)",
]
### END SOLUTION

# %% tags=["check"]
course.check_factors(factors)

# %% [markdown]
# The package draws and writes its own (the exposure, a constant, is not drawn there). Circles are drawn from a
# distribution, the shaded one is observed, dashed ones are deterministic.

# %%
priors = pgm_mock.Priors.default(stamp, x=x_pos, y=y_pos)
graph = pgm_mock.model_graph(stamp, priors)
print(graph.factorisation())
graph

# %% [markdown]
# ## Draw, expect, count
#
# To make a mock image is to follow the arrows: draw the parameters, compute the expected counts, draw the counts.
#
# **Exercise 2.3.** Choose a prior for each parameter: what would you bet on before you see this image, knowing roughly
# where the source is (`x_pos`, `y_pos` of the list), that a pixel is 4 arcsec and the PSF a few arcsec wide, and how
# long the exposure was? Write `draw_parameters()`, which gives a dictionary with one draw of each. Use one generator,
# made once. (A log-normal is a good prior for a positive quantity known within a factor.)

# %% tags=["exercise"]
rng = np.random.default_rng(1)
typical = np.median(small_ex[small_ex > 0])  # seconds


def draw_parameters():
    ### BEGIN SOLUTION: Exercise 2.3: return a dictionary with a draw of x_pos, y_pos, flux, background and psf_width.
    return {
        "x_pos": rng.normal(x_pos, 2.0),
        "y_pos": rng.normal(y_pos, 2.0),
        "flux": rng.lognormal(np.log(30.0 / typical), 2.0),
        "background": rng.lognormal(np.log(0.1 / typical), 1.5),
        "psf_width": rng.lognormal(np.log(1.5), 0.5),
    }
    ### END SOLUTION


# %% tags=["check"]
course.check_draws(draw_parameters, small_ex, small_x)

# %% [markdown]
# **Exercise 2.4.** Write `expected_image(exptime, xs, ys, pars)`, which gives $\mu_k$ for every pixel. The hard part is
# $P_k$. In one dimension a Gaussian's integral from one edge of a pixel to the other is a difference of two cumulative
# probabilities, `stats.norm.cdf(edge, centre, width)`; where are the edges of the pixel at `xs`? In two dimensions a
# round Gaussian is the product of one in x and one in y.

# %% tags=["exercise"]
def expected_image(exptime, xs, ys, pars):
    ### BEGIN SOLUTION: Exercise 2.4: return the image exptime * (flux * fraction + background).
    x_0, y_0, width = pars["x_pos"], pars["y_pos"], pars["psf_width"]
    across = stats.norm.cdf(xs + 0.5, x_0, width) - stats.norm.cdf(xs - 0.5, x_0, width)
    up = stats.norm.cdf(ys + 0.5, y_0, width) - stats.norm.cdf(ys - 0.5, y_0, width)
    return exptime * (pars["flux"] * across * up + pars["background"])
    ### END SOLUTION


# %% tags=["check"]
course.check_expected_image(expected_image)

# %% [markdown]
# **Exercise 2.5.** Now the noise.

# %% tags=["exercise"]
def generate_mock_image(exptime, xs, ys, pars=None):
    """
    Parameters
    ----------
    exptime : array of float
        Exposure map: the exposure time of each pixel, in seconds.
    xs, ys : arrays of float
        The x and y coordinates of each pixel.
    pars : dict, optional
        The parameters of source, background and PSF; drawn from the priors if they are not given.

    Returns
    -------
    array of int
        A simulated image, in counts per pixel.
    """
    ### BEGIN SOLUTION: Exercise 2.5: draw the parameters if there are none, compute mu, and draw Poisson counts.
    if pars is None:
        pars = draw_parameters()
    return rng.poisson(expected_image(exptime, xs, ys, pars))
    ### END SOLUTION


# %% tags=["check"]
course.check_mocks(generate_mock_image)

# %% [markdown]
# ## Play
#
# **Exercise 2.6.** Choose parameters by hand until your mock looks like the observation. (The check says which one to
# move next. What you do here, inference algorithms do better, and that is all they do.)

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 2.6: set my_pars to a dictionary of the five parameters that look right to you.
in_circle = np.hypot(small_x - x_pos, small_y - y_pos) < radius
rate = small_im[~in_circle].sum() / small_ex[~in_circle].sum()
flux = (small_im[in_circle].sum() - rate * small_ex[in_circle].sum()) / typical
my_pars = {"x_pos": x_pos, "y_pos": y_pos, "flux": flux, "background": rate, "psf_width": 1.3}
### END SOLUTION

# %% tags=["check"]
course.check_my_pars(my_pars, small_im, small_ex, small_x, small_y)

# %%
my_mock = generate_mock_image(small_ex, small_x, small_y, my_pars)
pgm_mock.compare_real_and_simulated(small_im, my_mock, small_x, small_y);

# %% [markdown]
# The same with sliders, where a kernel runs and `ipywidgets` is installed (`pgm-mock play` opens them in a window):

# %%
priors = pgm_mock.Priors.default(stamp, x=x_pos, y=y_pos)
pgm_mock.play_widget(stamp, priors)

# %% [markdown]
# ## What your priors expect
#
# Nine mocks whose parameters were drawn from *your* priors, beside the observation, all on one scale. A good prior
# allows what might have been observed, from nothing visible to a bright source, and not much else.

# %%
prior_mocks = [generate_mock_image(small_ex, small_x, small_y) for _ in range(9)]
figure, axes = plt.subplots(2, 5, figsize=(13, 5), layout="constrained", sharex=True, sharey=True)
top = max(10, small_im.max())
for ax, image, title in zip(axes.flat, [small_im, *prior_mocks], ["observed", *(f"mock {i}" for i in range(1, 10))]):
    extent = (small_x.min() - 0.5, small_x.max() + 0.5, small_y.min() - 0.5, small_y.max() + 0.5)
    shown = ax.imshow(image, origin="lower", extent=extent, cmap="viridis", norm="asinh", vmin=0, vmax=top)
    ax.set_title(f"{title}: {image.sum():,} counts", fontsize=9)
figure.colorbar(shown, ax=axes, label="counts / pixel")
figure.supxlabel("x [pixel]")
figure.supylabel("y [pixel]");

# %%
totals = np.array([generate_mock_image(small_ex, small_x, small_y).sum() for _ in range(1000)])
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hist(np.log10(totals + 1), bins=40, alpha=0.7)
ax.axvline(np.log10(small_im.sum() + 1), color="C3", label="observed")
ax.set(xlabel="log10 (counts in the stamp + 1)", ylabel="mocks of 1000")
ax.legend();

# %% [markdown]
# ## The model, in fifteen lines
#
# NumPyro is a language for such models: `numpyro.sample(name, distribution)` draws (or, given `obs=`, compares),
# `numpyro.deterministic(name, value)` gives a computed value a name. From the same few lines it draws mocks, computes
# the probability of data, and hands gradients to samplers.
#
# **Exercise 2.7.** Write the model with these priors, which are the package's own. (`LogNormal(loc, scale)` takes mean
# and deviation of the logarithm.)

# %%
for name, text in priors.describe().items():
    print(f"{name:>11} ~ {text}")

# %% tags=["exercise"]
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.stats import norm


def model(exptime, xs, ys, counts=None):
    # Sites x_pos, y_pos, flux, background and psf_width; "expected_counts", deterministic; "counts", observed.
    ### BEGIN SOLUTION: Exercise 2.7: write the model with numpyro.sample and numpyro.deterministic.
    x_0 = numpyro.sample("x_pos", dist.TruncatedNormal(x_pos, 2.0, low=x_pos - 6, high=x_pos + 6))
    y_0 = numpyro.sample("y_pos", dist.TruncatedNormal(y_pos, 2.0, low=y_pos - 6, high=y_pos + 6))
    flux = numpyro.sample("flux", dist.LogNormal(jnp.log(30.0 / typical), 2.0))
    background = numpyro.sample("background", dist.LogNormal(jnp.log(0.1 / typical), 1.5))
    width = numpyro.sample("psf_width", dist.LogNormal(jnp.log(1.5), 0.5))
    across = norm.cdf(xs + 0.5, x_0, width) - norm.cdf(xs - 0.5, x_0, width)
    up = norm.cdf(ys + 0.5, y_0, width) - norm.cdf(ys - 0.5, y_0, width)
    mu = numpyro.deterministic("expected_counts", exptime * (flux * across * up + background))
    seen = exptime > 0
    safe = jnp.where(seen, mu, 1.0)  # where the exposure is 0 there is nothing to say: mask it
    numpyro.sample("counts", dist.Poisson(safe).mask(seen), obs=counts)
    ### END SOLUTION


# %% tags=["check"]
course.check_model(model, stamp, priors)

# %% [markdown]
# The package's model is that one (`pgm_mock.stamp_model`), with better PSFs, a faster Poisson, and room for neighbours.
#
# Next: [the homework: from the model to the posterior](03_homework.ipynb).
