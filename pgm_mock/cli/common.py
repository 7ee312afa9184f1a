"""What the commands share: precision, input, and one-line output."""

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import replacing
from ..observation import Observation
from ..priors import SITES, Priors
from ..psf import PSF, choose_psf


def start_jax(options: Namespace) -> None:
    """Turn double precision on, and keep compiled programs in the user's cache folder for the next run.

    A command owns its process; the package leaves both choices to the session.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    if options.no_compile_cache:
        return
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgm_mock" / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def read_observation(options: Namespace) -> Observation:
    """Read the image and the maps named on the command line."""
    return Observation.read(
        options.image, options.exposure, exposure_unit=options.exposure_unit, background_map=options.background_map
    )


def read_psf(options: Namespace, stamp: Observation, x: float, y: float) -> PSF:
    """Return the PSF named on the command line, as it is at a place."""
    return choose_psf(options.psf or "gaussian", stamp.header, stamp.wcs, x, y)


def read_priors(options: Namespace, stamp: Observation, x: float, y: float, psf: PSF) -> Priors:
    """Read the priors file where one is named; else take the default."""
    if options.priors:
        return Priors.read(options.priors, stamp, x, y, psf)
    return Priors.default(stamp, x, y, psf)


def position(options: Namespace) -> tuple[float, float]:
    """Return the position asked for.

    Raises:
        InputError: one of the two coordinates is missing.
    """
    if options.x is None or options.y is None:
        raise InputError("expected a position, --x X --y Y, found none")
    return options.x, options.y


def fixed_parameters(settings: list[str]) -> dict[str, float]:
    """Read NAME=VALUE settings."""
    fixed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in SITES:
            raise InputError(f"--set: expected NAME=VALUE with a name of {', '.join(SITES)}, found {setting!r}")
        try:
            fixed[name] = float(value)
        except ValueError as error:
            raise InputError(f"--set {name}: expected a number, found {value!r}") from error
    return fixed


_DEMO_SOURCE = (271.0, 216.0)


def demo_or_stamp(options: Namespace) -> tuple[Observation, float, float]:
    """Return the stamp asked for, or one of the simulated field, and its position."""
    if options.image is None:
        if options.background_map is not None:
            raise InputError("--background-map: expected IMAGE and EXPOSURE beside it, found neither")
        from ..demo import demo_observation

        x, y = _DEMO_SOURCE if options.x is None and options.y is None else position(options)
        return demo_observation().stamp(x, y, options.half_size), x, y
    if options.exposure is None:
        raise InputError("expected IMAGE and EXPOSURE, or neither for the simulated field; found IMAGE alone")
    x, y = position(options)
    return read_observation(options).stamp(x, y, options.half_size), x, y


def report(options: Namespace, lines: list[str], summary: dict[str, Any]) -> None:
    """Print the summary: lines for a reader, or JSON for a program."""
    print(json.dumps(summary, indent=2) if options.json else "\n".join(lines))


def progress(message: str) -> None:
    """Say on stderr what is being done."""
    print(message, file=sys.stderr, flush=True)


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
