"""Mock images of a whole field: every source of a catalogue, the background and an extended source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from . import poisson
from .errors import InputError
from .observation import Observation
from .pixels import Pixels
from .psf import PSF, GaussianPSF, choose_psf, parse_psf
from .random import source_key
from .scene import BackgroundMap, Beta, PointSource, Scene, Sky

if TYPE_CHECKING:
    from astropy.table import Table


class FieldSource(NamedTuple):
    """A point source of a field.

    Attributes:
        x, y: position [FITS image pixels].
        flux: [flux unit of the field].
        psf: its PSF there.
        width: of the PSF [pixels].
    """

    x: float
    y: float
    flux: float
    psf: PSF = GaussianPSF()
    width: float = 1.5


class BetaModel(NamedTuple):
    """An extended source with surface brightness proportional to (1 + r² / core²)^(1/2 - 3 beta), such as a cluster.

    Attributes:
        x, y: its centre [FITS image pixels].
        flux: over the whole plane [flux unit of the field].
        core: core radius [pixels].
        beta: > 1/2, so that the flux is finite.
    """

    x: float
    y: float
    flux: float
    core: float
    beta: float = 2 / 3


def expected_field(
    observation: Observation,
    sources: Sequence[FieldSource],
    background: float = 0.0,
    extended: Sequence[BetaModel] = (),
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    psf_width: float = 1.5,
    background_norm: float = 1.0,
) -> np.ndarray:
    """Expected counts of a whole field, shape (ny, nx) [count / pixel].

    Args:
        observation: gives exposure and coordinates; its counts are not used.
        sources: the point sources.
        background: uniform, per pixel [flux unit / pixel].
        extended: extended sources.
        psf, psf_width: what those are seen through [pixels].
        background_norm: of the observation's background map, where it has one.

    Raises:
        InputError: a number that is not finite, a negative flux, or a beta of at most 1/2.
    """
    pixels = observation.pixels
    sky_parameters = {"background": background}
    if observation.background_map is not None:
        sky_parameters["background_norm"] = background_norm
    mean = np.asarray(_image(Scene((Sky(), BackgroundMap())), pixels, psf, sky_parameters))
    for source in sources:
        _check(f"source at ({source.x:g}, {source.y:g})", source.flux, source.x, source.y, source.width)
        own = {"x_pos": source.x, "y_pos": source.y, "flux": source.flux, "psf_width": source.width}
        mean = mean + _image(Scene((PointSource(),)), pixels, source.psf, own)
    cluster = Beta()
    for one in extended:
        _check(f"extended source at ({one.x:g}, {one.y:g})", one.flux, one.x, one.y, one.core)
        if not one.beta > 0.5:
            raise InputError(f"beta: expected more than 0.5, so that the flux is finite, found {one.beta:g}")
        own = {f"{cluster.prefix}{name}": value for name, value in one._asdict().items()}
        mean = mean + _image(Scene((cluster,)), pixels, psf, own | {"psf_width": psf_width})
    return mean


def mock_field(
    observation: Observation,
    sources: Sequence[FieldSource],
    background: float = 0.0,
    extended: Sequence[BetaModel] = (),
    *,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    psf_width: float = 1.5,
    background_norm: float = 1.0,
    seed: int | None = 0,
) -> np.ndarray:
    """Draw the counts of a whole field, integers of shape (ny, nx); the arguments are those of `expected_field`.

    `as_mock` puts them into an observation whose files say that they are mocks.
    """
    mean = jnp.asarray(expected_field(observation, sources, background, extended, psf, psf_width, background_norm))
    return np.asarray(poisson.poisson(source_key(seed, "field"), mean))


def sources_of_table(
    table: "Table", observation: Observation, psf: str = "auto", psf_sampling: float | None = None
) -> list[FieldSource]:
    """Return the sources of a catalogue: X_IMA, Y_IMA, RATE or FLUX, and PSF_WIDTH where it stands.

    Args:
        table: as `catalog` writes it; rows without a flux are left out.
        observation: its header and WCS choose the PSF.
        psf: "auto" takes each source's own where the table has it in PSF, else that of the header; or a name or file
            of `choose_psf`.
        psf_sampling: of a PSF image, where its header does not say.

    Raises:
        InputError: a table without positions or fluxes, in other units, or of several fields.
    """
    if "FIELD" in table.colnames and len(set(table["FIELD"])) > 1:
        raise InputError(f"catalog: expected the sources of one field, found {len(set(table['FIELD']))} fields")
    flux_name = next((name for name in ("RATE", "FLUX") if name in table.colnames), None)
    if flux_name is None or not {"X_IMA", "Y_IMA"} <= set(table.colnames):
        raise InputError(f"catalog: expected columns X_IMA, Y_IMA and RATE or FLUX, found {', '.join(table.colnames)}")
    from astropy.units import Unit

    x, y = column_in(table["X_IMA"], Unit("pix")), column_in(table["Y_IMA"], Unit("pix"))
    flux = column_in(table[flux_name], Unit(observation.flux_unit))
    widths = (
        column_in(table["PSF_WIDTH"], Unit("pix")) if "PSF_WIDTH" in table.colnames else np.full(len(table), np.nan)
    )
    found = []
    for place in range(len(table)):
        if np.isfinite(flux[place]):
            if psf == "auto" and "PSF" in table.colnames:
                one = parse_psf(str(table["PSF"][place]))
            else:
                one = choose_psf(psf, observation.header, observation.wcs, x[place], y[place], psf_sampling)
            width = widths[place] if np.isfinite(widths[place]) else float(one.typical_width)
            found.append(FieldSource(float(x[place]), float(y[place]), float(flux[place]), one, float(width)))
    return found


def column_in(column: Any, unit: Any) -> np.ndarray:
    """Return a column's numbers in a unit; those without one are taken as they are.

    Raises:
        InputError: a column in a unit that cannot be converted.
    """
    own = getattr(column, "unit", None)
    values = np.ma.filled(np.ma.asarray(getattr(column, "value", column)).astype(float), np.nan)
    if own is None:
        return values
    if not own.is_equivalent(unit):
        raise InputError(f"catalog: expected {column.info.name} in {unit}, found {own}")
    return values * float(own.to(unit))


def _check(what: str, flux: float, *numbers: float) -> None:
    if not (np.isfinite([flux, *numbers]).all() and flux >= 0):
        raise InputError(f"{what}: expected finite numbers and a flux ≥ 0, found flux {flux:g}")


@jax.jit
def _image(scene: Scene, pixels: Pixels, psf: PSF, parameters: dict[str, float]) -> Array:
    """Expected counts of some components."""
    return scene.light(pixels, psf, parameters).image()
