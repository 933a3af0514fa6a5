"""``python -m bench`` and the ``rejectbench`` command: prepares the process, then hands over to the command line."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130  # the exit code of a program ended by Ctrl-C


def main() -> None:
    """Run the command line.

    Waiting threads sleep instead of spinning, unless the environment says otherwise: on a machine that is busy with
    anything else, spinning makes small networks train ten times slower. OpenMP reads this once, when torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from bench.cli import app  # noqa: PLC0415  torch must come after the line above

        app()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted before anything began\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
