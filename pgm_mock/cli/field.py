"""`pgm-mock field`."""

import math
import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..distributions import Prior
from ..errors import InputError, shown
from ..files import output_folder
from ..observation import Observation
from ..priorsfile import prior_of_table, read_tables
from ..regions import Region, read_regions
from .common import progress, read_observation, report, save_figure, say_psf, start_jax, use_files_only

if TYPE_CHECKING:
    from astropy.table import Row

    from ..field import FieldPosterior


def run(options: Namespace) -> int:
    """Fit a whole field as one model, write what was found, and say where the model fails."""
    start_jax(options)
    use_files_only()
    from ..field import check_field, write_field
    from ..field.table import parameters_table
    from ..graph import model_graph
    from ..plot import plot_field_posterior

    clusters = _clusters(options)
    observation = read_observation(options)
    regions = read_regions(options.regions, observation)
    tables = read_tables(options.priors) if options.priors else {}
    changes = {name: prior_of_table(name, table, None) for name, table in tables.items()}
    folder = output_folder(options.out)
    say_psf(options, observation)
    found = _fitted(options, observation, regions, clusters, changes)
    progress("checking")
    check = check_field(found)
    write_field(found, folder, check)
    save_figure(plot_field_posterior(found, check), folder / "field.png")
    model_graph(found.observation, found.priors).save(folder / "graph.svg")
    chains, shared = found.chains, parameters_table(found)
    lines = [f"{observation.name}: {found.line()}".removeprefix(": "), *map(_line, shared)]
    lines += [f"check: {line}" for line in check.lines()]
    lines.append(f"the PSF learnt, for --psf: {found.learnt().describe()}")
    lines.append(
        f"{folder}/sources.ecsv, .fits, parameters.ecsv, posterior.nc, field.png, graph.svg, expected.fits, ..."
    )
    summary: dict[str, Any] = {
        "out": str(folder),
        "sources": len(found.regions),
        "r_hat": chains.r_hat,
        "ess_bulk": chains.ess_bulk,
        "ess_tail": chains.ess_tail,
        "divergences": chains.divergences,
        "problems": list(chains.problems),
        "checks": {
            name: {"chi2": one.chi2, "dof": one.dof, "p_value": one.p_value} for name, one in check.families.items()
        },
        "sentences": list(check.sentences),
        "parameters": {str(row["NAME"]): [float(row[q]) for q in ("LOW", "MEDIAN", "HIGH")] for row in shared},
        "psf": found.learnt().describe(),
    }
    report(options, lines, summary)
    return 0


def _fitted(
    options: Namespace,
    observation: Observation,
    regions: list[Region],
    clusters: list[tuple[float, float]] | None,
    changes: dict[str, Prior],
) -> "FieldPosterior":
    """Fit the field as the options say, and tell on stderr how far it is."""
    from ..field import fit_field

    return fit_field(
        observation,
        regions,
        psf=options.psf,
        psf_sampling=options.psf_sampling,
        clusters=clusters,
        betas=options.betas,
        changes=changes,
        num_chains=options.chains,
        num_warmup=options.warmup,
        num_samples=options.samples,
        seed=options.seed,
        progress=sys.stderr.isatty(),
        say=progress,
    )


def _clusters(options: Namespace) -> list[tuple[float, float]] | None:
    """Return the places of extended sources that the command line names; None where they are to be looked for."""
    if options.no_cluster:
        if options.cluster:
            raise InputError("--no-cluster: expected no --cluster beside it, found one")
        return []
    found = []
    for words in options.cluster:
        try:
            x, y = map(float, words.split(","))
        except ValueError as error:
            raise InputError(f"--cluster: expected X,Y in FITS image pixels, found {shown(words)}") from error
        if not np.isfinite([x, y]).all():
            raise InputError(f"--cluster: expected finite numbers, found {shown(words)}")
        found.append((x, y))
    return found or None


def _line(row: "Row") -> str:
    """Say a parameter that all sources share."""
    low, middle, high = (float(row[level]) for level in ("LOW", "MEDIAN", "HIGH"))
    unit = "" if row["UNIT"] == "1" else row["UNIT"]
    digits = 5
    if low < high and middle != 0:
        digits = max(digits, 2 + math.ceil(math.log10(2.0 * abs(middle) / (high - low))))
    return f"  {row['NAME']:20s} {middle:.{digits}g} -{middle - low:.2g} +{high - middle:.2g} {unit}".rstrip()
