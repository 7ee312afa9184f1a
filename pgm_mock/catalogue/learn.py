"""The PSF of a catalogue that its own field teaches."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InputError
from ..files import output_folder, replacing
from ..identity import crc32, crc32_of_image, written
from ..psf import LearntPSF
from .fields import Field

LEARN = "field"
"""What `psf` is where the field is to teach it."""
_KEPT = "psf.json"
_USABLE = 1.05
"""R-hat below which the PSF of chains that are short of effective draws is known well enough."""


def learnt_psf(
    fields: Sequence[Field],
    folder: str | Path,
    psf_sampling: float | None,
    seed: int,
    progress: bool,
    say: Callable[[str], None] | None,
) -> str:
    """Fit the field as one model, and return its PSF as `choose_psf` takes it; it is kept in the folder.

    Args:
        fields: one field with one image.
        folder: of the catalogue. What an earlier run with the same image, regions and seed learnt is read from there.
        psf_sampling, seed, progress, say: as for `fit_field`.

    Raises:
        InputError: several fields or images, whose PSFs differ, or chains that have not converged.
    """
    if len(fields) != 1 or fields[0].images is not None:
        raise InputError(f"psf {LEARN!r}: expected one field with one image, found several")
    observation, regions = fields[0].observation, fields[0].regions
    asked = json.dumps([[*map(str, region), seed] for region in regions])
    own = written(crc32(asked, begin=crc32_of_image(observation)))
    path = output_folder(folder) / _KEPT
    if (kept := _read(path, own)) is not None:
        if say is not None:
            say(f"the PSF learnt by an earlier run: {kept}")
        return kept
    from ..field import fit_field

    found = fit_field(observation, regions, psf_sampling=psf_sampling, seed=seed, progress=progress, say=say)
    if not found.chains.r_hat < _USABLE:
        raise InputError(f"psf {LEARN!r}: expected chains that converge, found {found.line()}")
    words = found.learnt().describe()
    if say is not None:
        say(found.line())
        say(f"the PSF learnt: {words}")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"input": own, "psf": words}), encoding="utf-8")
    return words


def _read(path: Path, own: str) -> str | None:
    """Return what was learnt from the same input; None where nothing was."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        words = str(stored["psf"])
        return words if stored["input"] == own and LearntPSF.parse(words) is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
