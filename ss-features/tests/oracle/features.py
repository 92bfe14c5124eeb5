"""Reference values of tests/features.rs.

Ordinary rows: PyTorch float64, with the gradient norm taken by autograd of a real linear layer, and SciPy for
the entropy. Extreme rows: mpmath at 60 digits, straight from the definitions (where float64 would cancel).

    pip install torch numpy scipy mpmath; python features.py
"""

import mpmath
import numpy
import scipy
import scipy.stats
import torch

print("torch", torch.__version__, "numpy", numpy.__version__, "scipy", scipy.__version__, "mpmath", mpmath.__version__)
mpmath.mp.dps = 60
NAMES = ["loss", "renormed_entropy", "grad_norm", "el2n", "margin", "confidence"]


def show(name, row):
    print(name, "[" + ", ".join(f"{float(x):.9e}" for x in row) + "]")


def ordinary():
    """A linear layer of 3 inputs and 4 classes; logits and hidden activations are exact in float32."""
    weight = torch.tensor([[1.5, -0.25, 0.5], [0.75, 2.0, -1.0], [-0.5, 0.25, 1.25], [0.0, -1.5, 0.75]])
    hidden = [[1.0, 0.5, -2.0], [-0.75, 1.25, 0.5], [0.0, 0.0, 0.0], [2.0, -1.0, 3.0], [0.25, 0.25, 0.25]]
    bias = [0.5, -0.25, 0.125, 0.0]
    for h, label in zip(hidden, [0, 1, 3, 1, 2]):
        layer = torch.nn.Linear(3, 4).double()
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(torch.tensor(bias))
        z = layer(torch.tensor(h, dtype=torch.float64))
        loss = torch.nn.functional.cross_entropy(z[None], torch.tensor([label]))
        loss.backward()
        grad = torch.sqrt(layer.weight.grad.square().sum() + layer.bias.grad.square().sum())
        p = torch.softmax(z, 0).detach().numpy()
        z = z.detach().numpy()
        others = numpy.delete(p, label)
        error = p - numpy.eye(4)[label]
        margin = z[label] - numpy.delete(z, label).max()
        entropy = scipy.stats.entropy(others)
        print("logits", z.tolist(), "label", label, "hidden_sq_norm", sum(x * x for x in h))
        show("", [loss.item(), entropy, grad.item(), numpy.linalg.norm(error), margin, p[label]])


def extreme(z, label, hidden_sq_norm):
    z = [mpmath.mpf(x) for x in z]
    total = sum(mpmath.exp(x) for x in z)
    p = [mpmath.exp(x) / total for x in z]
    others = [x for j, x in enumerate(z) if j != label]
    rest = sum(mpmath.exp(x) for x in others)
    q = [mpmath.exp(x) / rest for x in others]
    el2n = mpmath.sqrt(sum((x - (j == label)) ** 2 for j, x in enumerate(p)))
    entropy = -sum(x * mpmath.log(x) for x in q if x > 0)
    row = [-mpmath.log(p[label]), entropy, el2n * mpmath.sqrt(hidden_sq_norm + 1), el2n, z[label] - max(others), p[label]]
    show(f"logits {[float(x) for x in z]} label {label}", row)


print(NAMES)
ordinary()
extreme([40.0, 0.0, 1.0], 0, 3)
extreme([80.0, -1.0, -1.0], 0, 0)
extreme([-40.0, 30.0, 0.0], 0, 8)
extreme([0.0, 50.0, 0.0, 0.0], 0, 1)
extreme([-90.0, 0.0, -60.0], 1, 0)
