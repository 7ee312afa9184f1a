"""Results on disk, chunk by chunk: each is written whole or not at all, and a stopped run goes on from there."""

import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..errors import InputError
from ..files import output_folder, replacing
from ..psf import describe_psf
from ..results import provenance
from .measure import Measured
from .sources import Source

_MANIFEST = "catalog.json"


class Store:
    """The folder of a catalogue."""

    def __init__(
        self, folder: str | Path, settings: dict[str, Any], sources: Sequence[Source], chunk_size: int
    ) -> None:
        """Open the folder, or make it; what was done before with the same settings and the same input is kept.

        Raises:
            InputError: the folder cannot be written to, or holds a catalogue of something else.
        """
        self.folder = output_folder(folder)
        self.chunks = output_folder(self.folder / "chunks")
        self.sources = sources
        self.numbers = [range(n, min(n + chunk_size, len(sources))) for n in range(0, len(sources), chunk_size)]
        self.damaged: list[str] = []
        told = settings | provenance() | {"chunk_size": chunk_size, "input": _fingerprint(sources)}
        self.identity = json.dumps(told | {"double_precision": bool(jax.config.jax_enable_x64)}, sort_keys=True)
        for left in [*self.folder.glob(".catalog*"), *self.chunks.glob(".0*")]:  # of a run that was killed
            left.unlink(missing_ok=True)
        manifest = self.folder / _MANIFEST
        known = _json_or_nothing(manifest)
        if known not in (None, json.loads(self.identity)):
            raise InputError(
                f"{self.folder}: expected a new folder, or one with a catalogue of the same files and options by the "
                f"same versions, found one of others (see {_MANIFEST})"
            )
        if known is None:
            with replacing(manifest) as temporary:
                temporary.write_text(self.identity, encoding="utf-8")

    def path(self, chunk: int) -> Path:
        """Where a chunk's results are."""
        return self.chunks / f"{chunk:06d}.npz"

    def missing(self) -> list[int]:
        """The chunks that are not done; one that cannot be read, or is of another run, is noted in `damaged`."""
        found = []
        for chunk in range(len(self.numbers)):
            if not self.path(chunk).exists():
                found.append(chunk)
                continue
            try:
                self.read(chunk)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
                self.damaged.append(self.path(chunk).name)
                found.append(chunk)
        return found

    def sources_in(self, chunk: int) -> list[Source]:
        """The sources of a chunk."""
        return [self.sources[number] for number in self.numbers[chunk]]

    def write(self, chunk: int, measured: Sequence[Measured]) -> None:
        """Keep the results of a chunk."""
        arrays: dict[str, Any] = {"rows": json.dumps([one.row for one in measured]), "identity": self.identity}
        for number, one in enumerate(measured):
            arrays |= {f"{number}/draws/{name}": draws for name, draws in one.draws.items()}
            if one.images is not None:
                arrays[f"{number}/images"] = one.images
        with replacing(self.path(chunk)) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, **arrays)

    def read(self, chunk: int) -> list[Measured]:
        """Return the results of a chunk."""
        with open(self.path(chunk), "rb") as stream, np.load(stream) as arrays:
            rows = json.loads(str(arrays["rows"]))
            if str(arrays["identity"]) != self.identity or len(rows) != len(self.numbers[chunk]):
                raise ValueError("expected the rows of this catalogue, found others")
            draws: list[dict[str, np.ndarray]] = [{} for _ in rows]
            images: list[np.ndarray | None] = [None for _ in rows]
            for key in arrays.files:
                number, _, what = key.partition("/")
                if what == "images":
                    images[int(number)] = arrays[key]
                elif what:
                    draws[int(number)][what.removeprefix("draws/")] = arrays[key]
        return [Measured(*one) for one in zip(rows, draws, images, strict=True)]


def _json_or_nothing(path: Path) -> Any:
    """Read what is known of an earlier run; nothing where there is none, or where the file was cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _fingerprint(sources: Sequence[Source]) -> str:
    """A checksum of all that the results depend on beside the options."""
    crc = 0
    skies: dict[int, str] = {}
    for source in sources:
        told = [source.name, source.x, source.y, source.reason, describe_psf(source.psf)]
        for leaf in jax.tree.leaves(source.psf):
            crc = zlib.crc32(np.asarray(leaf).tobytes(), crc)
        if source.stamp is not None and source.priors is not None:
            wcs = source.stamp.wcs
            if wcs is not None and id(wcs) not in skies:
                skies[id(wcs)] = wcs.to_header_string(relax=True)
            told += [source.stamp.origin, source.stamp.exposure_unit, source.priors.describe(), skies.get(id(wcs))]
            for image in (source.stamp.exposure, source.stamp.counts, source.stamp.background_map):
                crc = zlib.crc32(b"" if image is None else image.tobytes(), crc)
        crc = zlib.crc32(json.dumps(told, default=str).encode(), crc)
    return f"{len(sources)} sources, crc32 {crc:08x}"
