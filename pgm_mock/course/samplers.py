"""Checks of parts 4 to 6: a Metropolis sampler, effective draws, coverage, ranks and p-values."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy import stats

from ..observation import Observation
from ..priors import Priors
from .answers import WrongAnswer, array_of, called, need, number_of, right

_STEPS = 20_000
_STAMPS, _CHANCE = 3, 1e-6


def _exponential(point: np.ndarray) -> float:
    """Logarithm of a density that is exponential in the first parameter and normal, about 5, in the second."""
    first, second = point
    return float(-first - 0.5 * (second - 5.0) ** 2) if first > 0 else -np.inf


def check_metropolis(metropolis: Callable[..., np.ndarray]) -> None:
    """Let a student's sampler draw from a density whose mean and variance are known.

    Args:
        metropolis: a function of log_density, start, step, number and rng, which gives draws of shape (number, d).

    Raises:
        WrongAnswer: which says what is wrong.
    """
    start, step, rng = np.array([1.0, 5.0]), np.array([1.5, 1.5]), np.random.default_rng(4)
    given = called("metropolis", metropolis, _exponential, start, step, _STEPS, rng)
    draws = array_of("the draws", given)
    need(
        draws.ndim == 2 and draws.shape[1] == 2,
        f"the draws should have the shape (number, 2); they have {draws.shape}.",
    )
    stays = np.all(draws[1:] == draws[:-1], axis=1)
    only_moves = "a rejected step has to be recorded, too: the present point once more."
    need(len(draws) == _STEPS, f"the draws should be {_STEPS}; they are {len(draws)}: {only_moves}")
    need(not stays.all(), "the chain never moves.")
    if (draws[:, 0] <= 0).any():
        raise WrongAnswer("the chain went where the density is 0: a step to there can never be accepted.")
    need(stays.any(), f"no two draws in a row are the same: {only_moves}")
    heights = np.array([_exponential(point) for point in draws])
    need(
        (np.diff(heights) < 0).any(),
        "the chain only goes uphill: a worse point is accepted with the ratio of densities.",
    )
    steps = np.diff(draws, axis=0)[~stays]
    need(not (steps >= 0).all(axis=0).any(), "steps should go both ways, up as often as down.")
    for name, drawn, mean, deviation in (("first", draws[:, 0], 1.0, 1.0), ("second", draws[:, 1], 5.0, 1.0)):
        found, wide = drawn.mean(), drawn.std()
        said = f"the {name} parameter has mean {found:.2f} and deviation {wide:.2f};"
        said += f" they should be {mean:g} and {deviation:g}."
        hint = " Accept a step with the probability min(1, p(new) / p(old)); both are logarithms here."
        need(abs(found - mean) < 0.15 and abs(wide - deviation) < 0.15, said + hint)
    _check_steps(metropolis)
    right(f"{_STEPS:,} draws with the right means and deviations; {1 - stays.mean():.0%} of the steps were accepted.")


def _check_steps(metropolis: Callable[..., np.ndarray]) -> None:
    """See from a density that is the same everywhere, where each step is accepted, how long the steps are."""
    step, rng = np.array([0.5, 3.0]), np.random.default_rng(5)
    draws = array_of("the draws", called("metropolis", metropolis, lambda _: 0.0, np.zeros(2), step, 4000, rng))
    found = np.diff(draws, axis=0).std(axis=0)
    said = f"steps of `step` = {step} have the standard deviations {found[0]:.2f} and {found[1]:.2f}"
    hint = ": `step` is taken for a variance." if np.allclose(found, np.sqrt(step), rtol=0.1) else "."
    need(np.allclose(found, step, rtol=0.1), said + hint)


def check_effective_draws(effective_draws: Callable[[np.ndarray], float]) -> None:
    """Try an effective number of draws, (sum w)^2 / sum w^2, on weights of any scale.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    for weights in (np.ones(50), np.array([3.0, 0.0, 0.0]), np.arange(1.0, 21.0)):
        found = number_of("effective_draws(...)", called("effective_draws", effective_draws, weights))
        truth = weights.sum() ** 2 / np.sum(weights**2)
        if np.isclose(found, 1 / np.sum(weights**2)) and not np.isclose(found, truth):
            raise WrongAnswer("1 / sum w^2 is right for weights that sum to 1; these do not: normalise them first.")
        need(np.isclose(found, truth), f"for the weights {weights[:3]}... it should be {truth:.3g}; it is {found:.3g}.")
    right("equal weights count fully, and a single one counts as one draw.")


