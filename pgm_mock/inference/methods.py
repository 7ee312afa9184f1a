"""The posterior of one stamp by each method, and the way from one to the next where it cannot be trusted."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from ..errors import InputError
from ..model import EXPECTED
from ..observation import Observation
from ..priors import Priors
from ..random import checked_seed, source_generator, source_key
from ..sampler.weights import (
    Weights,
    resample,
    weigh,
)
from . import importance, nuts
from .doubts import EVIDENCE, LIMIT, doubts
from .modes import FEW, MANY
from .nosource import at_place, has_more, source_parameters, without_source
from .posterior import FAILED, StampPosterior
from .program import begun, call
from .unconstrained import Data, places
from .verdict import Samples, numbers_of, positions_of, problems_of

METHODS = ("auto", "importance", "nuts")
_ROUNDS, _MORE_DRAWS = 4, 3000
"""Rounds of sampling, and the least draws in each where fewer were not enough; at least twice the first ones."""
_STRAINED, _LEAST_EFFICIENCY = 0.5, 0.4
"""Weights whose variance may be infinite (k-hat), while less than this part of the draws counts (ESS), may have left
out a tail though they are certified: more draws are taken, and kept where they are certified too."""
_TYPICAL_COUNTS = 30.0
_LEAST_SEEN = 0.02
"""A source of whose light less than this falls on exposed pixels near the place asked for has no flux."""


@dataclass(frozen=True)
class Plan:
    """How posteriors are computed: the options of `fit`. With `longest` all lists of photons have one length."""

    method: str
    rounds: tuple[int, int]
    min_ess: float
    num_chains: int
    num_warmup: int
    num_samples: int
    seed: int
    longest: bool = False

    def settings(self) -> dict[str, Any]:
        """What a result records."""
        settings = {"seed": self.seed, "num_draws": math.prod(self.rounds)}
        return settings | {name: getattr(self, name) for name in ("num_chains", "num_warmup", "num_samples")}


def make_plan(method: str, num_draws: int, min_ess: float, seed: int | None, **numbers: int) -> Plan:
    """Check the options and settle the rounds of importance sampling."""
    if method not in METHODS:
        raise InputError(f"method: expected {', '.join(METHODS)}, found {method!r}")
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"{name}: expected at least 1, found {number}")
    if not min_ess > 0:
        raise InputError(f"min_ess: expected a number above 0, found {min_ess}")
    if num_draws < 500:
        raise InputError(f"num_draws: expected at least 500, found {num_draws}")
    rounds = _ROUNDS, -(-num_draws // _ROUNDS)
    chains, warmup, samples = (numbers[name] for name in ("num_chains", "num_warmup", "num_samples"))
    return Plan(method, rounds, min_ess, chains, warmup, samples, checked_seed(seed))


def fit_one(observation: Observation, priors: Priors, plan: Plan) -> StampPosterior:
    """Fit one stamp, and escalate as far as the method allows."""
    priors.check_free()
    reason = priors.only_for_nuts()
    if reason and plan.method == "importance":
        raise InputError(f"method 'importance': {reason}; method 'nuts' takes them")
    if reason or plan.method == "nuts":
        return by_nuts(observation, priors, plan, Data.of(observation), ())
    data = Data.of(observation, longest=plan.longest)
    return escalate(by_importance(observation, priors, plan, data, plan.rounds), plan)


def escalate(found: StampPosterior, plan: Plan) -> StampPosterior:
    """Where a posterior, or what it is compared with, is not certified, try more modes and more draws, and then NUTS.

    It happens to one stamp in several hundred: their lists have one length, so that these programs compile once.
    """
    for rounds in further_rounds(found, plan):
        if needs_more(found, plan):
            data = Data.of(found.observation, longest=True)
            found = better_of(found, by_importance(found.observation, found.priors, plan, data, rounds, MANY))
    return settled(found, plan)


def needs_more(found: StampPosterior, plan: Plan) -> bool:
    """Whether the draws from a posterior, or from what it is compared with, are not enough."""
    numbers = found.numbers
    strained = numbers["khat"] > _STRAINED and numbers["ess"] < _LEAST_EFFICIENCY * math.prod(plan.rounds)
    return bool(not found.certified or strained or {EVIDENCE, LIMIT} & set(found.notes))


def further_rounds(found: StampPosterior, plan: Plan) -> tuple[tuple[int, int], ...]:
    """Rounds of the attempts after the first one, each with more modes, and made where it is still needed.

    Where the first lacked nothing but places, twice its draws from more of them may do.
    """
    twice = 2 * plan.rounds[1]
    some, most = (_ROUNDS, twice), (_ROUNDS, max(_MORE_DRAWS, twice))
    only_places = found.left_out and len(found.problems) == 1
    return (some, most) if only_places and some != most else (most,)


def better_of(found: StampPosterior, more: StampPosterior) -> StampPosterior:
    """Take the later attempt where it is certified, or the one before is not."""
    kept = found if found.certified and not more.certified else more
    return replace(kept, tried=found.tried + more.tried)


def settled(found: StampPosterior, plan: Plan) -> StampPosterior:
    """Take NUTS where no attempt is certified and the method allows it.

    Where there are several modes NUTS is no judge: its chains do not cross from one to another.
    """
    if found.certified or plan.method == "importance" or found.positions > 1:
        return found
    last = by_nuts(found.observation, found.priors, plan, Data.of(found.observation, longest=True), found.tried)
    # The evidence, the likelihood ratio and the limits of importance sampling stay, with its k-hat beside them.
    numbers = found.numbers | last.numbers
    warning = f"ln evidence and ln Bayes factor are of importance sampling without a certificate ({found.tried[-1]})"
    uncertain = {EVIDENCE: warning} | {about: found.notes[about] for about in (EVIDENCE, LIMIT) if about in found.notes}
    notes = doubts(last.priors, last.draws, numbers) | uncertain
    return replace(last, numbers=numbers, notes=notes, without_source=found.without_source)


def by_importance(
    observation: Observation,
    priors: Priors,
    plan: Plan,
    data: Data,
    rounds: tuple[int, int],
    modes: int = FEW,
) -> StampPosterior:
    """Compute a posterior by importance sampling, with its verdict."""

    def draw(names: list[str], priors_list: list[Priors], darks: list[importance.Dark]) -> list[Any]:
        noise = importance.Noise.of(plan.seed, names[0], priors_list[0].dimension, rounds)
        return [jax.device_get(call(importance.sample, noise, data, priors_list[0], darks[0], modes=modes))]

    ahead = []
    if has_more(priors, data):  # what `sample_all` needs after its first program is compiled beside that
        for own in (at_place(priors, 1.0), priors):
            noise, dark = importance.Noise.unset(own.dimension, rounds), importance.Dark.unknown(own)
            ahead.append(partial(importance.sample, noise, data, own, dark, modes=modes))
    with begun(*ahead):
        (samples,) = sample_all([(observation, priors)], [data], draw)
    return importance_posterior(observation, priors, plan, samples, rounds[0])


Draw = Callable[[list[str], list[Priors], list[importance.Dark]], list[importance.ImportanceSample]]


def sample_all(jobs: Sequence[tuple[Observation, Priors]], data: Sequence[Data], draw: Draw) -> list[Samples]:
    """Draw from the posteriors of stamps of one kind, and from what they are compared with.

    Args:
        jobs: stamps and priors, which have the same parameters.
        data: of each stamp.
        draw: samples all of them for a name, priors and the model without a source for each.
    """
    names, priors = [stamp.name for stamp, _ in jobs], [own for _, own in jobs]
    darks = [importance.Dark.unknown(own) for own in priors]
    if not has_more(priors[0], data[0]):
        return [Samples(one) for one in draw(names, priors, darks)]
    empty = draw([f"{name} without source" for name in names], [without_source(own) for own in priors], darks)
    weights = [weigh(one.log_density, one.log_proposal) for one in empty]
    darks = [_known_without(one, its, own) for one, its, own in zip(empty, weights, priors, strict=True)]
    times = [np.median(stamp.exposure[stamp.exposure > 0]) for stamp, _ in jobs]
    placed = [at_place(own, _TYPICAL_COUNTS / time) for own, time in zip(priors, times, strict=True)]
    beneath = [dark.under(own, pinned) for dark, own, pinned in zip(darks, priors, placed, strict=True)]
    there = draw([f"{name} at its place" for name in names], placed, beneath)
    full = draw(names, priors, [one.beside_source() for one in darks])
    return [Samples(*each) for each in zip(full, empty, weights, there, placed, strict=True)]


def _known_without(empty: importance.ImportanceSample, weights: Weights, priors: Priors) -> importance.Dark:
    """Say what is known without the source; a background's posterior with a tail is wider than it is at its mode."""
    if "background" not in priors.free:
        return empty.best
    shares = np.exp(weights.log_weights)
    background = np.asarray(empty.vectors)[:, places(priors)["background"]]
    variance = np.average((background - shares @ background) ** 2, weights=shares)
    return empty.best._replace(spread=np.maximum(empty.best.spread, np.sqrt(variance)))


