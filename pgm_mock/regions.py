"""Lists of sources: plain text, or DS9 region files."""

import math
import os
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import DataWarning, InputError, printable, shown
from .files import read_text
from .observation import Observation

if TYPE_CHECKING:
    import regions
    from astropy.io import fits

_PIXEL_FRAMES = ("image", "physical")
_SKY_FRAMES = ("fk5", "icrs", "fk4", "j2000", "b1950", "galactic", "ecliptic")
_SHAPES = "circle|ellipse|box|polygon|point|annulus|line|text|vector|ruler|compass|panda|epanda|bpanda|projection"
_SHAPE = re.compile(rf"([+-]?)\s*({_SHAPES})\b", re.IGNORECASE)
_NUMBERS = re.compile(r"[\s,]+")
_UNITS = re.compile(r"(?<=\d)[ip](?= {0,9}\)? {0,9}$)")
_CALL = re.compile(r"\+?\s*\w+\s*(?:\([^()]*\)|[^()]*)\s*(?:\|\|)?")
_TEXT = re.compile(r"\btext\s*=\s*", re.IGNORECASE)
_MOST_BYTES, _LONGEST_LINE, _LONGEST_SHAPE, _LONGEST_NAME = 50_000_000, 10_000, 300, 200
"""Of a file, a line, a circle without its comment, and a name: what reads them takes its time over longer ones."""


class Region(NamedTuple):
    """A circle in an image.

    Attributes:
        name: from the file, or the number of the circle in it, from 1.
        x, y: its centre [FITS image pixels]; NaN where it cannot be placed in the image.
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
    shapes are left out with a warning that counts them. A circle on the sky that cannot be placed in the image keeps
    its name and its place in the list, with NaN for all numbers, and a warning says so.

    Args:
        path: the file.
        observation: its WCS places sky coordinates and its header physical ones; without a header, physical
            coordinates are image coordinates.

    Raises:
        InputError: the file cannot be read, a line is not understood (the message numbers it), sky coordinates
            without a WCS, no region at all, or none that can be placed in the image.
    """
    label = os.fspath(path)
    lines = read_text(path, _MOST_BYTES, _LONGEST_LINE).splitlines()
    found = _read_ds9(lines, label, observation) if _is_ds9(lines) else _read_plain(lines, label)
    if not found:
        raise InputError(f"{label}: expected lines `x y radius` or DS9 circles, found none")
    return [region._replace(name=region.name or str(number)) for number, region in enumerate(found, 1)]


