"""The draws of a field's chains, and whether they can be trusted."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..inference.nuts import ONE_CHAIN, disagreement
from .gibbs import Field

LEAST_ESS = 400.0


@dataclass(frozen=True, eq=False)
class Chains:
    """The draws of a field.

    Attributes:
        draws: of each free parameter, shape (chain, draw), or (chain, draw, source).
        statistics: of the draws under ArviZ's names, shape (chain, draw); share_moved: of the sources.
        r_hat: the largest split R-hat, of the parameter `slowest`.
        ess_bulk, ess_tail: the least effective sample sizes.
        slowest: the parameter that mixes worst.
        divergences: paths that diverged.
        problems: what is wrong with the chains, in words.
    """

    draws: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    r_hat: float
    ess_bulk: float
    ess_tail: float
    slowest: str
    divergences: int
    problems: tuple[str, ...]

    @classmethod
    def of(cls, field: Field, swept: Any) -> "Chains":
        """Turn sweeps, shapes (chain, sweep, ...), into the model's parameters, and judge them."""
        prefix, shape = field.blocks.prefix, swept.psf.shape[:2]
        flat = (jnp.reshape(each, (shape[0] * shape[1], each.shape[-1])) for each in (swept.psf, swept.shared))
        values: Any = _all_values(field, *flat)
        draws = {
            name: np.asarray(values[name]).reshape(*shape, *values[name].shape[1:])
            for name in field.blocks.shared + field.blocks.psf
        }
        draws |= {f"{prefix}{name}": np.asarray(swept.sources[..., place]) for place, name in enumerate(("x", "y"))}
        draws[f"{prefix}flux"] = np.exp(np.asarray(swept.sources[..., 2]))
        draws = {name: draws[name] for name in field.priors.free}
        statistics: dict[str, np.ndarray] = {
            "lp": swept.log_posterior,
            "acceptance_rate": swept.accept_prob,
            "diverging": swept.diverging,
            "psf_moved": swept.psf_moved,
            "share_moved": np.mean(swept.sources_moved, axis=-1),
        }
        return cls(draws, statistics, *_judged(draws, int(swept.diverging.sum())))


@jax.jit
def _all_values(field: Field, psf: Array, shared: Array) -> dict[str, Array]:
    return jax.vmap(lambda psf, shared: field.values(psf, shared)[0])(psf, shared)


def _judged(draws: dict[str, np.ndarray], divergences: int) -> tuple[float, float, float, str, int, tuple[str, ...]]:
    """Return the largest R-hat, the least effective sizes, the slowest parameter, divergences, and what is wrong."""
    from arviz import ess, from_dict, rhat

    tree = from_dict({"posterior": draws})["posterior"].to_dataset()
    with np.errstate(invalid="ignore", divide="ignore"):
        every = {
            kind: {str(name): float(each(values)) for name, values in found.data_vars.items()}
            for kind, found, each in (
                ("r_hat", rhat(tree), np.max),
                ("bulk", ess(tree, method="bulk"), np.min),
                ("tail", ess(tree, method="tail"), np.min),
            )
        }
    r_hat, bulk, tail = max(every["r_hat"].values()), min(every["bulk"].values()), min(every["tail"].values())
    slowest = min(every["bulk"], key=every["bulk"].__getitem__)
    if draws[slowest].ndim > 2:
        slowest += f"[{int(np.argmin(ess(tree[slowest], method='bulk').values)) + 1}]"
    problems = [ONE_CHAIN] if len(next(iter(draws.values()))) < 2 else disagreement(r_hat)
    if not min(bulk, tail) > LEAST_ESS:
        problems.append(f"{min(bulk, tail):.0f} effective draws of {slowest}, expected more than {LEAST_ESS:.0f}")
    if divergences:
        problems.append(f"{divergences} paths diverged, expected none")
    return r_hat, bulk, tail, slowest, divergences, tuple(problems)
