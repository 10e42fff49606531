"""What tests ask of a run: its study, its front, and the line it prints next."""

import json

import optuna


def study_of(run_dir, name="tiny"):
    url = f"sqlite:///{run_dir}/study.db"
    return optuna.load_study(study_name=name, storage=url)


def states(run_dir, name="tiny"):
    return [trial.state.name for trial in study_of(run_dir, name).trials]


def finished(run_dir, name="tiny"):
    return sum(state in ("COMPLETE", "PRUNED") for state in states(run_dir, name))


def front_json(run_cli, run_dir):
    done = run_cli("front", "--run", run_dir, "--format", "json", "--all")
    assert done.stderr == ""
    return json.loads(done.stdout)


def wait_for_line(process, sign):
    for line in process.stdout:
        if sign in line:
            return line
    raise AssertionError(f"the run ended before it printed {sign!r}")