def importance_posterior(
    observation: Observation, priors: Priors, plan: Plan, samples: Samples, rounds: int
) -> StampPosterior:
    """Give importance samples their weights, their verdict and the numbers that are derived from them."""
    sample = samples.full
    if not (seen := float(sample.aperture.exposure_times_light) / observation.exposure.max()) >= _LEAST_SEEN:
        found = f"found {seen:.1%} of the light of a source there on exposed pixels"
        name = observation.name or "stamp"
        raise InputError(f"{name}: expected some exposure about the position asked for, {found}")
    shape = (plan.num_chains, plan.num_samples)
    weights = weigh(sample.log_density, sample.log_proposal)
    chosen = resample(
        source_generator(plan.seed, f"resampling {observation.name}"), weights.log_weights, math.prod(shape)
    )
    number = len(weights.log_weights)
    weighted = {name: np.asarray(values)[None] for name, values in sample.parameters.items()}
    draws = {
        name: np.asarray(values)[chosen].reshape(*shape, *np.shape(values)[1:])
        for name, values in sample.parameters.items()
    }
    numbers, uncertain = numbers_of(samples, weights, source_parameters(priors), rounds)
    positions, said = positions_of(sample, weights.log_weights)
    return StampPosterior(
        observation=observation,
        priors=priors,
        method="importance",
        draws=draws,
        statistics={"lp": np.asarray(sample.log_density)[chosen].reshape(shape)},
        numbers=numbers,
        weighted=weighted | {"log_weight": weights.log_weights[None]},
        settings=plan.settings(),
        tried=(f"importance {number}: k-hat {weights.khat:.2f}, ESS {weights.ess:.0f}",),
        problems=problems_of(sample, weights, plan.min_ess, rounds),
        left_out=int(sample.left_out),
        notes=doubts(priors, draws, numbers) | said | uncertain,
        positions=positions,
        without_source={name: np.asarray(value) for name, value in sample.without.items()}
        | {EXPECTED: np.asarray(sample.mean_without)},
    )


