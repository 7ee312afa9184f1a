"""What a faint source would give: mocks of it, fitted."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

from ..inference.many import iter_posteriors
from ..inference.nosource import source_parameters
from ..inference.posterior import FAILED, StampPosterior
from ..observation import Observation
from ..priors import Priors
from ..random import source_generator
from .forecast import Forecast, light_of
from .places import Place


def mock_forecasts(
    places: Sequence[Place],
    flux: float,
    forecasts: Sequence[Forecast],
    threshold: float,
    number: int,
    seed: int,
    progress: bool = False,
) -> list[Forecast]:
    """Replace the widths of forecasts by medians of posteriors of mocks.

    Each mock is drawn by NumPy, of the source and its background, and fitted by importance sampling with the default
    priors. It is detected where the largest ln likelihood ratio, position, width and background refitted, reaches the
    threshold. The widths are those of all mocks, detected or not.

    Args:
        places, flux, threshold: what is planned.
        forecasts: exposures at places, those without simulation.
        number: of mocks for each.
        seed: of the mocks and of the fits.
        progress: whether to show a bar on stderr.
    """

    def jobs() -> Iterator[tuple[Observation, Priors]]:
        for one in forecasts:
            place = places[one.place]
            priors = Priors.default(place.stamp(one.exposure), place.x, place.y, place.psf)
            for counts, name in _draw(place, flux, one.exposure, number, seed):
                yield place.stamp(one.exposure, counts, name), priors

    # Each generator draws the same mocks: the total, which the bar shows, is that of a list.
    every = list(jobs())
    posteriors = iter_posteriors(
        [stamp for stamp, _ in every],
        [priors for _, priors in every],
        method="importance",
        seed=seed,
        progress=progress,
    )
    found = []
    for one in forecasts:
        rows = [_measured(next(posteriors)) for _ in range(number)]
        found.append(_summed_up(one, np.array(rows), places[one.place].pixel, flux, threshold))
    posteriors.close()
    return found


def _draw(place: Place, flux: float, exposure: float, number: int, seed: int) -> Iterator[tuple[np.ndarray, str]]:
    """Draw the counts of mocks, each with its name."""
    mean = exposure * place.seconds * (flux * light_of(place) + place.background)
    for one in range(number):
        name = f"{place.name}, {exposure:g} s, {flux:g} ct / s: mock {one}"
        yield source_generator(seed, name).poisson(mean), name


def _measured(posterior: StampPosterior) -> tuple[float, float, float, float]:
    """Return a posterior's median flux, standard deviation of flux and position, and ln likelihood ratio."""
    if posterior.method == FAILED:
        return (np.nan,) * 4
    draws = posterior.draws
    along_axis = np.sqrt(0.5 * (np.var(draws["x_pos"]) + np.var(draws["y_pos"])))
    chance = np.exp(-posterior.numbers["det_like"])
    ratio = special.gammainccinv(0.5 * source_parameters(posterior.priors), chance) if chance > 0 else np.inf
    return float(np.median(draws["flux"])), float(np.std(draws["flux"])), float(along_axis), float(ratio)


def _summed_up(one: Forecast, rows: np.ndarray, pixel: float, flux: float, threshold: float) -> Forecast:
    """Sum up the fits of one exposure at one place, rows of `_measured`."""
    rows = rows[np.isfinite(rows[:, 0])]
    if not len(rows):
        return one
    fitted, spread, along_axis, ratio = rows.T
    flux_low, flux_width, flux_high = np.quantile(spread / flux, (0.16, 0.5, 0.84))
    position_low, position_width, position_high = pixel * np.quantile(along_axis, (0.16, 0.5, 0.84))
    detected = ratio >= threshold
    relative = fitted[detected] / flux
    return one._replace(
        method="mocks",
        flux_width=float(flux_width),
        flux_low=float(flux_low),
        flux_high=float(flux_high),
        position_width=float(position_width),
        position_low=float(position_low),
        position_high=float(position_high),
        detected=float(np.mean(detected)),
        bias=float(np.median(relative)) if len(relative) else float("nan"),
        bias_error=_error_of_median(relative),
        mocks=len(rows),
    )


def _error_of_median(values: np.ndarray) -> float:
    """Return the standard error of a median, as that of normal values with the same quartiles."""
    if len(values) < 4:
        return float("nan")
    low, high = np.quantile(values, (0.25, 0.75))
    return float(np.sqrt(0.5 * np.pi / len(values)) * (high - low) / 1.349)
