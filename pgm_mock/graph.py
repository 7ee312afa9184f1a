"""The graph of the model: drawn, written as DOT, and read out as the factorised joint probability."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .files import replacing
from .inference.together import ImagesPriors
from .model import EXPECTED, OBSERVED, pixels_model
from .observation import Observation
from .priors import Priors
from .skystamps import SkyStamps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLATE = "pixel"
_INDICES = "jlmnpq"
"""Of plates beside that of the pixels, which have k."""
_SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".gv")


@dataclass(frozen=True)
class ModelGraph:
    """The nodes and edges of the model, as NumPyro finds them by tracing it.

    Attributes:
        parents: for each site, in the model's order, the sites that it depends on directly.
        distributions: for each site the name of its distribution; "Deterministic" for a function of its parents.
        plates: the sites that exist once for each pixel, and once for each neighbour where there are some.
        observed: the sites that are conditioned on.
        symbols: of the sites, in LaTeX.
    """

    parents: dict[str, tuple[str, ...]]
    distributions: dict[str, str]
    plates: dict[str, tuple[str, ...]]
    observed: tuple[str, ...]
    symbols: dict[str, str] = field(repr=False)

    @property
    def indices(self) -> dict[str, str]:
        """The letter that counts in each plate."""
        other_plates = [plate for plate in self.plates if plate != PLATE]
        return dict(zip(other_plates, _INDICES, strict=False)) | {PLATE: "k"}

    @property
    def plate(self) -> tuple[str, ...]:
        """The sites that exist once for each pixel."""
        return self.plates[PLATE]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """(parent, child) for each arrow."""
        return [(parent, child) for child, parents in self.parents.items() for parent in parents]

    @property
    def source(self) -> str:
        """The graph in the DOT language, as `numpyro.render_model` writes it."""
        from numpyro.infer.inspect import generate_graph_specification, render_graph

        relations = {
            "sample_sample": {name: list(parents) for name, parents in self.parents.items()},
            "sample_dist": self.distributions,
            "plate_sample": {name: list(sites) for name, sites in self.plates.items()},
            "observed": list(self.observed),
        }
        return render_graph(generate_graph_specification(relations), render_distributions=True).source

    def factorisation(self) -> str:
        """The joint probability as a product over the sites, in plain text."""
        each = {name: _factor(name, parents, str, " | ", ", ") for name, parents in self.parents.items()}
        return f"p({', '.join(self.parents)}) = {self._product(each, ' ', 'prod_{} [', ']')}"

    def latex(self) -> str:
        """The joint probability as a product over the sites, in LaTeX without dollar signs."""
        each = {}
        for name, parents in self.parents.items():
            factor = _factor(name, parents, self.symbols.__getitem__, r" \mid ", ", ")
            each[name] = factor.replace("p(", r"\delta(", 1) if self.distributions[name] == "Deterministic" else factor
        many = {name for sites in self.plates.values() for name in sites}
        symbols = [r"\{" + self.symbols[name] + r"\}" if name in many else self.symbols[name] for name in self.parents]
        return f"p({', '.join(symbols)}) = {self._product(each, r' \, ', r'\prod_{} ', '')}"

    def _product(self, factors: dict[str, str], times: str, begin: str, end: str) -> str:
        many = {name for sites in self.plates.values() for name in sites}
        parts = [factor for name, factor in factors.items() if name not in many]

        def of(plate: str, *inner: str) -> str:
            sites = set(self.plates[plate]) - (set(self.plate) if inner else set())
            inside = [factor for name, factor in factors.items() if name in sites]
            return f"{begin.replace('{}', self.indices[plate])}{times.join([*inside, *inner])}{end}"

        outer = self._around_pixels
        for plate in self.plates:
            if plate == outer:
                parts.append(of(plate, of(PLATE)))
            elif plate != PLATE or outer is None:
                parts.append(of(plate))
        return times.join(parts)

    @property
    def _around_pixels(self) -> str | None:
        """The plate that the pixels are in, where they are in one."""
        inner = set(self.plate)
        return next((plate for plate, sites in self.plates.items() if plate != PLATE and inner <= set(sites)), None)

    def plot(self) -> "Figure":
        """Draw circles for the sites, dashed where deterministic, grey where observed, and the plates."""
        from matplotlib.figure import Figure

        positions = self._layout()
        width = max(x for x, _ in positions.values()) + 1.0
        depth = max(y for _, y in positions.values()) + 1.0
        figure = Figure(figsize=(1.25 * width + 0.5, 1.25 * depth + 0.7))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-0.7, width - 0.3), ylim=(-(depth - 1) - 1.05, 0.65), aspect="equal")
        axes.axis("off")
        for plate in self.plates:
            _draw_plate(self, axes, positions, plate)
        for parent, child in self.edges:
            _draw_arrow(axes, positions[parent], positions[child])
        for name, (x, y) in positions.items():
            _draw_node(self, axes, name, x, -y)
        return figure

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture (.svg, .png, .pdf) or the DOT source (.dot, .gv), by the file's suffix.

        Raises:
            InputError: another suffix, or a folder that cannot be written to.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in _SUFFIXES:
            raise InputError(
                f"{os.fspath(path)}: expected a name that ends in {', '.join(_SUFFIXES)}, found {suffix!r}"
            )
        with replacing(path) as temporary:
            if suffix in (".dot", ".gv"):
                temporary.write_text(self.source, encoding="utf-8")
            else:
                self.plot().savefig(temporary, format=suffix[1:], dpi=200)

    def _repr_png_(self) -> bytes:
        """Show the picture in a notebook."""
        from io import BytesIO

        buffer = BytesIO()
        self.plot().savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()

    def _layout(self) -> dict[str, tuple[float, float]]:
        """Place each node on the layer that its longest chain of parents asks for.

        Each plate has columns of its own, right of those that are in none; what is in the pixels' stands in the middle.
        """
        layer: dict[str, int] = {}
        for name, parents in self.parents.items():
            layer[name] = 1 + max((layer[parent] for parent in parents), default=-1)
        plates = {name: plate for plate, names in self.plates.items() for name in names}
        groups: dict[str, list[list[str]]] = {}
        for plate in ("", *(one for one in self.plates if one != PLATE), PLATE):
            inside = [name for name in layer if plates.get(name, "") == plate]
            groups[plate] = [[n for n in inside if layer[n] == depth] for depth in sorted(set(layer.values()))]
        widths = {plate: max(map(len, rows)) for plate, rows in groups.items()}
        other_widths = sum(width for plate, width in widths.items() if plate != PLATE)
        widest = max(other_widths, widths[PLATE])
        step = 1.15 * max(1.0, widest / 6)  # wide layers stand further apart, so that arrows pass between the nodes
        positions: dict[str, tuple[float, float]] = {}
        left = (widest - other_widths) / 2
        columns: dict[str | None, tuple[float, float]] = {None: (0.0, widest)}
        for plate, rows in groups.items():
            columns[plate] = (left, widths[plate])
            start, width = columns[self._around_pixels if plate == PLATE else plate]
            for depth, names in enumerate(rows):
                first = start + (0.0 if plate == self._around_pixels else (width - len(names)) / 2)
                positions |= {name: (first + n, step * depth) for n, name in enumerate(names)}
            left += width
        return positions


def model_graph(
    observation: "Observation | SkyStamps | None" = None,
    priors: "Priors | ImagesPriors | None" = None,
) -> ModelGraph:
    """Trace the model and return its graph, conditioned on counts.

    Args:
        observation: by default one pixel, which has the same graph; or stamps of several images.
        priors: by default those of `Priors.default`; a fixed parameter is drawn as deterministic. With those of several
            images the graph has a plate of images, about the parameters that each of them has.
    """
    from numpyro.infer.inspect import get_model_relations

    if isinstance(priors, ImagesPriors):
        return _of_images(priors)
    if isinstance(observation, SkyStamps):
        raise InputError("priors: expected ImagesPriors beside the stamps of several images")
    observation = observation or Observation(counts=np.zeros((1, 1)), exposure=np.ones((1, 1)))
    priors = priors or Priors.default(observation)
    found = get_model_relations(pixels_model, (observation.pixels, priors, observation.counts))
    graph = ModelGraph(
        parents={name: tuple(parents) for name, parents in found["sample_sample"].items()},
        distributions=dict(found["sample_dist"]),
        plates={plate: tuple(names) for plate, _, names in priors.plates() if plate} | {PLATE: (EXPECTED, OBSERVED)},
        observed=tuple(found["observed"]),
        symbols={name: one.symbol for name, one in priors.parameters.items()} | {EXPECTED: r"\mu_k", OBSERVED: "N_k"},
    )
    for plate, letter in graph.indices.items():
        for name in graph.plates[plate]:
            graph.symbols[name] = re.sub("_[a-z]$", f"_{letter}", graph.symbols[name])
    return graph


def _of_images(priors: ImagesPriors) -> ModelGraph:
    """Return the graph of several images: that of one, whose position is the shared one plus an offset."""
    one = model_graph(None, priors.each[0])
    offsets = ("offset_east", "offset_north") if priors.offset > 0 else ()
    shared = ("east", "north")
    parents: dict[str, tuple[str, ...]] = dict.fromkeys((*shared, *offsets), ())
    parents |= dict.fromkeys(("x_pos", "y_pos"), (*shared, *offsets))
    parents |= {name: each for name, each in one.parents.items() if name not in ("x_pos", "y_pos")}
    normal = dict.fromkeys(shared, "TruncatedNormal") | dict.fromkeys(offsets, "Normal")
    symbols = {"east": r"\xi", "north": r"\eta", "offset_east": r"\delta_\xi", "offset_north": r"\delta_\eta"}
    return ModelGraph(
        parents=parents,
        distributions=one.distributions | normal | dict.fromkeys(("x_pos", "y_pos"), "Deterministic"),
        plates={"image": tuple(name for name in parents if name not in shared), PLATE: one.plate},
        observed=one.observed,
        symbols=one.symbols | symbols,
    )


def _factor(name: str, parents: tuple[str, ...], write: Any, given: str, comma: str) -> str:
    condition = given + comma.join(write(parent) for parent in parents) if parents else ""
    return f"p({write(name)}{condition})"


def _draw_node(graph: ModelGraph, axes: Any, name: str, x: float, y: float) -> None:
    from matplotlib.patches import Circle

    deterministic = graph.distributions[name] == "Deterministic"
    face = "0.8" if name in graph.observed else "white"
    style = {"ls": (0, (4, 2)) if deterministic else "-", "lw": 1.4, "ec": "black", "fc": face, "zorder": 3}
    axes.add_patch(Circle((x, y), 0.3, **style))
    symbol = graph.symbols[name]
    size = 12 if "mathrm" in symbol else 17  # a component's name must stay in the circle
    axes.text(x, y, f"${symbol}$", ha="center", va="center", fontsize=size, zorder=4)
    beside = {"xytext": (32, -4), "ha": "left"} if name in graph.plate else {"xytext": (0, 31), "ha": "center"}
    label = name.replace("_", " ")
    axes.annotate(label, (x, y), textcoords="offset points", fontsize=9, color="0.25", zorder=5, **beside)


def _draw_plate(graph: ModelGraph, axes: Any, positions: dict[str, tuple[float, float]], plate: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    inside = np.array([positions[name] for name in graph.plates[plate]])
    # A pixel's sites have their names beside them, the others' stand above.
    pixels = plate == PLATE
    left, top = inside.min(axis=0) - np.array([0.6 if pixels else 0.44, 0.42 if pixels else 0.58])
    right, bottom = inside.max(axis=0) + np.array([1.6 if pixels else 0.44, 0.5 if pixels else 0.55])
    box = FancyBboxPatch((left, -bottom), right - left, bottom - top, "round,pad=0,rounding_size=0.12")
    box.set(facecolor="none", edgecolor="0.45", linewidth=1.2)
    axes.add_patch(box)
    axes.text(
        right - 0.08,
        -bottom + 0.1,
        f"{plate.removesuffix('s')}s ${graph.indices[plate]}$",
        ha="right",
        va="bottom",
        fontsize=9,
        color="0.25",
    )


def _draw_arrow(axes: Any, parent: tuple[float, float], child: tuple[float, float]) -> None:
    start, end = np.array([parent[0], -parent[1]]), np.array([child[0], -child[1]])
    step = (end - start) / np.hypot(*(end - start)) * 0.3
    style = {
        "arrowstyle": "-|>,head_width=0.25,head_length=0.5",
        "lw": 1.1,
        "color": "black",
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", end - step, start + step, arrowprops=style, zorder=2)