def by_nuts(observation: Observation, priors: Priors, plan: Plan, data: Data, tried: tuple[str, ...]) -> StampPosterior:
    """Compute a posterior by the No-U-Turn sampler, with its verdict."""
    numbers = {"num_warmup": plan.num_warmup, "num_samples": plan.num_samples}
    chains = max(plan.num_chains, 4) if tried else plan.num_chains
    key = source_key(plan.seed, observation.name)
    parameters, statistics = call(nuts.sample, key, data, priors, num_chains=chains, **numbers)
    draws = {name: np.asarray(values) for name, values in parameters.items()}
    said = {name: np.asarray(values) for name, values in statistics.items()}
    r_hat, divergences = nuts.largest_r_hat(draws), int(said["diverging"].sum())
    lacking = nuts.disagreement(r_hat)
    if divergences:
        lacking.append(f"{divergences} divergent transitions, expected none")
    return StampPosterior(
        observation=observation,
        priors=priors,
        method="nuts",
        draws=draws,
        statistics=said,
        numbers={"r_hat": r_hat},
        weighted={},
        settings=plan.settings(),
        tried=(*tried, f"nuts {chains} x {plan.num_samples}: R-hat {r_hat:.3f}, {divergences} divergences"),
        problems=tuple(lacking),
    )


def failed_posterior(observation: Observation, priors: Priors, plan: Plan, why: str) -> StampPosterior:
    """Return a result without a posterior, which says why there is none."""
    nothing = {name: np.full((1, 1, *priors.shape(name)), np.nan) for name in priors}
    return StampPosterior(observation, priors, FAILED, nothing, {}, {}, {}, plan.settings(), (), (why,))
