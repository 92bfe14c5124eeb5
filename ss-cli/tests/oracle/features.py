"""Reference values of `tests/suite/features.rs`: NumPy 2.4.6 in float64, straight from the definitions."""

import numpy as np

logits = np.array([[2.0, -1.0, 0.5], [0.25, 3.0, -2.0], [-1.5, 0.0, 1.0], [8.0, 0.0, 7.5]])
labels = np.array([0, 2, 1, 2])
hidden = np.array([0.0, 1.5, 2.0, 0.75])

p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
rows = np.arange(len(labels))
others = p.copy()
others[rows, labels] = 0
q = others / others.sum(1, keepdims=True)
entropy = -np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0).sum(1)
error = p.copy()
error[rows, labels] -= 1
el2n = np.linalg.norm(error, axis=1)
masked = logits.copy()
masked[rows, labels] = -np.inf
print("loss", list(-np.log(p[rows, labels])))
print("renormed_entropy", list(entropy))
print("grad_norm", list(el2n * np.sqrt(hidden**2 + 1)))
print("el2n", list(el2n))
print("margin", list(logits[rows, labels] - masked.max(1)))
print("confidence", list(p[rows, labels]))
