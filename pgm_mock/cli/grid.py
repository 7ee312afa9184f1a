"""`pgm-mock grid`."""

import sys
from argparse import Namespace

import numpy as np

from ..errors import InputError, did_you_mean, shown
from ..files import output_folder, replacing
from ..scene import known_parameters
from .common import (
    fixed_parameters,
    progress,
    read_observation,
    read_priors,
    report,
    save_figure,
    start_jax,
    use_files_only,
)
from .place import position

_MOST_VALUES, _LARGEST = 1_000_000, 1e100
"""Values of an axis, and the largest of them: beyond, memory and then double precision are at their end."""


def run(options: Namespace) -> int:
    """Compute the posterior on a grid, and write it as netCDF with a picture."""
    start_jax(options)
    use_files_only()
    from ..inference import grid_posterior, hdi, marginal, mode
    from ..plot import plot_grid

    observation = read_observation(options)
    x, y = position(options, observation)
    stamp = observation.stamp(x, y, options.half_size)
    priors, line = read_priors(options, stamp, x, y)
    priors = priors.replace(**fixed_parameters(options.fixed))
    axes = dict(_axis(text) for text in options.axis)
    if not axes:
        raise InputError("--axis: expected at least one, as flux=0:0.006:1000, found none")
    if loose := {name: value for name, value in priors.medians().items() if name in priors.free and name not in axes}:
        said = ", ".join(f"{n}={','.join(f'{v:.5g}' for v in np.atleast_1d(value))}" for n, value in loose.items())
        progress(f"note: fixed to the prior's median, for want of --axis or --set: {said}")
        priors = priors.replace(**loose)
    folder = output_folder(options.out)
    shape = " x ".join(str(len(values)) for values in axes.values())
    progress(line)
    progress(f"a grid of {shape} points")
    found = grid_posterior(stamp, priors, progress=sys.stderr.isatty(), **axes)
    name = f"x{x:g}_y{y:g}_grid"
    with replacing(folder / f"{name}.nc") as temporary:
        found.to_netcdf(temporary, engine="h5netcdf")
    save_figure(plot_grid(found), folder / f"{name}.png")
    best = mode(found)
    lines, parameters = [], {}
    for axis in axes:
        density = marginal(found, axis)
        intervals, peak = hdi(density), mode(density)[axis]
        unit = found[axis].attrs["units"]
        ranges = " and ".join(f"{lower:.5g} to {upper:.5g}" for lower, upper in intervals)
        lines.append(f"{stamp.name}: {axis}: mode {peak:.5g}, 68 % highest density {ranges} {unit}")
        parameters[axis] = {"mode": peak, "joint_mode": best[axis], "hdi_68": intervals.tolist(), "unit": unit}
    summary = {"out": options.out, "log_evidence": found.attrs["log_evidence"], "parameters": parameters}
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
    names = list(known_parameters(plural=False))
    if name not in names or len(parts) != 3 or number < 2 or not (-_LARGEST < low < high < _LARGEST):
        wanted = f"NAME=LO:HI:N with a name of {', '.join(names)}, LO < HI and N ≥ 2"
        meant = did_you_mean(name, names) if name not in names else ""
        raise InputError(f"--axis: expected {wanted}, found {shown(text)}{meant}")
    if number > _MOST_VALUES:
        raise InputError(f"--axis {name}: expected at most {_MOST_VALUES:,} values, found {parts[2][:20]}")
    return name, np.linspace(low, high, number)
