"""Makes the published pages on speed anew from their figures: ``python -m leaderboard.remake``."""

from __future__ import annotations

import sys
from pathlib import Path

from leaderboard import device_page, peers_page, speed_page
from leaderboard.embed import PUBLISHED


def main(published: Path = PUBLISHED) -> int:
    """Write the pages of a folder of published tables."""
    peers_page.write_page(published / "peers")
    speed_page.write_page(published / "speed")
    device_page.write_pages(published / "gpu")
    return 0


if __name__ == "__main__":
    sys.exit(main())
