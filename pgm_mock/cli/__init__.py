"""The command line: `pgm-mock`, or `python -m pgm_mock`."""

import argparse
import gc
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from ..errors import DataWarning, InputError, did_you_mean, one_line
from .arguments import half_size, joined, options_of, share

FAILED, BAD_INPUT = 1, 2
_MIN_EXPOSURE = 0.25


class _Parser(argparse.ArgumentParser):
    """A parser whose error is one line."""

    def error(self, message: str) -> NoReturn:
        if found := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            message += did_you_mean(found[1], [word.strip("'") for word in found[2].split(", ")])
        self.exit(BAD_INPUT, one_line(f"{self.prog}: {message} (see {self.prog} --help)") + "\n")


def command() -> NoReturn:
    """Be the program: run one command and leave at once.

    All files are closed by then. To take down JAX, and a million objects one by one, would cost another second.
    """
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = FAILED
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done, 2 bad usage or bad input (one line on stderr), 1 anything else.
    """
    options, unknown = _parser().parse_known_args(joined(sys.argv[1:] if arguments is None else arguments))
    if unknown:  # the command's own parser says so, and names its own help
        meant = did_you_mean(next((word for word in unknown if word.startswith("-")), ""), options_of(options.parser))
        options.parser.error(f"unrecognized arguments: {' '.join(unknown[:20])}{meant}")
    gc.set_threshold(100_000)  # importing and tracing make many objects and little garbage
    from ..files import wrong_path

    warnings.showwarning = _show_warning
    try:
        return import_module(f".{options.command}", __package__).run(options)
    except InputError as error:
        return _failed(options.command, error, BAD_INPUT)
    except BrokenPipeError:
        return FAILED
    except KeyboardInterrupt as stop:
        how = f"; {stop}" if str(stop) else ""
        return _failed(options.command, f"interrupted{how}", FAILED)
    except MemoryError as error:
        said = "expected input and options that fit into memory, found more"
        return _failed(options.command, f"{said}: {error}" if str(error) else said, BAD_INPUT)
    except OSError as error:
        return _failed(options.command, error, BAD_INPUT if wrong_path(error) else FAILED)


def _failed(command: str, why: object, status: int) -> int:
    print(one_line(f"pgm-mock {command}: {why}", 500), file=sys.stderr)
    return status


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Print the package's own warnings as one line; leave out the libraries', which speak to developers."""
    if issubclass(category, DataWarning):
        print(f"warning: {one_line(message)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pgm-mock", description="Mock X-ray images, posteriors and their graph, from one model.")
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
    return parser


