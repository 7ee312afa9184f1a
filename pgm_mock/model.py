"""The probabilistic graphical model: the only place that draws anything."""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import ArrayLike, Num

from .counts import PhotonList, PixelList, PoissonImage
from .expected import expected_counts, factors_of
from .priors import ALL_SITES, Prior, Priors
from .psf import PSF, GaussianPSF

OBSERVED = "counts"
EXPECTED = "expected_counts"
NEIGHBOURS = "neighbour"


def stamp_model(
    exposure: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    priors: Priors,
    counts: Num[ArrayLike, "ny nx"] | PhotonList | PixelList | None = None,
    *,
    background_map: Num[ArrayLike, "ny nx"] | None = None,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
) -> Num[ArrayLike, "ny nx"] | PhotonList | PixelList:
    """One point source on a background, and its neighbours, seen through an exposure map and counted.

    The background is uniform, and there are no neighbours and no extended source, unless the priors have the parameters
    for them. Without `counts` it simulates, with `counts` it is conditioned on them, and `model_graph` draws it.

    Args:
        exposure: exposure map, shape (ny, nx) [s, or the unit of the map].
        x, y: pixel centres, broadcastable to (ny, nx) [FITS image pixels].
        priors: a distribution or a fixed value for each parameter; a fixed one becomes a deterministic site.
        counts: the observed image, shape (ny, nx) [count / pixel], or its photons or pixels as a list, or None.
        background_map: counts that are there whatever the exposure, shape (ny, nx) [count / pixel], multiplied by
            background_norm where the priors have it.
        psf: the family of the PSF.

    Returns:
        The counts, drawn, of shape (ny, nx), or observed, as they were given.
    """
    parameters = {name: _site(name, prior) for name, prior in priors.items() if not ALL_SITES[name].plural}
    with numpyro.plate(NEIGHBOURS, priors.neighbours) if priors.neighbours else nullcontext():
        parameters |= {name: _site(name, prior) for name, prior in priors.items() if ALL_SITES[name].plural}
    image = expected_counts(exposure, x, y, background_map, psf=psf, **parameters)
    factors = None
    if isinstance(counts, (PhotonList, PixelList)):
        factors = factors_of(exposure, x, y, psf, parameters, background_map)
        # The likelihood of a list is that of its factors: no derivative has to go through the image.
        image = image if factors is None else jax.lax.stop_gradient(image)
    mean_counts = numpyro.deterministic(EXPECTED, image)
    return numpyro.sample(OBSERVED, PoissonImage(mean_counts, jnp.asarray(exposure) > 0, factors), obs=counts)


def _site(name: str, prior: Prior) -> Num[ArrayLike, "..."]:
    """Draw a parameter, or name its fixed value."""
    if isinstance(prior, dist.Distribution):
        return numpyro.sample(name, prior)
    return numpyro.deterministic(name, prior)
