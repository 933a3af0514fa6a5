"""Makes a page on what training reaches on a device, and what bounds it, from the figures that were measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboard.machine import told
from leaderboard.output import read, write
from leaderboard.text import NONE, inline, percent, table

NAME = "device-*.json"
"""What the files of figures are called, one for each track and device; a page lies beside each."""

REST = "the rest"
IDLE = "the GPU's waiting for its host"


def write_pages(folder: Path) -> list[str]:
    """Write a page beside every file of figures in a folder, and return them; raise ``BenchError`` where that fails."""
    pages = []
    for path in sorted(folder.glob(NAME)):
        pages.append(page(json.loads(read(path))))
        write(path.with_suffix(".md"), pages[-1].encode())
    return pages


def page(figures: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    on_gpu = figures["idle"] is not None
    whole, busy = "wall time" if on_gpu else "CPU's time", 1 - (figures["idle"] or 0)
    of_whole = {part: busy * share for part, share in figures["shares"].items()} | ({IDLE: 1 - busy} if on_gpu else {})
    gain, replayed = figures["compiled_gain"], figures["replay_gain"]
    failed = f" torch.compile failed: {inline(figures['compile_failed'])}." if figures["compile_failed"] else ""
    most = max(of_whole, key=lambda part: of_whole[part])
    rows = {
        "images per second": f"{figures['images_per_second']:.4g}",
        "GFLOP of a training image": f"{figures['flops_per_image'] / 1e9:.3g}",
        "TFLOP/s of training": f"{figures['tflops']:.3g}",
        "TFLOP/s of square matrix products, the peak": f"{figures['peak_tflops']:.3g}",
        "training's share of the peak, %": percent(figures["share_of_peak"]),
        "times as fast replayed as launched anew": NONE if replayed is None else f"{replayed:.2f}",
        "times as fast under torch.compile": NONE if gain is None else f"{gain:.2f}",
    } | {f"{part}, % of the {whole}": percent(share) for part, share in of_whole.items()}
    shown = table(pd.DataFrame(rows.items(), columns=["figure", "value"]), ("figure",))
    return (
        f"# Training {inline(figures['architecture'])} on {inline(figures['machine']['device'])}\n\n"
        f"The largest part of it is **{most}**: {percent(of_whole[most])} % of the {whole}.\n\n{shown}\n\n"
        f"By the recipe of track `{figures['track']}`, {figures['precision']}, batches of {figures['batch_size']}: "
        f"{figures['images']} images of noise an epoch, the median of {len(figures['epoch_seconds'])} epochs. "
        f"{told(figures['machine'])}. Measured on {figures['created'][:10]}.{failed}\n"
    )
