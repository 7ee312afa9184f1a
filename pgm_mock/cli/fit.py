"""`pgm-mock fit`."""

import re
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import output_folder, replacing
from ..observation import Observation
from ..psf import PSF, epic_psf
from ..regions import Region, read_regions
from ..summary import FitSummary, summarise
from .common import (
    position,
    progress,
    read_observation,
    read_priors,
    read_psf,
    report,
    save_figure,
    start_jax,
    use_files_only,
)

if TYPE_CHECKING:
    import xarray


def run(options: Namespace) -> int:
    """Fit one source, or each of a list, and write posterior and pictures for each."""
    start_jax(options)
    use_files_only()
    from tqdm import tqdm

    observation = read_observation(options)
    regions = _regions(options, observation)
    folder = output_folder(options.out)
    if len(regions) == 1:
        observation.stamp(regions[0].x, regions[0].y, options.half_size)  # what is wrong is said before all else
    epic = epic_psf(observation.header, observation.wcs, regions[0].x, regions[0].y)
    if epic is not None and options.psf in (None, "gaussian", "king"):
        missed = "; a Gaussian's flux misses a quarter to a third of its light: --psf king fits all of it"
        progress(f"note: {epic.line()}{'' if options.psf == 'king' else missed}")
    progress(f"fitting {len(regions)} source{'s' * (len(regions) > 1)}; the first one compiles the model")
    summaries = []
    failures = 0
    for region in tqdm(regions, unit="source", disable=len(regions) == 1 or not sys.stderr.isatty()):
        try:
            summaries.append(_fit(options, observation, region, folder))
        except InputError as error:
            if len(regions) == 1:
                raise
            failures += 1
            print(f"source {region.name}: {error}", file=sys.stderr)
    lines = [summary.line() for summary in summaries]
    report(options, lines, {"out": options.out, "sources": [summary.to_dict() for summary in summaries]})
    return 2 if failures == len(regions) else 0


def _regions(options: Namespace, observation: Observation) -> list[Region]:
    """Return the sources asked for: those of the file, or the one position."""
    if options.regions is None:
        x, y = position(options)
        return [Region(f"x{x:g}_y{y:g}", x, y, float("nan"))]
    if options.x is not None or options.y is not None:
        raise InputError("expected either --x X --y Y or --regions FILE, found both")
    return read_regions(options.regions, observation)


def _fit(options: Namespace, observation: Observation, region: Region, folder: Path) -> FitSummary:
    from ..checks import prior_predictive_check
    from ..inference import fit

    stamp = observation.stamp(region.x, region.y, options.half_size)
    psf = read_psf(options, stamp, region.x, region.y)
    priors = read_priors(options, stamp, region.x, region.y, psf)
    if options.priors:
        prior_predictive_check(stamp, priors, num_samples=200, psf=psf)
    posterior = fit(stamp, priors, method=options.method, psf=psf, seed=options.seed)
    name = re.sub(r"[^\w.+-]+", "_", region.name)
    _write(folder, name, stamp, posterior, psf)
    return summarise(posterior)


def _write(folder: Path, name: str, stamp: Observation, posterior: "xarray.DataTree", psf: PSF) -> None:
    """Write the posterior as netCDF, and its pictures."""
    from ..plot import plot_corner, plot_posterior_image

    with replacing(folder / f"{name}.nc") as temporary:
        posterior.to_netcdf(temporary, engine="h5netcdf")
    (folder / f"{name}_check.png").unlink(missing_ok=True)  # of an earlier fit
    save_figure(plot_corner(posterior), folder / f"{name}_corner.png")
    save_figure(plot_posterior_image(stamp, posterior, psf=psf), folder / f"{name}_image.png")
