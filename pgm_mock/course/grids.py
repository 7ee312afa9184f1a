"""Checks of part 3: posteriors on grids."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import stats

from .answers import WrongAnswer, array_of, called, need, number_of, right
from .likelihood import far
from .reference import NAMES, Scene, expected, log_likelihood, log_likelihoods

_SEED = 20


def check_posterior(
    flux: np.ndarray,
    posterior: Any,
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    fixed: Mapping[str, float],
) -> None:
    """Hold the posterior density of the flux on a grid, with a flat prior, against a reference.

    Args:
        flux: the grid, of equal steps.
        posterior: densities on it.
        data: the stamps of counts, exposure, x and y.
        fixed: the other parameters.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    density = array_of("the posterior", posterior, flux.shape)
    _check_density(density, float(np.sum(density) * (flux[1] - flux[0])))
    counts, exposure, x, y = data
    scene = Scene(exposure, x, y, fixed)
    logs = log_likelihoods(counts, scene, flux)
    truth = _normalised(logs) / (flux[1] - flux[0])
    if np.abs(density - truth).max() < 0.01 * truth.max():
        right(f"it integrates to 1 and is highest at {flux[np.argmax(density)]:.3g} ct / s.")
        return
    for said, other in _wrong_posteriors(flux, logs, counts, scene):
        need(np.abs(density - other).max() > 0.02 * other.max(), f"the posterior: {said}")
    raise WrongAnswer(
        "the posterior is not proportional to exp(ln L): subtract the largest ln L before exp, or it becomes 0; the "
        "prior is flat, and all else as it is in `fixed`."
    )


def _check_density(density: np.ndarray, integral: float) -> None:
    said = "the posterior has negative values: it is proportional to exp(ln L), not to ln L."
    need((density >= 0).all(), said)
    if np.isclose(density.sum(), 1.0, rtol=0.01) and not np.isclose(integral, 1.0, rtol=0.01):
        raise WrongAnswer("your values sum to 1; a density integrates to 1: divide by the steps of the grid as well.")
    if np.isclose(density.max(), 1.0) and not np.isclose(integral, 1.0, rtol=0.01):
        raise WrongAnswer("the posterior is not normalised: its maximum is 1; its integral should be.")
    said = f"the posterior is not normalised: its integral is {integral:.3g}, and should be 1."
    need(np.isclose(integral, 1.0, rtol=0.01), said)


def _normalised(logs: np.ndarray) -> np.ndarray:
    density = np.exp(logs - logs.max())
    return density / density.sum()


def _wrong_posteriors(
    flux: np.ndarray, logs: np.ndarray, counts: np.ndarray, scene: Scene
) -> list[tuple[str, np.ndarray]]:
    exposure = scene.exposure
    unexposed = scene._replace(exposure=np.where(exposure > 0, 1.0, 0.0))
    alike = scene._replace(exposure=np.full_like(exposure, exposure.mean()))
    with np.errstate(divide="ignore"):
        falling = logs - np.log(flux)
    wrong = [
        ("the exposure is missing: mu is t (F P + b).", log_likelihoods(counts, unexposed, flux)),
        ("the same exposure was used in all pixels.", log_likelihoods(counts, alike, flux)),
        ("it has the prior 1 / flux; a flat one was asked for.", np.where(flux > 0, falling, -np.inf)),
        ("exp(ln L / 2) in place of exp(ln L).", logs / 2),
    ]
    return [(said, _normalised(values) / (flux[1] - flux[0])) for said, values in wrong]


