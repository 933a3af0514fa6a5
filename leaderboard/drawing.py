"""What every figure begins and ends with: an empty one, and its PNG; matplotlib is loaded when one is drawn."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def empty(width: float, height: float) -> Figure:
    """Return a figure of that size, in inches."""
    from matplotlib.figure import Figure  # noqa: PLC0415  it takes a second

    return Figure(figsize=(width, height), layout="constrained")


def png(drawn: Figure) -> bytes:
    """Return a figure's PNG."""
    data = io.BytesIO()
    drawn.savefig(data, format="png", dpi="figure")
    return data.getvalue()
