"""Reference values of `sketches_match_numpy` in tests/oracle.rs: exact ranks and cgf of 100,003 rows.

    pip install numpy scipy; python sketch.py
"""

import numpy as np
import scipy
from scipy.stats import rankdata

print("numpy", np.__version__, "scipy", scipy.__version__)

n = 100_003
i = np.arange(n)
loss = (10.0 * (i * 7_919 % n / n) ** 3).astype(np.float32)
entropy = (np.floor(i * 104_729 % n / n * 50.0) / 25.0).astype(np.float32)
gradient = ((0.1 + loss.astype(np.float64)) * (1.0 + i % 10 / 10.0)).astype(np.float32).astype(np.float64)


def mid_rank(x):
    return (rankdata(x, "average") - 0.5) / len(x)


z = np.round(mid_rank(loss) - 0.4 * mid_rank(entropy), 12)  # so that ties are ties
distinct, inverse = np.unique(z, return_inverse=True)
mass = np.bincount(inverse, weights=gradient)
upto = np.cumsum(mass)
u = ((upto - mass / 2) / upto[-1])[inverse]
tau = np.interp(u, [0.0, 0.15, 0.4, 0.85, 1.0], [0.6, 0.9, 0.75, 0.2, 0.05])
p = tau / tau.sum()
print("n p", [float(f"{n * p[row]:.12g}") for row in (0, 1, 777, 50_000, 100_002)])
print("effective sample size", f"{1 / np.square(p).sum():.12g}")
