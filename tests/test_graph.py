"""The graph is pinned node by node and edge by edge, drawn without a dot program, and leaves nothing behind."""

import re
import xml.etree.ElementTree as ET

import matplotlib.image
import numpyro
import pytest

from pgm_mock import InputError, model_graph, stamp_model
from pgm_mock.scene import Scene


def test_nodes_edges_plate_and_observation():
    graph = model_graph()
    assert graph.edges == [(name, "expected_counts") for name in Scene().needed] + [("expected_counts", "counts")]
    assert graph.plate == ("expected_counts", "counts")
    assert graph.observed == ("counts",)
    assert graph.distributions == {
        "x_pos": "TruncatedNormal",
        "y_pos": "TruncatedNormal",
        "flux": "LogNormal",
        "background": "LogNormal",
        "psf_width": "LogNormal",
        "expected_counts": "Deterministic",
        "counts": "PoissonImage",
    }


def test_a_stamp_has_the_same_graph_and_a_fixed_parameter_is_deterministic(stamp, priors):
    assert model_graph(stamp, priors) == model_graph()
    fixed = model_graph(stamp, priors.replace(psf_width=1.0))
    assert fixed.distributions["psf_width"] == "Deterministic"
    assert fixed.edges == model_graph().edges


def test_source_is_numpyros_with_a_plate(stamp, priors):
    """Oracle: numpyro.render_model on the same model, which knows the edges but no plate for an image's pixels."""
    arguments = (stamp.exposure, stamp.columns, stamp.rows, priors, stamp.counts)
    theirs = numpyro.render_model(stamp_model, arguments, render_distributions=True).source
    ours = model_graph(stamp, priors).source

    def statements(text):
        return {line.strip() for line in text.splitlines()}

    assert statements(theirs) <= statements(ours)
    assert statements(ours) - statements(theirs) == {"subgraph cluster_pixel {", "label=pixel labeljust=r labelloc=b"}


def test_factorisation_is_read_from_the_graph(stamp, priors):
    assert model_graph().factorisation() == (
        "p(x_pos, y_pos, flux, background, psf_width, expected_counts, counts) = "
        "p(x_pos) p(y_pos) p(flux) p(background) p(psf_width) "
        "prod_k [p(expected_counts | x_pos, y_pos, flux, background, psf_width) p(counts | expected_counts)]"
    )
    latex = model_graph(stamp, priors.replace(psf_width=1.0)).latex()
    assert latex.startswith(r"p(x_0, y_0, F, b, \sigma, \{\mu_k\}, \{N_k\}) = p(x_0)")
    assert r"\delta(\sigma)" in latex
    assert r"\prod_k \delta(\mu_k \mid x_0, y_0, F, b, \sigma) \, p(N_k \mid \mu_k)" in latex


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "dot", "gv"])
def test_saved_by_suffix_without_a_dot_program(tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / f"pgm.{suffix}"
    model_graph().save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    content = path.read_bytes()
    if suffix == "svg":
        assert ET.fromstring(content).tag.endswith("svg")
    elif suffix == "png":
        picture = matplotlib.image.imread(path)
        assert picture.std() > 0.05
    elif suffix == "pdf":
        assert content.startswith(b"%PDF")
    else:
        assert re.search(rb"expected_counts -> counts", content)


def test_other_suffixes_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(InputError, match=r"pgm\.docx: expected a name that ends in \.svg, \.png, .* found '\.docx'"):
        model_graph().save(tmp_path / "pgm.docx")
    assert list(tmp_path.iterdir()) == []


def test_shows_itself_in_a_notebook():
    assert model_graph()._repr_png_().startswith(b"\x89PNG")


def test_every_label_is_inside_and_no_two_overlap():
    figure = model_graph().plot()
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
