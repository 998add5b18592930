"""Print the built book as one PDF, by Chromium.

    python tools/print_book.py    # after `make book`

The pages become one document. Links lead within it, an explorer is the figure that it shows first, and answers are
at the end of a chapter. It is printed twice, because the contents name pages that only the first print knows.
"""

import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[1]
NAME = "overlapping-architectures"
# What acts on a screen and says nothing on paper, and the source's pages, which are not printed.
NOT_ON_PAPER = "script, noscript, button, .headerlink, .viewcode-link, .tag_hide-input > .cell_input, details.hide"
STYLE = """
@page { size: A4; margin: 18mm 18mm 20mm }
html { font-size: 10.5pt }
.bd-article { padding: 0 !important; max-width: none !important }
.page { break-before: page }
.contents { list-style: none; padding: 0 }
.contents a { display: flex; gap: 1em; justify-content: space-between; color: inherit; text-decoration: none }
.contents .part { margin-top: 1em; font-weight: 600 }
.convac-explorer table, .convac-explorer details { display: none }
.answers h3 { font-size: 1rem }
"""
FOOTER = '<p style="width: 100%; font-size: 8pt; text-align: center"><span class="pageNumber"></span></p>'


def pages_of(contents: dict) -> Iterator[tuple[str, str]]:
    """Yield each page of the contents in reading order, with the title of the part that it begins, if it begins one."""

    def below(entry: dict) -> Iterator[str]:
        yield entry["file"]
        for section in entry.get("sections", []):
            yield from below(section)

    yield contents["root"], ""
    for part in contents["parts"]:
        pages = [page for chapter in part["chapters"] for page in below(chapter)]
        yield pages[0], part["caption"]
        yield from ((page, "") for page in pages[1:])


def anchor(page: str, name: str = "") -> str:
    """Return the name that an anchor of a page has in the whole document.

    >>> anchor("book/overlaps", "exercises")
    'overlaps--exercises'
    """
    return f"{page.rpartition('/')[2]}--{name}"


def printed(page: str, html: Path, known: set[str]) -> Tag:
    """Return the article of a page as it is printed.

    Args:
        page: the page's name, as in the contents.
        html: the folder of the built book.
        known: the names of all pages that are printed.
    """
    soup = BeautifulSoup((html / f"{page}.html").read_text("utf-8"), "html.parser")
    article = soup.select_one("article.bd-article")
    for element in article.select(NOT_ON_PAPER):
        element.decompose()
    for element in article.select("[id]"):
        element["id"] = anchor(page, element["id"])
    for image in article.select("img[src]"):
        if not image["src"].startswith("data:"):
            image["src"] = urljoin(f"html/{page}.html", image["src"])
    for link in article.select("a[href]"):
        url = urlsplit(urljoin(f"{page}.html", link["href"]))
        target = url.path.removesuffix(".html")
        if url.scheme in ("http", "https"):
            continue
        if link.has_attr("download"):  # nothing is saved from paper, so its sentence goes, too
            for word in (*link.next_siblings, link):
                word.extract()
        elif target in known and not url.scheme:
            link["href"] = "#" + anchor(target, unquote(url.fragment))
        else:
            link.unwrap()
    move_answers(soup, article, page)
    article["id"] = anchor(page)
    article["class"] = ["bd-article", "page"]
    return article


