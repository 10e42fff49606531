"""Is it faster than what people use today? Equal wall time each, on this machine, live.

::

    python benchmarks/live.py [--seconds S] [--olive-python PATH] [--against NAME...] [--seed N]
                              [--quick] [--out FILE]

ours     python -m search run, with an empty store
tpe      plain Optuna with TPE over the same space and evaluators: no store, no gates, no policy,
nsga2    and what it fine-tunes isn't reconstructed; the same with NSGA-II
olive    ONNX in, Olive's static quantization and session tuning, its TPE, its own measurements

Ours and Olive's fastest models at a drop of at most 0.01 are measured by our bench afterwards, in
turns and in fresh processes. Olive needs an environment of its own::

    python -m venv olive && olive/bin/pip install olive-ai onnxruntime requests psutil

and without ``--olive-python olive/bin/python`` is left out. Nothing else should run meanwhile; half
an hour each is a start. With ``--quick`` a small model is searched for seconds, which shows that it
works and nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.comparison import Figures, figures_of
from benchmarks.comparison_report import show_stages, show_times, write_plot
from benchmarks.fidelity_parts.measure import Timing
from benchmarks.live_parts import finals, olive_search, ours, plain
from benchmarks.live_parts.setting import Setting, prepare
from benchmarks.outcome import Outcome
from benchmarks.plain_optuna import SAMPLERS
from evaluators.statistics import fewest_queries

SECONDS, QUICK_SECONDS = 1800, 18
CLASSES = 10
_PLAIN_WIDTH = 120
"""Columns where the output isn't a terminal."""
_QUICK = (
    "workload=../../spaces/workloads/digits_resnet8.py:Digits",
    "search.distillation.epochs=[0, 1]",
    "measuring.duration=0.2s",
)


@dataclass(frozen=True, slots=True)
class Finals:
    """How the best are measured: so many of each method, in so many rounds."""

    artifacts: int
    rounds: int
    timing: Timing


FULL = Finals(3, 5, {"min_queries": fewest_queries(0.90)})
QUICK = Finals(1, 1, {"min_queries": 64, "min_duration_s": 0.2, "offline_s": 0.01})


def main(arguments: Sequence[str] | None = None) -> None:
    """Search with every method, print what came out, and write the figures."""
    options = _parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        console.print("training the teacher, which counts for nobody")
        setting = prepare(Path(folder), seconds, options.seed, _QUICK if options.quick else ())
        found = _search_ours(setting, console)
        plainly = _search_plainly(setting, found, options.against, console)
        outcomes = {ours.NAME: found.outcome, **plainly}
        runs = {name: [outcome] for name, outcome in outcomes.items()}
        show_times(console, runs, ours.NAME, seconds)
        show_stages(console, runs)
        figures = figures_of(runs, ours.NAME, seconds)
        if olive_search.NAME in options.against:
            scale = QUICK if options.quick else FULL
            figures |= _against_olive(setting, found, options.olive_python, scale, console)
    if options.out is not None:
        facts = {"quick": options.quick, "seconds": seconds, "seed": options.seed}
        options.out.write_text(json.dumps({**figures, **facts}, indent=1) + "\n")
        write_plot(options.out.with_suffix(".html"), runs, seconds)


def _search_ours(setting: Setting, console: Console) -> ours.OurSearch:
    console.print(f"ours: {setting.seconds} s")
    return ours.search(setting)


def _search_plainly(
    setting: Setting, found: ours.OurSearch, names: Sequence[str], console: Console
) -> dict[str, Outcome]:
    assert found.run.baseline is not None
    outcomes = {}
    for name in (each for each in SAMPLERS if each in names):
        console.print(f"{name}: {setting.seconds} s")
        outcomes[name] = plain.search(setting, name, found.run.baseline)
    return outcomes


def _against_olive(
    setting: Setting, found: ours.OurSearch, python: Path | None, scale: Finals, console: Console
) -> Figures:
    if python is None:
        console.print("olive: not compared, for want of --olive-python")
        return {}
    console.print(f"olive: {setting.seconds} s")
    try:
        models = olive_search.search(setting, python, CLASSES)
    except RuntimeError as error:  # the other figures took hours
        console.print(f"olive: not compared. {error}", markup=False)
        return {}
    reference = found.run.facts.reference_metric
    assert reference is not None
    inputs = setting.prepared / "validation_images.npy"
    best = olive_search.fastest(models, reference, scale.artifacts)
    console.print(f"olive evaluated {len(models)} models; measuring the best of both")
    artifacts = {
        ours.NAME: finals.our_artifacts(found.run, inputs, scale.artifacts),
        olive_search.NAME: olive_search.artifacts_of(best, setting.folder / "finals", inputs),
    }
    p90_s = finals.shortest_p90_s(artifacts, scale.timing, scale.rounds, setting.seed)
    own_s, other_s = p90_s[ours.NAME], p90_s[olive_search.NAME]
    for name, value in p90_s.items():
        shown = "none within the drop" if value is None else f"{value * 1e3:.3f} ms"
        console.print(f"{name}: best p90 at a drop of at most 0.01: {shown}")
    return {
        "final_p90_ms_ours": None if own_s is None else own_s * 1e3,
        "final_p90_ms_olive": None if other_s is None else other_s * 1e3,
        "best_p90_ratio_olive": own_s / other_s if own_s and other_s else None,
        "olive_models": len(models),
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, metavar="S", help=f"each; {SECONDS} if left out")
    parser.add_argument("--olive-python", type=Path, metavar="PATH", help="one that has olive-ai")
    methods = [*SAMPLERS, olive_search.NAME]
    parser.add_argument(
        "--against", nargs="+", choices=methods, default=methods, help="all if left out"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as flat JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
