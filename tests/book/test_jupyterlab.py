"""A real JupyterLab: chapters read as they are meant, and explorers show of any state what the library computes."""

import json
import re

import pytest
from helpers.explorers import see_half, shown
from helpers.lab import ROOT, jupyter_lab, open_chapter, restart_kernel, run_all
from helpers.notebook_words import shown as shown_words
from nbformat import write
from nbformat.v4 import new_code_cell, new_notebook

from convac_lib.visuals.views.placement import placement_view
from convac_lib.visuals.views.rank_alone import rank_alone_view

pytest.importorskip("jupyterlab")

READ = "overlap-theorem", "convacs", "glossary"  # chapters with statements, folds and formulas of every kind
SOURCE = re.compile(r"\$|\{[a-z:]+\}`|:::|^\([\w-]+\)=|```|\\[a-z]{3,}", re.MULTILINE)
CELLS = """() => [...document.querySelectorAll(".jp-MarkdownOutput")].map(cell => {
    const words = cell.cloneNode(true);
    words.querySelectorAll("mjx-container, code, pre").forEach(each => each.remove());
    return {
        words: words.textContent,
        formulas: cell.querySelectorAll("mjx-container").length,
        errors: cell.querySelectorAll("mjx-merror").length,
        quoted: [...cell.querySelectorAll("blockquote mjx-assistive-mml")].map(each => each.textContent),
        folds: cell.querySelectorAll("details").length,
        open: cell.querySelectorAll("details[open]").length,
    };
})"""
POINTED = """
import sys
sys.path.insert(0, {tests!r})
from helpers.explorers import HALF, see_half
from convac_lib import Explorer
Explorer("half", HALF, see_half, title="Half", free={{"R": range(1, 6)}})
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory, browser):
    folder = tmp_path_factory.mktemp("lab")
    cell = new_code_cell(POINTED.format(tests=str(ROOT / "tests")))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    write(new_notebook(cells=[cell], metadata=kernel), folder / "pointed.ipynb")
    with jupyter_lab(folder, "intro", "conjecture", *READ) as address:
        yield address


@pytest.fixture
def tab(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.errors = []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    yield tab
    context.close()
    assert tab.errors == []


def ran(tab, address, chapter):
    """The first live card of a chapter, after Run All."""
    open_chapter(tab, address, chapter)
    run_all(tab)
    card = tab.locator("figure.convac-explorer:has(input[type=number])[data-ready]").first
    card.wait_for(state="attached")
    card.scroll_into_view_if_needed()
    return card


def type_in(card, label, number):
    """Type a number, and wait until the card rests."""
    field = card.get_by_label(label)
    field.fill(str(number))
    field.press("Enter")
    rested(card)


def rested(card):
    card.and_(card.page.locator("figure:not(.convac-busy)")).wait_for()
    assert card.locator("img").get_attribute("aria-busy") is None


def said(card):
    return card.locator("[role=status]").inner_text()


def assert_shows(card, view):
    assert shown(card)[:3] == (view.picture, view.alt, view.reading)


@pytest.mark.parametrize("chapter", READ)
def test_a_chapter_is_typeset_and_folded(tab, address, chapter):
    open_chapter(tab, address, chapter)
    notebook = json.loads((ROOT / "book" / f"{chapter}.ipynb").read_text("utf-8"))
    texts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    tab.wait_for_function(
        f"document.querySelectorAll('.jp-MarkdownOutput mjx-container').length >= {formulas_in(texts)}"
    )
    cells = tab.evaluate(CELLS)
    assert len(cells) == len(texts)
    for cell, text in zip(cells, texts):
        assert SOURCE.findall(cell["words"]) == [] and cell["errors"] == 0, text
        assert [each for each in cell["quoted"] if each.startswith(">")] == [], text
        assert (cell["folds"], cell["open"]) == (text.count("<details>"), 0), text
    hidden = [cell for cell in notebook["cells"] if cell["metadata"].get("jupyter", {}).get("source_hidden")]
    assert tab.locator(".jp-InputPlaceholder").count() == len(hidden)


def formulas_in(texts):
    """How many formulas JupyterLab must set, by markdown-it's reading of the same words."""
    return sum(len(re.findall("«", shown_words(text))) for text in texts)


def test_a_link_leads_to_its_statement(tab, address):
    open_chapter(tab, address, "overlap-theorem")
    tab.locator(".jp-MarkdownOutput a[href$='#thm-overlap']").first.click()
    tab.locator("[data-jupyter-id=thm-overlap]").wait_for(state="attached")
    assert tab.locator("blockquote:has([data-jupyter-id=thm-overlap])").is_visible()


