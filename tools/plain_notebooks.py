"""A Sphinx extension: what the site adds to plain notebooks.

The chapters hold nothing that JupyterLab, Colab, VS Code or GitHub cannot show. The site adds:

- Targets. `<a id="x"></a>` can be linked as `[words](#x)` and `[words](chapter.ipynb#x)`; a missing one is a warning.
- Boxes. A block quote that begins with a bold name, as in "**Theorem 2 (Overlapping efficiency).**", becomes a box.
- Numbers that hold. A link that says "Theorem 2" must lead to the box of that name, and no two boxes share a name.
- Meanings. A link to the glossary shows the meaning of its term to whoever points at it.
- Citations. A link to a work's address, at arXiv or by its DOI, leads to the work's entry in the bibliography.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

LOG = logging.getLogger(__name__)
ANCHOR = re.compile(r'<a id="([^"]+)">')
STATEMENTS = ("Theorem", "Proposition", "Definition", "Lemma", "Corollary", "Remark", "Conjecture")
CLASSES = {kind: ["proof", kind.lower()] for kind in STATEMENTS}  # of the box, for the style sheets
CLASSES |= {"Exercise": ["exercise"], "Predict first": ["tip"], "Note": ["note"]}
HEAD = re.compile(rf"(?P<name>(?P<kind>{'|'.join(CLASSES)})(?: \d+)?)(?P<title> \(.+\))?\.", re.DOTALL)
STATEMENT = re.compile(rf"({'|'.join(STATEMENTS)}) \d+")
SITES = {
    "eprint": "https://arxiv.org/abs/",
    "doi": "https://doi.org/",
    "url": "",
}  # a work's address, by the field of its entry
GLOSSARY = "book/glossary"


class Notes(NamedTuple):
    """What one page holds: where each numbered statement is, and what each term means."""

    statements: dict[str, str]
    terms: dict[str, str]


class Plain(SphinxTransform):
    """Make targets of the anchors, and boxes of the quotes that begin with a known name."""

    default_priority = 200  # before Sphinx (850) and MyST (879) collect the targets

    def apply(self, **kwargs: Any) -> None:
        self.notes = notes_of(self.env)[self.env.docname] = Notes({}, {})
        for raw in list(self.document.findall(nodes.raw)):
            if match := ANCHOR.fullmatch(raw.astext().strip()):
                self.make_target(raw, match[1])
        for quote in list(self.document.findall(nodes.block_quote)):
            self.make_box(quote)

    def make_target(self, raw: nodes.raw, name: str) -> None:
        parent, place = raw.parent, raw.parent.index(raw)
        if place + 1 < len(parent) and parent[place + 1].astext() == "</a>":  # MyST hands on the two tags apart
            del parent[place + 1]
        target = nodes.target("", "", ids=[name], names=[name])
        parent[place] = target
        self.document.note_explicit_target(target, target)
        slugs = self.env.metadata[self.env.docname].setdefault("myst_slugs", {})  # where MyST looks chapter.ipynb#x up
        slugs[name] = (raw.line, name, parent.astext()[:80])
        if self.env.docname == GLOSSARY:
            self.notes.terms[name] = " ".join(parent.astext().split())

    def make_box(self, quote: nodes.block_quote) -> None:
        first = quote.children[0] if quote.children else None
        if not isinstance(first, nodes.paragraph):
            return
        lead = [child for child in first.children if child.astext().strip()]  # MyST begins with an empty text
        if not lead or not isinstance(lead[0], nodes.strong) or not (head := HEAD.fullmatch(lead[0].astext())):
            return
        targets = [child for child in first.children if isinstance(child, nodes.target)]
        for child in [*targets, lead[0]]:
            first.remove(child)
        if first.children and isinstance(first[0], nodes.Text):
            first[0] = nodes.Text(first[0].lstrip())
        name = nodes.inline("", head["name"], classes=["caption-number"])
        title = nodes.title("", "", name, nodes.Text(head["title"] or ""))
        box = nodes.admonition("", title, *quote.children, classes=CLASSES[head["kind"]])
        quote.replace_self([*targets, box])  # docutils gives the targets' ids to the box that follows them
        if targets and STATEMENT.fullmatch(head["name"]):
            if head["name"] in self.notes.statements:
                LOG.warning("two statements of this page are called %s", head["name"], location=box)
            self.notes.statements[head["name"]] = targets[0]["ids"][0]


class Links(SphinxPostTransform):
    """Check the numbers that links name, and add meanings and citations to them."""

    default_priority = 100  # after MyST (9) and Sphinx (10) have resolved them

    def run(self, **kwargs: Any) -> None:
        notes = notes_of(self.env)
        terms = notes[GLOSSARY].terms if GLOSSARY in notes else {}
        places = {name: place for page in notes.values() for name, place in page.statements.items()}
        works = dict(works_of(self.env))
        for link in list(self.document.findall(nodes.reference)):
            address = link.get("refuri", "")
            place = link.get("refid") or address.rpartition("#")[2]
            words = " ".join(link.astext().split())
            if "glossary" in address and place in terms:
                link["reftitle"] = terms[place]
            elif STATEMENT.fullmatch(words) and places.get(words) != place:
                LOG.warning("a link says %s and leads to %s, which has another name", words, place, location=link)
            elif address in works and not is_in_an_entry(link):
                link.replace_self(
                    make_refnode(self.app.builder, self.env.docname, *works[address], list(link.children))
                )
            elif address.startswith((SITES["eprint"], SITES["doi"])) and address not in works:
                LOG.warning("references.bib has no work at %s", address, location=link)


def is_in_an_entry(link: nodes.Element) -> bool:
    """Return whether a link belongs to the bibliography's entry itself, from where it leads to the work."""
    while link.parent is not None and not isinstance(link, nodes.citation):
        link = link.parent
    return isinstance(link, nodes.citation)


def notes_of(env: BuildEnvironment) -> dict[str, Notes]:
    """Return the notes of every page, which Sphinx keeps with its environment."""
    if not hasattr(env, "plain_notes"):
        env.plain_notes = {}
    return env.plain_notes


def merge_notes(app: Sphinx, env: BuildEnvironment, pages: Iterable[str], other: BuildEnvironment) -> None:
    """Take over the notes of the pages that another process has read."""
    read = notes_of(other)
    notes_of(env).update({page: read[page] for page in pages if page in read})


def works_of(env: BuildEnvironment) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each address of each work in the bibliography, with the page and the anchor of its entry."""
    for citation in env.get_domain("cite").citations:
        for field, site in SITES.items():
            if field in citation.entry.fields:
                yield site + citation.entry.fields[field], (citation.bibliography_key.docname, citation.citation_id)


def check_names(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of statements of two pages that have the same name."""
    seen: dict[str, str] = {}
    for page, notes in sorted(notes_of(env).items()):
        for name in notes.statements:
            if name in seen:
                LOG.warning("%s is in %s and in %s", name, seen[name], page)
            seen[name] = page


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("env-purge-doc", lambda app, env, page: notes_of(env).pop(page, None))
    app.connect("env-merge-info", merge_notes)
    app.connect("env-check-consistency", check_names)
    app.add_transform(Plain)
    app.add_post_transform(Links)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True}
