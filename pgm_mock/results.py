"""Results as an xarray DataTree with ArviZ's groups, dimensions and names."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .model import OBSERVED
from .observation import Observation
from .priors import Priors
from .psf import PSF, GaussianPSF, parse_psf
from .scene import Parameter, Scene

if TYPE_CHECKING:
    import xarray

BACKGROUND_MAP = "background_map"
PIXEL = "pixel"
"""Dimension of the exposed pixels one after the other, where ArviZ wants a single one."""
_IMAGE_DIMENSIONS: dict[str, Any] = {name: ["y", "x"] for name in (OBSERVED, "exposure", BACKGROUND_MAP)}
_PACKAGES = ("pgm-mock", "numpyro", "jax", "arviz", "astropy", "numpy")


def data_tree(
    groups: Mapping[str, Mapping[str, Any]],
    observation: Observation,
    priors: Priors,
    *,
    conditioned: bool = False,
    attrs: Mapping[str, Any] | None = None,
) -> "xarray.DataTree":
    """Make a DataTree of arrays whose first two axes are chain and draw, with names, units and coordinates.

    Args:
        groups: for each group its variables; `counts` has the further axes (y, x).
        observation: gives the coordinates.
        priors: those that the groups were computed with.
        conditioned: whether on the observation, which then gives the groups `observed_data` and `constant_data`.
        attrs: attributes of every group, such as the seed.
    """
    from arviz_base import from_dict

    everything: dict[str, Mapping[str, Any]] = {name: dict(group) for name, group in groups.items()}
    if conditioned:
        everything["observed_data"] = {OBSERVED: observation.counts}
        constant = {"exposure": observation.exposure}
        if observation.background_map is not None:
            constant[BACKGROUND_MAP] = observation.background_map
        everything["constant_data"] = constant
    coordinates = {"x": observation.columns[0], "y": observation.rows[:, 0]}
    tree = from_dict(
        everything,
        coords=coordinates,
        dims=_IMAGE_DIMENSIONS | {name: [plate] for plate, _, names in priors.plates() if plate for name in names},
        attrs={"/": provenance() | {"scene": priors.scene.describe()} | dict(attrs or {})},
    )
    for group in tree.children.values():
        _label(group, observation, priors.parameters)
    if conditioned:
        described = {f"prior_{name}": text for name, text in priors.describe().items()}
        place = {"name": observation.name, "origin": list(observation.origin)}
        if observation.wcs is not None:
            place["wcs"] = observation.wcs.to_header_string(relax=True)
        tree["constant_data"].attrs.update(place | described | {"flux_unit": observation.flux_unit})
    return tree


def fitted_to(posterior: "xarray.DataTree", psf: PSF | None = None) -> tuple[Observation, Priors]:
    """Return the stamp, and the priors with the PSF, that a posterior was computed with, from what it holds.

    Raises:
        InputError: a tree that is not of `fit`, or one whose PSF cannot be read back, and none is given.
    """
    stamp, attrs = stamp_of(posterior), posterior["constant_data"].attrs
    described = {
        str(name).removeprefix("prior_"): str(text) for name, text in attrs.items() if str(name).startswith("prior_")
    }
    # Words that are no priors are told before a PSF that cannot be read back.
    return stamp, Priors.parse(described, GaussianPSF(), posterior.attrs.get("scene")).with_psf(psf_of(posterior, psf))


def parameters_of(tree: "xarray.DataTree", group: str = "posterior") -> dict[str, Parameter]:
    """Return the parameters of the model that a group has, in the model's order."""
    there = tree[group].data_vars
    return {name: one for name, one in scene_of(tree, group).parameters.items() if name in there}


def scene_of(tree: "xarray.DataTree", group: str = "posterior") -> Scene:
    """Return the scene that a posterior or mocks were computed with; that of the group's names, where none is told."""
    description = tree.attrs.get("scene")
    return Scene().naming(map(str, tree[group].data_vars)) if description is None else Scene.parse(str(description))


def stamp_of(posterior: "xarray.DataTree") -> Observation:
    """Return the stamp that a posterior was computed with, from what it holds.

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
    return Observation(
        counts=_observed_image(posterior),
        exposure=values(posterior, "constant_data", "exposure"),
        origin=(int(attrs["origin"][0]), int(attrs["origin"][1])),
        wcs=wcs,
        exposure_unit=constant["exposure"].attrs["units"],
        unit_source="as fitted",
        name=attrs["name"],
        background_map=values(posterior, "constant_data", BACKGROUND_MAP) if BACKGROUND_MAP in constant else None,
    )


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
            f"psf: expected the posterior's PSF, as psf=... or in priors=..., since it cannot be read back from "
            f"{described!r}; found none"
        ) from error


def provenance() -> dict[str, str]:
    """The versions of this package and of those that its numbers depend on."""
    return {f"version_{name}".replace("-", "_"): _version(name) for name in _PACKAGES}


def creator() -> str:
    """What wrote a file: this package and its version."""
    return f"pgm_mock {provenance()['version_pgm_mock']}"


def label_parameter(variable: "xarray.DataArray", parameter: Parameter, observation: Observation) -> None:
    """Give a parameter's values their unit, meaning and symbol."""
    from astropy import units

    flux = observation.flux_unit
    unit_of = {"flux": flux, "flux / pixel": (units.Unit(flux) / units.pix).to_string()}
    unit = unit_of.get(parameter.unit, parameter.unit)
    variable.attrs.update(units=unit, long_name=parameter.meaning, symbol=parameter.symbol)


def _label(group: "xarray.DataTree", observation: Observation, parameters: Mapping[str, Parameter]) -> None:
    """Give each known variable its unit and meaning."""
    for name, variable in group.data_vars.items():
        if str(name) in parameters:
            label_parameter(variable, parameters[str(name)], observation)
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
    return {name: flat(values(tree, group, name)) for name in parameters_of(tree, group)}


def flat(draws: np.ndarray) -> np.ndarray:
    """Put the chains of draws, shape (chain, draw, ...), one after the other."""
    return np.asarray(draws).reshape(-1, *np.shape(draws)[2:])
