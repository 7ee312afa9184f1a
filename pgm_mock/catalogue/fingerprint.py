"""Checksums of a catalogue's input: what its results depend on beside the settings."""

import json
from typing import TYPE_CHECKING

from ..identity import crc32, crc32_of_image, crc32_of_psf, crc32_of_scene, written
from ..observation import Observation
from ..psf import describe_psf
from .fields import Field

if TYPE_CHECKING:
    from .sources import Source

MODEL_CHECKSUM = "psf_and_priors"


class Fingerprint:
    """Three checksums, to which one field is added after the other.

    One is of the images with their coordinates, one of the regions, and one of the PSF, the priors and the off-axis
    angle of the first source of each field, which stand for what headers and PSF files make of all of them.
    """

    def __init__(self) -> None:
        self._images = self._regions = self._models = 0

    def add(self, field: Field, names: list[str], first: "Source | None") -> None:
        """Add a field.

        Args:
            field: its images and regions.
            names: of its sources in the catalogue.
            first: of its sources, where it has any.
        """
        for observation in [field.observation] if field.images is None else [one.observation for one in field.images]:
            self._add_image(field, observation)
        asked = [[name, *map(float, region[1:])] for name, region in zip(names, field.regions, strict=True)]
        self._regions = crc32(json.dumps(asked), begin=self._regions)
        if first is not None:
            self._add_model(first)

    def _add_image(self, field: Field, observation: Observation) -> None:
        sky = None if observation.wcs is None else observation.wcs.to_header_string(relax=True)
        description = [field.name, observation.shape, observation.origin, observation.exposure_unit, sky]
        self._images = crc32(json.dumps(description), begin=crc32_of_image(observation, self._images))

    def _add_model(self, source: "Source") -> None:
        priors = None if source.priors is None else source.priors.describe()
        off_axis = None if source.place is None else source.place.off_axis
        psf = "" if source.priors is None else describe_psf(source.priors.psf)
        self._models = crc32(json.dumps([psf, source.reason, priors, off_axis]), begin=self._models)
        if source.together is not None:
            self._models = crc32(json.dumps(source.together.priors.describe()), begin=self._models)
        if source.priors is not None:
            self._models = crc32_of_scene(source.priors, crc32_of_psf(source.priors.psf, self._models))

    def told(self) -> dict[str, str]:
        """Return what has been added, by name."""
        crc = {"images": self._images, "regions": self._regions, MODEL_CHECKSUM: self._models}
        return {name: written(value) for name, value in crc.items()}
