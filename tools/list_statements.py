"""Write the list of the book's statements, each with its status, its code and its tests: book/statements.md.

    python tools/list_statements.py

The statements, their numbers and their status come from the chapters. What computes and tests each one is listed here,
by its anchor; a test compares the page with what this writes.
"""

import re

from number_statements import HEAD, KINDS, ROOT, in_reading_order, texts_of

from convac_lib import __version__

PAGE = ROOT / "book" / "statements.md"
CODE = {  # anchor: what computes it, and what tests it; definitions and remarks have none
    "prop-witness": ("theory.ranks.certify_rank", "tests/theory/test_ranks.py"),
    "prop-universal": ("theory.universality.fit_grid_tensor", "tests/theory/test_universality.py"),
    "prop-cp": ("theory.decompositions.compose_cp", "tests/theory/test_decompositions.py"),
    "prop-ht": ("theory.decompositions.compose_hierarchical_tucker", "tests/theory/test_decompositions.py"),
    "thm-depth": ("theory.ranks.certify_rank", "tests/theory/test_decompositions.py"),
    "prop-leaves": ("theory.circuits.Circuit", "tests/theory/test_circuits.py"),
    "prop-replication": ("theory.witness.replicate", "tests/theory/test_witness.py"),
    "thm-overlap": ("theory.bounds.theorem, theory.witness.theorem_witness", "tests/theory/test_witness.py"),
    "prop-tree": ("theory.bounds.non_overlapping_upper", "tests/theory/test_trees.py"),
    "claim-common-case": ("theory.bounds.talk_bound, theory.chain.chain", "tests/theory/test_chain.py"),
    "prop-degree": ("theory.pair_count.count_pairs", "tests/theory/test_pair_count.py"),
    "cor-square": ("theory.pair_count.sizes_below_square", "tests/theory/test_pair_count.py"),
    "prop-placement": ("families.place_overlap", "tests/theory/test_min_cut.py"),
    "prop-first-layer": ("theory.min_cut.min_cut_upper", "tests/theory/test_chain.py"),
    "thm-chain": ("theory.chain.chain, theory.chain_witness.chain_witness", "tests/theory/test_chain.py"),
    "cor-talks-claim": ("theory.bounds.talk_bound", "tests/theory/test_chain.py"),
    "thm-min-cut": ("theory.min_cut.min_cut_upper", "tests/theory/test_min_cut.py"),
    "thm-multisets": ("theory.min_cut.min_cut_upper", "tests/theory/test_min_cut.py"),
    "thm-exponent": ("theory.min_cut.rank_exponent", "tests/theory/test_min_cut.py"),
    "prop-one-block": ("theory.min_cut.min_cut_upper", "tests/theory/test_min_cut.py"),
    "prop-not-everything": ("theory.thresholds.full_rank_threshold", "tests/theory/test_thresholds.py"),
    "prop-fixed-channels": ("theory.strips.strips", "tests/theory/test_min_cut.py"),
    "conj-equality": ("theory.comparisons.count_comparisons", "tests/theory/test_comparisons.py"),
    "prop-halved": ("related.depth.odd_even_rank", "tests/related/test_depth_efficiency.py"),
    "prop-exceptional": ("related.depth.failure_probability", "tests/related/test_depth_efficiency.py"),
    "prop-row-cut": ("related.widths.min_cut", "tests/related/test_widths.py"),
    "conj-row-cut": ("related.widths.min_cut", "tests/related/test_widths.py"),
    "prop-symmetric": ("related.row.row_rank", "tests/related/test_widths.py"),
    "prop-split-windows": ("related.geometry.rank_bounds", "tests/related/test_geometry.py"),
    "prop-mixed-bound": ("related.mixed.rank_bound", "tests/related/test_mixed.py"),
    "prop-mixed-quadratic": ("related.mixed.opposite_plan", "tests/related/test_mixed.py"),
    "prop-max-depth": ("related.rectifier.witness", "tests/related/test_rectifier.py"),
    "prop-max-channel": ("related.rectifier.channel_rank", "tests/related/test_rectifier.py"),
    "prop-max-incomplete": ("related.rectifier.draw_tensors", "tests/related/test_rectifier.py"),
    "prop-average": ("related.rectifier.average_rank", "tests/related/test_rectifier.py"),
    "prop-max-universal": ("related.rectifier.universal", "tests/related/test_rectifier.py"),
    "prop-marginal": ("related.missing.GenerativeConvAC", "tests/related/test_missing.py"),
    "prop-mex": ("networks.simnets.mex", "tests/networks/test_simnets.py"),
    "prop-log-convac": ("networks.simnets.log_convac", "tests/networks/test_simnets.py"),
    "prop-two-relus": ("related.convergence.kernel", "tests/related/test_convergence.py"),
    "prop-population": ("related.convergence.population_loss", "tests/related/test_convergence.py"),
    "prop-rays": ("related.convergence.best_on_ray", "tests/related/test_convergence.py"),
    "prop-no-trap": ("related.convergence.saddle", "tests/related/test_convergence.py"),
    "prop-trap": ("related.convergence.population_hessian", "tests/related/test_convergence.py"),
}
BEGINNING = f"""\
# Statements

Every numbered statement of the book, with its status, what computes it, and what tests it. Cite a statement by its
number, its name and the version of the book, as in "[Theorem 2](overlap-theorem.ipynb#thm-overlap) (Overlapping
efficiency), version {__version__}", with the entry of `CITATION.cff`. Numbers may change between versions; the anchors
of the links stay.

| statement | name | status, in short | code in `convac_lib` | test |
|---|---|---|---|---|
"""
END = """
## Bounds of the library

These have no number in a chapter. Each function's page states its bound, with the hypotheses.

| statement | code in `convac_lib` | test | evidence |
|---|---|---|---|
| No exact rank of the random comparisons violates a bound. | `theory.comparisons.read_comparisons` | `tests/theory/test_comparisons.py` | `results/bounds.csv` |
| Closed form of the min cut, in the common case. | `theory.strips.strips` | `tests/theory/test_min_cut.py` | |
| Channels that full rank takes, as a power of M. | `theory.thresholds.full_rank_threshold` | `tests/theory/test_thresholds.py` | |
| The tree of all copies has the plain min cut as its rank, where M and all channels are powers of one integer. | `theory.gaps.tree_rank` | `tests/theory/test_comparisons.py` | |

A certificate of an exact rank is a file in `results/certificates`, and `convac verify` checks it.
"""  # noqa: E501


