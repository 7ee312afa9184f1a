"""`pgm-mock grid`."""

import sys
from argparse import Namespace

import numpy as np

from ..errors import InputError
from ..files import output_folder, replacing
from ..priors import SITES
from .common import (
    fixed_parameters,
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


def run(options: Namespace) -> int:
    """Compute the posterior on a grid, and write it as netCDF with a picture."""
    start_jax(options)
    use_files_only()
    from ..inference import grid_posterior, hdi, marginal, mode
    from ..plot import plot_grid

    x, y = position(options)
    stamp = read_observation(options).stamp(x, y, options.half_size)
    psf = read_psf(options, stamp, x, y)
    priors = read_priors(options, stamp, x, y, psf).replace(**fixed_parameters(options.fixed))
    axes = dict(_axis(text) for text in options.axis)
    if loose := [name for name in priors.free if name not in axes]:
        raise InputError(f"expected --axis NAME=LO:HI:N or --set NAME=VALUE for {', '.join(loose)}; found neither")
    folder = output_folder(options.out)
    shape = " x ".join(str(len(values)) for values in axes.values())
    progress(f"a grid of {shape} points")
    found = grid_posterior(stamp, priors, psf=psf, progress=sys.stderr.isatty(), **axes)
    name = f"x{x:g}_y{y:g}_grid"
    with replacing(folder / f"{name}.nc") as temporary:
        found.to_netcdf(temporary, engine="h5netcdf")
    save_figure(plot_grid(found), folder / f"{name}.png")
    best = mode(found)
    lines, told = [], {}
    for axis in axes:
        density = marginal(found, axis)
        intervals, peak = hdi(density), mode(density)[axis]
        unit = found[axis].attrs["units"]
        ranges = " and ".join(f"{lower:.5g} to {upper:.5g}" for lower, upper in intervals)
        lines.append(f"{stamp.name}: {axis}: mode {peak:.5g}, 68 % highest density {ranges} {unit}")
        told[axis] = {"mode": peak, "joint_mode": best[axis], "hdi_68": intervals.tolist(), "unit": unit}
    summary = {"out": options.out, "log_evidence": found.attrs["log_evidence"], "parameters": told}
    report(options, lines, summary)
    return 0


def _axis(text: str) -> tuple[str, np.ndarray]:
    """Read NAME=LO:HI:N."""
    name, _, values = text.partition("=")
    parts = values.split(":")
    try:
        low, high, number = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        number = 0
    if name not in SITES or len(parts) != 3 or number < 2 or not low < high:
        names = ", ".join(SITES)
        raise InputError(f"--axis: expected NAME=LO:HI:N with a name of {names}, LO < HI and N ≥ 2, found {text!r}")
    return name, np.linspace(low, high, number)
