"""Pictures put together keep their places."""

from xml.etree import ElementTree

from convac_lib.families import common_case
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import stack


def test_stacked_pictures_keep_their_places():
    scale, network = draw_rank_scale(2, colour=colour_of(1)), draw_network(common_case(1, 2, 4))
    heights = [float(ElementTree.fromstring(picture).get("height")) for picture in (network, scale)]
    svg = ElementTree.fromstring(stack(network, scale, gap=10))
    assert float(svg.get("height")) == sum(heights) + 10
    assert [group.get("transform") for group in svg] == ["translate(0 0)", f"translate(0 {heights[0] + 10:g})"]
