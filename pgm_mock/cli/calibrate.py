"""`pgm-mock calibrate`."""

from argparse import Namespace

from ..files import output_folder, replacing
from .common import progress, read_priors, report, save_figure, start_jax, use_files_only
from .place import demo_or_stamp


def run(options: Namespace) -> int:
    """Run a calibration, and write its ranks and tests as netCDF, with a picture."""
    start_jax(options)
    use_files_only()
    import sys

    from ..calibration import calibrate
    from ..plot import plot_calibration

    stamp, x, y = demo_or_stamp(options)
    priors, line = read_priors(options, stamp, x, y)
    folder = output_folder(options.out)
    progress(line)
    progress(
        f"{options.num_simulations} simulations over the exposure map of {stamp.name}; the first ones compile the model"
    )
    partial = folder / "calibration.partial.npz"
    if partial.exists():
        progress(f"going on from what an earlier run kept in {partial}")
    try:
        found = calibrate(
            stamp,
            priors,
            num_simulations=options.num_simulations,
            method=options.method,
            seed=options.seed,
            resume=partial,
            progress=sys.stderr.isatty(),
        )
    except KeyboardInterrupt as stop:
        kept = f"each 250 simulations are kept in {partial}"
        raise KeyboardInterrupt(f"{kept}; the same command goes on from there") from stop
    with replacing(folder / "calibration.nc") as temporary:
        found.to_netcdf(temporary, engine="h5netcdf")
    save_figure(plot_calibration(found), folder / "calibration.png")
    tables = {name: found[name].to_pandas().rename_axis(columns=None).T.to_dict() for name in ("coverage", "p_value")}
    summary = {"calibrated": bool(found.attrs["calibrated"]), "verdict": found.attrs["verdict"], "out": options.out}
    report(options, [f"{stamp.name}: {found.attrs['verdict']}"], summary | tables)
    return 0
