"""`pgm-mock info`."""

import warnings
from argparse import Namespace
from typing import Any

import numpy as np

from ..errors import DataWarning, one_line
from ..fitsimage import list_hdus
from ..observation import Observation
from .common import files_of, read_observation, report


def run(options: Namespace) -> int:
    """Say what is in the files."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        observation = read_observation(options)
    slivers = observation.slivers
    said = [str(warning.message) for warning in caught if issubclass(warning.category, DataWarning)]
    said = [text for text in said if not (slivers.counts and text.endswith(slivers.line()))]  # has a line of its own
    summary = describe(observation) | {"warnings": said}
    summary["files"] = {name: list_hdus(name) for name in files_of(options).values()}
    lines = [f"{one_line(name)}: {_some(hdus)}" for name, hdus in summary["files"].items()]
    named = one_line(summary["name"], 100) or "no object named"
    lines += [
        f"image of {summary['shape'][1]} x {summary['shape'][0]} pixels: {named}",
        f"counts: {summary['counts']:,} in all, at most {summary['max_counts']} in a pixel",
        f"exposure: up to {summary['max_exposure']:.6g} {observation.exposure_unit} (unit {observation.unit_source}); "
        f"{summary['exposed_fraction']:.1%} of the pixels are exposed",
        *([f"slivers: {slivers.line()} (--min-exposure 0 keeps them)"] if slivers.pixels else []),
        *([f"background map: {summary['background_map']:,.1f} counts in all"] if summary["background_map"] else []),
        f"flux is in {observation.flux_unit}",
        f"sky: {summary['sky']}",
        *(f"warning: {text}" for text in said),
    ]
    report(options, lines, summary)
    return 0


def _some(hdus: list[str], most: int = 20) -> str:
    """Join what is said of each HDU, and count those for which there is no room."""
    more = [f"and {len(hdus) - most} more"] if len(hdus) > most else []
    return "; ".join(one_line(hdu, 100) for hdu in hdus[:most] + more)


def describe(observation: Observation) -> dict[str, Any]:
    """Collect an observation's facts as plain values."""
    header = observation.header if observation.header is not None else {}
    return {
        "name": observation.name,
        "telescope": " ".join(str(header.get(key, "")) for key in ("TELESCOP", "INSTRUME")).strip(),
        "shape": list(observation.shape),
        "origin": list(observation.origin),
        "counts": int(observation.counts.sum()),
        "max_counts": int(observation.counts.max()),
        "left_out": observation.left_out,
        "slivers": observation.slivers._asdict(),
        "background_map": None if observation.background_map is None else float(observation.background_map.sum()),
        "max_exposure": float(observation.exposure.max()),
        "exposed_fraction": float(np.mean(observation.exposure > 0)),
        "exposure_unit": observation.exposure_unit,
        "exposure_unit_source": observation.unit_source,
        "flux_unit": observation.flux_unit,
        "sky": _sky(observation),
    }


def _sky(observation: Observation) -> str:
    if observation.wcs is None:
        return "no celestial WCS"
    from astropy.wcs.utils import proj_plane_pixel_scales

    x, y = observation.centre
    place = observation.wcs.pixel_to_world(x - 1, y - 1)
    size = float(np.mean(proj_plane_pixel_scales(observation.wcs))) * 3600
    return f"centre {place.to_string('hmsdms', precision=1)} ({place.frame.name}), pixels of {size:.3g} arcsec"
