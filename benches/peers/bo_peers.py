"""Simple regret of Optuna's GPSampler and BoTorch's noisy log-EI on the test problems of ss-bo.

The functions are evaluated by ss-bo itself, over a pipe, so they and their noise are exactly those that the Rust
optimisers see:

    cargo build --release -p ss-bo --example test_functions
    python benches/peers/bo_peers.py target/release/examples/test_functions --seeds 20 --runs runs.jsonl > peers.jsonl
    cargo xtask bench bo --methods bo --beside peers.jsonl

One JSON object a line: problem, method, budget, seeds, median_regret, q25, q75, suggest_ms. Each run of the larger
budget also gives the result at the smaller one (no method here knows its budget). `--runs FILE` keeps every finished run;
called again with the same file, only missing runs are made (hours in all); with `--finished`, none.

`--suggest 40,500` times single suggestions instead, beside `cargo bench -p ss-bo`.

Recommended point: Optuna's `study.best_trial`; for BoTorch the evaluated point with the best posterior mean. Both see the unit
cube, keep their default settings (none is told whether a problem is noisy), use 10 start-up points and one thread. Needs
optuna, torch, botorch (`pip install optuna torch botorch`).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings


class Functions:
    """The test problems, behind a pipe to `test_functions`."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def request(self, **message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply


def run_optuna(problem, functions, seed, budgets):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.GPSampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    space = {f"x{i}": optuna.distributions.FloatDistribution(0.0, 1.0) for i in range(problem["dim"])}
    regrets, times, results = [], [], []
    for number in range(max(budgets)):
        start = time.perf_counter()
        trial = study.ask(space)
        times.append(time.perf_counter() - start)
        x = [trial.params[f"x{i}"] for i in range(problem["dim"])]
        reply = functions.request(problem=problem["name"], x=x, seed=seed, trial=number)
        study.tell(trial, reply["score"])
        regrets.append(reply["regret"])
        if number + 1 in budgets:
            results.append((regrets[study.best_trial.number], 1e3 * statistics.median(times)))
    return results


def run_botorch(problem, functions, seed, budgets):
    import torch
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Standardize
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.manual_seed(seed)
    dim = problem["dim"]
    bounds = torch.stack([torch.zeros(dim), torch.ones(dim)]).double()
    design = torch.quasirandom.SobolEngine(dim, scramble=True, seed=seed).draw(10).double()
    xs, ys, regrets, times, results = [], [], [], [], []

    def fitted():
        x, y = torch.stack(xs), torch.tensor(ys, dtype=torch.double).unsqueeze(-1)
        model = SingleTaskGP(x, y, outcome_transform=Standardize(m=1))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        return model, x

    for number in range(max(budgets)):
        start = time.perf_counter()
        if number < len(design):
            point = design[number]
        else:
            model, x = fitted()
            acquisition = qLogNoisyExpectedImprovement(model, X_baseline=x, prune_baseline=True)
            found, _ = optimize_acqf(acquisition, bounds=bounds, q=1, num_restarts=8, raw_samples=256)
            point = found[0]
        times.append(time.perf_counter() - start)
        reply = functions.request(
            problem=problem["name"], x=point.clamp(0, 1).tolist(), seed=seed, trial=number
        )
        xs.append(point.detach())
        ys.append(reply["score"])
        regrets.append(reply["regret"])
        if number + 1 in budgets:
            model, x = fitted()
            with torch.no_grad():
                best = int(model.posterior(x).mean.squeeze(-1).argmax())
            results.append((regrets[best], 1e3 * statistics.median(times)))
    return results


METHODS = {"optuna-gp": run_optuna, "botorch-logei": run_botorch}


def quantile(values, q):
    values = sorted(values)
    at = q * (len(values) - 1)
    low, high = values[int(at)], values[min(int(at) + 1, len(values) - 1)]
    return low + (high - low) * (at - int(at))


