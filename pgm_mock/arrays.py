"""Arrays as images: counts, exposure and expected counts, checked."""

from collections.abc import Callable

import numpy as np

from .errors import InputError

_MOST_COUNTS = 2**31 - 1
"""In a pixel: mocks and likelihood have 32-bit integers."""
_LEAST_EXPOSURE, _MOST_EXPOSURE = 1e-25, 1e25
"""The largest of a map, in any unit; products with what lies outside run over or under in single precision."""


def checked_exposure(values: object, label: str) -> np.ndarray:
    """Return an exposure map as float64, NaN turned into 0, or raise InputError; not always a copy.

    Args:
        values: anything that should be an image, shape (ny, nx).
        label: what an error calls it.
    """
    exposure = _image(values, label).astype(float, copy=False)
    least, most = exposure.min(), exposure.max()
    if np.isnan(least):
        exposure = np.where(np.isnan(exposure), 0.0, exposure)
        least, most = exposure.min(), exposure.max()
    if least < 0 or most == np.inf:
        raise InputError(f"{label}: expected exposures that are finite and ≥ 0, found {_first(exposure, _bad)}")
    if not most > 0:
        raise InputError(f"{label}: expected an exposure map, found no pixel with any exposure")
    if not _LEAST_EXPOSURE < most < _MOST_EXPOSURE:
        wanted = f"a largest exposure between {_LEAST_EXPOSURE:g} and {_MOST_EXPOSURE:g}"
        raise InputError(f"{label}: expected {wanted}, found {most:g}")
    return exposure


def checked_map(values: object, exposure: np.ndarray, label: str) -> np.ndarray:
    """Return expected counts as float64, 0 without exposure, or raise InputError.

    Args:
        values: anything that should be an image of the exposure map's shape (ny, nx) [count / pixel].
        exposure: the exposure map, checked.
        label: what an error calls it.
    """
    data = _image(values, label)
    if data.shape != exposure.shape:
        raise InputError(f"{label}: expected the exposure map's shape {exposure.shape}, found {data.shape}")
    expected = np.where(exposure > 0, data, 0.0).astype(float)
    if not np.all(np.isfinite(expected)) or np.any(expected < 0):
        found = _first(expected, lambda image: ~np.isfinite(image) | (image < 0))
        raise InputError(f"{label}: expected counts per exposed pixel, finite and ≥ 0, found {found}")
    return expected


def checked_counts(values: object, exposure: np.ndarray, label: str) -> tuple[np.ndarray, int]:
    """Return the counts as integers, 0 without exposure, and how many were left out there; or raise InputError."""
    data = _image(values, label)
    if data.shape != exposure.shape:
        raise InputError(f"{label}: expected the exposure map's shape {exposure.shape}, found {data.shape}")
    known = data.astype(float)
    known[np.isnan(known)] = 0.0
    if np.any(np.isinf(known)) or np.any(known < 0):
        raise InputError(f"{label}: expected counts, finite and ≥ 0, found {_first(known, _bad)}")
    if np.any(known != np.floor(known)):
        found = _first(known, lambda image: image != np.floor(image))
        raise InputError(
            f"{label}: expected whole numbers of counts, found {found}; is it a rate map, or the exposure map?"
        )
    if known.max() > _MOST_COUNTS:
        found = _first(known, lambda image: image > _MOST_COUNTS)
        raise InputError(f"{label}: expected at most {_MOST_COUNTS:,} counts in a pixel, found {found}")
    left_out = int(known[exposure == 0].sum())
    return np.where(exposure > 0, known, 0).astype(np.int64), left_out


def _image(values: object, label: str) -> np.ndarray:
    data = np.asarray(values)
    if data.ndim != 2 or data.size == 0 or data.dtype.kind not in "biuf":
        raise InputError(f"{label}: expected a two-dimensional image of numbers, found {data.dtype} of {data.shape}")
    return data


def _bad(image: np.ndarray) -> np.ndarray:
    return np.isinf(image) | (image < 0)


def _first(image: np.ndarray, where: Callable[[np.ndarray], np.ndarray]) -> str:
    """Say the first value that is not as expected, and at which array index."""
    row, column = np.argwhere(where(image))[0]
    return f"{image[row, column]:g} in column {column + 1}, row {row + 1}"
