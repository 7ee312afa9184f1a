"""Checksums of a catalogue's input: what its results depend on beside the settings."""

import json
import zlib
from typing import TYPE_CHECKING

import jax
import numpy as np

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
        observation = field.observation
        sky = None if observation.wcs is None else observation.wcs.to_header_string(relax=True)
        for image in (observation.exposure, observation.counts, observation.background_map):
            self._images = zlib.crc32(b"" if image is None else image.tobytes(), self._images)
        told = [field.name, observation.shape, observation.origin, observation.exposure_unit, sky]
        self._images = zlib.crc32(json.dumps(told).encode(), self._images)
        asked = [[name, *map(float, region[1:])] for name, region in zip(names, field.regions, strict=True)]
        self._regions = zlib.crc32(json.dumps(asked).encode(), self._regions)
        if first is not None:
            self._add_model(first)

    def _add_model(self, source: "Source") -> None:
        for leaf in jax.tree.leaves(source.psf):
            self._models = zlib.crc32(np.asarray(leaf).tobytes(), self._models)
        priors = None if source.priors is None else source.priors.describe()
        off_axis = None if source.place is None else source.place.off_axis
        told = json.dumps([describe_psf(source.psf), source.reason, priors, off_axis])
        self._models = zlib.crc32(told.encode(), self._models)

    def told(self) -> dict[str, str]:
        """Return what has been added, by name."""
        crc = {"images": self._images, "regions": self._regions, MODEL_CHECKSUM: self._models}
        return {name: f"crc32 {value:08x}" for name, value in crc.items()}
