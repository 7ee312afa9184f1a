"""Options that several commands have, and the parser that says what is wrong with them in one line."""

import argparse
import re
from typing import NoReturn

from ..errors import did_you_mean, one_line
from .arguments import half_size, share

FAILED, BAD_INPUT = 1, 2
_MIN_EXPOSURE = 0.25
_BEHIND = "counts to be expected in each pixel beside the model's own background, times a norm that is fitted"


class Parser(argparse.ArgumentParser):
    """A parser whose error is one line."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with status 2."""
        if found := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            message += did_you_mean(found[1], [word.strip("'") for word in found[2].split(", ")])
        self.exit(BAD_INPUT, one_line(f"{self.prog}: {message} (see {self.prog} --help)") + "\n")


type Commands = argparse._SubParsersAction[Parser]


def command(commands: Commands, name: str, what: str, *, out: str | None = None) -> argparse.ArgumentParser:
    """Add a command, with --json, and --out where it writes something."""
    parser = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    parser.set_defaults(parser=parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    if out:
        parser.add_argument("--out", metavar="PATH", default=out, help=f"where to write (default {out})")
    return parser


def add_observation(
    parser: argparse.ArgumentParser,
    *,
    position: bool = True,
    needed: bool = True,
    several: bool = False,
    map_help: str | None = _BEHIND,
) -> None:
    """Add IMAGE and EXPOSURE, and what a place in them and its model need."""
    number = None if needed else "?"
    image = "counts image: FITS, compressed or not; file[HDU] picks one"
    image += "; for several images of one sky name=file or files with commas between them" if several else ""
    parser.add_argument("image", metavar="IMAGE", nargs=number, help=image)
    exposure = "exposure map of the same shape"
    exposure += "; for several images as many, with commas between them" if several else ""
    parser.add_argument("exposure", metavar="EXPOSURE", nargs=number, help=exposure)
    add_maps(parser, map_help)
    if position:
        add_place(parser)
        add_component(parser)
        parser.add_argument("--priors", metavar="FILE", help="TOML file of priors")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add a position in pixels or on the sky, the size of a stamp about it, and its PSF."""
    parser.add_argument("--x", type=float, help="position: column [FITS image pixel; the first is 1]")
    parser.add_argument("--y", type=float, help="position: row [FITS image pixel]")
    parser.add_argument("--ra", help="right ascension (ICRS) in place of --x: degrees, or sexagesimal hours")
    parser.add_argument("--dec", help="declination (ICRS) in place of --y: degrees, or sexagesimal")
    add_half_size(parser, "the stamp has 2N+1 pixels (20)")
    add_psf(parser)


def add_psf(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Add --psf and --psf-sampling."""
    family = (
        "auto (that of the telescope in the header, else a Gaussian), gaussian, king, moffat, a FITS image of a PSF"
        f" (file[HDU,plane] picks one of a cube), or, in quotes, the words of a field's psf.txt{more} (auto)"
    )
    parser.add_argument("--psf", default="auto", metavar="PSF", help=family)
    pixels = "pixels of the PSF image for each pixel of IMAGE, where its header does not say"
    parser.add_argument("--psf-sampling", type=float, metavar="N", help=pixels)


def add_component(parser: argparse.ArgumentParser) -> None:
    """Add --component."""
    more = (
        "a component beside source and sky, with its default priors: extended, cluster (elliptical), or one that a "
        "package brings; repeatable"
    )
    parser.add_argument("--component", action="append", default=[], metavar="NAME", dest="components", help=more)


def add_maps(parser: argparse.ArgumentParser, map_help: str | None = _BEHIND) -> None:
    """Add what says how the exposure map is read, and a background map with its help; None has no such map."""
    parser.add_argument("--exposure-unit", metavar="UNIT", help="unit of the exposure map, in place of its header's")
    if map_help is None:
        parser.set_defaults(background_map=None)
    else:
        parser.add_argument("--background-map", metavar="FILE", help=map_help)
    thin = f"pixels with less than this share of the exposure around them count as unexposed ({_MIN_EXPOSURE}); 0: none"
    parser.add_argument("--min-exposure", type=share, default=_MIN_EXPOSURE, metavar="SHARE", help=thin)


def add_offset(parser: argparse.ArgumentParser) -> None:
    """Add --offset."""
    apart = "of several images: standard deviation of each one's astrometric offset; 0 where they are aligned (1.5)"
    parser.add_argument("--offset", type=float, metavar="ARCSEC", help=apart)


def add_half_size(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --half-size."""
    parser.add_argument("--half-size", type=half_size, default=20, metavar="N", help=what)


def add_neighbours(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --neighbours."""
    help_text = f"{what}: fit them jointly, mask their circles, or ignore them (fit; of several images mask)"
    parser.add_argument("--neighbours", default="fit", choices=["fit", "mask", "ignore"], help=help_text)


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add --seed."""
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers, a whole number from 0 (0)")


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add --set."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="fixed", help="fix a parameter; repeatable"
    )


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add --no-compile-cache."""
    parser.add_argument("--no-compile-cache", action="store_true", help="compile anew, and keep nothing")
