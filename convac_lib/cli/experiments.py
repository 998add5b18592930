"""The commands about experiments: data fetch, data check, sweep, report. Torch takes seconds to load: only when needed."""

import os
import sys
from dataclasses import asdict

from convac_lib.errors import DataError


def fetch(arguments):
    """Fetch a published data set into the cache, verify it and keep it as one array file; once is enough."""
    from convac_lib.data.load import load

    dataset = load(arguments.name, progress=sys.stderr.isatty())
    return {"source": dataset.source, "digest": dataset.digest}, f"{dataset}\ndigest {dataset.digest}"


def check(arguments):
    """Tell what the cache of data sets holds, after reading and hashing all of it."""
    from convac_lib.data import cifar10

    report = cifar10.check(cifar10.OFFICIAL, cifar10.data_folder())
    lines = ["cifar10"]
    for what in ("archive", "arrays"):
        found = report[what]
        lines.append(f"  {what:<8} {found['state']}: {found.get('why', found['path'])}")
        if "digest" in found:
            lines.append(f"  digest   {found['digest']}")
    lines += [f"  unused   {found['why']}" for found in report.get("unused", [])]
    return {"cifar10": report}, "\n".join(lines)


def sweep(arguments):
    """Train the experiments' ConvNets for every B, number of channels and seed; append a record of each to a file."""
    import torch

    from convac_lib.data.load import load, require_known
    from convac_lib.experiments.configs import SETTINGS, run_configs
    from convac_lib.experiments.dask_workers import require_workers, usual_count, workers
    from convac_lib.experiments.estimates import require_room, seconds_of, shapes_of
    from convac_lib.experiments.jobs import jobs_of, require_writable
    from convac_lib.experiments.sweep import sweep as run

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
        resources = {"GPU": 1} if arguments.gpu else None
        records = run(configs, dataset, arguments.out, client=client, resources=resources, progress=progress)
    report = {"records": len(records), "out": arguments.out, "source": dataset.source, "digest": dataset.digest}
    plural = "record" if len(records) == 1 else "records"
    return report, f"{len(records)} {plural} of {dataset.source} in {arguments.out}"


def _duration(seconds):
    """About how long, in the largest unit of which there are two or more."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:,.0f} {unit}"
    return "about a minute" if seconds > 30 else "less than a minute"


def report(arguments):
    """Print the table of a sweep's records, and draw accuracy against channels and parameters, as PNG and SVG."""
    from convac_lib.experiments.analysis import by_protocol, figure_names, rows_of
    from convac_lib.experiments.records import read_records
    from convac_lib.files import replace, telling
    from convac_lib.visuals import style
    from convac_lib.visuals.figures import encoded, sweep_figure

    records = read_records(arguments.records)
    if not records:
        raise DataError(f"{arguments.records} holds no record yet; write some with convac sweep")
    style.use()
    parts, texts, unwritten = [], [], []
    protocols, stem = by_protocol(records), os.path.splitext(arguments.records)[0]
    for protocol, name in figure_names(protocols, stem).items():
        alike, figures = protocols[protocol], []
        rows, drawn = rows_of(alike), sweep_figure(alike)
        for ending in ("png", "svg"):
            file = f"{name}.{ending}"
            try:
                with telling("write", file):
                    replace(file, encoded(drawn, ending))
                figures.append(file)
            except DataError as error:  # the table is worth printing without its figures
                unwritten.append(str(error))
        parts.append(asdict(protocol) | {"networks": [asdict(row) for row in rows], "figures": figures})
        devices = ", ".join(sorted({record.device for record in alike}))
        where = f"drawn in {' and '.join(figures)}" if figures else "not drawn"
        texts.append("\n".join([f"{protocol}, on {devices}", _sweep_table(rows), where]))
    return {"protocols": parts}, "\n\n".join(texts), *unwritten


def _sweep_table(rows):
    lines = ["  B     C  parameters  seeds  accuracy (lowest to highest)   plain   test  seconds"]
    for row in rows:
        spread = f"{min(row.accuracies):6.1%} to {max(row.accuracies):6.1%}"
        lines.append(
            f"{row.B:3}  {row.channels:4}  {row.parameters:10,}  {len(row.accuracies):5}  {row.accuracy:8.1%} ({spread})  "
            f"{row.train_accuracy:6.1%} {row.test_accuracy:6.1%}  {row.seconds:7,.0f}"
        )
    return "\n".join(lines)
