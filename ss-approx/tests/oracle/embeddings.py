"""Reference values of tests/embeddings.rs: python3 tests/oracle/embeddings.py (NumPy, scikit-learn)."""
import itertools

import numpy as np
import sklearn
from sklearn.metrics import roc_auc_score, roc_curve

print("numpy", np.__version__, "scikit-learn", sklearn.__version__)
# Twenty vectors of a fixed pattern, four classes of five, with a direction for each class.
i, k = np.arange(20)[:, None], np.arange(4)
y = np.arange(20) // 5
x = ((13 * i + 29 * k + 7 * i * k) % 41 - 20) / 8.0 + 0.75 * ((5 * y[:, None] + 3 * k) % 7 - 3.0)
x = x / np.linalg.norm(x, axis=1, keepdims=True)
a, b = np.triu_indices(20, 1)
cosine, same = (x[a] * x[b]).sum(1), y[a] == y[b]


def accuracy(t, cosine, same):
    return 0.5 * ((cosine[same] > t).mean() + (cosine[~same] <= t).mean())


def best(cosine, same):
    """The largest of the best thresholds half-way between neighbours."""
    c = np.unique(cosine)
    candidates = np.concatenate([[c[0] - 1], (c[1:] + c[:-1]) / 2, [c[-1] + 1]])
    values = np.array([accuracy(t, cosine, same) for t in candidates])
    return candidates[np.flatnonzero(values >= values.max() - 1e-12)[-1]]


t = best(cosine, same)
print("threshold", repr(t), "accuracy", repr(accuracy(t, cosine, same)))
fold = np.empty(len(a), dtype=int)
for kind in (True, False):
    fold[same == kind] = np.arange((same == kind).sum()) % 5
folds = [accuracy(best(cosine[fold != f], same[fold != f]), cosine[fold == f], same[fold == f]) for f in range(5)]
print("folds", repr(np.mean(folds)), repr(np.std(folds, ddof=1)))
far, tar, _ = roc_curve(same, cosine, drop_intermediate=False)
print("tar", {f: tar[far <= f].max() for f in (0.01, 0.02, 0.1, 0.5)}, "area", repr(roc_auc_score(same, cosine)))
ranks = []
for out in range(20):
    left = np.arange(20) != out
    centroids = np.stack([x[left & (y == c)].mean(0) for c in range(4)])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    near = centroids @ x[out]
    ranks.append(int((near > near[y[out]]).sum()))
print("leave one out", ranks)
# Every episode of two ways, two shots and one query on the first three images of three classes.
rights = []
for c in itertools.permutations(range(3), 2):
    for draws in itertools.product(itertools.permutations(range(3), 3), repeat=2):
        members = [5 * cls + np.array(draw) for cls, draw in zip(c, draws)]
        centroids = np.stack([x[m[:2]].mean(0) for m in members])
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
        rights += [int(np.argmax(centroids @ x[m[2]]) == j) for j, m in enumerate(members)]
print("episodes", repr(np.mean(rights)))
