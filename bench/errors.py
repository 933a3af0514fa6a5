"""The failures that a user can mend: each is one line that names what is wrong and says the mend."""

from __future__ import annotations


class BenchError(Exception):
    """A failure with a message for people; the command line prints it and exits non-zero."""


class UnknownName(BenchError):
    """A name that no registry knows."""


class InvalidConfig(BenchError):
    """A suite, flag or parameter that cannot be used as it stands."""


class DataMissing(BenchError):
    """A data set that is not at hand; the message says how to get it."""


class DataInvalid(BenchError):
    """A data set that is at hand and not what it should be."""


class DataUnreadable(DataInvalid):
    """A file of a data set is there, and the system does not let it be read: what is in it is not known."""


class FitFailed(BenchError):
    """A defense whose fit went wrong, or ended as a network that must not be ranked."""


class CorruptArtifact(BenchError):
    """A stored file that is not what was written."""
