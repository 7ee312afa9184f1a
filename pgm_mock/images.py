"""Several images of one sky: cameras, bands, epochs, each with its own pixels, coordinates and exposure."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .errors import InputError, printable, shown
from .observation import Observation
from .psf.telescopes import camera_and_band
from .skystamps import SkyImage, SkyStamps

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

_LONGEST_NAME = 40


@dataclass(frozen=True, eq=False)
class Images(Sequence[SkyImage]):
    """Several images of one sky, never resampled.

    Attributes:
        images: at least one; their names are unlike.

    Raises:
        InputError: no image, one without celestial coordinates, a name or an image that stands twice, or images of
            which one overlaps no other.
    """

    images: tuple[SkyImage, ...]

    def __post_init__(self) -> None:
        if not self.images:
            raise InputError("images: expected at least one, found none")
        seen: set[str] = set()
        for image in self.images:
            if image.observation.wcs is None or not image.observation.wcs.has_celestial:
                raise InputError(f"{image.name}: expected celestial coordinates (a WCS), found none")
            if not re.fullmatch(r"[A-Za-z]\w*", image.name, re.ASCII) or len(image.name) > _LONGEST_NAME:
                raise InputError(f"images: expected a name of letters, digits and _, found {shown(image.name)}")
            if image.name.upper() in seen:
                raise InputError(f"images: expected unlike names, found {image.name} twice: name=FILE gives one")
            seen.add(image.name.upper())
        self._check_unlike()
        self._check_overlap()

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[SkyImage]:
        return iter(self.images)

    @property
    def names(self) -> list[str]:
        """Of the images, in order."""
        return [image.name for image in self.images]

    @classmethod
    def of(
        cls,
        observations: Iterable[Observation],
        names: Iterable[str] = (),
        bands: Iterable[tuple[float, float] | None] = (),
    ) -> Self:
        """Take observations; names, cameras, bands [keV] and epochs that are not given come from their headers.

        Two images that would be called alike get their epoch, or a number, behind their name.
        """
        given, ranges = list(names), list(bands)
        found = []
        for number, observation in enumerate(observations):
            camera, band = camera_and_band(observation.header)
            band = ranges[number] if number < len(ranges) and ranges[number] else band
            epoch = str((observation.header or {}).get("DATE-OBS", ""))[:19]
            name = given[number] if number < len(given) and given[number] else _name(camera, band, number)
            found.append(SkyImage(observation, name, camera, band, printable(epoch)))
        own = set(given) - {""}
        return cls(tuple(_unlike(found, own)))

    @classmethod
    def read(
        cls,
        images: Sequence[str | os.PathLike[str]],
        exposures: Sequence[str | os.PathLike[str]],
        background_maps: Sequence[str | os.PathLike[str]] = (),
        **options: Any,
    ) -> Self:
        """Read images and their exposure maps, and a background map of each where there are any.

        Args:
            images: FITS files; `name=file` gives the image a name. A band that the header does not have is read from a
                file name such as "pn_0.5-2.0keV.fits".
            exposures, background_maps: as many.
            options: exposure_unit and min_exposure, as for `Observation.read`.

        Raises:
            InputError: another number of files, or what `Observation.read` and `Images` refuse.
        """
        for name, files in (("exposure maps", exposures), ("background maps", background_maps or images)):
            if len(files) != len(images):
                raise InputError(f"images: expected as many {name}, {len(images)}, found {len(files)}")
        observations, names, bands = [], [], []
        for number, (image, exposure) in enumerate(zip(images, exposures, strict=True)):
            name, path = _split_name(os.fspath(image))
            background_map = background_maps[number] if background_maps else None
            found = Observation.read(path, exposure, background_map=background_map, **options)
            names.append(name)
            bands.append(camera_and_band(found.header)[1] or _band_of_file(path))
            observations.append(found)
        return cls.of(observations, names, bands)

    def sky(self, ra: float, dec: float) -> "SkyCoord":
        """Return a place on the sky.

        Args:
            ra, dec: ICRS [degrees].

        Raises:
            InputError: no such place.
        """
        from astropy.coordinates import SkyCoord

        if not (np.isfinite(ra) and np.isfinite(dec) and abs(dec) <= 90.0):
            raise InputError(f"ra, dec: expected a place on the sky in degrees, found {ra}, {dec}")
        return SkyCoord(float(ra), float(dec), unit="deg")

    def stamps(self, ra: float, dec: float, half_size: int = 20, *, name: str | None = None) -> "SkyStamps":
        """Cut a stamp of each image about a place; images that have no exposure there are left out.

        Args:
            ra, dec: ICRS [degrees].
            half_size: in pixels of the first image; those of other pixel sizes cover the same sky.
            name: of the source; by default made of the place.

        Raises:
            InputError: no such place, or one that no image sees.
        """
        sky = self.sky(ra, dec)
        name = name or f"ra{ra:.5f}dec{dec:+.5f}"
        seen, places, matrices = [], [], []
        for image in self.images:
            if not image.sees(sky):
                continue
            x, y = image.place_of(sky)
            own = image.observation.stamp(x, y, image.half_size(half_size, self.images[0]), name=name)
            seen.append(replace(image, observation=own))
            places.append((x, y))
            matrices.append(image.matrix(sky))
        if not seen:
            raise InputError(f"{name}: expected some exposure at RA {ra:.5f} Dec {dec:+.5f}, found none in any image")
        left_out = tuple(image.name for image in self.images if image.name not in {one.name for one in seen})
        return SkyStamps(tuple(seen), name, float(ra), float(dec), np.array(places), np.array(matrices), left_out)

    def _check_unlike(self) -> None:
        """Raise InputError where an image stands twice: it would count as two."""
        for number, image in enumerate(self.images):
            counts = image.observation.counts
            for other in self.images[:number]:
                if counts.any() and np.array_equal(counts, other.observation.counts):
                    raise InputError(f"{image.name}: expected another image than {other.name}, found the same counts")

    def _check_overlap(self) -> None:
        """Raise InputError where the middle of an image's exposure lies in no other image, nor theirs in it."""
        if len(self.images) < 2:
            return
        middles = [_middle(image) for image in self.images]
        for number, image in enumerate(self.images):
            other_images = [(middles[k], self.images[k]) for k in range(len(self.images)) if k != number]
            if not any(_covers(image, sky) or _covers(other, middles[number]) for sky, other in other_images):
                raise InputError(f"{image.name}: expected the sky of the other images, found another one")


