"""The commands about experiments: data fetch, data check, sweep, report. Torch takes seconds to load: only when needed."""

import os
import sys
from dataclasses import asdict

from convac_lib.errors import DataError


def fetch(arguments):
    """Fetch a published data set into the cache, verify it and keep it as one array file; once is enough."""
    from convac_lib.experiments.sources import load

    dataset = load(arguments.name, progress=sys.stderr.isatty())
    return {"source": dataset.source, "digest": dataset.digest}, f"{dataset}\ndigest {dataset.digest}"


def check(arguments):
    """Tell what the cache of data sets holds, after reading and hashing all of it."""
    from convac_lib.experiments import cifar10

    report = cifar10.check(cifar10.OFFICIAL, cifar10.data_folder())
    lines = ["cifar10"]
    for what, found in report.items():
        lines.append(f"  {what:<8} {found['state']}: {found.get('why', found['path'])}")
        if "digest" in found:
            lines.append(f"  digest   {found['digest']}")
    return {"cifar10": report}, "\n".join(lines)


def sweep(arguments):
    """Train the experiments' ConvNets for every B, number of channels and seed; append a record of each to a file."""
    from convac_lib.experiments.cluster import workers
    from convac_lib.experiments.sources import load
    from convac_lib.experiments.sweep import points_of
    from convac_lib.experiments.sweep import sweep as run

    names = ("augment", "epochs", "batch_size", "learning_rate", "precision")
    settings = {name: getattr(arguments, name) for name in names}
    points = points_of(arguments.B, arguments.channels, arguments.seeds, **settings)
    progress = sys.stderr.isatty()
    dataset = load(arguments.data, progress=progress)
    with workers(arguments.scheduler, arguments.workers) as client:
        resources = {"GPU": 1} if arguments.gpu else None
        records = run(points, dataset, arguments.out, client=client, resources=resources, progress=progress)
    report = {"records": len(records), "out": arguments.out, "source": dataset.source, "digest": dataset.digest}
    return report, f"{len(records)} records of {dataset.source} in {arguments.out}"


def report(arguments):
    """Print the table of a sweep's records, and draw accuracy against channels and parameters, as PNG and SVG."""
    from convac_lib.experiments.records import read_records
    from convac_lib.experiments.report import by_protocol, figure_names, rows_of
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
