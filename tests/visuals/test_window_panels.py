"""Windows side by side: what is darker lies in both windows, and lines are where windows begin."""

import re
from xml.etree import ElementTree

from helpers.pictures import SVG, assert_legible, squares, words_of
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.architecture import Layer
from convac_lib.visuals.style import INK, MUTED
from convac_lib.visuals.window_panels import draw_window_panels

layers = st.builds(lambda S, extra: Layer(S + extra, S, 1), st.integers(1, 16), st.integers(0, 16))
panels = st.tuples(st.sampled_from(["ViT", "ConvNeXt"]), st.integers(2, 40), layers)


@given(st.lists(panels, min_size=1, max_size=7))
def test_what_is_darker_lies_in_both_windows(panels):
    svg = assert_legible(draw_window_panels(panels))
    groups = svg.findall(f"{SVG}g")
    assert len(groups) == len(panels)
    for group, (_, size, layer) in zip(groups, panels):
        windows = [squares(path) for path in group if path.get("fill-opacity") == ".3"]
        darker = [squares(path) for path in group if path.get("fill-opacity") == ".6"]
        outlined = [squares(path) for path in group if path.get("stroke") == INK]
        assert outlined == windows and len(windows) == 2
        assert set().union(*darker) == windows[0] & windows[1]
        R, S = layer.receptive_field, layer.stride
        if R + S <= size:
            assert len(windows[0]) == len(windows[1]) == R * R
            starts = [min(window) for window in windows]
            assert starts[1] == (starts[0][0], starts[0][1] + S)
            assert all(at % S == 0 for start in starts for at in start)


@given(panels)
def test_lines_are_where_windows_begin(panel):
    _, size, layer = panel
    (group,) = ElementTree.fromstring(draw_window_panels([panel])).findall(f"{SVG}g")
    (lines,) = (path.get("d") for path in group if path.get("stroke") == MUTED)
    begins = sorted(int(at) for at in re.findall(rf"M(\d+) 0v{size}(?=M)", lines))
    assert begins == [at for at in range(size) if at % layer.stride == 0]


def test_the_words_count_what_is_shared():
    for R, S in ((2, 2), (2, 1), (3, 1), (16, 16), (7, 4)):
        first, second = range(R), range(S, S + R)
        words = words_of(draw_window_panels([("a layer", 32, Layer(R, S, 1))]))
        assert words == ["a layer", f"R={R}, S={S}", f"shares {len(set(first) & set(second))} of {R}"]
