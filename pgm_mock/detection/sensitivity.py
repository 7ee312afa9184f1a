"""sensitivity(): what would be detected where in an image, without simulating."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, shown
from ..fitsimage import pixel_degrees
from ..power import DetectionLaw
from .detect import Detection
from .laws import law_at
from .table import told_of

if TYPE_CHECKING:
    from astropy.table import QTable

_STEP, _LONGEST_STEP = 2, 32
_FLUXES = 60


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What would be detected in an image.

    Attributes:
        detection: whose threshold, PSF and model of what lies behind it is for.
        step: the places are so many pixels apart.
        rows, columns: of the places, from 0, shape (places,).
        law: of detection there.
    """

    detection: Detection
    step: int
    rows: np.ndarray
    columns: np.ndarray
    law: DetectionLaw

    def __repr__(self) -> str:
        """What would be detected, in a line."""
        return f"Sensitivity({self.line()!r})"

    @cached_property
    def flux50(self) -> np.ndarray:
        """Map of the flux that is detected with a probability of a half, shape (ny, nx) [flux unit]; NaN off it."""
        return self.flux_map(0.5)

    @cached_property
    def flux90(self) -> np.ndarray:
        """Map of the flux that is detected with a probability of nine tenths."""
        return self.flux_map(0.9)

    def flux_map(self, probability: float) -> np.ndarray:
        """Return a map of the flux that is detected with a probability; NaN where nothing can be.

        Raises:
            InputError: a probability that is none.
        """
        if not 0 < probability < 1:
            raise InputError(f"probability: expected a number between 0 and 1, found {probability}")
        return self._spread(self.law.flux(probability))

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Give each usable pixel the value of the nearest place."""
        from scipy.spatial import KDTree

        exposure = self.detection.observation.exposure
        image = np.full(exposure.shape, np.nan)
        usable = np.argwhere(exposure > 0)
        distance, nearest = KDTree(np.column_stack([self.rows, self.columns])).query(usable)
        there = distance <= 2.0 * self.step
        image[tuple(usable[there].T)] = values[nearest[there]]
        return image

    @cached_property
    def fluxes(self) -> np.ndarray:
        """Fluxes from where nothing is detected to where everything is, shape (60,) [flux unit]."""
        half = self.law.half[np.isfinite(self.law.flux(0.5))]
        return np.geomspace(0.2 * half.min(), 3.0 * np.quantile(half, 0.99), _FLUXES)

    def completeness(self, flux: np.ndarray | float) -> np.ndarray:
        """Return the probability that a source of a flux somewhere in the image is detected, the shape of `flux`.

        All exposed pixels are equally probable places.
        """
        fluxes = np.atleast_1d(np.asarray(flux, float))
        return np.array([self.law.probability(one).mean() for one in fluxes]).reshape(np.shape(flux))

    @property
    def flux_unit(self) -> str:
        """Of all fluxes."""
        return self.detection.observation.flux_unit

    @property
    def area_unit(self) -> str:
        """Of the area."""
        return "pix" if self.detection.observation.wcs is None else "arcmin2"

    @property
    def area(self) -> float:
        """Of all pixels on which a source can be detected [arcmin², or pixel without celestial coordinates]."""
        observation = self.detection.observation
        pixels = float(self.detection.ratio_map.usable.sum())
        if observation.wcs is None:
            return pixels
        return pixels * (60.0 * pixel_degrees(observation.wcs)) ** 2

    @cached_property
    def table(self) -> "QTable":
        """The curve: fluxes, the area on which each is detected, and the completeness."""
        from astropy import units
        from astropy.table import QTable

        observation = self.detection.observation
        unit = units.Unit(self.area_unit)
        completeness = self.completeness(self.fluxes)
        table = QTable()
        table["FLUX"] = self.fluxes * units.Unit(observation.flux_unit)
        table["AREA"] = completeness * self.area * unit
        table["COMPLETENESS"] = completeness
        table["AREA_50"] = self._area_with(0.5) * unit
        table["AREA_90"] = self._area_with(0.9) * unit
        words = {
            "FLUX": "flux of a source over the whole PSF",
            "AREA": "area times the probability of detection, to divide numbers of sources by",
            "COMPLETENESS": "probability that it is detected, on average over the area",
            "AREA_50": "area on which it is detected with a probability of at least a half",
            "AREA_90": "area on which it is detected with a probability of at least nine tenths",
        }
        for name, meaning in words.items():
            table[name].info.description = meaning
        table.meta |= told_of(self.detection)
        return table

    def _area_with(self, probability: float) -> np.ndarray:
        """Return the area on which each flux is detected with at least a probability."""
        needed = np.sort(self.law.flux(probability))
        return np.searchsorted(needed, self.fluxes, side="right") / len(needed) * self.area

    def line(self) -> str:
        """Say in one line what is detected."""
        unit = self.detection.observation.flux_unit
        half, most = (float(np.median(self.law.flux(p))) for p in (0.5, 0.9))
        seen = "pixels" if self.detection.observation.wcs is None else "arcmin²"
        said = (
            f"above ln L ratio {self.detection.threshold:.1f} ({self.detection.expected_false:.2g} false ones expected)"
        )
        detected = f"{half:.3g} {unit} is detected in half of all cases, {most:.3g} in nine tenths"
        return f"{said}: {detected} (medians of {self.area:.0f} {seen})"


def sensitivity(detection: Detection, *, step: int = _STEP) -> Sensitivity:
    """Compute what would be detected where, at the threshold of a detection and with all that it found.

    The law of the likelihood ratio is computed on the centre of every second pixel in each direction: see
    `pgm_mock.power` for the method. The sources that were found are part of what lies behind.

    Args:
        detection: of `detect`.
        step: distance of the places [pixels].

    Returns:
        The maps `flux50` and `flux90`, the curve of area and completeness against flux as `table`, and `line()`.

    Raises:
        InputError: a step that is no whole number of pixels, or an image without counts, of whose background nothing
            is known.
    """
    if not (isinstance(step, int | np.integer) and 1 <= step <= _LONGEST_STEP):
        raise InputError(f"step: expected a whole number of pixels from 1 to {_LONGEST_STEP}, found {shown(step)}")
    if not detection.observation.counts.any():
        raise InputError("counts: expected some on exposed pixels, to know the background by, found none")
    rows, columns = np.nonzero(detection.ratio_map.usable)
    kept = (rows % step == step // 2) & (columns % step == step // 2)
    if not kept.any():
        kept = np.arange(len(rows)) == 0
    rows, columns = rows[kept], columns[kept]
    mean = detection.found.fitted.mean + detection.found.sources.image()
    law = law_at(detection.observation.exposure, detection.psf, mean, detection.threshold, rows, columns)
    return Sensitivity(detection, int(step), rows, columns, law)
