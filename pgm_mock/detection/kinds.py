r"""Three models of one source, a point, an extended source and a double, and draws from each.

All three have a place (a normal prior of 3 pixels about where the source was found), a flux (log-normal, 30 counts
within a factor of seven) and a factor of what lies behind (log-normal, 5 %: it was smoothed over 400 counts). Beside
these

- a point has nothing;
- an extended source is a beta model with beta = 2/3 and a core radius of 2 to 8 pixels, flat in its logarithm;
- a double has a separation (normal, 4 pixels along each axis) and a second flux (ln of the ratio is standard normal).

A double is drawn as its brighter source and where the other one is from there, so that no two vectors are the same
pair; beside a faint companion, wherever it is, stands a point.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..psf import PSF, SumOfGaussians, gaussians_of_king
from ..sampler import Defence, draw_rounds
from ..sampler.mixture import Mixture

KINDS = ("point", "extended", "double")
HALF = 16
"""Half the side of the square that is looked at [pixels]."""
CORES = (2.0, 8.0)
"""Range of the core radius of an extended source [pixels]."""
PLACE, SEPARATION = 3.0, 4.0
"""Standard deviations of the priors of the place and of a double's separation, along each axis [pixels]."""
TYPICAL_COUNTS, FLUX_SPREAD, BEHIND_SPREAD = 30.0, 2.0, 0.05
_BETA_SLOPE = 1.5
"""Of the surface brightness of a beta model with beta = 2/3: (1 + r² / core²)^-1.5."""
_NODES = 24
_WIDEST = 60.0
ROUNDS = {"point": (3, 400), "extended": (3, 500), "double": (4, 800)}
"""How many rounds of how many draws each kind takes for an evidence good to a few per cent."""
_STARTS, _MODES = 4, 4
_APART = 0.5
"""Starts are so far apart at least, in units of the prior's standard deviation."""
_WIDER = 1.5


class Stamp(NamedTuple):
    """What is known of a source's surroundings.

    Attributes:
        counts: shape (n, n).
        background: counts expected without the source, shape (n, n).
        exposure: shape (n, n).
        columns, rows: from the place where the source was found, shapes (1, n) and (n, 1) [pixels].
        typical: exposure at that place.
    """

    counts: Any
    background: Any
    exposure: Any
    columns: Any
    rows: Any
    typical: Any


@partial(jax.jit, static_argnames="kind")
def sampled(key: Any, stamp: Stamp, psf: PSF, width: Any, points: Mixture | None = None, *, kind: str) -> Any:
    """Draw from one model, and return the rounds and ln likelihood of each draw.

    Args:
        key: of JAX.
        stamp, psf, width: as for `odds_of`.
        points: the modes of a point, which the other two start from.
        kind: of the model.
    """

    def log_likelihood(v: Any) -> Any:
        mean = stamp.background * jnp.exp(BEHIND_SPREAD * v[3])
        mean = mean + jnp.exp(FLUX_SPREAD * v[2]) * TYPICAL_COUNTS / stamp.typical * _light(kind, stamp, psf, width, v)
        seen = stamp.exposure > 0
        safe = jnp.where(seen, mean, 1.0)
        return jnp.sum(jnp.where(seen, stamp.counts * jnp.log(safe) - mean, 0.0))

    def log_target(v: Any) -> Any:
        return log_likelihood(v) + _log_prior(kind, v)

    candidates = _candidates(kind, stamp, points)
    starts = _best_of(candidates, candidates[:, 4:6] if kind == "double" else candidates[:, :2], log_target)
    found = draw_rounds(key, starts, log_target, _defence(kind, starts.shape[1], points), ROUNDS[kind], _MODES)
    log_prior = jax.vmap(partial(_log_prior, kind))
    return found, found.rounds.target - log_prior(found.rounds.draws)


def _candidates(kind: str, stamp: Stamp, points: Mixture | None) -> Any:
    """Places to look at: points all about; extended sources there and at a point's modes; companions of its best."""
    excess = jnp.sum(jnp.where(jnp.hypot(stamp.columns, stamp.rows) < 6.0, stamp.counts - stamp.background, 0.0))
    flux = jnp.log(jnp.maximum(excess, 5.0) / TYPICAL_COUNTS) / FLUX_SPREAD
    ramp = jnp.arange(-6.0, 6.1, 2.0) / PLACE
    about = _product(ramp, ramp, jnp.array([-0.5, 0.0]) + flux, jnp.zeros(1))
    if kind == "point" or points is None:
        return about
    if kind == "extended":
        about = jnp.concatenate([about, points.locations])
        return jnp.concatenate([jnp.pad(about, ((0, 0), (0, 1)), constant_values=core) for core in (-1.0, 0.0, 1.0)])
    away = jnp.arange(-12.0, 12.1, 1.5) / SEPARATION
    companion = _product(away, away, jnp.array([-1.0, 0.5, 2.0]))
    brighter = points.locations[0] + jnp.log(_share(companion[:, 2:])) / FLUX_SPREAD * jnp.array([0.0, 0.0, 1.0, 0.0])
    return jnp.concatenate([brighter, companion], axis=1)


def _product(*axes: Any) -> Any:
    """All combinations, shape (n, number of axes)."""
    return jnp.stack([each.ravel() for each in jnp.meshgrid(*axes, indexing="ij")], axis=1)


