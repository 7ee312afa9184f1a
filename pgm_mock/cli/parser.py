"""What each command takes."""

import argparse

from .options import (
    Commands,
    Parser,
    add_cache,
    add_component,
    add_half_size,
    add_maps,
    add_neighbours,
    add_observation,
    add_offset,
    add_place,
    add_psf,
    add_seed,
    add_set,
    command,
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(prog="pgm-mock", description="Mock X-ray images, posteriors and their graph, from one model.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_fetch(commands)
    _add_info(commands)
    _add_mock(commands)
    _add_fit(commands)
    _add_grid(commands)
    _add_graph(commands)
    _add_play(commands)
    _add_calibrate(commands)
    _add_check(commands)
    _add_catalog(commands)
    _add_detect(commands)
    _add_sensitivity(commands)
    _add_plan(commands)
    _add_field(commands)
    return parser


class _Version(argparse.Action):
    """Print the version, looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"pgm-mock {version('pgm-mock')}")
        parser.exit()


def _add_demo(commands: Commands) -> None:
    parser = command(commands, "demo", "the whole story on a simulated field, with pictures", out="pgm_mock_demo")
    add_seed(parser)
    add_cache(parser)


def _add_fetch(commands: Commands) -> None:
    parser = command(commands, "fetch", "download and verify the real files of Abell 1835", out="a1835")
    parser.add_argument("--base-url", metavar="URL", help="where to download from instead of the archive")


def _add_info(commands: Commands) -> None:
    parser = command(commands, "info", "what is in an image and its exposure map")
    add_observation(parser, position=False)


def _add_mock(commands: Commands) -> None:
    parser = command(commands, "mock", "simulate images over a real exposure map", out="mocks.fits")
    add_observation(parser)
    parser.add_argument("--n", type=int, default=100, help="how many mocks (100)")
    parser.add_argument(
        "--catalog", metavar="FILE", help="a table of `pgm-mock catalog`: mocks of the whole field instead"
    )
    sky = "with --catalog: background of the whole field [flux unit / pixel]; by default the median of the table's BKG"
    parser.add_argument("--background", type=float, metavar="B", help=sky)
    beta = "with --catalog: an extended source in the whole field: x,y,flux,core,beta; repeatable"
    parser.add_argument("--extended", action="append", default=[], metavar="X,Y,F,CORE,BETA", help=beta)
    add_set(parser)
    add_seed(parser)
    add_cache(parser)


def _add_fit(commands: Commands) -> None:
    parser = command(commands, "fit", "the posterior of one source, or of a list of them", out="fit")
    add_observation(parser, several=True)
    add_offset(parser)
    parser.add_argument("--regions", metavar="FILE", help="a list of sources: `x y radius` lines, DS9, or a table")
    add_neighbours(parser, "other sources of the list in a stamp")
    methods = ["auto", "importance", "nuts"]
    parser.add_argument("--method", default="auto", choices=methods, help="how the posterior is computed (auto)")
    add_seed(parser)
    add_cache(parser)


def _add_grid(commands: Commands) -> None:
    parser = command(commands, "grid", "the posterior of a few parameters on a grid, the others fixed", out="grid")
    add_observation(parser)
    parser.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="NAME=LO:HI:N",
        help="a parameter and its values; at least one is needed, repeatable",
    )
    add_set(parser)
    add_cache(parser)


def _add_graph(commands: Commands) -> None:
    command(commands, "graph", "draw the model's graph; .svg, .png, .pdf or .dot", out="pgm.svg")


def _add_play(commands: Commands) -> None:
    parser = command(commands, "play", "a window with a slider for each parameter, beside the observed stamp")
    add_observation(parser, needed=False)
    add_cache(parser)


def _add_calibrate(commands: Commands) -> None:
    what = "simulate, infer, and see whether the posteriors are right (simulation-based calibration)"
    parser = command(commands, "calibrate", what, out="calibration")
    add_observation(parser, needed=False)
    parser.add_argument(
        "--n",
        dest="num_simulations",
        metavar="N",
        type=int,
        default=1000,
        help="how many simulations, at least 20 (1000)",
    )
    methods = ["importance", "nuts", "grid", "auto"]
    inference = "inference to check; grid takes --priors that leave at most two parameters free (importance)"
    parser.add_argument("--method", default="importance", choices=methods, help=inference)
    add_seed(parser)
    add_cache(parser)


def _add_catalog(commands: Commands) -> None:
    parser = command(
        commands, "catalog", "every source of a field, or of a survey, as a table and a page", out="catalog"
    )
    image = "counts image, or several of one sky with commas between them, or, alone, "
    image += "a text file with `image exposure regions [background map]` in each line, where commas do the same"
    parser.add_argument("image", metavar="IMAGE", help=image)
    exposure = "exposure map of the same shape, or as many with commas between them"
    parser.add_argument("exposure", metavar="EXPOSURE", nargs="?", help=exposure)
    add_offset(parser)
    parser.add_argument("--regions", metavar="FILE", help="the sources: `x y radius` lines, DS9, or a table")
    add_maps(parser)
    add_half_size(parser, "the stamps have 2N+1 pixels (20)")
    add_psf(parser, "; field learns it from the whole field, fitted as one model first")
    add_component(parser)
    add_neighbours(parser, "other sources in a stamp")
    parser.add_argument("--uniform", action="store_true", help="no gradient of the background")
    place = "free, or fixed at the regions' positions: forced photometry (free)"
    parser.add_argument("--position", default="free", choices=["free", "fixed"], help=place)
    methods = ["auto", "importance", "nuts"]
    parser.add_argument("--method", default="auto", choices=methods, help="how the posteriors are computed (auto)")
    parser.add_argument(
        "--n",
        dest="num_replicates",
        metavar="N",
        type=int,
        default=200,
        help="replicated images of each check, at least 100; 0 for no check (200)",
    )
    kept = "sources after which results are written (4; 32 where there are more than 256)"
    parser.add_argument("--chunk", type=int, metavar="N", help=kept)
    workers = "local processes of one core each; 0: threads of this process (0)"
    parser.add_argument("--workers", type=int, default=0, metavar="N", help=workers)
    scheduler = "a Dask scheduler to send the work to, such as tcp://node17:8786"
    parser.add_argument("--scheduler", metavar="ADDRESS", help=scheduler)
    add_seed(parser)
    add_cache(parser)


def _add_detect(commands: Commands) -> None:
    what = "the sources of an image itself, with a promised number of false ones, as a table, regions, maps and a page"
    parser = command(commands, "detect", what, out="detect")
    _add_search(parser)
    other = "a list to compare with (`x y radius` lines, DS9, or a table): what is new, missing and moved is tabulated"
    parser.add_argument("--compare", metavar="FILE", help=other)
    listed = "do not measure each source as `pgm-mock catalog` does"
    parser.add_argument("--no-catalog", action="store_false", dest="catalog", help=listed)


def _add_sensitivity(commands: Commands) -> None:
    what = "what would be detected where in an image: maps of flux, and the curve of area against flux"
    parser = command(commands, "sensitivity", what, out="sensitivity")
    _add_search(parser)


def _add_plan(commands: Commands) -> None:
    what = "whether a source would be detected, and how well measured, in given exposures"
    parser = command(commands, "plan", what, out="plan")
    add_observation(parser, position=False, needed=False, map_help=None)
    add_place(parser)
    rate = "count rate of the source, on the axis of a vignetted map, or on the detector with --telescope [ct/s]"
    parser.add_argument("--flux", type=float, required=True, metavar="F", help=rate)
    times = "LO:HI (8 of them), LO:HI:N or A,B,C [ks]: of the map's largest value, or at the place with --telescope"
    parser.add_argument("--exposure", required=True, metavar="KS", dest="exposures", help=times)
    camera = "a bare detector in place of IMAGE: EMOS1, EMOS2, EPN, 'Swift XRT', eROSITA, 'Chandra ACIS', 'ROSAT PSPC'"
    parser.add_argument("--telescope", metavar="NAME", help=camera)
    parser.add_argument("--pixel", type=float, metavar="ARCSEC", help="side of a pixel, with --telescope")
    photons = "energy of the photons that the PSF is for, with --telescope (1.5 for EPIC, 1 for ROSAT)"
    parser.add_argument("--energy", type=float, metavar="KEV", help=photons)
    sky = "background [ct/s/pixel]; measured in the image where it is not given, needed with --telescope"
    parser.add_argument("--background", type=float, metavar="B", help=sky)
    angles = "angles from the optical axis A,B,C [arcmin], in place of a position (0 with --telescope)"
    parser.add_argument("--off-axis", metavar="ANGLES", help=angles)
    least = "ln likelihood ratio from which a source is detected; 8.6 lets one false one pass in a field of XMM (8.6)"
    parser.add_argument("--threshold", type=float, default=8.6, metavar="L", help=least)
    number = "mocks that are fitted for each exposure in which the source is faint: 10 to 1,000, or 0 for none (50)"
    parser.add_argument("--mocks", type=int, default=50, metavar="N", help=number)
    add_seed(parser)
    add_cache(parser)


def _add_field(commands: Commands) -> None:
    what = "a whole field as one model: sources, clusters, sky, particles and PSF together"
    parser = command(commands, "field", what, out="field")
    template = "template of the particles [counts], in place of the exposure without the mirrors' vignetting"
    add_observation(parser, position=False, map_help=template)
    listed = "the sources: `x y radius` lines, DS9, or a table; a radius bounds where its source may be"
    parser.add_argument("--regions", metavar="FILE", required=True, help=listed)
    add_psf(parser)
    place = "centre of an extended source [FITS image pixel]; repeatable; by default they are looked for"
    parser.add_argument("--cluster", action="append", default=[], metavar="X,Y", help=place)
    parser.add_argument("--no-cluster", action="store_true", help="there is no extended source")
    models = "beta models of the first extended source; by default 2 where it takes them"
    parser.add_argument("--betas", type=int, choices=[1, 2], help=models)
    parser.add_argument("--priors", metavar="FILE", help="TOML file of priors of parameters such as psf_width")
    parser.add_argument("--chains", type=int, default=4, metavar="N", help="chains (4)")
    parser.add_argument("--warmup", type=int, default=300, metavar="N", help="sweeps of warm-up of each chain (300)")
    kept = "sweeps that are kept of each chain; up to three times as many where they have not converged (800)"
    parser.add_argument("--samples", type=int, default=800, metavar="N", help=kept)
    add_seed(parser)
    add_cache(parser)


def _add_search(parser: argparse.ArgumentParser) -> None:
    """Add what a search for sources takes."""
    add_observation(parser, position=False)
    add_psf(parser)
    false = "false sources that are accepted in the field, on average (0.5)"
    parser.add_argument("--false-per-field", type=float, metavar="N", help=false)
    least = "ln likelihood ratio to exceed, at least 3, in place of --false-per-field"
    parser.add_argument("--threshold", type=float, metavar="L", help=least)
    mocks = "images of the field's background by which the false ones are counted (10)"
    parser.add_argument("--mocks", type=int, default=10, metavar="N", help=mocks)
    add_seed(parser)
    add_cache(parser)


def _add_check(commands: Commands) -> None:
    parser = command(commands, "check", "does the model describe the image? for each fit of a folder")
    parser.add_argument("folder", metavar="DIR", help="what `pgm-mock fit --out DIR` wrote, of one image each")
    parser.add_argument(
        "--n",
        dest="num_replicates",
        metavar="N",
        type=int,
        default=400,
        help="replicated images for each fit, at least 100 (400)",
    )
    add_seed(parser)
    add_cache(parser)
