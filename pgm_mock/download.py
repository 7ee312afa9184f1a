"""The real files of Abell 1835, from the public archive, verified."""

import os
from pathlib import Path

from .errors import InputError
from .files import output_folder
from .resources import ArchiveFile, archive_files


class DownloadError(OSError):
    """A download that failed; the message says what and why."""


def fetch(out: str | os.PathLike[str], *, base_url: str | None = None, progress: bool = True) -> list[Path]:
    """Download the three real files into a folder, and verify their SHA-256 checksums.

    A file that is there and whole is not downloaded again; one that is damaged is replaced. What arrives damaged is
    thrown away, and a download that breaks off leaves nothing behind.

    Args:
        out: the folder, made where it is missing.
        base_url: where to download from instead of the archive.
        progress: whether to show a bar for each file on the terminal.

    Returns:
        The paths, in the order of `archive_files`.

    Raises:
        DownloadError: the server cannot be reached, or what it sent is not the file.
    """
    archive, files = archive_files()
    folder = output_folder(out)
    base = (base_url or archive).rstrip("/")
    return [_fetch_one(folder, f"{base}/{file.name}", file, progress) for file in files]


def _fetch_one(folder: Path, url: str, file: ArchiveFile, progress: bool) -> Path:
    import pooch

    target = folder / file.name
    if target.is_dir():
        raise InputError(f"{target}: expected a file or nothing, found a folder")
    if target.exists() and pooch.file_hash(str(target), alg="sha256") == file.sha256:
        return target
    pooch.get_logger().setLevel("ERROR")
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=60)
    try:
        found = pooch.retrieve(url, f"sha256:{file.sha256}", file.name, folder, downloader=downloader)
    except ValueError as error:
        raise DownloadError(f"{url}: expected a file with SHA-256 {file.sha256}, found another") from error
    except OSError as error:  # requests' exceptions are OSErrors
        raise DownloadError(f"{url}: cannot be downloaded: {error}") from error
    return Path(found)
