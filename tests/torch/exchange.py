"""Exchanges weights with rill as safetensors files, for tests/torch_test.cpp. Exits 77 where PyTorch is missing.

exchange.py run WEIGHTS INPUT OUTPUT: loads what rill has saved, computes tensor "x" of INPUT, writes "y".
exchange.py make FOLDER: trains a network, and writes it with an input and the outputs, for f32, f64, f16 and bf16.
"""

import json
import struct
import sys

try:
    import torch
    from torch import nn
except ImportError:
    sys.exit(77)

DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        values = torch.frombuffer(bytearray(data[begin:end]), dtype=DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def write(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        # NumPy has no bfloat16: the bytes go through integers.
        integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
        content = tensor.detach().contiguous().view(integers).numpy().tobytes()
        dtype = next(key for key, value in DTYPES.items() if value == tensor.dtype)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def network():
    return nn.Sequential(
        nn.BatchNorm1d(3),
        nn.Flatten(),
        nn.Linear(12, 16),
        nn.LeakyReLU(0.3),
        nn.Sequential(nn.Linear(16, 16), nn.ELU(0.7), nn.Dropout(0.25), nn.LayerNorm(16)),
        nn.PReLU(16),
        nn.Linear(16, 8, bias=False),
        nn.BatchNorm1d(8, eps=1e-3, momentum=0.2),
        nn.PReLU(),
        nn.Linear(8, 3),
    )


def run(weights, source, target):
    model = network()
    model.load_state_dict(read(weights), strict=True)
    with torch.no_grad():
        write(target, {"y": model.eval()(read(source)["x"])})


def make(folder):
    torch.manual_seed(1)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(10):
        x = torch.randn(32, 3, 4) * 2 + 1
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), x[:, :, 0]).backward()
        optimizer.step()
    model.eval()
    x = torch.randn(20, 3, 4)
    for name in ("F32", "F64", "F16", "BF16"):
        stored = {key: value.to(DTYPES[name]) if value.is_floating_point() else value
                  for key, value in model.state_dict().items()}
        computes = torch.float64 if name == "F64" else torch.float32
        # From what is stored: of f16 and bf16, the rounded weights.
        reader = network().to(computes).eval()
        reader.load_state_dict(stored, strict=True)
        with torch.no_grad():
            y = reader(x.to(computes))
        write(f"{folder}/{name}.safetensors", stored)
        write(f"{folder}/{name}.values", {"x": x.to(computes), "y": y})


if __name__ == "__main__":
    {"run": run, "make": make}[sys.argv[1]](*sys.argv[2:])
