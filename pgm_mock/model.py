"""The probabilistic graphical model: the only place that draws anything."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import ArrayLike, Num

from .counts import PhotonList, PixelList, PoissonImage
from .distributions import Prior
from .pixels import Pixels
from .priors import Priors

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
    return pixels_model(Pixels(exposure, x, y, background_map), priors, counts)


def pixels_model(pixels: Pixels, priors: Priors, counts: Any = None) -> Any:
    """The same model of pixels that are in one piece; see `stamp_model`."""
    parameters: dict[str, Num[ArrayLike, "..."]] = {}
    for plate, number, names in priors.plates():
        with numpyro.plate(plate, number) if plate else nullcontext():
            for name in names:
                parameters[name] = _site(name, priors.given(name, parameters))
    light = priors.scene.light(pixels, priors.psf, parameters)
    mean_counts = numpyro.deterministic(EXPECTED, light.image())
    return numpyro.sample(OBSERVED, PoissonImage(mean_counts, jnp.asarray(pixels.exposure) > 0, light), obs=counts)


def images_model(images: Sequence[tuple[Pixels, Any, Any]], priors: Any, counts: Sequence[Any] | None = None) -> None:
    """Several images of one source: a shared place, and in each image an offset, a flux, a background and counts.

    Args:
        images: of each its pixels; where the place asked for is in it, shape (2,) [pixels]; and the matrix (2, 2) from
            arcsec east and north to pixels.
        priors: `ImagesPriors`.
        counts: the observed images, or None. Sites of an image have its name behind theirs.
    """
    shared = jnp.stack([numpyro.sample(axis, priors.position()) for axis in ("east", "north")])
    offsets = jnp.zeros((len(images), 2))
    if priors.offset > 0:
        with numpyro.plate("image", len(images)):
            each = [numpyro.sample(f"offset_{axis}", dist.Normal(0.0, priors.offset)) for axis in ("east", "north")]
        offsets = jnp.stack(each, axis=1)
    for number, (name, own) in enumerate(zip(priors.names, priors.each, strict=True)):
        pixels, place, matrix = images[number]
        at = jnp.asarray(place) + jnp.asarray(matrix) @ (shared + offsets[number])
        parameters = {one: _site(f"{one}_{name}", own[one]) for one in own if one not in ("x_pos", "y_pos")}
        parameters |= {"x_pos": at[0], "y_pos": at[1]}
        light = own.scene.light(pixels, own.psf, parameters)
        image = PoissonImage(light.image(), jnp.asarray(pixels.exposure) > 0, light)
        numpyro.sample(f"{OBSERVED}_{name}", image, obs=None if counts is None else counts[number])


def _site(name: str, prior: Prior) -> Num[ArrayLike, "..."]:
    """Draw a parameter, or name its fixed value."""
    if isinstance(prior, dist.Distribution):
        return numpyro.sample(name, prior)
    return numpyro.deterministic(name, prior)
