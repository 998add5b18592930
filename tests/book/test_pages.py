"""The built book in a browser: no error, no other host, accessible at every width, and true to the library."""

import json
import re
import shutil
from doctest import DocTestParser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from helpers.chapters import CHAPTERS, ROOT, explorers_in
from helpers.explorers import shown
from helpers.pages import CONFIG, build

from convac_lib.visuals.card import WITHOUT_SCRIPTS

OF_SPHINX = ["genindex", "py-modindex", "search"]
PUBLISHED = CONFIG.get("repository", {}).get("url", "")
OURS = re.compile(f"{re.escape(PUBLISHED)}|https://colab.research.google.com/" if PUBLISHED else "(?!)")
REFERENCE = [f"book/{path.stem}" for path in sorted(ROOT.glob("book/api*.md"))]
SOURCE = "_modules/convac_lib/architecture"  # one of the pages that show the library's source
BUILT = [*CHAPTERS, *(f"book/{path.stem}" for path in sorted(ROOT.glob("book/*.md"))), *OF_SPHINX]
PAGES = [*BUILT, SOURCE]


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of the built book. No chapter is executed: `--nbval` holds the outputs that they store."""
    return build(tmp_path_factory.mktemp("book"))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        """Say nothing."""


@pytest.fixture(scope="module")
def address(html):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=html)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def tab(browser):
    """A tab that notes every request and every error."""
    tab = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce").new_page()
    tab.requested, tab.errors = [], []
    tab.on("request", lambda request: tab.requested.append(request.url))
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda message: tab.errors.append(message.text) if message.type == "error" else None)
    yield tab
    tab.context.close()


@pytest.fixture(scope="module", params=PAGES)
def page(tab, address, request):
    """Each page in turn, in the light, its formulas set and its folds open; the tests follow one another on it."""
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.emulate_media(color_scheme="light")
    del tab.requested[:], tab.errors[:]
    tab.goto(f"{address}/{request.param}.html")
    tab.evaluate("async () => { await window.MathJax?.startup.promise; await document.fonts.ready }")
    tab.wait_for_function("!document.querySelector('figure[class^=convac-]:not([data-ready])')")
    tab.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")
    tab.evaluate("document.querySelectorAll('.toggle-button-hidden').forEach(each => each.click())")
    tab.name = request.param
    return tab


# Of the files


@pytest.fixture(scope="module")
def soups(html):
    files = (path for path in html.rglob("*.html") if "_static" not in path.parts)
    return {path.relative_to(html).as_posix(): BeautifulSoup(path.read_bytes(), "html.parser") for path in files}


def test_every_page_is_built(soups):
    pages = [page for page in soups if not page.startswith("_modules/")]
    assert sorted(pages) == sorted(["index.html", *(f"{page}.html" for page in BUILT)])
    assert f"{SOURCE}.html" in soups


def test_every_link_within_the_book_leads_somewhere(html, soups):
    ids = {page: {each["id"] for each in soup.find_all(id=True)} for page, soup in soups.items()}
    astray = []
    for page, soup in soups.items():
        for element in soup.find_all(["a", "img", "link", "script"]):
            target = element.get("href", element.get("src"))
            url = urlsplit(urljoin(f"http://book/{page}", target))
            if target is None or url.netloc != "book":
                continue
            path = unquote(url.path).lstrip("/")
            if not (html / path).is_file() or (url.fragment and unquote(url.fragment) not in ids.get(path, ())):
                astray.append(f"{page}: {target}")
    assert astray == []


HOSTS = {"arxiv.org", "doi.org", "www.w3.org"}  # papers, and the name of SVG
HOSTS |= {"github.com/dequelabs/axe-core"}  # what the tests call
HOSTS |= {"www.cs.toronto.edu"}  # the report on CIFAR-10, in the bibliography


def test_no_page_leads_to_an_address_that_is_not_ours(soups):
    """An unpublished book has no repository to open, and no Colab."""
    astray = []
    for page, soup in soups.items():
        for element in soup.find_all(["a", "form", "iframe", "img", "link", "script"]):
            url = urlsplit(element.get("href") or element.get("src") or element.get("action") or "")
            place = url.netloc + "/".join(url.path.split("/")[:3]) if url.netloc == "github.com" else url.netloc
            if url.scheme in ("http", "https", "") and place and place not in HOSTS and not OURS.match(url.geturl()):
                astray.append(f"{page}: {url.geturl()}")
    assert astray == []
    buttons = sum(len(soup.select("a[href*='colab.research']")) for soup in soups.values())
    assert buttons == (len(CHAPTERS) if "launch_buttons" in CONFIG else 0)


def test_no_page_is_heavy_and_none_holds_the_state_of_a_widget(html, soups):
    for page, soup in soups.items():
        largest = 150_000 if page.removesuffix(".html") in REFERENCE else 1_000_000
        assert (html / page).stat().st_size < largest, page
        packed = [each.get_text() for each in soup.find_all("script", type="application/gzip")]
        assert len(packed) == len(soup.select("figure:is(.convac-explorer, .convac-certificate)")), page
        assert all(len(letters) < 60_000 for letters in packed), page
        assert soup.find_all("script", type=re.compile("jupyter.widget")) == [], page
        scripts = [each.get_text() for each in soup.find_all("script", type="module")]
        assert len(scripts) == len({*scripts}) <= 2, page  # the front end, and the check of certificates


def test_every_entry_of_the_reference_shows_types_its_source_and_its_chapter(soups):
    pages, titles = [soups[f"{page}.html"] for page in REFERENCE], {page.split("/")[1] for page in CHAPTERS}
    entries = [entry for soup in pages for entry in soup.select("section > dl.py:is(.class, .function, .exception)")]
    assert len(entries) > 80
    for entry in entries:
        name = entry.dt["id"]
        assert entry.select_one("dt > a[href] .viewcode-link"), f"{name} does not lead to its source"
        chapters = {link["href"].partition(".html")[0].split("/")[-1] for link in entry.select("dd a[href]")}
        assert chapters & titles, f"{name} does not lead to its chapter"
        bare = [each.get_text() for each in entry.dt.select("em.sig-param") if ":" not in each.get_text()]
        assert [text for text in bare if text not in ("*", "/") and not text.startswith("**")] == [], (
            f"{name} lacks types"
        )


# Of the pages


def runs(text):
    """What of a block of code can be run: all of it, or the examples in it where there are prompts."""
    examples = DocTestParser().get_examples(text)
    return "".join(each.source for each in examples) if examples else text


COPIED = """async () => {
  const found = [];
  for (const button of document.querySelectorAll("div.highlight > button.copybtn")) {
    button.click();
    const text = button.parentElement.querySelector("pre").textContent;
    found.push([await navigator.clipboard.readText(), text]);
  }
  return found;
}"""


def test_what_is_copied_can_be_run(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    blocks = page.evaluate(COPIED)
    for copied, text in blocks:
        assert [line for line in copied.splitlines() if line] == [line for line in runs(text).splitlines() if line]
    doctests = page.locator(
        ".doctest, .cell_input .highlight, .highlight-sh, .highlight-python:not(.cell_input *)"
    ).count()
    assert len(blocks) == doctests and page.locator(".cell_output button.copybtn").count() == 0


def test_a_page_is_quiet_and_asks_no_other_host(page, address, record_property):
    assert [url for url in page.requested if not url.startswith((f"{address}/", "data:"))] == []
    assert page.errors == []
    record_property("pages opened in a browser", 1)


PICTURES_WITHOUT_WORDS = """() => {
  const dumb = image => !image.alt.trim() || /[.]\\w{3,4}$/.test(image.alt);
  const named = svg => svg.getAttribute("role") === "img" &&
    (svg.getAttribute("aria-label") || svg.querySelector(":scope > title")?.textContent);
  return [
    ...[...document.images].filter(image => dumb(image) && !image.closest("[aria-hidden=true]")),
    ...[...document.querySelectorAll("svg")].filter(
      svg => !svg.closest("[aria-hidden=true], a, button, summary, mjx-container") && !named(svg)),
  ].map(each => each.outerHTML.slice(0, 200));
}"""


def test_every_picture_has_words(page):
    assert page.evaluate(PICTURES_WITHOUT_WORDS) == []


FORMULAS_CUT_OFF = """() => [...document.querySelectorAll("main mjx-container mjx-math")].filter(formula => {
  const right = formula.getBoundingClientRect().right - 1;
  for (let box = formula.parentElement; ; box = box.parentElement) {
    const overflow = getComputedStyle(box).overflowX;
    if (["auto", "scroll"].includes(overflow)) return false;
    if (box.matches("article, body") || overflow !== "visible") return right > box.getBoundingClientRect().right;
  }
}).map(formula => formula.closest("mjx-container").textContent)"""

SCROLLING_WITHOUT_KEYS = """() => [...document.querySelectorAll("main *")].filter(box =>
  box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0 && !box.matches("select, input, textarea") &&
  ["auto", "scroll"].includes(getComputedStyle(box).overflowX) && !box.querySelector("a, button, input, summary")
).map(box => box.outerHTML.slice(0, 200))"""

PATIENTLY = """async script => {  // the theme looks again 0.3 s after a change of width
  for (let tries = 50; ; tries--) {
    const found = eval(script)();
    if (!found.length || !tries) return found;
    await new Promise(done => setTimeout(done, 100));
  }
}"""


@pytest.mark.parametrize("width", [1440, 820, 390])
def test_a_page_fits_its_width(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(FORMULAS_CUT_OFF) == []
    assert page.evaluate(PATIENTLY, SCROLLING_WITHOUT_KEYS) == []


# Without scripts

VISIBLE_CONTROLS = """() => [...document.querySelectorAll("button, input, select, textarea")].filter(
  each => each.checkVisibility({ visibilityProperty: true }) && each.getBoundingClientRect().width > 0
).map(each => each.outerHTML)"""


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_a_page_says_what_needs_them_and_hides_it(browser, address, name):
    with browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900}) as context:
        tab = context.new_page()
        tab.goto(f"{address}/{name}.html")
        told = [each.inner_text() for each in tab.locator("p.without-scripts").all() if each.is_visible()]
        formulas = "This browser runs no scripts, and formulas need them: each is shown as it is written in LaTeX."
        assert told == [formulas] * (tab.locator(".math").count() > 0)
        explorers = tab.locator("figure.convac-explorer")
        assert explorers.locator("noscript").all_inner_texts() == [WITHOUT_SCRIPTS] * explorers.count()
        assert tab.evaluate(VISIBLE_CONTROLS) == []


# The explorers


def tables_in(chapter):
    """The header and the rows of the table of every explorer in a chapter, as its plain text has them."""
    outputs = [each for cell in json.loads(chapter.read_text("utf-8"))["cells"] for each in cell.get("outputs", ())]
    shown = [
        each["data"] for each in outputs if "convac-explorer" in "".join(each.get("data", {}).get("text/html", ""))
    ]
    lines = ("".join(data["text/plain"]).splitlines()[2:] for data in shown)
    tables = ([re.split(r" {2,}", line.strip()) for line in rows] for rows in lines)
    return [(header, rows) for header, *rows in tables]


ANNOUNCED = """form => Object.fromEntries([
  ...[...form.querySelectorAll("input[type=range]")].map(
    slider => [slider.name, slider.ariaValueText.slice(slider.ariaValueText.indexOf(" = ") + 3)]),
  ...[...form.querySelectorAll("input:checked")].map(chosen => [chosen.name, chosen.parentElement.innerText]),
])"""


def announced(form):
    """The state that a screen reader tells, as words by letter."""
    return form.evaluate(ANNOUNCED)


def value_of(words):
    return int(words.replace(",", "")) if re.fullmatch(r"-?[\d,]+", words) else words


def state_of(words, axes):
    """The state that a card announces; of numbers with decimals, the words are rounded."""
    values = {name.partition(",")[0]: list(values) for name, values in axes.items()}
    state = {letter: value_of(word) for letter, word in words.items()}
    for letter, value in state.items():
        if any(isinstance(each, float) for each in values.get(letter, ())):
            state[letter] = min(values[letter], key=lambda each: abs(each - float(value)))
    return state


def moves(tab, card):
    """Move every control of an explorer by a key, and give the state announced after each move."""
    letters = dict.fromkeys(card.locator("form input[name]").evaluate_all("inputs => inputs.map(each => each.name)"))
    for letter in letters:
        before = announced(card.locator("form"))
        card.locator(f"input[name={letter}]:is([type=range], :checked)").focus()
        tab.keyboard.press("ArrowRight")
        if announced(card.locator("form")) == before:  # at the end already
            tab.keyboard.press("ArrowLeft")
        tab.wait_for_function("!document.querySelector('.convac-busy')")  # where the table lacks it, it is computed
        after = announced(card.locator("form"))
        assert after[letter] != before[letter]
        yield {letter: after[letter] for letter in letters}


def test_every_explorer_moves_by_keyboard_and_shows_what_the_library_computes(page, tmp_path, record_property):
    page.set_viewport_size({"width": 1440, "height": 900})
    chapter = CHAPTERS.get(page.name)
    cards = page.locator("figure.convac-explorer").all()
    made, tables = (explorers_in(chapter, tmp_path), tables_in(chapter)) if chapter else ([], [])
    for card, (_, axes, view, _), (header, rows) in zip(cards, made, tables, strict=True):
        places = {tuple(row[: len(axes)]) for row in rows}
        for state in moves(page, card):
            cells = card.locator("tr[aria-current] td").all_text_contents()
            named = dict(zip(card.locator("thead th").all_text_contents(), cells, strict=True))
            row = [named[name] for name in header]
            assert row[: len(state)] == list(state.values()) and (row in rows or tuple(state.values()) not in places)
            seen = view(**state_of(state, axes))
            assert shown(card)[:3] == (seen.picture, seen.alt, seen.reading)
    record_property("explorers moved by keyboard", len(cards))


# By axe-core


def violations(tab, **options):
    """What axe-core calls serious or critical: the rule, where, and what is wrong."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    # "preload" would fetch the style sheets again, from addresses that it guesses
    found = axe.run(tab, options={"resultTypes": ["violations"], "preload": False} | options).response["violations"]
    found = (rule for rule in found if rule["impact"] in ("serious", "critical"))
    return [(rule["id"], node["target"], node["failureSummary"]) for rule in found for node in rule["nodes"]]


