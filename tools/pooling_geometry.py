"""Train networks to judge blobs, with three pooling geometries: results/pooling-geometry.jsonl.

    python tools/pooling_geometry.py

Every run draws its own blobs, initial weights and order of images from its seed. Each record is on the disk before the
next run begins; a stopped run resumes where it stopped. All runs together take about ten minutes on one core.
"""

from itertools import product
from pathlib import Path

import torch

from convac_lib.experiments.blobs import POOLINGS, TASKS, blob_dataset, pooling_network, rearranged
from convac_lib.experiments.records import append_records, read_records
from convac_lib.experiments.training import train
from convac_lib.related.geometry import GEOMETRIES

OUT = Path(__file__).parent.parent / "results" / "pooling-geometry.jsonl"
SEEDS = range(3)
IMAGES, TESTED, EPOCHS, LEARNING_RATE = 4000, 1000, 20, 3e-3


def main() -> None:
    """Append a record for every run that the file does not hold yet."""
    torch.set_num_threads(1)
    done = {(record.source, record.model, record.seed) for record in read_records(OUT)}
    for seed, task in product(SEEDS, TASKS):
        dataset = blob_dataset(task, n=IMAGES, tested=TESTED, seed=seed)
        for pooling, geometry in product(POOLINGS, GEOMETRIES):
            network, images = pooling_network(pooling, seed=seed), rearranged(dataset, geometry)
            if (images.source, type(network).__name__, seed) in done:
                continue
            record = train(network, images, epochs=EPOCHS, learning_rate=LEARNING_RATE, seed=seed, progress=False)
            append_records(OUT, [record])
            print(f"{images.source}, {pooling}, seed {seed}: {record.test_accuracy:.1%}", flush=True)


if __name__ == "__main__":
    main()
