"""Reference values of tests/layer_norm.rs: torch 2.15.0, in double precision.

    python layer_norm.py
"""

import torch
import torch.nn.functional as F

pattern = lambda shape, phase: torch.sin(0.7 * torch.arange(shape.numel(), dtype=torch.float64) + phase).reshape(shape)
x = (3 * pattern(torch.Size([2, 5]), 0.1) + 1).requires_grad_()
scale = (2 * pattern(torch.Size([5]), 1.3)).requires_grad_()
shift = pattern(torch.Size([5]), 2.0).requires_grad_()
y = F.layer_norm(x, (5,), scale, shift, eps=1e-5)
(y * pattern(torch.Size([2, 5]), 2.9)).sum().backward()
torch.set_printoptions(precision=9)
print(torch.__version__, y.detach(), x.grad, scale.grad, shift.grad, sep="\n")
