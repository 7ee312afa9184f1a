"""The catalogue as one HTML page."""

from .images import Thumbnail
from .page import MOST_IMAGES, catalogue_page

__all__ = ["MOST_IMAGES", "Thumbnail", "catalogue_page"]
