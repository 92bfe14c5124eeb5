"""NumPy files of `tests/suite/numpy_files/`, as numpy 2.4.6 writes them. Run in that folder."""

import numpy as np

np.save("f4.npy", np.array([0.5, -1.25, 3e38], dtype="<f4"))
np.save("f8_big_endian.npy", np.array([1e-300, 2.0, -7.5], dtype=">f8"))
np.save("f2.npy", np.array([0.1, 65504.0, -6e-8], dtype="<f2"))
np.save("i8_big_endian.npy", np.array([2**53 + 1, -5, 0], dtype=">i8"))
np.save("u1_matrix.npy", np.array([[1, 2], [3, 255], [0, 4]], dtype="u1"))
np.save("bool.npy", np.array([True, False, True]))
np.save("fortran.npy", np.asfortranarray(np.arange(6, dtype="<f4").reshape(3, 2)))
np.save("complex.npy", np.array([1 + 2j, 0, 0]))
np.save("cube.npy", np.zeros((3, 1, 2)))
np.save("records.npy", np.array([(1, 2.0)], dtype=[("id", "<i4"), ("loss", "<f8")]))
np.savez("stored.npz", logits=np.array([[1.0, 2.0, 4.0], [0.5, 0.25, 8.0]]), labels=np.array([2, 0]), note=np.array("hi"))
np.savez_compressed("deflated.npz", logits=np.tile(np.arange(3.0), (2000, 1)), labels=np.arange(2000) % 3)
