"""What the commands share: precision, input, and one-line output."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from ..compilecache import keep_compiled
from ..errors import InputError, did_you_mean, one_line, printable, shown
from ..files import replacing
from ..images import Images, split_images
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, choose_and_say
from ..scene import Component, component_called, known_parameters


def start_jax(options: Namespace) -> None:
    """Turn double precision on, and keep compiled programs in the user's cache folder for the next run.

    A command owns its process; the package leaves both choices to the session.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    if not options.no_compile_cache:
        keep_compiled()


def read_observation(options: Namespace) -> Observation:
    """Read the image and the maps named on the command line."""
    return Observation.read(
        options.image,
        options.exposure,
        exposure_unit=options.exposure_unit,
        background_map=options.background_map,
        min_exposure=options.min_exposure,
    )


def files_of(options: Namespace) -> dict[str, str]:
    """Return the files named on the command line, by what they are."""
    files = {"image": options.image, "exposure": options.exposure, "background map": options.background_map}
    return {what: name for what, name in files.items() if name is not None}


def read_images(options: Namespace) -> Images | None:
    """Read several images and their maps, where the command line names several with commas; None where it is one."""
    images, exposures = split_images(options.image), split_images(options.exposure)
    if len(images) < 2:
        if options.offset is not None:
            raise InputError("--offset: expected several images, with commas between them; found one")
        return None
    background_maps = [] if options.background_map is None else split_images(options.background_map)
    how = {"exposure_unit": options.exposure_unit, "min_exposure": options.min_exposure}
    found = Images.read(images, exposures, background_maps, **how)
    for image in found:
        say_psf(options, image.observation, image.name)
    if options.neighbours == "fit" and options.regions is not None:
        progress("other sources of the list are masked: several images do not fit them jointly")
    return found


def offset_of(options: Namespace) -> float:
    """Return the standard deviation of the offsets of several images [arcsec]."""
    from ..inference.together.priors import OFFSET

    return OFFSET if options.offset is None else options.offset


def read_psf(options: Namespace, stamp: Observation, x: float, y: float) -> tuple[PSF, str]:
    """Return the PSF named on the command line, as it is at a place, and the line that says which one it is."""
    return choose_and_say(options.psf, stamp.header, stamp.wcs, x, y, options.psf_sampling)


def say_psf(options: Namespace, field: Observation, name: str = "") -> None:
    """Say on stderr which PSF a whole image has, as it is in its middle."""
    line = read_psf(options, field, *field.centre)[1]
    progress(line.replace("PSF: ", f"PSF in the middle of {name or 'the image'}: ", 1))


def read_priors(options: Namespace, stamp: Observation, x: float, y: float) -> tuple[Priors, str]:
    """Read the priors file where one is named, else take the default; with the PSF, and the line that says which."""
    psf, line = read_psf(options, stamp, x, y)
    components = read_components(options)
    if options.priors:
        return Priors.read(options.priors, stamp, x, y, psf, components=components), line
    return Priors.default(stamp, x, y, psf, components=components), line


def read_components(options: Namespace) -> list[Component]:
    """Return the components named on the command line.

    Raises:
        InputError: a name that no known component has.
    """
    return [component_called(name) for name in options.components]


def fixed_parameters(settings: list[str]) -> dict[str, float]:
    """Read NAME=VALUE settings, of any parameter that is one number."""
    fixed = {}
    names = list(known_parameters(plural=False))
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in names:
            meant = did_you_mean(name, names) if name not in names else ""
            wanted = f"NAME=VALUE with a name of {', '.join(names)}"
            raise InputError(f"--set: expected {wanted}, found {shown(setting)}{meant}")
        try:
            fixed[name] = float(value)
        except ValueError as error:
            raise InputError(f"--set {name}: expected a number, found {shown(value)}") from error
    return fixed


def report(options: Namespace, lines: list[str], summary: dict[str, Any]) -> None:
    """Print the summary: lines for a reader, or JSON for a program."""
    for line in [json.dumps(summary, indent=2)] if options.json else map(printable, lines):
        print(line)


def say(options: Namespace, line: str) -> None:
    """Print one line of the summary as soon as it is known; with JSON, which is one whole, nothing."""
    from tqdm import tqdm

    if not options.json:
        tqdm.write(printable(line))  # above a bar, where there is one
        sys.stdout.flush()


def progress(message: str) -> None:
    """Say on stderr what is being done."""
    print(one_line(message), file=sys.stderr, flush=True)


def save_figure(figure: Any, path: Path) -> Path:
    """Write a picture whole or not at all, and free its memory."""
    import matplotlib.pyplot as plt

    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130)
    plt.close(figure)
    return path


def use_files_only() -> None:
    """Choose Matplotlib's back end that needs no screen."""
    import matplotlib

    matplotlib.use("Agg")
