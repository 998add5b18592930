"""The card of a certificate: the library's verdict in words, and a check that the reader's own browser can make.

On a page a script adds a button, which checks the certificate by the page's own engine. A notebook may take scripts out
of what it shows: there the card says only what the library found.
"""

from base64 import b64encode
from html import escape
from pathlib import Path

from convac_lib.files import results_path
from convac_lib.theory.checker import verify
from convac_lib.visuals.card import ENGINE, packed, resource

SCRIPTS = (*ENGINE, "forgeries", "minor", "verify")
SAMPLE = "5f0c67371308434c.json"  # rank 256: B = 3, M = 2, 4×4 patches, left | right
WITHOUT_SCRIPTS = "The check needs scripts; without them, run the command."


class CertificateCard:
    """Show what a certificate proves, and let the reader's browser check it.

    The library verifies the certificate when the card is made. As the last line of a cell, the card is shown.

    Args:
        path: the file of a certificate, of a rank that a browser can check in seconds.

    Attributes:
        certificate: the `RankCertificate`.
        command: what checks the file from a terminal.

    Raises:
        CertificateError: if the certificate is false or was altered.
        DataError: if the file is not a certificate.
        BudgetError: if checking it would take too much time or memory.

    Source: none; ours. Chapter: *The overlap theorem*.

    >>> CertificateCard(results_path("certificates/4b6ddbbacbcccf0e.json"))
    Verified by convac_lib: rank ≥ 64 for almost all weights, across the cut of patches 0,1,4,5,8,9,12,13 from the rest
    (exact modulo 2147483647).
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self.certificate, self._text = verify(path), path.read_text("utf-8")
        ours = path.parent == results_path("certificates")
        self._name = f"results/certificates/{path.name}" if ours else str(path)
        self.command = f"convac verify {self._name}"

    def __repr__(self) -> str:
        return f"Verified by convac_lib: {self.certificate.claim}\n(exact modulo {self.certificate.prime})."

    def _repr_html_(self) -> str:
        command = f"<code>{escape(self.command)}</code>"
        return _figure(
            "A certificate",
            f"<p>{escape(repr(self))}</p>\n<p>To check it yourself, run {command}.</p>",
            self._text,
            self._name,
        )


def drop_card() -> str:
    """Write the card to which readers drop certificates of their own, with a sample, as HTML.

    Chapter: *The overlap theorem*.

    >>> "Save our sample" in drop_card()
    True
    """
    sample = results_path(f"certificates/{SAMPLE}").read_text("utf-8")
    address = f"data:application/json;base64,{b64encode(sample.encode()).decode()}"
    link = f'<a download="sample.json" href="{address}">Save our sample</a>'
    words = f"From a terminal: <code>convac verify FILE</code>. {link}, to alter it in an editor."
    return _figure("Check a certificate in this page", f"<p>{words}</p>", sample)


def _figure(title: str, words: str, text: str, name: str = "") -> str:
    script = "\n".join(resource(f"{part}.js") for part in SCRIPTS)
    return f"""\
<figure class="convac-certificate"{f' data-certificate="{escape(name)}"' if name else ""}>
<style>
{resource("verify.css")}</style>
<div class="convac-check">
<figcaption>{title}</figcaption>
{words}
<noscript>{WITHOUT_SCRIPTS}</noscript>
</div>
<script type="application/gzip">{packed(text)}</script>
<script type="module">
{script}</script>
</figure>"""
