"""Measures us beside other libraries, in one run: ``python -m tests.speed.peers --out FOLDER``, or ``nox -s peers``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bench.data import default_dir
from bench.errors import DataMissing
from bench.exact import exact
from leaderboard import peers_page
from leaderboard.output import write
from tests.speed.machine import machine
from tests.speed.peers.libraries import LIBRARIES
from tests.speed.peers.measuring import measure
from tests.speed.peers.setting import KINDS, network_of, settings


@exact()  # as the harness attacks: without TF32
def main() -> int:
    """Measure, and write the figures and the page made of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures and their page")
    parser.add_argument("--track", default="mnist", choices=["mnist", "digits"])
    parser.add_argument("--data-dir", type=Path, default=default_dir())
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--images", type=int, default=500, help="handed to each attack but C&W")
    parser.add_argument("--few", type=int, default=20, help="handed to C&W")
    parser.add_argument("--rounds", type=int, default=5, help="timings of each call")
    parser.add_argument("--epochs", type=int, help="of the network's training, in place of the track's")
    parser.add_argument("--attacks", default=",".join(KINDS), help="comma-separated")
    parser.add_argument("--leave-out", action="append", default=[], metavar="LIBRARY:ATTACK", help="do not measure it")
    given = parser.parse_args()
    device = torch.device(given.device)
    try:
        placed = network_of(given.track, given.data_dir, given.epochs, device)
    except DataMissing as error:
        sys.exit(f"error: {error}")
    found: dict[str, Any] = {
        "track": given.track,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
        "rows": [],
    }
    for setting in settings(*placed, track=given.track, many=given.images, few=given.few):
        if setting.kind in given.attacks.split(","):
            sys.stdout.write(f"{setting.kind}: {len(setting.images)} images, {setting.parameters}\n")
            for measured in measure(setting, LIBRARIES, given.rounds, given.leave_out):
                row = asdict(measured) | {"images": len(setting.images), "parameters": setting.parameters}
                found["rows"].append(row)
                sys.stdout.write(f"  {measured.library}: {measured}\n")
            sys.stdout.flush()
            # After every attack: who stops the measuring keeps what was measured.
            write(given.out / peers_page.FIGURES, (json.dumps(found, indent=1) + "\n").encode())
            peers_page.write_page(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
