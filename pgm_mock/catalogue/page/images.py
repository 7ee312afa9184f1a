"""The images of a source, as PNG files inside the page, with marks over them."""

import base64
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from ...plot.axes import scale
from ...plot.smooth import smoothed_significance, smoothing_width
from .cells import fixed

_GREY = 150
_SIGMAS = 5.0
PNG = b"\x89PNG\r\n\x1a\n"


class Thumbnail(NamedTuple):
    """The images of one source, the first row below, as FITS has it.

    Attributes:
        observed: counts, shape (ny, nx).
        model: expected counts, shape (ny, nx); NaN where there is no fit.
        exposed: whether a pixel has exposure, shape (ny, nx), bool.
        asked, found: (x, y) of the place asked for and of the place found, from the centre of the first pixel
            [pixels]; None where there is none.
        pixel: side of a pixel on the sky [arcsec], or None.
    """

    observed: np.ndarray
    model: np.ndarray
    exposed: np.ndarray
    asked: tuple[float, float] | None = None
    found: tuple[float, float] | None = None
    pixel: float | None = None


def known_pixels(images: Thumbnail) -> np.ndarray:
    """Return which pixels have exposure and a model."""
    return np.asarray(images.exposed, bool) & np.isfinite(images.model)


def figures(images: Thumbnail) -> Iterator[str]:
    """Write the observed image; where there is a fit its model on the same scale, the residual, and that smoothed."""
    observed, model = (np.asarray(image, float) for image in images[:2])
    seen = np.asarray(images.exposed, bool) & np.isfinite(observed)
    known = known_pixels(images) & seen
    top = max(_peak(observed[seen]), _peak(model[known]), 1.0)
    light = _marks(images, "light")
    shown = [("observed", observed, seen, _scale_bar(images)), ("model", model, known, "")]
    for name, image, valid, bar in shown if known.any() else shown[:1]:
        png = _png(np.sqrt(np.clip(image / top, 0, 1)), valid, "viridis")
        whole = bool(np.all(image[valid] == np.round(image[valid])))
        total, peak = (fixed(value, 0 if whole else 1) for value in (float(image[valid].sum()), _peak(image[valid])))
        yield _figure(png, name, f"{total} counts, peak\u00a0{peak}", _over(images, light + bar))
    if not known.any():
        yield '<p class="meaning">no fit</p>'
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(observed == model, 0.0, (observed - model) / np.sqrt(model))
    width = smoothing_width(model, known)
    smooth = smoothed_significance(observed, model, known, width)
    marks = _over(images, _marks(images, "dark"))
    for name, image, how in (
        ("residual", residual, ""),
        ("smoothed residual", smooth, f"; σ\u00a0=\u00a0{width:g}\u00a0pixel"),
    ):
        valid = known & ~np.isnan(image)
        png = _png((np.clip(image, -_SIGMAS, _SIGMAS) / _SIGMAS + 1) / 2, valid, "RdBu_r")
        low, high = (fixed(float(limit(image[valid], initial=0.0)), 1) for limit in (np.min, np.max))
        yield _figure(png, name, f"{low} to {high}{how}", marks)


def _peak(values: np.ndarray) -> float:
    return float(values.max(initial=0.0))


def _figure(png: bytes, name: str, said: str, over: str) -> str:
    image = f'<div class="stamp">{image_tag(png, name)}{over}</div>'
    return f"<figure>{image}<figcaption>{name}<br><small>{said}</small></figcaption></figure>"


def _over(images: Thumbnail, drawing: str) -> str:
    """Lay a drawing over an image; its unit is the image's pixel, its first pixel is centred on 0, and y goes down."""
    ny, nx = np.shape(images.observed)
    return f'<svg viewBox="-.5 -.5 {nx} {ny}" aria-hidden="true">{drawing}</svg>' if drawing else ""


