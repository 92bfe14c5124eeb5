"""Parameter counts and one forward pass of the networks in PyTorch, for tests/networks.rs.

    python3 tests/oracle/networks.py     (PyTorch; reads benches/peers/train_torch.py)

Weights are a fixed pattern by name and place, so that both sides can make them without a file:
w[i] = sin(i + length of the name) * sqrt(2 / fan-in), batch-norm scales 1, shifts 0.
"""
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "benches" / "peers"))
import torch
import train_torch

print("torch", torch.__version__)
for name, (build, _) in train_torch.NETWORKS.items():
    print(name, sum(p.numel() for p in build().parameters()))
