"""Checks of part 2: the nodes of the graph and the factors of the joint probability."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .answers import WrongAnswer, need, right
from .reference import NAMES

KINDS = ("stochastic", "deterministic", "constant", "observed")
_MU_PARENTS = {*NAMES, "t"}


def check_graph(nodes: Mapping[str, tuple[str, Iterable[str]]], plate: Iterable[str]) -> None:
    """Look at a probabilistic graphical model written as a dictionary.

    Args:
        nodes: for each node its kind, one of "stochastic", "deterministic", "constant" and "observed", and the nodes
            whose arrows point at it. The names are x_pos, y_pos, flux, background, psf_width, t, mu and N.
        plate: the nodes that are repeated in each pixel.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    need(isinstance(nodes, Mapping) and nodes, "nodes is still empty.")
    names = {*NAMES, "t", "mu", "N"}
    for name in sorted(names - set(nodes)):
        raise WrongAnswer(f"the node {name} is missing.")
    for name in sorted(set(nodes) - names):
        raise WrongAnswer(f"there is no quantity {name} in this model.")
    kinds = {name: kind for name, (kind, _) in nodes.items()}
    parents = {name: {above} if isinstance(above, str) else set(above) for name, (_, above) in nodes.items()}
    for name, kind in kinds.items():
        need(kind in KINDS, f"{name}: the kind should be one of {', '.join(KINDS)}; it is {kind!r}.")
    need(kinds["t"] == "constant", "t is not drawn from a distribution: the exposure is known, a constant.")
    said = "mu is computed from what points at it and nothing is left to chance: it is deterministic."
    need(kinds["mu"] == "deterministic", said)
    need(kinds["N"] == "observed", "N is what the telescope recorded: the observed node.")
    for name in NAMES:
        need(kinds[name] == "stochastic", f"{name} is unknown and has a prior: a stochastic node.")
        need(not parents[name], f"nothing points at {name}: its prior does not depend on another quantity.")
    need(not parents["t"], "nothing points at t: it is given.")
    if parents["N"] != {"mu"}:
        extra = ", ".join(sorted(parents["N"] - {"mu"}))
        raise WrongAnswer(
            f"the counts depend on {extra} through mu alone: no arrow goes from there to N."
            if extra
            else "an arrow from mu to N is missing: mu is the mean of the counts."
        )
    for name in sorted(_MU_PARENTS - parents["mu"]):
        raise WrongAnswer(f"an arrow from {name} to mu is missing.")
    need(parents["mu"] == _MU_PARENTS, "N does not point at mu: arrows go from what determines to what is determined.")
    inside = set(plate.replace(",", " ").split() if isinstance(plate, str) else plate)
    need(inside >= {"t", "mu", "N"}, "t, mu and N are repeated in each pixel: all three stand in the plate.")
    need(inside == {"t", "mu", "N"}, "the parameters are the same for all pixels: they stand outside the plate.")
    right("five parameters, one constant and one deterministic node, and counts in a plate over the pixels.")


def check_factors(factors: Any) -> None:
    """Look at the joint probability written as a list of factors, such as "p(flux)" or "p(N | mu)".

    Raises:
        WrongAnswer: which says what is wrong.
    """
    need(factors is not None and factors is not Ellipsis, "factors is still empty.")
    need(not isinstance(factors, str), "factors should be a list of texts, one for each factor.")
    found = dict(_read(str(factor)) for factor in factors)
    need("t" not in found, "t is no random quantity: it stands behind the bar, and has no factor of its own.")
    for name in NAMES:
        need(name in found, f"the prior of {name} is missing.")
        need(not found[name], f"the prior of {name} depends on nothing: p({name}).")
    need("mu" in found, "the factor of mu is missing: a delta function at the value that the parameters give.")
    need("N" in found, "the sampling distribution of the counts, p(N | ...), is missing.")
    need(found["N"] == {"mu"}, "given mu, the counts depend on nothing else: p(N | mu).")
    absent = ", ".join(sorted(_MU_PARENTS - found["mu"]))
    need(not absent, f"mu depends on {absent} as well.")
    need(found["mu"] == _MU_PARENTS, "mu depends on the five parameters and on t alone.")
    need(set(found) == {*NAMES, "mu", "N"}, "there are factors of quantities that the model does not have.")
    right("the priors, a delta function for mu, and the product over pixels of p(N | mu).")


def _read(factor: str) -> tuple[str, set[str]]:
    match = re.fullmatch(r"\s*p\(\s*(\w+)\s*(?:\|([^)]*))?\)\s*", factor)
    if match is None:
        raise WrongAnswer(f"{factor!r} is not of the form p(a) or p(a | b, c), with one name before the bar.")
    return match[1], {name for name in re.split(r"[,\s]+", match[2] or "") if name}