def _is_ds9(lines: list[str]) -> bool:
    frames = (*_PIXEL_FRAMES, *_SKY_FRAMES)
    return any(
        "ds9" in line.lower()
        if line.lstrip().startswith("#")
        else any(_SHAPE.match(part.strip()) or part.strip().lower() in frames for part in line.split(";"))
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
            raise InputError(f"{label}: line {number}: expected numbers `x y radius`, found {shown(line.strip())}")
        found.append(_circle("", *values, where=f"{label}: line {number}"))
    return found


def _circle(name: str, x: float, y: float, radius: float = math.nan, *, where: str) -> Region:
    if radius <= 0 or math.isinf(radius):
        raise InputError(f"{where}: expected a radius > 0, found {radius:g}")
    return Region(name, x, y, radius)


def _read_ds9(lines: list[str], label: str, observation: Observation | None) -> list[Region]:
    frame = "physical"
    found, left_out = [], 0
    bad: list[str] = []
    for number, line in enumerate(lines, 1):
        where = f"{label}: line {number}"
        for part in _commands(line):
            word = part.strip().lower()
            if word in (*_PIXEL_FRAMES, *_SKY_FRAMES):
                frame = word
            elif word.startswith(("wcs", "linear", "amplifier", "detector", "tile")):
                raise InputError(f"{where}: expected image, physical or sky coordinates, found the frame {shown(word)}")
            elif shape := _SHAPE.match(part.strip()):
                if shape[1] == "-" or shape[2].lower() not in ("circle", "point"):
                    left_out += 1
                elif frame in _PIXEL_FRAMES and ":" not in part.partition("#")[0]:
                    found.append(_ds9_circle(part, frame, where, observation))
                else:
                    found.append(_sky_circle(part, frame, where, observation, bad))
            elif word and not word.startswith(("#", "global")):
                raise InputError(f"{where}: expected a DS9 region, found {shown(part.strip())}")
    if left_out:
        warnings.warn(f"{label}: {left_out} regions that are excluded or no circles: left out", DataWarning, 3)
    if bad and all(math.isnan(region.x) for region in found):
        raise InputError(bad[0])
    if bad:
        more = f", with {len(bad) - 1} more" if len(bad) > 1 else ""
        warnings.warn(f"{bad[0]}: left without a position{more}", DataWarning, 3)
    return found


def _commands(line: str) -> list[str]:
    """Split a line at semicolons, except in its comment, which stays with the last region."""
    body, hash_, comment = line.partition("#")
    parts = body.split(";")
    return [*parts[:-1], parts[-1] + hash_ + comment]


def _sky_circle(part: str, frame: str, where: str, observation: Observation | None, bad: list[str]) -> Region:
    """Read a circle on the sky; where it cannot be placed, return it without a position, and say why in `bad`."""
    if observation is None or observation.wcs is None:
        sky = "fk5" if frame in _PIXEL_FRAMES else frame
        raise InputError(f"{where}: expected an image with a WCS to place {sky} coordinates in, found none")
    try:
        return _ds9_circle(part, frame, where, observation)
    except InputError as error:
        bad.append(str(error))
        return Region(_name(part.partition("#")[2]), math.nan, math.nan, math.nan)


def _ds9_circle(part: str, frame: str, where: str, observation: Observation | None) -> Region:
    """Read one circle or point and place it in the image."""
    body, _, comment = part.partition("#")
    body = body.strip()
    if frame in _PIXEL_FRAMES and ":" in body:
        frame = "fk5"
    if frame in _PIXEL_FRAMES:
        body = _UNITS.sub("", body)
    parsed = _parse(body, "image" if frame in _PIXEL_FRAMES else frame, where)
    name = _name(comment)
    if frame not in _PIXEL_FRAMES and observation is not None:
        try:
            parsed = parsed.to_pixel(observation.wcs)
        except ValueError as error:
            raise InputError(f"{where}: expected a position on the image's sky, found {shown(part.strip())}") from error
    x, y = float(parsed.center.x) + 1, float(parsed.center.y) + 1
    radius = float(getattr(parsed, "radius", math.nan))
    if frame == "physical" and observation is not None and observation.header is not None:
        x, y, scale = _from_physical(x, y, observation.header)
        radius *= scale
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"{where}: expected a position on the image's sky, found {shown(part.strip())}")
    return _circle(name, x, y, radius, where=where)


def _parse(body: str, frame: str, where: str) -> "regions.Region":
    """Read a circle or point without its comment."""
    from astropy.utils.exceptions import AstropyUserWarning
    from regions import Regions

    wanted = f"{where}: expected a DS9 circle, found {shown(body)}"
    if len(body) > _LONGEST_SHAPE or not _CALL.fullmatch(body):
        raise InputError(wanted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyUserWarning)
            (parsed,) = Regions.parse(f"{frame}; {body}", format="ds9")
    except (AstropyUserWarning, ValueError, TypeError, LookupError, AttributeError) as error:
        raise InputError(wanted) from error
    return parsed


def _name(comment: str) -> str:
    """Return what `text=` says in a region's comment, between braces or quotes, or up to a blank."""
    found = _TEXT.search(comment)
    if found is None:
        return ""
    value = comment[found.end() :]
    end = {"{": "}", "'": "'", '"': '"'}.get(value[:1])
    name = value[1:].partition(end)[0] if end else (value.split() or [""])[0]
    return printable(name.strip())[:_LONGEST_NAME]


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
