"""The catalogue as one HTML page."""

from .images import Thumbnail
from .page import catalogue_page

__all__ = ["Thumbnail", "catalogue_page"]
