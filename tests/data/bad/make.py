"""Makes the bad files that are binary: python3 tests/data/bad/make.py, in the folder of the repository.

The other files, and messages.json, are written by hand. Standard library alone.
"""

import gzip
import json
import pathlib
import pickle
import struct
import zipfile
import zlib

HERE = pathlib.Path(__file__).parent


def write(name, content):
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# --- safetensors -------------------------------------------------------------------------------------------------


def framed(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape, begin, end, dtype="F32", **more):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


def checksummed(metadata, tensors, data):
    """A file as rill writes it, its checksum right."""
    header = {"__metadata__": {"rill.checksum": "00000000", "rill.format": "1", **metadata}, **tensors}
    content = framed(header, data)
    digits = b"%08x" % zlib.crc32(content)
    return content.replace(b'"rill.checksum":"00000000"', b'"rill.checksum":"' + digits + b'"')


def plain_safetensors():
    def one(name, header, data=b""):
        write(f"safetensors/{name}.safetensors", framed(header, data))

    w = tensor([2, 2], 0, 16)
    write("safetensors/empty.safetensors", b"")
    write("safetensors/seven_bytes.safetensors", bytes(7))
    write("safetensors/header_length_0.safetensors", bytes(8))
    write("safetensors/header_length_2_to_63.safetensors", struct.pack("<Q", 1 << 63) + b"{}")
    write("safetensors/header_length_2_mib.safetensors", struct.pack("<Q", 1 << 21) + b"{}")
    write("safetensors/big_endian_length.safetensors", struct.pack(">Q", 2) + b"{}")
    one("header_cut", b'{"w":{"dtype":"F3')
    one("header_array", b"[]")
    one("header_behind_brace", b'{}{"w":1}')
    one("header_zero_byte", b'{"w"\0:{}}')
    one("header_not_utf8", b'{"w\xff":{}}')
    one("nested_1000", b'{"w":' + b"[" * 1000 + b"]" * 1000 + b"}")
    one("dtype_unknown", {"w": tensor([2, 2], 0, 16, "F8_E4M3")}, bytes(16))
    one("dtype_i32", {"w": tensor([2, 2], 0, 16, "I32")}, bytes(16))
    one("shape_negative", {"w": tensor([-2, -2], 0, 16)}, bytes(16))
    one("shape_fraction", {"w": tensor([2.5], 0, 16)}, bytes(16))
    one("shape_product", {"w": tensor([1 << 32, 1 << 32], 0, 0)})
    one("shape_product_beside_0", {"w": tensor([0, 1 << 63], 0, 0)})
    one("shape_rank_9", {"w": tensor([1] * 9, 0, 4)}, bytes(4))
    one("shape_of_others", {"w": tensor([3], 0, 16)}, bytes(16))
    one("a_terabyte", {"w": tensor([1 << 38], 0, 1 << 40)})
    one("offsets_overlap", {"a": w, "b": tensor([2, 2], 8, 24)}, bytes(24))
    one("offsets_hole", {"a": w, "b": tensor([2, 2], 20, 36)}, bytes(36))
    one("offsets_turned", {"w": tensor([2, 2], 16, 0)}, bytes(16))
    one("offsets_2_to_64", {"w": tensor([2, 2], 0, 1 << 64)}, bytes(16))
    one("offsets_three", {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}, bytes(8))
    one("data_short", {"w": w}, bytes(15))
    one("data_long", {"w": w}, bytes(17))
    one("field_unknown", {"w": tensor([1], 0, 4, strides=[1])}, bytes(4))
    one("field_missing", {"w": {"dtype": "F32", "shape": [1]}}, bytes(4))
    one("name_twice", b'{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":1}')
    one("name_hostile", {"\x1b[31m\n" + "n" * 200: tensor([3], 0, 16)}, bytes(16))
    one("metadata_number", {"__metadata__": {"epoch": 3}})
    one("metadata_nested", {"__metadata__": {"a": {"b": "c"}}})
    one("metadata_list", {"__metadata__": []})
    one("checksum_missing", {"__metadata__": {"rill.model": "{}"}})
    one("checksum_wrong", {"__metadata__": {"rill.checksum": "12345678", "rill.format": "1"}})
    one("checksum_no_digits", {"__metadata__": {"rill.checksum": "\n\x1b", "rill.format": "1"}})
    write("safetensors/format_2.safetensors",
          checksummed({"rill.format": "2"}, {}, b""))


CONFIG = {"rill": 1, "input_shape": [2], "layers": [{"type": "dense", "units": 1}]}
WEIGHTS = {"0.weight": tensor([1, 2], 0, 8), "0.bias": tensor([1], 8, 12)}


