"""What a catalogue is made of: an image, its exposure map and a list of sources, or a list of such triples."""

import os
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..observation import Observation
from ..regions import Region, read_regions


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


def read_fields(path: str | os.PathLike[str], exposure_unit: str | None = None) -> list[Field]:
    """Read a survey: a text file with `image exposure regions` in each line, relative to the file's own folder.

    A fourth file in a line is a background map.

    Raises:
        InputError: the file cannot be read, a line does not hold three or four files, or one of them is bad.
    """
    label = os.fspath(path)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{label}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{label}: expected a text file: {error}") from error
    fields: list[Field] = []
    for number, line in enumerate(lines, 1):
        if line.startswith("SIMPLE  ="):
            raise InputError(f"{label}: expected a list of `image exposure regions`, found an image without EXPOSURE")
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) not in (3, 4):
            wanted = "`image exposure regions [background map]`"
            raise InputError(f"{label}, line {number}: expected {wanted}, found {line.strip()[:80]!r}")
        image, exposure, regions, *behind = (Path(path).parent / word for word in words)
        observation = Observation.read(
            image, exposure, exposure_unit=exposure_unit, background_map=behind[0] if behind else None
        )
        name = Path(words[0]).name.split(".")[0] or "field"
        while name in [field.name for field in fields]:
            name = f"{name}_{number}"
        fields.append(Field(observation, read_regions(regions, observation), name))
    if not fields:
        raise InputError(f"{label}: expected lines `image exposure regions`, found none")
    return fields