def check_hdi(mode: Callable[..., float], hdi: Callable[..., Any]) -> None:
    """Try a mode and a highest-density interval on three densities whose answers are known.

    Args:
        mode: a function of grid and density.
        hdi: a function of grid, density and probability, which gives the lower and the upper end.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    for law, start, end in ((stats.gamma(2.0), 0.0, 12.0), (stats.expon(), 0.0, 10.0), (stats.norm(3.0), -3.0, 9.0)):
        grid = np.linspace(start, end, 2401)
        step = grid[1] - grid[0]
        density = law.pdf(grid) / (law.pdf(grid).sum() * step)
        top = number_of("mode(...)", called("mode", mode, grid, density))
        said = f"mode(...) gave {top:.4g} where the density is highest at {grid[np.argmax(density)]:.4g}"
        if np.isclose(top, np.argmax(density)) and not np.isclose(top, grid[np.argmax(density)]):
            raise WrongAnswer(f"{said}: that is the index in the grid.")
        need(abs(top - grid[np.argmax(density)]) <= 1.5 * step, f"{said}.")
        for share in (0.68, 0.9):
            low, high = _interval(called("hdi", hdi, grid, density, share))
            right_low, right_high = _highest(grid, density, share)
            if max(abs(low - right_low), abs(high - right_high)) <= 3 * step:
                continue
            _say_interval(low, high, (right_low, right_high), law, share, step)
    right("the mode and the interval are right on a lopsided, a one-sided and a symmetric density.")


def _interval(answer: Any) -> tuple[float, float]:
    ends = array_of("hdi(...)", answer)
    need(ends.shape == (2,), f"hdi(...) should give two numbers, the lower and the upper end; it gave {ends.size}.")
    need(ends[0] < ends[1], "hdi(...) should give the lower end first.")
    return float(ends[0]), float(ends[1])


def _highest(grid: np.ndarray, density: np.ndarray, share: float) -> tuple[float, float]:
    order = np.argsort(density)[::-1]
    held = np.cumsum(density[order]) / density.sum()
    inside = grid[order[: np.searchsorted(held, share) + 1]]
    return float(inside.min()), float(inside.max())


def _say_interval(low: float, high: float, truth: tuple[float, float], law: Any, share: float, step: float) -> None:
    def near(ends: tuple[float, float]) -> bool:
        return max(abs(low - ends[0]), abs(high - ends[1])) <= 4 * step

    tail = (1 - share) / 2
    equal = (
        "this interval leaves the same probability on either side; the highest-density one is the shortest that holds"
    )
    need(not near((law.ppf(tail), law.ppf(1 - tail))), f"{equal} {share:.0%}: sort the points by their density.")
    around = (law.mean() - law.std(), law.mean() + law.std())
    need(not near(around), "this is the mean and one standard deviation on either side.")
    held = law.cdf(high) - law.cdf(low)
    said = f"hdi(...) gave {low:.3g} to {high:.3g}, which holds {held:.0%}; the highest-density interval"
    raise WrongAnswer(f"{said} of {share:.0%} is {truth[0]:.3g} to {truth[1]:.3g}.")


def check_posterior_2d(
    flux: np.ndarray,
    width: np.ndarray,
    posterior: Any,
    marginal: Any,
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    fixed: Mapping[str, float],
) -> None:
    """Hold a posterior of flux and PSF width, and the flux's marginal, against a reference.

    Args:
        flux, width: the axes of the grid, each of equal steps.
        posterior: densities of shape (flux, width), with a prior of 1.0 +- 0.3 on the width.
        marginal: densities of the flux alone.
        data: the stamps of counts, exposure, x and y.
        fixed: the other parameters.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    density = array_of("posterior", posterior, (flux.size, width.size))
    d_flux, d_width = flux[1] - flux[0], width[1] - width[0]
    integral = float(density.sum() * d_flux * d_width)
    _check_density(density, integral)
    counts, exposure, x, y = data
    scene = Scene(exposure, x, y, fixed)
    logs = np.stack([log_likelihoods(counts, scene.but(psf_width=sigma), flux) for sigma in width], axis=1)
    flat = _normalised(logs) / (d_flux * d_width)
    prior = stats.norm.logpdf(width, 1.0, 0.3)
    truth = _normalised(logs + prior) / (d_flux * d_width)

    def same(other: np.ndarray) -> bool:
        return bool(np.abs(density - other).max() < 0.02 * other.max())

    need(not same(flat), "the prior of the width, a Gaussian of 1.0 with standard deviation 0.3, is missing.")
    variance = _normalised(logs + stats.norm.logpdf(width, 1.0, np.sqrt(0.3))) / (d_flux * d_width)
    need(not same(variance), "0.3 is the standard deviation of the width's prior, not its variance.")
    need(same(truth), "the posterior is not proportional to exp(ln L) times the prior of the width.")
    alone = array_of("marginal", marginal, flux.shape)
    right_one = truth.sum(axis=1) * d_width
    top = np.unravel_index(np.argmax(truth), truth.shape)
    for said, other in (
        (
            "this is the posterior at the best width, a slice; the marginal is the integral over all widths.",
            truth[:, top[1]],
        ),
        ("this is the largest value over the widths; the marginal is the integral over all widths.", truth.max(axis=1)),
        ("the sum over the widths should be multiplied by their step.", truth.sum(axis=1)),
    ):
        scaled = other / (other.sum() * d_flux)
        same_shape = np.abs(alone - scaled).max() < 0.01 * scaled.max() or np.allclose(alone, other, rtol=0.02)
        different = np.abs(scaled - right_one).max() > 0.01 * right_one.max() or not np.allclose(
            alone, right_one, rtol=0.02
        )
        need(not (same_shape and different), f"marginal: {said}")
    need(np.abs(alone - right_one).max() < 0.02 * right_one.max(), "marginal is not the integral over the widths.")
    right("the posterior of both has its prior, and the marginal integrates over the width.")


