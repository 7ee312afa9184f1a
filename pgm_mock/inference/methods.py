"""The posterior of one stamp by each method, and the way from one to the next where it cannot be trusted."""

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ..errors import InputError
from ..observation import Observation
from ..priors import Priors, one_shape
from ..psf import PSF, describe_psf
from ..random import checked_seed, source_generator, source_key
from . import importance, nuts
from .limits import detectable_flux, detection_likelihood
from .nosource import source_parameters
from .posterior import FAILED, KHAT_LIMIT, StampPosterior
from .program import call
from .unconstrained import Data
from .weights import resample, weigh

METHODS = ("auto", "importance", "nuts")
_ROUNDS, _MORE_ROUNDS = 4, (4, 3000)
_R_HAT_LIMIT = 1.01


@dataclass(frozen=True)
class Plan:
    """How posteriors are computed; see `fit` for the words. With `longest` all lists of photons have one length."""

    method: str
    psf: PSF
    rounds: tuple[int, int]
    min_ess: float
    num_chains: int
    num_warmup: int
    num_samples: int
    seed: int
    longest: bool = False

    def settings(self) -> dict[str, Any]:
        """What a result records."""
        told = {"seed": self.seed, "psf": describe_psf(self.psf), "num_draws": math.prod(self.rounds)}
        return told | {name: getattr(self, name) for name in ("num_chains", "num_warmup", "num_samples")}


def make_plan(method: str, psf: PSF, num_draws: int, min_ess: float, seed: int | None, **numbers: int) -> Plan:
    """Check the options and settle the rounds of importance sampling."""
    if method not in METHODS:
        raise InputError(f"method: expected {', '.join(METHODS)}, found {method!r}")
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"{name}: expected at least 1, found {number}")
    if num_draws < 500:
        raise InputError(f"num_draws: expected at least 500, found {num_draws}")
    rounds = _ROUNDS, -(-num_draws // _ROUNDS)
    chains, warmup, samples = (numbers[name] for name in ("num_chains", "num_warmup", "num_samples"))
    return Plan(method, psf, rounds, min_ess, chains, warmup, samples, checked_seed(seed))


def fit_one(observation: Observation, priors: Priors, plan: Plan) -> StampPosterior:
    """Fit one stamp, and escalate as far as the method allows."""
    priors.check_free()
    if plan.method == "nuts":
        return by_nuts(observation, priors, plan, Data.of(observation), ())
    data = Data.of(observation, longest=plan.longest)
    return escalate(by_importance(observation, priors, plan, data, plan.rounds), plan)


def escalate(found: StampPosterior, plan: Plan) -> StampPosterior:
    """Where a posterior is not certified, take more draws, and then NUTS.

    It happens to one stamp in several hundred: their lists have one length, so that these programs compile once.
    """
    if found.certified:
        return found
    data = Data.of(found.observation, longest=True)
    more = by_importance(found.observation, found.priors, plan, data, _MORE_ROUNDS)
    more = replace(more, tried=found.tried + more.tried)
    if more.certified or plan.method == "importance":
        return more
    last = by_nuts(found.observation, found.priors, plan, data, more.tried)
    # The evidence, the likelihood ratio and the limits of importance sampling stay, with its k-hat beside them.
    return replace(last, numbers=more.numbers | last.numbers)


def by_importance(
    observation: Observation, priors: Priors, plan: Plan, data: Data, rounds: tuple[int, int]
) -> StampPosterior:
    """Compute a posterior by importance sampling, with its verdict."""
    noise = importance.Noise.of(plan.seed, observation.name, priors.dimension, rounds)
    sample = call(importance.sample, noise, data, priors, plan.psf)
    return importance_posterior(observation, priors, plan, jax.device_get(sample))


def importance_posterior(
    observation: Observation, priors: Priors, plan: Plan, sample: importance.ImportanceSample
) -> StampPosterior:
    """Give an importance sample its weights, its verdict and its derived numbers."""
    shape = (plan.num_chains, plan.num_samples)
    log_weights, khat, ess, log_evidence = weigh(sample.log_density, sample.log_proposal)
    chosen = resample(source_generator(plan.seed, f"resampling {observation.name}"), log_weights, math.prod(shape))
    number, problems = len(log_weights), []
    if not khat <= KHAT_LIMIT:
        problems.append(f"the weights cannot be trusted (k-hat {khat:.2f}, expected at most {KHAT_LIMIT})")
    if not ess >= plan.min_ess:
        problems.append(f"few effective draws (ESS {ess:.0f}, expected at least {plan.min_ess:.0f})")
    if undefined := int(sample.undefined):
        problems.append(f"the density is not a number at {undefined} of {number} draws")
    degrees = source_parameters(priors)
    ratio = float(sample.max_log_likelihood - sample.source_free.max_log_likelihood)
    numbers = {
        "khat": khat,
        "ess": ess,
        "log_evidence": log_evidence,
        "ln_bayes_factor": log_evidence - float(sample.source_free.log_evidence),
        "det_like": detection_likelihood(ratio, degrees) if degrees else 0.0,
        "flux_ul95": float(sample.upper_limit.flux_95),
        "flux_detectable": detectable_flux(sample.upper_limit),
    }
    weighted = {name: np.asarray(values)[None] for name, values in sample.parameters.items()}
    return StampPosterior(
        observation=observation,
        priors=priors,
        method="importance",
        draws={
            name: np.asarray(values)[chosen].reshape(*shape, *np.shape(values)[1:])
            for name, values in sample.parameters.items()
        },
        statistics={"lp": np.asarray(sample.log_density)[chosen].reshape(shape)},
        numbers=numbers,
        weighted=weighted | {"log_weight": log_weights[None]},
        settings=plan.settings(),
        tried=(f"importance {number}: k-hat {khat:.2f}, ESS {ess:.0f}",),
        problems=tuple(problems),
    )


def by_nuts(observation: Observation, priors: Priors, plan: Plan, data: Data, tried: tuple[str, ...]) -> StampPosterior:
    """Compute a posterior by the No-U-Turn sampler, with its verdict."""
    numbers = {"num_warmup": plan.num_warmup, "num_samples": plan.num_samples}
    chains = max(plan.num_chains, 4) if tried else plan.num_chains
    key = source_key(plan.seed, observation.name)
    parameters, statistics = call(nuts.sample, key, data, priors, plan.psf, num_chains=chains, **numbers)
    draws = {name: np.asarray(values) for name, values in parameters.items()}
    said = {name: np.asarray(values) for name, values in statistics.items()}
    r_hat, divergences = nuts.largest_r_hat(draws), int(said["diverging"].sum())
    problems = []
    if not r_hat < _R_HAT_LIMIT:
        problems.append(f"the chains disagree (R-hat {r_hat:.3f}, expected below {_R_HAT_LIMIT})")
    if divergences:
        problems.append(f"{divergences} divergent transitions, expected none")
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
        problems=tuple(problems),
    )


def failed_posterior(observation: Observation, priors: Priors, plan: Plan, why: str) -> StampPosterior:
    """Return a result without a posterior, which says why there is none."""
    nothing = {name: np.full((1, 1, *one_shape(prior)), np.nan) for name, prior in priors.items()}
    return StampPosterior(observation, priors, FAILED, nothing, {}, {}, {}, plan.settings(), (), (why,))
