"""`pgm-mock demo`."""

from argparse import Namespace
from pathlib import Path

from ..files import output_folder, replacing
from .common import progress, report, save_figure, start_jax, use_files_only

SOURCE = 8
"""The source that the story is about: the one at (271, 216)."""


def run(options: Namespace) -> int:
    """Tell the whole story on a simulated field: look, cut, draw the graph, simulate, infer, compare."""
    start_jax(options)
    use_files_only()
    from .. import plot
    from ..demo import BACKGROUND, PSF_WIDTH, demo_field
    from ..graph import model_graph
    from ..inference import fit
    from ..mock import generate_mock_image, prior_predictive
    from ..priors import Priors
    from ..results import posterior_means
    from ..summary import summarise

    folder = output_folder(options.out)
    made: list[str] = []

    def picture(name: str, figure: object, what: str) -> None:
        made.append(f"{save_figure(figure, folder / name)}: {what}")
        progress(made[-1])

    demo = demo_field(options.seed)
    field, source = demo.observation, demo.regions[SOURCE]
    _write_field(folder, field, made)
    picture("1_field.png", plot.plot_field(field, demo.regions), "the simulated field and its 26 sources")
    picture("2_exposure.png", plot.plot_exposure(field, demo.regions), "the exposure map")
    stamp = field.stamp(source.x, source.y)
    picture("3_stamp.png", plot.plot_stamp(stamp, demo.regions), f"the stamp about source {source.name}")
    priors = Priors.default(stamp, source.x, source.y)
    graph = model_graph(stamp, priors)
    for suffix in ("png", "svg"):
        graph.save(folder / f"4_graph.{suffix}")
    made.append(f"{folder / '4_graph.png'}: the model as a probabilistic graph")
    progress(made[-1])
    mocks = prior_predictive(stamp, priors, num_samples=15, seed=options.seed)
    picture("5_mocks.png", plot.plot_prior_predictive(mocks), "images drawn from the prior")
    posterior = fit(stamp, priors, seed=options.seed)
    with replacing(folder / "posterior.nc") as temporary:
        posterior.to_netcdf(temporary, engine="h5netcdf")
    truth = {"x_pos": source.x, "y_pos": source.y, "flux": float(demo.fluxes[SOURCE])}
    truth |= {"background": BACKGROUND, "psf_width": PSF_WIDTH}
    marked = {name: value for name, value in truth.items() if name != "background"}
    what = "the posterior; red: the truth (the background takes up a neighbour's light and the cluster's, too)"
    picture("6_posterior.png", plot.plot_corner(posterior, marked), what)
    picture("7_model.png", plot.plot_posterior_image(stamp, posterior), "observed, posterior mean image, residuals")
    mock = generate_mock_image(stamp.exposure, stamp.x, stamp.y, posterior_means(posterior), seed=options.seed)
    story = plot.plot_story(field, stamp, graph, mocks, posterior, demo.regions)
    picture("0_story.png", story, "the whole story in one picture")
    compared = plot.compare_real_and_simulated(stamp, mock)
    picture("8_comparison.png", compared, "observed beside a mock from the posterior mean")
    summary = summarise(posterior)
    lines = [f"wrote {len(list(folder.iterdir()))} files to {folder}", summary.line()]
    report(options, lines, {"out": str(folder), "made": made, "truth": truth, "fit": summary.to_dict()})
    return 0


def _write_field(folder: Path, field, made: list[str]) -> None:  # type: ignore[no-untyped-def]
    image, exposure = folder / "field.fits.gz", folder / "exposure.fits.gz"
    field.write(image, exposure)
    made.append(f"{image}, {exposure}: the field as files for the other commands")
    progress(made[-1])
