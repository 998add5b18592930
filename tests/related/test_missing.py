"""The generative ConvAC: exact marginals against enumeration and integrals, draws, training, and every error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.errors import ArchitectureError, ConvacError, DataError, WeightError
from convac_lib.related import missing
from convac_lib.related.missing import (
    GaussianClasses,
    GenerativeConvAC,
    fit,
    hide,
    nearest_neighbours,
    recorded_model,
)
from convac_lib.theory.decompositions import compose_hierarchical_tucker, tree_order

DOUBLE = torch.float64


def network(seed=0, size=4, components=2, widths=(3, 2), classes=2, **others):
    generator = torch.Generator().manual_seed(seed)
    model = GenerativeConvAC(size, components, widths, classes, generator=generator, dtype=DOUBLE, **others)
    with torch.no_grad():
        model.spreads.uniform_(-2, 0, generator=generator)
    return model.requires_grad_(False)


def tensors_of(model):
    """p(d | y), with the modes in row-major order of the patches, by the library's decomposition."""
    levels = [a.numpy() for a in model.probabilities]
    depth = len(levels) - 1
    nodes = [tree_order(depth - number) for number in range(depth)] + [np.zeros(1, int)]
    flat = [a.reshape(-1, *a.shape[2:])[order] for a, order in zip(levels, nodes)]
    tensor = compose_hierarchical_tucker(flat, branches=4)
    return tensor.transpose(0, *(1 + np.argsort(tree_order(depth))))


def density(model, image, seen, component, row, column):
    """The density of the seen pixels of one patch, from the definition."""
    found, p = 1.0, model.patch
    for channel in range(model.in_channels):
        for i in range(p):
            for j in range(p):
                if seen[row * p + i, column * p + j]:
                    x = image[channel, row * p + i, column * p + j].item()
                    place = (channel * p + i) * p + j
                    mean, spread = model.means[component, place].item(), model.spreads[component, place].item()
                    variance = model.floor**2 + math.exp(2 * spread)
                    found *= math.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
    return found


def by_enumeration(model, image, seen):
    """p(x_seen | y) as the sum over every arrangement d, one patch at a time."""
    tensor, side = tensors_of(model), model.size // model.patch
    for patch in range(side**2):
        row, column = divmod(patch, side)
        vector = [density(model, image, seen, d, row, column) for d in range(len(model.means))]
        tensor = np.tensordot(tensor, vector, axes=(1, 0))
    return tensor


