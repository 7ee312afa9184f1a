"""`pgm-mock mock`."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, shown
from ..files import output_folder, replacing
from ..mockheader import as_mock
from ..observation import Observation
from ..results import parameters_of, values
from .common import files_of, fixed_parameters, progress, read_observation, read_priors, read_psf, report, start_jax
from .place import position

if TYPE_CHECKING:
    import xarray
    from astropy.io.fits import BinTableHDU

    from ..fieldmock import BetaModel

_MOST_PIXELS = 1 << 31
"""Of all images together, which are kept in memory: 8 GiB."""

_MOST_COUNTS = 2e9
"""In a pixel: counts are 32-bit integers."""


def run(options: Namespace) -> int:
    """Simulate stamps and write them as one FITS cube with the parameters of each in a table."""
    _check_kind(options)
    start_jax(options)
    if options.catalog is not None:
        return _whole_field(options)
    from ..checks import PriorCheck
    from ..mock import prior_predictive

    observation = read_observation(options)
    x, y = position(options, observation)
    stamp = observation.stamp(x, y, options.half_size)
    _check_number(options.n, stamp)
    priors, line = read_priors(options, stamp, x, y)
    priors = priors.replace(**fixed_parameters(options.fixed))
    output_folder(Path(options.out).parent)
    progress(line)
    progress(f"simulating {options.n} images of {stamp.shape[1]} x {stamp.shape[0]} pixels")
    mocks = prior_predictive(stamp, priors, num_samples=options.n, seed=options.seed)
    counts = values(mocks, "prior_predictive", "counts")[0]
    history = _made_from(options) + [f"prior {name} = {text}" for name, text in priors.describe().items()]
    _write_images(options, as_mock(stamp, counts[0], history, psf=priors.psf), counts, [_parameters(mocks)])
    check = PriorCheck.of(stamp, counts)
    check.warn(stamp)
    written, summary = _written_and_summary(options, "mocks", counts)
    report(options, [written, check.line()], summary)
    return 0


def _check_kind(options: Namespace) -> None:
    """Refuse what only mocks of the other kind take: stamps about a place, or a whole field from a catalogue."""
    of_field = {"--background": options.background is not None, "--extended": bool(options.extended)}
    places = {f"--{name}": getattr(options, name) is not None for name in ("x", "y", "ra", "dec")}
    of_stamps = places | {
        "--priors": options.priors is not None,
        "--component": bool(options.components),
        "--set": bool(options.fixed),
    }
    wanted, found, refused = (
        ("--catalog", "none", of_field) if options.catalog is None else ("no --catalog", "one", of_stamps)
    )
    for option, there in refused.items():
        if there:
            raise InputError(f"{option}: expected {wanted} beside it, found {found}")


def _check_number(number: int, observation: Observation) -> None:
    """Refuse no mocks at all, and more than a cube in memory can hold."""
    most = max(1, _MOST_PIXELS // observation.counts.size)
    if not 1 <= number <= most:
        raise InputError(f"--n: expected at least 1 and, in images of this size, at most {most:,}; found {number:.6g}")


def _whole_field(options: Namespace) -> int:
    """Simulate images of the field from a catalogue, and write them as one cube."""
    import jax.numpy as jnp
    from astropy.io.fits import VerifyError
    from astropy.io.registry import IORegistryError
    from astropy.table import Table
    from astropy.units import Unit

    from ..fieldmock import BetaModel, column_in, expected_field, sources_of_table
    from ..poisson import poisson
    from ..random import source_key

    observation = read_observation(options)
    try:
        table = Table.read(options.catalog)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, IORegistryError, VerifyError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{options.catalog}: expected a table, found no such file") from error
        raise InputError(f"{options.catalog}: expected a table, found none: {error}") from error
    sources = sources_of_table(table, observation, options.psf, options.psf_sampling)
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
    _check_number(options.n, observation)
    output_folder(Path(options.out).parent)
    progress(f"simulating {options.n} fields of {len(sources)} sources")
    psf, line = read_psf(options, observation, *observation.centre)
    own = options.psf == "auto" and "PSF" in table.colnames
    progress("PSF: each source's own, from the table's column PSF" if own else f"{line}, in the middle of the image")
    if own and extended:
        progress(f"PSF of what is extended: {line.removeprefix('PSF: ')}")
    width = float(psf.typical_width)
    mean = expected_field(observation, sources, background, extended, psf=psf, psf_width=width, background_norm=norm)
    if not (mean.min() >= 0 and mean.max() <= _MOST_COUNTS):
        found = f"{mean.min():.4g} to {mean.max():.4g}"
        raise InputError(
            f"expected fluxes and a background that give 0 to {_MOST_COUNTS:g} counts a pixel, found {found}"
        )
    keys = [source_key(options.seed, f"field {number}") for number in range(options.n)]
    cube = np.stack([np.asarray(poisson(key, jnp.asarray(mean))) for key in keys])
    history = _made_from(options)
    history += [f"catalogue {options.catalog}: {len(sources)} sources", f"background = {background:.6g}"]
    history += [f"background_norm = {norm:.6g}"] * (observation.background_map is not None)
    history += [f"extended x, y, flux, core, beta = {text}" for text in options.extended]
    mock = as_mock(observation, cube[0], history, psf=sources[0].psf if sources else psf)
    _write_images(options, mock, cube[0] if len(cube) == 1 else cube)
    written, summary = _written_and_summary(options, "fields", cube)
    report(options, [written], summary)
    return 0


def _beta_model(text: str, kind: "type[BetaModel]") -> "BetaModel":
    try:
        return kind(*(float(word) for word in text.split(",")))
    except (ValueError, TypeError) as error:
        raise InputError(f"--extended: expected x,y,flux,core,beta, found {shown(text)}") from error


def _written_and_summary(options: Namespace, what: str, cube: np.ndarray) -> tuple[str, dict[str, Any]]:
    """Say what was written, for a reader and for a program."""
    totals = cube.sum(axis=(1, 2))
    line = f"wrote {options.out}: {len(cube)} {what} of {totals.min()} to {totals.max()} counts"
    return line, {"file": options.out, "n": len(cube), "seed": options.seed, "counts": [int(t) for t in totals]}


def _made_from(options: Namespace) -> list[str]:
    """Say what the mocks are made from, for the header."""
    inputs = [f"{what} {name}" for what, name in files_of(options).items()]
    return [*inputs, f"min_exposure = {options.min_exposure:g}", f"seed = {options.seed}"]


def _parameters(mocks: "xarray.DataTree") -> "BinTableHDU":
    """Return the parameters of each mock as the table PARAMETERS."""
    from astropy.io import fits
    from astropy.table import QTable
    from astropy.units import Unit

    drawn = mocks["prior"].to_dataset()
    single = [name for name, one in parameters_of(mocks, "prior").items() if not one.plural]
    table = QTable({name: drawn[name].values[0] * Unit(drawn[name].attrs["units"]) for name in single})
    return fits.BinTableHDU(table, name="PARAMETERS")


def _write_images(
    options: Namespace, mock: Observation, images: np.ndarray, tables: "Sequence[BinTableHDU]" = ()
) -> None:
    """Write images (primary HDU), their maps (EXPOSURE, BACKGROUND_MAP) and tables into one file."""
    from astropy.io import fits

    header = mock.stamp_header()
    header["SEED"] = (options.seed, "of the random numbers")
    exposure = fits.ImageHDU(mock.exposure, header, name="EXPOSURE")
    exposure.header["BUNIT"] = mock.exposure_unit
    maps = [exposure]
    if mock.background_map is not None:
        maps.append(fits.ImageHDU(mock.background_map, header, name="BACKGROUND_MAP"))
        maps[-1].header["BUNIT"] = "ct"
    header["BUNIT"] = "ct"
    primary = fits.PrimaryHDU(images.astype("int32"), header)
    with replacing(options.out) as temporary:
        fits.HDUList([primary, *maps, *tables]).writeto(temporary, overwrite=True, output_verify="silentfix+ignore")
