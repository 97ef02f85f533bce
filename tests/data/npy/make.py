# Writes the npy files beside it with NumPy's own np.save (1.24.2): python3 tests/data/npy/make.py
import os

import numpy as np
from numpy.lib import format

here = os.path.dirname(os.path.abspath(__file__))


def save(name, array, version=None):
    with open(os.path.join(here, name + ".npy"), "wb") as file:
        format.write_array(file, array, version=version)


grid = np.array([[1.5, -2, 0.1], [1e-30, 3e38, -0.0]])
save("f4", grid.astype("<f4"))
save("f8", grid.astype("<f8"))
save("f8_big_endian", grid.astype(">f8"))
save("f2", np.array([1, -2.5, 65504, 6e-8, 0.1, -0.0, np.inf, np.nan], "<f2"))
save("i1", np.array([-128, 0, 127], "i1"))
save("i2_big_endian", np.array([-32768, 1, 32767], ">i2"))
save("i4", np.array([-(2**31), 7, 2**31 - 1], "<i4"))
save("i8", np.array([-(2**63), 7, 2**63 - 1], "<i8"))
save("u1", np.array([[0, 128, 255]], "u1"))
save("u2", np.array([0, 65535], "<u2"))
save("u4_big_endian", np.array([0, 2**32 - 1], ">u4"))
save("u8", np.array([0, 2**63 - 1], "<u8"))
save("u8_too_large", np.array([0, 2**63], "<u8"))
save("bool", np.array([True, False, True]))
save("scalar", np.array(2.5, "<f4"))
save("empty", np.zeros((0, 3), "<f4"))
save("fortran", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
save("version_2", grid.astype("<f4"), (2, 0))
save("version_3", grid.astype("<f4"), (3, 0))
save("object", np.array([{}, None], object))
save("text", np.array(["a", "b"]))
save("complex", np.array([1j], "<c8"))
save("record", np.zeros(2, [("a", "<f4"), ("b", "<i8")]))
save("date", np.array(["2020-01-01"], "datetime64[D]"))
