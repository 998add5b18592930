"""The explorer of missing data: its numbers are the library's, and every picture is legible."""

import numpy as np
import pytest
from helpers.pictures import assert_legible

from convac_lib.data.digits import digits
from convac_lib.errors import ConvacError
from convac_lib.related.missing import hide, recorded_model
from convac_lib.visuals.pixels import pixels_in
from convac_lib.visuals.views.missing import HIDDEN, missing_view

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("digit", "hidden"), [(0, 0), (3, 32), (8, 56), (9, 16)])
def test_the_bars_are_the_posterior_of_the_recorded_network(digit, hidden):
    view, data = missing_view(digit, hidden), digits()
    image = (data.test_images[data.test_labels == digit][:1] / 240).double()
    seen = hide("pixels", hidden, 1, 8)
    model = recorded_model()
    joint = model(image, seen)[0].exp().numpy()
    percents = [round(100 * share) for share in joint / joint.sum()]
    svg = assert_legible(view.picture)
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert words[3:] == [word for number, percent in enumerate(percents) for word in (str(percent), str(number))]
    assert all(f"{number}: {percent} %" in view.alt for number, percent in enumerate(percents))
    assert view.values == {
        "pixels hidden": hidden,
        "of the true class, %": percents[digit],
        "largest, %": max(percents),
    }
    shown, filled = (pixels_in(picture) for picture in svg.iter(f"{SVG}image"))
    mask = seen[0].numpy()
    assert ((shown == HIDDEN).all(-1) == ~mask).all()
    assert (shown[mask] == filled[mask]).all()
    greys = np.rint(255 * (1 - model.inpaint(image, seen)[0, 0].numpy().clip(0, 1)))
    assert (filled[:, :, 0] == greys).all()


def test_a_rectangle_is_erased_within_the_image():
    assert missing_view(1, 0, top=6, left=5, height=4, width=2).values["pixels hidden"] == 4
    assert missing_view(1, 0, top=0, left=0, height=8, width=8).reading == missing_view(1, 64).reading


def test_a_number_out_of_range_is_refused():
    with pytest.raises(ConvacError) as raised:
        missing_view(10, 0)
    assert str(raised.value) == "digit must be an integer from 0 to 9, not 10"
