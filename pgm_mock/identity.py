"""What a run that can be resumed is of: with another model, file, version or precision it is another run."""

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike

from .observation import Observation
from .pixels import Pixels
from .plugins import is_own
from .priors import Priors
from .psf import PSF, describe_psf, light_in_pixels
from .results import provenance
from .scene import Scene


def crc32(*parts: ArrayLike | str | None, begin: int = 0) -> int:
    """Return the CRC-32 of arrays and texts, one after the other; None counts as nothing."""
    for part in parts:
        if part is not None:
            begin = zlib.crc32(part.encode() if isinstance(part, str) else np.asarray(part).tobytes(), begin)
    return begin


def written(checksum: int) -> str:
    """Return a checksum in words, "crc32 0123abcd"."""
    return f"crc32 {checksum:08x}"


def crc32_of_image(observation: Observation, begin: int = 0, counts: bool = True) -> int:
    """Return the CRC-32 of an observation's arrays, with its counts or without."""
    seen = observation.counts if counts else None
    return crc32(observation.exposure, seen, observation.background_map, begin=begin)


def crc32_of_psf(psf: PSF, begin: int = 0) -> int:
    """Return the CRC-32 of a PSF: of its numbers, and of its light where the class is not the package's own.

    What the code of somebody else's class does may change while its numbers stay: its light on a small grid of pixels,
    at two widths, tells.
    """
    begin = crc32(*jax.tree.leaves(psf), begin=begin)
    if _is_own(psf):
        return begin
    ramp = np.arange(-12.0, 13.0)
    for width in (1.0, 1.7):
        light = np.asarray(light_in_pixels(psf, ramp[None, :], ramp[:, None], 0.3, -0.2, width), float)
        begin = crc32(np.round(light, 6) + 0.0, begin=begin)
    return begin


def crc32_of_scene(priors: Priors, begin: int = 0) -> int:
    """Return the CRC-32 of the components that are not the package's own: of their arrays, and of their light."""
    foreign = [component for component in priors.scene.components if not _is_own(component)]
    if not foreign:
        return begin
    ramp, middles = np.arange(1.0, 26.0), priors.medians()
    pixels = Pixels(np.ones((25, 25)), ramp[None, :], ramp[:, None])
    for component in foreign:
        begin = crc32(component.name, *jax.tree.leaves(component), begin=begin)
        image = np.asarray(Scene((component,)).light(pixels, priors.psf, middles).image(), float)
        begin = crc32(np.round(image / max(image.max(), 1e-300), 6) + 0.0, begin=begin)
    return begin


def _is_own(thing: object) -> bool:
    return is_own(type(thing).__module__)


def identity(**settings: Any) -> dict[str, Any]:
    """Return the settings of a run, with the versions that its numbers depend on and the session's precision."""
    return settings | provenance() | {"double_precision": int(jax.config.jax_enable_x64)}


def identity_of_model(observation: Observation, priors: Priors) -> dict[str, Any]:
    """Say of what exposure, priors and PSF a run is; the counts are not among it."""
    described = {f"prior_{name}": text for name, text in priors.describe().items()}
    described |= {
        "scene": priors.scene.describe(),
        "psf": describe_psf(priors.psf),
        "psf_checksum": written(crc32_of_psf(priors.psf)),
    }
    if not all(map(_is_own, priors.scene.components)):
        described["scene_checksum"] = written(crc32_of_scene(priors))
    exposure = written(crc32_of_image(observation, counts=False))
    return described | {"name": observation.name, "exposure_checksum": exposure}


def differences(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    """Say for each name that differs what an earlier run had and what this one has."""
    names = sorted(name for name in known.keys() | wanted.keys() if known.get(name) != wanted.get(name))
    return {name: f"{name} {known.get(name, 'nothing')}, now {wanted.get(name, 'nothing')}" for name in names}
