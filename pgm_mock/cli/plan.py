"""`pgm-mock plan`."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, shown
from ..files import output_folder
from .common import progress, read_observation, report, save_figure, start_jax, use_files_only
from .place import has_position, position

if TYPE_CHECKING:
    from ..planning import Plan

_NUMBER, _MOST = 8, 100
"""Exposures of a range, and the most of any list."""


def run(options: Namespace) -> int:
    """Plan, and write a table and a picture."""
    ks = _numbers("exposure", options.exposures, "LO:HI, LO:HI:N or A,B,C in ks")
    angles = [] if options.off_axis is None else _numbers("off-axis", options.off_axis, "angles A,B,C in arcmin", 0.0)
    start_jax(options)
    use_files_only()
    from ..planning import check_mocks, plan_by_fisher, with_mocks
    from ..planning.table import summary, write_plan
    from ..plot.plan import plot_plan

    check_mocks(options.mocks)
    observation, places = None, []
    if options.image is not None:
        if options.exposure is None:
            raise InputError("expected IMAGE and EXPOSURE, or --telescope; found IMAGE alone")
        observation = read_observation(options)
        if not (has_position(options) or angles or options.telescope):
            raise InputError("expected --x --y, --ra --dec or --off-axis, found none of them")
        places = [position(options, observation)] if has_position(options) else []
    elif has_position(options):
        raise InputError("--x, --y, --ra, --dec: expected IMAGE and EXPOSURE beside them, found neither")
    found = plan_by_fisher(
        options.flux,
        [1e3 * one for one in ks],
        observation=observation,
        positions=places,
        off_axis=angles,
        telescope=options.telescope,
        background=options.background,
        pixel=options.pixel,
        energy=options.energy,
        psf=options.psf,
        psf_sampling=options.psf_sampling,
        threshold=options.threshold,
        half_size=options.half_size,
        seed=options.seed,
    )
    folder = output_folder(options.out)
    _say(found, bare=observation is None)
    faint = sum(one.is_faint for one in found.forecasts)
    if faint and not options.mocks:
        progress(f"note: --mocks 0: in {faint} faint cases the widths, by Fisher's information, are only a guide")
    elif faint:
        progress(f"fitting {faint * options.mocks} mocks of faint sources; the first compile the model")
        found = with_mocks(found, options.mocks, sys.stderr.isatty())
    write_plan(folder, found)
    save_figure(plot_plan(found), folder / "plan.png")
    report(options, found.lines(), summary(found) | {"out": str(options.out)})
    return 0


def _say(found: "Plan", bare: bool) -> None:
    """Say what the exposures and fluxes are, and what was taken at each place."""
    of_map = "of the map's largest value, and the flux the rate that its scale is for"
    at_place = "at the place itself, and the flux the rate on the detector there"
    progress(f"exposures are those {at_place if bare else of_map}; widths are standard deviations of the posterior")
    for place in found.places:
        shape = f'PSF width {float(place.psf.typical_width):.3g}, pixels of {place.pixel:.3g}"'
        progress(f"{place.name}: background {place.background:.3g} ct / s / pixel, {shape}")


def _numbers(name: str, text: str, wanted: str, least: float = 1e-6) -> list[float]:
    """Read LO:HI, LO:HI:N (evenly in the logarithm) or A,B,C, in order."""
    parts, values = text.split(":"), np.empty(0)
    try:
        if len(parts) == 1:
            values = np.array([float(word) for word in text.split(",")])
        elif len(parts) <= 3:
            low, high, number = float(parts[0]), float(parts[1]), int(parts[2]) if len(parts) == 3 else _NUMBER
            if 0 < low < high < np.inf and 2 <= number <= _MOST:
                values = np.geomspace(low, high, number)
    except ValueError:
        values = np.empty(0)
    if not 1 <= len(values) <= _MOST or not np.all((values >= least) & (values <= 1e6)):
        raise InputError(f"--{name}: expected {wanted}, at most {_MOST} numbers and LO below HI, found {shown(text)}")
    return [float(one) for one in np.unique(values)]
