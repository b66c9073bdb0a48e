"""Score the segmentation, and what else there is, against the truth of scans with known domains.

    python validation/segmentation.py SCENE.h5 SCAN.npz … --dose 200 2000 20000 --seeds 3

Printed, as Markdown: adjusted Rand index inside domains (positions whose four neighbours are in the same true domain) /
over all positions / matched F1, per scene and dose, means over the seeds. `--plot docs/images/validation` draws one of
them against dose, `--page docs/validation.md` writes the tables there. What a scene file holds is said in `scenes.py`,
what the methods do in `methods.py`. With `--perturbed` the default is also scored after the recordings of
`recordings.py`. scikit-learn is needed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from methods import DEFAULT, METHODS
from recordings import RECORDINGS, TRANSPOSED, recorded
from rows import Job, Row, add_rows, read_rows
from scenes import Scene, frames_of, read_scene, thin
from score_plot import AXIS, plot
from score_tables import all_tables, distinct, write_tables
from scores import Truth, best, score

import clustem

DOSES = (100, 200, 500, 1000, 2000, 5000, 20000, 100000)


def solve(job: Job, scene: Scene) -> Row:
    """Segment and score one scan; of several candidates and truths the best counts, for each score by itself."""
    if job.recording:
        scene = recorded(scene, job.recording)
    truths = [Truth.from_labels(labels) for labels in scene.truths]
    scores, settings = [], []
    for labels, setting in METHODS[job.method](scene.counts, scene.regions, scene.kinds):
        scores.append(best(score(labels, truth) for truth in truths))
        settings.append((scores[-1].inside, int(labels.max()), setting))
    _, domains, setting = max(settings, key=lambda entry: entry[0])
    inside, everywhere, f1 = (round(value, 4) for value in best(scores))
    return Row(*job, inside, everywhere, f1, domains, setting)


def solve_all(path: Path, jobs: list[Job]) -> list[Row]:
    """Do jobs that share scene, frame, dose and seed; none if the scene holds fewer electrons than that."""
    warnings.simplefilter("ignore")  # of methods that fail or do not converge, which their scores show
    scene = thin(read_scene(path, jobs[0].frame), jobs[0].dose, jobs[0].seed)
    if scene is None:
        return []
    with clustem.execution(threads=1):
        return [solve(job, scene) for job in jobs]


def wanted(arguments: argparse.Namespace, path: Path, done: set[Job]) -> Iterator[list[Job]]:
    """Yield the jobs of a scene that are not done, together those that share the counts."""
    kinds = [(method, "") for method in arguments.methods]
    if arguments.perturbed:
        kinds += [(DEFAULT, name) for name in ("", *RECORDINGS, TRANSPOSED)]
    for frame in frames_of(path, arguments.frame):
        for dose in arguments.dose:
            for seed in range(arguments.seeds):
                jobs = [Job(path.stem, frame, dose, seed, *kind) for kind in dict.fromkeys(kinds)]
                if missing := [job for job in jobs if job not in done]:
                    yield missing


def compute(tasks: list[tuple[Path, list[Job]]], workers: int) -> Iterator[list[Row]]:
    """Yield the rows of each task as it is done, on so many processes."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the libraries that scikit-learn calls
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(solve_all, *task) for task in tasks]
        for number, future in enumerate(as_completed(futures), 1):
            print(f"\r{number} of {len(tasks)}", end="", file=sys.stderr, flush=True)
            yield future.result()
    print(file=sys.stderr)


def in_order(rows: Iterable[Row], paths: list[Path]) -> list[Row]:
    """Return the rows sorted, scenes as they were given, others after them."""
    rows = list(rows)
    names = distinct([*(path.stem for path in paths), *(row.scene for row in rows)])
    return sorted(rows, key=lambda row: (names.index(row.scene), row.job))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("scenes", type=Path, nargs="*", help="HDF5 or npz files; none: only what --scores holds")
    add("--dose", type=float, nargs="+", default=DOSES, help="mean electrons per pattern")
    add("--seeds", type=int, default=5, help="how many thinned scans per scene and dose")
    add("--frame", nargs="+", default=["frame000"], help='groups inside the files, each alone; "all" = every one')
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="all of them if not given")
    add("--perturbed", action="store_true", help="score the default after other recordings, too")
    add("--workers", type=int, default=1, help="processes")
    add("--scores", type=Path, help="CSV file: what it holds is not computed again, what is computed is added")
    add("--plot", type=Path, help="draw the scores to this path with .png and .svg")
    add("--page", type=Path, help="write the tables into this page, between its marks")
    add("--score", choices=AXIS, default="everywhere", help="which one is drawn")
    return result


def main() -> None:
    """Read the arguments, compute what is missing, print the tables and draw the plot."""
    arguments = parser().parse_args()
    rows = read_rows(arguments.scores) if arguments.scores else []
    done = {row.job for row in rows}
    tasks = [(path, jobs) for path in arguments.scenes for jobs in wanted(arguments, path, done)]
    for new in compute(tasks, arguments.workers) if tasks else ():
        rows += new
        if arguments.scores:
            add_rows(arguments.scores, new)
    rows = in_order(rows, arguments.scenes)
    print(all_tables(rows), end="")
    if arguments.page:
        write_tables(rows, arguments.page)
    if arguments.plot:
        plot(rows, arguments.score, arguments.plot)


if __name__ == "__main__":
    main()
