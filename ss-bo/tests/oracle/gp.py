"""Reference values for tests/reference.rs: scikit-learn's Gaussian process and mpmath's log expected improvement.

Run: python gp.py    (numpy 2.4.6, scikit-learn 1.9.1, scipy 1.17.1, mpmath 1.3.0)
"""

import mpmath
import numpy as np
import scipy
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

print("versions", np.__version__, sklearn.__version__, scipy.__version__, mpmath.__version__)

X = np.array([[0.1, 0.2], [0.4, 0.9], [0.75, 0.3], [0.9, 0.85], [0.5, 0.5]])
y = np.array([0.3, -1.2, 0.8, 0.1, 1.4])
V = np.array([0.0, 0.2, 0.0, 0.05, 0.0])
Q = np.array([[0.3, 0.4], [0.75, 0.3], [0.0, 1.0]])
LENGTHS, SIGNAL, NOISE, MEAN = [0.3, 0.7], 1.7, 0.01, 0.8


def process(kernel):
    # alpha = V + NOISE: the noise is a constant for the posterior of the noise-free function.
    return GaussianProcessRegressor(kernel, alpha=V + NOISE, optimizer=None).fit(X, y)


matern = ConstantKernel(SIGNAL) * Matern(LENGTHS, nu=2.5)
mean, std = process(matern).predict(Q, return_std=True)
print("zero mean: posterior mean", mean.tolist(), "variance", (std**2).tolist())

# A constant mean with a normal prior is the same as a constant added to the kernel.
mean, _ = process(matern + ConstantKernel(MEAN)).predict(Q, return_std=True)
print("constant mean: posterior mean", mean.tolist())

# White noise as a kernel, so that its derivative is given, too.
gp = GaussianProcessRegressor(matern + WhiteKernel(NOISE), alpha=V, optimizer=None).fit(X, y)
value, gradient = gp.log_marginal_likelihood(gp.kernel_.theta, eval_gradient=True)
print("log marginal likelihood", value)
print("by ln signal, ln l_1, ln l_2, ln noise", gradient.tolist())

mpmath.mp.dps = 60
print("ln h(z) and Phi(z) / h(z)")
for z in [-1e6, -1000, -40, -20.5, -19.5, -5, -1.5, -0.5, 0, 3, 30]:
    z = mpmath.mpf(z)
    h = mpmath.npdf(z) + z * mpmath.ncdf(z)
    if z < -100:
        # The difference cancels beyond the working precision: use the tail integral of (t - |z|) phi(t).
        with mpmath.workdps(60 + int(2 * mpmath.log10(-z) * 3)):
            m = mpmath.sqrt(mpmath.pi / 2) * mpmath.exp(z * z / 2) * mpmath.erfc(-z / mpmath.sqrt(2))
            log_h = -z * z / 2 - mpmath.log(2 * mpmath.pi) / 2 + mpmath.log(1 + z * m)
            slope = m / (1 + z * m)
    else:
        log_h, slope = mpmath.log(h), mpmath.ncdf(z) / h
    print(f"({mpmath.nstr(z, 8)}, {mpmath.nstr(log_h, 17)}, {mpmath.nstr(slope, 17)}),")