def _best_of(candidates: Any, places: Any, log_target: Callable[[Any], Any]) -> Any:
    """The best of the candidates whose places, shape (n, 2), are apart, as many as there are starts."""
    heights = jax.lax.map(log_target, candidates, batch_size=100)

    def keep(left: Any, _: None) -> tuple[Any, Any]:
        best = jnp.argmax(left)
        same = jnp.sum((places - places[best]) ** 2, axis=1) < _APART**2
        return jnp.where(same, -jnp.inf, left), best

    return candidates[jax.lax.scan(keep, heights, length=_STARTS)[1]]


def _defence(kind: str, number: int, points: Mixture | None) -> Defence:
    """The prior; for a double half of it is a point, as the brighter one, with a companion from the prior.

    A companion too faint to be placed is all about: no mode that is climbed to shows that.
    """

    def from_prior(key: Any, size: int) -> Any:
        return jax.vmap(partial(_from_normal, kind))(jax.random.normal(key, (size, number)))

    log_prior = jax.vmap(partial(_log_prior, kind))
    if kind != "double" or points is None:
        return Defence(from_prior, log_prior)
    near = Defence.of(points._replace(factors=_WIDER * points.factors))

    def draw(key: Any, size: int) -> Any:
        one, two, three = jax.random.split(key, 3)
        with_companion = jnp.concatenate([near.draw(one, size), jax.random.normal(two, (size, 3))], axis=1)
        return jnp.where(jnp.arange(size)[:, None] % 2, from_prior(three, size), with_companion)

    def log_density(v: Any) -> Any:
        with_companion = near.log_density(v[:, :4]) + jax.vmap(_log_normal)(v[:, 4:])
        return jnp.logaddexp(log_prior(v), with_companion) - jnp.log(2.0)

    return Defence(draw, log_density)


def _log_normal(u: Any) -> Any:
    return -0.5 * jnp.sum(u**2) - 0.5 * len(u) * jnp.log(2.0 * jnp.pi)


def _log_prior(kind: str, v: Any) -> Any:
    """Ln of the prior; a double's is standard normal in its middle and whole flux, not those of the brighter one."""
    return _log_normal(v - _from_middle(v) if kind == "double" else v)


def _from_normal(kind: str, u: Any) -> Any:
    """Parameters from standard normal numbers."""
    return u + _from_middle(u) if kind == "double" else u


def _from_middle(v: Any) -> Any:
    """What leads from a double's middle and whole flux to the place and flux of the brighter one."""
    half = 0.5 * SEPARATION / PLACE * v[4:6]
    return jnp.concatenate([half, jnp.log(_share(v[6:])) / FLUX_SPREAD, jnp.zeros(4)])


def _share(z: Any) -> Any:
    """The brighter one's share of a double's flux; its logit is half-normal."""
    return jax.nn.sigmoid(-jax.scipy.special.ndtri(0.5 * jax.scipy.special.ndtr(-z)))


def core_of(v: Any) -> Any:
    """Core radius: flat in its logarithm between the bounds."""
    low, high = CORES
    return low * (high / low) ** jax.scipy.special.ndtr(v)


def _light(kind: str, stamp: Stamp, psf: PSF, width: Any, v: Any) -> Any:
    """Counts of a source of flux 1, a double's brighter one, shape (n, n)."""
    x, y = PLACE * v[0], PLACE * v[1]
    if kind == "extended":
        shape = SumOfGaussians(*seen_through(*gaussians_of_king(core_of(v[4]), _BETA_SLOPE), psf, width))
        return stamp.exposure * shape.pixel_fraction(stamp.columns, stamp.rows, x, y, 1.0)
    light = psf.pixel_fraction(stamp.columns, stamp.rows, x, y, width)
    if kind == "double":
        dx, dy, share = SEPARATION * v[4], SEPARATION * v[5], _share(v[6])
        other = psf.pixel_fraction(stamp.columns, stamp.rows, x - dx, y - dy, width)
        light = light + (1.0 - share) / share * other
    return stamp.exposure * light


def seen_through(sigma: Any, share: Any, psf: PSF, width: Any) -> tuple[Any, Any]:
    """Return the Gaussians of a profile seen through a PSF that is a sum of Gaussians too, as 24 of them.

    Each pair's Gaussian goes to the two nearest of fixed widths, so that the light and its peak stay.

    Args:
        sigma, share: standard deviations [pixels] and shares of the profile's, shape (k,).
        psf, width: the PSF, with `gaussians`.
    """
    blur, of_psf = psf.gaussians(width)  # type: ignore[attr-defined]
    precision = 1.0 / jnp.clip(sigma[:, None] ** 2 + blur**2, 0.0, _WIDEST**2).ravel()
    light = (share[:, None] * of_psf).ravel()
    nodes = jnp.geomspace(jnp.min(blur) * 0.99, _WIDEST, _NODES) ** -2.0
    place = jnp.clip(jnp.searchsorted(-nodes, -precision) - 1, 0, _NODES - 2)
    part = jnp.clip((nodes[place] - precision) / (nodes[place] - nodes[place + 1]), 0.0, 1.0)
    shares = jnp.zeros(_NODES).at[place].add(light * (1.0 - part)).at[place + 1].add(light * part)
    return nodes**-0.5, shares
