"""Figures and the loupe: how the book shows pictures.

`figures` draws crops pixel by pixel and training curves, `maps` draws numbers (errors, spectra, filters,
feature maps), `viewer` makes the interactive comparison of a page. Pictures are (1, 3, H, W) or (1, 1, H, W)
in [0, 1], or (H, W, 3) arrays, everywhere.
"""

from .figures import PALETTE, curves, grid, style
from .maps import difference, features, filters, spectrum
from .viewer import Loupe, loupe

__all__ = [
    "PALETTE",
    "Loupe",
    "curves",
    "difference",
    "features",
    "filters",
    "grid",
    "loupe",
    "spectrum",
    "style",
]
