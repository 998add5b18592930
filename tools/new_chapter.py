"""Make the skeleton of a chapter, and list it in the table of contents.

    python tools/new_chapter.py my-chapter "My chapter"

The skeleton follows the pattern of every chapter and runs as it is. Replace its sentences, then store its outputs with
`python tools/execute_notebooks.py book/my-chapter.ipynb`.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from execute_notebooks import normalise
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
HIDDEN = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}, "cellView": "form"}


def skeleton(title: str, setup: str) -> NotebookNode:
    """Write the cells of a chapter that says nothing yet, in the order that every chapter keeps.

    Args:
        title: the chapter's heading.
        setup: the source of the set-up cell.

    Returns:
        The notebook, not executed.
    """
    text, code = new_markdown_cell, new_code_cell
    return new_notebook(
        cells=[
            text(f"# {title}\n\nOne sentence: the question that this chapter answers, and why it matters."),
            code(setup.rstrip("\n"), metadata=HIDDEN | {"tags": ["remove-input"]}),
            code(
                "# @title Draw: the rank for B = 1, 2 and 3\nimport matplotlib.pyplot as plt\n\n"
                "from convac_lib import certify_rank, common_case\n"
                "from convac_lib.visuals import style\n\nstyle.use()\n"
                "ranks = [certify_rank(common_case(B, M=2, size=4)).rank for B in (1, 2, 3)]\n"
                'plt.semilogy([1, 2, 3], ranks, "o-", base=2)\nplt.show()',
                metadata=HIDDEN,
            ),
            text("*The finding, in one sentence; then the source of the data, n, seeds and hardware.*"),
            text("**After this chapter you can**\n\n- …"),
            text(
                "> **Predict first.** A question that the reader can answer by thinking.\n>\n> <details>\n"
                "> <summary>Answer</summary>\n>\n> The answer, and why.\n>\n> </details>"
            ),
            text("## The smallest case\n\nBy hand, then by code."),
            code("certify_rank(common_case(B=2, M=2, size=2)).rank"),
            text("## The claim\n\n> **Conjecture (Its name).** …\n>\n> *Status: conjecture.*"),
            code("assert ranks == sorted(ranks)"),
            text("## Explore\n\nSay what to move, and what to look for."),
            text("## What could go wrong\n\nA mistake that a reader makes, with the real error message."),
            text("## What this does not show\n\nThe limits of the claim."),
            text("## Exercises\n\n> **Exercise 1 (Its name).** …"),
            text("## Recap and sources\n\n- …"),
        ]
    )


def add_to_contents(contents: str, name: str) -> str:
    r"""List a chapter after the last one of the first part.

    Args:
        contents: the text of `_toc.yml`.
        name: the chapter's file name, without its ending.

    Returns:
        The text with one line more.

    >>> print(add_to_contents("parts:\n  - chapters:\n      - file: book/a\n  - caption: Reference\n", "b"))
    parts:
      - chapters:
          - file: book/a
          - file: book/b
      - caption: Reference
    <BLANKLINE>
    """
    first_part = re.search(r"(?:^ +- file: .*\n)+", contents, flags=re.MULTILINE)
    return f"{contents[: first_part.end()]}      - file: book/{name}\n{contents[first_part.end() :]}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Make the skeleton of a chapter, and list it in the table of contents."
    )
    parser.add_argument("name", help="file name in book/, in lower-case letters, digits and hyphens")
    parser.add_argument("title", help="heading of the chapter")
    arguments = parser.parse_args()
    chapter, contents = ROOT / "book" / f"{arguments.name}.ipynb", ROOT / "_toc.yml"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", arguments.name):
        sys.exit(f"{arguments.name!r} is no chapter name; use lower-case letters, digits and hyphens, as in my-chapter")
    if chapter.exists():
        sys.exit(f"book/{arguments.name}.ipynb exists already; choose another name")
    setup = (ROOT / "tools" / "setup_cell.py").read_text("utf-8")
    nbformat.write(normalise(skeleton(arguments.title, setup)), chapter)
    contents.write_text(add_to_contents(contents.read_text("utf-8"), arguments.name), "utf-8")
    print(f"book/{arguments.name}.ipynb and its line in _toc.yml are written; replace the sentences, then run")
    print(f"python tools/execute_notebooks.py book/{arguments.name}.ipynb")


if __name__ == "__main__":
    main()
