"""Reference values of the distribution of draws (`src/inspect/distribution.rs`); written for NumPy 2.4.6."""

import numpy as np

w = (np.arange(1000) * 7919 % 1000 - 200).clip(0).astype(float) ** 1.5
d = w / w.sum() * 1000
print(np.quantile(d, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1], method="inverted_cdf"))
print([np.sort(d)[-k:].sum() / 1000 for k in (10, 100, 500)])
print(w.sum() ** 2 / (w**2).sum())
edges = [0, 0.1, 0.3, 0.6, 0.9, 1.1, 1.5, 2, 4, 10]
print((d == 0).sum(), [((d > a) & (d <= b)).sum() for a, b in zip(edges, edges[1:])], (d > 10).sum())