def saved_models():
    def one(name, metadata, tensors=None, data=bytes(12), config=CONFIG):
        parts = {"rill.model": config if isinstance(config, str) else json.dumps(config)}
        parts.update({"rill." + key: value if isinstance(value, str) else json.dumps(value)
                      for key, value in metadata.items()})
        write(f"saved/{name}.safetensors",
              checksummed(parts, WEIGHTS if tensors is None else tensors, data))

    def layers(*each, **more):
        return {"rill": 1, "input_shape": [2], "layers": list(each), **more}

    write("saved/weights_alone.safetensors", framed(WEIGHTS, bytes(12)))
    one("config_cut", {}, config='{"rill": 1, "input_sh')
    one("config_empty", {}, config="")
    one("config_number", {}, config="3")
    one("config_unknown_layer", {}, config=layers({"type": "densee", "units": 1}))
    one("config_of_rill_2", {}, config=layers(rill=2))
    one("config_zero_byte", {}, config='{"rill": 1}\0')
    one("config_huge", {}, config=layers({"type": "dense", "units": 1 << 24}, {"type": "dense", "units": 15}))
    one("config_large", {}, config=layers({"type": "dense", "units": 1 << 24}))
    one("config_keras", {}, config={"class_name": "Sequential", "config": []})
    one("weight_missing", {}, {"0.weight": tensor([1, 2], 0, 8)}, bytes(8))
    one("weight_extra", {}, {**WEIGHTS, "1.weight": tensor([1], 12, 16)}, bytes(16))
    one("weight_turned", {}, {"0.weight": tensor([2, 1], 0, 8), "0.bias": tensor([1], 8, 12)})
    one("weight_f64", {}, {"0.weight": tensor([1, 2], 0, 16, "F64"), "0.bias": tensor([1], 16, 20)}, bytes(20))
    one("weight_i64", {}, {"0.weight": tensor([1, 2], 0, 16, "I64"), "0.bias": tensor([1], 16, 20)}, bytes(20))
    one("preprocessing_unknown", {"preprocessing": [{"type": "whiten"}]})
    one("preprocessing_std_0", {"preprocessing": [{"type": "standardize", "mean": [0, 0], "std": [1, 0]}]})
    one("preprocessing_of_3", {"preprocessing": [{"type": "standardize", "mean": [0, 0, 0], "std": [1, 1, 1]}]})
    one("preprocessing_uneven", {"preprocessing": [{"type": "standardize", "mean": [0, 0], "std": [1]}]})
    one("preprocessing_cut", {"preprocessing": '[{"type":'})
    one("preprocessing_image", {"preprocessing": [{"type": "normalize", "std": 0}]})
    one("classes_object", {"classes": {"0": "zero"}})
    one("classes_numbers", {"classes": [0, 1]})
    one("features_null", {"features": None})
    one("target_number", {"target": 3})
    one("loss_number", {"loss": 3})
    content = bytearray((HERE / "saved/weight_missing.safetensors").read_bytes())
    content[-1] ^= 1
    write("saved/bit_flipped.safetensors", bytes(content))


def weights():
    """For a Dense of 2 inputs and 1 output."""
    def one(name, tensors, data=bytes(12)):
        write(f"weights/{name}.safetensors", framed(tensors, data))

    one("missing", {"0.weight": tensor([1, 2], 0, 8)}, bytes(8))
    one("none", {}, b"")
    one("extra", {**WEIGHTS, "2.running_mean": tensor([1], 12, 16)}, bytes(16))
    one("extra_many", {f"layer.{i}": tensor([0], 0, 0) for i in range(30)}, b"")
    one("other_names", {"fc.weight": tensor([1, 2], 0, 8), "fc.bias": tensor([1], 8, 12)})
    one("shape", {"0.weight": tensor([1, 3], 0, 12), "0.bias": tensor([1], 12, 16)}, bytes(16))
    one("turned", {"0.weight": tensor([2, 1], 0, 8), "0.bias": tensor([1], 8, 12)})
    one("integers", {"0.weight": tensor([1, 2], 0, 16, "I64"), "0.bias": tensor([1], 16, 20)}, bytes(20))
    write("weights/pickle.pt", pickle.dumps({"0.weight": [[0.0, 0.0]]}, protocol=2))


def checkpoints():
    def one(name, training):
        text = training if isinstance(training, str) else json.dumps(training)
        write(f"checkpoint/{name}.safetensors", checksummed({"rill.training": text}, WEIGHTS, bytes(12)))

    write("checkpoint/saved_model.safetensors", checksummed({"rill.model": "{}"}, WEIGHTS, bytes(12)))
    one("training_cut", '{"position": {')
    one("training_empty", "")
    one("training_list", [])
    one("training_deep", "[" * 3000)
    one("position_missing", {"epoch": {}})
    one("epoch_fraction", {"position": {"epoch": 1.5}, "epoch": {}})
    one("epoch_2_to_63", {"position": {"epoch": 1 << 63}, "epoch": {}})
    one("epoch_text", {"position": {"epoch": "\n\x1b[31m"}, "epoch": {}})


