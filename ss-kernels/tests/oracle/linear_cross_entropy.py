"""Reference values of tests/linear_cross_entropy.rs: torch 2.15.0, in double precision.

    python linear_cross_entropy.py
"""

import torch
import torch.nn.functional as F

n, d, k = 5, 3, 7
pattern = lambda rows, columns, phase: torch.sin(
    0.7 * torch.arange(rows * columns, dtype=torch.float64) + phase
).reshape(rows, columns)
x = (3 * pattern(n, d, 0.1)).requires_grad_()
weight = (2 * pattern(k, d, 1.3)).requires_grad_()
targets = torch.tensor([0, 6, 3, 3, 1])
weights = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0], dtype=torch.float64)
each = F.cross_entropy(x @ weight.T, targets, reduction="none")
loss = (weights * each).sum() / weights.sum()
loss.backward()
torch.set_printoptions(precision=9)
print(torch.__version__, loss.item())
print(each.detach())
print(x.grad)
print(weight.grad)
