"""``python -m bench`` and the ``rejectbench`` command: prepares the process, then hands over to the command line."""

from __future__ import annotations

import os
import sys

SPINS = "3000"  # rounds of a wait before the thread sleeps
INTERRUPTED = 130  # the exit code of a program ended by Ctrl-C


def main() -> None:
    """Run the command line.

    Threads that wait for one another spin for microseconds, not for GNU OpenMP's milliseconds, unless the environment
    says otherwise: on two cores of which others take a share, that trains small networks up to ten times faster, and on
    idle ones as fast. It is read once, when torch is loaded.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    try:
        from bench.cli import app  # noqa: PLC0415  torch must come after the line above

        app()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted before anything began\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