def suggest_optuna(problem, functions, observations, repetitions=7):
    """Milliseconds of one suggestion after so many observations at quasi-random points, the median of several."""
    import optuna
    from scipy.stats import qmc

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {f"x{i}": optuna.distributions.FloatDistribution(0.0, 1.0) for i in range(problem["dim"])}
    points = qmc.Sobol(problem["dim"], seed=0).random(observations)
    times = []
    for seed in range(repetitions):
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GPSampler(seed=seed))
        for number, point in enumerate(points):
            reply = functions.request(problem=problem["name"], x=list(map(float, point)), seed=0, trial=number)
            params = {f"x{i}": float(v) for i, v in enumerate(point)}
            study.add_trial(
                optuna.trial.create_trial(params=params, distributions=space, value=reply["score"])
            )
        start = time.perf_counter()
        study.ask(space)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


class Runs:
    """Finished runs by (method, problem, seed), kept in a file of JSON lines if there is one."""

    def __init__(self, path):
        self.path, self.done = path, {}
        if path and os.path.exists(path):
            with open(path) as file:
                for line in file:
                    try:
                        run = json.loads(line)
                    except json.JSONDecodeError:
                        continue  # what a killed process left of its last line
                    self.done[run["method"], run["problem"], run["seed"]] = run["results"]

    def add(self, method, problem, seed, results):
        self.done[method, problem, seed] = results
        if self.path:
            with open(self.path, "a") as file:
                row = {"method": method, "problem": problem, "seed": seed, "results": results}
                # After a line's remains a line of its own.
                file.write(("\n" if self.torn() else "") + json.dumps(row) + "\n")

    def torn(self):
        with open(self.path, "rb") as file:
            text = file.read()
        return bool(text) and not text.endswith(b"\n")

    def has(self, method, problem, seed, budgets):
        return set(map(str, budgets)) <= set(self.done.get((method, problem, seed), {}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="the example `test_functions` of ss-bo")
    parser.add_argument("--problems", help="comma-separated names, default all")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budgets", default="40,80")
    parser.add_argument(
        "--suggest",
        help="instead: time one suggestion of Optuna after these numbers of observations, comma-separated",
    )
    parser.add_argument("--runs", help="keep finished runs in this file, and make only missing ones")
    parser.add_argument(
        "--finished", action="store_true", help="make no run: the rows of those that --runs has, however many seeds"
    )
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(1)
    budgets = sorted(int(b) for b in args.budgets.split(","))
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    functions = Functions(args.binary)
    problems = functions.request(list=True)
    if args.problems:
        problems = [p for p in problems if p["name"] in args.problems.split(",")]
    if args.suggest:
        # The study that `cargo bench -p ss-bo` times: the 10-dimensional Levy function.
        problem = next(p for p in problems if p["name"] == "levy10")
        for observations in map(int, args.suggest.split(",")):
            ms = suggest_optuna(problem, functions, observations)
            row = {"method": "optuna-gp", "problem": "levy10", "observations": observations}
            print(json.dumps({**row, "suggest_ms": round(ms, 2)}), flush=True)
        return
    methods = args.methods.split(",")
    runs = Runs(args.runs)
    for seed in seeds:
        for problem in problems:
            for method in methods:
                if not args.finished and not runs.has(method, problem["name"], seed, budgets):
                    results = METHODS[method](problem, functions, seed, budgets)
                    runs.add(method, problem["name"], seed, {str(b): r for b, r in zip(budgets, results)})
                    print(f"{method} {problem['name']} seed {seed}: {results}", file=sys.stderr, flush=True)
    for method in methods:
        for problem in problems:
            for budget in budgets:
                finished = [seed for seed in seeds if runs.has(method, problem["name"], seed, budgets)]
                if not finished:
                    continue
                reached = [runs.done[method, problem["name"], seed][str(budget)] for seed in finished]
                regrets = [regret for regret, _ in reached]
                row = {
                    "problem": problem["name"],
                    "method": method,
                    "budget": budget,
                    "seeds": len(finished),
                    "median_regret": statistics.median(regrets),
                    "q25": quantile(regrets, 0.25),
                    "q75": quantile(regrets, 0.75),
                    "suggest_ms": round(statistics.median(ms for _, ms in reached), 2),
                }
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