@given(st.integers(0, 10**6), st.sampled_from([(4, 2, (3, 2), 1, 1), (4, 3, (2,), 2, 1), (6, 2, (4,), 3, 2)]))
@settings(max_examples=25, deadline=None)
def test_the_network_is_the_sum_over_all_arrangements(seed, plan):
    size, components, widths, patch, channels = plan
    model = network(seed, size, components, widths, 2, patch=patch, in_channels=channels)
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, channels, size, size, generator=generator, dtype=DOUBLE)
    seen = torch.rand(2, size, size, generator=generator) < 0.6
    found = model(images, seen).exp().numpy()
    for image, mask, row in zip(images, seen, found):
        np.testing.assert_allclose(row, by_enumeration(model, image, mask), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_weights_make_a_distribution(seed):
    tensor = tensors_of(network(seed, 4, 2, (3, 2), 3))
    assert (tensor >= 0).all()
    np.testing.assert_allclose(tensor.reshape(3, -1).sum(1), 1, rtol=1e-13)


def test_a_hidden_pixel_is_integrated_out():
    model = network(1)
    images = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    grid = torch.linspace(-6, 7, 4001, dtype=DOUBLE)
    many = images.repeat(len(grid), 1, 1, 1)
    many[:, 0, 2, 1] = grid
    seen = torch.ones(1, 4, 4, dtype=torch.bool)
    seen[0, 2, 1] = False
    integral = torch.trapezoid(model(many).exp(), grid, dim=0)
    torch.testing.assert_close(model(images, seen)[0].exp(), integral, rtol=1e-9, atol=0)


def test_two_hidden_pixels_of_one_patch_are_integrated_out():
    model = network(2, 2, 3, (2,), 2, patch=1)
    images = torch.full((1, 1, 2, 2), 0.4, dtype=DOUBLE)
    grid = torch.linspace(-4, 5, 181, dtype=DOUBLE)
    many = images.repeat(len(grid) ** 2, 1, 1, 1)
    many[:, 0, 0] = torch.cartesian_prod(grid, grid)
    seen = torch.tensor([[[False, False], [True, True]]])
    inner = torch.trapezoid(model(many).exp().reshape(len(grid), len(grid), 2), grid, dim=0)
    torch.testing.assert_close(model(images, seen)[0].exp(), torch.trapezoid(inner, grid, dim=0), rtol=1e-6, atol=0)


def test_when_nothing_is_seen_the_posterior_is_the_prior():
    model, prior = network(), torch.tensor([0.25, 0.75], dtype=DOUBLE)
    nothing = torch.zeros(3, 4, 4, dtype=torch.bool)
    images = torch.full((3, 1, 4, 4), torch.nan, dtype=DOUBLE)  # what is hidden may be anything
    torch.testing.assert_close(model.posterior(images, nothing, prior), prior.expand(3, 2))
    torch.testing.assert_close(model.log_likelihood(images, nothing), torch.zeros(3, dtype=DOUBLE))


def test_the_posterior_is_bayes_rule():
    model, prior = network(3), torch.tensor([0.2, 0.8], dtype=DOUBLE)
    images = torch.rand(4, 1, 4, 4, dtype=DOUBLE)
    joint = model(images).exp() * prior
    torch.testing.assert_close(model.posterior(images, prior=prior), joint / joint.sum(1, keepdim=True))
    torch.testing.assert_close(model.log_likelihood(images, prior=prior), joint.sum(1).log())


def test_inpainting_is_the_mean_by_integration():
    model = network(4)
    images = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(4), dtype=DOUBLE)
    seen = torch.ones(1, 4, 4, dtype=torch.bool)
    seen[0, 1, 3] = False
    grid = torch.linspace(-6, 7, 4001, dtype=DOUBLE)
    many = images.repeat(len(grid), 1, 1, 1)
    many[:, 0, 1, 3] = grid
    weight = model.log_likelihood(many).exp()
    mean = torch.trapezoid(weight * grid, grid) / torch.trapezoid(weight, grid)
    filled = model.inpaint(images, seen)
    torch.testing.assert_close(filled[0, 0, 1, 3], mean, rtol=1e-8, atol=0)
    assert torch.equal(filled[0, 0][seen[0]], images[0, 0][seen[0]])


def test_draws_have_the_distribution():
    """Pairs of components at two patches, against the exact marginal of the tensor."""
    model = network(5, 4, 2, (3, 2), 2)
    model.means.copy_(torch.tensor([[0.0], [1.0]]))
    model.spreads.fill_(-10)
    model.floor = 0.01  # so that a pixel says which component it shows
    count = 20_000
    labels = torch.ones(count, dtype=torch.int64)
    drawn = model.sample(labels, torch.Generator().manual_seed(0)).round().to(torch.int64).reshape(count, 16)
    tensor = tensors_of(model)[1]
    for first, second in [(0, 1), (0, 15), (5, 6)]:
        exact = tensor.sum(axis=tuple(set(range(16)) - {first, second}))
        found = torch.bincount(2 * drawn[:, first] + drawn[:, second], minlength=4).reshape(2, 2) / count
        error = np.sqrt(exact * (1 - exact) / count)
        assert (np.abs(found.numpy() - exact) < 5 * error).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
