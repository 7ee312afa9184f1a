"""The files of a field: tables, maps and draws, each whole or not at all."""

from pathlib import Path

from ..detection.outputs import write_map
from ..files import output_folder, replacing
from ..tablefiles import write_table
from .check import FieldCheck
from .posterior import FieldPosterior
from .scene import ccds_of
from .table import parameters_table, sources_table

_RADIUS = 5.0
"""Of the circles about sources that no list has [pixels]."""


def write_field(posterior: FieldPosterior, folder: str | Path, check: FieldCheck | None = None) -> list[Path]:
    """Write the tables of sources and parameters, the maps, the draws, the learnt PSF and the check; return the paths.

    sources.ecsv and .fits have a row for each source, parameters.ecsv one for each parameter that they share.
    expected.fits holds the posterior's mean image, residual.fits counts less that, and ccds.fits the CCD that each
    pixel is on, where there are several; posterior.nc all draws, for ArviZ; psf.txt what `--psf` takes; check.txt what
    `check_field` found, and unlisted.txt, for `--regions`, the sources that no list has.

    Args:
        posterior: of `fit_field`.
        folder: made where it is missing.
        check: of `check_field`; None leaves its file away.

    Raises:
        InputError: a folder that cannot be written to.
    """
    folder = output_folder(folder)
    paths = write_table(folder, "sources", sources_table(posterior, check))
    paths += [folder / name for name in ("parameters.ecsv", "expected.fits", "residual.fits", "posterior.nc")]
    with replacing(paths[2]) as temporary:
        parameters_table(posterior).write(temporary, format="ascii.ecsv", overwrite=True)
    write_map(posterior.observation, paths[3], posterior.expected, "ct", "mean of the posterior's expected counts")
    write_map(posterior.observation, paths[4], posterior.residual, "ct", "counts less the mean of the expected ones")
    with replacing(paths[5]) as temporary:
        posterior.tree.to_netcdf(temporary, engine="h5netcdf")
    ccds = ccds_of(posterior.priors.scene)
    if ccds is not None:
        paths.append(folder / "ccds.fits")
        write_map(posterior.observation, paths[-1], ccds, "", "which CCD: the number i of particles_ratio[i]")
    words = {"psf.txt": posterior.learnt().describe()}
    if check is not None:
        words["check.txt"] = "\n".join([posterior.line(), *check.lines()])
        if len(check.left):
            unlisted = [f"{x:.0f} {y:.0f} {_RADIUS:g}  # ln likelihood ratio {gain:.1f}" for x, y, gain in check.left]
            words["unlisted.txt"] = "\n".join(["# x y radius [FITS image pixels]: sources that no list has", *unlisted])
    for name, text in words.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        paths.append(folder / name)
    return paths
