"""The cases of `cargo xtask bench scale` in NumPy and PyTorch.

    cargo xtask bench scale --python python3

runs it; by itself:

    python benches/peers/scale_peers.py --case weights --examples 10000000 --draws 10000000

One JSON object a line: peer, rows, seconds, reason. `rows` counts examples where features become weights, else draws. A peer that cannot do
a case has no seconds and says why. A peer that needs more than --limit seconds for all rows (as a run on a tenth of them
tells) is reported on that tenth. Input is made before the clock starts, from the distributions of
`xtask/src/bench/scale/data.rs`. Needs numpy and torch.
"""

import argparse
import json
import math
import time

import numpy as np


def columns(rows):
    rng = np.random.default_rng(1)
    loss = rng.standard_exponential(rows).astype(np.float32)
    entropy = (rng.random(rows) * math.log(9)).astype(np.float32)
    gradient = rng.standard_exponential(rows).astype(np.float32)
    return loss, entropy, gradient


def weights(examples):
    return 0.25 + 1.75 * np.random.default_rng(2).random(examples)


def ties(ordered):
    """Where runs of equal values start, and one past where they end."""
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return first, np.append(first[1:], len(ordered))


def mid_ranks(column):
    """`scipy.stats.rankdata(column, "average")`, less a half, over n; without SciPy's detours."""
    order = np.argsort(column)
    first, end = ties(column[order])
    ranks = np.empty(len(column))
    ranks[order] = np.repeat((first + end) / (2 * len(column)), end - first)
    return ranks


KNOTS = [0, 0.2, 0.5, 0.8, 1]
VALUES = [1, 1, 0.5, 0.1, 0]


def candidate(ranks, gradient):
    """tau of the sampler of data.rs, from mid-ranks, by the cgf."""
    z = ranks[0] - 0.4 * ranks[1]
    order = np.argsort(z)
    first, end = ties(z[order])
    mass = np.concatenate(([0], np.cumsum(gradient[order], dtype=np.float64)))
    u = np.empty(len(z))
    u[order] = np.repeat((mass[first] + mass[end]) / (2 * mass[-1]), end - first)
    return np.interp(u, KNOTS, VALUES)


def tables(loss, entropy, gradient):
    """What `Sampler::score` looks up: 1025 quantiles of each feature and of z, on a million rows."""
    part = slice(0, 1_000_000)
    levels = np.linspace(0, 1, 1025)
    quantiles = [np.quantile(column[part].astype(np.float64), levels) for column in (loss, entropy)]
    z = mid_ranks(loss[part]) - 0.4 * mid_ranks(entropy[part])
    order = np.argsort(z)
    mass = np.cumsum(gradient[part][order], dtype=np.float64)
    picks = np.linspace(0, len(z) - 1, 1025).astype(int)
    return levels, quantiles, z[order][picks], mass[picks] / mass[-1]


def score(loss, entropy, table):
    levels, (of_loss, of_entropy), keys, mass = table
    z = np.interp(loss, of_loss, levels) - 0.4 * np.interp(entropy, of_entropy, levels)
    return np.interp(np.interp(z, keys, mass), KNOTS, VALUES)


def jobs(case, threads):
    """(peer, counts draws, prepare(examples, draws) -> run()) of a case."""
    import torch

    torch.set_num_threads(threads)
    pytorch, numpy = f"PyTorch {torch.__version__.split('+')[0]}", f"NumPy {np.__version__}"

    def of_columns(run):
        return lambda examples, _: (lambda data: lambda: run(*data))(columns(examples))

    def prepare_candidate(examples, _):
        loss, entropy, gradient = columns(examples)
        ranks = [mid_ranks(loss), mid_ranks(entropy)]
        return lambda: candidate(ranks, gradient)

    def prepare_score(examples, _):
        loss, entropy, gradient = columns(examples)
        table = tables(loss, entropy, gradient)
        return lambda: score(loss, entropy, table)

    def by_torch(replacement):
        def prepare(examples, draws):
            tau = torch.from_numpy(weights(examples))
            return lambda: torch.multinomial(tau, draws, replacement)

        return prepare

    def by_numpy(replacement):
        def prepare(examples, draws):
            p = weights(examples)
            p /= p.sum()
            rng = np.random.default_rng(3)
            return lambda: rng.choice(examples, draws, replacement, p)

        return prepare

    def drawn(replacement):
        return [
            (f"{pytorch} multinomial", True, by_torch(replacement)),
            (f"{numpy} Generator.choice", True, by_numpy(replacement)),
        ]

    return {
        "stream": [(f"{numpy} sum", False, of_columns(lambda *data: [column.sum(dtype=np.float32) for column in data]))],
        "weights": [
            (f"{numpy} argsort", False, of_columns(lambda x, y, g: candidate([mid_ranks(x), mid_ranks(y)], g)))
        ],
        "candidate": [(f"{numpy} argsort", False, prepare_candidate)],
        "score": [(f"{numpy} interp", False, prepare_score)],
        "multinomial": drawn(True),
        "systematic": drawn(True),
        "frequencies": drawn(True),
        "without-replacement": drawn(False),
        "shuffled": [
            (f"{pytorch} randperm", True, lambda _, draws: lambda: torch.randperm(draws)),
            (
                f"{numpy} Generator.permutation",
                True,
                lambda _, draws: (lambda rng: lambda: rng.permutation(draws))(np.random.default_rng(3)),
            ),
        ],
    }[case]


def fastest(run, reps):
    least = math.inf
    for _ in range(reps):
        start = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - start)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", required=True)
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--draws", type=int, required=True)
    parser.add_argument("--reps", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600)
    args = parser.parse_args()
    for peer, of_draws, prepare in jobs(args.case, args.threads):
        full = (args.examples, args.draws)
        sizes = [full]
        if max(full) > 20_000_000:
            sizes.insert(0, (args.examples // 10, args.draws // 10))
        line = {"peer": peer, "rows": None, "seconds": None, "reason": None}
        for size in sizes:
            line["rows"] = size[1] if of_draws else size[0]
            try:
                run = prepare(*size)
                line["seconds"] = fastest(run, args.reps)
            except (RuntimeError, MemoryError) as error:
                line["seconds"], line["reason"] = None, "refuses: " + str(error).splitlines()[0]
            if size != full and line["seconds"] is not None and 10 * line["seconds"] * args.reps > args.limit:
                break
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