def test_a_page_has_no_serious_barrier(page):
    assert violations(page, rules={"color-contrast": {"enabled": False}}) == []  # the next test's


ONE_OF_EACH_LOOK = """() => {  // of the thousands of words in code and formulas, those that look alike
  const looks = new Map(), seen = new Set();
  const elements = [...document.querySelectorAll("body *")];
  for (const element of elements) {
    const style = getComputedStyle(element);
    const look = [style.color, style.backgroundColor, style.opacity, style.fontSize, style.fontWeight];
    looks.set(element, [looks.get(element.parentElement), element.tagName, element.className, ...look].join());
  }
  for (const element of elements.reverse()) {
    if (element.children.length) continue;
    if (seen.has(looks.get(element))) element.remove();
    seen.add(looks.get(element));
  }
}"""


def test_a_page_can_be_read_in_the_light_and_in_the_dark(page):
    page.evaluate(ONE_OF_EACH_LOOK)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.wait_for_selector(f"html[data-theme={theme}]")
        page.evaluate("document.getAnimations().forEach(each => each.finish())")
        assert violations(page, runOnly=["color-contrast"]) == []


# The reference and the bibliography


def test_docstrings_become_neither_empty_lists_nor_links_that_no_browser_follows(html):
    """A description "p." is no list, and an address of a Dask scheduler no link."""
    for page in REFERENCE:
        article = BeautifulSoup((html / f"{page}.html").read_bytes(), "html.parser").select_one("article.bd-article")
        assert [str(each.parent) for each in article.select("li") if not each.get_text(strip=True)] == [], page
        schemes = {urlsplit(link["href"]).scheme for link in article.select("a[href]")}
        assert schemes <= {"", "https"}, page


