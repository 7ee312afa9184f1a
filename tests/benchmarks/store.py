"""A file of finished mocks, a line of JSON each: what is there is not computed again."""

import json
from pathlib import Path
from typing import Any, Self


class Store:
    """Rows that are kept as they come.

    Attributes:
        rows: all of them, those of earlier runs first.
    """

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        self._path = path

    def __enter__(self) -> Self:
        self._stream = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def add(self, row: dict[str, Any]) -> None:
        """Keep one more."""
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()
        self.rows.append(row)
