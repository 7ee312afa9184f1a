"""Results on disk, chunk by chunk: each is written whole or not at all, and a stopped run goes on from there."""

import json
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from ..errors import InputError
from ..files import output_folder, replacing
from ..identity import differences, identity
from .fingerprint import MODEL_CHECKSUM
from .measure import Measured
from .sources import Source, Sources

_MANIFEST, _CHUNKS = "catalog.json", "chunks"


class Store:
    """The folder of a catalogue.

    A chunk is an .npz file: the sources' rows, each parameter's draws of all sources one after the other, their images,
    and for each source how many draws are its own. Nothing but what is asked for is read back.
    """

    def __init__(self, folder: str | Path, settings: dict[str, Any], sources: Sources, chunk_size: int) -> None:
        """Open the folder, or make it; what was done before with the same settings and the same input is kept.

        Raises:
            InputError: the folder cannot be written to, or holds a catalogue of something else.
        """
        self.folder = output_folder(folder)
        self.chunks = output_folder(self.folder / _CHUNKS)
        self.sources = sources
        self.chunk_size = chunk_size
        self.numbers = [range(n, min(n + chunk_size, len(sources))) for n in range(0, len(sources), chunk_size)]
        self.damaged: list[str] = []
        run_identity = identity(**settings, chunk_size=chunk_size, **sources.fingerprint)
        self.identity = json.dumps(run_identity, sort_keys=True)
        for left in [*self.folder.glob(".catalog*"), *self.chunks.glob(".0*")]:  # of a run that was killed
            left.unlink(missing_ok=True)
        manifest = self.folder / _MANIFEST
        known = _json_or_nothing(manifest)
        if known not in (None, json.loads(self.identity)):
            raise InputError(
                f"{self.folder}: expected a new folder, or one with a catalogue of the same files and options by the "
                f"same versions, found one of others: {_differences(known, json.loads(self.identity))}"
            )
        if known is None:
            with replacing(manifest) as temporary:
                temporary.write_text(self.identity, encoding="utf-8")

    def path(self, chunk: int) -> Path:
        """Where a chunk's results are."""
        return self.chunks / f"{chunk:06d}.npz"

    def missing(self) -> list[int]:
        """The chunks that are not done; one that is damaged, or is of another run, is noted in `damaged`."""
        found = []
        for chunk in range(len(self.numbers)):
            if not self.path(chunk).exists():
                found.append(chunk)
            elif not self._is_sound(chunk):
                self.damaged.append(self.path(chunk).name)
                found.append(chunk)
        return found

    def _is_sound(self, chunk: int) -> bool:
        """Tell whether a chunk is of this catalogue, and all of its bytes are those that were written."""
        try:
            with self._opened(chunk) as arrays:
                own = str(arrays["identity"]) == self._identity_of(chunk)
                return own and arrays.zip is not None and arrays.zip.testzip() is None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return False

    def sources_in(self, chunk: int) -> list[Source]:
        """Make the sources of a chunk."""
        return [self.sources[number] for number in self.numbers[chunk]]

    def write(self, chunk: int, measured: Sequence[Measured]) -> None:
        """Keep the results of a chunk."""
        arrays: dict[str, Any] = {
            "identity": self._identity_of(chunk),
            "rows": json.dumps([one.row for one in measured]),
            "lengths": json.dumps([{name: len(draws) for name, draws in one.draws.items()} for one in measured]),
            "pictured": np.array([one.images is not None for one in measured]),
        }
        for name in sorted({name for one in measured for name in one.draws}):
            arrays[f"draws/{name}"] = np.concatenate([one.draws[name] for one in measured if name in one.draws])
        if arrays["pictured"].any():
            arrays["images"] = np.stack([one.images for one in measured if one.images is not None])
        with replacing(self.path(chunk)) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, **arrays)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the rows of all sources, in order."""
        for chunk in range(len(self.numbers)):
            with self._opened(chunk) as arrays:
                yield from json.loads(str(arrays["rows"]))

    def lengths(self) -> Iterator[dict[str, int]]:
        """Read for each source, in order, how many draws of which parameters it has."""
        for chunk in range(len(self.numbers)):
            with self._opened(chunk) as arrays:
                yield from json.loads(str(arrays["lengths"]))

    def draws(self, chunk: int) -> list[dict[str, np.ndarray]]:
        """Read the draws of a chunk's sources, by parameter."""
        with self._opened(chunk) as arrays:
            lengths = json.loads(str(arrays["lengths"]))
            found: list[dict[str, np.ndarray]] = [{} for _ in lengths]
            for name in sorted({name for one in lengths for name in one}):
                ends = np.cumsum([one.get(name, 0) for one in lengths])[:-1]
                for own, part in zip(found, np.split(arrays[f"draws/{name}"], ends), strict=True):
                    if len(part):
                        own[name] = part
        return found

    def images(self, numbers: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Read the images of some sources, shape (3, ny, nx) each, in order; those without are left out."""
        wanted = sorted(numbers)
        for chunk in sorted({number // self.chunk_size for number in wanted}):
            with self._opened(chunk) as arrays:
                pictured = dict(
                    zip(np.array(self.numbers[chunk])[arrays["pictured"]], arrays.get("images", []), strict=True)
                )
            yield from ((number, pictured[number]) for number in wanted if number in pictured)

    @contextmanager
    def _opened(self, chunk: int) -> Iterator[NpzFile]:
        with open(self.path(chunk), "rb") as stream, np.load(stream) as arrays:
            yield arrays

    def _identity_of(self, chunk: int) -> str:
        return f"chunk {chunk} of {self.identity}"


def chunk_size_of(folder: Path) -> int | None:
    """How many sources the chunks of a folder have; None where it holds no catalogue."""
    known = _json_or_nothing(folder / _MANIFEST)
    size = known.get("chunk_size") if isinstance(known, dict) else None
    return size if isinstance(size, int) and size > 0 else None


def finished_chunks(folder: str | Path) -> int:
    """How many chunks a folder has, of whatever run."""
    return len(list((Path(folder) / _CHUNKS).glob("[0-9]*.npz")))


def _differences(known: Any, wanted: dict[str, Any]) -> str:
    """Say in words what differs between two catalogues' settings, versions and input."""
    if not isinstance(known, dict):
        return f"{_MANIFEST} holds no settings"
    found = differences(known, wanted)
    if len(found) > 1:  # the PSF and the priors follow from the rest
        found.pop(MODEL_CHECKSUM, None)
    return "; ".join(found.values())


def _json_or_nothing(path: Path) -> Any:
    """Read what is known of an earlier run; nothing where there is none, or where the file was cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
