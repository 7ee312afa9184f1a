"""Files: read up to a limit, written whole or not at all, and named so that no two names fall together."""

import errno
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

_WRONG_PATH = frozenset(
    (
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.EILSEQ),
    )
)
_MOST_BYTES = 120
"""Of a file's name without its ending: file systems allow 255 in all."""


def wrong_path(error: OSError) -> bool:
    """Whether the path that was asked for is to blame, rather than a disk or a network."""
    return error.errno in _WRONG_PATH


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a file of at most `most` bytes.

    Raises:
        InputError: no such file, a folder, a path that can be none, or a larger file; the message names it.
    """
    label = os.fspath(path)
    try:
        with open(path, "rb") as stream:
            content = stream.read(most + 1)
    except FileNotFoundError as error:
        raise InputError(f"{label}: no such file") from error
    except (OSError, ValueError, MemoryError) as error:
        raise InputError(f"{label}: cannot be read: {reason(error)}") from error
    if len(content) > most:
        raise InputError(f"{label}: expected a file of at most {most:,} bytes, found a larger one")
    return content


def read_text(path: str | os.PathLike[str], most: int, longest_line: int) -> str:
    """Read a text file in UTF-8; a byte order mark is left out.

    Args:
        path: the file.
        most: bytes that it may have.
        longest_line: bytes that each of its lines may have; what reads the lines is not always fast.

    Raises:
        InputError: it cannot be read, is too large, has too long a line, or is no text.
    """
    label, content = os.fspath(path), read_bytes(path, most)
    for number, line in enumerate(content.splitlines(), 1):
        if len(line) > longest_line:
            said = f"expected lines of at most {longest_line:,} characters, found {len(line):,}"
            raise InputError(f"{label}: line {number}: {said}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{label}: expected text in UTF-8, found none at byte {error.start + 1:,}") from error


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise InputError where a path is none of a file: nothing is there, or a folder or device is."""
    label = os.fspath(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise InputError(f"{label}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{label}: cannot be read: {reason(error)}") from error
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
        raise InputError(f"{label}: cannot be read: expected a file, found {found}")


def reason(error: Exception) -> str:
    """Say why a path cannot be used, without the path."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends, delete it when it fails.

    The temporary name keeps the suffix, because many writers choose the format by it.

    Raises:
        InputError: the folder does not exist or cannot be written to, or `path` is a folder.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise InputError(f"{target}: expected a file to write, found a folder")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem[:40]}-", suffix=target.suffix)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{target}: cannot be written: {reason(error)}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        try:
            temporary.replace(target)
        except OSError as error:
            raise InputError(f"{target}: cannot be written: {reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def output_folder(path: str | os.PathLike[str]) -> Path:
    """Make the folder `path` where it is missing, and return it.

    Raises:
        InputError: it cannot be made or is a file.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder}: expected a folder that can be written to: {reason(error)}") from error
    return folder


def file_names(names: Iterable[str]) -> list[str]:
    """Return a file's name, without ending, for each of several names: safe, short, and each another.

    Letters, digits and `_ . + -` stay, all else becomes "_"; where two fall together, be it on a file system that does
    not tell capitals, the later one is numbered. What stands behind a name in the list does not change it.
    """

    def on_disk(name: str) -> str:
        return unicodedata.normalize("NFKC", name).casefold()

    taken: set[str] = set()
    found = []
    for name in names:
        safe = re.sub(r"[^\w.+-]+", "_", name).lstrip(".-")
        safe = safe.encode("utf-8", "ignore")[:_MOST_BYTES].decode("utf-8", "ignore") or "_"
        chosen, number = safe, 1
        while on_disk(chosen) in taken:
            number += 1
            chosen = f"{safe}_{number}"
        taken.add(on_disk(chosen))
        found.append(chosen)
    return found


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
