"""What a catalogue is made of: an image, its exposure map and a list of sources, or a list of such triples."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, printable, shown
from ..files import read_text
from ..fitsimage import looks_like_fits
from ..images import Images, split_images
from ..observation import Observation
from ..regions import Region, read_regions
from .survey import Survey

_MOST_BYTES, _LONGEST_LINE = 50_000_000, 20_000


class Field(NamedTuple):
    """An observed field and its sources.

    Attributes:
        observation: counts and exposure.
        regions: the sources; their radii are used where neighbours are masked.
        name: put before the sources' names where there are several fields.
        images: several images of the field, which are fitted together; the observation is then the first of them.
    """

    observation: Observation
    regions: list[Region]
    name: str = ""
    images: Images | None = None

    @classmethod
    def of_images(cls, images: Images, regions: list[Region], name: str = "") -> "Field":
        """Take several images of one sky; the regions are those of the first one's pixels."""
        return cls(images[0].observation, regions, name, images)


def read_fields(path: str | os.PathLike[str], exposure_unit: str | None = None, min_exposure: float = 0.0) -> Survey:
    """Read a survey: a text file with `image exposure regions` in each line, relative to the file's own folder.

    A fourth file in a line is a background map. Several images of one sky, which are fitted together, stand with commas
    between them, and their exposure maps and background maps likewise. A field's files are read when it is asked for.

    Args:
        path: the text file.
        exposure_unit, min_exposure: as for `Observation.read`, of all images.

    Raises:
        InputError: the file cannot be read, or a line does not hold three or four files.
    """
    label = os.fspath(path)
    if looks_like_fits(path):
        wanted = "a list of `image exposure regions`"
        raise InputError(f"{label}: expected {wanted}, or EXPOSURE and --regions FILE beside it, found an image alone")
    lines = read_text(path, _MOST_BYTES, _LONGEST_LINE).splitlines()
    fields: dict[str, Callable[[], Field]] = {}
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) not in (3, 4):
            wanted = "`image exposure regions [background map]`"
            raise InputError(f"{label}, line {number}: expected {wanted}, found {shown(line.strip())}")
        files = [split_images(word, Path(path).parent) for word in words]
        name = printable(Path(words[0]).name.split(".")[0]) or "field"
        while name in fields:
            name = f"{name}_{number}"
        fields[name] = partial(_read_field, name, files, exposure_unit=exposure_unit, min_exposure=min_exposure)
    if not fields:
        raise InputError(f"{label}: expected lines `image exposure regions`, found none")
    return Survey(list(fields.values()))


def _read_field(name: str, files: Sequence[list[str]], **options: Any) -> Field:
    """Read images, exposure maps, regions and maybe background maps; `options` are those of `Observation.read`."""
    images, exposures, (regions,), *background_maps = files
    if len(images) > 1:
        together = Images.read(images, exposures, *background_maps, **options)
        return Field.of_images(together, read_regions(regions, together[0].observation), name)
    background_map = background_maps[0][0] if background_maps else None
    observation = Observation.read(images[0], exposures[0], background_map=background_map, **options)
    return Field(observation, read_regions(regions, observation), name)
