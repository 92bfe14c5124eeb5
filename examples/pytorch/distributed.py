"""Weighted epochs from `swift-sampler draw` in a DataLoader: over several processes, continued within an epoch, with new
weights for each epoch. `DrawnOrder` is all that there is to it; the rest is a small training that shows it.

    cargo build --release -p ss-cli
    torchrun --nproc-per-node 2 examples/pytorch/distributed.py --swift-sampler target/release/swift-sampler \\
        --weights first-epoch.npy later-epochs.npy --out runs/distributed

Started again after it was stopped, it goes on with the batch after the last checkpoint and ends with the same network; by
another number of processes, with the rest of the epoch, each draw once. `--stop-after` stops it, to see that.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn
from torch.utils.data import DataLoader, Sampler, TensorDataset


class DrawnOrder(Sampler):
    """The order of an epoch, or this process's part of it, for a DataLoader: `DataLoader(dataset, batch, sampler=order)`.

    Call `begin` before each epoch, as one calls `set_epoch` of a DistributedSampler. The order stays in its file: memory
    does not grow with the dataset. `len` is that of the epoch, or of the rest of it.
    """

    def __init__(self, program, folder, rank=0, world=1, seed=0, mode="systematic"):
        self.command = [program, "draw", "--rank", rank, "--world", world, "--seed", seed, "--mode", mode]
        self.path = Path(folder) / f"order-{rank}.npy"
        self.plan, self.indices = None, []

    def begin(self, epoch, weights, used=0, plan=None):
        """Draws the epoch by these weights (a file). To go on within it: how many draws of this part were `used`, and
        the `plan` that they were of, so that other weights are refused."""
        command = [*self.command, "--weights", weights, "--epoch", epoch, "--resume-from", used, "--out", self.path]
        if plan is not None:
            command += ["--fingerprint", plan]
        said = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
        self.plan = said.split()[-1]  # of the whole epoch, so that it has to be the same on all ranks
        self.indices = np.load(self.path, mmap_mode="r")

    def __iter__(self):
        return map(int, self.indices)

    def __len__(self):
        return len(self.indices)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swift-sampler", default="swift-sampler", help="the binary")
    parser.add_argument("--weights", nargs="+", type=Path, required=True, help="files of 1000 weights, one an epoch, the last for all later")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint; a training in it is continued")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32, help="examples a process and step")
    parser.add_argument("--save-every", type=int, default=5, help="steps between checkpoints")
    parser.add_argument("--stop-after", type=int, help="steps after which this run stops")
    parser.add_argument("--init", default="env://", help="how the processes find each other")
    return parser.parse_args()


def clouds(examples=1000, classes=4, dimensions=8):
    """A dataset whose examples know their numbers."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, examples)
    points = rng.normal(size=(classes, dimensions))[labels] + rng.normal(size=(examples, dimensions))
    return TensorDataset(torch.from_numpy(points.astype("f4")), torch.from_numpy(labels), torch.arange(examples))


def on_all_ranks(value, world):
    """What each process says."""
    values = [value] * world
    if world > 1:
        distributed.all_gather_object(values, value)
    return values


def main():
    args = arguments()
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    args.out.mkdir(parents=True, exist_ok=True)
    if world > 1:
        distributed.init_process_group("gloo", init_method=args.init, rank=rank, world_size=world)
    torch.manual_seed(0)
    network = nn.Linear(8, 4)
    model = nn.parallel.DistributedDataParallel(network) if world > 1 else network
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    order = DrawnOrder(args.swift_sampler, args.out, rank, world)
    data = DataLoader(clouds(), args.batch, sampler=order)

    # One decides where all go on: the others may not see the file, or another one.
    checkpoint = args.out / "checkpoint.pt"
    saved = torch.load(checkpoint) if rank == 0 and checkpoint.exists() else None
    saved = on_all_ranks(saved, world)[0]
    state = {"epoch": 0, "used": 0, "plan": None}  # of this epoch: draws of all processes, and what they were of
    if saved is not None:
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        state = saved["state"]

    def save():
        if rank == 0:
            saved = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "state": state}
            torch.save(saved, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)

    trained, steps = [], 0
    while state["epoch"] < args.epochs and steps != args.stop_after:
        weights = args.weights[min(state["epoch"], len(args.weights) - 1)]
        # Draws are dealt in turn: those used so far are the first of the epoch, whoever used them.
        used, rest = divmod(state["used"], world)
        if rest:
            sys.exit(f"{world} processes cannot share the rest of an epoch after {state['used']} draws; use a divisor of it")
        order.begin(state["epoch"], weights, used, state["plan"])
        state["plan"] = order.plan
        if len(set(on_all_ranks(order.plan, world))) > 1:
            sys.exit(f"rank {rank}: other processes draw by other weights, see --weights")
        for inputs, labels, numbers in data:
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimiser.step()
            trained.append([state["epoch"], *numbers.tolist()])
            state["used"] += len(numbers) * world  # all parts have one length
            steps += 1
            if steps % args.save_every == 0 or steps == args.stop_after:
                save()
            if steps == args.stop_after:
                break
        else:
            state = {"epoch": state["epoch"] + 1, "used": 0, "plan": None}
            save()
    if world > 1:
        distributed.destroy_process_group()
    parameters = [value for tensor in network.parameters() for value in tensor.flatten().tolist()]
    print(json.dumps({"rank": rank, "trained": trained, "parameters": parameters}))


if __name__ == "__main__":
    main()
