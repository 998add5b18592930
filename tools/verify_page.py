"""A Sphinx extension: the directive `convac-verify`, the card that checks the certificates which a reader drops."""

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from convac_lib.visuals.certificate_card import drop_card


class VerifyPage(Directive):
    """Put the library's own card on the page."""

    def run(self) -> list[nodes.Node]:
        """Write the card as HTML."""
        return [nodes.raw("", drop_card(), format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("convac-verify", VerifyPage)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
