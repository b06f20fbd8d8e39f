"""A figure on paper, drawn by matplotlib; imported only when something is exported.

Data are mapped by the same `Scale` as on the screen and placed as fractions of the axes, so matplotlib's own
scales, limits and autoscaling never take part.
"""

from explorer.drawing.sheet import render

__all__ = ["render"]
