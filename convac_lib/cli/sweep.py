"""convac sweep: the training of many ConvNets, recorded in one file."""

import sys
from argparse import ArgumentParser, Namespace

from convac_lib.cli.command import Answer
from convac_lib.extras import require

ABOUT = "Train a ConvNet for every combination of --B, --channels and --seeds, and append each result to a file."
EXAMPLES: tuple[str, ...] = (
    "convac sweep --data digits --B 1 2 3 --channels 4 8 16 --epochs 12 --out results/digits.jsonl",
    "convac sweep --data cifar10 --B 1 2 3 5 --channels 8 16 32 64 128 256 --seeds 0 1 2 --out results/cifar10.jsonl",
)
SMALLER = "use fewer --channels, a smaller --batch-size or fewer --workers"


def add_arguments(parser: ArgumentParser) -> None:
    """Add what is trained, how it is trained, and where."""
    add = parser.add_argument
    add("--data", required=True, help="training images: digits, cifar10, or the path of a folder of images")
    add("--B", type=int, nargs="+", required=True, help="sides of the convolution windows; 1 is without overlap")
    add("--channels", type=int, nargs="+", required=True, metavar="C", help="channels of every layer")
    add("--seeds", type=int, nargs="+", default=[0], metavar="N", help="seeds for the initial weights (default: 0)")
    add(
        "--out",
        required=True,
        metavar="FILE",
        help="file of the results, one JSON line per network; running the command again resumes where it stopped",
    )
    add("--augment", default="spatial", help="random changes to images: none, spatial or colour (default: spatial)")
    add("--epochs", type=int, default=300, help="passes over the training images (default: 300)")
    add("--batch-size", type=int, default=128, metavar="N", help="images per step (default: 128)")
    add("--learning-rate", type=float, default=1e-3, metavar="X", help="learning rate of Adam (default: 0.001)")
    add("--precision", default="float32", help="number format: float32 or bfloat16 (default: float32)")
    add("--workers", type=int, help="processes on this machine (default: one per core, or one in total with a GPU)")
    add("--scheduler", metavar="tcp://HOST:PORT", help="train on the workers of this Dask scheduler instead")
    add("--gpu", action="store_true", help="use only Dask workers that were started with --resources GPU=1")


def run(arguments: Namespace) -> Answer:
    """Train a ConvNet for every combination of --B, --channels and --seeds, and append each result to a file."""
    require("experiments", "convac sweep")
    import torch

    from convac_lib.data.load import load, require_known
    from convac_lib.experiments.configs import SETTINGS, run_configs
    from convac_lib.experiments.dask_workers import require_workers, usual_count, workers
    from convac_lib.experiments.estimates import require_room, seconds_of, shapes_of
    from convac_lib.experiments.jobs import jobs_of, require_writable
    from convac_lib.experiments.sweep import sweep

    settings = {name: getattr(arguments, name) for name in SETTINGS}
    configs = run_configs(arguments.B, arguments.channels, arguments.seeds, **settings)
    require_workers(arguments.scheduler, arguments.workers, arguments.gpu)
    require_writable(arguments.out)
    require_known(arguments.data)
    progress = sys.stderr.isatty()
    dataset = load(arguments.data, progress=progress)
    jobs = jobs_of(configs, dataset, arguments.out)
    told, count = f"convac: {sum(map(len, jobs)):,} to train", None
    if arguments.scheduler is None:
        count = min(arguments.workers or usual_count(), max(1, len(jobs)))
        require_room(jobs, shapes_of(dataset), count, start=True)
        told += f" by {count} {'worker' if count == 1 else 'workers'} on this machine"
        if not torch.cuda.is_available():
            told += f", in {_duration(seconds_of(jobs, dataset, count))}"
    print(told, file=sys.stderr, flush=True)
    with workers(arguments.scheduler, count) as client:
        resources = {"GPU": 1.0} if arguments.gpu else None
        records = sweep(configs, dataset, arguments.out, client=client, resources=resources, progress=progress)
    report = {"records": len(records), "out": arguments.out, "source": dataset.source, "digest": dataset.digest}
    plural = "record" if len(records) == 1 else "records"
    return Answer(report, f"{len(records)} {plural} of {dataset.source} in {arguments.out}")


def _duration(seconds: float) -> str:
    """Round a duration to the largest unit of which it has two or more."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:,.0f} {unit}"
    return "about a minute" if seconds > 30 else "less than a minute"
