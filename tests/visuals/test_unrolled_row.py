"""A row of the unrolled network: as many circles as there are ways down from the top, counted one by one."""

from collections import Counter

import pytest
from matplotlib import pyplot

from convac_lib import Architecture, Layer, common_case
from convac_lib.errors import BudgetError
from convac_lib.theory.unrolled import count_unrolled
from convac_lib.visuals.unrolled_row import unrolled_row


def ways_down(network):
    """How often each unit of each layer is reached from the top along one axis, by walking all ways."""
    reached, sizes = Counter(), (network.size, *network.sizes)

    def visit(level, place):
        reached[level, place] += 1
        if level:
            layer = network.layers[level - 1]
            for offset in range(layer.receptive_field):
                if (below := place * layer.stride + offset) < sizes[level - 1]:
                    visit(level - 1, below)

    visit(len(network.layers), 0)
    return reached


NETWORKS = [
    common_case(B=2, M=2, size=4),
    common_case(B=3, M=2, size=4),
    common_case(B=1, M=2, size=4),
    Architecture(6, 2, [Layer(2, 1, 2), Layer(3, 3, 2), Layer(2, 2, 1)]),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_there_is_a_circle_for_each_way_down_and_a_square_for_each_patch(network):
    reached = ways_down(network)
    prices = {(1, 1): "C", (0, 0): "M"}
    axes = unrolled_row(pyplot.figure().subplots(), network, prices)
    drawn = Counter()
    for text in axes.texts:
        if text.get_bbox_patch() is not None:
            drawn[round(text.xy[1]), int(text.get_text()) - 1] += 1
    instances = {place: count for place, count in reached.items() if place[0]}
    assert drawn == Counter(instances | {(0, patch): 1 for patch in range(network.size)})
    levels = Counter()
    for (level, _), count in drawn.items():
        levels[level] += count
    assert sum(count**2 for count in levels.values()) == count_unrolled(network)[0]
    assert len(axes.lines) == sum(reached.values()) - 1  # an edge from each parent
    priced = Counter(text.get_text() for text in axes.texts if text.get_text() in ("C", "M"))
    assert priced == {"C": reached[1, 1], "M": 1}
    pyplot.close("all")


def test_a_large_network_is_refused():
    with pytest.raises(BudgetError) as error:
        unrolled_row(pyplot.figure().subplots(), common_case(B=2, M=2, size=16), {})
    assert str(error.value) == (
        "a min cut is searched in unrolled networks of at most 1,000 vertices, and this one has 7,286; "
        "use a smaller image, smaller windows or fewer layers"
    )
    pyplot.close("all")
