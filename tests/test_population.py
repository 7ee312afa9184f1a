"""Number counts with selection. Oracles: a toy survey whose selection is a Poisson tail, and its truth."""

from typing import NamedTuple

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from pgm_mock import DataWarning, InputError, fit_population

TIME, BEHIND, LEAST, FAINTEST, AREA = 1e4, 4.0, 14, 3e-4, 0.2
PRIOR = dist.LogNormal(np.log(2e-3), 2.0)


class PoissonTail(NamedTuple):
    """A source is detected where an aperture of 4 counts of background holds 14 or more."""

    area: float = AREA
    fluxes: np.ndarray = np.geomspace(FAINTEST, 1.0, 50)

    def completeness(self, flux):
        return stats.poisson.sf(LEAST - 1, np.asarray(flux) * TIME + BEHIND)


def field(seed: int, slope: float, number: int = 500) -> list:
    """Draw a power law's sources, count them, and give each detected one its posterior draws."""
    rng = np.random.default_rng(seed)
    flux = FAINTEST * rng.random(rng.poisson(number)) ** (-1 / slope)
    counts = rng.poisson(flux * TIME + BEHIND)
    steps = np.log(2e-3) + np.linspace(-12, 12, 1001)
    expected = np.exp(steps) * TIME + BEHIND
    found = []
    for own in counts[counts >= LEAST]:
        logs = stats.norm.logpdf(steps, np.log(2e-3), 2.0) + own * np.log(expected) - expected
        weight = np.cumsum(np.exp(logs - logs.max()))
        found.append((np.exp(np.interp(rng.random(200), weight / weight[-1], steps)), PRIOR))
    return found


@pytest.fixture(scope="module")
def fields():
    return [field(seed, 1.5) for seed in range(50)]


@pytest.mark.slow
def test_the_slope_is_unbiased_where_it_is_not_without_selection(fields):
    with_selection, without = (
        [np.mean(fit_population(own, selection, faintest=FAINTEST).slope) for own in fields]
        for selection in (PoissonTail(), None)
    )
    assert np.mean(with_selection) == pytest.approx(1.5, abs=0.05)
    assert abs(np.mean(without) - 1.5) > 0.2


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say(fields):
    inside = []
    for own in fields:
        found = fit_population(own, PoissonTail())
        true = 500 * (found.pivot / FAINTEST) ** -1.5
        for draws, truth in ((found.slope, 1.5), (found.number, true)):
            low, high = np.quantile(draws, (0.16, 0.84))
            inside.append(low < truth < high)
    share, error = np.mean(inside), np.sqrt(0.68 * 0.32 / 50)  # slope and number go together
    assert share == pytest.approx(0.68, abs=2.5 * error)


def test_the_curve_and_the_line(fields):
    found = fit_population(fields[0], PoissonTail(), num_samples=1000)
    assert found.above(found.pivot).shape == (1000,)
    np.testing.assert_allclose(found.above(found.pivot), found.number)
    curve = found.above(np.array([1e-3, 1e-2]))
    assert curve.shape == (1000, 2)
    np.testing.assert_allclose(curve[:, 0] / curve[:, 1], 10**found.slope)
    assert found.line().startswith(f"{len(fields[0])} sources: slope 1.")
    again = fit_population(fields[0], PoissonTail(), num_samples=1000)
    np.testing.assert_array_equal(again.slope, found.slope)


def test_bad_input():
    good = [(np.full(10, 2e-3), PRIOR)]
    for arguments, said in (
        (([], None), "expected at least one"),
        ((good, None, {"slopes": (2.0, 1.0)}), "slopes: expected two numbers above 0"),
        ((good, None, {"faintest": -1.0}), "faintest: expected a flux above 0"),
        ((good, None, {"faintest": 1.0}), "faintest: expected a flux below all sources, found 1 above"),
    ):
        posteriors, selection, *options = arguments
        with pytest.raises(InputError, match=said):
            fit_population(posteriors, selection, **(options[0] if options else {}))
    narrow = [(np.random.default_rng(0).lognormal(-6, 2.0, 400), dist.LogNormal(-6.0, 0.3))]
    with pytest.warns(DataWarning, match="effective draws of a source"):
        fit_population(narrow, None, faintest=1e-6)
