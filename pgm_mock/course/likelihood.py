"""Checks of part 3: the likelihood."""

from collections.abc import Callable

import numpy as np

from .answers import WrongAnswer, called, need, right
from .reference import Scene, expected, log_likelihood, scenes

_SEED = 20


def check_log_likelihood(log_likelihood_of: Callable[..., float]) -> None:
    """Hold differences of ln L between parameters against a reference. What no parameter changes may be left out.

    Args:
        log_likelihood_of: a function of counts, exptime, xs, ys and pars.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    name = "log_likelihood"
    rng = np.random.default_rng(_SEED)
    crowded = scenes()[0].but(background=2e-4)  # a product of its probabilities is below the smallest double
    for scene in [*scenes(), crowded]:
        counts = rng.poisson(expected(scene))
        trials = [scene, *(scene.but(**{name: f * scene.parameters[name]}) for name, f in _CHANGES)]
        answers = [called(name, log_likelihood_of, counts, *trial) for trial in trials]
        need(np.ndim(answers[0]) == 0, f"{name}(...) should give one number: sum over the pixels.")
        found = np.array(answers, dtype=float)
        _say_infinite(found)
        means = [expected(trial) for trial in trials]
        truth = np.array([log_likelihood(counts, mean) for mean in means])
        if far(found, truth) <= 1:
            continue
        wrong = _wrong(counts, trials, truth)
        said, values = min(wrong, key=lambda one: far(found, one[1]))
        need(far(found, values) > 1, f"{name}: {said}")
        raise WrongAnswer(f"{name}: it does not change with the parameters as the sum of ln p(N | mu) does.")
    right("ln L changes with the parameters as it should.")


_CHANGES = (("flux", 1.3), ("background", 1.4), ("psf_width", 1.2), ("x_pos", 1.005), ("y_pos", 0.995))


def _say_infinite(found: np.ndarray) -> None:
    said = "ln L is not a number: where the exposure is 0, so are mu and N, and 0 log 0 has to count as 0."
    need(not np.isnan(found).any(), said)
    tiny = np.isneginf(found).any() or (found == 0).all()
    said = "the product of thousands of probabilities is smaller than the smallest number that there is, and became 0."
    need(not tiny, f"{said} Sum logarithms instead; and where mu and N are both 0, the probability is 1.")
    need(np.isfinite(found).all(), "ln L is infinite.")


def far(found: np.ndarray, other: np.ndarray) -> float:
    """How far the changes of ln L are from others, in units of what single precision can tell."""
    change, its = found - found[0], other - other[0]
    return float(np.max(np.abs(change - its) / (1e-3 + 1e-3 * np.abs(its))))


def _wrong(counts: np.ndarray, trials: list[Scene], truth: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The values that common mistakes give."""

    def each(value: Callable[[Scene], float]) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.array([value(trial) for trial in trials])

    def of(mean: Callable[[Scene], np.ndarray]) -> np.ndarray:
        return each(lambda trial: log_likelihood(counts, mean(trial)))

    def flat(s: Scene) -> np.ndarray:
        return expected(s._replace(exposure=np.ones_like(s.exposure)))

    def one_exposure(s: Scene) -> np.ndarray:
        return expected(s._replace(exposure=np.full_like(s.exposure, s.exposure.mean())))

    def chi_square(s: Scene) -> float:
        mean = expected(s)
        seen = mean > 0
        return float(-0.5 * np.sum((counts[seen] - mean[seen]) ** 2 / mean[seen]))

    def logs_alone(s: Scene) -> float:
        mean = expected(s)
        return float(np.sum(counts[mean > 0] * np.log(mean[mean > 0])))

    return [
        ("the exposure is missing: mu is t (F P + b).", of(flat)),
        ("all pixels have the same exposure; each should have its own.", of(one_exposure)),
        ("your x and y are swapped.", of(lambda s: expected(s.swapped()))),
        ("the term -mu of the Poisson distribution is missing.", each(logs_alone)),
        ("this is a chi-square: with few counts a pixel, use the Poisson distribution itself.", each(chi_square)),
        ("its sign is wrong.", -truth),
        (
            "it is the mean over the pixels; independent pixels multiply, so their logarithms are summed.",
            truth / counts.size,
        ),
        ("take the natural logarithm.", truth / np.log(10)),
    ]
