"""Swift Sampler around a plain PyTorch training, by files and processes: no bindings.

    cargo build --release -p ss-cli
    python examples/pytorch/train.py --swift-sampler target/release/swift-sampler --out runs/pytorch

1. A uniform run, the baseline. At an early epoch the network's logits are written down (`features`), in the middle
   its weights: the shared start.
2. A study of rules (`study new`). Each trial trains from the shared start under the weights that `study suggest`
   wrote, and tells which validation examples it has right (`study observe`).
3. The best rule (`study export`) trains a network from scratch.

The order of every epoch comes from `draw`. Labels of training and validation data are made wrong at a known rate;
test labels are right and looked at last. Fashion-MNIST is read where Debian's `dataset-fashion-mnist` puts it, or
from --data-dir; without it a synthetic dataset takes its place.
"""

import argparse
import gzip
import json
import subprocess
from pathlib import Path

import numpy as np
import torch
from torch import nn

NOTHING_LEFT = 3  # the exit code of `study suggest` when all trials are made


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swift-sampler", default="swift-sampler", help="the binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for all files; a study in it is continued")
    parser.add_argument("--data-dir", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--synthetic", action="store_true", help="do not look for Fashion-MNIST")
    parser.add_argument("--noise", type=float, default=0.4, help="share of wrong labels")
    parser.add_argument("--train", type=int, default=6000)
    parser.add_argument("--validation", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--reference-epoch", type=int, default=3, help="features are read after it")
    parser.add_argument("--start-epoch", type=int, default=15, help="trials start after it")
    parser.add_argument("--trial-epochs", type=int, default=1)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1, help="learning rate")
    parser.add_argument("--width", type=int, default=256, help="hidden units")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


# Data


def fashion_mnist(folder):
    def idx(name):
        path = next(p for p in (folder / f"{name}.gz", folder / name) if p.exists())
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

    def __init__(self, args):
        self.args = args
        rng = np.random.default_rng(args.seed)
        if args.synthetic or not args.data_dir.exists():
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
        path = self.args.out / "epoch.npy"
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
    """The baseline; leaves `features.parquet` and `start.pt`."""
    args, out = job.args, job.args.out
    np.save(out / "uniform.npy", np.ones(args.train))

    def after_epoch(epoch, network, optimiser):
        if epoch == args.reference_epoch:
            with torch.no_grad():
                hidden = network.body(job.train[0])
                logits = network.head(hidden)
            columns = {"logits": logits, "labels": job.train[1], "hidden_norm": hidden.norm(dim=1)}
            np.savez(out / "logits.npz", **{name: column.numpy() for name, column in columns.items()})
            job.sampler(
                "features", out / "logits.npz", "--hidden-norm", "hidden_norm", "--out", out / "features.parquet"
            )
        if epoch == args.start_epoch:
            torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict()}, out / "start.pt")

    return job.full_run(out / "uniform.npy", after_epoch)


def trial(job, weights):
    """A short training from the shared start, its learning rate decayed to zero; scores of the validation examples."""
    args = job.args
    network = job.network()
    optimiser = job.optimiser(network)
    start = torch.load(args.out / "start.pt")
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
    weights, scores = args.out / "trial.npy", args.out / "scores.npy"
    features = ["--features", args.out / "features.parquet"]
    job.sampler("study", "new", study, *features, "--trials", args.trials, "--seed", args.seed)
    while True:
        asked = job.sampler("study", "suggest", study, "--worker", "train.py", "--weights", weights, check=False)
        if asked.returncode == NOTHING_LEFT:
            break
        asked.check_returncode()
        np.save(scores, trial(job, weights))
        job.sampler("study", "observe", study, asked.stdout.strip(), "--example-scores", scores)
    job.sampler("study", "export", study, "--out", args.out / "sampler")
    return json.loads(job.sampler("study", "best", study, "--json").stdout)


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    job = Job(args)
    baseline = uniform_run(job)
    best = search(job)
    weights = args.out / "sampler" / "weights.parquet"
    network = job.full_run(weights)
    # Only here are test data and the knowledge of which labels are wrong looked at.
    drawn = job.order(weights, 0).numpy()
    result = {
        "noise": float(job.wrong.mean()),
        "chosen": best["recommended"]["name"] if best["chosen"] == best["recommended"]["trial"] else "uniform",
        "gain_in_trial": best["gain"],
        "wrong_labels_drawn": float(job.wrong[drawn].mean()),
        "baseline_test_accuracy": job.accuracy(baseline, job.test),
        "swift_sampler_test_accuracy": job.accuracy(network, job.test),
    }
    (args.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
