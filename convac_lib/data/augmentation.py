"""The two augmentations of the talk, computed from bytes on the device of the images.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

REACH = 3  # pixels of translation in each direction
SHIFT = 0.3  # the most that is added to hue, saturation and luminance, or subtracted
MULTIPLIER = (0.5, 1.5)  # the range of the factors on saturation and luminance


def spatial(images: Tensor, generator: Generator) -> Tensor:
    """Translate each image by up to 3 pixels in each direction, fill with black, and mirror half of the images.

        y[n, c, r, s] = x[n, c, r + δ_n, ±s + δ'_n],   δ, δ' ∈ {−3..3}

    Args:
        images: uint8, of shape (N, C, H, W), on the generator's device.
        generator: draws the translation of each image uniformly, and whether it is mirrored.

    Returns:
        uint8, of the same shape, channels last in memory.

    Source: talk, slides "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.

    >>> spatial(torch.arange(1, 19, dtype=torch.uint8).reshape(1, 1, 3, 6), torch.Generator().manual_seed(13))[0, 0]
    tensor([[ 0,  1,  2,  3,  4,  5],
            [ 0,  7,  8,  9, 10, 11],
            [ 0, 13, 14, 15, 16, 17]], dtype=torch.uint8)
    """
    N, _, H, W = images.shape
    padded = pad(images.permute(0, 2, 3, 1), (0, 0, REACH, REACH, REACH, REACH))  # (n, H+6, W+6, c)
    windows = padded.unfold(2, W, 1).transpose(3, 4)  # (n, H+6, 7, W, c): whole rows at each offset
    image, row = (torch.arange(size, device=images.device) for size in (N, H))
    down, right = torch.randint(2 * REACH + 1, (2, N, 1), generator=generator, device=images.device)
    moved = windows[image[:, None], row + down, right]  # (n, H, W, c)
    mirror = torch.randint(2, (N, 1, 1, 1), generator=generator, device=images.device) == 1
    return torch.where(mirror, moved.flip(2), moved).permute(0, 3, 1, 2)


def colour(images: Tensor, generator: Generator) -> Tensor:
    """Change the hue, saturation and luminance of each image, in the hexagonal colour space HSV.

        h → (h + δ_h) mod 1,   s → κ_s·s + δ_s,   v → κ_v·v + δ_v,   clipped to 0..1;   |δ| ≤ 0.3,  ½ ≤ κ ≤ 1½

    Args:
        images: uint8, of shape (N, 3, H, W): red, green, blue, on the generator's device.
        generator: draws the changes of each image uniformly.

    Returns:
        uint8, of the same shape.

    Source: talk, slides "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.
    """
    draws = torch.rand((5, len(images), 1, 1), generator=generator, device=images.device)
    hue_shift, saturation_shift, luminance_shift = (2 * draws[:3] - 1) * SHIFT  # each (n, 1, 1)
    saturation_factor, luminance_factor = MULTIPLIER[0] + draws[3:] * (MULTIPLIER[1] - MULTIPLIER[0])
    hue, saturation, luminance = rgb_to_hsv(images / 255).unbind(1)  # each (n, H, W)
    changed = (
        (hue + hue_shift) % 1,
        (saturation * saturation_factor + saturation_shift).clamp(0, 1),
        (luminance * luminance_factor + luminance_shift).clamp(0, 1),
    )
    return (hsv_to_rgb(torch.stack(changed, 1)) * 255).round().to(torch.uint8)


AUGMENTATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "none": lambda images, generator: images,
    "spatial": spatial,
    "colour": colour,
}


def rgb_to_hsv(rgb: Tensor) -> Tensor:
    """Convert red, green and blue in 0..1 to hue in [0, 1), saturation and value, along axis 1, as `colorsys` does.

    >>> rgb_to_hsv(torch.tensor([[0.2, 0.4, 0.4]]))
    tensor([[0.5000, 0.5000, 0.4000]])
    """
    red, green, blue = rgb.unbind(1)
    value, chroma = rgb.amax(1), rgb.amax(1) - rgb.amin(1)
    some = chroma.where(chroma > 0, 1)  # the hue of grey is 0
    hue = 4 + (red - green) / some
    hue = torch.where(value == green, 2 + (blue - red) / some, hue)
    hue = torch.where(value == red, (green - blue) / some, hue)
    saturation = chroma / value.where(value > 0, 1)
    return torch.stack((hue.where(chroma > 0, 0) / 6 % 1, saturation, value), 1)


def hsv_to_rgb(hsv: Tensor) -> Tensor:
    """The inverse of `rgb_to_hsv`.

    >>> hsv_to_rgb(torch.tensor([[0.5, 0.5, 0.4]]))
    tensor([[0.2000, 0.4000, 0.4000]])
    """
    hue, saturation, value = hsv.unbind(1)
    channels = []
    for corner in (5, 3, 1):  # where on the hexagon red, green and blue are strongest
        distance = (corner + 6 * hue) % 6
        channels.append(value - value * saturation * torch.minimum(distance, 4 - distance).clamp(0, 1))
    return torch.stack(channels, 1)
