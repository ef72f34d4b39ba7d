"""Sphinx configuration. Warnings are errors: ``tox -e docs``."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from softreserve import __version__
from softreserve.model.behaviours import BEHAVIOURS, RELEASES, Behaviour
from sphinx.application import Sphinx

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


class BehaviourTable(Directive):
    """``behaviours``: what differs between kernel releases, from the same data that the code asks."""

    def run(self) -> list[nodes.Node]:
        """Build the table."""
        head = ("behaviour", "what it is", *RELEASES, "known by", "change")
        widths = (24, 40, *(4 for _ in RELEASES), 10, 30)
        group = nodes.tgroup(cols=len(head))
        group += [nodes.colspec(colwidth=width) for width in widths]
        group += nodes.thead("", _row(head))
        group += nodes.tbody("", *(_row(_cells(behaviour)) for behaviour in BEHAVIOURS))
        return [nodes.table("", group, classes=["behaviours"])]


def _cells(behaviour: Behaviour) -> tuple[str, ...]:
    applies = ("yes" if behaviour.applies_to(release) else "-" for release in RELEASES)
    return (behaviour.name, behaviour.words, *applies, behaviour.known_by, behaviour.change)


def _row(cells: tuple[str, ...]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("behaviours", BehaviourTable)
    return {"parallel_read_safe": True}
