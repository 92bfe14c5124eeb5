"""Reference values of tests/cross_entropy.rs: prints per-example cross-entropies in double precision.

Needs torch (2.x). Run: python cross_entropy.py
"""

import torch
import torch.nn.functional as F

logits = torch.tensor([[1e4, -1e4, 0.0], [-500.0, 80.0, 88.0]], dtype=torch.float64)
targets = torch.tensor([1, 2])
print(torch.__version__, F.cross_entropy(logits, targets, reduction="none").tolist())