def test_every_method_keeps_type_and_device(dtype, device):
    model = GenerativeConvAC(4, 3, (4,), 2, patch=2, device=device, dtype=dtype)
    images, labels = torch.rand(6, 1, 4, 4, device=device, dtype=dtype), torch.arange(6, device=device) % 2
    seen = hide("square", 2, 6, 4).to(device)
    fit(model, images, labels, epochs=1)
    results = [
        model(images, seen), model.posterior(images, seen), model.log_likelihood(images, seen),
        model.inpaint(images, seen), model.sample(labels, torch.Generator(device).manual_seed(0)),
    ]  # fmt: skip
    for result in results:
        assert (result.dtype, result.device.type) == (dtype, device)
        assert result.isfinite().all()


def test_single_precision_agrees_with_double_also_far_from_the_data():
    model = network(6, 8, 8, (8, 8), 3, patch=2)
    single = GenerativeConvAC(8, 8, (8, 8), 3, patch=2, dtype=torch.float32)
    single.load_state_dict(model.state_dict())
    for scale in (1, 100):
        images = scale * torch.rand(5, 1, 8, 8, dtype=DOUBLE)
        torch.testing.assert_close(single(images.float()).double(), model(images), rtol=1e-4, atol=1e-3)


def test_given_probabilities_are_the_weights():
    model = network()
    given = [torch.rand_like(a) + 0.1 for a in model.probabilities]
    given = [a / a.sum(-1, keepdim=True) for a in given]
    model.set_probabilities(given)
    for a, b in zip(model.probabilities, given):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("discrimination", [0, 1])
def test_training_repeats_and_separates_the_classes(discrimination):
    images = torch.tensor([0.2, 0.8]).repeat(20)[:, None, None, None].expand(-1, 1, 2, 2)
    labels = torch.arange(40) % 2

    def trained():
        model = GenerativeConvAC(2, 2, (2,), 2, generator=torch.Generator().manual_seed(0))
        return model, fit(model, images, labels, epochs=30, discrimination=discrimination)

    (model, losses), (_, again) = trained(), trained()
    assert losses == again
    assert losses[-1] < losses[0]
    assert (model.posterior(images).argmax(1) == labels).all()


