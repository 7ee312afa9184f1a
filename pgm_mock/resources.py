"""The small files of the folder data/, which are installed inside the package."""

from pathlib import Path

from .errors import InputError


def resource(name: str) -> Path:
    """Return the path of a file of data/: inside the installed package, beside it in a checkout.

    Raises:
        InputError: the installation lacks it.
    """
    package = Path(__file__).parent
    for folder in (package / "data", package.parent / "data"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"data/{name}: expected with the package, found neither in {package} nor beside it")
