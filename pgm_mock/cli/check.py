"""`pgm-mock check`."""

import os
from argparse import Namespace
from pathlib import Path

from ..errors import InputError
from .common import progress, report, save_figure, start_jax, use_files_only


def run(options: Namespace) -> int:
    """Check each fit of a folder, write a picture beside it, and say what is wrong."""
    start_jax(options)
    use_files_only()
    from scipy import stats
    from xarray import open_datatree

    from ..checks import posterior_predictive_check
    from ..plot import plot_check
    from ..results import fitted_to

    if not os.path.isdir(options.folder):
        raise InputError(f"{options.folder}: expected a folder with the .nc files of `pgm-mock fit`, found none")
    if (Path(options.folder) / "catalog.json").exists():
        where = "its checks are in the columns P_VALUE, FLAG and MEANING"
        raise InputError(f"{options.folder}: expected a folder of `pgm-mock fit`, found a catalogue's: {where}")
    files = [path for path in sorted(Path(options.folder).glob("*.nc")) if not path.stem.endswith("_grid")]
    if not files:
        raise InputError(f"{options.folder}: expected a folder with the .nc files of `pgm-mock fit`, found none")
    progress(f"checking {len(files)} fit{'s' * (len(files) > 1)}; the first one compiles the model")
    checks, several = {}, []
    for path in files:
        try:
            tree = open_datatree(path, engine="h5netcdf")
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise InputError(f"{path}: expected a file of `pgm-mock fit`, found something else") from error
        with tree as posterior:
            try:
                stamp, priors = fitted_to(posterior)
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
            except LookupError as error:
                if "offset_east" in posterior.children.get("posterior", ()):
                    several.append(path)
                    continue
                raise InputError(f"{path}: expected a file of `pgm-mock fit`, found one without {error}") from error
            checks[path.stem] = posterior_predictive_check(
                stamp, posterior, priors=priors, num_replicates=options.num_replicates, seed=options.seed
            )
            figure = plot_check(checks[path.stem], stamp.name, posterior)
        save_figure(figure, path.with_name(f"{path.stem}_check.png"))
    if not checks:
        raise InputError(f"{several[0]}: expected a fit of one image, found one of several")
    for path in several:
        progress(f"{path}: a fit of several images, which is not checked")
    shares = stats.false_discovery_control([check.p_value for check in checks.values()])
    lines, fits = [], {}
    for (name, check), share in zip(checks.items(), shares, strict=True):
        verdict = "FLAGGED" if check.flagged else "fine"
        lines.append(f"{name}: p = {check.p_value:.2g}, false discovery rate {share:.2g}, {verdict}: {check.said}")
        fits[name] = {
            "p_value": check.p_value,
            "false_discovery_rate": float(share),
            "flagged": check.flagged,
            "sentences": list(check.sentences),
            "p_values": check.p_values,
        }
    report(options, lines, {"folder": str(options.folder), "fits": fits})
    return 0
