"""The package's shape: imports point one way, sampling stands in one place, the public names are there."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

import pgm_mock

PACKAGE = Path(pgm_mock.__file__).parent
LEVELS = [
    {"errors"},
    {"files", "resources", "random", "compilecache", "sampler", "plugins", "power"},
    {"pixels", "threefry", "fitsimage", "units", "slivers", "distributions", "arrays", "tablefiles"},
    {"psf", "observationfiles", "region", "sourcetables", "matching"},
    {"poisson", "observation"},
    {"scene", "skystamps", "vignetting"},
    {"expected", "jointprior", "priorsfile", "counts", "sourcelists", "ds9regions", "images"},
    {"priorbounds"},
    {"priors", "regions"},
    {"model"},
    {"results"},
    {"mock", "inference", "fieldmock", "mockheader", "identity"},
    {"calibration", "checks", "predictive", "detection", "planning", "population"},
    {"field"},
    {"summary", "graph", "plot", "play", "demo", "download"},
    {"catalogue", "course"},
    {"cli"},
]
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def top(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """Return the top-level modules of the package that a module imports, for typing alone or not."""
    found = set()
    depth = len(module.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level or not (node.module or "").startswith("pgm_mock"), f"{module}: absolute import"
    return found - {top(module)}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(module):
    name = top(module)
    if name in ("__init__", "__main__"):
        return
    for other in imported(module):
        assert LEVEL[other] < LEVEL[name], f"{module.name} (level {LEVEL[name]}) imports {other} (level {LEVEL[other]})"


def test_the_sampler_knows_nothing_of_images():
    for module in (PACKAGE / "sampler").glob("*.py"):
        assert imported(module) <= {"errors"}, module


def test_numpyro_sample_stands_in_the_model_alone():
    def calls(module):
        nodes = (node.func for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call))
        return {ast.unparse(function) for function in nodes}

    users = {top(module) for module in MODULES if "numpyro.sample" in calls(module)}
    assert users == {"model"}


def test_parts_are_found_without_an_import_of_their_own():
    """In a process that has imported nothing else: `pgm_mock.plot` must not hang on what was used before."""
    code = "import pgm_mock\nfor name in pgm_mock._PARTS: assert getattr(pgm_mock, name).__name__ == f'pgm_mock.{name}'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_can_be_looked_up_while_another_thread_loads_numpyro(monkeypatch):
    """A module that is being loaded stands there without its parts."""
    monkeypatch.setitem(sys.modules, "numpyro", types.ModuleType("numpyro"))
    assert pgm_mock.Observation.__name__ == "Observation"


def test_public_names_are_there_and_documented():
    for name in pgm_mock.__all__:
        assert getattr(pgm_mock, name).__doc__, name
    assert set(pgm_mock.__all__) == set(pgm_mock._WHERE)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pgm_mock.nonsense


def test_importing_changes_nothing_global():
    code = (
        "import jax, matplotlib\n"
        "def settings(): return {k: v for k, v in matplotlib.rcParams.items() if k != 'backend'}\n"
        "before = (jax.config.jax_enable_x64, settings())\n"
        "import pgm_mock\n"
        "for name in pgm_mock.__all__: getattr(pgm_mock, name)\n"
        "assert (jax.config.jax_enable_x64, settings()) == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        "import arviz, pgm_mock",
        "import arviz, numpyro.distributions, pgm_mock",
        "import pgm_mock, arviz; pgm_mock.Priors",
        "import pgm_mock; pgm_mock.Priors; import arviz",
    ],
)
def test_numpyro_is_whole_whatever_was_imported_first(order):
    """ArviZ puts off loading NumPyro, whose distributions then lack a part that NUTS asks for."""
    code = f"{order}; import numpyro.distributions; import numpyro; numpyro.distributions.distribution.Unit"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_posteriors_psf_is_its_own():
    """No function that takes a posterior falls back on a PSF that the posterior was not computed with."""
    takers = []
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            every = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            trees = [arg for arg in every if arg.arg == "posterior" or "DataTree" in ast.unparse(arg.annotation or arg)]
            ordered = node.args.posonlyargs + node.args.args
            defaults = dict(zip([a.arg for a in reversed(ordered)], reversed(node.args.defaults), strict=False))
            defaults |= {a.arg: d for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d}
            if trees and "psf" in defaults:
                takers.append(node.name)
                assert ast.unparse(defaults["psf"]) == "None", f"{module}: {node.name}"
    assert {"compute_log_likelihood", "plot_posterior_image", "mean_image", "plot_story"} <= set(takers)


def test_nothing_takes_priors_and_a_psf():
    """Priors hold the PSF that they are for: a function that takes both could be given two that do not belong."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                every = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                assert not {"priors", "psf"} <= {arg.arg for arg in every}, f"{module}: {node.name}"


def test_every_module_has_a_docstring():
    for module in MODULES:
        assert ast.get_docstring(ast.parse(module.read_text())), module


def test_no_assert_and_no_catch_all_in_the_package():
    """But where a student's function is called, or another package is loaded, which can fail in any way."""
    for module in MODULES:
        of_others = module.parts[-2:] in (("course", "answers.py"), ("pgm_mock", "plugins.py"))
        for node in ast.walk(ast.parse(module.read_text())):
            assert not isinstance(node, ast.Assert), module
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, module
                assert getattr(node.type, "id", "") not in ("Exception", "BaseException") or of_others, module


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "data/README.md"])
def test_documents_name_things_that_exist(name):
    """Every `pgm_mock.name` that a document mentions is public, every file in backticks exists."""
    text = (PACKAGE.parent / name).read_text()
    for public in re.findall(r"pgm_mock\.([A-Za-z_]+)\(", text):
        assert hasattr(pgm_mock, public), public
    for module in re.findall(r"`([a-z_]+)\.py`", text):
        assert any(path.stem == module for path in MODULES), module


def test_version_is_the_changelogs():
    version = importlib.metadata.version("pgm-mock")
    assert f"## {version}" in (PACKAGE.parent / "CHANGELOG.md").read_text()


def test_every_folder_of_the_package_is_installed():
    """The list in pyproject.toml, against the folders that hold modules."""
    listed = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {".".join(module.parent.relative_to(PACKAGE.parent).parts) for module in MODULES}
    assert set(listed) == folders | {"pgm_mock.data"}


def _code_lines(node: ast.AST) -> int:
    """Count the lines of a function or class, without its docstrings."""
    inside = [one for one in ast.walk(node) if isinstance(one, (ast.FunctionDef, ast.ClassDef))]
    words = [len((ast.get_docstring(one, clean=False) or "").splitlines()) for one in inside]
    return node.end_lineno - node.lineno + 1 - sum(words)


def test_nothing_is_long():
    """A module is read in one sitting, a function on one screen; docstrings are not counted in the latter."""
    for module in MODULES:
        text = module.read_text()
        assert len(text.splitlines()) <= 300, module
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert _code_lines(node) <= 60, f"{module}: {node.name}"
            if isinstance(node, ast.ClassDef):
                assert _code_lines(node) <= 150, f"{module}: {node.name}"
