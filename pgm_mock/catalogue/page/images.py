"""The three images of a source, as PNG files inside the page."""

import base64
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

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
    """

    observed: np.ndarray
    model: np.ndarray
    exposed: np.ndarray


def known_pixels(images: Thumbnail) -> np.ndarray:
    """Return which pixels have exposure and a model."""
    return np.asarray(images.exposed, bool) & np.isfinite(images.model)


def figures(images: Thumbnail) -> Iterator[str]:
    """Write the observed image, and where there is a fit its model on the same scale and the residual."""
    observed, model = (np.asarray(image, float) for image in images[:2])
    seen = np.asarray(images.exposed, bool) & np.isfinite(observed)
    known = known_pixels(images) & seen
    top = max(_peak(observed[seen]), _peak(model[known]), 1.0)
    shown = [("observed", observed, seen), ("model", model, known)]
    for name, image, valid in shown if known.any() else shown[:1]:
        png = _png(np.sqrt(np.clip(image / top, 0, 1)), valid, "viridis")
        whole = bool(np.all(image[valid] == np.round(image[valid])))
        total, peak = (fixed(value, 0 if whole else 1) for value in (float(image[valid].sum()), _peak(image[valid])))
        yield _figure(png, name, f"{total} counts, peak\u00a0{peak}")
    if not known.any():
        yield '<p class="meaning">no fit</p>'
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(observed == model, 0.0, (observed - model) / np.sqrt(model))
    png = _png((np.clip(residual, -_SIGMAS, _SIGMAS) / _SIGMAS + 1) / 2, known, "RdBu_r")
    worst = [fixed(float(limit(residual[known])), 1) for limit in (np.min, np.max)]
    yield _figure(png, "residual", f"{worst[0]} to {worst[1]}")


def _peak(values: np.ndarray) -> float:
    return float(values.max(initial=0.0))


def _figure(png: bytes, name: str, said: str) -> str:
    return f"<figure>{image_tag(png, name)}<figcaption>{name}<br><small>{said}</small></figcaption></figure>"


def legend() -> str:
    """Write what the colours mean."""
    ramp, exposed = np.linspace(0, 1, 128)[None], np.ones((1, 128), bool)
    counts = image_tag(_png(np.sqrt(ramp), exposed, "viridis"), "from dark blue to yellow")
    residual = image_tag(_png(ramp, exposed, "RdBu_r"), "from blue to red")
    return (
        f'<p class="legend"><span>observed and model, counts: 0 {counts} peak</span> '
        f"<span>residual (N − μ) / √μ: −{_SIGMAS:g} {residual} +{_SIGMAS:g}</span> <span>grey: not exposed</span></p>\n"
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
