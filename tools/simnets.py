"""Train SimNets and ConvNets of the same shape on the handwritten digits: results/simnets.jsonl.

    python tools/simnets.py

Each network reads 3×3 windows of the 8×8 image with K channels, then 2×2 windows with stride 2, and then the whole,
with one output for each class. The kinds are in KINDS. A run takes 60 epochs of Adam with batches of 32 on one core.
The rate is 0.01 for the ConvNet and 0.03 for the others, which learn more slowly. Each line is on the disk before the
next run begins; a stopped command resumes where it stopped.
"""

import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from convac_lib.data.digits import digits
from convac_lib.experiments.machine import processor
from convac_lib.files import Journal
from convac_lib.networks.simnets import Mex, Similarity

OUT = Path(__file__).parent.parent / "results" / "simnets.jsonl"
LARGEST_FILE = 2**20
EPOCHS, BATCH = 60, 32
CHANNELS, SEEDS = (4, 2, 8), (0, 1, 2)
KINDS = {
    "convnet": "convolution, ReLU, convolution, ReLU, linear layer",
    "naive": "similarity, MEX, MEX; random templates, small offsets",
    "patches": "similarity, MEX, MEX; templates from patches, offsets from N(0, 1)",
    "linear": "similarity, MEX, linear layer; templates from patches, offsets from N(0, 1)",
}


def build(kind: str, K: int, images: Tensor, generator: torch.Generator) -> nn.Module:
    """Build one network of K channels; its initial weights come from the generator alone, and from the images."""
    if kind == "convnet":
        first, second = nn.Conv2d(1, K, 3), nn.Conv2d(K, K, 2, stride=2)
        linear = nn.Linear(9 * K, 10)
        for layer in (first, second, linear):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), linear)
    spread = 0.1 if kind == "naive" else 1.0
    similarity = Similarity(1, K, 3, generator=generator)
    if kind != "naive":
        similarity.start_from(images, generator)
    inner = Mex(K, K, 2, 2, spread=spread, generator=generator)
    if kind != "linear":
        return nn.Sequential(similarity, inner, Mex(K, 10, 3, spread=spread, generator=generator), nn.Flatten())
    linear = nn.Linear(9 * K, 10)
    nn.init.kaiming_uniform_(linear.weight, nonlinearity="linear", generator=generator)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(similarity, inner, nn.Flatten(), linear)


def train(kind: str, K: int, seed: int, epochs: int = EPOCHS) -> dict[str, int | float]:
    """Train one network, and count the test images that it classifies right.

    Args:
        kind: of KINDS.
        K: channels.
        seed: of the split of the data, the initial weights and the order of the batches.
        epochs: how often each image is seen.
    """
    data, generator = digits(seed), torch.Generator().manual_seed(seed)
    images, test = (each.float() / 240 for each in (data.train_images, data.test_images))
    network = build(kind, K, images, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01 if kind == "convnet" else 0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), data.train_labels[batch]).backward()
            optimizer.step()
        schedule.step()
    with torch.no_grad():
        right, trained = (
            int((network(each).argmax(1) == labels).sum())
            for each, labels in ((test, data.test_labels), (images, data.train_labels))
        )
    weights = sum(parameter.numel() for parameter in network.parameters())
    return {"weights": weights, "right": right, "of": len(test), "trained": trained, "train_of": len(images)}


def main() -> None:
    """Append a line of JSON for every run that the file does not hold yet."""
    torch.set_num_threads(1)
    journal = Journal(OUT, LARGEST_FILE)
    with journal.appending(wait=False) as append_line:
        done = {(run["kind"], run["channels"], run["seed"]) for run in map(json.loads, journal.lines())}
        for kind, K, seed in ((kind, K, seed) for K in CHANNELS for seed in SEEDS for kind in KINDS):
            if (kind, K, seed) in done:
                continue
            start = time.perf_counter()
            found = train(kind, K, seed)
            how = {"device": processor(), "torch": torch.__version__, "seconds": round(time.perf_counter() - start, 1)}
            line = json.dumps({"kind": kind, "channels": K, "seed": seed, "epochs": EPOCHS} | found | how)
            append_line(line)
            print(line, flush=True)


if __name__ == "__main__":
    main()
