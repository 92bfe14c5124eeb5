"""Reference values of MentorNet: percentiles and curricula in NumPy, the network in PyTorch (f64).

    python3 tests/oracle/mentornet.py [models.py]     (NumPy, PyTorch)

`models.py` is code/training_mentornet/models.py of github.com/google/mentornet; when it is given, its
`vstar_mentornet_pd` is run as well, with an empty module in the place of TensorFlow, which that function does not use.

The network's weights are a fixed pattern that both sides make: value i of a parameter named N is
0.8 sin(1.7 i + 0.11 len(N)). The rows are row i of 7: loss 0.4 i, difference 0.3 i - 1, label i mod 3, epoch percent
15 i; the targets 0, 1, 0, 1, ...
"""
import itertools
import sys
import types

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
print("numpy", np.__version__, "torch", torch.__version__)

values = np.array([0.3, 4.0, 1.25, 0.02, 2.5, 0.9, 7.75])
for p in [0.0, 0.4, 0.7, 0.75, 0.9, 1.0]:
    print("percentile", p, np.percentile(values, 100 * p))

losses = np.concatenate((np.arange(100) / 10, np.arange(10, 30)))
differences = (np.arange(100) - 50) / 10
grid = np.array(list(itertools.product(losses, differences, [0], np.arange(100))))
print("grid", grid.shape, "sums", grid.sum(0))


def weights(rows):
    d, e = rows[:, 1], rows[:, 3]
    hard = (d <= 0).astype(float)
    return np.where(e <= 18, 1.0, np.where(e < 90, hard, np.clip(1 - d, 0, 1)))


print("sum of weights over the grid", weights(grid).sum())
rows = np.array([[3, 2, 0, 0], [3, 2, 0, 18], [3, 2, 0, 19], [3, 0, 0, 19], [3, 0.3, 0, 89], [3, -0.3, 0, 89],
                 [3, 0.3, 0, 90], [3, -0.3, 0, 99], [3, 1.5, 0, 99]])
print("weights", weights(rows))
if len(sys.argv) > 1:
    sys.modules["tensorflow"] = types.ModuleType("tensorflow")
    released = {}
    exec(open(sys.argv[1]).read(), released)
    print("released code's weights", released["vstar_mentornet_pd"](rows))
    print("released code's sum", released["vstar_mentornet_pd"](grid).sum())


class MentorNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.lstm = nn.LSTM(2, 1, bidirectional=True)
        self.label_embedding = nn.Embedding(classes, 2)
        self.epoch_embedding = nn.Embedding(100, 5)
        self.epoch_embedding.weight.requires_grad_(False)
        self.fc1 = nn.Linear(9, 20)
        self.fc2 = nn.Linear(20, 1)

    def forward(self, losses, labels, epochs):
        _, (_, cells) = self.lstm(losses.unsqueeze(0))  # one step; cells: [2, n, 1]
        features = torch.cat([self.label_embedding(labels), self.epoch_embedding(epochs), cells[0], cells[1]], 1)
        return self.fc2(torch.tanh(self.fc1(features))).squeeze(1)


net = MentorNet(3)
with torch.no_grad():
    for name, p in net.named_parameters():
        i = torch.arange(p.numel(), dtype=torch.float64)
        p.copy_((0.8 * torch.sin(1.7 * i + 0.11 * len(name))).reshape(p.shape))
i = torch.arange(7)
logits = net(torch.stack([0.4 * i, 0.3 * i - 1], 1), i % 3, 15 * i)
print("weights", torch.sigmoid(logits).tolist())
targets = (i % 2).to(torch.float64)
for kind, loss in [
    ("cross-entropy", F.binary_cross_entropy_with_logits(logits, targets)),
    ("squared error", F.mse_loss(torch.sigmoid(logits), targets)),
]:
    print(kind, loss.item())
    names, ps = zip(*[(n, p) for n, p in net.named_parameters() if p.requires_grad])
    for name, grad in zip(names, torch.autograd.grad(loss, ps, retain_graph=True)):
        print("  gradient", name, grad.norm().item())