# --- numbers -----------------------------------------------------------------------------------------------------


def idx_bytes(sizes, data, kind=8):
    return bytes([0, 0, kind, len(sizes)]) + b"".join(struct.pack(">I", s) for s in sizes) + data


def idx_files():
    write("idx/empty", b"")
    write("idx/three_bytes", bytes(3))
    write("idx/magic", b"\x01\x00\x08\x01" + struct.pack(">I", 1) + b"x")
    write("idx/little_endian", bytes([1, 8, 0, 0]) + struct.pack("<I", 1) + b"x")
    write("idx/type_unknown", idx_bytes([1], b"x", 0x0a))
    write("idx/rank_0", idx_bytes([], b""))
    write("idx/rank_255", bytes([0, 0, 8, 255]) + bytes(64))
    write("idx/sizes_cut", idx_bytes([2, 2], b"")[:-3])
    write("idx/sizes_huge", idx_bytes([0xFFFFFFFF] * 3, b"x"))
    write("idx/sizes_overflow", idx_bytes([0xFFFFFFFF] * 8, b"x", 0x0e))
    write("idx/sizes_overflow_beside_0", idx_bytes([0] + [0xFFFFFFFF] * 7, b""))
    write("idx/short", idx_bytes([2, 3], b"12345"))
    write("idx/long", idx_bytes([2, 3], b"1234567"))
    write("idx/four_gib", idx_bytes([4, 0x3FFFFFFC], b"1"))
    write("idx/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(13))
    write("idx/error_page", b"<html><body>403 Forbidden</body></html>")


def packed(content, level=9):
    return gzip.compress(content, level, mtime=0)


def gzip_files():
    good = packed(idx_bytes([2, 3], b"123456"))
    write("gzip/cut_in_header.gz", good[:7])
    write("gzip/magic_alone.gz", good[:2])
    write("gzip/cut_in_data.gz", good[:18])
    write("gzip/cut_in_checksum.gz", good[:-6])
    write("gzip/checksum.gz", good[:-8] + bytes(4) + good[-4:])
    write("gzip/length.gz", good[:-4] + b"\xff\xff\xff\xff")
    write("gzip/method.gz", good[:2] + b"\x07" + good[3:])
    write("gzip/trailing.gz", good + b"garbage")
    write("gzip/nothing.gz", packed(b""))
    write("gzip/no_idx.gz", packed(b"<html>"))
    write("gzip/short.gz", packed(idx_bytes([2, 3], b"12345")))
    write("gzip/long.gz", packed(idx_bytes([2, 3], b"1234567")))
    write("gzip/bomb.gz", packed(idx_bytes([2, 3], bytes(4 << 20))))
    write("gzip/bomb_that_declares.gz", packed(idx_bytes([1 << 12, 1 << 12], bytes(4 << 20))))
    write("gzip/four_gib_declared.gz", packed(idx_bytes([4, 0x3FFFFFFC], b"1")))
    write("gzip/twice.gz", packed(good))


def mnist_folders():
    def one(name, images, labels):
        if images is not None:
            write(f"mnist/{name}/train-images-idx3-ubyte", images)
        if labels is not None:
            write(f"mnist/{name}/train-labels-idx1-ubyte", labels)

    images, labels = idx_bytes([2, 2, 2], bytes(8)), idx_bytes([2], b"\x00\x09")
    one("no_labels", images, None)
    one("no_images", None, labels)
    one("label_10", images, idx_bytes([2], b"\x00\x0a"))
    one("label_255", images, idx_bytes([2], b"\xff\x00"))
    one("labels_signed", images, idx_bytes([2], b"\x00\x01", 9))
    one("labels_three", images, idx_bytes([3], bytes(3)))
    one("files_swapped", labels, images)
    one("images_flat", idx_bytes([2, 4], bytes(8)), labels)
    one("no_samples", idx_bytes([0, 2, 2], b""), idx_bytes([0], b""))


def npy_bytes(dict_text, data=b"", version=(1, 0)):
    text = dict_text.encode("latin-1")
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def npy_dict(descr, shape, fortran="False"):
    return f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"


def npy_files():
    def one(name, *arguments, **options):
        write(f"npy/{name}.npy", npy_bytes(*arguments, **options))

    write("npy/empty.npy", b"")
    write("npy/magic_alone.npy", b"\x93NUMPY")
    write("npy/length_cut.npy", b"\x93NUMPY\x01\x00\x10")
    write("npy/header_4_gib.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff")
    write("npy/header_cut.npy", npy_bytes(npy_dict("<f4", "(2,)"))[:30])
    one("version_4", npy_dict("<f4", "(1,)"), bytes(4), version=(4, 0))
    one("objects", npy_dict("|O", "(1,)"), pickle.dumps([None], protocol=4))
    write("npy/pickle.npy", pickle.dumps([1.0, 2.0], protocol=4))
    with zipfile.ZipFile(HERE / "npy/archive.npz", "w") as archive:
        archive.writestr(zipfile.ZipInfo("x.npy"), npy_bytes(npy_dict("<f4", "(1,)"), bytes(4)))
    one("texts", npy_dict("<U3", "(1,)"), bytes(12))
    one("complex", npy_dict("<c8", "(1,)"), bytes(8))
    one("f16_bytes", npy_dict("<f16", "(1,)"), bytes(16))
    one("records", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", bytes(4))
    one("order_unknown", npy_dict("|f4", "(1,)"), bytes(4))
    one("code", "__import__('os').system('true')")
    one("key_unknown", "{'descr': '<f4', 'order': 'C', 'shape': (1,), }", bytes(4))
    one("key_missing", "{'descr': '<f4', 'shape': (1,), }", bytes(4))
    one("key_twice", "{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", bytes(4))
    one("shape_negative", npy_dict("<f4", "(-1,)"), bytes(4))
    one("shape_number", npy_dict("<f4", "(4)"), bytes(16))
    one("shape_fraction", npy_dict("<f4", "(2.5,)"), bytes(4))
    one("shape_huge", npy_dict("<f8", "(9223372036854775807,)"))
    one("shape_overflow", npy_dict("<f8", "(4294967296, 4294967296, 4294967296)"))
    one("shape_overflow_beside_0", npy_dict("<f8", "(0, 9223372036854775807, 9223372036854775807)"))
    one("shape_2_to_64", npy_dict("<f4", "(18446744073709551616,)"))
    one("shape_eight_gib", npy_dict("<f8", "(1073741824,)"))
    one("shape_rank_9", npy_dict("<f4", "(" + "1, " * 9 + ")"), bytes(4))
    one("short", npy_dict("<f4", "(2, 2)"), bytes(15))
    one("long", npy_dict("<f4", "(2, 2)"), bytes(17))


def npy_pairs():
    def one(name, x, y):
        write(f"npy_pair/{name}/x.npy", x)
        write(f"npy_pair/{name}/y.npy", y)

    def floats(shape, *values):
        return npy_bytes(npy_dict("<f4", shape), struct.pack(f"<{len(values)}f", *values))

    def integers(shape, *values):
        return npy_bytes(npy_dict("<i8", shape), struct.pack(f"<{len(values)}q", *values))

    x = floats("(2, 1)", 1, 2)
    one("lengths", x, integers("(3,)", 0, 1, 2))
    one("labels_fractional", x, floats("(2,)", 0, 0.5))
    one("labels_negative", x, integers("(2,)", 0, -1))
    one("labels_huge", x, integers("(2,)", 0, (1 << 63) - 1))
    one("labels_nan", x, floats("(2,)", 0, float("nan")))
    one("labels_one_hot", x, integers("(2, 2)", 1, 0, 0, 1))
    one("no_samples", floats("(0, 1)"), integers("(0,)"))
    one("scalars", floats("()", 1), integers("()", 1))


def other_kinds():
    """Files that people have, given as models."""
    write("model/keras.h5", b"\x89HDF\r\n\x1a\n" + bytes(40))
    with zipfile.ZipFile(HERE / "model/net.keras", "w") as archive:
        archive.writestr(zipfile.ZipInfo("config.json"), "{}")
    with zipfile.ZipFile(HERE / "model/net.pt", "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), b"\x80\x02}q\x00.")
    for protocol in (2, 3, 4, 5):
        write(f"model/pickle_{protocol}.pkl", pickle.dumps({"w": [1.0]}, protocol=protocol))
    write("model/net.onnx", b"\x08\x08\x12\x04onnx" + bytes(24))
    write("model/array.npy", npy_bytes(npy_dict("<f4", "(1,)"), bytes(4)))
    write("model/packed.json.gz", packed(b'{"rill": 1}'))
    write("model/picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(13))
    write("model/zeros.bin", bytes(64))
    write("model/one_byte.bin", b"{")
    write("model/digits.idx", idx_bytes([2, 3], b"123456"))
    text = json.dumps({"rill": 1, "input_shape": [4], "layers": [{"type": "relu"}]})
    write("model/utf16_little.json", b"\xff\xfe" + text.encode("utf-16-le"))
    write("model/utf16_big.json", b"\xfe\xff" + text.encode("utf-16-be"))
    write("model/utf16_unmarked.json", text.encode("utf-16-le"))


plain_safetensors()
saved_models()
weights()
checkpoints()
idx_files()
gzip_files()
mnist_folders()
npy_files()
npy_pairs()
other_kinds()
