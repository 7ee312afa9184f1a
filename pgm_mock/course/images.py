"""Checks of part 1: files, stretch, regions, coordinates and stamps."""

from typing import Any

import numpy as np

from .answers import WrongAnswer, array_of, need, right
from .data import Files

CLUSTER = (330.0, 348.0, 70.0)
"""Its x, y, and how far its light is seen in a stamp [FITS image pixels]."""


def check_opened(im: Any, ex: Any, files: Files) -> None:
    """Hold the two arrays against the data of the two files.

    Args:
        im, ex: counts and exposure, as the student read them.
        files: what `data_files` gave.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    from astropy.io import fits

    counts, exposure = fits.getdata(files.image), fits.getdata(files.exposure)
    for name, answer in (("im", im), ("ex", ex)):
        if not isinstance(answer, np.ndarray):
            what = type(answer).__name__
            raise WrongAnswer(f"{name} should be an array; it is of the type {what}. An HDU's pixels are in .data.")
    if np.array_equal(im, exposure) and np.array_equal(ex, counts):
        raise WrongAnswer("im and ex are exchanged.")
    need(np.array_equal(im, counts), "im should be the data of the image file.")
    need(np.array_equal(ex, exposure), "ex should be the data of the exposure file.")
    right(f"{counts.sum():,} counts in {counts.shape[0]} rows and {counts.shape[1]} columns.")


def check_stretch(stretched: Any, im: np.ndarray) -> None:
    """Hold a stretched image against ln(1 + a z) / ln(1 + a), with z = im / max(im) and a = 1000.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    if isinstance(stretched, np.ndarray) and np.isneginf(stretched).any():
        raise WrongAnswer("pixels with 0 counts became minus infinity: ln(1 + a z) is 0 where z is 0.")
    image = array_of("stretched", stretched, im.shape)
    z = im / im.max()
    if np.allclose(image, np.log1p(1000 * z)):
        raise WrongAnswer("the brightest pixel should be 1: divide by ln(1 + a).")
    if np.allclose(image, np.log1p(1000 * im) / np.log(1001)):
        raise WrongAnswer("divide the image by its largest value before you stretch it.")
    need(
        np.allclose(image, np.log1p(1000 * z) / np.log(1001)),
        "expected ln(1 + a z) / ln(1 + a), z = im / max, a = 1000.",
    )
    right("0 counts are 0, the brightest pixel is 1, and 1 count is seen.")


def check_regions(regions: Any, files: Files) -> None:
    """Hold an array of circles against the region file.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    listed = np.loadtxt(files.regions)
    circles = array_of("regions", regions, listed.shape)
    need(np.allclose(circles, listed), "regions should hold the lines of the file: x, y, radius.")
    right(f"{len(circles)} circles: x, y and radius, in pixels counted from 1.")


def check_ramps(x: Any, y: Any, im: np.ndarray) -> None:
    """Hold two ramps against the coordinates of the pixels, which count from 1.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    need(x is not None and y is not None, "x or y is still empty.")
    right_y, right_x = np.mgrid[1.0 : im.shape[0] + 1, 1.0 : im.shape[1] + 1]
    if np.array_equal(x, right_y) and np.array_equal(y, right_x):
        raise WrongAnswer("your x and y are swapped: x grows along a row, from column to column.")
    x, y = array_of("x", x, im.shape), array_of("y", y, im.shape)
    if np.array_equal(x, right_x - 1) or np.array_equal(y, right_y - 1):
        raise WrongAnswer("your coordinates count from 0; in a FITS image the centre of the first pixel is at 1.")
    need(np.array_equal(x, right_x), "x should grow by 1 from column to column, from 1 on.")
    need(np.array_equal(y, right_y), "y should grow by 1 from row to row, from 1 on.")
    right(f"im[0, 0] is the pixel at x = 1, y = 1, and im[2, 5] the one at x = {x[2, 5]:g}, y = {y[2, 5]:g}.")


