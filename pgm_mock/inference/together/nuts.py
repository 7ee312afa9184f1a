"""Several images by the No-U-Turn sampler: what cannot be collapsed, and the judge of what can."""

from typing import Any, NamedTuple

import numpy as np
from numpyro.infer import MCMC, NUTS, init_to_median

from ...model import images_model
from ...random import source_key
from ...skystamps import SkyStamps
from ..methods import Plan
from ..nuts import ONE_CHAIN, disagreement, largest_r_hat
from .posterior import EAST, NORTH, OFFSET_EAST, OFFSET_NORTH
from .priors import ImagesPriors


class Told(NamedTuple):
    """What a run was, in words, and what is wrong with it."""

    said: tuple[str, ...]
    problems: tuple[str, ...]


def arguments(stamps: SkyStamps) -> tuple[list[tuple[Any, ...]], list[np.ndarray]]:
    """Return what `images_model` takes of the stamps: the images, and their counts."""
    seen = [image.observation for image in stamps.images]
    images = list(zip((one.pixels for one in seen), stamps.places, stamps.matrices, strict=True))
    return images, [one.counts for one in seen]


def sample(
    stamps: SkyStamps, priors: ImagesPriors, plan: Plan
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], Told]:
    """Run independent chains; see `inference.nuts.sample` for what comes back."""
    images, counts = arguments(stamps)
    kernel = NUTS(images_model, target_accept_prob=0.9, dense_mass=True, init_strategy=init_to_median())
    chains = MCMC(
        kernel,
        num_warmup=plan.num_warmup,
        num_samples=plan.num_samples,
        num_chains=plan.num_chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    chains.run(
        source_key(plan.seed, stamps.name), images, priors, counts, extra_fields=("potential_energy", "diverging")
    )
    found = {name: np.asarray(values) for name, values in chains.get_samples(group_by_chain=True).items()}
    fields = chains.get_extra_fields(group_by_chain=True)
    draws = _by_image(found, priors)
    r_hat = largest_r_hat({name: values for name, values in found.items() if values.dtype.kind == "f"})
    divergent = int(np.asarray(fields["diverging"]).sum())
    problems = [ONE_CHAIN] if plan.num_chains < 2 else disagreement(r_hat)
    if divergent:
        problems.append(f"{divergent} divergent transitions, expected none")
    said = f"nuts {plan.num_chains} x {plan.num_samples}: R-hat {r_hat:.3f}, {divergent} divergent"
    statistics = {"lp": -np.asarray(fields["potential_energy"]), "diverging": np.asarray(fields["diverging"])}
    return draws, statistics, Told((said,), tuple(problems))


def _by_image(found: dict[str, np.ndarray], priors: ImagesPriors) -> dict[str, np.ndarray]:
    """Gather the sites of the images into arrays with an axis of images."""
    shape = found[EAST].shape

    def gathered(parameter: str) -> np.ndarray:
        each = []
        for name, own in zip(priors.names, priors.each, strict=True):
            fixed: Any = own.get(parameter)
            drawn = found.get(f"{parameter}_{name}")
            each.append(np.broadcast_to(np.nan if fixed is None else fixed, shape) if drawn is None else drawn)
        return np.stack(each, axis=-1)

    nothing = np.zeros((*shape, len(priors.names)))
    draws = {EAST: found[EAST], NORTH: found[NORTH]}
    draws |= {name: found.get(name, nothing) for name in (OFFSET_EAST, OFFSET_NORTH)}
    for parameter in dict.fromkeys(name for own in priors.each for name in own):
        if parameter not in ("x_pos", "y_pos"):
            draws[parameter] = gathered(parameter)
    norm = draws.get("background_norm")
    if norm is not None and not np.any((draws["background"] > 0) & (norm > 0)):  # a map stands for the background
        del draws["background_norm"]
        draws["background"] = np.where(draws["background"] > 0, draws["background"], norm)
    return draws
