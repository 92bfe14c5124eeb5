"""Norm of the gradient of a window's mean cross-entropy with respect to the last linear layer, by autograd in float64; and the
mean loss, the mean renormalised entropy and the share of right tokens.

Made the numbers in tests/text.rs. Run: python window_gradient.py (PyTorch 2.15.0)."""

import torch

T, V, D, WINDOWS = 3, 5, 4, 2
for window in range(WINDOWS):
    rows = range(window * T, (window + 1) * T)
    hidden = torch.tensor([[((7 * i + 3 * k + i * k) % 11) / 4 - 1 for k in range(D)] for i in rows], dtype=torch.float64)
    base = torch.tensor([[((5 * i + 3 * v + 2 * i * v) % 13) / 3 - 2 for v in range(V)] for i in rows], dtype=torch.float64)
    target = torch.tensor([(2 * i + 1) % V for i in rows])
    weight = torch.zeros(V, D, dtype=torch.float64, requires_grad=True)
    logits = base + hidden @ weight.T
    loss = torch.nn.functional.cross_entropy(logits, target)
    loss.backward()
    entropy = 0.0
    for row, label in zip(base, target):
        others = torch.cat([row[:label], row[label + 1 :]])
        entropy += torch.distributions.Categorical(logits=others).entropy().item() / T
    right = (base.argmax(1) == target).double().mean().item()
    print(f"{weight.grad.norm().item():.12f} {loss.item():.12f} {entropy:.12f} {right:.6f}")