WORKS = {"eprint": "https://arxiv.org/abs/{}", "doi": "https://doi.org/{}", "url": "{}"}
ADDRESS = re.compile(r"https://(arxiv\.org/abs/\d{4}\.\d{4,5}|doi\.org/10\.\d{4,9}/[^\s{}]+|www\.[\w.-]+/[^\s{}]+)")


def test_every_entry_of_the_bibliography_leads_to_its_work(html):
    entries = (ROOT / "references.bib").read_text("utf-8").split("\n@")
    fields = [re.findall(r"\n  (eprint|doi|url) = {(.+)},", entry) for entry in entries]
    expected = sorted(sorted(WORKS[field].format(value) for field, value in each) for each in fields)
    soup = BeautifulSoup((html / "book/bibliography.html").read_bytes(), "html.parser")
    links = [sorted(link["href"] for link in entry.select("a[href]")) for entry in soup.select("div.citation")]
    assert len(entries) > 30 and sorted(links) == expected
    assert all(each and all(map(ADDRESS.fullmatch, each)) for each in links)


# Without a server, and on paper


def test_the_zip_reads_from_a_disk_without_a_network(browser, html, tmp_path):
    shutil.unpack_archive(html.parent / "overlapping-architectures.zip", tmp_path)
    requested, errors = [], []
    context = browser.new_context(offline=True)
    tab = context.new_page()
    tab.on("request", lambda request: requested.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    folder = (tmp_path / "overlapping-architectures").as_uri()
    tab.goto(f"{folder}/book/intro.html")
    tab.wait_for_function("!document.querySelector('figure[class^=convac-]:not([data-ready])')")
    tab.wait_for_selector("mjx-container", state="attached")
    tab.goto(f"{folder}/search.html?q=saturation")
    tab.wait_for_selector("ul.search li p.context")
    excerpts = tab.locator("ul.search li p.context").all_inner_texts()
    assert any("saturation" in excerpt.lower() for excerpt in excerpts)
    assert [url for url in requested if urlsplit(url).scheme not in ("file", "data", "blob")] == errors == []
    context.close()


PRINTED = ["tensors", "statements", "verify", "testing"]


def test_the_printed_book_has_numbered_pages_links_and_no_clipped_code(browser, html, tmp_path, monkeypatch):
    pypdf = pytest.importorskip("pypdf")
    monkeypatch.syspath_prepend(ROOT / "tools")
    import print_book

    contents = {
        "root": "book/intro",
        "parts": [{"caption": "Some", "chapters": [{"file": f"book/{name}"} for name in PRINTED]}],
    }
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(contents), "utf-8")
    shutil.copy(ROOT / "_config.yml", tmp_path)
    monkeypatch.setattr(print_book, "ROOT", tmp_path)
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build/html").symlink_to(html, target_is_directory=True)
    pdf = print_book.print_pages(browser, tmp_path / "_build")
    reader = pypdf.PdfReader(pdf)
    texts = [page.extract_text() for page in reader.pages]
    assert [text.split()[-1] for text in texts] == [str(number) for number in range(1, len(texts) + 1)]
    starts = print_book.begins(pdf, ["book/intro", "book/tensors"])
    assert "Tensors and function spaces" in texts[starts["tensors--"] - 1]
    assert re.search(rf"Tensors and function spaces\s+{starts['tensors--']}", texts[0])
    links = [each.get_object() for page in reader.pages for each in page.get("/Annots", [])]
    targets = {str(link["/Dest"]).lstrip("/") for link in links if "/Dest" in link}
    assert len(targets) > 10
    assert targets <= {name.lstrip("/") for name in reader.named_destinations}
    addresses = {link["/A"]["/URI"] for link in links if "/A" in link}
    assert addresses and all(urlsplit(address).scheme == "https" for address in addresses)
    assert "Save our sample" in (html / "book/verify.html").read_text("utf-8")
    assert "Save our sample" not in "".join(texts)
    # Every line of code that the chapter shows is on paper to its last letter, however it is broken.
    soup = BeautifulSoup((html / "book/tensors.html").read_bytes(), "html.parser")
    shown = soup.select(":is(div.cell_input, div.cell_output) pre")
    shown = [each for each in shown if not each.find_parent("details") and not each.find_parent("figure")]
    on_paper = re.sub(r"\s", "", "".join(re.sub(r"\d+\s*$", "", text) for text in texts))
    assert len(shown) > 10
    table = BeautifulSoup((html / "book/statements.html").read_bytes(), "html.parser").select("td code")
    assert any("tests/" in each.get_text() for each in table)  # the last column
    for each in [*shown, *table]:
        for line in each.get_text().splitlines():
            assert re.sub(r"\s", "", line) in on_paper, line
