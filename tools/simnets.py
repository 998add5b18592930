"""Train SimNets, ConvNets and ConvACs of one shape on the handwritten digits: results/simnets.jsonl.

    python tools/simnets.py

Each network reads 3×3 windows of the 8×8 image with K channels, then 2×2 windows with stride 2, and then the whole,
with one output for each class. The kinds are in KINDS. A run takes 60 epochs of Adam with batches of 32, whose rate
falls to 0 by a cosine. First, each rate of RATES is tried on 287 of the 1,437 training images, with the others to train
on. The rate with the most right answers, over all seeds, then trains on all 1,437 images, and is tested once.

The rates and seeds of a kind train side by side: every weight has a first axis for them. Each run is on the disk before
the next one begins; a stopped command resumes where it stopped. All takes about ten minutes of one core.
"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, unfold

from convac_lib.data.digits import digits
from convac_lib.experiments.machine import processor
from convac_lib.files import Journal
from convac_lib.networks.simnets import Similarity

OUT = Path(__file__).parent.parent / "results" / "simnets.jsonl"
LARGEST_FILE = 2**20
NEARLY_MEAN, SMALLEST = 1e-3, 1e-35  # the least |β| with which single precision can compute; a number above 0
EPOCHS, BATCH, VALIDATION = 60, 32, 287
CHANNELS, SEEDS, RATES = (4, 2, 8), (0, 1, 2), (0.003, 0.01, 0.03, 0.1, 0.3)
KINDS = {
    "convnet": "convolution, ReLU, convolution, ReLU, linear layer",
    "naive": "similarity, MEX, MEX; random templates, offsets from N(0, 0.1²)",
    "patches": "similarity, MEX, MEX; templates from k-means of patches, offsets from N(0, 1)",
    "half": "similarity, MEX, a layer of a ConvAC in logarithms; begins as patches",
    "products": "similarity, two layers of a ConvAC in logarithms; begins as patches",
    "linear": "similarity, MEX, linear layer; begins as patches",
}
Weights = dict[str, Tensor]  # each of shape (seeds, …)


def build(kind: str, K: int, images: Tensor, generator: torch.Generator) -> Weights:
    """Draw the initial weights of one network of K channels, from the generator and from the images."""

    def drawn(rows: int, columns: int, spread: float) -> Tensor:
        return spread * torch.randn(rows, columns, generator=generator)

    if kind == "convnet":
        found = {"weight1": drawn(K, 9, (2 / 9) ** 0.5), "weight2": drawn(K, 4 * K, (1 / (2 * K)) ** 0.5)}
        found |= {"weight3": drawn(10, 9 * K, (1 / (9 * K)) ** 0.5), "bias3": torch.zeros(10)}
        return found | {"bias1": torch.zeros(K), "bias2": torch.zeros(K)}
    similarity = Similarity(1, K, 3, generator=generator)
    if kind != "naive":
        similarity.start_from(images, generator)
    assert similarity.log_weight is not None
    found = {"template": similarity.template.flatten(1), "log_weight": similarity.log_weight.flatten(1)}
    found["offset2"] = drawn(K, 4 * K, 0.1 if kind == "naive" else 1.0)
    if kind == "linear":
        found |= {"weight3": drawn(10, 9 * K, (1 / (9 * K)) ** 0.5), "bias3": torch.zeros(10)}
    else:
        found["offset3"] = drawn(10, 9 * K, 0.1 if kind == "naive" else 1.0)
    if kind != "products":
        found["beta2"] = torch.tensor(1.0)
    if kind in ("naive", "patches"):
        found["beta3"] = torch.tensor(1.0)
    return {name: weight.detach() for name, weight in found.items()}


def outputs(kind: str, w: Weights, x: Tensor) -> Tensor:
    """Compute the scores of all classes: (E, N, 36, 9) windows of 3×3 pixels → (E, N, 10), for E networks."""
    if kind == "convnet":
        h = _affine(x, w["weight1"], w["bias1"]).relu()
        h = _affine(_windows(h), w["weight2"], w["bias2"]).relu()
        return _affine(_whole(h), w["weight3"], w["bias3"])[:, :, 0]
    weight = w["log_weight"].exp()  # −Σ w·(x − z)², written out
    h = -_affine(x.square(), weight, (weight * w["template"].square()).sum(2)) + 2 * _affine(x, weight * w["template"])
    h = _windows(h)
    h = _whole(_products(h, w["offset2"], 4) if kind == "products" else _mex(h, w["offset2"], w["beta2"]))
    if kind == "linear":
        return _affine(h, w["weight3"], w["bias3"])[:, :, 0]
    return (_mex(h, w["offset3"], w["beta3"]) if "beta3" in w else _products(h, w["offset3"], 9))[:, :, 0]


def _windows(h: Tensor) -> Tensor:
    """(E, N, 36, K) → (E, N, 9, 4·K): the 2×2 windows with stride 2 of a 6×6 image, channels last."""
    E, N, _, K = h.shape
    return h.reshape(E, N, 3, 2, 3, 2, K).transpose(3, 4).reshape(E, N, 9, 4 * K)


def _whole(h: Tensor) -> Tensor:
    """(E, N, 9, K) → (E, N, 1, 9·K)."""
    return h.flatten(2)[:, :, None]


def _affine(x: Tensor, weight: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """(E, N, L, D), (E, K, D), (E, K) → (E, N, L, K)."""
    found = (x.flatten(1, 2) @ weight.mT).unflatten(1, x.shape[1:3])  # one product of matrices for each network
    return found + (bias[:, None, None] if isinstance(bias, Tensor) else bias)


def _mex(x: Tensor, offset: Tensor, beta: Tensor) -> Tensor:
    """(E, N, L, D), (E, K, D), (E,) → (E, N, L, K): MEX of input plus offsets, by a product of matrices."""
    beta = torch.where(beta.abs() < NEARLY_MEAN, torch.where(beta < 0, -NEARLY_MEAN, NEARLY_MEAN), beta)
    shifted, offset = x * beta[:, None, None, None], offset * beta[:, None, None]
    high, top = shifted.detach().amax(3, keepdim=True), offset.detach().amax(2, keepdim=True)  # (E, N, L, 1), (E, K, 1)
    sums = _affine((shifted - high).exp(), (offset - top).exp()) / x.shape[3]
    return (sums.clamp(min=SMALLEST).log() + high + top.mT[:, None]) / beta[:, None, None, None]


def _products(x: Tensor, offset: Tensor, places: int) -> Tensor:
    """(E, N, L, R²·C), (E, K, R²·C) → (E, N, L, K): a MEX with β = 1 at each place of the window, and their sum."""
    one = x.new_ones(len(x))
    return sum((_mex(a, b, one) for a, b in zip(x.chunk(places, 3), offset.chunk(places, 2))), x.new_zeros(()))


def patches_of(images: Tensor) -> Tensor:
    """(N, 1, 8, 8) → (N, 36, 9): the 3×3 windows of images of bytes, as numbers from 0 to 1."""
    return unfold(images.float() / 240, 3).mT


def train(
    kind: str, K: int, rates: Sequence[float], stage: str, seeds: Sequence[int] = SEEDS, epochs: int = EPOCHS
) -> tuple[Weights, list[dict[str, Any]]]:
    """Train networks of several rates and seeds side by side.

    Args:
        kind: of KINDS.
        K: channels.
        rates: the learning rates of Adam at the start.
        stage: "tuning" counts right answers on a part of the training images, "test" on the test images.
        seeds: of the split of the data, the initial weights and the order of the batches.
        epochs: how often each image is seen.

    Returns:
        The weights, of all seeds of the first rate, then of the next; and for each rate what was counted, by seed.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    starts, x, y, x_new, y_new = [], [], [], [], []
    for seed, generator in zip(seeds, generators):
        data = digits(seed)
        images, labels, new, new_labels = data.train_images, data.train_labels, data.test_images, data.test_labels
        if stage == "tuning":
            kept, held = torch.randperm(len(images), generator=generator).tensor_split([len(images) - VALIDATION])
            images, labels, new, new_labels = images[kept], labels[kept], images[held], labels[held]
        starts.append(build(kind, K, images.float() / 240, generator))
        for found, each in zip((x, y, x_new, y_new), (patches_of(images), labels, patches_of(new), new_labels)):
            found.append(each)
    X, Y, X_new, Y_new = (torch.stack(each) for each in (x, y, x_new, y_new))
    of, copies = torch.arange(len(seeds))[:, None], len(rates)
    groups = [{name: torch.stack([w[name] for w in starts]).requires_grad_() for name in starts[0]} for _ in rates]
    optimizer = torch.optim.Adam(
        [{"params": list(group.values()), "lr": rate} for group, rate in zip(groups, rates)], fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)

    def joined() -> Weights:
        return {name: torch.cat([group[name] for group in groups]) for name in groups[0]}

    for _ in range(epochs):
        orders = torch.stack([torch.randperm(X.shape[1], generator=generator) for generator in generators])
        for batch in orders.split(BATCH, dim=1):
            scores = outputs(kind, joined(), X[of, batch].repeat(copies, 1, 1, 1))
            labels = Y[of, batch].repeat(copies, 1)
            optimizer.zero_grad()
            losses = cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="sum") / batch.shape[1]
            losses.backward()
            optimizer.step()
        schedule.step()
    weights = {name: weight.detach() for name, weight in joined().items()}
    right, trained = (
        (outputs(kind, weights, each.repeat(copies, 1, 1, 1)).argmax(2) == labels.repeat(copies, 1)).sum(1)
        for each, labels in ((X_new, Y_new), (X, Y))
    )
    size = sum(weight[0].numel() for weight in weights.values())
    counted = []
    for rate, part in zip(rates, torch.arange(copies * len(seeds)).tensor_split(copies)):
        betas = {name: [round(b, 3) for b in w[part].tolist()] for name, w in weights.items() if "beta" in name}
        answers = {"right": right[part].tolist(), "trained": trained[part].tolist()}
        counted.append({"rate": rate, "weights": size, "of": len(new), "train_of": len(images)} | answers | betas)
    return weights, counted


