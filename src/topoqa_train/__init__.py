"""Training of networks that score protein-complex interfaces."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("topoqa-train")
except PackageNotFoundError:  # run from a source tree that was not installed
    __version__ = "0+unknown"
