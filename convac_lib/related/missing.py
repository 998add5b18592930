"""A generative ConvAC: one distribution over images for each class, with exact marginals in one pass.

Taught in the chapter *Missing data*.
"""

import math
from collections.abc import Sequence
from io import BytesIO

from convac_lib.extras import require

require("networks", __name__)

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from convac_lib.checks import require_integers
from convac_lib.errors import MALFORMED, ArchitectureError, ConvacError, DataError, WeightError, shown
from convac_lib.files import read, results_path, telling

LOG_TWO_PI = math.log(2 * math.pi)
LARGEST_FILE = 2**25  # bytes
NEAR_ONE = 1e-4  # how far the sum of given probabilities may be from 1
PATTERNS = ("pixels", "square")


class GenerativeConvAC(nn.Module):
    """A tensorial mixture model: a ConvAC without overlap whose weights are probabilities, over Gaussian patches.

        p(x | y) = Σ_d p(d | y) · Π_i N(x_i; μ_{d_i}, σ²_{d_i}),   p(d | y): a Hierarchical Tucker decomposition

    Patch i shows one of M components, whose pixels are independent Gaussians. The tensor p(d | y) has windows of 2×2
    and its own weights for every node. Each vector of weights is a softmax, so p(d | y) is at least 0 and sums to 1. A
    hidden pixel leaves its density out. The result is then the integral over all values that it could have.

    Args:
        size: H, the side of an image in pixels.
        components: M.
        widths: r_0, …, r_{L−1}, the channels of the levels, for 2ᴸ×2ᴸ patches.
        classes: Y.
        patch: the side of a patch in pixels; H / patch must be 2ᴸ with L ≥ 1.
        in_channels: the channels of an image.
        floor: the least standard deviation of a pixel, in the units of the pixels.
        generator: the random generator of the initial weights; torch's default one if left out.
        device: the device of the weights; torch's default one if left out.
        dtype: the type of the weights; torch's default one if left out.

    Shape:
        - Input: images (N, C_in, H, H), and `seen` (N, H, H), Boolean, True where a pixel is seen; all, if left out
        - Output: (N, Y), the logarithms of the densities of the seen pixels, log p(x_seen | y)

    Attributes:
        means: μ, of shape (M, D), where D = C_in·patch² is the number of values of a patch.
        spreads: s, of shape (M, D); σ² = floor² + e^{2s}.
        logits: one tensor for each level, of shape (2ᴸ⁻ˡ, 2ᴸ⁻ˡ, r_l, r_{l−1}) with r_{−1} = M and r_L = Y; the weights
            aˡ are its softmax over the last axis.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1, or the widths do not fit the patches.
        ConvacError: if the floor is not a finite number above 0.
        DataError: if the images have another shape, a seen pixel is NaN or infinite, or `seen` does not fit the images.

    Source: Sharir, Tamari, Cohen & Shashua, Tensorial Mixture Models (2017). Chapter: *Missing data*.

    >>> model = GenerativeConvAC(size=8, components=32, widths=(32, 64), classes=10, patch=2)
    >>> sum(weights.numel() for weights in model.parameters())
    25472
    >>> model(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        size: int,
        components: int,
        widths: Sequence[int],
        classes: int,
        *,
        patch: int = 1,
        in_channels: int = 1,
        floor: float = 0.1,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        integers = {"size": size, "components": components, "classes": classes, "patch": patch}
        require_integers(error=ArchitectureError, in_channels=in_channels, **integers)
        for width in widths:
            require_integers(error=ArchitectureError, width=width)
        if not widths or size != patch * 2 ** len(widths):
            raise ArchitectureError(
                f"{len(widths)} levels of 2×2 windows need an image of 2^{len(widths)} patches per side, of "
                f"{shown(patch)} pixels each, and the size is {shown(size)}; give one width for each halving of the "
                "patches, at least one"
            )
        if not 0 < floor < math.inf:
            raise ConvacError(f"floor must be a finite number above 0, not {shown(floor)}; a small one is 0.1")
        self.size, self.patch, self.in_channels, self.classes, self.floor = size, patch, in_channels, classes, floor
        channels = [components, *widths, classes]
        values = in_channels * patch**2
        self.means = nn.Parameter(torch.empty(components, values, device=device, dtype=dtype))
        self.spreads = nn.Parameter(torch.empty(components, values, device=device, dtype=dtype))
        sides = [2**level for level in reversed(range(len(widths) + 1))]
        self.logits = nn.ParameterList(
            nn.Parameter(torch.empty(side, side, above, below, device=device, dtype=dtype))
            for side, above, below in zip(sides, channels[1:], channels)
        )
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw initial weights: means from 0 to 1, deviations near 0.3, and logits from N(0, 1).

        Args:
            generator: the random generator; torch's default one if left out.
        """
        nn.init.uniform_(self.means, generator=generator)
        nn.init.constant_(self.spreads, math.log(0.3))
        for logits in self.logits:
            nn.init.normal_(logits, generator=generator)

    @property
    def deviations(self) -> Tensor:
        """The standard deviations σ, of shape (M, D)."""
        return (self.floor**2 + (2 * self.spreads).exp()).sqrt()

    @property
    def probabilities(self) -> list[Tensor]:
        """The weights a⁰, …, aᴸ, of the shapes of `logits`; each vector along the last axis sums to 1."""
        return [logits.softmax(-1) for logits in self.logits]

    @torch.no_grad()
    def set_probabilities(self, levels: Sequence[Tensor]) -> None:
        """Give the weights as probabilities.

        Args:
            levels: a⁰, …, aᴸ, of the shapes of `logits`, each entry above 0.

        Raises:
            WeightError: if a shape is another one, an entry is not above 0, or a vector does not sum to 1.

        >>> model = GenerativeConvAC(size=2, components=2, widths=(1,), classes=1)
        >>> model.set_probabilities([torch.full((2, 2, 1, 2), 0.25), torch.ones(1, 1, 1, 1)])
        Traceback (most recent call last):
        convac_lib.errors.WeightError: the probabilities of level 0 must sum to 1 along the last axis, and one vector \
sums to 0.5; divide each vector by its sum
        """
        if len(levels) != len(self.logits):
            raise WeightError(
                f"this network has {len(self.logits)} levels, and {len(levels)} were given; give each one"
            )
        for number, (given, logits) in enumerate(zip(levels, self.logits)):
            if given.shape != logits.shape:
                raise WeightError(
                    f"the probabilities of level {number} need shape {tuple(logits.shape)}, "
                    f"not {tuple(given.shape)}; reshape them"
                )
            if not bool((given > 0).all()):
                raise WeightError(
                    f"the probabilities of level {number} must be above 0, and one is {given.min().item():g}; "
                    "use a small number in place of 0"
                )
            sums = given.sum(-1).ravel()
            worst = sums[(sums - 1).abs().argmax()].item()
            if not abs(worst - 1) <= NEAR_ONE:
                raise WeightError(
                    f"the probabilities of level {number} must sum to 1 along the last axis, and one vector sums to "
                    f"{worst:g}; divide each vector by its sum"
                )
        for given, logits in zip(levels, self.logits):
            logits.copy_(given.log())

    def forward(self, images: Tensor, seen: Tensor | None = None) -> Tensor:
        return self._above(self._log_densities(images, self._require_seen(images, seen)))

    def log_likelihood(self, images: Tensor, seen: Tensor | None = None, prior: Tensor | None = None) -> Tensor:
        """Return log p(x_seen) = log Σ_y p(y) p(x_seen | y) of every image, in nats.

        Args:
            images: of shape (N, C_in, H, H).
            seen: Boolean, of shape (N, H, H); all pixels are seen, if left out.
            prior: p(y), of shape (Y,); 1/Y for every class, if left out.

        Returns:
            Numbers of shape (N,).

        Raises:
            DataError: as for the forward pass.
            WeightError: if the prior is no vector of Y probabilities that sum to 1.
        """
        outputs: Tensor = self(images, seen)
        return (outputs + self._log_prior(prior)).logsumexp(1)

    def posterior(self, images: Tensor, seen: Tensor | None = None, prior: Tensor | None = None) -> Tensor:
        """Apply Bayes' rule to the seen pixels.

            p(y | x_seen) = p(y) p(x_seen | y) / Σ_z p(z) p(x_seen | z)

        Args:
            images: of shape (N, C_in, H, H).
            seen: Boolean, of shape (N, H, H); all pixels are seen, if left out.
            prior: p(y), of shape (Y,); 1/Y for every class, if left out.

        Returns:
            Probabilities of shape (N, Y).

        Raises:
            DataError, WeightError: as for `log_likelihood`.

        >>> model = GenerativeConvAC(size=2, components=3, widths=(2,), classes=2)
        >>> hidden = torch.zeros(1, 2, 2, dtype=torch.bool)
        >>> model.posterior(torch.rand(1, 1, 2, 2), hidden, prior=torch.tensor([0.75, 0.25])).round(decimals=4)
        tensor([[0.7500, 0.2500]], grad_fn=<RoundBackward1>)
        """
        outputs: Tensor = self(images, seen)
        return (outputs + self._log_prior(prior)).softmax(1)

    def inpaint(self, images: Tensor, seen: Tensor | None = None, prior: Tensor | None = None) -> Tensor:
        """Fill every hidden pixel with its mean, given the seen ones.

            E(x_j | x_seen) = Σ_d p(d_i = d | x_seen) · μ_{d,j}

        The derivative of log p(x_seen) by the log density of component d at patch i is p(d_i = d | x_seen), so one pass
        backwards finds it for all patches.

        Args:
            images: of shape (N, C_in, H, H).
            seen: Boolean, of shape (N, H, H); all pixels are seen, if left out.
            prior: p(y), of shape (Y,); 1/Y for every class, if left out.

        Returns:
            Images of shape (N, C_in, H, H), with the seen pixels as they were.

        Raises:
            DataError, WeightError: as for `log_likelihood`.
        """
        seen = self._require_seen(images, seen)
        with torch.enable_grad():
            leaves = self._log_densities(images, seen).detach().requires_grad_()
            total = (self._above(leaves) + self._log_prior(prior)).logsumexp(1).sum()
            (shares,) = torch.autograd.grad(total, leaves)  # (N, P, P, M)
        filled = self._from_patches(shares @ self.means.detach())
        return torch.where(seen[:, None], images.to(filled.dtype), filled)

    @torch.no_grad()
    def sample(self, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw an image of each of these classes, from the top down: channels, components, pixels.

        Args:
            labels: the classes, int64, of shape (N,).
            generator: the random generator, on the device of the weights; torch's default one if left out.

        Returns:
            Images of shape (N, C_in, H, H).

        Raises:
            DataError: if a label is no class.
        """
        if labels.ndim != 1 or labels.dtype != torch.int64:
            raise DataError(
                f"labels must be int64 of shape (N,), not {labels.dtype} of shape {tuple(labels.shape)}; convert them"
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.classes:
            raise DataError(
                f"the labels run from {labels.min()} to {labels.max()}, but the classes are numbered 0 to "
                f"{self.classes - 1}; renumber them"
            )
        chosen = labels.to(self.means.device)[:, None, None]  # (N, side, side)
        for level in reversed(self.probabilities):
            side = level.shape[0]
            here = torch.arange(side, device=chosen.device)
            if chosen.shape[1] < side:  # the four nodes under a window have its channel
                chosen = chosen.repeat_interleave(2, 1).repeat_interleave(2, 2)
            vectors = level[here[:, None], here[None, :], chosen]  # (N, side, side, r below)
            drawn = torch.multinomial(vectors.reshape(-1, vectors.shape[-1]), 1, generator=generator)
            chosen = drawn.reshape(chosen.shape)
        means, deviations = self.means[chosen], self.deviations[chosen]
        noise = torch.empty_like(means).normal_(generator=generator)
        return self._from_patches(means + deviations * noise)

    def _log_densities(self, images: Tensor, seen: Tensor) -> Tensor:
        """The logarithm of each component's density at the seen pixels of each patch, of shape (N, P, P, M)."""
        shown_pixels = seen[:, None].expand(-1, self.in_channels, -1, -1)
        x = self._to_patches(torch.where(shown_pixels, images.to(self.means.dtype), 0.0))[..., None, :]
        counted = self._to_patches(shown_pixels)[..., None, :].to(x.dtype)
        deviations = self.deviations
        z = (x - self.means) / deviations  # (N, P, P, M, D)
        return -((z.square() / 2 + deviations.log() + LOG_TWO_PI / 2) * counted).sum(-1)

    def _above(self, h: Tensor) -> Tensor:
        """Pass log densities through the levels: (N, P, P, M) to (N, Y)."""
        for number, logits in enumerate(self.logits):
            if number:  # the product over a window is a sum of logarithms
                side = logits.shape[0]
                h = h.reshape(-1, side, 2, side, 2, h.shape[-1]).sum((2, 4))
            largest = h.detach().amax(-1, keepdim=True)
            # exp(h − largest) is 1 somewhere, so the sum is at least the smallest weight, and its logarithm is finite
            weighed = torch.einsum("nuvi,uvoi->nuvo", (h - largest).exp(), logits.softmax(-1))
            h = weighed.log() + largest
        return h[:, 0, 0]

    def _to_patches(self, images: Tensor) -> Tensor:
        """(N, C, H, H) to (N, P, P, C·p²)."""
        p = self.patch
        side = self.size // p
        pieces = images.reshape(len(images), self.in_channels, side, p, side, p)
        return pieces.permute(0, 2, 4, 1, 3, 5).flatten(3)

    def _from_patches(self, patches: Tensor) -> Tensor:
        """The inverse of `_to_patches`."""
        p = self.patch
        side = self.size // p
        pieces = patches.reshape(-1, side, side, self.in_channels, p, p)
        return pieces.permute(0, 3, 1, 4, 2, 5).reshape(-1, self.in_channels, self.size, self.size)

    def _require_seen(self, images: Tensor, seen: Tensor | None) -> Tensor:
        wanted = (self.in_channels, self.size, self.size)
        if images.ndim != 4 or images.shape[1:] != wanted:
            raise DataError(
                f"the network reads images of shape {('N', *wanted)}, not {tuple(images.shape)}; reshape them".replace(
                    "'N'", "N"
                )
            )
        if seen is None:
            seen = torch.ones(len(images), self.size, self.size, dtype=torch.bool, device=images.device)
        if seen.dtype != torch.bool or seen.shape != (len(images), self.size, self.size):
            raise DataError(
                f"seen must be Boolean of shape {(len(images), self.size, self.size)}, one for each pixel of each "
                f"image, not {seen.dtype} of shape {tuple(seen.shape)}; True is for a pixel that is seen"
            )
        if not bool((images.isfinite() | ~seen[:, None]).all()):
            raise DataError(
                "a seen pixel is NaN or infinite, and its density is not defined; "
                "mark it as hidden, by False in seen, or replace it"
            )
        return seen

    def _log_prior(self, prior: Tensor | None) -> Tensor:
        if prior is None:
            return torch.full_like(self.means[0, :1], -math.log(self.classes)).expand(self.classes)
        if prior.shape != (self.classes,):
            raise WeightError(
                f"the prior needs shape ({self.classes},), a probability for each class, not {tuple(prior.shape)}; "
                "give one for each"
            )
        if not bool((prior >= 0).all()) or not abs(float(prior.sum()) - 1) <= NEAR_ONE:
            raise WeightError(
                f"the prior must be probabilities that sum to 1, and these sum to {float(prior.sum()):g}, the least of "
                f"them {float(prior.min()):g}; divide counts of the classes by their sum"
            )
        return prior.to(self.means).log()

    def extra_repr(self) -> str:
        widths = tuple(logits.shape[2] for logits in self.logits[:-1])
        return (
            f"size={self.size}, components={len(self.means)}, widths={widths}, classes={self.classes}, "
            f"patch={self.patch}, in_channels={self.in_channels}, floor={self.floor}"
        )


def fit(
    model: GenerativeConvAC,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    discrimination: float = 0.0,
    noise: float = 0.03,
    learning_rate: float = 0.02,
    batch_size: int = 128,
    seed: int = 0,
) -> list[float]:
    """Train a generative ConvAC in place by Adam, by likelihood and, if asked, by cross-entropy too.

        loss = −log p(x | y) / (number of pixels)  +  discrimination · (−log p(y | x)),   the mean over the images

    First, every mean becomes a patch of a random training image. The learning rate falls to a fifth.

    Args:
        model: the network, on any device.
        images: of shape (N, C_in, H, H).
        labels: the classes, int64, of shape (N,).
        epochs: how often each image is seen.
        discrimination: the weight of the cross-entropy; 0 is training by likelihood alone.
        noise: the standard deviation of the Gaussian noise that is added to the pixels, in their units.
        learning_rate: the learning rate of Adam at the start.
        batch_size: images per step.
        seed: the seed of the means, the order of the images and the noise.

    Returns:
        The mean of the loss over each epoch.

    Raises:
        ConvacError: if a number is out of range, or the loss becomes infinite or NaN.
        DataError: if images and labels do not fit the network.

    Source: Sharir, Tamari, Cohen & Shashua (2017), for a loss of both parts. Chapter: *Missing data*.

    >>> weights = torch.Generator().manual_seed(0)
    >>> model = GenerativeConvAC(size=2, components=2, widths=(2,), classes=2, generator=weights)
    >>> labels = torch.arange(100) % 2
    >>> images = (0.1 + 0.8 * labels)[:, None, None, None].expand(-1, 1, 2, 2)
    >>> losses = fit(model, images, labels, epochs=100)
    >>> losses[-1] < losses[0], bool((model.posterior(images).argmax(1) == labels).all())
    (True, True)
    """
    require_integers(epochs=epochs, batch_size=batch_size)
    require_integers(least=0, seed=seed)
    for name, value, least in (
        ("discrimination", discrimination, 0), ("noise", noise, 0),
        ("learning rate", learning_rate, math.nextafter(0, 1)),
    ):  # fmt: skip
        if not least <= value < math.inf:
            rule = "above 0" if least else "of at least 0"
            raise ConvacError(f"{name} must be a finite number {rule}, not {shown(value)}")
    device, dtype = model.means.device, model.means.dtype
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1] or not len(labels):
        raise DataError(
            f"labels must be int64 of shape ({len(images)},), one for each image and at least one, "
            f"not {labels.dtype} of shape {tuple(labels.shape)}; convert them"
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < model.classes:
        raise DataError(
            f"the labels run from {labels.min()} to {labels.max()}, but the classes are numbered 0 to "
            f"{model.classes - 1}; renumber them"
        )
    images, labels = images.to(device, dtype), labels.to(device)
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        model._require_seen(images, None)
        patches = model._to_patches(images).flatten(0, 2)
        model.means.copy_(patches[torch.randint(len(patches), (len(model.means),), generator=generator, device=device)])
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    steps = epochs * math.ceil(len(images) / batch_size)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=learning_rate / 5)
    losses = []
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in torch.split(torch.randperm(len(images), generator=generator, device=device), batch_size):
            x = images[batch]
            outputs = model(x + noise * torch.empty_like(x).normal_(generator=generator))  # (n, Y)
            likelihood = -outputs.gather(1, labels[batch, None]).mean() / images[0].numel()
            loss = likelihood + discrimination * cross_entropy(outputs, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            fall.step()
            total += loss.item() * len(batch)
        losses.append(total / len(images))
        if not math.isfinite(losses[-1]):
            raise ConvacError(
                f"the loss is {losses[-1]} in epoch {epoch} so that training cannot go on; "
                f"use a learning rate below {learning_rate:g}"
            )
    return losses


def hide(pattern: str, amount: int, count: int, size: int, seed: int = 0) -> Tensor:
    """Choose which pixels of each image are seen; the choice never depends on the pixels.

    Args:
        pattern: "pixels", a number of them anywhere, or "square", one square anywhere within the image.
        amount: how many pixels are hidden, or the side of the square; 0 hides none.
        count: the number of images.
        size: H, the side of an image in pixels.
        seed: the seed of the places.

    Returns:
        Boolean, of shape (count, H, H), True where a pixel is seen.

    Raises:
        ConvacError: if the pattern is unknown, or a number is out of range.

    Chapter: *Missing data*.

    >>> hide("square", 2, count=1, size=3).int()
    tensor([[[1, 1, 1],
             [1, 0, 0],
             [1, 0, 0]]], dtype=torch.int32)
    """
    if pattern not in PATTERNS:
        raise ConvacError(f"unknown pattern {shown(pattern)}; use one of {', '.join(PATTERNS)}")
    require_integers(count=count, size=size)
    require_integers(least=0, most=size if pattern == "square" else size**2, amount=amount)
    generator = np.random.default_rng(seed)
    if pattern == "pixels":
        ranks = generator.random((count, size**2)).argsort(1).argsort(1)
        seen = (ranks >= amount).reshape(count, size, size)
    else:
        rows, columns = (generator.integers(0, size - amount + 1, count)[:, None] for _ in range(2))
        inside = [(start <= np.arange(size)) & (np.arange(size) < start + amount) for start in (rows, columns)]
        seen = ~(inside[0][:, :, None] & inside[1][:, None, :])
    return torch.from_numpy(seen)


def nearest_neighbours(
    images: Tensor, seen: Tensor, train_images: Tensor, train_labels: Tensor, neighbours: int = 3
) -> Tensor:
    """Classify by the nearest training images, where only the seen pixels count; of equal votes the nearest class wins.

    Args:
        images: of shape (N, C, H, H).
        seen: Boolean, of shape (N, H, H).
        train_images: of shape (T, C, H, H).
        train_labels: int64, of shape (T,).
        neighbours: how many vote.

    Returns:
        The classes, of shape (N,).

    Raises:
        ConvacError: if there are not that many training images.

    Chapter: *Missing data*.

    >>> dark, bright = torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2)
    >>> seen = torch.tensor([[[True, False], [False, False]]])
    >>> nearest_neighbours(bright[:1], seen, torch.cat([dark, bright]), torch.tensor([0, 0, 0, 1, 1, 1]))
    tensor([1])
    """
    require_integers(most=len(train_images), neighbours=neighbours)
    counted = seen[:, None].expand(-1, images.shape[1], -1, -1).flatten(1).to(train_images.dtype)
    x, t = images.flatten(1) * counted, train_images.flatten(1)
    distances = x.square().sum(1, keepdim=True) - 2 * x @ t.T + counted @ t.square().T  # Σ over the seen of (x − t)²
    near = train_labels[distances.topk(neighbours, largest=False, sorted=True).indices]  # (N, k)
    votes = one_hot(near, int(train_labels.max()) + 1).to(x.dtype)  # (N, k, Y)
    early = torch.linspace(0.5, 0.1, neighbours, dtype=x.dtype, device=x.device)[:, None] / neighbours
    return (votes * (1 + early)).sum(1).argmax(1)


class GaussianClasses:
    """One Gaussian for each class over all pixels together, with exact marginals.

        p(x | y) = N(x; μ_y, Σ_y + ridge²·I)

    Args:
        images: the training images, of shape (T, C, H, H).
        labels: their classes, int64, of shape (T,); every class has one or more.
        ridge: a standard deviation that is added to every pixel, so that the covariance can be inverted.

    Raises:
        ConvacError: if the ridge is not a finite number above 0.
        DataError: if a class has no image.

    Source: a standard baseline. Chapter: *Missing data*.

    >>> images, labels = torch.tensor([0.0, 0.2, 0.8, 1.0])[:, None, None, None], torch.tensor([0, 0, 1, 1])
    >>> GaussianClasses(images, labels).classify(images, torch.ones(4, 1, 1, dtype=torch.bool))
    tensor([0, 0, 1, 1])
    """

    def __init__(self, images: Tensor, labels: Tensor, ridge: float = 0.1) -> None:
        if not 0 < ridge < math.inf:
            raise ConvacError(f"ridge must be a finite number above 0, not {shown(ridge)}; a small one is 0.1")
        counts = labels.bincount()
        if not bool((counts > 0).all()):
            raise DataError(
                f"class {int(counts.argmin())} has no image; give each class at least one, or renumber them"
            )
        flat = images.flatten(1).to(torch.float64)
        groups = [flat[labels == y] for y in range(len(counts))]
        self.means = torch.stack([group.mean(0) for group in groups])
        identity = torch.eye(flat.shape[1], dtype=flat.dtype, device=flat.device)
        self.covariances = torch.stack(
            [
                (group - mean).T @ (group - mean) / len(group) + ridge**2 * identity
                for group, mean in zip(groups, self.means)
            ]
        )

    def log_densities(self, images: Tensor, seen: Tensor) -> Tensor:
        """Return log p(x_seen | y), of shape (N, Y), in float64: a marginal leaves rows and columns out."""
        x = images.flatten(1).to(torch.float64)
        kept = seen[:, None].expand(-1, images.shape[1], -1, -1).flatten(1)
        both = kept[:, :, None] & kept[:, None, :]
        outside = torch.diag_embed((~kept).to(x.dtype))  # a hidden pixel: variance 1, apart from the others
        found = []
        for mean, covariance in zip(self.means, self.covariances):
            lower = torch.linalg.cholesky(torch.where(both, covariance, 0.0) + outside)
            z = torch.linalg.solve_triangular(lower, torch.where(kept, x - mean, 0.0)[:, :, None], upper=False)
            logarithm = lower.diagonal(dim1=1, dim2=2).log().sum(1)
            found.append(-z.square().sum((1, 2)) / 2 - logarithm - kept.sum(1) * LOG_TWO_PI / 2)
        return torch.stack(found, 1)

    def classify(self, images: Tensor, seen: Tensor) -> Tensor:
        """Return the class of the largest density for every image, of shape (N,)."""
        return self.log_densities(images, seen).argmax(1)


def recorded_model() -> GenerativeConvAC:
    """Load the generative ConvAC that `tools/missing_data.py` trained on the digits, in float64.

    Returns:
        The network, for images of shape (1, 8, 8) with pixels from 0 to 1.

    Raises:
        DataError: if `results/missing-data.npz` cannot be read, or holds no such network.

    Chapter: *Missing data*.

    >>> recorded_model().classes
    10
    """
    path = results_path("missing-data.npz")
    with telling("read", path, missing="write it with python tools/missing_data.py"):
        data = read(path, LARGEST_FILE)
    try:
        return _model_of(data)
    except (*MALFORMED, MemoryError):  # an array may claim any shape
        raise DataError(f"{path} is damaged; restore it, or write it again with python tools/missing_data.py") from None


def _model_of(data: bytes) -> GenerativeConvAC:
    """The network whose arrays this file of NumPy holds; what is wrong with it may raise any of `MALFORMED`."""
    with np.load(BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files}
    shapes = [arrays[f"logits.{level}"].shape for level in range(len(arrays) - 3)]
    components, values = arrays["means"].shape
    patch = math.isqrt(values)
    model = GenerativeConvAC(
        size=patch * shapes[0][0],
        components=components,
        widths=[shape[2] for shape in shapes[:-1]],
        classes=shapes[-1][2],
        patch=patch,
        floor=float(arrays.pop("floor")),
        dtype=torch.float64,
    )
    model.load_state_dict({name: torch.from_numpy(array.astype(np.float64)) for name, array in arrays.items()})
    return model.requires_grad_(False).eval()
