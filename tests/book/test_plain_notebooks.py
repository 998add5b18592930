"""JupyterLab, Colab, VS Code and GitHub show the chapters as they are meant, with nothing installed."""

import json
import re

import pytest
from helpers.chapters import CHAPTERS
from helpers.notebook_words import faults, shown

NOTEBOOKS = {name: json.loads(path.read_text("utf-8")) for name, path in CHAPTERS.items()}
HIDDEN = {"hide-input", "remove-input"}
CELL = {"tags", "mystnb", "jupyter", "cellView"}


def cells_of(notebook, kind):
    return [("".join(cell["source"]), cell["metadata"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_word_is_shown_as_it_is_meant(name):
    found = {text[:60]: faults(text) for text, _ in cells_of(NOTEBOOKS[name], "markdown")}
    assert {text: each for text, each in found.items() if each} == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{term}`cut`", "a role"),
        (":::{admonition} Predict first\nwords\n:::", "a directive"),
        ("```{prf:theorem}\nwords\n```", "a directive"),
        ("(theorem-statement)=\n# Title", "a target"),
        ("It costs $5.", "a dollar sign outside of a formula"),
        ("words[^1]", "a footnote"),
        ("<details>\n<summary>Answer</summary>\n**bold**\n</details>", "emphasis or code that was not rendered"),
        ("> $$\n> a\n> $$", "a mark of a quote within a formula"),
        ("\\alpha", "a command of TeX outside of a formula"),
        ("words\n$$ a $$\nwords", "a display formula within a paragraph; leave a line blank before and after it"),
        ("$$ \\begin{aligned} a \\tag{1} \\end{aligned} $$", "\\tag within aligned"),
        ("<details>\n<summary>$a$</summary>\n\nwords\n\n</details>", "a formula in a summary"),
        ("<small>$a$</small>", "a formula within inline HTML"),
        ("<details>\n<summary>Answer</summary>\n\n# Title\n\n</details>", "a heading in a fold"),
        ("\\$5 and \\$6", "a dollar sign with a backslash"),
        ("\\(a\\)", "\\( or \\[, which Markdown takes as a bracket"),
        ("- [ ] to do", "a task list, a list of definitions or ~~"),
        ('<img src="a.png">', "an HTML image, whose file the site does not copy"),
        ("[words](#The-Title)", "a link to a heading; link to an anchor"),
        ("| a | b |\n|---|---|\n| $|x|$ | c |", "a bar within a formula of a table"),
    ],
)
def test_what_one_program_breaks_on_is_found(text, fault):
    assert fault in faults(text)


def test_what_every_program_shows_is_no_fault():
    text = """# A title with $x$

> <a id="thm"></a>**Theorem 2 (Its name).** Take $a_1 < b$ and `code {term}`.
>
> $$ \\begin{aligned} a &= b, \\\\ c &= d \\end{aligned} $$
>
> *Status: proved.*

<details>
<summary>Answer</summary>

It is **64**: see [Theorem 2](#thm), [a term](glossary.ipynb#cut) and $\\lvert x \\rvert$.

```python
check("$", {"a": 1})
```

</details>

| a | b |
|---|---|
| $\\lvert x \\rvert$ | 1 |
"""
    assert faults(text) == []
    assert "It is 64" in shown(text)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_hidden_code_is_hidden_everywhere_and_says_what_it_does(name):
    for source, metadata in cells_of(NOTEBOOKS[name], "code"):
        hidden = bool(HIDDEN & set(metadata.get("tags", [])))
        assert hidden == (metadata.get("jupyter") == {"source_hidden": True}) == (metadata.get("cellView") == "form"), (
            source
        )
        assert hidden == source.startswith("# @title "), source  # JupyterLab shows the first line, Colab the title


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_anchor_has_one_place_and_a_solution_is_folded_and_tagged(name):
    words = cells_of(NOTEBOOKS[name], "markdown")
    anchors = [anchor for text, _ in words for anchor in re.findall(r'<a id="([^"]+)"></a>', text)]
    assert len(anchors) == len(set(anchors))
    for text, metadata in words:
        assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
        assert (metadata.get("tags") == ["solution"]) == ("<summary>Solution" in text)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_carries_nothing_of_the_program_that_wrote_it(name):
    notebook = NOTEBOOKS[name]
    assert set(notebook["metadata"]) == {
        "kernelspec",
        "language_info",
    }  # of widgets' state GitHub makes "Invalid Notebook"
    assert all(set(cell["metadata"]) <= CELL for cell in notebook["cells"])
    assert all("".join(cell["source"]).strip() for cell in notebook["cells"]), "a cell is empty"


def test_every_link_leads_to_a_page_and_an_anchor():
    anchors = {
        name.removeprefix("book/"): {
            anchor for text, _ in cells_of(notebook, "markdown") for anchor in re.findall(r'<a id="([^"]+)"></a>', text)
        }
        for name, notebook in NOTEBOOKS.items()
    }
    for name, notebook in NOTEBOOKS.items():
        for text, _ in cells_of(notebook, "markdown"):
            for page, anchor in re.findall(r"\]\(([\w-]*)(?:\.ipynb)?#([\w-]+)\)", text):
                assert anchor in anchors[page or name.removeprefix("book/")], f"{name}: {page}#{anchor}"
