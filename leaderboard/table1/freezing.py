"""Which commit froze what the paper leaves open, before a defended network of a published run was scored."""

from __future__ import annotations

from collections.abc import Mapping

FROZEN: Mapping[str, str] = {"mnist": "fc43605a", "cifar10": "8068b02f"}
"""By the paper's column, the commit since which neither its attacks nor its training recipe have changed."""


BRIEFLY = (
    " That was for a training of all epochs; how many fewer a CPU may do was named later, before any network was "
    "trained so briefly."
)


def frozen(column: str, *, briefly: bool) -> str:
    """Return, in words, how a column's open settings were chosen and where; ``briefly`` of a run of fewer epochs."""
    return (
        "Steps and overshoots that the paper leaves open were chosen on validation images, by naive networks alone "
        "whose seeds no table has: `docs/trials/open_settings.py` measures them again, `docs/reproduction.md` gives "
        f"the reasons. Commit `{FROZEN[column]}` froze them: attacks and training recipe have not changed since, and "
        "no defended network of a published run had been scored before."
    ) + (BRIEFLY if briefly else "")
