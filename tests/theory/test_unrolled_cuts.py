"""Cuts of unrolled networks against another maximum flow: all labellings that are found cost exactly as much."""

from itertools import product

import networkx as nx
import numpy as np
from helpers.strategies import architectures, cuts, seeds
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convac_lib import make_cut
from convac_lib.theory.unrolled import count_unrolled, unroll
from convac_lib.theory.unrolled_cuts import Labelling, smallest_cuts

SMALL = architectures(max_size=4).filter(lambda network: network.size > 1)


def flow(unrolled, cut, patch, levels):
    """The minimum vertex cut by networkx, over vertices (level, number) and patches."""
    graph, rows = nx.DiGraph(), set(cut.rows)
    for number in range(cut.size**2):
        ends = ("P", ("patch", number)) if number in rows else (("patch", number), "Q")
        graph.add_edge(*ends, capacity=patch)
    for level, prices in enumerate(levels, start=1):
        for number, price in enumerate(prices.tolist()):
            graph.add_edge((level, number, "in"), (level, number, "out"), capacity=price)
    for level, up in enumerate(unrolled.up):
        for number, parent in enumerate(up.tolist()):
            if level:
                graph.add_edge((level, number, "out"), (level + 1, parent, "in"))
                graph.add_edge((level + 1, parent, "out"), (level, number, "in"))
            elif (place := int(unrolled.nodes[0][number])) in rows:
                graph.add_edge(("patch", place), (1, parent, "in"))
            else:
                graph.add_edge((1, parent, "out"), ("patch", place))
    return nx.minimum_cut_value(graph, "P", "Q")


@settings(max_examples=40)
@given(SMALL, seeds, st.integers(1, 5), st.data())
def test_every_labelling_found_costs_what_another_flow_finds(network, seed, patch, data):
    assume(count_unrolled(network)[1] < 600)
    unrolled, cut = unroll(network, 600), make_cut(data.draw(cuts(network.size)), network.size)
    generator = np.random.default_rng(seed)
    levels = [generator.integers(1, 6, len(nodes)).astype(float) for nodes in unrolled.nodes[1:]]
    least, found = flow(unrolled, cut, patch, levels), [*smallest_cuts(unrolled, cut, patch, levels)]
    assert len(found) == 4
    for each in found:
        mixed = sum(prices[each.mixed(level)].sum() for level, prices in enumerate(levels, start=1))
        assert patch * len(each.mixed_patches()) + mixed == least


@settings(max_examples=40)
@given(SMALL, seeds, st.data())
def test_what_is_mixed_is_what_edges_of_both_sides_meet(network, seed, data):
    assume(count_unrolled(network)[1] < 400)
    unrolled, cut = unroll(network, 400), make_cut(data.draw(cuts(network.size)), network.size)
    generator = np.random.default_rng(seed)
    sides = tuple(generator.random(len(up)) < generator.choice([0.1, 0.5, 0.9]) for up in unrolled.up)
    labelling, met = Labelling(unrolled, cut, sides), {}
    for level, (up, labels) in enumerate(zip(unrolled.up, sides)):
        for number, (parent, side) in enumerate(zip(up.tolist(), labels.tolist())):
            below = (level, number) if level else ("patch", int(unrolled.nodes[0][number]))
            met.setdefault(below, {below[1] in cut.rows} if level == 0 else set()).add(side)
            met.setdefault((level + 1, parent), set()).add(side)
    children = {(level + 1, int(parent), side) for level, up in enumerate(unrolled.up)
                for parent, side in zip(up, sides[level].tolist())}  # fmt: skip
    for level in range(1, len(unrolled.nodes)):
        nodes = unrolled.nodes[level]
        mixed = [len(met[level, number]) == 2 for number in range(len(nodes))]
        assert labelling.mixed(level).tolist() == mixed
        copies = [sum(m for m, other in zip(mixed, nodes) if other == node) for node in nodes]
        assert labelling.mixed_copies(level).tolist() == copies
        for number, side in product(range(len(nodes)), (True, False)):
            assert labelling.has_child(level, side)[number] == ((level, number, side) in children)
    patches = [patch for patch in range(network.size**2) if len(met.get(("patch", patch), ())) == 2]
    assert labelling.mixed_patches().tolist() == patches
