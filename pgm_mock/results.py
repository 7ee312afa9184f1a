"""Results as an xarray DataTree with ArviZ's groups, dimensions and names."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .model import NEIGHBOURS, OBSERVED
from .observation import Observation
from .priors import ALL_SITES, EXTRA_SITES, Priors
from .psf import PSF, parse_psf

if TYPE_CHECKING:
    import xarray

BACKGROUND_MAP = "background_map"
PIXEL = "pixel"
"""Dimension of the exposed pixels one after the other, where ArviZ wants a single one."""
_NEIGHBOUR_DIMENSION = {name: [NEIGHBOURS] for name, site in EXTRA_SITES.items() if site.plural}
_IMAGE_DIMENSIONS: dict[str, Any] = {name: ["y", "x"] for name in (OBSERVED, "exposure", BACKGROUND_MAP)}
_PACKAGES = ("pgm-mock", "numpyro", "jax", "arviz", "astropy", "numpy")


def data_tree(
    groups: Mapping[str, Mapping[str, Any]],
    observation: Observation,
    *,
    priors: Priors | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> "xarray.DataTree":
    """Make a DataTree of arrays whose first two axes are chain and draw, with names, units and coordinates.

    Args:
        groups: for each group its variables; `counts` has the further axes (y, x).
        observation: gives the coordinates, and the groups `observed_data` and `constant_data` where `priors` are given.
        priors: those that the groups were computed with.
        attrs: attributes of every group, such as the seed.
    """
    from arviz_base import from_dict

    everything: dict[str, Mapping[str, Any]] = {name: dict(group) for name, group in groups.items()}
    if priors is not None:
        everything["observed_data"] = {OBSERVED: observation.counts}
        constant = {"exposure": observation.exposure}
        if observation.background_map is not None:
            constant[BACKGROUND_MAP] = observation.background_map
        everything["constant_data"] = constant
    coordinates = {"x": observation.columns[0], "y": observation.rows[:, 0]}
    tree = from_dict(
        everything,
        coords=coordinates,
        dims=_IMAGE_DIMENSIONS | _NEIGHBOUR_DIMENSION,
        attrs={"/": provenance() | dict(attrs or {})},
    )
    for group in tree.children.values():
        _label(group, observation)
    if priors is not None:
        described = {f"prior_{name}": text for name, text in priors.describe().items()}
        place = {"name": observation.name, "origin": list(observation.origin)}
        if observation.wcs is not None:
            place["wcs"] = observation.wcs.to_header_string(relax=True)
        tree["constant_data"].attrs.update(place | described | {"flux_unit": observation.flux_unit})
    return tree


def fitted_to(posterior: "xarray.DataTree") -> tuple[Observation, Priors]:
    """Return the stamp and the priors that a posterior was computed with, from what it holds.

    Raises:
        InputError: a tree that is not of `fit`.
    """
    if "constant_data" not in posterior.children or "observed_data" not in posterior.children:
        raise InputError("posterior: expected the groups observed_data and constant_data of a fit, found none")
    constant = posterior["constant_data"]
    attrs = constant.attrs
    wcs = None
    if "wcs" in attrs:
        from astropy.wcs import WCS

        wcs = WCS(attrs["wcs"])
    stamp = Observation(
        counts=_observed_image(posterior),
        exposure=values(posterior, "constant_data", "exposure"),
        origin=(int(attrs["origin"][0]), int(attrs["origin"][1])),
        wcs=wcs,
        exposure_unit=constant["exposure"].attrs["units"],
        unit_source="as fitted",
        name=attrs["name"],
        background_map=values(posterior, "constant_data", BACKGROUND_MAP) if BACKGROUND_MAP in constant else None,
    )
    return stamp, Priors.parse({name: str(attrs[f"prior_{name}"]) for name in ALL_SITES if f"prior_{name}" in attrs})


def _observed_image(posterior: "xarray.DataTree") -> np.ndarray:
    """The observed counts as an image (ny, nx), also where the tree has the exposed pixels one after the other."""
    observed = posterior["observed_data"].to_dataset()[OBSERVED]
    if PIXEL not in observed.dims:
        return observed.values
    exposed = values(posterior, "constant_data", "exposure") > 0
    image = np.zeros(exposed.shape, int)
    image[exposed] = observed.values
    return image


def psf_of(posterior: "xarray.DataTree", psf: PSF | None = None) -> PSF:
    """Return the PSF that a posterior was computed with, as it records it; one that is given goes before.

    Raises:
        InputError: a posterior that records none, or one that cannot be read back: an own class, or an image that is
            in no file any more.
    """
    if psf is not None:
        return psf
    described = str(posterior.attrs.get("psf", "none"))
    try:
        return parse_psf(described)
    except InputError as error:
        raise InputError(
            f"psf: expected the posterior's PSF as psf=..., since it cannot be read back from {described!r}; found none"
        ) from error


def provenance() -> dict[str, str]:
    """The versions of this package and of those that its numbers depend on."""
    return {f"version_{name}".replace("-", "_"): _version(name) for name in _PACKAGES}


def label_parameter(variable: "xarray.DataArray", name: str, observation: Observation) -> None:
    """Give a parameter's values their unit and meaning."""
    from astropy import units

    site, flux = ALL_SITES[name], observation.flux_unit
    unit_of = {"flux": flux, "flux / pixel": (units.Unit(flux) / units.pix).to_string()}
    variable.attrs.update(units=unit_of.get(site.unit, site.unit), long_name=site.meaning)


def _label(group: "xarray.DataTree", observation: Observation) -> None:
    """Give each known variable its unit and meaning."""
    for name, variable in group.data_vars.items():
        if str(name) in ALL_SITES:
            label_parameter(variable, str(name), observation)
        elif name == OBSERVED:
            variable.attrs.update(units="ct / pix", long_name="counts")
        elif name == "exposure":
            variable.attrs.update(units=observation.exposure_unit, long_name="exposure")
        elif name == BACKGROUND_MAP:
            variable.attrs.update(units="ct / pix", long_name="background map")
    for axis in ("x", "y"):
        if axis in group.coords:
            group.coords[axis].attrs.update(units="pixel", long_name=f"FITS image coordinate {axis}")


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def values(tree: "xarray.DataTree", group: str, name: str) -> np.ndarray:
    """The values of one variable of a group."""
    return tree[group].to_dataset()[name].values


def posterior_means(posterior: "xarray.DataTree") -> dict[str, Any]:
    """The posterior mean of each parameter that the posterior has; arrays of shape (m,) for m neighbours."""
    return {name: draws.mean(axis=0)[()] for name, draws in flat_draws(posterior).items()}


def flat_draws(tree: "xarray.DataTree", group: str = "posterior") -> dict[str, np.ndarray]:
    """All draws of each parameter that the group has, shape (n,), or (n, m) for m neighbours."""
    found = {}
    for name in ALL_SITES:
        if name in tree[group].data_vars:
            found[name] = flat(values(tree, group, name))
    return found


def flat(draws: np.ndarray) -> np.ndarray:
    """Put the chains of draws, shape (chain, draw, ...), one after the other."""
    return np.asarray(draws).reshape(-1, *np.shape(draws)[2:])
