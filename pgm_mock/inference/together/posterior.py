"""The posterior of several images of one source, and what it comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...priors import Priors
from ...psf import describe_psf, parse_psf
from ...results import provenance
from ...skystamps import SkyStamps
from .priors import ImagesPriors

if TYPE_CHECKING:
    import xarray

IMAGE = "image"
EAST, NORTH, OFFSET_EAST, OFFSET_NORTH = "east", "north", "offset_east", "offset_north"
_UNITS = {EAST: "arcsec", NORTH: "arcsec", OFFSET_EAST: "arcsec", OFFSET_NORTH: "arcsec", "ra": "deg", "dec": "deg"}
_MEANINGS = {
    EAST: "of the source from the place asked for",
    NORTH: "of the source from the place asked for",
    OFFSET_EAST: "astrometric offset of the image",
    OFFSET_NORTH: "astrometric offset of the image",
    "flux": "the source's counts per unit of exposure, over the whole plane",
    "background": "background per pixel, or normalisation of the background map",
    "background_norm": "normalisation of the background map",
}


@dataclass(frozen=True, eq=False)
class ImagesPosterior:
    """The posterior of several images of one source; `fit` hands it over as the DataTree of `tree()`.

    Attributes:
        stamps, priors: what it is the posterior of.
        method: "collapse" or "nuts".
        draws: equal-weight draws, shapes (chain, draw) of east and north [arcsec], (chain, draw, image) of offset_east,
            offset_north [arcsec], flux and background.
        statistics: of the draws under ArviZ's names, shape (chain, draw).
        numbers: khat, ess, log_evidence, ln_bayes_factor against no source; flux_ul95 of each image and of groups;
            ln_ratio of each image, of its best flux at the fitted place against none.
        weighted: the draws with their log_weight, shape (1, n) and (1, n, image); empty for NUTS.
        settings: seed and numbers of draws.
        tried: what was done, in order.
        problems: what is wrong with the computation, in words.
    """

    stamps: SkyStamps
    priors: ImagesPriors = field(repr=False)
    method: str
    draws: dict[str, np.ndarray] = field(repr=False)
    statistics: dict[str, np.ndarray] = field(repr=False)
    numbers: dict[str, float]
    weighted: dict[str, np.ndarray] = field(repr=False)
    settings: dict[str, Any]
    tried: tuple[str, ...]
    problems: tuple[str, ...] = ()

    def sky(self) -> tuple[np.ndarray, np.ndarray]:
        """Right ascension and declination of the draws, ICRS [degrees]."""
        return on_sky(self.stamps.ra, self.stamps.dec, self.draws[EAST], self.draws[NORTH])

    @staticmethod
    def of_each(
        stamps: SkyStamps, each: Sequence[Priors], draws: Mapping[str, np.ndarray]
    ) -> list[dict[str, np.ndarray]]:
        """Return for each image the draws of the parameters of its own model, shape (n,)."""
        shared = np.stack([draws[EAST], draws[NORTH]], axis=-1)[:, :, None]
        own = shared + np.stack([draws[OFFSET_EAST], draws[OFFSET_NORTH]], axis=-1)
        places = stamps.places + np.einsum("nij,cdnj->cdni", stamps.matrices, own)
        found = []
        for number, priors in enumerate(each):
            level = "background_norm" if "background_norm" in priors.free else "background"
            drawn = {"x_pos": places[..., number, 0], "y_pos": places[..., number, 1]}
            drawn |= {"flux": draws["flux"][..., number], level: draws["background"][..., number]}
            flat = {name: values.reshape(-1) for name, values in drawn.items()}
            rates = {
                name: draws[name][..., number].reshape(-1) for name in draws if name in priors and name not in flat
            }
            fixed = {name: prior for name, prior in priors.items() if name not in flat and name not in rates}
            size = len(flat["flux"])
            found.append(
                flat | rates | {name: np.full(size, np.asarray(value, float)) for name, value in fixed.items()}
            )
        return found

    @staticmethod
    def priors_of(posterior: "xarray.DataTree", stamps: SkyStamps) -> list[Priors]:
        """Return each image's priors, with its PSF, from what a posterior holds."""
        attrs, found = posterior.attrs, []
        for name in stamps.names:
            begin = f"prior_{name}_"
            described = {
                str(key).removeprefix(begin): str(value) for key, value in attrs.items() if str(key).startswith(begin)
            }
            found.append(Priors.parse(described, parse_psf(attrs[f"psf_{name}"])))
        return found

    def tree(self) -> "xarray.DataTree":
        """Return the posterior with ArviZ's groups, units, coordinates, and provenance."""
        from arviz_base import from_dict

        ra, dec = self.sky()
        groups: dict[str, Mapping[str, Any]] = {
            "posterior": self.draws | {"ra": ra, "dec": dec},
            "sample_stats": self.statistics,
        }
        if self.weighted:
            groups["importance_samples"] = self.weighted
        groups["observed_data"] = {f"counts_{one.name}": one.observation.counts for one in self.stamps.images}
        groups["constant_data"] = {f"exposure_{one.name}": one.observation.exposure for one in self.stamps.images}
        dimensions: dict[str, Any] = {name: [IMAGE] for name, values in self.draws.items() if values.ndim == 3}
        for one in self.stamps.images:
            dimensions |= {f"{kind}_{one.name}": [f"y_{one.name}", f"x_{one.name}"] for kind in ("counts", "exposure")}
        attributes: dict[str, Any] = {
            "method": self.method,
            "tried": "; ".join(self.tried),
            "problems": "; ".join(self.problems),
        }
        attributes |= {"name": self.stamps.name, "ra": self.stamps.ra, "dec": self.stamps.dec}
        attributes |= {
            f"psf_{n}": describe_psf(own.psf) for n, own in zip(self.priors.names, self.priors.each, strict=True)
        }
        attributes |= {f"prior_{key}": value for key, value in self.priors.describe().items()}
        tree = from_dict(
            groups,
            coords={IMAGE: np.array(self.stamps.names)},
            dims=dimensions,
            attrs={"/": provenance() | attributes | self.settings | self.numbers},
        )
        unit = self.stamps.images[0].observation.flux_unit
        units, meanings = _UNITS | {"flux": unit, "background": f"{unit} / pixel"}, dict(_MEANINGS)
        if names := self._of_maps():
            units["background"] = ""
            meanings["background"] += f" (of {', '.join(names)}); of any other image in {unit} / pixel"
        for group in ("posterior", "importance_samples"):
            for name in tree[group].data_vars if group in tree.children else ():
                attrs = {"units": units.get(str(name), ""), "long_name": meanings.get(str(name), "")}
                tree[group][str(name)].attrs.update({key: value for key, value in attrs.items() if value})
        return tree

    def _of_maps(self) -> list[str]:
        """Return the images whose "background" is the normalisation of a map."""
        if "background_norm" in self.draws:
            return []
        pairs = zip(self.priors.names, self.priors.each, strict=True)
        return [name for name, own in pairs if own["background"] == 0.0 and own.get("background_norm", 0.0) != 0.0]


def on_sky(ra: float, dec: float, east: np.ndarray, north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn arcsec east and north of a place into ICRS degrees."""
    from astropy import units
    from astropy.coordinates import SkyCoord

    frame = SkyCoord(ra, dec, unit="deg").skyoffset_frame()
    found = SkyCoord(east * units.arcsec, north * units.arcsec, frame=frame).transform_to("icrs")
    return found.ra.deg, found.dec.deg


def hardness_ratio(soft: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """Return (hard - soft) / (hard + soft) of draws of two rates.

    Of posterior draws it gives intervals that are right at few counts and at none, as both rates are positive in each
    draw (Park et al. 2006, whose Gamma priors are log-normal ones here).
    """
    soft, hard = np.asarray(soft, float), np.asarray(hard, float)
    return (hard - soft) / (hard + soft)
