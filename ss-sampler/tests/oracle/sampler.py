"""Reference values of tests/oracle.rs: mid-ranks, both transforms, the rule, probabilities.

    pip install numpy scipy; python sampler.py
"""

import numpy as np
import scipy
from scipy.stats import rankdata

print("numpy", np.__version__, "scipy", scipy.__version__)

loss = np.array([0.25, 2.0, 0.25, 4.0, 1.0, 0.5, 3.0, 0.25, 1.0, 6.0], dtype=np.float32)
entropy = np.array([0.5, 0.1, 1.5, 0.2, 0.5, 1.0, 1.2, 0.7, 0.5, 0.1], dtype=np.float32)
gradient = np.array([0.1, 1.2, 0.3, 1.3, 0.7, 0.4, 1.1, 0.0, 0.9, 1.4], dtype=np.float32).astype(np.float64)
c = np.array([0.8, -0.3])
knots = np.array([0.0, 0.15, 0.4, 0.85, 1.0])
values = np.array([0.6, 0.9, 0.75, 0.2, 0.05])


def mid_rank(x):
    return (rankdata(x, "average") - 0.5) / len(x)


def show(name, x):
    print(name, "[" + ", ".join(f"{v:.15g}" for v in x) + "]")


r = np.stack([mid_rank(loss), mid_rank(entropy)])
z = np.round(c @ r, 12)  # so that ties are ties
show("ranks 0", r[0])
show("ranks 1", r[1])
cdf = mid_rank(z)
# Mass at or below, and strictly below, by cumulative sums over the distinct values.
distinct, inverse = np.unique(z, return_inverse=True)
mass = np.bincount(inverse, weights=gradient)
upto = np.cumsum(mass)
cgf = ((upto - mass / 2) / upto[-1])[inverse]
for name, u in [("cdf", cdf), ("cgf", cgf)]:
    tau = np.interp(u, knots, values)
    p = tau / tau.sum()
    show(name, u)
    show("p", p)
    print("effective sample size", f"{1 / np.square(p).sum():.15g}")