def _middle(image: SkyImage) -> "SkyCoord":
    """Return the middle of an image's exposure on the sky."""
    seen = image.observation
    weight = seen.exposure / seen.exposure.sum()
    x, y = float((weight * seen.x).sum()), float((weight * seen.y).sum())
    return seen.wcs.celestial.pixel_to_world(x - 1.0, y - 1.0)  # type: ignore[union-attr]


def _covers(image: SkyImage, sky: "SkyCoord") -> bool:
    x, y = image.place_of(sky)
    (left, low), (ny, nx) = image.observation.origin, image.observation.shape
    return bool(left - 0.5 <= x <= left + nx - 0.5 and low - 0.5 <= y <= low + ny - 0.5)


def split_images(text: str, folder: Path = Path()) -> list[str]:
    """Return the files that stand in a word with commas between them, `name=file` or plain; a file is not divided.

    Args:
        text: the word.
        folder: that they are relative to.
    """
    if "," not in text or (folder / text).exists():
        return [_in_folder(text, folder)]
    if not all(text.split(",")):
        raise InputError(f"images: expected files with a comma between them, found {shown(text)}")
    return [_in_folder(word, folder) for word in text.split(",")]


def _in_folder(word: str, folder: Path) -> str:
    name, path = _split_name(word) if not (folder / word).exists() else ("", word)
    return f"{name}={folder / path}" if name else str(folder / path)


def _split_name(text: str) -> tuple[str, str]:
    """Split `name=file`; a file that is called so is taken as it is."""
    name, equals, path = text.partition("=")
    return (name, path) if equals and name and not Path(text).exists() else ("", text)


def _band_of_file(path: str) -> tuple[float, float] | None:
    """Read a band from a file's name, such as "pn_0.50-2.00keV.fits"."""
    match = re.search(r"(\d{1,3}(?:\.\d{1,4})?)-(\d{1,3}(?:\.\d{1,4})?) ?keV", Path(path).name)
    if match is None or not 0 < float(match[1]) < float(match[2]):
        return None
    return float(match[1]), float(match[2])


def _name(camera: str, band: tuple[float, float] | None, number: int) -> str:
    """Call an image after its camera and its band in eV, such as EPN_500_2000."""
    words = [re.sub(r"\W+", "_", camera, flags=re.ASCII)] if camera else []
    words += [f"{1000 * energy:.0f}" for energy in band] if band else []
    name = "_".join(words)[:_LONGEST_NAME]
    return name if camera and name[0].isalpha() else f"image{number + 1}"


def _unlike(images: list[SkyImage], given: set[str]) -> Iterator[SkyImage]:
    """Put the day, or a number, behind names that stand twice and were not given."""
    names = [image.name for image in images]
    twice = {name for name in names if names.count(name) > 1}
    days = [f"{image.name}_{re.sub('[^0-9]', '', image.epoch[:10])}" for image in images]
    for number, image in enumerate(images):
        if image.name not in twice or image.name in given:
            yield image
        elif image.epoch and days.count(days[number]) == 1:
            yield replace(image, name=days[number])
        else:
            yield replace(image, name=f"{image.name}_{names[: number + 1].count(image.name)}")
