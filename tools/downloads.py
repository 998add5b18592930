"""Offer the zip and the PDF of the built book as downloads of its site.

    python tools/downloads.py    # after `make book`, and `make pdf` if there is to be a PDF

It copies the files that are there beside the pages, and links them in every page's footer. The book that `make book`
builds, the one in the zip and the printed one have no such links, so none of theirs is dead.
"""

import re
import shutil
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / "_build"
NAME = "overlapping-architectures"
KINDS = {".zip": "pages to unpack and read without a network", ".pdf": "printed"}
FOOTER = re.compile(r'(<div class="extra_footer">.*?)(</div>)', re.DOTALL)
OURS = re.compile(r'<p class="downloads">.*?</p>', re.DOTALL)


def offer(build: Path) -> list[Path]:
    """Copy the files beside the pages and link them, in place of earlier links; return the copies.

    Args:
        build: the folder of the zip and the PDF, with the pages in `html`.
    """
    html = build / "html"
    files = [build / f"{NAME}{suffix}" for suffix in KINDS if (build / f"{NAME}{suffix}").is_file()]
    copies = [Path(shutil.copy(file, html)) for file in files]
    for page in html.rglob("*.html"):
        up = "../" * (len(page.relative_to(html).parts) - 1)
        links = [
            f'<a href="{up}{file.name}" download>{KINDS[file.suffix]} ({file.suffix[1:].upper()}, '
            f"{max(1, round(file.stat().st_size / 1e6))} MB)</a>"
            for file in copies
        ]
        line = f'<p class="downloads">The whole book: {", ".join(links)}.</p>' if links else ""
        old = page.read_bytes().decode()
        new = FOOTER.sub(lambda match, line=line: f"{OURS.sub('', match[1])}{line}{match[2]}", old, count=1)
        if new != old:
            page.write_bytes(new.encode())
    return copies


if __name__ == "__main__":
    if not (BUILD / "html/index.html").is_file():
        sys.exit("make downloads: there is no built book in _build/html; run make book first")
    for copy in offer(BUILD):
        print(copy)
