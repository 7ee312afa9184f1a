"""Two groups that ArviZ asks for, pixel by pixel: `posterior_predictive` and `log_likelihood`.

ArviZ's functions for predictions want one dimension of observations, and pixels without exposure are none: both groups
have the exposed pixels as their dimension `pixel`, with coordinates x and y, and the observed counts beside them too.
"""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from scipy import special

from .mock import expected_images
from .model import OBSERVED
from .observation import Observation
from .poisson import poisson
from .psf import PSF
from .random import checked_seed, source_key
from .results import PIXEL, flat_draws, psf_of, scene_of, stamp_of

if TYPE_CHECKING:
    import xarray


def compute_log_likelihood(posterior: "xarray.DataTree", *, psf: PSF | None = None) -> "xarray.DataTree":
    """Add the group `log_likelihood`: ln p(counts of the pixel | parameters), so that `arviz.loo` works.

    Args:
        posterior: of `fit` or `fit_many`; it is not changed.
        psf: the family of the PSF; by default the one that the posterior was computed with.

    Returns:
        The posterior with the group, whose `counts` have dimensions (chain, draw, pixel); the observed counts have the
        dimension pixel too. A pixel of each draw takes 8 bytes.

    Raises:
        InputError: a tree that is not of `fit`, or whose PSF cannot be read back.
    """
    stamp, means = _means(posterior, psf)
    counts = stamp.counts[stamp.exposure > 0]
    return _with(posterior, stamp, "log_likelihood", special.xlogy(counts, means) - means - special.gammaln(counts + 1))


def sample_posterior_predictive(
    posterior: "xarray.DataTree", *, psf: PSF | None = None, seed: int | None = 0
) -> "xarray.DataTree":
    """Add the group `posterior_predictive`: counts drawn for each draw of the parameters, for `arviz.plot_ppc_dist`.

    Args:
        posterior: of `fit` or `fit_many`; it is not changed.
        psf: the family of the PSF; by default the one that the posterior was computed with.
        seed: a whole number; None draws one.

    Returns:
        The posterior with the group, whose `counts` are whole numbers with dimensions (chain, draw, pixel); the
        observed counts have the dimension pixel too.

    Raises:
        InputError: a tree that is not of `fit`, or whose PSF cannot be read back.
    """
    seed = checked_seed(seed)
    stamp, means = _means(posterior, psf)
    drawn = poisson(source_key(seed, f"posterior predictive of {stamp.name}"), jnp.asarray(means))
    found = _with(posterior, stamp, "posterior_predictive", np.asarray(drawn))
    found["posterior_predictive"].attrs["seed"] = seed
    return found


def _means(posterior: "xarray.DataTree", psf: PSF | None) -> tuple[Observation, np.ndarray]:
    """The stamp, and the expected counts of its exposed pixels at each draw, shape (chain, draw, pixel)."""
    stamp = stamp_of(posterior)
    images = expected_images(stamp, flat_draws(posterior), psf_of(posterior, psf), scene_of(posterior))
    sizes = posterior["posterior"].sizes
    return stamp, images[:, stamp.exposure > 0].reshape(sizes["chain"], sizes["draw"], -1)


def _with(posterior: "xarray.DataTree", stamp: Observation, group: str, counts: np.ndarray) -> "xarray.DataTree":
    """Return the posterior with one more group of counts, the observed ones pixel by pixel beside it."""
    from xarray import Dataset, DataTree

    exposed, chains = stamp.exposure > 0, posterior["posterior"].coords
    places = {
        PIXEL: np.arange(exposed.sum()),
        "x": (PIXEL, stamp.x[exposed], {"units": "pixel"}),
        "y": (PIXEL, stamp.y[exposed], {"units": "pixel"}),
    }
    unit = {"units": "1" if group == "log_likelihood" else "ct / pix", "long_name": group.replace("_", " ")}
    groups = {name: child.to_dataset() for name, child in posterior.children.items()}
    observed = (PIXEL, stamp.counts[exposed], posterior["observed_data"][OBSERVED].attrs)
    groups["observed_data"] = Dataset({OBSERVED: observed}, places, groups["observed_data"].attrs)
    own = places | {name: chains[name].values for name in ("chain", "draw")}
    groups[group] = Dataset({OBSERVED: (("chain", "draw", PIXEL), counts, unit)}, own)
    return DataTree.from_dict({"/": Dataset(attrs=posterior.attrs)} | groups)