@given(st.sampled_from(["pixels", "square"]), st.integers(0, 5), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_what_is_hidden_has_the_given_number_and_form(pattern, amount, seed):
    hidden = ~hide(pattern, amount, 7, 5, seed).numpy()
    assert (hidden.reshape(7, -1).sum(1) == (amount if pattern == "pixels" else amount**2)).all()
    if pattern == "square" and amount:
        for image in hidden:
            rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
            assert rows[-1] - rows[0] == columns[-1] - columns[0] == amount - 1


def test_neighbours_are_those_of_a_search_one_by_one():
    generator = torch.Generator().manual_seed(0)
    train, labels = torch.rand(40, 1, 3, 3, generator=generator), torch.arange(40) % 4
    images, seen = torch.rand(10, 1, 3, 3, generator=generator), hide("pixels", 4, 10, 3)
    found = nearest_neighbours(images, seen, train, labels)
    for image, mask, label in zip(images, seen, found):
        distances = [((image[0] - other[0])[mask] ** 2).sum().item() for other in train]
        near = [labels[i].item() for i in np.argsort(distances)[:3]]
        most = max(near.count(y) for y in near)
        assert label == next(y for y in near if near.count(y) == most)


def test_gaussians_are_those_of_scipy():
    from scipy.stats import multivariate_normal

    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(60, 1, 3, 3, generator=generator), torch.arange(60) % 3
    model, seen = GaussianClasses(images, labels, 0.2), hide("pixels", 4, 5, 3)
    found = model.log_densities(images[:5], seen)
    for image, mask, row in zip(images, seen, found):
        kept = mask.ravel().numpy()
        for y in range(3):
            data = images[labels == y].reshape(-1, 9).double().numpy()
            covariance = np.cov(data.T, bias=True) + 0.04 * np.eye(9)
            part = multivariate_normal(data.mean(0)[kept], covariance[np.ix_(kept, kept)])
            assert np.isclose(row[y], part.logpdf(image.ravel().double().numpy()[kept]), rtol=1e-6)


IMAGES, LABELS = torch.zeros(2, 1, 4, 4, dtype=DOUBLE), torch.tensor([0, 1])
UNKNOWN = torch.full((2, 1, 4, 4), torch.nan, dtype=DOUBLE)


def halves():
    return [torch.full_like(a, 1 / a.shape[-1]) for a in network().probabilities]


@pytest.mark.parametrize(
    ("act", "error", "sentence"),
    [
        (
            lambda: GenerativeConvAC(6, 2, (2,), 2),
            ArchitectureError,
            (
                "1 levels of 2×2 windows need an image of 2^1 patches per side, of 1 pixels each, and the size is "
                "6; give one width for each halving of the patches, at least one"
            ),
        ),
        (
            lambda: GenerativeConvAC(4, 0, (2, 2), 2),
            ArchitectureError,
            "components must be an integer of at least 1, not 0",
        ),
        (lambda: GenerativeConvAC(4, 2, (2, 0), 2), ArchitectureError, "width must be an integer of at least 1, not 0"),
        (
            lambda: GenerativeConvAC(4, 2, (2, 2), 2, floor=0),
            ConvacError,
            "floor must be a finite number above 0, not 0; a small one is 0.1",
        ),
        (
            lambda: network()(torch.zeros(2, 4, 4)),
            DataError,
            "the network reads images of shape (N, 1, 4, 4), not (2, 4, 4); reshape them",
        ),
        (
            lambda: network()(IMAGES, torch.ones(2, 4, 3, dtype=torch.bool)),
            DataError,
            (
                "seen must be Boolean of shape (2, 4, 4), one for each pixel of each image, not torch.bool of shape "
                "(2, 4, 3); True is for a pixel that is seen"
            ),
        ),
        (
            lambda: network()(IMAGES, torch.ones(2, 4, 4)),
            DataError,
            (
                "seen must be Boolean of shape (2, 4, 4), one for each pixel of each image, not torch.float32 of shape "
                "(2, 4, 4); True is for a pixel that is seen"
            ),
        ),
        (
            lambda: network()(UNKNOWN),
            DataError,
            (
                "a seen pixel is NaN or infinite, and its density is not defined; mark it as hidden, by False in seen, "
                "or replace it"
            ),
        ),
        (
            lambda: network().posterior(IMAGES, prior=torch.tensor([0.5, 0.6])),
            WeightError,
            (
                "the prior must be probabilities that sum to 1, and these sum to 1.1, the least of them 0.5; divide "
                "counts of the classes by their sum"
            ),
        ),
        (
            lambda: network().posterior(IMAGES, prior=torch.tensor([-0.5, 1.5])),
            WeightError,
            (
                "the prior must be probabilities that sum to 1, and these sum to 1, the least of them -0.5; divide "
                "counts of the classes by their sum"
            ),
        ),
        (
            lambda: network().posterior(IMAGES, prior=torch.tensor([torch.nan, 1.0])),
            WeightError,
            (
                "the prior must be probabilities that sum to 1, and these sum to nan, the least of them nan; divide "
                "counts of the classes by their sum"
            ),
        ),
        (
            lambda: network().set_probabilities([*halves()[:2], torch.full((1, 1, 2, 2), torch.nan)]),
            WeightError,
            "the probabilities of level 2 must be above 0, and one is nan; use a small number in place of 0",
        ),
        (
            lambda: fit(network(), UNKNOWN, LABELS[: len(UNKNOWN)], epochs=1),
            DataError,
            (
                "a seen pixel is NaN or infinite, and its density is not defined; mark it as hidden, by False in seen, "
                "or replace it"
            ),
        ),
        (
            lambda: network().posterior(IMAGES, prior=torch.tensor([1.0])),
            WeightError,
            "the prior needs shape (2,), a probability for each class, not (1,); give one for each",
        ),
        (
            lambda: network().set_probabilities(halves()[:2]),
            WeightError,
            "this network has 3 levels, and 2 were given; give each one",
        ),
        (
            lambda: network().set_probabilities([*halves()[:2], torch.ones(2, 2)]),
            WeightError,
            "the probabilities of level 2 need shape (1, 1, 2, 2), not (2, 2); reshape them",
        ),
        (
            lambda: network().set_probabilities([*halves()[:2], torch.eye(2)[None, None]]),
            WeightError,
            "the probabilities of level 2 must be above 0, and one is 0; use a small number in place of 0",
        ),
        (
            lambda: network().set_probabilities([*halves()[:2], torch.full((1, 1, 2, 2), 0.6)]),
            WeightError,
            (
                "the probabilities of level 2 must sum to 1 along the last axis, and one vector sums to 1.2; divide "
                "each vector by its sum"
            ),
        ),
        (
            lambda: network().sample(torch.tensor([0, 2])),
            DataError,
            "the labels run from 0 to 2, but the classes are numbered 0 to 1; renumber them",
        ),
        (
            lambda: network().sample(torch.tensor([0.0])),
            DataError,
            "labels must be int64 of shape (N,), not torch.float32 of shape (1,); convert them",
        ),
        (
            lambda: fit(network(), IMAGES, torch.tensor([0]), epochs=1),
            DataError,
            (
                "labels must be int64 of shape (2,), one for each image and at least one, not torch.int64 of shape "
                "(1,); convert them"
            ),
        ),
        (
            lambda: fit(network(), IMAGES, torch.tensor([0, 7]), epochs=1),
            DataError,
            "the labels run from 0 to 7, but the classes are numbered 0 to 1; renumber them",
        ),
        (
            lambda: fit(network(), IMAGES, LABELS, epochs=1, discrimination=-1),
            ConvacError,
            "discrimination must be a finite number of at least 0, not -1",
        ),
        (
            lambda: fit(network(), IMAGES, LABELS, epochs=1, learning_rate=0),
            ConvacError,
            "learning rate must be a finite number above 0, not 0",
        ),
        (
            lambda: fit(network().requires_grad_(), IMAGES, LABELS, epochs=1, noise=1e200),
            ConvacError,
            "the loss is nan in epoch 1 so that training cannot go on; use a learning rate below 0.02",
        ),
        (lambda: hide("rows", 1, 1, 4), ConvacError, "unknown pattern 'rows'; use one of pixels, square"),
        (lambda: hide("square", 5, 1, 4), ConvacError, "amount must be an integer from 0 to 4, not 5"),
        (
            lambda: nearest_neighbours(IMAGES, hide("pixels", 0, 2, 4), IMAGES, LABELS),
            ConvacError,
            "neighbours must be an integer from 1 to 2, not 3",
        ),
        (
            lambda: GaussianClasses(IMAGES, torch.tensor([0, 2])),
            DataError,
            "class 1 has no image; give each class at least one, or renumber them",
        ),
        (
            lambda: GaussianClasses(IMAGES, LABELS, ridge=0),
            ConvacError,
            "ridge must be a finite number above 0, not 0; a small one is 0.1",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(act, error, sentence):
    with pytest.raises(ConvacError) as raised:
        act()
    assert (type(raised.value), str(raised.value)) == (error, sentence)


def test_a_missing_recording_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(missing, "results_path", lambda name: tmp_path / name)
    with pytest.raises(DataError) as raised:
        recorded_model()
    assert str(raised.value) == (
        f"cannot read {tmp_path / 'missing-data.npz'}: No such file or directory; "
        "write it with python tools/missing_data.py"
    )
