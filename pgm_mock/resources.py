"""The small files of the folder data/, which are installed inside the package."""

import tomllib
from pathlib import Path
from typing import NamedTuple

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


class ArchiveFile(NamedTuple):
    """A file of the archive.

    Attributes:
        name: its name there and here.
        what: what it holds, in words.
        sha256: the checksum that it has to have.
    """

    name: str
    what: str
    sha256: str


def archive_files() -> tuple[str, list[ArchiveFile]]:
    """Return the archive's URL and its files: counts image, exposure map, background map."""
    listed = tomllib.loads(resource("a1835_files.toml").read_text(encoding="utf-8"))
    return listed["base_url"], [ArchiveFile(**entry) for entry in listed["files"]]
