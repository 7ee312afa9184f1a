"""The files of a detection: tables, lists of regions, and maps, each whole or not at all."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files import output_folder, replacing
from ..fitsimage import pixel_degrees
from ..mockheader import coordinates_of
from ..observation import Observation
from ..tablefiles import write_table
from .extended import Ellipse
from .table import extended_table

if TYPE_CHECKING:
    from .detect import Detection
    from .sensitivity import Sensitivity

_PLAIN, _IMAGE, _SKY, _EXTENDED = "sources.txt", "sources.reg", "sources_icrs.reg", "extended.reg"


def write_detection(detection: "Detection", folder: str | Path) -> list[Path]:
    """Write sources.ecsv, .fits, .txt and .reg, sources_icrs.reg, and the maps; return their paths.

    sources.txt is what `--regions` and `read_regions` take: `x y radius` lines. Where there is any extended source,
    extended.ecsv and .fits tabulate them, and extended.reg has the ellipses that hold half of each one's light. The
    maps are ratio.fits (ln likelihood ratio of a point source on each pixel, against what lies behind), left.fits (the
    same against all that was found) and behind.fits (the counts that lie behind).

    Args:
        detection: of `detect`.
        folder: made where it is missing.

    Raises:
        InputError: a folder that cannot be written to.
    """
    folder = output_folder(folder)
    paths = write_table(folder, "sources", detection.table)
    if detection.found.background.half_light(detection.found.fitted):
        paths += write_table(folder, "extended", extended_table(detection))
    for name, lines in _lists(detection).items():
        with replacing(folder / name) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths.append(folder / name)
    for name, (image, unit, meaning) in _maps(detection).items():
        _write_map(detection, folder / name, image(), unit, meaning)
        paths.append(folder / name)
    return paths


def write_sensitivity(sensitivity: "Sensitivity", folder: str | Path) -> list[Path]:
    """Write flux50.fits and flux90.fits, the maps, and area.fits and area.ecsv, the curve; return their paths.

    Args:
        sensitivity: of `sensitivity`.
        folder: made where it is missing.

    Raises:
        InputError: a folder that cannot be written to.
    """
    folder = output_folder(folder)
    detection = sensitivity.detection
    paths = write_table(folder, "area", sensitivity.table)
    for share, image in ((50, sensitivity.flux50), (90, sensitivity.flux90)):
        path = folder / f"flux{share}.fits"
        unit = detection.observation.flux_unit
        _write_map(detection, path, image, unit, f"flux detected with a probability of {share} %")
        paths.append(path)
    return paths


def _lists(detection: "Detection") -> dict[str, list[str]]:
    """The lines of each list of regions."""
    regions = detection.regions
    lists = {
        _PLAIN: [f"# {detection.line()}", "# x y radius [FITS image pixels]"]
        + [f"{one.x:.3f} {one.y:.3f} {one.radius:.3f}" for one in regions],
        _IMAGE: ["# Region file format: DS9", "image"]
        + [f"circle({one.x:.3f},{one.y:.3f},{one.radius:.3f}) # text={{{one.name}}}" for one in regions],
    }
    known = detection.found.background.half_light(detection.found.fitted)
    if known:
        lists[_EXTENDED] = ["# Region file format: DS9", "image", *(_ellipse(detection, *one) for one in known)]
    wcs = detection.observation.wcs
    if wcs is not None:
        places = np.array([(one.x - 1, one.y - 1) for one in regions]).reshape(-1, 2)
        sky = wcs.celestial.pixel_to_world(*places.T).icrs
        scale = 3600.0 * pixel_degrees(wcs)
        lists[_SKY] = ["# Region file format: DS9", "icrs"] + [
            f'circle({ra:.7f},{dec:.7f},{one.radius * scale:.2f}") # text={{{one.name}}}'
            for one, ra, dec in zip(regions, sky.ra.deg, sky.dec.deg, strict=True)
        ]
    return lists


def _ellipse(detection: "Detection", shape: Ellipse, radius: float) -> str:
    """Write the ellipse that holds half of an extended source's light as a region."""
    x, y = (place + first for place, first in zip((shape.column, shape.row), detection.observation.origin, strict=True))
    long, short = radius / np.sqrt(shape.ratio), radius * np.sqrt(shape.ratio)
    return f"ellipse({x:.3f},{y:.3f},{long:.3f},{short:.3f},{np.rad2deg(shape.angle):.1f}) # dash=1"


def _maps(detection: "Detection") -> dict[str, tuple[Callable[[], np.ndarray], str, str]]:
    """What each map holds; a ratio is NaN where there is no exposure."""

    def exposed(image: np.ndarray) -> np.ndarray:
        return np.where(detection.observation.exposure > 0, image, np.nan)

    return {
        "ratio.fits": (lambda: exposed(detection.ratio.gain), "", "ln L ratio of a point source to what lies behind"),
        "left.fits": (lambda: exposed(detection.found.ratio.gain), "", "ln L ratio of one more source to all found"),
        "behind.fits": (lambda: detection.found.fitted.mean, "ct", "expected counts without point sources"),
    }


def _write_map(detection: "Detection", path: Path, image: np.ndarray, unit: str, meaning: str) -> None:
    """Write a map that says which threshold it goes with."""
    keywords = {
        "LTHRESH": (float(detection.threshold), "ln likelihood ratio of a source"),
        "NFALSE": (round(detection.expected_false, 6), "false sources expected above it"),
    }
    write_map(detection.observation, path, image, unit, meaning, keywords)


def write_map(
    observation: Observation,
    path: Path,
    image: np.ndarray,
    unit: str,
    meaning: str,
    keywords: Mapping[str, tuple[float, str]] | None = None,
) -> None:
    """Write a map of a field as FITS, in single precision, whole or not at all.

    Args:
        observation: whose coordinates it has.
        path: of the file.
        image: shape (ny, nx).
        unit: of its values, as FITS writes it; "" for pure numbers.
        meaning: of them; 68 characters are kept.
        keywords: more of the header, each a value and a comment.
    """
    from astropy.io import fits

    header = coordinates_of(observation)
    if unit:
        header["BUNIT"] = unit
    header["CONTENT"] = meaning[:68]
    header.update(keywords or {})
    with replacing(path) as temporary:
        hdu = fits.PrimaryHDU(image.astype(np.float32), header)
        hdu.writeto(temporary, overwrite=True, output_verify="silentfix+ignore")
