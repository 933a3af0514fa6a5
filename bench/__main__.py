"""``python -m bench`` and the ``rejectbench`` command: prepares the process, then hands over to the command line."""

from __future__ import annotations

import sys

from bench.process import INTERRUPTED, prepare


def main() -> None:
    """Run the command line."""
    prepare()
    try:
        from bench.cli import app  # noqa: PLC0415  torch must come after the preparation

        app()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted before anything began\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