def best_rate(lines: list[dict[str, Any]], kind: str, K: int) -> float:
    """Return the rate with the most right validation images over all seeds; of equal ones the smallest."""
    tried = [line for line in lines if (line["stage"], line["kind"], line["channels"]) == ("tuning", kind, K)]
    return max(RATES, key=lambda rate: sum(sum(line["right"]) for line in tried if line["rate"] == rate))


def runs(lines: list[dict[str, Any]]) -> Iterator[tuple[str, int, list[float], str]]:
    """List the runs that `lines` lack: kind, channels, rates and stage. The list grows meanwhile."""

    def lacks(*run: object) -> bool:
        return all((line["kind"], line["channels"], line["rate"], line["stage"]) != run for line in lines)

    for K in CHANNELS:
        for kind in KINDS:
            if rates := [rate for rate in RATES if lacks(kind, K, rate, "tuning")]:
                yield kind, K, rates, "tuning"
            best = best_rate(lines, kind, K)
            if lacks(kind, K, best, "test"):
                yield kind, K, [best], "test"


def main() -> None:
    """Append a line of JSON for every rate of every run that the file does not hold yet."""
    torch.set_num_threads(1)
    journal = Journal(OUT, LARGEST_FILE)
    with journal.appending(wait=False) as append_line:
        lines = [json.loads(line) for line in journal.lines()]
        for kind, K, rates, stage in runs(lines):
            start = time.process_time()
            _, counted = train(kind, K, rates, stage)
            seconds = round((time.process_time() - start) / len(rates), 1)
            what = {"stage": stage, "kind": kind, "channels": K, "epochs": EPOCHS, "seeds": SEEDS}
            how = {"device": processor(), "torch": torch.__version__, "seconds": seconds}
            for found in counted:
                lines.append(what | found | how)
                append_line(json.dumps(lines[-1]))
                print(stage, kind, K, found["rate"], found["right"], seconds, flush=True)


if __name__ == "__main__":
    main()
