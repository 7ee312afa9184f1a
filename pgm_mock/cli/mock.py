"""`pgm-mock mock`."""

from argparse import Namespace
from typing import TYPE_CHECKING

from ..files import replacing
from ..observation import Observation
from ..priors import SITES, Priors
from ..psf import PSFS
from ..results import values
from .common import fixed_parameters, position, progress, read_observation, read_priors, report, start_jax

if TYPE_CHECKING:
    import xarray


def run(options: Namespace) -> int:
    """Simulate stamps and write them as one FITS cube with the parameters of each in a table."""
    start_jax(options)
    from ..mock import prior_predictive

    x, y = position(options)
    stamp = read_observation(options).stamp(x, y, options.half_size)
    priors = read_priors(options, stamp, x, y).replace(**fixed_parameters(options.fixed))
    progress(f"simulating {options.n} images of {stamp.shape[1]} x {stamp.shape[0]} pixels")
    mocks = prior_predictive(stamp, priors, num_samples=options.n, psf=PSFS[options.psf], seed=options.seed)
    _write(options, stamp, priors, mocks)
    totals = values(mocks, "prior_predictive", "counts")[0].sum(axis=(1, 2))
    line = f"wrote {options.out}: {len(totals)} mocks of {totals.min()} to {totals.max()} counts"
    summary = {"file": options.out, "n": len(totals), "seed": options.seed, "counts": [int(total) for total in totals]}
    report(options, [line], summary)
    return 0


def _write(options: Namespace, stamp: Observation, priors: Priors, mocks: "xarray.DataTree") -> None:
    """Write the cube (primary HDU), the exposure (EXPOSURE) and the parameters (PARAMETERS) into one file."""
    from astropy.io import fits
    from astropy.table import QTable
    from astropy.units import Unit

    drawn = mocks["prior"].to_dataset()
    units = {name: Unit(drawn[name].attrs["units"]) for name in SITES}
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
