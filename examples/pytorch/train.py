"""Swift Sampler around a plain PyTorch training, by files and processes: no bindings.

    cargo build --release -p ss-cli
    python examples/pytorch/train.py --swift-sampler target/release/swift-sampler --out runs/pytorch

1. A uniform run, the baseline. At an early epoch the network's logits are written down (`features`), in the middle
   its weights: the shared start.
2. A study of rules (`study new`). Each trial trains from the shared start under the weights that `study suggest`
   wrote, and tells which validation examples it has right (`study observe`).
3. The best rule (`study export`) trains a network from scratch. It is kept where it has more validation examples right
   than the baseline, by more than --caution standard errors of the paired differences: the rule was the best of many
   trials, which flatters it. Else the baseline is the result.

The order of every epoch comes from `draw`. Labels of training and validation data are made wrong at a known rate;
test labels are right and looked at last. Fashion-MNIST is read where Debian's `dataset-fashion-mnist` puts it, or
from --data-dir; --synthetic makes a small dataset in its place.

The settings are kept in --out, and other ones refused there. The same command goes on where it was cut short; started
several times, its processes share the trials; --max-trials keeps the share of a slow machine small.
"""

import argparse
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # Debian's package
NOTHING_LEFT = 3  # the exit code of `study suggest` when all trials are made
# Not what a training is made of: they may differ between processes, and when a study is continued.
FREE = {"swift_sampler", "out", "trials", "max_trials", "caution", "lease"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swift-sampler", default="swift-sampler", help="the binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for all files; a study in it is continued")
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--data-dir", type=Path, default=FASHION_MNIST, help="the four IDX files of Fashion-MNIST")
    data.add_argument("--synthetic", action="store_true", help="a small dataset that needs no files")
    parser.add_argument("--noise", type=float, default=0.4, help="share of wrong labels")
    parser.add_argument("--train", type=int, default=6000)
    parser.add_argument("--validation", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--reference-epoch", type=int, default=3, help="features are read after it")
    parser.add_argument("--start-epoch", type=int, default=15, help="trials start after it")
    parser.add_argument("--trial-epochs", type=int, default=1)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--max-trials", type=int, help="trials that this process makes at most; others make the rest")
    parser.add_argument("--caution", type=float, default=1.0, help="standard errors that a rule has to gain")
    parser.add_argument("--lease", type=float, default=600.0, help="seconds after which a trial counts as abandoned")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1, help="learning rate")
    parser.add_argument("--width", type=int, default=256, help="hidden units")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not 0 < args.reference_epoch <= args.start_epoch < args.epochs:
        parser.error("expected 0 < --reference-epoch <= --start-epoch < --epochs")
    if args.max_trials is not None and args.max_trials < 0:
        parser.error(f"--max-trials {args.max_trials}: expected 0 or more")
    return args


def keep_settings(args):
    """Writes the settings beside the study; ends where other ones are there."""
    path = args.out / "settings.json"
    settings = {name: value for name, value in vars(args).items() if name not in FREE}
    settings["data_dir"] = None if args.synthetic else str(args.data_dir.resolve())
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=args.out) as file:
        file.write(json.dumps(settings, indent=2) + "\n")
        file.flush()
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(file.name, 0o666 & ~mask)  # temporary files are private, a study is shared
        try:
            os.link(file.name, path)  # whole, and only where there is none
        except FileExistsError:
            pass
    there = json.loads(path.read_text())
    names = sorted(there.keys() | settings.keys())
    other = [f"{n}: {there.get(n)} there, {settings.get(n)} asked for" for n in names if there.get(n) != settings.get(n)]
    if other:
        sys.exit(f"{path}: other settings ({'; '.join(other)}); repeat them or choose another --out")


# Data


def fashion_mnist(folder):
    def idx(name):
        path = next((p for p in (folder / f"{name}.gz", folder / name) if p.exists()), None)
        if path is None:
            sys.exit(f"{folder}: no {name}, plain or .gz; name the folder by --data-dir, or use --synthetic")
        data = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
        shape = np.frombuffer(data, ">i4", data[3], 4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)

    parts = [(idx(f"{part}-images-idx3-ubyte"), idx(f"{part}-labels-idx1-ubyte")) for part in ("train", "t10k")]
    return [((x.reshape(len(x), -1) / 255.0 - 0.286).astype("f4") / 0.353, y.astype("i8")) for x, y in parts]


