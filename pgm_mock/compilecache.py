"""Compiled programs that are kept on disk, so that they are compiled once on a machine and not once in a session."""

import os
from pathlib import Path

from .errors import warn


def keep_compiled(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """Keep JAX's compiled programs on disk, and take from there those that an earlier session compiled.

    The first fit of a session traces and compiles for ten seconds; with this it does so only once on a machine. A new
    version of JAX or of this package does it anew. Where a session replaces functions of the package by its own, their
    programs are not taken from there and not left there. It is a choice for the whole session, which is why no function
    of the package makes it but the commands.

    Args:
        folder: where to; by default the folder that JAX_COMPILATION_CACHE_DIR names, else `pgm_mock/compiled` in the
            user's cache folder (XDG_CACHE_HOME, else `~/.cache`). It is made where it is not there.

    Returns:
        The folder; None where it cannot be written to and nothing is kept (a DataWarning says so of a folder that was
        asked for), or where the variable holds an address with "://", which JAX takes by itself.
    """
    import jax

    asked = folder
    if folder is None and (chosen := os.environ.get("JAX_COMPILATION_CACHE_DIR")):
        if "://" in chosen:  # not a folder of this machine, and JAX takes it as it is
            return None
        folder = chosen
    try:
        path = _default() if folder is None else Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(path)
    except (OSError, RuntimeError):  # the second where the user has no home
        if asked is not None:
            found = f"expected a folder that can be written to, found {os.fspath(asked)}"
            warn(f"folder: {found}; compiled programs are not kept")
        return None
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return path


def _default() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgm_mock" / "compiled"
