"""Training and evaluation speed of the benchmark networks in PyTorch, on the CPU or a GPU.

The networks are those of `cargo xtask bench train`; gpt is that of `ss-models/tests/oracle/gpt.py`, and its images are windows of
64 tokens. Prints one JSON object a line: network, batch,
mode, threads, images_per_second, peak_rss_mib, and the library's version.

With one thread, time is the thread's CPU time, which other processes on the machine disturb least; else
wall-clock time. The best of the repetitions counts. Peak memory is the process's: measure one network a
process (--only NAME) to read it.

    python train_torch.py [--only NAME[,NAME]] [--batch N] [--threads N] [--reps N] [--mode train|eval|both]
                          [--channels-last] [--device cpu|cuda]
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from torch.nn.utils.fusion import fuse_conv_bn_eval
except ImportError as missing:
    sys.exit(f"skipped: PyTorch is not importable ({missing})")


sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ss-models/tests/oracle"))
from gpt import GPT


def conv_norm(c, o, k, stride, groups=1):
    conv = nn.Conv2d(c, o, k, stride=stride, padding=k // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o))


class Basic(nn.Module):
    """Basic residual block (He et al., 2016) with a 1x1 shortcut where the shape changes."""

    def __init__(self, c, o, stride):
        super().__init__()
        self.first = conv_norm(c, o, 3, stride)
        self.second = conv_norm(o, o, 3, 1)
        self.shortcut = conv_norm(c, o, 1, stride) if c != o or stride != 1 else nn.Identity()

    def forward(self, x):
        y = F.relu(self.first(x), inplace=True)
        return F.relu(self.second(y) + self.shortcut(x), inplace=True)


class PreActivation(nn.Module):
    """Block of a wide residual network (Zagoruyko and Komodakis, 2016)."""

    def __init__(self, c, o, stride):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(c), nn.BatchNorm2d(o)
        self.conv1 = nn.Conv2d(c, o, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(o, o, 3, padding=1, bias=False)
        self.shortcut = None
        if c != o or stride != 1:
            self.shortcut = nn.Conv2d(c, o, 1, stride=stride, bias=False)

    def forward(self, x):
        y = F.relu(self.norm1(x))
        skip = x if self.shortcut is None else self.shortcut(y)
        y = F.relu(self.norm2(self.conv1(y)))
        return self.conv2(y) + skip


def head(c):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10)]


def six_conv():
    layers, c = [], 3
    for o, stride in [(32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)]:
        layers += [conv_norm(c, o, 3, stride), nn.ReLU(inplace=True)]
        c = o
    return nn.Sequential(*layers, *head(c))


def resnet(widths, depth, channels=3):
    layers, c = [conv_norm(channels, widths[0], 3, 1), nn.ReLU(inplace=True)], widths[0]
    for stage, o in enumerate(widths):
        for i in range(depth):
            layers.append(Basic(c, o, 2 if stage and not i else 1))
            c = o
    return nn.Sequential(*layers, *head(c))


def wrn(width, depth):
    layers, c = [nn.Conv2d(3, 16, 3, padding=1, bias=False)], 16
    for stage, o in enumerate([16 * width, 32 * width, 64 * width]):
        for i in range(depth):
            layers.append(PreActivation(c, o, 2 if stage and not i else 1))
            c = o
    return nn.Sequential(*layers, nn.BatchNorm2d(c), nn.ReLU(inplace=True), *head(c))


class InvertedResidual(nn.Module):
    """Block of MobileNetV2 (Sandler et al., 2018)."""

    def __init__(self, c, o, stride, expansion):
        super().__init__()
        inner = expansion * c
        layers = [conv_norm(c, inner, 1, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        layers += [conv_norm(inner, inner, 3, stride, groups=inner), nn.ReLU6(inplace=True)]
        self.branch = nn.Sequential(*layers, conv_norm(inner, o, 1, 1))
        self.skips = c == o and stride == 1

    def forward(self, x):
        return x + self.branch(x) if self.skips else self.branch(x)


def mobilenet_v2():
    """At 32x32 pixels stem and second stage keep the size of the image."""
    layers, c = [conv_norm(3, 32, 3, 1), nn.ReLU6(inplace=True)], 32
    stages = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, o, count, stride in stages:
        for i in range(count):
            layers.append(InvertedResidual(c, o, 1 if i else stride, expansion))
            c = o
    layers += [conv_norm(c, 1280, 1, 1), nn.ReLU6(inplace=True)]
    return nn.Sequential(*layers, *head(1280))


class Windows(nn.Module):
    """A GPT of 2 layers, 128 wide, whose logits are one row a token. Weights are as small as GPT-2's at the start: with PyTorch's
    own for embeddings the softmax underflows, and denormal numbers make a training step several times slower."""

    CONTEXT, VOCABULARY = 64, 8192

    def __init__(self):
        super().__init__()
        self.gpt = GPT(2, 128, 4, self.CONTEXT, self.VOCABULARY)
        for module in self.gpt.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, x):
        return self.gpt(x)[1].flatten(0, 1)


NETWORKS = {
    "six-conv": (six_conv, (3, 32)),
    "resnet-8": (lambda: resnet([16, 32, 64], 1), (3, 32)),
    "resnet-20": (lambda: resnet([16, 32, 64], 3), (3, 32)),
    "resnet-18": (lambda: resnet([64, 128, 256, 512], 2), (3, 32)),
    "mobilenet-v2": (mobilenet_v2, (3, 32)),
    "wrn-16-4": (lambda: wrn(4, 2), (3, 32)),
    "wrn-28-10": (lambda: wrn(10, 4), (3, 32)),
    "digits": (lambda: resnet([16, 32, 64], 1, channels=1), (1, 8)),
    "digits-small": (lambda: resnet([8, 16, 32], 1, channels=1), (1, 8)),
    "gpt": (Windows, None),
}


def fold(net):
    """Folds each batch normalisation into the convolution before it, where one stands directly before."""
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(module[i], module[i + 1])
                    module[i + 1] = nn.Identity()


def measure(name, batch, mode, reps, channels_last, device):
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    net = build()
    if shape is None:
        x = torch.randint(Windows.VOCABULARY, (batch, Windows.CONTEXT))
        target = torch.randint(Windows.VOCABULARY, (batch * Windows.CONTEXT,))
    else:
        channels, size = shape
        x = torch.randn(batch, channels, size, size)
        target = torch.arange(batch) % 10
        if channels_last:
            net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    net, x, target = net.to(device), x.to(device), target.to(device)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    clock = time.thread_time if torch.get_num_threads() == 1 and device == "cpu" else time.perf_counter

    def train():
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), target).backward()
        optimiser.step()

    def evaluate():
        with torch.inference_mode():
            net(x).sum().item()

    net.train(mode == "train")
    if mode == "eval":
        fold(net)
    step = train if mode == "train" else evaluate
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        step()
    wait()
    best = float("inf")
    for _ in range(reps):
        # Enough steps for a fifth of a second, as on the other side: short steps are not timed one by one.
        begin, steps = clock(), 0
        while steps == 0 or clock() - begin < 0.2:
            step()
            steps += 1
            if steps % 20 == 0:
                wait()
        wait()
        best = min(best, (clock() - begin) / steps)
    print(
        json.dumps(
            {
                "network": name,
                "batch": batch,
                "mode": mode,
                "threads": torch.get_num_threads(),
                "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
                "images_per_second": round(batch / best, 1),
                "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "library": f"torch {torch.__version__}",
                "memory_format": "channels_last" if channels_last else "contiguous",
            }
        ),
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ",".join(name for name in NETWORKS if name != "wrn-28-10")
    parser.add_argument("--only", default=default, help="networks, separated by commas")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's default")
    parser.add_argument("--reps", type=int, default=10)
    parser.add_argument("--mode", choices=["train", "eval", "both"], default="both")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for name in args.only.split(","):
        if name not in NETWORKS:
            sys.exit(f"no network is called {name}: choose from {', '.join(NETWORKS)}")
        for mode in ["train", "eval"] if args.mode == "both" else [args.mode]:
            measure(name, args.batch, mode, args.reps, args.channels_last, args.device)


if __name__ == "__main__":
    main()
