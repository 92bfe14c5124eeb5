"""Reference values of the networks of torchvision and timm, in f64, for tests/references.rs.

    python3 tests/oracle/references.py > tests/oracle/references.json      (PyTorch, torchvision, timm)

Full networks are torchvision's and timm's own, with another stem where the name asks for it. Narrow ones are timm's
`ResNet` with other channels and torchvision's `MobileNetV2` with another multiplier. Weights and images are numbers that both
sides make: value i of a tensor of name N is splitmix64(fnv1a(N) + i) as a number u in [-1, 1), and

    weights of two and more dimensions: u * sqrt(6 / fan-in)      scales: 1 + 0.1 u      biases and shifts: 0.1 u

rounded to f32; running statistics start at 0 and 1.
"""
import json
import math

import numpy as np
import timm
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.models import MobileNetV2

CLASSES = 5


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def values(name, count):
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name.encode())) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def fill(net):
    with torch.no_grad():
        for name, p in net.named_parameters():
            u = values(name, p.numel())
            if p.dim() > 1:
                u = u * math.sqrt(6 / p[0].numel())
            else:
                u = 0.1 * u + (1.0 if name.endswith("weight") else 0.0)
            p.copy_(torch.from_numpy(u.astype(np.float32)).reshape(p.shape))


def small_stem(net, width=64):
    net.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net


def resnet(name, classes, imagenet):
    net = getattr(torchvision.models, name)(num_classes=classes)
    return net if imagenet else small_stem(net)


def narrow(block, layers, channels, imagenet, **numbers):
    """timm's network with a stem as wide as its first stage."""
    net = ResNet(block, layers, num_classes=CLASSES, channels=channels, **numbers)
    width = channels[0]
    net.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
    net.bn1 = nn.BatchNorm2d(width)
    first = net.layer1[0]
    kernel = first.conv1.kernel_size[0]
    first.conv1 = nn.Conv2d(width, first.conv1.out_channels, kernel, padding=kernel // 2, bias=False)
    if block is BasicBlock:
        first.downsample = None
    else:
        first.downsample[0] = nn.Conv2d(width, 4 * channels[0], 1, bias=False)
    return net if imagenet else small_stem(net, width)


def seresnext50(classes, imagenet):
    net = timm.create_model("seresnext50_32x4d", num_classes=classes)
    return net if imagenet else small_stem(net)


def mobilenet(classes, imagenet, multiplier=1.0):
    """At 32x32 pixels stem and second stage keep the size of the image."""
    setting = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]]
    if not imagenet:
        setting[1][3] = 1
    net = MobileNetV2(classes, multiplier, inverted_residual_setting=setting, dropout=0.0)
    if not imagenet:
        net.features[0][0].stride = (1, 1)
    return net


class Embedding(nn.Module):
    """Features -> linear -> unit length; logits are the scaled cosines to one direction a class."""

    def __init__(self, trunk, features, dim, scale):
        super().__init__()
        trunk.fc = nn.Identity()
        self.trunk, self.scale = trunk, scale
        self.embedding = nn.Linear(features, dim)
        self.cosine = nn.Linear(dim, CLASSES, bias=False)

    def forward(self, x):
        e = F.normalize(self.embedding(self.trunk(x)))
        return self.scale * F.linear(e, F.normalize(self.cosine.weight))

    def named_parameters(self):
        for name, p in super().named_parameters():
            yield name.removeprefix("trunk."), p


def multiply_adds(net, shape):
    total = 0

    def conv(module, _, y):
        nonlocal total
        total += y[0].numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(conv) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        net.eval()(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return total


def described(net):
    """Digest of the names and shapes of all values, running statistics included."""
    state = {k.removeprefix("trunk."): v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    lines = "".join(f"{k} {list(v.shape)}\n" for k, v in sorted(state.items()))
    return {"tensors": len(state), "digest": f"{fnv1a(lines.encode()):016x}"}


def forward(name, net, batch, side, grads):
    torch.set_default_dtype(torch.float64)
    net = net.double()
    fill(net)
    entry = {"network": name, "batch": batch, "side": side, "classes": CLASSES, **described(net)}
    x = torch.from_numpy(values("images", batch * 3 * side * side)).reshape(batch, 3, side, side)
    y = torch.arange(batch) % CLASSES
    net.train()
    logits = net(x)
    loss = F.cross_entropy(logits, y)
    entry["train"] = logits.detach().flatten().tolist()
    entry["loss"] = loss.item()
    if grads:
        loss.backward()
        entry["gradient_norms"] = {n: p.grad.norm().item() for n, p in net.named_parameters()}
    with torch.no_grad():
        entry["eval"] = net.eval()(x).flatten().tolist()
    torch.set_default_dtype(torch.float32)
    return entry


def sizes(name, net, side):
    return {
        "network": name,
        "side": side,
        "parameters": sum(p.numel() for p in net.parameters()),
        "multiply_adds": multiply_adds(net, (3, side, side)),
        **described(net),
    }


BLOCKS = {18: [2, 2, 2, 2], 50: [3, 4, 6, 3]}
SE = dict(block_args=dict(attn_layer="se"))

full = []
for depth in [18, 34, 50, 101]:
    full.append((f"resnet{depth}", lambda i, k, d=depth: resnet(f"resnet{d}", k, i)))
full.append(("mobilenet-v2", lambda i, k: mobilenet(k, i)))
full.append(("mobilenet-v2-0.35", lambda i, k: mobilenet(k, i, 0.35)))
full.append(("mobilenet-v2-1.4", lambda i, k: mobilenet(k, i, 1.4)))
full.append(("seresnext50-32x4d", lambda i, k: seresnext50(k, i)))

found = {"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__}
found["sizes"] = [sizes(n + s, make(i, k), side) for n, make in full for s, i, k, side in [("", False, 10, 32), ("-imagenet", True, 1000, 224)]]
found["networks"] = [
    forward("resnet34", resnet("resnet34", CLASSES, False), 2, 16, False),
    forward("resnet50-imagenet", resnet("resnet50", CLASSES, True), 2, 64, False),
    forward("resnet101", resnet("resnet101", CLASSES, False), 2, 16, False),
    forward("mobilenet-v2", mobilenet(CLASSES, False), 2, 32, False),
    forward("mobilenet-v2-imagenet", mobilenet(CLASSES, True), 2, 64, False),
    forward("seresnext50-32x4d", seresnext50(CLASSES, False), 2, 16, False),
    forward("seresnext50-32x4d-imagenet", seresnext50(CLASSES, True), 2, 64, False),
    forward("resnet18-8-16-16-24-imagenet", narrow(BasicBlock, BLOCKS[18], (8, 16, 16, 24), True), 4, 64, True),
    forward("resnet50-8-8-16-16", narrow(Bottleneck, BLOCKS[50], (8, 8, 16, 16), False), 4, 16, True),
    forward("mobilenet-v2-0.25", mobilenet(CLASSES, False, 0.25), 4, 32, True),
    forward("mobilenet-v2-0.25-imagenet", mobilenet(CLASSES, True, 0.25), 4, 64, True),
    forward(
        "seresnext50-4x16d-8-8-16-16",
        narrow(Bottleneck, BLOCKS[50], (8, 8, 16, 16), False, cardinality=4, base_width=16, **SE),
        4,
        16,
        True,
    ),
    forward(
        "resnet18-8-16-16-24+embedding-12",
        Embedding(narrow(BasicBlock, BLOCKS[18], (8, 16, 16, 24), False), 24, 12, 30.0),
        4,
        16,
        True,
    ),
]
print(json.dumps(found, indent=1))
