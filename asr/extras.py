"""What to install where an optional package is missing."""

DISTRIBUTION = "bilstm-ctc-asr"
"""The name on the package index; the name to import is `asr`."""


def install(extra: str) -> str:
    """The commands that install an extra, from the index and in a checkout."""
    return f'pip install "{DISTRIBUTION}[{extra}]", or in a checkout of the repository pip install ".[{extra}]"'


def missing(feature: str, package: str, extra: str) -> str:
    """The sentence for a `feature` that needs a `package` of an extra."""
    return f"{feature} needs the package {package}: {install(extra)}"