def check_stamps(
    small_im: Any,
    small_ex: Any,
    small_x: Any,
    small_y: Any,
    place: tuple[float, float],
    im: np.ndarray,
    ex: np.ndarray,
) -> None:
    """Hold stamps against the images that they were cut from. Any size from 21 x 21 on will do.

    Args:
        small_im, small_ex, small_x, small_y: the stamps of counts, exposure and coordinates.
        place: the source's x and y [FITS image pixels].
        im, ex: the whole images.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    x_pos, y_pos = place
    counts = array_of("small_im", small_im)
    need(counts.ndim == 2, f"small_im should be an image; it has {counts.ndim} dimensions.")
    need(min(counts.shape) >= 21, f"small_im has the shape {counts.shape}: take at least 21 x 21 pixels.")
    exposure = array_of("small_ex", small_ex, counts.shape)
    x, y = array_of("small_x", small_x, counts.shape), array_of("small_y", small_y, counts.shape)
    if not np.all(np.diff(x, axis=1) == 1) and np.all(np.diff(x, axis=0) == 1):
        raise WrongAnswer("small_x and small_y are swapped: x grows along a row.")
    grows = np.all(np.diff(x, axis=1) == 1) and np.all(np.diff(y, axis=0) == 1)
    need(grows, "small_x and small_y should be cut out of the ramps x and y with the same slices as the counts.")
    rows, columns = (y[:, 0] - 1).astype(int), (x[0] - 1).astype(int)
    inside = rows[0] >= 0 and columns[0] >= 0 and rows[-1] < im.shape[0] and columns[-1] < im.shape[1]
    need(inside, "your stamp reaches beyond the image: an index below 0 counts from the other end.")
    box = np.ix_(rows, columns)
    if not np.array_equal(counts, im[box]):
        turned = np.array_equal(counts, im[np.ix_(columns, rows)]) if counts.shape == counts.shape[::-1] else False
        raise WrongAnswer(
            "small_im is cut out with rows and columns exchanged: the first index of an array is y."
            if turned
            else "small_im is not what im has at the coordinates small_x and small_y: use the same slices for all four."
        )
    need(np.array_equal(exposure, ex[box]), "small_ex is not what ex has at the coordinates small_x and small_y.")
    middle_x, middle_y = x.mean(), y.mean()
    if np.hypot(middle_x - y_pos, middle_y - x_pos) < 2 < np.hypot(middle_x - x_pos, middle_y - y_pos):
        raise WrongAnswer("your stamp is centred with x and y swapped: the first index of an array is y.")
    off = middle_x - x_pos, middle_y - y_pos
    if counts.shape[0] % 2 and np.allclose(off, 1.0, atol=0.01):
        raise WrongAnswer("your stamp is centred one pixel too far: index 0 is the pixel at 1, so subtract 1.")
    near = max(abs(off[0]), abs(off[1])) <= 3
    need(near, f"your stamp is centred at x = {middle_x:g}, y = {middle_y:g}; the source is at {x_pos:g}, {y_pos:g}.")
    size = f"{counts.shape[0]} x {counts.shape[1]} pixels"
    right(f"{size} about x = {middle_x:g}, y = {middle_y:g}: {counts.sum():g} counts.")


def describe_source(n: Any, regions: np.ndarray, ex: np.ndarray, half_size: int = 20) -> None:
    """Say what the stamp about a source holds besides it: gaps of the exposure, and other sources.

    Args:
        n: the row of the source, counted from 0.
        regions: circles, of shape (sources, 3).
        ex: exposure map.
        half_size: of the stamp [pixels].

    Raises:
        WrongAnswer: there is no such row.
    """
    there = isinstance(n, (int, np.integer)) and 0 <= int(n) < len(regions)
    need(there, f"n should be a whole number from 0 to {len(regions) - 1}; it is {n!r}.")
    x_pos, y_pos, _ = regions[n]
    gap = np.maximum(np.abs(regions[:, 0] - x_pos), np.abs(regions[:, 1] - y_pos)) - regions[:, 2]
    neighbours = [f"({x:g}, {y:g})" for row, (x, y, _) in enumerate(regions) if row != n and gap[row] < half_size]
    column, row = round(x_pos) - 1, round(y_pos) - 1
    seen = ex[max(row - half_size, 0) : row + half_size + 1, max(column - half_size, 0) : column + half_size + 1]
    share = np.mean(seen == 0)
    notes = [f"it also holds light of the sources at {', '.join(neighbours)}"] if neighbours else []
    notes += [f"{share:.1%} of its pixels have no exposure"] if share else []
    notes += (
        ["the galaxy cluster shines into it"] if np.hypot(x_pos - CLUSTER[0], y_pos - CLUSTER[1]) < CLUSTER[2] else []
    )
    said = (
        "; ".join(notes) + ": the model will have to live with that" if notes else "nothing else is known to be in it"
    )
    right(f"source {n} is at x = {x_pos:g}, y = {y_pos:g}. Its stamp of {2 * half_size + 1} pixels: {said}.")
