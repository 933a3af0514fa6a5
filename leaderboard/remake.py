"""Makes the published pages on speed anew from their figures: ``python -m leaderboard.remake``."""

from __future__ import annotations

import sys
from pathlib import Path

from leaderboard import peers_page, speed_page
from leaderboard.embed import PUBLISHED


def main(published: Path = PUBLISHED) -> int:
    """Write the pages of a folder of published tables."""
    peers_page.write_page(published / "peers")
    speed_page.write_page(published / "speed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
