"""DS9 region files."""

import math
import re
import warnings
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError, printable, shown, warn
from .observation import Observation
from .region import Region, circle

if TYPE_CHECKING:
    import regions
    from astropy.io import fits

_PIXEL_FRAMES = ("image", "physical")
_SKY_FRAMES = ("fk5", "icrs", "fk4", "j2000", "b1950", "galactic", "ecliptic")
_SHAPES = (
    "circle|ellipse|rotbox|box|polygon|point|annulus|line|text|vector|ruler|compass|panda|epanda|bpanda|projection"
)
_SHAPE = re.compile(rf"([+-]?)\s*({_SHAPES})\b", re.IGNORECASE)
_TAKEN, _WITH_AXES = ("circle", "point", "ellipse", "box", "rotbox"), ("ellipse", "box", "rotbox")
_EXPECTED = "a DS9 circle, ellipse, box or point"
_NUMBERS = re.compile(r"[\s,()]+")
_UNITS = re.compile(r"(?<=\d)[ip](?= {0,9}(?:[,)]|$))")
_CALL = re.compile(r"\+?\s*\w+\s*(?:\([^()]*\)|[^()]*)\s*(?:\|\|)?")
_TEXT = re.compile(r"\btext\s*=\s*", re.IGNORECASE)
_LONGEST_SHAPE, _LONGEST_NAME = 300, 200
"""Of a shape without its comment, and of a name: what reads them takes its time over longer ones."""


def is_ds9(lines: list[str]) -> bool:
    """Whether lines of text are those of a DS9 region file."""
    frames = (*_PIXEL_FRAMES, *_SKY_FRAMES)
    return any(
        "ds9" in line.lower()
        if line.lstrip().startswith("#")
        else any(_SHAPE.match(part.strip()) or part.strip().lower() in frames for part in line.split(";"))
        for line in lines
    )


def read_ds9(lines: list[str], label: str, observation: Observation | None) -> list[Region]:
    """Read the lines of a DS9 region file as circles; see `read_regions`.

    Args:
        lines: of the file.
        label: its name.
        observation: its WCS places sky coordinates and its header physical ones.

    Raises:
        InputError: a line that is not understood, or sky coordinates of which none can be placed.
    """
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
                if shape[1] == "-" or shape[2].lower() not in _TAKEN or _is_ring(part):
                    left_out += 1
                elif frame in _PIXEL_FRAMES and ":" not in part.partition("#")[0]:
                    found.append(_placed(part, frame, where, observation))
                else:
                    found.append(_placed_on_sky(part, frame, where, observation, bad))
            elif word and not word.startswith(("#", "global")):
                raise InputError(f"{where}: expected a DS9 region, found {shown(part.strip())}")
    if left_out:
        other = "excluded, or no circles, ellipses, boxes or points"
        warn(f"{label}: {left_out} regions that are {other}: left out")
    if bad and all(math.isnan(region.x) for region in found):
        raise InputError(bad[0])
    if bad:
        more = f", with {len(bad) - 1} more" if len(bad) > 1 else ""
        warn(f"{bad[0]}: left without a position{more}")
    return found


def _commands(line: str) -> list[str]:
    """Split a line at semicolons, except in its comment, which stays with the last region."""
    body, hash_, comment = line.partition("#")
    parts = body.split(";")
    return [*parts[:-1], parts[-1] + hash_ + comment]


def _is_ring(part: str) -> bool:
    """Whether an ellipse or box has a hole: its numbers are a centre, more than one pair of axes, and an angle."""
    shape, numbers = _taken_apart(part.partition("#")[0])
    return shape in _WITH_AXES and len(numbers) > 5


def _taken_apart(body: str) -> tuple[str, list[str]]:
    """Return a shape's name in small letters, and the words that are its numbers."""
    body = body.strip().removesuffix("||")
    shape = _SHAPE.match(body)
    return (shape[2].lower(), [word for word in _NUMBERS.split(body[shape.end() :]) if word]) if shape else ("", [])


def _placed_on_sky(part: str, frame: str, where: str, observation: Observation | None, bad: list[str]) -> Region:
    """Read a shape on the sky; where it cannot be placed, return it without a position, and say why in `bad`."""
    if observation is None or observation.wcs is None:
        sky = "fk5" if frame in _PIXEL_FRAMES else frame
        raise InputError(f"{where}: expected an image with a WCS to place {sky} coordinates in, found none")
    try:
        return _placed(part, frame, where, observation)
    except InputError as error:
        bad.append(str(error))
        return Region(_name(part.partition("#")[2]), math.nan, math.nan, math.nan)


def _placed(part: str, frame: str, where: str, observation: Observation | None) -> Region:
    """Read one shape and place it in the image, as the circle of its larger semi-axis."""
    body, _, comment = part.partition("#")
    body = body.strip()
    if frame in _PIXEL_FRAMES and ":" in body:
        frame = "fk5"
    if frame in _PIXEL_FRAMES and len(body) <= _LONGEST_SHAPE:
        sizes = _NUMBERS.split(body, 3)[-1]
        body = body.removesuffix(sizes) + _UNITS.sub("", sizes)
    parsed = _parse(body, "image" if frame in _PIXEL_FRAMES else frame, where)
    name = _name(comment)
    if frame not in _PIXEL_FRAMES and observation is not None:
        try:
            parsed = parsed.to_pixel(observation.wcs)
        except ValueError as error:
            raise InputError(f"{where}: expected a position on the image's sky, found {shown(part.strip())}") from error
    x, y = float(parsed.center.x) + 1, float(parsed.center.y) + 1
    radius = _radius(parsed)
    if frame == "physical" and observation is not None and observation.header is not None:
        x, y, scale = _from_physical(x, y, observation.header)
        radius *= scale
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"{where}: expected a position on the image's sky, found {shown(part.strip())}")
    return circle(name, x, y, radius, where=where)


def _radius(parsed: "regions.Region") -> float:
    """Return a circle's radius, or half of the longer of two full axes; NaN of a point [pixels]."""
    if hasattr(parsed, "width"):
        return float(np.max([float(parsed.width), float(parsed.height)])) / 2
    return float(getattr(parsed, "radius", math.nan))


def _parse(body: str, frame: str, where: str) -> "regions.Region":
    """Read a shape without its comment; an ellipse or box without an angle is upright."""
    from astropy.utils.exceptions import AstropyUserWarning
    from regions import Regions

    wanted = f"{where}: expected {_EXPECTED}, found {shown(body)}"
    if len(body) > _LONGEST_SHAPE or not _CALL.fullmatch(body):
        raise InputError(wanted)
    shape, numbers = _taken_apart(body)
    if shape in _WITH_AXES:
        body = f"{shape.removeprefix('rot')}({','.join(numbers + ['0'] * (len(numbers) == 4))})"
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
