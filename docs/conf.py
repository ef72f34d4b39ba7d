"""Sphinx configuration. Warnings are errors: ``tox -e docs``."""

from __future__ import annotations

from softreserve import __version__

project = "softreserve"
author = "the softreserve authors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "softreserve"
exclude_patterns = ["_build"]
nitpicky = False

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

# Mailing lists and forges answer machines with puzzles; what they answer then is no news of a page.
linkcheck_timeout = 20
linkcheck_ignore = [r"https://lore\.kernel\.org/.*"]
