"""`pgm-mock fetch`."""

import sys
from argparse import Namespace

from ..download import archive_files, fetch
from .common import report


def run(options: Namespace) -> int:
    """Download and verify the real files."""
    paths = fetch(options.out, base_url=options.base_url, progress=sys.stderr.isatty())
    files = archive_files()[1]
    lines = [f"{path}: {file.what}, verified" for path, file in zip(paths, files, strict=True)]
    report(options, lines, {"files": [{"path": str(p), "what": f.what} for p, f in zip(paths, files, strict=True)]})
    return 0