def move_answers(soup: BeautifulSoup, article: Tag, page: str) -> None:
    """Move folded answers and solutions to the end of the chapter, each linked to where it stood and back."""
    answers = soup.new_tag("section", attrs={"class": "answers"})
    folded = [each for each in article.select("details") if each.summary and not each.find_parent("figure")]
    for number, fold in enumerate(folded, 1):
        kind = fold.summary.get_text(" ", strip=True)
        if kind not in ("Answer", "Solution"):
            fold["open"] = ""
            continue
        here, there = anchor(page, f"asked-{number}"), anchor(page, f"answer-{number}")
        asked = soup.new_tag("p", attrs={"id": here})
        to_answer = soup.new_tag("a", href=f"#{there}")
        to_answer.string = f"{kind} {number}, at the end of this chapter"
        asked.append(to_answer)
        fold.replace_with(asked)
        title = soup.new_tag("h3", attrs={"id": there})
        back = soup.new_tag("a", href=f"#{here}")
        back.string = f"{kind} {number}"
        title.append(back)
        fold.summary.decompose()
        fold.name = "div"
        answers.extend([title, fold])
    if answers.contents:
        heading = soup.new_tag("h2")
        heading.string = "Answers"
        answers.insert(0, heading)
        article.append(answers)


def document(html: Path, numbers: dict[str, int]) -> str:
    """Return the whole book as one page of HTML.

    Args:
        html: the folder of the built book.
        numbers: the page in print on which each page of the book begins; empty before the first print.
    """
    pages = list(pages_of(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))))
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    root = BeautifulSoup((html / f"{pages[0][0]}.html").read_text("utf-8"), "html.parser")
    head = []
    for element in root.select("head link[rel=stylesheet], script"):
        source = element.get("href") or element.get("src") or ""
        if "mathjax" in source.lower() or element.name == "link" or "MathJax" in element.get_text():
            for name in ("href", "src"):
                if element.get(name):
                    element[name] = urljoin(f"html/{pages[0][0]}.html", element[name])
            head.append(str(element))
    articles = [printed(page, html, {page for page, _ in pages}) for page, _ in pages]
    rows = []
    for (page, part), article in zip(pages, articles):
        title = article.h1.get_text(" ", strip=True).removesuffix("#")
        rows += [f'<li class="part">{part}</li>'] if part else []
        rows.append(
            f'<li><a href="#{anchor(page)}"><span>{title}</span><span>{numbers.get(anchor(page), "")}</span></a></li>'
        )
    return f"""<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{config["title"]}</title>
{"".join(head)}<style>{STYLE}</style></head>
<body><div class="bd-content"><div class="bd-article-container">
<article class="bd-article"><h1>{config["title"]}</h1>
<p>{config["author"]}. Printed on {date.today():%d %B %Y}. {config["html"]["extra_footer"]}</p>
<ul class="contents">{"".join(rows)}</ul></article>
{"".join(map(str, articles))}
</div></div></body></html>
"""


def begins(pdf: Path, pages: list[str]) -> dict[str, int]:
    """Return the number of the printed page on which each page of the book begins."""
    reader = PdfReader(pdf)
    return {
        anchor(page): 1 + reader.get_destination_page_number(reader.named_destinations[f"/{anchor(page)}"])
        for page in pages
        if f"/{anchor(page)}" in reader.named_destinations
    }


def print_pages(browser: Browser, build: Path) -> Path:
    """Print the book that is built in a folder, and return the PDF's path."""
    source, pdf = build / "print.html", build / f"{NAME}.pdf"
    pages = [page for page, _ in pages_of(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8")))]
    tab = browser.new_context(offline=True).new_page()
    tab.set_default_timeout(600_000)
    numbers: dict[str, int] = {}
    for _ in range(2):
        source.write_text(document(build / "html", numbers), "utf-8")
        tab.goto(source.as_uri())
        tab.evaluate("async () => { await window.MathJax.startup.promise; await document.fonts.ready }")
        tab.pdf(
            path=pdf, prefer_css_page_size=True, display_header_footer=True, header_template="<p></p>",
            footer_template=FOOTER, outline=True, tagged=True,
        )  # fmt: skip
        numbers = begins(pdf, pages)
    tab.context.close()
    return pdf


if __name__ == "__main__":
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("make pdf: no Chromium was found, which prints the book; install it")
    with sync_playwright() as engine:
        print(print_pages(engine.chromium.launch(executable_path=chromium, args=["--no-sandbox"]), ROOT / "_build"))
