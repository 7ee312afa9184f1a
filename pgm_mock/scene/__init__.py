"""What the light of an image comes from: components with parameters and light, a scene of them, and their image."""

from ..pixels import Pixels
from .backgroundmap import BackgroundMap
from .beta import Beta
from .component import Component
from .elliptical import EllipticalBeta
from .light import Counts, Level, Light, Optics, Products
from .neighbours import PointSources
from .numbercounts import NumberCounts
from .parameter import Parameter
from .particles import Particles
from .pointsource import SOURCE, PointSource
from .registry import KINDS, component_called, know_component, known_component, load_packages, register_component
from .scene import Scene, known_parameters
from .sky import Sky

__all__ = [
    "KINDS",
    "SOURCE",
    "BackgroundMap",
    "Beta",
    "Component",
    "Counts",
    "EllipticalBeta",
    "Level",
    "Light",
    "NumberCounts",
    "Optics",
    "Parameter",
    "Particles",
    "Pixels",
    "PointSource",
    "PointSources",
    "Products",
    "Scene",
    "Sky",
    "component_called",
    "know_component",
    "known_component",
    "known_parameters",
    "load_packages",
    "register_component",
]
