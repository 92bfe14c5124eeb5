"""Reference values of the scores in src/score.rs: python3 tests/oracle/score.py (NumPy, SciPy)."""
import numpy as np
import scipy
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

print("numpy", np.__version__, "scipy", scipy.__version__)
logits = np.array([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [3.0, -2.0, 1.0]])
labels = np.array([0, 0, 1])
print("likelihood", repr(log_softmax(logits, axis=1)[np.arange(3), labels].mean()))

# Forty rows of a fixed pattern: labels that follow the logits, some less likely, some wrong.
i = np.arange(40)
z = ((13 * i[:, None] + 29 * np.arange(4) + 7 * i[:, None] * np.arange(4)) % 41 - 20) / 4.0
order = np.argsort(-z, axis=1)
r = (7 * i) % 10
y = order[i, np.where(r < 6, 0, np.where(r < 8, 1, 3))]


def negative(p):
    t, rho = np.exp(p[0]), 1 / (1 + np.exp(-p[1]))
    s = softmax(t * z, axis=1)[i, y]
    return -np.log((1 - rho) * s + rho / 4).mean()


best = min((minimize(negative, [a, b], method="Nelder-Mead", options=dict(xatol=1e-10, fatol=1e-14, maxiter=10000))
            for a in (-1, 0, 1) for b in (-3, -1, 1)), key=lambda r: r.fun)
print("calibrated", repr(-best.fun), "t", np.exp(best.x[0]), "rho", 1 / (1 + np.exp(-best.x[1])))
print("labels", y.tolist())