def _marks(images: Thumbnail, shade: str) -> str:
    """Draw a ring about the place asked for, and a cross with a free middle about the place found."""
    (ny, nx), drawn = np.shape(images.observed), ""
    size = 0.05 * max(nx, ny)
    for place, draw in ((images.asked, _ring), (images.found, _cross)):
        if place is not None:
            drawn += f'<path class="{shade}" d="{draw(place[0], ny - 1 - place[1], size)}"></path>'
    return drawn


def _ring(x: float, y: float, size: float) -> str:
    r = 0.55 * size
    return f"M{x - r:.2f} {y:.2f}a{r:.2f} {r:.2f} 0 1 0 {2 * r:.2f} 0a{r:.2f} {r:.2f} 0 1 0 {-2 * r:.2f} 0"


def _cross(x: float, y: float, size: float) -> str:
    arm, free = 1.0 * size, 0.8 * size
    across = f"M{x - free - arm:.2f} {y:.2f}h{arm:.2f}m{2 * free:.2f} 0h{arm:.2f}"
    return f"{across}M{x:.2f} {y - free - arm:.2f}v{arm:.2f}m0 {2 * free:.2f}v{arm:.2f}"


def _scale_bar(images: Thumbnail) -> str:
    """Draw a bar of a round length on the sky into the lower left corner."""
    if images.pixel is None:
        return ""
    ny, nx = np.shape(images.observed)
    length, words = scale(images.pixel, nx)
    x, y = 0.05 * nx, 0.94 * ny
    text = f'<text x="{x + length / 2:.2f}" y="{y - 0.035 * ny:.2f}" font-size="{0.075 * nx:.2f}">{words}</text>'
    return f'<path class="light" d="M{x:.2f} {y:.2f}h{length:.2f}"></path>{text}'


def legend() -> str:
    """Write what the colours and marks mean."""
    ramp, exposed = np.linspace(0, 1, 128)[None], np.ones((1, 128), bool)
    counts = image_tag(_png(np.sqrt(ramp), exposed, "viridis"), "from dark blue to yellow")
    residual = image_tag(_png(ramp, exposed, "RdBu_r"), "from blue to red")
    ring, cross = (
        f'<svg viewBox="-4 -4 8 8" aria-hidden="true"><path class="ink" d="{draw(0.0, 0.0, size)}"></path></svg>'
        for draw, size in ((_ring, 4.0), (_cross, 2.0))
    )
    return (
        f'<p class="legend"><span>observed and model, counts: 0 {counts} peak</span> '
        f"<span>residual (N − μ) / √μ, and the same smoothed, in σ: −{_SIGMAS:g} {residual} +{_SIGMAS:g}; "
        "blue: fewer counts than the model, red: more</span> "
        f"<span>{ring} place asked for</span> <span>{cross} place found</span> <span>grey: not exposed</span></p>\n"
    )


def image_tag(png: bytes, name: str) -> str:
    """Put a PNG file into the page."""
    coded = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{coded}" alt="{name}" decoding="async">'


@cache
def _palette(colours: str) -> np.ndarray:
    """Return 255 colours of one of Matplotlib's maps and grey as the last, shape (256, 3)."""
    from matplotlib import colormaps

    ramp = colormaps[colours](np.linspace(0, 1, 255), bytes=True)[:, :3]
    return np.append(ramp, np.full((1, 3), _GREY, np.uint8), axis=0)


def _png(values: np.ndarray, shown: np.ndarray, colours: str) -> bytes:
    """Return an image as a PNG file with a palette, its first row below.

    Args:
        values: from 0 to 1, shape (ny, nx).
        shown: which pixels have a value, shape (ny, nx); the others are grey.
        colours: of Matplotlib's maps.
    """
    index = np.full(np.shape(values), 255)
    index[shown] = np.rint(254 * values[shown])
    used, index = np.unique(index[::-1], return_inverse=True)
    lines = np.pad(index.astype(np.uint8), ((0, 0), (1, 0))).tobytes()  # each begins with the number of its filter: 0
    height, width = index.shape
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": _palette(colours)[used].tobytes(),
        b"IDAT": zlib.compress(lines, 6),
        b"IEND": b"",
    }
    return PNG + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )
