"""Lists of sources: plain text, or DS9 region files."""

import math
import os
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import DataWarning, InputError
from .observation import Observation

if TYPE_CHECKING:
    import regions
    from astropy.io import fits

_PIXEL_FRAMES = ("image", "physical")
_SKY_FRAMES = ("fk5", "icrs", "fk4", "j2000", "b1950", "galactic", "ecliptic")
_SHAPES = "circle|ellipse|box|polygon|point|annulus|line|text|vector|ruler|compass|panda|epanda|bpanda|projection"
_SHAPE = re.compile(rf"^\s*([+-]?)\s*({_SHAPES})\b(.*)$", re.IGNORECASE)
_NUMBERS = re.compile(r"[\s,]+")


class Region(NamedTuple):
    """A circle in an image.

    Attributes:
        name: from the file, or the number of the circle in it, from 1.
        x, y: its centre [FITS image pixels].
        radius: [pixels]; NaN where the file gives none.
    """

    name: str
    x: float
    y: float
    radius: float


def read_regions(path: str | os.PathLike[str], observation: Observation | None = None) -> list[Region]:
    """Read circles from a file of plain `x y radius` lines, or from a DS9 region file.

    Plain lines are in FITS image pixels, `#` starts a comment, and the radius may be missing. DS9 circles may be in
    image, physical or sky coordinates (fk5, icrs, fk4, galactic, ecliptic); those without a frame are physical, or fk5
    where they are sexagesimal, as DS9 and CIAO have it. Points are circles without a radius. Excluded regions and other
    shapes are left out with a warning that counts them.

    Args:
        path: the file.
        observation: its WCS places sky coordinates and its header physical ones; without a header, physical
            coordinates are image coordinates.

    Raises:
        InputError: the file cannot be read, a line is not understood (the message numbers it), sky coordinates
            without a WCS, or no region at all.
    """
    label = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{label}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{label}: expected a text file of regions: {error}") from error
    found = _read_ds9(lines, label, observation) if _is_ds9(lines) else _read_plain(lines, label)
    if not found:
        raise InputError(f"{label}: expected lines `x y radius` or DS9 circles, found none")
    return [region._replace(name=region.name or str(number)) for number, region in enumerate(found, 1)]


def _is_ds9(lines: list[str]) -> bool:
    frames = (*_PIXEL_FRAMES, *_SKY_FRAMES)
    return any(
        "ds9" in line.lower()
        if line.lstrip().startswith("#")
        else any(_SHAPE.match(part) or part.strip().lower() in frames for part in line.split(";"))
        for line in lines
    )


def _read_plain(lines: list[str], label: str) -> list[Region]:
    found = []
    for number, line in enumerate(lines, 1):
        words = _NUMBERS.split(line.split("#")[0].strip(" \t,"))
        if words == [""]:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) not in (2, 3) or not all(map(math.isfinite, values[:2])):
            raise InputError(f"{label}: line {number}: expected numbers `x y radius`, found {line.strip()!r}")
        found.append(_circle("", *values, where=f"{label}: line {number}"))
    return found


def _circle(name: str, x: float, y: float, radius: float = math.nan, *, where: str) -> Region:
    if radius <= 0 or math.isinf(radius):
        raise InputError(f"{where}: expected a radius > 0, found {radius:g}")
    return Region(name, x, y, radius)


def _read_ds9(lines: list[str], label: str, observation: Observation | None) -> list[Region]:
    frame = "physical"
    found, left_out = [], 0
    for number, line in enumerate(lines, 1):
        where = f"{label}: line {number}"
        for part in _commands(line):
            word = part.strip().lower()
            if word in (*_PIXEL_FRAMES, *_SKY_FRAMES):
                frame = word
            elif word.startswith(("wcs", "linear", "amplifier", "detector", "tile")):
                raise InputError(f"{where}: expected image, physical or sky coordinates, found the frame {word!r}")
            elif shape := _SHAPE.match(part):
                if shape[1] == "-" or shape[2].lower() not in ("circle", "point"):
                    left_out += 1
                else:
                    found.append(_ds9_circle(part, frame, where, observation))
            elif word and not word.startswith(("#", "global")):
                raise InputError(f"{where}: expected a DS9 region, found {part.strip()!r}")
    if left_out:
        warnings.warn(f"{label}: {left_out} regions that are excluded or no circles: left out", DataWarning, 3)
    return found


def _commands(line: str) -> list[str]:
    """Split a line at semicolons, except in its comment, which stays with the last region."""
    body, hash_, comment = line.partition("#")
    parts = body.split(";")
    return [*parts[:-1], parts[-1] + hash_ + comment]


def _ds9_circle(part: str, frame: str, where: str, observation: Observation | None) -> Region:
    """Read one circle or point and place it in the image."""
    body, hash_, comment = part.partition("#")
    if frame in _PIXEL_FRAMES and ":" in body:
        frame = "fk5"
    if frame in _PIXEL_FRAMES:
        body = re.sub(r"(?<=\d)[ip](?=\s*\)?\s*$)", "", body)
    parsed = _parse(f"{'image' if frame in _PIXEL_FRAMES else frame}; {body}{hash_}{comment}", where)
    name = str(parsed.meta.get("text", ""))
    if frame not in _PIXEL_FRAMES:
        if observation is None or observation.wcs is None:
            raise InputError(f"{where}: expected an image with a WCS to place {frame} coordinates in, found none")
        try:
            parsed = parsed.to_pixel(observation.wcs)
        except ValueError as error:
            raise InputError(f"{where}: expected a position on the image's sky, found {part.strip()!r}") from error
    x, y = float(parsed.center.x) + 1, float(parsed.center.y) + 1
    radius = float(getattr(parsed, "radius", math.nan))
    if frame == "physical" and observation is not None and observation.header is not None:
        x, y, scale = _from_physical(x, y, observation.header)
        radius *= scale
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"{where}: expected a position on the image's sky, found {part.strip()!r}")
    return _circle(name, x, y, radius, where=where)


def _parse(text: str, where: str) -> "regions.Region":
    from astropy.utils.exceptions import AstropyUserWarning
    from regions import Regions

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyUserWarning)
            (parsed,) = Regions.parse(text, format="ds9")
    except (AstropyUserWarning, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{where}: expected a DS9 circle, found {text.partition(';')[2].strip()!r}") from error
    return parsed


def _from_physical(x: float, y: float, header: "fits.Header") -> tuple[float, float, float]:
    """Turn physical into image coordinates by the header's LTM and LTV; return the scale as well."""
    matrix = np.array([[float(header.get(f"LTM{i}_{j}", i == j)) for j in (1, 2)] for i in (1, 2)])
    shift = np.array([float(header.get(f"LTV{i}", 0)) for i in (1, 2)])
    if "LTM1_1" not in header and (alternate := next((a for a in "PL" if f"CRVAL1{a}" in header), None)):
        steps = [float(header.get(f"CDELT{i}{alternate}", 1)) for i in (1, 2)]
        matrix = np.diag([1 / step for step in steps])
        shift = np.array(
            [float(header.get(f"CRPIX{i}{alternate}", 0)) - float(header[f"CRVAL{i}{alternate}"]) / step
             for i, step in zip((1, 2), steps, strict=True)]
        )  # fmt: skip
    image = matrix @ [x, y] + shift
    return float(image[0]), float(image[1]), float(np.sqrt(abs(np.linalg.det(matrix))))
