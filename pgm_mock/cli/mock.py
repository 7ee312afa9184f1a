"""`pgm-mock mock`."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import replacing
from ..observation import Observation
from ..priors import ALL_SITES, Priors
from ..results import values
from .common import fixed_parameters, position, progress, read_observation, read_priors, read_psf, report, start_jax

if TYPE_CHECKING:
    import xarray
    from astropy.io.fits import BinTableHDU

    from ..fieldmock import BetaModel


def run(options: Namespace) -> int:
    """Simulate stamps and write them as one FITS cube with the parameters of each in a table."""
    start_jax(options)
    if options.catalog is not None:
        return _whole_field(options)
    from ..checks import PriorCheck
    from ..mock import prior_predictive

    x, y = position(options)
    stamp = read_observation(options).stamp(x, y, options.half_size)
    psf = read_psf(options, stamp, x, y)
    priors = read_priors(options, stamp, x, y, psf).replace(**fixed_parameters(options.fixed))
    progress(f"simulating {options.n} images of {stamp.shape[1]} x {stamp.shape[0]} pixels")
    mocks = prior_predictive(stamp, priors, num_samples=options.n, psf=psf, seed=options.seed)
    _write(options, stamp, priors, mocks)
    counts = values(mocks, "prior_predictive", "counts")[0]
    check = PriorCheck.of(stamp, counts)
    check.warn(stamp)
    line, told = _told(options, "mocks", counts)
    report(options, [line, check.line()], told)
    return 0


def _whole_field(options: Namespace) -> int:
    """Simulate images of the field from a catalogue, and write them as one cube."""
    import jax.numpy as jnp
    from astropy.io.registry import IORegistryError
    from astropy.table import Table
    from astropy.units import Unit

    from ..fieldmock import BetaModel, column_in, expected_field, sources_of_table
    from ..poisson import poisson
    from ..psf import choose_psf
    from ..random import source_key

    observation = read_observation(options)
    try:
        table = Table.read(options.catalog)
    except (OSError, ValueError, TypeError, IORegistryError) as error:
        raise InputError(f"{options.catalog}: expected a table, found none: {str(error).splitlines()[0]}") from error
    sources = sources_of_table(table, observation, options.psf or "auto")
    background = options.background
    if background is None:
        if "BKG" not in table.colnames:
            raise InputError("--background: expected a value, as the table has no column BKG; found none")
        unit = Unit(observation.flux_unit) / Unit("pix")
        background = float(np.nanmedian(column_in(table["BKG"], unit)))
    norm = 1.0
    if "BKG_NORM" in table.colnames and observation.background_map is not None:
        norm = float(np.nanmedian(column_in(table["BKG_NORM"], Unit(""))))
    extended = [_beta_model(text, BetaModel) for text in options.extended]
    if options.n < 1:
        raise InputError(f"--n: expected at least 1, found {options.n}")
    progress(f"simulating {options.n} fields of {len(sources)} sources")
    psf = choose_psf(options.psf or "auto", observation.header, observation.wcs, *observation.centre)
    width = float(psf.typical_width)
    mean = expected_field(observation, sources, background, extended, psf=psf, psf_width=width, background_norm=norm)
    keys = [source_key(options.seed, f"field {number}") for number in range(options.n)]
    cube = np.stack([np.asarray(poisson(key, jnp.asarray(mean))) for key in keys])
    _write_images(options, observation, cube[0] if len(cube) == 1 else cube, {}, [])
    line, told = _told(options, "fields", cube)
    report(options, [line], told)
    return 0


def _beta_model(text: str, kind: "type[BetaModel]") -> "BetaModel":
    try:
        return kind(*(float(word) for word in text.split(",")))
    except (ValueError, TypeError) as error:
        raise InputError(f"--extended: expected x,y,flux,core,beta, found {text!r}") from error


def _told(options: Namespace, what: str, cube: np.ndarray) -> tuple[str, dict[str, Any]]:
    """Say what was written, for a reader and for a program."""
    totals = cube.sum(axis=(1, 2))
    line = f"wrote {options.out}: {len(cube)} {what} of {totals.min()} to {totals.max()} counts"
    return line, {"file": options.out, "n": len(cube), "seed": options.seed, "counts": [int(t) for t in totals]}


def _write(options: Namespace, stamp: Observation, priors: Priors, mocks: "xarray.DataTree") -> None:
    """Write the stamps, their exposure, and the parameters of each (PARAMETERS) into one file."""
    from astropy.io import fits
    from astropy.table import QTable
    from astropy.units import Unit

    drawn = mocks["prior"].to_dataset()
    single = [name for name in ALL_SITES if name in drawn.data_vars and not ALL_SITES[name].plural]
    table = QTable({name: drawn[name].values[0] * Unit(drawn[name].attrs["units"]) for name in single})
    cube = values(mocks, "prior_predictive", "counts")[0]
    _write_images(options, stamp, cube, priors.describe(), [fits.BinTableHDU(table, name="PARAMETERS")])


def _write_images(
    options: Namespace,
    observation: Observation,
    images: np.ndarray,
    priors: dict[str, str],
    tables: "list[BinTableHDU]",
) -> None:
    """Write images (primary HDU), their maps (EXPOSURE, BACKGROUND_MAP) and tables into one file."""
    from astropy.io import fits

    header = observation.stamp_header()
    exposure = fits.ImageHDU(observation.exposure, header, name="EXPOSURE")
    exposure.header["BUNIT"] = observation.exposure_unit
    maps = [exposure]
    if observation.background_map is not None:
        maps.append(fits.ImageHDU(observation.background_map, header, name="BACKGROUND_MAP"))
        maps[-1].header["BUNIT"] = "ct"
    header["BUNIT"], header["SEED"] = "ct", options.seed
    for name, text in priors.items():
        header["HISTORY"] = f"prior {name} = {text}"
    primary = fits.PrimaryHDU(images.astype("int32"), header)
    with replacing(options.out) as temporary:
        fits.HDUList([primary, *maps, *tables]).writeto(temporary, overwrite=True, output_verify="silentfix+ignore")