def synthetic(rng, train, test, classes=10, dimensions=32):
    """Ten clouds that overlap a little."""
    centres = rng.normal(size=(classes, dimensions))
    labels = rng.integers(0, classes, train + test)
    points = (centres[labels] + rng.normal(size=(train + test, dimensions))).astype("f4")
    return (points[:train], labels[:train]), (points[train:], labels[train:])


def with_wrong_labels(rng, labels, rate, classes):
    """Exactly this share of the labels, each moved to one of the other classes."""
    noisy = labels.copy()
    wrong = rng.choice(len(labels), round(rate * len(labels)), replace=False)
    noisy[wrong] = (noisy[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return noisy


# Training


class Network(nn.Module):
    def __init__(self, inputs, width, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.body(x))


class Job:
    """The data and settings that all trainings have in common."""

    def __init__(self, args, scratch):
        self.args = args
        self.scratch = scratch  # a folder of this process
        self.dataset = "synthetic" if args.synthetic else "fashion-mnist"
        rng = np.random.default_rng(args.seed)
        if args.synthetic:
            (x, y), test = synthetic(rng, args.train + args.validation, 2000)
        else:
            (x, y), test = fashion_mnist(args.data_dir)
        self.classes = int(y.max()) + 1
        rows = rng.permutation(len(x))[: args.train + args.validation]
        train, validation = rows[: args.train], rows[args.train :]
        noisy = [with_wrong_labels(rng, y[part], args.noise, self.classes) for part in (train, validation)]
        self.train = torch.from_numpy(x[train]), torch.from_numpy(noisy[0])
        self.validation = torch.from_numpy(x[validation]), torch.from_numpy(noisy[1])
        self.test = torch.from_numpy(test[0]), torch.from_numpy(test[1])
        self.wrong = noisy[0] != y[train]

    def sampler(self, *arguments, check=True):
        command = [self.args.swift_sampler, *map(str, arguments)]
        return subprocess.run(command, check=check, stdout=subprocess.PIPE, text=True)

    def network(self):
        torch.manual_seed(self.args.seed)
        return Network(self.train[0].shape[1], self.args.width, self.classes)

    def order(self, weights, epoch):
        """The examples of an epoch, drawn by these weights."""
        path = self.scratch / "epoch.npy"
        self.sampler("draw", "--weights", weights, "--epoch", epoch, "--seed", self.args.seed, "--out", path)
        return torch.from_numpy(np.load(path))

    def epoch(self, network, optimiser, weights, epoch, rate):
        """One epoch; `rate` gives the learning rate at a point in [0, 1) of it."""
        inputs, labels = self.train
        batches = self.order(weights, epoch).split(self.args.batch)
        for number, batch in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = rate(number / len(batches))
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
            optimiser.step()

    def optimiser(self, network):
        return torch.optim.SGD(network.parameters(), lr=self.args.rate, momentum=0.9, weight_decay=5e-4)

    def full_run(self, weights, after_epoch=lambda epoch, network, optimiser: None):
        """A training from scratch with a learning rate that falls linearly to zero."""
        network = self.network()
        optimiser, epochs = self.optimiser(network), self.args.epochs
        for epoch in range(epochs):
            self.epoch(network, optimiser, weights, epoch, lambda at: self.args.rate * (1 - (epoch + at) / epochs))
            after_epoch(epoch + 1, network, optimiser)
        return network

    @torch.no_grad()
    def right(self, network, part):
        """1 for each example that is classified as labelled, 0 for others."""
        inputs, labels = part
        return (network(inputs).argmax(1) == labels).double()

    def accuracy(self, network, part):
        return self.right(network, part).mean().item()


def uniform_run(job):
    """The baseline; leaves `features.parquet`, and `start.pt` for this process."""
    args, out, scratch = job.args, job.args.out, job.scratch
    np.save(scratch / "uniform.npy", np.ones(args.train))

    def after_epoch(epoch, network, optimiser):
        if epoch == args.reference_epoch:
            with torch.no_grad():
                hidden = network.body(job.train[0])
                logits = network.head(hidden)
            columns = {"logits": logits, "labels": job.train[1], "hidden_norm": hidden.norm(dim=1)}
            np.savez(scratch / "logits.npz", **{name: column.numpy() for name, column in columns.items()})
            job.sampler(
                "features", scratch / "logits.npz", "--hidden-norm", "hidden_norm", "--out", out / "features.parquet"
            )
        if epoch == args.start_epoch:
            torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict()}, scratch / "start.pt")

    return job.full_run(scratch / "uniform.npy", after_epoch)