def test_the_intro_computes_what_its_table_lacks(tab, address):
    card = ran(tab, address, "intro")
    assert_shows(card, rank_alone_view(1))
    assert said(card) == "From the record."
    card.locator("input[type=range][name=B]").focus()
    tab.keyboard.press("ArrowRight")
    assert_shows(card, rank_alone_view(2))
    assert said(card) == "From the record."

    type_in(card, "B, receptive field: type", 5)
    assert_shows(card, rank_alone_view(5))
    assert said(card) == "Read from results/atlas.csv."
    tab.keyboard.press("Tab")  # to the slider of M
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    rested(card)
    assert_shows(card, rank_alone_view(5, M=6))
    assert said(card).startswith("Computed now, in ") and "1,024 rows sampled" in shown(card)[2]
    assert card.locator("input[name=M]").get_attribute("aria-valuetext") == "M = 6"
    (row,) = shown(card)[3]
    assert row.startswith("56") and "by the theorem" in row

    type_in(card, "B, receptive field: type", 9)
    assert said(card) == "B = 9 is out of bounds; use an integer from 1 to 7."
    assert_shows(card, rank_alone_view(5, M=6))
    assert card.get_by_label("B, receptive field: type").input_value() == "5"

    card.locator(".convac-more summary").click()
    assert barriers(tab) == []
    type_in(card, "prime, of the arithmetic", 4)
    assert said(card) == "4 is not a prime below 2**63; use for example 2147483647."
    type_in(card, "M, templates: type", 2)
    card.get_by_role("button", name="Draw new weights").click()
    rested(card)
    assert_shows(card, rank_alone_view(5, seed=1))
    assert "seed = 1" in shown(card)[2]

    type_in_and_cancel(card)
    assert_shows(card, rank_alone_view(5, seed=1))
    assert card.get_by_label("size, H of the image").input_value() == "4"


def barriers(tab):
    """What axe-core calls serious or critical in the card."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"resultTypes": ["violations"], "preload": False}
    found = axe.run(tab, context="figure.convac-explorer", options=options).response["violations"]
    found = (rule for rule in found if rule["impact"] in ("serious", "critical"))
    return [(rule["id"], node["target"], node["failureSummary"]) for rule in found for node in rule["nodes"]]


def type_in_and_cancel(card):
    """Ask for what takes minutes, and take it back."""
    before = shown(card)
    field = card.get_by_label("size, H of the image")
    field.fill("16")
    field.press("Enter")
    card.get_by_text("Computing B = 5, M = 2, size = 16, seed = 1 …").wait_for()
    assert card.locator("img").get_attribute("aria-busy") == "true"
    assert card.locator("progress").is_visible()
    card.get_by_role("button", name="Cancel").click()
    assert said(card) == "Cancelled." and shown(card) == before


def test_the_conjecture_computes_what_its_table_lacks(tab, address):
    card = ran(tab, address, "conjecture")
    assert_shows(card, placement_view(1, 3, 2))
    card.locator(".convac-more summary").click()
    type_in(card, "seed, of the weights", 5)
    assert_shows(card, placement_view(1, 3, 2, seed=5))
    assert said(card).startswith("Computed now, in ")


def test_pointing_and_holes_are_as_on_the_page(tab, address):
    card = ran(tab, address, "pointed")
    picture = card.locator("img")
    scale = picture.bounding_box()["width"] / 560
    picture.hover(position={"x": 310 * scale, "y": 50 * scale})
    assert_shows(card, see_half(1, 1, 3))
    tab.mouse.move(1, 1)
    assert_shows(card, see_half(1, 1, 0))
    picture.click(position={"x": 310 * scale, "y": 50 * scale})
    tab.mouse.move(1, 1)
    assert_shows(card, see_half(1, 1, 3))
    type_in(card, "R: type", 5)
    assert_shows(card, see_half(1, 5, 3))
    card.locator("input[type=range][name=S]").focus()
    tab.keyboard.press("ArrowRight")  # S = 2, R = 5, u = 3 is nothing: only the kernel knows
    rested(card)
    assert_shows(card, see_half(2, 5, 1))

    restart_kernel(tab)
    type_in(card, "R: type", 4)
    assert said(card) == "The kernel that drew this card is gone; run its cell again."
    assert_shows(card, see_half(2, 5, 1))
    type_in(card, "R: type", 2)  # which the table holds
    assert_shows(card, see_half(2, 2, 1))


def test_an_untrusted_notebook_shows_picture_reading_and_table(tab, address):
    open_chapter(tab, address, "intro")
    card = tab.locator("figure:has(figcaption)").first
    view = rank_alone_view(1)
    assert card.locator("img").is_visible() and card.locator("img").get_attribute("alt") == view.alt
    assert view.sentence in card.inner_text() and "The controls need scripts" in card.inner_text()
    assert card.locator("input, form, script, style, button").count() == 0
    card.locator("summary").click()
    names = card.locator("th").all_inner_texts()
    assert card.locator("td").count() == len(names) * 9
