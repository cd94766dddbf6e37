"""How Sphinx builds these pages: `nox -s docs`."""

from topoqa_train import __version__

project = "topoqa-train"
copyright = "the topoqa-train authors; MIT licence"  # noqa: A001 - Sphinx's name
release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"topoqa-train {release}"
html_show_sphinx = False
html_copy_source = False
