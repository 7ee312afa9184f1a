"""`pgm-mock graph`."""

from argparse import Namespace

from ..graph import model_graph
from .common import report, use_files_only


def run(options: Namespace) -> int:
    """Write the graph, and print the factorised joint probability."""
    use_files_only()
    graph = model_graph()
    graph.save(options.out)
    text = {"file": options.out, "factorisation": graph.factorisation(), "latex": graph.latex()}
    summary = text | {"edges": graph.edges, "observed": list(graph.observed), "plate": list(graph.plate)}
    report(options, [f"wrote {options.out}", text["factorisation"], text["latex"]], summary)
    return 0
