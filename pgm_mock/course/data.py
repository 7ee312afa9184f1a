"""The files of the course: a simulated field, or the real one."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..demo import BACKGROUND, PSF_WIDTH, Demo, demo_field, real_files
from ..resources import resource


class Files(NamedTuple):
    """Paths of the image, the exposure map and the list of regions, and whether they show the real sky."""

    image: Path
    exposure: Path
    regions: Path
    real: bool


def data_files(folder: str | os.PathLike[str] | None = None) -> Files:
    """Return the files to work with.

    Args:
        folder: where the real files of Abell 1835 are, as `pgm-mock fetch --out FOLDER` writes them: looked for here,
            in the folders above, and in PGM_MOCK_DATA. None writes the simulated field into a temporary folder, which
            is deleted when Python ends.

    Raises:
        InputError: the files are in none of these places.
    """
    regions = resource("a1835_regions.txt")
    if folder is None:
        return Files(*_simulated(), regions, real=False)
    return Files(*real_files(folder), regions, real=True)


def truth(n: int, files: Files) -> dict[str, float] | None:
    """Return what the simulated source was made with; None on the real sky, where nobody knows.

    Args:
        n: the row of the source, counted from 0.
        files: what `data_files` gave.

    Returns:
        The parameters by name. The light of the cluster and of other sources comes on top of the background.
    """
    if files.real:
        return None
    demo = _demo()
    place = {"x_pos": demo.regions[n].x, "y_pos": demo.regions[n].y}
    return place | {"flux": float(demo.fluxes[n]), "background": BACKGROUND, "psf_width": PSF_WIDTH}


@cache
def _demo() -> Demo:
    return demo_field()


@cache
def _simulated() -> tuple[Path, Path]:
    folder = Path(tempfile.mkdtemp(prefix="pgm_mock_course_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    image, exposure = folder / "simulated_image.fits", folder / "simulated_exposure.fits"
    _demo().observation.write(image, exposure)
    return image, exposure
