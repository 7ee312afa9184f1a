"""Build the student's notebooks and the solutions from the one source of each.

    python notebooks/build.py            both
    python notebooks/build.py student    the exercises alone: nothing is executed
    python notebooks/build.py solutions --data a1835 --out /tmp/real    executed on the real files, somewhere else

The sources are scripts in jupytext's percent format: they can be read, compared and linted as Python. What a student is
to write stands between nbgrader's marks,

    ### BEGIN SOLUTION: what to write
    ...
    ### END SOLUTION

so that a lecturer who grades with nbgrader can go on from here. In the student's notebook the lines become
`raise NotImplementedError("what to write")`; a text cell with the tag "answer" becomes an empty answer, and a code cell
with the tag "solution" is left out.
"""

import argparse
import copy
import json
import re
import time
from pathlib import Path

import jupytext
from nbformat import NotebookNode, v4, write

HERE = Path(__file__).parent
SOURCES = sorted((HERE / "source").glob("*.py"))
_SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION: ([^\n]+)\n.*?^ *### END SOLUTION *$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^ *### (BEGIN SOLUTION: [^\n]+|END SOLUTION) *\n?", re.MULTILINE)
_TEMPORARY = re.compile(r"\S*/pgm_mock_course_\w+/")
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook_of(source: Path) -> NotebookNode:
    """Read a source; the cells are numbered, so that the same source gives the same file."""
    notebook = jupytext.read(source)
    cells = []
    for number, cell in enumerate(notebook.cells):
        make = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
        tags = cell.metadata.get("tags")
        cells.append(make(cell.source, metadata={"tags": tags} if tags else {}, id=f"cell-{number}"))
    return v4.new_notebook(cells=cells, metadata={"kernelspec": _KERNEL, "language_info": {"name": "python"}})


def student(notebook: NotebookNode) -> NotebookNode:
    """Take the solutions out."""
    made = copy.deepcopy(notebook)
    made.cells = [cell for cell in made.cells if "solution" not in cell.metadata.get("tags", [])]
    for cell in made.cells:
        if "answer" in cell.metadata.get("tags", []):
            cell.source = "*Write your answer here.*"
        cell.source = _SOLUTION.sub(
            lambda found: f"{found[1]}raise NotImplementedError({json.dumps(found[2].strip())})", cell.source
        )
    return made


def solved(notebook: NotebookNode) -> NotebookNode:
    """Take the marks of the solutions away; the tags of their cells stay."""
    made = copy.deepcopy(notebook)
    for cell in made.cells:
        cell.source = _MARK.sub("", cell.source).rstrip()
    return made


def executed(notebook: NotebookNode, folder: Path, data: str | None = None, keep_going: bool = False) -> NotebookNode:
    """Run a notebook from top to bottom.

    Args:
        notebook: which is changed.
        folder: to run in.
        data: the folder of the real files; by default the simulated field.
        keep_going: whether to go on after a cell that fails.
    """
    from nbclient import NotebookClient

    first = next(cell for cell in notebook.cells if "DATA = None" in cell.source)
    as_written = first.source
    if data is not None:
        first.source = as_written.replace("DATA = None", f"DATA = {data!r}")
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        allow_errors=keep_going,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    first.source = as_written
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = _TEMPORARY.sub("", output.text)
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["student", "solutions"], help="one of the two alone")
    parser.add_argument("--only", nargs="*", default=[], help="parts, such as 03")
    parser.add_argument("--data", help="the folder of the real files, for solutions")
    parser.add_argument("--out", type=Path, default=HERE, help="where the folders student and solutions are")
    options = parser.parse_args()
    for kind in ("student", "solutions"):
        (options.out / kind).mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if options.only and source.stem[:2] not in options.only:
            continue
        notebook, begin = notebook_of(source), time.monotonic()
        if options.what != "solutions":
            write(student(notebook), options.out / "student" / f"{source.stem}.ipynb")
        if options.what != "student":
            done = executed(solved(notebook), options.out, options.data)
            write(done, options.out / "solutions" / f"{source.stem}.ipynb")
        print(f"{source.stem}: {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