def check_cost(memory: Callable[[int, int], float], seconds: Callable[[int, int, float], float]) -> None:
    """Try what a student says of the cost of a grid.

    Args:
        memory: bytes of a grid of doubles, from the points along each axis and the number of axes.
        seconds: time for it, from the same and the seconds that one point takes.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    found = number_of("memory(100, 5)", called("memory", memory, 100, 5))
    need(found != 100**5, "a double has 8 bytes, and memory(...) should give bytes.")
    need(found != 8 * 100 * 5, "a grid has points ** axes points, not points times axes.")
    need(found == 8 * 100**5, f"memory(100, 5) should be 8e10 bytes, 80 GB; it is {found:.3g}.")
    took = number_of("seconds(...)", called("seconds", seconds, 100, 5, 1e-4))
    need(np.isclose(took, 1e6), f"seconds(100, 5, 1e-4) should be 1e6; it is {took:.3g}.")
    right("10^10 doubles are 80 GB, and at 0.1 ms each they take eleven days.")


def check_compare(compare: Callable[..., tuple[float, float]]) -> None:
    """Try how a student compares two densities.

    Args:
        compare: a function of grid, before and after, which gives two numbers: how far the mode moved, in units of half
            the 68 % interval before, and how many times as wide the interval is after.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    grid = np.linspace(0.0, 10.0, 2001)
    before, after = stats.norm.pdf(grid, 5.0, 0.7), stats.norm.pdf(grid, 4.6, 0.9)
    answer = array_of("compare(...)", called("compare", compare, grid, before, after))
    need(answer.shape == (2,), "compare(...) should give two numbers: shift and widening.")
    (low, high), (new_low, new_high) = _highest(grid, before, 0.68), _highest(grid, after, 0.68)
    moved, half = -0.4, (high - low) / 2
    for said, wrong in (
        ("the sign of shift is the other way round: the mode of after minus that of before.", -moved / half),
        ("shift is divided by the whole first interval; divide by half of it.", moved / half / 2),
        (
            "shift is divided by the second interval; the first says what was known before.",
            2 * moved / (new_high - new_low),
        ),
        ("shift is in the unit of the grid; divide by half the width of the first interval.", moved),
    ):
        need(abs(answer[0] - wrong) > 0.03, said)
    need(abs(answer[0] - moved / half) < 0.03, "shift is not the move of the mode over half the first interval.")
    ratio = (new_high - new_low) / (high - low)
    need(abs(answer[1] - 1 / ratio) > 0.03, "widening is upside down: the second width over the first.")
    need(abs(answer[1] - ratio) < 0.03, "widening is not the second interval's width over the first's.")
    right("a mode that moves down gives a negative shift, an interval that grows a widening above 1.")


def check_log_posterior(
    log_posterior: Callable[[np.ndarray], float],
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    middles: np.ndarray,
    widths: np.ndarray,
) -> None:
    """Hold differences of a log posterior between points against a reference.

    Args:
        log_posterior: a function of (x, y, ln flux, ln background, ln width).
        data: the stamps of counts, exposure, x and y.
        middles, widths: means and standard deviations of the priors of these five.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    counts, exposure, x, y = data
    points = [middles + widths * np.array(step) for step in _STEPS]
    found = np.array([number_of("log_posterior(u)", called("log_posterior", log_posterior, u)) for u in points])
    prior = np.array([-0.5 * np.sum(((u - middles) / widths) ** 2) for u in points])
    scenes_of = [Scene(exposure, x, y, dict(zip(NAMES, [*u[:2], *np.exp(u[2:])], strict=True))) for u in points]
    like = np.array([log_likelihood(counts, expected(scene)) for scene in scenes_of])
    need(far(found, like) > 1, "the prior is missing: add ln p(u).")
    need(far(found, prior) > 1, "the likelihood is missing.")
    jacobian = np.array([-np.sum(u[2:]) for u in points])
    need(far(found, like + prior + jacobian) > 1, "u holds logarithms: the priors there are Gaussians of u itself.")
    need(
        far(found, like + prior) <= 1,
        "it is not ln prior + ln likelihood: the parameters of the image are exp(u[2:]).",
    )
    right("prior and likelihood are both in it.")


_STEPS = ((0, 0, 0, 0, 0), (0.3, 0, 0.2, 0, 0), (0, -0.3, 0, 0.4, 0.2), (0.1, 0.1, -0.4, 0.2, -0.3))
