"""Figures and the loupe: how the book shows pictures.

`figures` draws crops pixel by pixel and training curves, `maps` draws numbers (errors, spectra, filters,
feature maps). Interactive, in a page without a kernel: `viewer` makes the comparison of pictures, `laboratory` the lab
of chapter 2, `rearrangement` the pixel shuffle of chapter 4. Pictures are (1, 3, H, W) or (1, 1, H, W) in [0, 1], or
(H, W, 3) arrays, everywhere.
"""

from .figures import PALETTE, curves, grid, style
from .laboratory import Laboratory, lab
from .maps import difference, features, filters, spectrum
from .rearrangement import Shuffle, shuffle
from .viewer import Loupe, loupe

__all__ = [
    "PALETTE",
    "Laboratory",
    "Loupe",
    "Shuffle",
    "curves",
    "difference",
    "features",
    "filters",
    "grid",
    "lab",
    "loupe",
    "shuffle",
    "spectrum",
    "style",
]
