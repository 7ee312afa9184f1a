"""The probabilistic graphical model: the only place that draws anything."""

from contextlib import nullcontext

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import ArrayLike, Num

from .counts import PhotonList, PixelList, PoissonImage
from .distributions import Prior
from .priors import Priors
from .scene import Pixels

OBSERVED = "counts"
EXPECTED = "expected_counts"


def stamp_model(
    exposure: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    priors: Priors,
    counts: Num[ArrayLike, "ny nx"] | PhotonList | PixelList | None = None,
    *,
    background_map: Num[ArrayLike, "ny nx"] | None = None,
) -> Num[ArrayLike, "ny nx"] | PhotonList | PixelList:
    """A scene, seen through an exposure map and counted: by default one point source on a uniform background.

    Without `counts` it simulates, with `counts` it is conditioned on them, and `model_graph` draws it.

    Args:
        exposure: exposure map, shape (ny, nx) [s, or the unit of the map].
        x, y: pixel centres, broadcastable to (ny, nx) [FITS image pixels].
        priors: the scene, the PSF, and a distribution or a fixed value for each parameter; a fixed value becomes a
            deterministic site.
        counts: the observed image, shape (ny, nx) [count / pixel], or its photons or pixels as a list, or None.
        background_map: counts that are there whatever the exposure, shape (ny, nx) [count / pixel], multiplied by
            background_norm where the priors have it.

    Returns:
        The counts, drawn, of shape (ny, nx), or observed, as they were given.
    """
    parameters: dict[str, Num[ArrayLike, "..."]] = {}
    for plate, number, names in priors.plates():
        with numpyro.plate(plate, number) if plate else nullcontext():
            for name in names:
                parameters[name] = _site(name, priors.given(name, parameters))
    light = priors.scene.light(Pixels(exposure, x, y, background_map), priors.psf, parameters)
    mean_counts = numpyro.deterministic(EXPECTED, light.image())
    return numpyro.sample(OBSERVED, PoissonImage(mean_counts, jnp.asarray(exposure) > 0, light), obs=counts)


def _site(name: str, prior: Prior) -> Num[ArrayLike, "..."]:
    """Draw a parameter, or name its fixed value."""
    if isinstance(prior, dist.Distribution):
        return numpyro.sample(name, prior)
    return numpyro.deterministic(name, prior)
