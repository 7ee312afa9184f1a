"""plan(): for each place and exposure, whether a source is detected and how well it is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, shown
from ..observation import Observation
from ..power import LEAST_THRESHOLD
from ..random import checked_seed
from .forecast import Forecast, fisher_forecast, probabilities
from .places import Place, detector_places, field_places

if TYPE_CHECKING:
    from astropy.table import QTable

THRESHOLD = 8.6
"""ln likelihood ratio that one false source in a field of XMM-Newton passes."""
SURE = 0.9
_MOST_COUNTS = 1e8
_MOST_MOCKS = 1000
_LEAST_MOCKS = 10


@dataclass(frozen=True)
class Plan:
    """What exposures give at places.

    Attributes:
        flux: of the source [count / s].
        threshold: of detection [ln L].
        places: where.
        forecasts: an entry for each place and exposure, place by place, in order of exposure.
        needed: for each place, the exposure in which the source is detected in 90 % [s]; NaN beyond a hundred times
            the longest or below a hundredth of the shortest.
        seed: of the mocks.
    """

    flux: float
    threshold: float
    places: tuple[Place, ...]
    forecasts: tuple[Forecast, ...]
    needed: tuple[float, ...]
    seed: int

    def at(self, place: int) -> list[Forecast]:
        """Return the forecasts of a place."""
        return [one for one in self.forecasts if one.place == place]

    def probabilities(self, place: int, exposures: np.ndarray) -> np.ndarray:
        """Return the probability of detection at a place in other exposures [s], shape (n,)."""
        return probabilities(self.places[place], self.flux, exposures, self.threshold)

    def lines(self) -> list[str]:
        """Say it in one sentence for each place."""
        return [self._line(number) for number in range(len(self.places))]

    def _line(self, number: int) -> str:
        rows = self.at(number)
        first = next((one for one in rows if one.probability >= 0.5), rows[-1])
        said = (
            f"at {self.places[number].name} and {self.flux:g} ct / s: detected in {_percent(first)} in {_ks(first)}, "
        )
        said += f"flux to ±{100 * first.flux_width:.0f} %, position to {first.position_width:.2g}″ a coordinate"
        if first.mocks:
            bias = ""
            if np.isfinite(first.bias):
                error = f" ± {first.bias_error:.2f}" if np.isfinite(first.bias_error) else ""
                bias = f"; those detected come out at {first.bias:.2f}{error} of the true flux"
            said += f" ({first.mocks} mocks, {first.detected:.0%} of them detected{bias})".replace("%", " %")
        if rows[-1] is not first:
            last = rows[-1]
            said += f"; {_ks(last)} give ±{100 * last.flux_width:.0f} % and {last.position_width:.2g}″"
        if np.isfinite(self.needed[number]):
            said += f"; {SURE:.0%} is reached in {self.needed[number] / 1e3:.3g} ks".replace("%", " %")
        return said

    def table(self) -> "QTable":
        """Return an entry for each place and exposure, with units and descriptions."""
        from .table import plan_table

        return plan_table(self)


def plan(flux: float, exposures: Sequence[float], *, mocks: int = 50, progress: bool = False, **options: Any) -> Plan:
    """Say what of a source would be detected and measured, for each exposure at each place.

    In a field the exposure map is scaled so that its largest value is the exposure, and the flux is the count rate
    that the map's scale is for: that of the optical axis, where vignetting is in the map. On a bare detector the
    exposure is that at the place itself, and the flux the count rate on the detector there: with a vignetting of 0.6,
    60 % of the rate on the axis.

    The probability of detection is computed without simulating (`pgm_mock.power`), for a background that is known. The
    widths are standard deviations of the posterior with `Priors.default`: by Fisher's information where it gives the
    flux to 25 % or better, from at least 25 counts of the source, and medians of fits to mocks where it does not.

    Args:
        flux: of the source [count / s].
        exposures: [s].
        mocks: for each exposure in which the source is so faint; 0 leaves them out, and Fisher's information, which is
            then only a guide, stands there.
        progress: whether to show a bar on stderr.
        options: of `plan_by_fisher`: `observation` with `positions` or `off_axis`, or `telescope` with `background`
            and `pixel`; `threshold`, `half_size`, `seed`.

    Raises:
        InputError: a number that cannot be, an unknown telescope, neither a field nor a telescope, or both.
    """
    check_mocks(mocks)
    return with_mocks(plan_by_fisher(flux, exposures, **options), mocks, progress)


def with_mocks(found: Plan, mocks: int, progress: bool = False) -> Plan:
    """Replace the widths of faint sources by those of mocks; the arguments are those of `plan`."""
    check_mocks(mocks)
    faint = [number for number, one in enumerate(found.forecasts) if one.is_faint]
    if not (mocks and faint):
        return found
    from .bymocks import mock_forecasts

    forecasts = list(found.forecasts)
    by_mocks = mock_forecasts(
        found.places, found.flux, [forecasts[n] for n in faint], found.threshold, mocks, found.seed, progress
    )
    for number, one in zip(faint, by_mocks, strict=True):
        forecasts[number] = one
    return replace(found, forecasts=tuple(forecasts))


def plan_by_fisher(
    flux: float,
    exposures: Sequence[float],
    *,
    observation: Observation | None = None,
    positions: Sequence[tuple[float, float]] = (),
    off_axis: Sequence[float] = (),
    telescope: str | None = None,
    background: float | None = None,
    pixel: float | None = None,
    energy: float | None = None,
    psf: str = "auto",
    psf_sampling: float | None = None,
    threshold: float = THRESHOLD,
    half_size: int = 20,
    seed: int | None = 0,
) -> Plan:
    """Plan without mocks; see `plan`.

    Args:
        flux: of the source [count / s].
        exposures: [s].
        observation: a field, with a map in a unit of time; None for a bare detector.
        positions: places in the field, (x, y) [FITS image pixels].
        off_axis: angles of places, in the field or on the detector, where they are by default that of the axis
            [arcmin].
        telescope, pixel, energy: of the bare detector: a name of `TELESCOPES`, side of a pixel [arcsec], energy [keV].
        background: [count / s / pixel]; needed for a bare detector, and else measured.
        psf, psf_sampling: in a field, as `choose_psf` takes them.
        threshold: of the ln likelihood ratio, from which a source counts as detected: 8.6 lets one false source pass in
            a field of XMM-Newton. DET_LIKE, in the same unit, is less: see `pgm_mock.fit`.
        half_size: of the stamps [pixels].
        seed: of the mocks and their fits.

    Raises:
        InputError: a number that cannot be, an unknown telescope, neither a field nor a telescope, or both.
    """
    flux, times = _checked(flux, exposures, threshold)
    seed = checked_seed(seed)
    if (observation is None) == (telescope is None):
        raise InputError(
            "expected a field (IMAGE EXPOSURE) or a telescope, found " + ("neither" if telescope is None else "both")
        )
    if observation is not None:
        if given := _given(pixel=pixel, energy=energy):
            raise InputError(f"{given}: expected a telescope, found a field, which has its own")
        if not (len(positions) or len(off_axis)):
            raise InputError("expected a place in the field, or off-axis angles; found none")
        places = field_places(observation, positions, off_axis, half_size, background, psf, psf_sampling)
    else:
        its_psf = None if psf == "auto" else psf
        if given := _given(positions=positions if len(positions) else None, psf=its_psf, psf_sampling=psf_sampling):
            raise InputError(f"{given}: expected a field (IMAGE EXPOSURE), found a telescope")
        if background is None or pixel is None:
            name = "background" if background is None else "pixel"
            raise InputError(f"{name}: expected one beside a telescope, found none")
        places = detector_places(str(telescope), background, pixel, off_axis or (0.0,), half_size, energy)
    if (most := times[-1] * max([flux, *(place.background for place in places)])) > _MOST_COUNTS:
        raise InputError(f"flux, background: expected at most {_MOST_COUNTS:g} counts, found {most:.3g}")
    forecasts = [
        fisher_forecast(place, number, flux, time, threshold) for number, place in enumerate(places) for time in times
    ]
    needed = tuple(_needed(place, flux, times, threshold) for place in places)
    return Plan(flux, threshold, tuple(places), tuple(forecasts), needed, seed)


def _given(**arguments: object) -> str:
    """Return the names of the arguments that are not None."""
    return ", ".join(name for name, value in arguments.items() if value is not None)


def _checked(flux: float, exposures: Sequence[float], threshold: float) -> tuple[float, list[float]]:
    """Return the flux and the exposures in order, or raise InputError."""
    if not (np.isfinite(flux) and flux > 0):
        raise InputError(f"flux: expected a count rate above 0, found {flux:g}")
    times = sorted({float(one) for one in exposures})
    if not times or not all(np.isfinite(one) and 1e-3 <= one <= 1e9 for one in times):
        raise InputError(f"exposures: expected times of 1e-6 to 1e6 ks, found {shown([one / 1e3 for one in times])}")
    if not (np.isfinite(threshold) and LEAST_THRESHOLD <= threshold <= 1e4):
        raise InputError(f"threshold: expected {LEAST_THRESHOLD:g} to 10,000 in ln L, found {threshold:g}")
    return float(flux), times


def check_mocks(mocks: int) -> None:
    """Refuse a number of mocks from which nothing can be learnt, or that takes days."""
    if mocks != int(mocks) or not (mocks == 0 or _LEAST_MOCKS <= mocks <= _MOST_MOCKS):
        raise InputError(f"mocks: expected 0, or {_LEAST_MOCKS} to {_MOST_MOCKS:,}, found {mocks}")


def _needed(place: Place, flux: float, times: Sequence[float], threshold: float) -> float:
    """Return the exposure [s] in which the source is detected in 90 %."""
    grid = np.geomspace(times[0] / 100, times[-1] * 100, 200)
    chance = np.maximum.accumulate(probabilities(place, flux, grid, threshold))
    if not chance[0] < SURE <= chance[-1]:
        return float("nan")
    after = int(np.argmax(chance >= SURE))
    here = slice(after - 1, after + 1)
    return float(np.exp(np.interp(SURE, chance[here], np.log(grid[here]))))


def _ks(one: Forecast) -> str:
    return f"{one.exposure / 1e3:.4g} ks"


def _percent(one: Forecast) -> str:
    chance = 100.0 * one.probability
    return "> 99.9 %" if chance > 99.9 else f"{chance:.0f} %" if chance < 99 else f"{chance:.1f} %"
