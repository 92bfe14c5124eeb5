"""Reference values of one residual network for tests/networks.rs: logits and a gradient in PyTorch, f64.

    python3 tests/oracle/forward.py      (PyTorch)

Weights are a fixed pattern that both sides make: value i of a parameter named N is
sin(0.37 i + 0.11 len(N)) / sqrt(fan-in); batch-norm scales are 1 + 0.1 sin(i), shifts 0.1 cos(i).
The network is ResNet-8 of widths 4-8-8 on 1x8x8 images, five classes.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


class Block(nn.Module):
    def __init__(self, c, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.downsample = None
        if stride != 1 or c != o:
            self.downsample = nn.Sequential(nn.Conv2d(c, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1))
        self.layer2 = nn.Sequential(Block(4, 8, 2))
        self.layer3 = nn.Sequential(Block(8, 8, 2))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


net = Net()
norms = {n for n, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)}
with torch.no_grad():
    for name, p in net.named_parameters():
        i = torch.arange(p.numel(), dtype=torch.float64)
        if name.rsplit(".", 1)[0] in norms:
            v = 1 + 0.1 * torch.sin(i) if name.endswith("weight") else 0.1 * torch.cos(i)
        else:
            fan = p[0].numel() if p.dim() > 1 else p.numel()
            v = torch.sin(0.37 * i + 0.11 * len(name)) / math.sqrt(fan)
        p.copy_(v.reshape(p.shape))

x = torch.sin(0.05 * torch.arange(3 * 64, dtype=torch.float64) ** 1.3).reshape(3, 1, 8, 8)
y = torch.tensor([0, 3, 1])
print("torch", torch.__version__)
net.train()
loss = F.cross_entropy(net(x), y)
loss.backward()
print("train loss", loss.item())
for name in ["conv1.weight", "layer2.0.downsample.0.weight", "layer3.0.bn2.weight", "fc.bias"]:
    print("grad", name, dict(net.named_parameters())[name].grad.norm().item())
net.eval()
print("eval logits", net(x).detach().flatten().tolist())
