"""The posterior of several images, by collapsing them, certified, or by NUTS where that cannot be trusted."""

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...random import source_generator
from ...sampler.weights import log_evidence, problems, resample, weigh
from ...skystamps import SkyImage, SkyStamps
from ..methods import Plan
from .collapse import Collapsed, Collapsible, collapse, images_of
from .limits import FluxLikelihood, ln_bayes_variable, sum_limit
from .posterior import EAST, NORTH, OFFSET_EAST, OFFSET_NORTH, ImagesPosterior
from .priors import ImagesPriors

_MORE = 4
_EPOCH_DRAWS = 24


def fit_images(stamps: SkyStamps, priors: ImagesPriors, plan: Plan) -> ImagesPosterior:
    """Fit the images of one source together.

    Args:
        stamps: of the images about one place.
        priors: of the shared place, the offsets, and each image.
        plan: method "auto" or "importance" collapses the images, "nuts" does not; its rounds give the number of draws.

    Raises:
        InputError: priors of other images, or such as cannot be collapsed, with the method "importance".
    """
    if list(priors.names) != stamps.names:
        raise InputError(f"priors: expected those of {', '.join(stamps.names)}, found {', '.join(priors.names)}")
    reason = priors.only_for_nuts(stamps)
    if reason and plan.method == "importance":
        raise InputError(f"method 'importance': {reason}; method 'nuts' takes them")
    if reason or plan.method == "nuts":
        return _by_nuts(stamps, priors, plan, ())
    images = images_of(stamps, priors)
    number = plan.rounds[0] * plan.rounds[1]
    found = _collapsed(stamps, priors, plan, images, number, ())
    if found.problems:
        found = _collapsed(stamps, priors, plan, images, _MORE * number, found.tried)
    if found.problems and plan.method == "auto":
        return _by_nuts(stamps, priors, plan, found.tried)
    return found


def _collapsed(
    stamps: SkyStamps,
    priors: ImagesPriors,
    plan: Plan,
    images: list[Collapsible],
    number: int,
    tried: tuple[str, ...],
) -> ImagesPosterior:
    generator = source_generator(plan.seed, stamps.name)
    drawn = collapse(images, priors, generator, number)
    undefined = int(np.isnan(drawn.log_target).sum())
    target = np.where(np.isnan(drawn.log_target), -np.inf, drawn.log_target)
    weights = weigh(target, drawn.log_proposal)
    every = _by_name(drawn, priors)
    chosen = resample(generator, weights.log_weights, plan.num_chains * plan.num_samples)
    shape = (plan.num_chains, plan.num_samples)
    draws = {name: values[chosen].reshape(*shape, *values.shape[1:]) for name, values in every.items()}
    evidence = log_evidence(target, drawn.log_proposal, 1)
    numbers = {"khat": weights.khat, "ess": weights.ess, "log_evidence": evidence}
    numbers |= _limits(stamps, images, evidence)
    places = np.stack([draws[EAST], draws[NORTH]], axis=-1)[:, :, None]
    places = (places + np.stack([draws[OFFSET_EAST], draws[OFFSET_NORTH]], axis=-1)).reshape(-1, len(images), 2)
    for image, own, place in zip(stamps.images, images, np.median(places, axis=0), strict=True):
        numbers[f"ln_ratio_{image.name}"] = FluxLikelihood.of(own, place).log_ratio
    if groups := epochs_of(stamps):
        each = [[images[number] for number in group] for group in groups]
        some = places[:: max(1, len(places) // _EPOCH_DRAWS)][:_EPOCH_DRAWS]
        numbers["ln_bayes_variable"] = ln_bayes_variable(each, some, groups)
    return ImagesPosterior(
        stamps,
        priors,
        "collapse",
        draws,
        {"lp": target[chosen].reshape(shape)},
        numbers,
        {name: values[None] for name, values in (every | {"log_weight": weights.log_weights}).items()},
        plan.settings() | {"num_draws": number},
        (*tried, f"collapse {number}: k-hat {weights.khat:.2f}, ESS {weights.ess:.0f}"),
        problems(weights, plan.min_ess, 0.0, undefined),
    )


def _by_name(drawn: Collapsed, priors: ImagesPriors) -> dict[str, np.ndarray]:
    backgrounds = drawn.levels.copy()
    for number, own in enumerate(priors.each):
        if not [name for name in own.free if name != "flux"]:
            fixed = own["background"] or own.get("background_norm", 0.0)
            backgrounds[:, number] = np.asarray(fixed, float)
    return {
        EAST: drawn.places[:, 0],
        NORTH: drawn.places[:, 1],
        OFFSET_EAST: drawn.offsets[..., 0],
        OFFSET_NORTH: drawn.offsets[..., 1],
        "flux": drawn.fluxes,
        "background": backgrounds,
    }


def _limits(stamps: SkyStamps, images: list[Collapsible], evidence: float) -> dict[str, float]:
    """Bayes factor against no source, and upper limits of each image and of the cameras' sum in each band."""
    at_place = [FluxLikelihood.of(image, np.zeros(2)) for image in images]
    empty = sum(one.log_empty for one in at_place)
    numbers = {"ln_bayes_factor": evidence - empty}
    for image, one in zip(stamps.images, at_place, strict=True):
        numbers[f"flux_ul95_{image.name}"] = one.limit()
    for label, group in bands_of(stamps.images).items():
        numbers[f"flux_ul95_{label}"] = sum_limit([at_place[number] for number in group])
    return numbers


def bands_of(images: Sequence[SkyImage]) -> dict[str, list[int]]:
    """Group the images by band: by "500_2000", in eV, or "all" where none has one; the first epoch of each camera."""
    found: dict[str, list[int]] = {}
    seen = set()
    for number, image in enumerate(images):
        if (image.camera, image.band) in seen and image.camera:
            continue
        seen.add((image.camera, image.band))
        found.setdefault(band_label(image.band), []).append(number)
    return found


def band_label(band: tuple[float, float] | None) -> str:
    """Call a band after its energies in eV."""
    return "all" if band is None else "_".join(f"{1000 * energy:.0f}" for energy in band)


def epochs_of(stamps: SkyStamps) -> list[list[int]]:
    """Group images of one camera and band that were begun at unlike times."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, image in enumerate(stamps.images):
        if image.epoch and image.camera:
            groups.setdefault((image.camera, band_label(image.band)), []).append(number)
    alike = [group for group in groups.values() if len({stamps.images[n].epoch for n in group}) > 1]
    return alike


def _by_nuts(stamps: SkyStamps, priors: ImagesPriors, plan: Plan, tried: tuple[str, ...]) -> ImagesPosterior:
    from .nuts import sample

    draws, statistics, verdict = sample(stamps, priors, plan)
    return ImagesPosterior(
        stamps,
        priors,
        "nuts",
        draws,
        statistics,
        {},
        {},
        plan.settings(),
        (*tried, *verdict.said),
        verdict.problems,
    )
