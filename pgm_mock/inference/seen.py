"""The counts that are seen of a source in place of its flux: coordinates in which a source beside an edge is no ridge.

Where part of a source's light falls beyond the stamp, or on pixels without exposure, the counts say how much was seen,
and the flux that this takes grows without bound as the source moves away. In ln F such a posterior is a bent ridge that
no mixture follows, and whose end no draw reaches. In

    ln F + ln s(x, y, width),    s the part of the exposure that the source's light falls on,

it is straight. Only one coordinate moves, by a function of others: densities are the same.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..priors import Priors
from ..sampler.mixture import Mixture
from ..scene import SOURCE
from .unconstrained import Data, Frame, constrain, places

_LEAST = 1e-4
"""Where less than this part is seen the counts say nothing of the flux, and its prior holds."""
_ASIDE, _HIDDEN = 1.0, 0.8
"""A source is beside an edge where this part of what is seen of it is lost so many pixels and its width further."""

Shear = Callable[[Float[Array, "n d"]], Float[Array, "n d"]]


def counts_seen(modes: Mixture, frame: Frame, data: Data, priors: Priors) -> tuple[Mixture, Shear]:
    """Straighten a posterior that has a mode beside an edge; any other stays as it is.

    Args:
        modes: Laplace's approximation of the posterior about its modes, whitened.
        frame, data, priors: the model and what it is conditioned on.

    Returns:
        The modes in the coordinates with the counts that are seen; and what those have more than the model's.
    """
    where, own, pixels = places(priors), priors.scene.only(SOURCE), data.pixels
    sides = [where[name] for name in ("x_pos", "y_pos") if name in where]
    if "flux" not in where or not sides:
        return modes, jnp.zeros_like
    flux: Any = where["flux"]
    most = jnp.max(jnp.asarray(data.pixels.exposure, float))

    def log_seen(u: Float[Array, " d"]) -> Array:
        parameters = constrain(frame.point(u, priors), priors) | {"flux": jnp.ones(())}
        return jnp.log(own.light(pixels, priors.psf, parameters).total() / most + _LEAST)

    def about(mode: Float[Array, " d"]) -> Float[Array, "moves d"]:
        step = _ASIDE + constrain(frame.point(mode, priors), priors)["psf_width"]
        aside = [mode.at[side].add(sign * step / frame.scale[side]) for side in sides for sign in (1.0, -1.0)]
        return jnp.stack([mode, *aside])

    values = jax.vmap(jax.vmap(log_seen))(jax.vmap(about)(modes.locations))
    is_beside = jnp.any(jnp.max(values, axis=1) - jnp.min(values, axis=1) > -jnp.log(1.0 - _HIDDEN))
    slopes = jax.vmap(jax.grad(log_seen))(modes.locations)
    turned = modes.factors.at[:, flux].add(jnp.einsum("md,mdk->mk", slopes, modes.factors) / frame.scale[flux])
    straight = modes._replace(
        locations=modes.locations.at[:, flux].add(values[:, 0] / frame.scale[flux]),
        factors=jnp.linalg.cholesky(turned @ jnp.swapaxes(turned, 1, 2)),
    )

    def shear(u: Float[Array, "n d"]) -> Float[Array, "n d"]:
        def only_flux() -> Array:
            return jnp.zeros_like(u).at[:, flux].set(jax.vmap(log_seen)(u) / frame.scale[flux])

        return jax.lax.cond(is_beside, only_flux, lambda: jnp.zeros_like(u))

    return jax.tree.map(lambda one, other: jnp.where(is_beside, one, other), straight, modes), shear
