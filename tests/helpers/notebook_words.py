"""What a Markdown cell shows in JupyterLab, Colab, VS Code and GitHub, and what one of them does not understand."""

import re

from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table")
FORMULA = re.compile(r"\$\$.+?\$\$|(?<![\\$\w])\$(?=\S)[^$\n]*?(?<=\S)\$(?![\d$])", re.DOTALL)
SOURCE = {  # what is left of the text after rendering, where only the site's build, or nobody, understands it
    "a role": re.compile(r"\{[a-z:]+\}`|\{(?:term|doc|ref|cite|prf:\w+|py:\w+|math)\}"),
    "a directive": re.compile(r":::"),
    "a target": re.compile(r"^\([\w-]+\)=", re.MULTILINE),
    "a dollar sign outside of a formula": re.compile(r"\$"),
    "a footnote": re.compile(r"\[\^\w+\]"),
    "emphasis or code that was not rendered": re.compile(r"\*\*|(?<!`)``?(?!`)"),
    "a link that was not rendered": re.compile(r"\]\("),
    "a mark of a quote within a formula": re.compile(r"«[^»]*\n\s*>[^»]*»"),
    "a command of TeX outside of a formula": re.compile(r"\\[a-zA-Z]{2,}"),
}
RULES = {  # what one of them breaks on, in the text without its code
    "a formula over several lines in a quote, where JupyterLab shows the quote's marks": re.compile(
        r"^>(?:(?!\$\$)[^\n])*\$\$(?:(?!\$\$)[^\n])*$", re.MULTILINE
    ),
    "a display formula within a paragraph; leave a line blank before and after it": re.compile(
        r"[^\s>][ \t]*\$\$[^$\n]+\$\$|^(?:>[ ]?)*[^\s>$][^\n]*\n(?:>[ ]?)*\$\$[^$\n]+\$\$", re.MULTILINE
    ),
    r"\tag within aligned": re.compile(r"\\begin\{aligned\}(?:(?!\\end\{aligned\}).)*\\tag", re.DOTALL),
    "a formula in a summary": re.compile(r"<summary>[^<]*\$"),
    "a formula within inline HTML": re.compile(r"<(?:small|kbd|abbr|span|sub|sup|mark|figcaption)\b[^>]*>[^<]*\$"),
    "a fold without a blank line after its summary": re.compile(r"</summary>[ \t]*\n(?!>?[ \t]*\n)"),
    "a heading in a fold": re.compile(r"<details>(?:(?!</details>).)*^#+ ", re.MULTILINE | re.DOTALL),
    r"a dollar sign with a backslash": re.compile(r"\\\$"),
    r"\( or \[, which Markdown takes as a bracket": re.compile(r"\\\\?[(\[](?![^$]*\$\$)(?=[^\n]*\\\\?[)\]])"),
    "a task list, a list of definitions or ~~": re.compile(r"^\s*- \[[ x]\] |^: \S|~~", re.MULTILINE),
    "an HTML image, whose file the site does not copy": re.compile(r"<img\b"),
    "a link to a heading; link to an anchor": re.compile(r"\]\((?:[\w.-]+\.ipynb)?#[^)]*[A-Z]"),
    "a bar within a formula of a table": re.compile(
        r"^\|(?:[^$\n]*\$[^$\n]*\$)*[^$\n]*\$[^$\n|]*\|[^$\n]*\$", re.MULTILINE
    ),
}
FENCED_DIRECTIVE = re.compile(r"^\s*(?:>\s*)*`{3,}\s*\{", re.MULTILINE)  # shown as code, with its name and its options
CODE = re.compile(r"^((?:>[ ]?)*)(```+).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
WORDS_AS_CODE = re.compile(r"(?<![`}])`[^`\n]+`")


def shown(text):
    """The words of a cell as JupyterLab shows them: it takes formulas out before it reads the Markdown."""
    formulas = []

    def take(match):
        formulas.append(match[0].strip("$"))
        return f"«{len(formulas) - 1}»"

    page = BeautifulSoup(RENDERER.render(FORMULA.sub(take, text)), "html.parser")
    for code in page.select("code, pre"):
        code.decompose()
    return re.sub(r"«(\d+)»", lambda match: f"«{formulas[int(match[1])]}»", page.get_text())


def faults(text):
    """What a reader of this cell would see wrongly in at least one of the programs, as a list of sentences."""
    words = shown(text)
    outside = re.sub(r"«[^»]*»", "", words)
    found = [name for name, rule in SOURCE.items() if rule.search(words if "within" in name else outside)]
    bare = WORDS_AS_CODE.sub("`code`", CODE.sub("", text))
    found += ["a directive"] if FENCED_DIRECTIVE.search(text) else []
    return found + [name for name, rule in RULES.items() if rule.search(bare)]