class _Version(argparse.Action):
    """Print the version, looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"pgm-mock {version('pgm-mock')}")
        parser.exit()


type Commands = argparse._SubParsersAction[_Parser]


def _command(commands: Commands, name: str, what: str, *, out: str | None = None) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    parser.set_defaults(parser=parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    if out:
        parser.add_argument("--out", metavar="PATH", default=out, help=f"where to write (default {out})")
    return parser


def _add_observation(parser: argparse.ArgumentParser, *, position: bool = True, needed: bool = True) -> None:
    number = None if needed else "?"
    image = "counts image: FITS, compressed or not; file[HDU] picks one"
    parser.add_argument("image", metavar="IMAGE", nargs=number, help=image)
    parser.add_argument("exposure", metavar="EXPOSURE", nargs=number, help="exposure map of the same shape")
    _add_maps(parser)
    if position:
        parser.add_argument("--x", type=float, help="position: column [FITS image pixel; the first is 1]")
        parser.add_argument("--y", type=float, help="position: row [FITS image pixel]")
        parser.add_argument("--ra", help="right ascension (ICRS) in place of --x: degrees, or sexagesimal hours")
        parser.add_argument("--dec", help="declination (ICRS) in place of --y: degrees, or sexagesimal")
        _add_half_size(parser, "the stamp has 2N+1 pixels (20)")
        _add_psf(parser)
        parser.add_argument("--priors", metavar="FILE", help="TOML file of priors")


def _add_psf(parser: argparse.ArgumentParser) -> None:
    family = (
        "auto (that of the telescope in the header, else a Gaussian), gaussian, king, moffat, or a FITS image of a PSF;"
        " file[HDU,plane] picks one of a cube (auto)"
    )
    parser.add_argument("--psf", default="auto", metavar="PSF", help=family)
    pixels = "pixels of the PSF image for each pixel of IMAGE, where its header does not say"
    parser.add_argument("--psf-sampling", type=float, metavar="N", help=pixels)


def _add_maps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--exposure-unit", metavar="UNIT", help="unit of the exposure map, where its header is silent")
    behind = "counts to be expected in each pixel beside the model's own background, times a norm that is fitted"
    parser.add_argument("--background-map", metavar="FILE", help=behind)
    thin = f"pixels with less than this share of the exposure around them count as unexposed ({_MIN_EXPOSURE}); 0: none"
    parser.add_argument("--min-exposure", type=share, default=_MIN_EXPOSURE, metavar="SHARE", help=thin)


def _add_half_size(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--half-size", type=half_size, default=20, metavar="N", help=what)


def _add_neighbours(parser: argparse.ArgumentParser, what: str) -> None:
    others = f"{what}: fit them jointly, mask their circles, or ignore them (fit)"
    parser.add_argument("--neighbours", default="fit", choices=["fit", "mask", "ignore"], help=others)


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="fixed", help="fix a parameter; repeatable"
    )


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-compile-cache", action="store_true", help="compile anew, and keep nothing")


def _add_demo(commands: Commands) -> None:
    parser = _command(commands, "demo", "the whole story on a simulated field, with pictures", out="pgm_mock_demo")
    _add_seed(parser)
    _add_cache(parser)


def _add_fetch(commands: Commands) -> None:
    parser = _command(commands, "fetch", "download and verify the real files of Abell 1835", out="a1835")
    parser.add_argument("--base-url", metavar="URL", help="where to download from instead of the archive")


def _add_info(commands: Commands) -> None:
    parser = _command(commands, "info", "what is in an image and its exposure map")
    _add_observation(parser, position=False)


def _add_mock(commands: Commands) -> None:
    parser = _command(commands, "mock", "simulate images over a real exposure map", out="mocks.fits")
    _add_observation(parser)
    parser.add_argument("--n", type=int, default=100, help="how many mocks (100)")
    parser.add_argument(
        "--catalog", metavar="FILE", help="a table of `pgm-mock catalog`: mocks of the whole field instead"
    )
    sky = "background of the whole field [flux unit / pixel]; by default the median of the table's BKG"
    parser.add_argument("--background", type=float, metavar="B", help=sky)
    beta = "an extended source in the whole field: x,y,flux,core,beta; repeatable"
    parser.add_argument("--extended", action="append", default=[], metavar="X,Y,F,CORE,BETA", help=beta)
    _add_set(parser)
    _add_seed(parser)
    _add_cache(parser)


def _add_fit(commands: Commands) -> None:
    parser = _command(commands, "fit", "the posterior of one source, or of a list of them", out="fit")
    _add_observation(parser)
    parser.add_argument("--regions", metavar="FILE", help="a list of sources: `x y radius` lines, or DS9 circles")
    _add_neighbours(parser, "other sources of the list in a stamp")
    methods = ["auto", "importance", "nuts"]
    parser.add_argument("--method", default="auto", choices=methods, help="how the posterior is computed (auto)")
    _add_seed(parser)
    _add_cache(parser)


def _add_grid(commands: Commands) -> None:
    parser = _command(commands, "grid", "the posterior of a few parameters on a grid, the others fixed", out="grid")
    _add_observation(parser)
    parser.add_argument(
        "--axis", action="append", default=[], metavar="NAME=LO:HI:N", help="a parameter and its values; repeatable"
    )
    _add_set(parser)
    _add_cache(parser)


def _add_graph(commands: Commands) -> None:
    _command(commands, "graph", "draw the model's graph; .svg, .png, .pdf or .dot", out="pgm.svg")


def _add_play(commands: Commands) -> None:
    parser = _command(commands, "play", "a window with a slider for each parameter, beside the observed stamp")
    _add_observation(parser, needed=False)
    _add_cache(parser)


def _add_calibrate(commands: Commands) -> None:
    what = "simulate, infer, and see whether the posteriors are right (simulation-based calibration)"
    parser = _command(commands, "calibrate", what, out="calibration")
    _add_observation(parser, needed=False)
    parser.add_argument("--n", type=int, default=1000, help="how many simulations (1000)")
    methods = ["importance", "nuts", "grid", "auto"]
    parser.add_argument("--method", default="importance", choices=methods, help="inference to check (importance)")
    _add_seed(parser)
    _add_cache(parser)


def _add_catalog(commands: Commands) -> None:
    parser = _command(
        commands, "catalog", "every source of a field, or of a survey, as a table and a page", out="catalog"
    )
    image = "counts image; or, alone, a text file with `image exposure regions [background map]` in each line"
    parser.add_argument("image", metavar="IMAGE", help=image)
    parser.add_argument("exposure", metavar="EXPOSURE", nargs="?", help="exposure map of the same shape")
    parser.add_argument("--regions", metavar="FILE", help="the sources: `x y radius` lines, or DS9 circles")
    _add_maps(parser)
    _add_half_size(parser, "the stamps have 2N+1 pixels (20)")
    _add_psf(parser)
    _add_neighbours(parser, "other sources in a stamp")
    parser.add_argument("--uniform", action="store_true", help="no gradient of the background")
    place = "free, or fixed at the regions' positions: forced photometry (free)"
    parser.add_argument("--position", default="free", choices=["free", "fixed"], help=place)
    methods = ["auto", "importance", "nuts"]
    parser.add_argument("--method", default="auto", choices=methods, help="how the posteriors are computed (auto)")
    parser.add_argument("--n", type=int, default=200, help="replicated images of each check; 0 for no check (200)")
    parser.add_argument("--chunk", type=int, default=32, metavar="N", help="sources that are kept at once (32)")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="so many local processes of one core each")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler to send the work to")
    _add_seed(parser)
    _add_cache(parser)


def _add_check(commands: Commands) -> None:
    parser = _command(commands, "check", "does the model describe the image? for each fit of a folder")
    parser.add_argument("folder", metavar="DIR", help="what `pgm-mock fit --out DIR` wrote")
    parser.add_argument("--n", type=int, default=400, help="replicated images for each fit (400)")
    _add_seed(parser)
    _add_cache(parser)