def trial(job, weights):
    """A short training from the shared start, its learning rate decayed to zero; scores of the validation examples."""
    args = job.args
    network = job.network()
    optimiser = job.optimiser(network)
    start = torch.load(job.scratch / "start.pt")
    network.load_state_dict(start["network"])
    optimiser.load_state_dict(start["optimiser"])
    first = args.rate * (1 - args.start_epoch / args.epochs)
    for epoch in range(args.trial_epochs):
        rate = lambda at: first * (1 - (epoch + at) / args.trial_epochs)
        # Every candidate sees the same random numbers: epochs are numbered alike.
        job.epoch(network, optimiser, weights, args.start_epoch + epoch, rate)
    return job.right(network, job.validation).numpy()


def search(job):
    args, study = job.args, job.args.out / "study"
    weights, scores = job.scratch / "trial.npy", job.scratch / "scores.npy"
    worker = ["--worker", f"{socket.gethostname()}-{os.getpid()}", "--lease", args.lease]
    caution = ["--caution", args.caution]
    features = ["--features", args.out / "features.parquet"]
    job.sampler("study", "new", study, *features, "--trials", args.trials, "--seed", args.seed)
    made, waiting = 0, False
    while True:
        if made != args.max_trials:
            asked = job.sampler("study", "suggest", study, *worker, "--weights", weights, check=False)
            if asked.returncode != NOTHING_LEFT:
                asked.check_returncode()
                np.save(scores, trial(job, weights))
                job.sampler("study", "observe", study, asked.stdout.strip(), "--example-scores", scores)
                made += 1
                continue
        status = json.loads(job.sampler("study", "status", study, "--json").stdout)
        if status["complete"] + status["failed"] >= status["budget"] and status["running"] == 0:
            break
        if not waiting:
            print("waiting for the trials of other processes, or the end of their --lease", file=sys.stderr)
        waiting = True
        time.sleep(1)
    job.sampler("study", "export", study, "--out", args.out / "sampler", *caution)
    return json.loads(job.sampler("study", "best", study, "--json", *caution).stdout)


def paired_gain(rule, uniform):
    """Mean of the differences of two models' scores, example by example, and its standard error."""
    differences = rule - uniform
    return differences.mean().item(), differences.std(correction=1).item() / len(differences) ** 0.5


def final_training(job, best, baseline, weights):
    """The network to use, the weights that it was trained under, and what the rule's network gained on validation."""
    uniform = job.scratch / "uniform.npy"
    if best["uniform"] and best["chosen"] == best["uniform"]["trial"]:
        return baseline, uniform, (0.0, 0.0)
    network = job.full_run(weights)
    gain, error = paired_gain(job.right(network, job.validation), job.right(baseline, job.validation))
    if gain > job.args.caution * error:
        return network, weights, (gain, error)
    print(
        f"The network trained under the rule gains {gain:.4f} +- {error:.4f} on validation: the baseline is kept.",
        file=sys.stderr,
    )
    return baseline, uniform, (gain, error)


def main():
    args = arguments()
    torch.use_deterministic_algorithms(True)
    with tempfile.TemporaryDirectory() as scratch:
        job = Job(args, Path(scratch))
        keep_settings(args)
        result = json.dumps(run(job), indent=2)
    path = args.out / "result.json"
    path.with_suffix(f".{os.getpid()}").write_text(result + "\n")
    path.with_suffix(f".{os.getpid()}").replace(path)
    print(result)


def run(job):
    baseline = uniform_run(job)
    best = search(job)
    rule = best["recommended"]["name"] if best["chosen"] == best["recommended"]["trial"] else "uniform"
    network, weights, (gain, error) = final_training(job, best, baseline, job.args.out / "sampler" / "weights.parquet")
    # Only here are test data and the knowledge of which labels are wrong looked at.
    drawn = job.order(weights, 0).numpy()
    return {
        "dataset": job.dataset,
        "noise": float(job.wrong.mean()),
        "chosen": rule,
        "gain_in_trial": best["gain"],
        "gain_on_validation": gain,
        "standard_error": error,
        "kept": network is not baseline,
        "wrong_labels_drawn": float(job.wrong[drawn].mean()),
        "baseline_test_accuracy": job.accuracy(baseline, job.test),
        "swift_sampler_test_accuracy": job.accuracy(network, job.test),
    }


if __name__ == "__main__":
    main()