def statements() -> list[tuple[str, str, str, str, str]]:
    """List (page, anchor, number, name, status) of every statement, in reading order."""
    found = []
    for path in in_reading_order():
        text = "\n\n".join(texts_of(path)) if path != PAGE else ""
        for head in re.finditer(rf'<a id="([\w-]+)"></a>\*\*((?:{KINDS}) \d+) \((.*?)\)\.\*\*', text):
            status = re.search(r"\*Status: (.*?)(?: Cohen|[.:;,*])", plain(text[head.end() :]))
            found.append((path.name, head[1], head[2], head[3], status[1].partition(" (")[0] if status else ""))
        assert len(re.findall(HEAD, text)) == sum(name == path.name for name, *_ in found), path
    return found


def plain(words: str) -> str:
    """Take the links out of a text."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words)


def page() -> str:
    """Return the text of the page."""
    rows = []
    for name, anchor, number, title, status in statements():
        code, test = CODE.get(anchor, ("", ""))
        spans = ", ".join(f"`{each}`" for each in code.split(", ") if each)
        rows.append(f"| [{number}]({name}#{anchor}) | {title} | {status} | {spans} | {f'`{test}`' if test else ''} |")
    return BEGINNING + "\n".join(rows) + "\n" + END


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8", newline="\n")
