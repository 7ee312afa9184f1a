"""`pgm-mock fit`."""

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import file_names, output_folder, replacing
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF
from ..regions import Region, read_regions
from ..results import flat_draws
from ..summary import FitSummary, summarise
from .common import (
    progress,
    read_components,
    read_images,
    read_observation,
    read_psf,
    report,
    save_figure,
    say,
    start_jax,
    use_files_only,
)
from .place import has_position, position

if TYPE_CHECKING:
    import xarray

    from ..catalogue.sources import Source, Sources


def run(options: Namespace) -> int:
    """Fit one source, or each of a list, and write posterior and pictures for each."""
    start_jax(options)
    use_files_only()
    if (images := read_images(options)) is not None:
        from .together import run_together

        return run_together(options, images)
    observation = read_observation(options)
    regions = regions_of(options, observation)
    sources = _sources(options, observation, regions)
    names = _file_names(regions)
    folder = output_folder(options.out)
    first = next((region for region in regions if isfinite(region.x)), regions[0])
    progress(read_psf(options, observation, first.x, first.y)[1])  # once, for the first of a list
    progress(f"fitting {len(regions)} source{'s' * (len(regions) > 1)}; the first one compiles the model")

    def do(source: "Source", name: str) -> tuple[str, dict[str, Any]]:
        summary, num_neighbours = _fit(options, source, folder, name)
        return _line(options, source, summary, num_neighbours), summary.to_dict() | {"neighbours": num_neighbours}

    return fit_each(options, sources, names, do)


def fit_each(
    options: Namespace,
    sources: "Sequence[Source] | Sources",
    names: Sequence[str],
    do: "Callable[[Source, str], tuple[str, dict[str, Any]]]",
) -> int:
    """Fit one source after the other, say what was found, and go on past those of a list that cannot be fitted.

    Args:
        options: of the command.
        sources: to be fitted.
        names: of each one's files.
        do: fits one, writes its files, and returns its line and its numbers.

    Returns:
        The exit status.
    """
    from tqdm import tqdm

    summaries: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    quiet = len(sources) == 1 or not sys.stderr.isatty()
    for source, name in zip(tqdm(sources, unit="source", disable=quiet), names, strict=True):
        try:
            line, numbers = do(source, name)
        except InputError as error:
            if len(sources) == 1:
                raise
            failed[source.name] = str(error)
            progress(f"source {source.name}: {error}")
            continue
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"{len(summaries)} of {len(sources)} sources are in {options.out}") from stop
        say(options, line)
        summaries.append(numbers | {"region": source.name})
    if failed:
        progress(f"{len(failed)} of {len(sources)} sources could not be fitted")
    report(options, [], {"out": options.out, "sources": summaries, "failed": failed})
    return 2 if failed else 0


def regions_of(options: Namespace, observation: Observation) -> list[Region]:
    """Return the sources asked for: those of the file, or the one position."""
    if options.regions is None:
        x, y = position(options, observation)
        return [Region(f"x{x:g}_y{y:g}", x, y, float("nan"))]
    if has_position(options):
        raise InputError("expected either a position or --regions FILE, found both")
    return read_regions(options.regions, observation)


def _sources(options: Namespace, observation: Observation, regions: list[Region]) -> "Sequence[Source]":
    """Cut the stamps; what is wrong with the only one is said before anything is written."""
    from ..catalogue import Field
    from ..catalogue.sources import Settings, sources_of

    settings = Settings(
        options.psf,
        options.neighbours,
        gradient=False,
        half_size=options.half_size,
        psf_sampling=options.psf_sampling,
        components=tuple(read_components(options)),
    )
    sources = list(sources_of([Field(observation, regions)], settings))
    if len(sources) == 1 and sources[0].stamp is None:
        raise InputError(sources[0].reason)
    return [_named_by_place(source, observation.name) for source in sources]


def _named_by_place(source: "Source", field: str) -> "Source":
    """Name the stamp for its place: its random numbers are then the same without a list."""
    if source.stamp is None:
        return source
    return replace(source, stamp=replace(source.stamp, name=f"{field} x={source.x:g} y={source.y:g}".strip()))


def _file_names(regions: list[Region]) -> list[str]:
    """Return a name on disk for each source, each another; `check` takes files that end on _grid for `grid`'s."""
    return file_names(f"{one.name}_source" if one.name.endswith("_grid") else one.name for one in regions)


def _fit(options: Namespace, source: "Source", folder: Path, name: str) -> tuple[FitSummary, int]:
    """Fit one source, write what was found, and return it with the number of neighbours that were fitted with it."""
    from ..checks import prior_predictive_check
    from ..inference import fit
    from ..inference.doubts import outside_circle
    from ..plot.images import mean_image

    if source.stamp is None or source.priors is None:
        raise InputError(source.reason)
    stamp, priors = source.stamp, source.priors
    if options.priors:
        neighbour_priors = {key: prior for key, prior in priors.items() if key.startswith("neighbour_")}
        place = stamp, source.x, source.y, priors.psf
        given = Priors.read(options.priors, *place, components=read_components(options))
        priors = given if given.neighbours else given.replace(**neighbour_priors)
        prior_predictive_check(stamp, priors, num_samples=200)
    posterior = fit(stamp, priors, method=options.method, false_alarm=True, seed=options.seed)
    drawn = flat_draws(posterior)
    outside = outside_circle(drawn["x_pos"], drawn["y_pos"], (source.x, source.y), source.radius)
    notes = outside, *_of_the_stamp(stamp, drawn, mean_image(stamp, posterior, priors.psf), priors.psf)
    posterior.attrs["notes"] = "; ".join(note for note in (*notes, posterior.attrs["notes"]) if note)
    _write(folder, name, stamp, posterior, priors.psf)
    return summarise(posterior), priors.neighbours


def _of_the_stamp(stamp: Observation, drawn: Mapping[str, np.ndarray], mean: np.ndarray, psf: PSF) -> tuple[str, str]:
    """Say that most of the light falls where nothing is exposed, and where the model lacks a source."""
    from ..inference.beside import LEAST_LIGHT, another_source, light_held

    middle = {name: float(np.median(draws)) for name, draws in drawn.items() if draws.ndim == 1}
    held = light_held(stamp, psf, middle)
    lost = f"only {held:.0%} of the source's light falls on exposed pixels" if held < LEAST_LIGHT else ""
    return lost, another_source(stamp, mean, psf, middle)


def _line(options: Namespace, source: "Source", summary: FitSummary, num_neighbours: int) -> str:
    """Say what was found in one line, which begins with the name that the list gives the source."""
    if options.regions is None:
        return summary.line()
    plural = "s" * (num_neighbours != 1)
    fitted = f" with {num_neighbours or 'no'} neighbour{plural}" if options.neighbours == "fit" else ""
    return f"{source.name}{fitted}: {summary.line()}"


def _write(folder: Path, name: str, stamp: Observation, posterior: "xarray.DataTree", psf: PSF) -> None:
    """Write the posterior as netCDF, and its pictures."""
    from ..plot import plot_corner, plot_posterior_image

    with replacing(folder / f"{name}.nc") as temporary:
        posterior.to_netcdf(temporary, engine="h5netcdf")
    (folder / f"{name}_check.png").unlink(missing_ok=True)  # of an earlier fit
    save_figure(plot_corner(posterior), folder / f"{name}_corner.png")
    save_figure(plot_posterior_image(stamp, posterior, psf=psf), folder / f"{name}_image.png")
