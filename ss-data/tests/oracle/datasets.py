"""Reference values for tests/suite/published.rs.

Usage: python datasets.py [FASHION_MNIST_DIR] [CIFAR10_PARQUET_DIR]
Written with Python 3.11, NumPy 2.x, scikit-learn 1.x, PyArrow, Pillow; the versions used are printed.
"""

import gzip
import io
import sys
import zlib
from pathlib import Path

import numpy as np


def describe(name, images, labels, classes):
    """images: uint8 of shape (n, channels, height, width); labels: integers of shape (n,)."""
    print(f"{name}: {images.shape}")
    print("  first labels", labels[:8].tolist())
    print("  class counts", np.bincount(labels, minlength=classes).tolist())
    print("  mean", images.mean(axis=(0, 2, 3), dtype=np.float64) / 255)
    print("  std ", images.std(axis=(0, 2, 3), dtype=np.float64) / 255)
    print("  crc32 of pixels 0x%08x" % zlib.crc32(np.ascontiguousarray(images).tobytes()))
    print("  crc32 of labels 0x%08x" % zlib.crc32(labels.astype(np.uint8).tobytes()))


def digits():
    import sklearn
    from sklearn.datasets import load_digits

    print("scikit-learn", sklearn.__version__)
    data = load_digits()
    pixels = data.data.astype(np.uint8)
    assert (pixels == data.data).all() and pixels.max() == 16
    describe("digits, counts times 15", (pixels * 15).reshape(-1, 1, 8, 8), data.target, 10)


def fashion_mnist(folder):
    for part in ["train", "t10k"]:
        images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        images = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28)
        describe(f"fashion-mnist {part}", images, np.frombuffer(labels, np.uint8, offset=8), 10)


def cifar10(folder):
    import PIL
    import pyarrow
    import pyarrow.parquet as pq
    from PIL import Image

    print("PyArrow", pyarrow.__version__, "Pillow", PIL.__version__)
    for part in ["train", "test"]:
        tables = [pq.read_table(f) for f in sorted(folder.glob(f"{part}-*.parquet"))]
        rows = [row for table in tables for row in table.to_pylist()]
        images = np.stack([np.asarray(Image.open(io.BytesIO(r["img"]["bytes"])).convert("RGB")) for r in rows])
        labels = np.array([r["label"] for r in rows])
        describe(f"cifar10 {part}", images.transpose(0, 3, 1, 2), labels, 10)


if __name__ == "__main__":
    print("Python", sys.version.split()[0], "NumPy", np.__version__)
    digits()
    if len(sys.argv) > 1:
        fashion_mnist(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        cifar10(Path(sys.argv[2]))