def check_holds(holds: Callable[[float, np.ndarray, float], bool]) -> None:
    """Try whether the central interval of draws holds a value.

    Args:
        holds: a function of truth, draws and probability.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    draws = np.random.default_rng(0).permutation(stats.gamma.ppf((np.arange(2000) + 0.5) / 2000, 2.0))
    for share in (0.5, 0.68, 0.95):
        tail = (1 - share) / 2
        for at, inside in ((0.5 * tail, False), (1.5 * tail, True), (1 - 1.5 * tail, True), (1 - 0.5 * tail, False)):
            answer = called("holds", holds, float(np.quantile(draws, at)), draws, share)
            where = "inside" if inside else "outside"
            said = f"a truth at the draws' quantile {at:.3f} is {where} the central {share:.0%}"
            need(np.ndim(answer) == 0, "holds(...) should give True or False.")
            need(bool(answer) == inside, f"{said}: it leaves {tail:.1%} on either side.")
    right("the central interval leaves the same share of the draws on either side.")


def check_rank(rank: Callable[[float, np.ndarray], float]) -> None:
    """Try the rank of a truth among draws: the share of the draws below it.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    draws = np.random.default_rng(0).permutation(100.0 - np.arange(1.0, 101.0))
    for truth, share in ((24.5, 0.25), (-1.0, 0.0), (200.0, 1.0)):
        found = number_of("rank(...)", called("rank", rank, truth, draws))
        need(
            not np.isclose(found, 100 * share) or share == 0,
            "rank(...) counts the draws; give their share, from 0 to 1.",
        )
        need(not np.isclose(found, 1 - share), "this is the share above the truth; take the share below.")
        need(np.isclose(found, share), f"for a truth above {share:.0%} of the draws it gave {found:.3g}.")
    right("a truth above a quarter of the draws has rank 0.25.")


def check_lazy(lazy: Callable[[list[Any], list[Priors]], Iterable[Any]], stamp: Observation, priors: Priors) -> None:
    """Try an inference that looks at no data: for each stamp 500 draws of each parameter from its prior.

    Args:
        lazy: a function of a list of stamps and a list of priors, which gives an ArviZ object for each stamp.
        stamp, priors: of the calibration.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    each = called("lazy", list, called("lazy", lazy, [stamp] * _STAMPS, [priors] * _STAMPS))
    need(len(each) == _STAMPS, f"for {_STAMPS} stamps it gave {len(each)} results: yield one for each stamp.")
    drawn = [_draws_of(one, list(priors.free)) for one in each]
    for name, prior in priors.free.items():
        first, second = (one[name] for one in drawn[:2])
        need(not np.array_equal(first, second), f"each stamp has the same draws of {name}: take a key of its own.")
        every = np.asarray(prior.cdf(np.concatenate([one[name] for one in drawn])))
        chance = stats.kstest(every, "uniform").pvalue
        half = f"half of them are below the prior's {np.median(every):.0%} quantile"
        need(chance > _CHANCE, f"the draws of {name} are not from its prior: {half}.")
    for one, other in itertools.combinations(priors.free, 2):
        related = stats.spearmanr(drawn[0][one], drawn[0][other]).statistic
        need(abs(related) < 0.5, f"{one} and {other} go together in all draws: each parameter needs a key of its own.")
    right("each stamp has draws of its own, and they are the prior's.")


def _draws_of(one: Any, names: list[str]) -> dict[str, np.ndarray]:
    """Return 500 draws of each parameter from an ArviZ object."""
    how = 'yield arviz.from_dict({"posterior": draws})'
    need(one is not None and hasattr(one, "children"), f"a result is {type(one).__name__}: {how}.")
    need("posterior" in one.children, f'a result has no group "posterior": {how}.')
    found = one["posterior"].to_dataset()
    lacking = [name for name in names if name not in found]
    need(not lacking, f"a result lacks {', '.join(lacking)}.")
    for name in names:
        shape = found[name].shape
        need(shape == (1, 500), f"{name} should have the shape (1, 500), one chain of 500 draws; it has {shape}.")
    return {name: array_of(name, found[name].values[0]) for name in names}


def check_p_value(p_value: Callable[[float, np.ndarray], float]) -> None:
    """Try a p-value from replicates: the share of them, the observation counted in, that are at least as large.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    replicates = np.repeat(np.arange(10.0), 20)
    for observed, truth in ((8.5, 21 / 201), (9.0, 21 / 201), (100.0, 1 / 201), (-1.0, 1.0)):
        found = number_of("p_value(...)", called("p_value", p_value, observed, replicates))
        need(not np.isclose(found, 1 - truth), "this is the share of replicates below; the p-value counts those above.")
        if observed == 9.0 and np.isclose(found, 1 / 201):
            raise WrongAnswer("replicates equal to the observed value count, too: at least as large.")
        if np.isclose(found, np.mean(replicates >= observed)) and not np.isclose(found, truth, atol=1e-6):
            raise WrongAnswer(
                "count the observation among the replicates: (1 + those at least as large) / (1 + number)."
            )
        need(np.isclose(found, truth), f"for {observed:g} among 200 replicates from 0 to 9 it should be {truth:.3f}.")
    right("it counts what is at least as large, and is never 0.")


def check_flagged(flagged: Callable[[np.ndarray], int]) -> None:
    """Try how many p-values are flagged such that the expected share of false alarms is at most 5 %.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    for p_values, number in (([0.2, 0.01, 0.9, 0.03, 0.02, 0.04], 0), ([0.001, 0.5, 0.015, 0.8, 0.012, 0.3], 3)):
        found = number_of("flagged(...)", called("flagged", flagged, np.array(p_values)))
        need(found != 4 or number, "these are the p-values below 0.05 as they are: adjust them first.")
        need(found == number, f"of {p_values} it should flag {number}; it gave {found:g}.")
    right("six p-values of which four are just below 0.05 are no alarm.")
