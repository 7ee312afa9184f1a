"""`pgm-mock mock`."""

from argparse import Namespace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..files import replacing
from ..observation import Observation
from ..priors import ALL_SITES, Priors
from ..results import values
from .common import fixed_parameters, position, progress, read_observation, read_priors, read_psf, report, start_jax

if TYPE_CHECKING:
    import xarray

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
    totals = values(mocks, "prior_predictive", "counts")[0].sum(axis=(1, 2))
    check = PriorCheck.of(stamp, values(mocks, "prior_predictive", "counts")[0])
    check.warn(stamp)
    line = f"wrote {options.out}: {len(totals)} mocks of {totals.min()} to {totals.max()} counts"
    summary = {"file": options.out, "n": len(totals), "seed": options.seed, "counts": [int(total) for total in totals]}
    report(options, [line, check.line()], summary)
    return 0


def _whole_field(options: Namespace) -> int:
    """Simulate images of the field from a catalogue, and write them as one cube."""
    import jax.numpy as jnp
    from astropy.io import fits
    from astropy.io.registry import IORegistryError
    from astropy.table import Table
    from astropy.units import Unit

    from ..fieldmock import BetaModel, expected_field, sources_of_table
    from ..poisson import poisson
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
        column = table["BKG"]
        factor = 1.0 if column.unit is None else float(column.unit.to(Unit(observation.flux_unit) / Unit("pix")))
        background = factor * float(np.nanmedian(np.ma.filled(np.ma.asarray(column.data).astype(float), np.nan)))
    extended = [_beta_model(text, BetaModel) for text in options.extended]
    if options.n < 1:
        raise InputError(f"--n: expected at least 1, found {options.n}")
    progress(f"simulating {options.n} fields of {len(sources)} sources")
    mean = expected_field(observation, sources, background, extended)
    header = observation.stamp_header()
    header["BUNIT"], header["SEED"] = "ct", options.seed
    keys = [source_key(options.seed, f"field {number}") for number in range(options.n)]
    cube = np.stack([np.asarray(poisson(key, jnp.asarray(mean))) for key in keys]).astype("int32")
    exposure = fits.ImageHDU(observation.exposure, header, name="EXPOSURE")
    exposure.header["BUNIT"] = observation.exposure_unit
    with replacing(options.out) as temporary:
        primary = fits.PrimaryHDU(cube[0] if len(cube) == 1 else cube, header)
        fits.HDUList([primary, exposure]).writeto(temporary, overwrite=True, output_verify="silentfix+ignore")
    totals = cube.sum(axis=(1, 2))
    line = f"wrote {options.out}: {len(cube)} fields of {totals.min()} to {totals.max()} counts"
    told = {"file": options.out, "n": len(cube), "seed": options.seed, "counts": [int(total) for total in totals]}
    report(options, [line], told)
    return 0


def _beta_model(text: str, kind: "type[BetaModel]") -> "BetaModel":
    try:
        return kind(*(float(word) for word in text.split(",")))
    except (ValueError, TypeError) as error:
        raise InputError(f"--extended: expected x,y,flux,core,beta, found {text!r}") from error


def _write(options: Namespace, stamp: Observation, priors: Priors, mocks: "xarray.DataTree") -> None:
    """Write the cube (primary HDU), the exposure (EXPOSURE) and the parameters (PARAMETERS) into one file."""
    from astropy.io import fits
    from astropy.table import QTable
    from astropy.units import Unit

    drawn = mocks["prior"].to_dataset()
    single = [name for name in ALL_SITES if name in drawn.data_vars and not ALL_SITES[name].plural]
    units = {name: Unit(drawn[name].attrs["units"]) for name in single}
    table = QTable({name: drawn[name].values[0] * unit for name, unit in units.items()})
    header = stamp.stamp_header()
    exposure = fits.ImageHDU(stamp.exposure, header, name="EXPOSURE")
    exposure.header["BUNIT"] = stamp.exposure_unit
    header["BUNIT"], header["SEED"] = "ct", options.seed
    for name, text in priors.describe().items():
        header["HISTORY"] = f"prior {name} = {text}"
    cube = fits.PrimaryHDU(values(mocks, "prior_predictive", "counts")[0].astype("int32"), header)
    parameters = fits.BinTableHDU(table, name="PARAMETERS")
    with replacing(options.out) as temporary:
        fits.HDUList([cube, exposure, parameters]).writeto(temporary, overwrite=True, output_verify="silentfix+ignore")
