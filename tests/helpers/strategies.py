"""What hypothesis draws: small networks, and cuts of their images."""

from hypothesis import strategies as st

from convac_lib import Architecture, Layer


@st.composite
def architectures(
    draw,
    max_size=4,
    max_channels=3,
    max_layers=3,
    borders=("neutral", "ones", "valid"),
    overlapping=True,
    plain=True,
):
    """A network that ends in 1×1; its layers overlap or not, its windows may leave the image unless it is "valid".

    Unless it is plain, layers may be weight-free and weights unshared.
    """
    size, border = draw(st.integers(1, max_size)), draw(st.sampled_from(borders))
    channels, M = st.integers(1, max_channels), draw(st.integers(1, max_channels))
    layers, side, below = [], size, M
    for last in [False] * draw(st.integers(0, max_layers - 1)) + [True]:
        stride = side if last else draw(st.integers(1, min(side, 3)))
        room = side - stride if border == "valid" else 2
        receptive_field = stride + (draw(st.integers(0, min(room, 2))) if overlapping else 0)
        weight_free = not plain and draw(st.booleans())
        below = below if weight_free else draw(channels)
        layers.append(Layer(receptive_field, stride, below, weight_free))
        side = (side - receptive_field) // stride + 1 if border == "valid" else -(-side // stride)
    return Architecture(size, M, layers, border, shared=plain or draw(st.booleans()))


def cuts(size):
    """The patches of a cut's first side, for an image of at least two patches."""
    return st.sets(st.integers(0, size**2 - 1), min_size=1, max_size=size**2 - 1)


seeds = st.integers(0, 2**32 - 1)
