"""The map of the talk misses no slide and leads nowhere that is not there."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
TALK = ROOT.parent / "shared" / "talk.txt"  # the authors' slides, which are not the repository's to hand on
SLIDES = [
    "On the Expressive Efficiency of Overlapping Architectures of Deep Learning",
    "Overlapping vs Non-Overlapping Architectures",
    "The Merits of Non-overlapping Architectures",
    "Outline",
    "*Expressive efficiency compares network arch*",
    "Efficiency – Formal Definition",
    "Example: Efficiency of Depth",
    "Other Works of Our Group",
    "*To address raised Qs, we consider a special case*",
    "Baseline Architecture",
    "Generalized Convolutional Arithmetic Circuits",
    "Overlapping Architectures Are Just As Expressive",
    "Degree of Overlapping",
    "Overlapping Efficiency",
    "Experiments on Standard ConvNets",
    "*Comparing different arch's through expressive efficiency*",
    "Thank You",
    "Backup Slides",
    "Measure Efficiency via Grid Tensors",
    "Tensorial Function Spaces",
    "Tensorial Function Spaces (cont')",
    "*Tensor – multi-dimensional array*",
    "Tensor Decompositions (cont')",
    "Computing Functions by Decomposing Coefficient Tensors",
    "CP (CANDECOMP/PARAFAC) Decomposition ↔ Shallow Convolutional Arithmetic Circuit",
    "Hierarchical Tucker Decomposition ↔ Deep Convolutional Arithmetic Circuit",
]
WITHIN_SLIDES = {  # what the talk's text marks as headings and is none of a slide
    "Receptive Field = Stride ⇔ Non-Overlapping", "Questions", "Question", "Again:", "Example", "Theorem", "Claim",
    "Conclusion", "Concolusions:", "Conjecture", "Empirical Results: deep networks have an advantage",
    "Deep nets are exponentially efficient w.r.t. shallow ones", "Generalizing ConvACs to overlapping arch's:",
    "Common Case: alternating $B \\times B$ -conv and $2 \\times 2$ -pooling", "Expressive Efficiency",
    "2 Convolutional Arithmetic Circuits", "3 Theoretical Analysis of ConvACs with Overlaps",
    "4 Experiments on Standard ConvNets",
}  # fmt: skip


def text_of(page):
    if page.suffix == ".md":
        return page.read_text("utf-8")
    cells = json.loads(page.read_text("utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def rows():
    """Each row of the map: the slide, and what stands beside it."""
    table = re.findall(r"^\| (.+) \| (.+) \|$", text_of(BOOK / "slides.md"), re.MULTILINE)
    return [(slide.replace("<wbr>", ""), place) for slide, place in table if slide != "Slide"]


def plain(words):
    return re.sub(r"[*]|</?u>", "", words).replace("←→", "↔").strip()


def test_the_map_has_every_slide_once_and_in_order():
    assert [slide for slide, _ in rows()] == SLIDES


def test_every_slide_has_a_link_and_no_link_is_dead():
    pages = {page.stem: text_of(page) for page in (*BOOK.glob("*.md"), *BOOK.glob("*.ipynb"))}
    anchors = {name: re.findall(r'<a id="([^"]+)"></a>', text) for name, text in pages.items()}
    for slide, place in rows():
        links = re.findall(r"\]\(([\w-]+)\.(?:ipynb|md)(?:#([\w-]+))?\)", place)
        assert links, f"{slide} has no link"
        for page, anchor in links:
            assert page in pages and (not anchor or anchor in anchors[page]), f"{slide} leads to {page}#{anchor}"


@pytest.mark.skipif(not TALK.exists(), reason="the talk's text is not here")
def test_the_slides_are_those_of_the_talk():
    talk = TALK.read_text("utf-8")
    headings = [plain(words) for words in re.findall(r"^#+ (.+)$", talk, re.MULTILINE)]
    titled = [slide for slide in SLIDES if not slide.startswith("*")]
    found = [heading for heading in dict.fromkeys(headings) if heading not in WITHIN_SLIDES]
    assert found == titled
    assert WITHIN_SLIDES <= set(headings)
    places = [plain(talk).index(plain(slide)) for slide in SLIDES if slide.startswith("*")]
    assert places == sorted(places)
