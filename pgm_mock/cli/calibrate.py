"""`pgm-mock calibrate`."""

from argparse import Namespace

from ..files import output_folder, replacing
from .common import demo_or_stamp, progress, read_priors, read_psf, report, save_figure, start_jax, use_files_only


def run(options: Namespace) -> int:
    """Run a calibration, and write its ranks and tests as netCDF, with a picture."""
    start_jax(options)
    use_files_only()
    import sys

    from ..calibration import calibrate
    from ..plot import plot_calibration

    stamp, x, y = demo_or_stamp(options)
    psf = read_psf(options, stamp, x, y)
    priors = read_priors(options, stamp, x, y, psf)
    folder = output_folder(options.out)
    progress(f"{options.n} simulations over the exposure map of {stamp.name}; the first ones compile the model")
    found = calibrate(
        stamp,
        priors,
        num_simulations=options.n,
        method=options.method,
        psf=psf,
        seed=options.seed,
        resume=folder / "calibration.partial.npz",
        progress=sys.stderr.isatty(),
    )
    with replacing(folder / "calibration.nc") as temporary:
        found.to_netcdf(temporary, engine="h5netcdf")
    save_figure(plot_calibration(found), folder / "calibration.png")
    tables = {name: found[name].to_pandas().rename_axis(columns=None).T.to_dict() for name in ("coverage", "p_value")}
    told = {"calibrated": bool(found.attrs["calibrated"]), "verdict": found.attrs["verdict"], "out": options.out}
    report(options, [f"{stamp.name}: {found.attrs['verdict']}"], told | tables)
    return 0
