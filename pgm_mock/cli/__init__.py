"""The command line: `pgm-mock`, or `python -m pgm_mock`."""

import gc
import os
import sys
import warnings
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from ..errors import DataWarning, InputError, did_you_mean, one_line
from .arguments import joined, options_of, with_option_names
from .options import BAD_INPUT, FAILED
from .parser import make_parser


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
    options, unknown = make_parser().parse_known_args(joined(sys.argv[1:] if arguments is None else arguments))
    if unknown:  # the command's own parser says so, and names its own help
        meant = did_you_mean(next((word for word in unknown if word.startswith("-")), ""), options_of(options.parser))
        options.parser.error(f"unrecognized arguments: {' '.join(unknown[:20])}{meant}")
    gc.set_threshold(100_000)  # importing and tracing make many objects and little garbage
    from ..files import wrong_path

    warnings.showwarning = partial(_show_warning, options.parser)
    try:
        return import_module(f".{options.command}", __package__).run(options)
    except InputError as error:
        return _failed(options.command, with_option_names(str(error), options.parser), BAD_INPUT)
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


def _show_warning(
    parser: ArgumentParser, message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    """Print the package's own warnings as one line; leave out the libraries', which speak to developers."""
    if issubclass(category, DataWarning):
        print(f"warning: {one_line(with_option_names(str(message), parser))}", file=sys.stderr)
