"""What a catalogue is made of: an image, its exposure map and a list of sources, or a list of such triples."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, printable, shown
from ..files import read_text
from ..fitsimage import looks_like_fits
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
    """

    observation: Observation
    regions: list[Region]
    name: str = ""


def read_fields(path: str | os.PathLike[str], exposure_unit: str | None = None, min_exposure: float = 0.0) -> Survey:
    """Read a survey: a text file with `image exposure regions` in each line, relative to the file's own folder.

    A fourth file in a line is a background map. A field's files are read when it is asked for.

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
        files = [Path(path).parent / word for word in words]
        name = printable(Path(words[0]).name.split(".")[0]) or "field"
        while name in fields:
            name = f"{name}_{number}"
        fields[name] = partial(_read_field, name, files, exposure_unit=exposure_unit, min_exposure=min_exposure)
    if not fields:
        raise InputError(f"{label}: expected lines `image exposure regions`, found none")
    return Survey(list(fields.values()))


def _read_field(name: str, files: Sequence[Path], **options: Any) -> Field:
    """Read image, exposure map, regions and maybe a background map; `options` are those of `Observation.read`."""
    image, exposure, regions, *behind = files
    observation = Observation.read(image, exposure, background_map=behind[0] if behind else None, **options)
    return Field(observation, read_regions(regions, observation), name)
