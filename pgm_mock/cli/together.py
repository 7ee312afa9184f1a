"""`pgm-mock fit` of several images of one sky."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import file_names, output_folder, replacing
from ..images import Images
from ..regions import Region
from ..results import values
from ..skystamps import SkyStamps
from .common import offset_of, progress, save_figure
from .fit import fit_each, regions_of

if TYPE_CHECKING:
    import xarray

    from ..catalogue.sources import Source, Sources


def run_together(options: Namespace, images: Images) -> int:
    """Fit each source in all images together, and write posterior and picture for each."""
    if options.priors or options.components:
        raise InputError("--priors, --component: expected one image, found several")
    regions = regions_of(options, images[0].observation)
    sources = _sources(options, images, regions)
    if len(regions) == 1 and sources[0].together is None:
        raise InputError(sources[0].reason)
    folder = output_folder(options.out)
    progress(f"{len(images)} images: {', '.join(images.names)}")
    progress(f"fitting {len(regions)} source{'s' * (len(regions) > 1)}; the first one compiles the model")
    names = file_names(region.name for region in regions)
    return fit_each(options, sources, names, lambda source, name: _fit(options, source, folder, name))


def _sources(options: Namespace, images: Images, regions: list[Region]) -> "Sources":
    """Cut the stamps of all images when they are asked for."""
    from ..catalogue import Field
    from ..catalogue.sources import Settings, sources_of

    settings = Settings(
        options.psf,
        options.neighbours,
        gradient=False,
        half_size=options.half_size,
        psf_sampling=options.psf_sampling,
        offset=offset_of(options),
    )
    return sources_of([Field.of_images(images, regions)], settings)


def _fit(options: Namespace, source: "Source", folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Fit one source, write what was found, and return it in one line and as numbers."""
    from ..inference import fit
    from ..plot import plot_images

    if source.together is None:
        raise InputError(source.reason)
    together = source.together
    posterior = fit(together.stamps, together.priors, method=options.method, seed=options.seed)
    with replacing(folder / f"{name}.nc") as temporary:
        posterior.to_netcdf(temporary, engine="h5netcdf")
    save_figure(plot_images(together.stamps, posterior), folder / f"{name}_images.png")
    return _line(source.name, together.stamps, posterior), _numbers(together.stamps, posterior)


def _numbers(stamps: SkyStamps, posterior: "xarray.DataTree") -> dict[str, Any]:
    """Medians and 68 % intervals of the place and of each image's flux, and the attributes that are numbers."""
    attrs = {str(key): value for key, value in posterior.attrs.items()}
    found: dict[str, Any] = {axis: float(np.median(values(posterior, "posterior", axis))) for axis in ("ra", "dec")}
    fluxes = values(posterior, "posterior", "flux").reshape(-1, len(stamps))
    quantiles = np.quantile(fluxes, (0.16, 0.5, 0.84), axis=0).T
    found["fluxes"] = {name: each.tolist() for name, each in zip(stamps.names, quantiles, strict=True)}
    of_images = {key: value for key, value in attrs.items() if key.startswith(("flux_ul95", "ln_ratio"))}
    names = ("ln_bayes_factor", "ln_bayes_variable", "khat", "ess")
    found |= of_images | {name: attrs[name] for name in names if name in attrs}
    return found | {"problems": attrs["problems"], "left_out": list(stamps.left_out)}


def _line(name: str, stamps: SkyStamps, posterior: "xarray.DataTree") -> str:
    """Say the place and each image's flux, or its limit where there may be none, in one line."""
    numbers, unit = _numbers(stamps, posterior), stamps.images[0].observation.flux_unit
    spreads = [float(np.std(values(posterior, "posterior", axis))) for axis in ("east", "north")]
    sd = float(np.hypot(spreads[0], spreads[1]))
    words = []
    for image, (low, middle, high) in numbers["fluxes"].items():
        limit = numbers.get(f"flux_ul95_{image}")
        faint = limit is not None and high - low > middle
        said = f"< {limit:.3g}" if faint else f"{middle:.3g} -{middle - low:.2g} +{high - middle:.2g}"
        words.append(f"{image} {said}")
    place = f"RA {numbers['ra']:.6f} Dec {numbers['dec']:+.6f} ({sd:.2g}″)"
    bayes = f"ln Bayes {numbers['ln_bayes_factor']:.1f}; " if "ln_bayes_factor" in numbers else ""
    blind = f"; not seen by {', '.join(stamps.left_out)}" if stamps.left_out else ""
    doubt = f"; WARNING: {numbers['problems']}" if numbers["problems"] else ""
    method = posterior.attrs["tried"].split("; ")[-1]
    return f"{name}: {place}: {', '.join(words)} {unit}; {bayes}{method}{blind}{doubt}"
