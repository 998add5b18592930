"""Every word of the prose stands in the English dictionary or in tests/words.txt, which holds no word too many."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_role import myst_role_plugin
from spellchecker import SpellChecker

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("book/*.md")), *sorted(ROOT.glob("book/*.ipynb"))]
PAGES += [ROOT / "README.md", ROOT / "benchmarks/README.md"]
OWN_WORDS = (ROOT / "tests/words.txt").read_text("utf-8").splitlines()
MARKDOWN = MarkdownIt("commonmark").enable("table")
for plugin in (dollarmath_plugin, myst_role_plugin):
    MARKDOWN.use(plugin)


def prose_of(text):
    """The prose of some Markdown: no code, formula, reference or address."""
    for token in MARKDOWN.parse(text):
        if token.type == "inline":
            yield "".join(runs_of(token))


def runs_of(inline):
    for token in inline.children:
        if token.type == "image":
            yield from runs_of(token)
        elif token.type == "myst_role":  # of "words <label>" the words, of a label alone nothing
            yield token.content.partition("<")[0] if "<" in token.content else " "
        elif token.type in ("text", "softbreak"):
            yield token.content or "\n"
        elif token.type in ("code_inline", "math_inline"):
            yield " "


def words_of(text):
    """Its words; single letters, and what has capitals or digits within, are names."""
    found = re.findall(r"[\w'’]+", "\n".join(prose_of(text)))
    words = (re.sub(r"['’]s?$", "", word.strip("'’_")) for word in found)
    return {word for word in words if re.fullmatch(r"[^\W\d_]([^\W\d_A-Z]|['’])+", word)}


@cache
def words_on(page):
    if page.suffix == ".md":
        return words_of(page.read_text("utf-8"))
    cells = json.loads(page.read_text("utf-8"))["cells"]
    return set().union(*(words_of("".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown"))


@cache
def english():
    return SpellChecker(language="en", distance=1)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_word_is_spelt_right_or_listed(page):
    assert sorted(english().unknown(words_on(page)) - set(OWN_WORDS)) == [], "mend it, or add it to tests/words.txt"


def test_the_list_is_sorted_and_holds_no_word_too_many():
    unknown = english().unknown(set().union(*map(words_on, PAGES)))
    assert sorted(unknown & set(OWN_WORDS)) == OWN_WORDS


def test_what_is_no_prose_is_left_out():
    text = """# Overlapp
A *wrod* of `cdoe`, $mth$ and {py:func}`refrence`, {py:func}`grid tensors <grdi>`, [lnik](addres), MaxPool;
it's Sharir’s x2y.

> **Exercise 1 (Tilte).** Words.
>
> $$ dispaly $$

<details>
<summary>Answer</summary>

```python
vraiable = 1
```

</details>

| hed | two |
|---|---|
| cel | other |

![picutre](fiel.png)
"""
    assert english().unknown(words_of(text)) == {"overlapp", "wrod", "lnik", "tilte", "hed", "cel", "picutre", "sharir"}
