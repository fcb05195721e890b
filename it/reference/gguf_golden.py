# Copyright 2026 The KVP4J authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Golden values of the GGUF tensor types, from the `gguf` package's own dequantiser.

    pip install gguf==0.19.0 numpy
    python it/reference/gguf_golden.py > \
        kvp-jlama/src/test/resources/io/github/kvp4j/jlama/importer/gguf-golden.json

Each type has three blocks (256 values of the plain types) of random bytes, whose scales are made
finite; `blocks` and `values` (32-bit floats) are Base64 of little-endian bytes.
"""

import base64
import json
import sys

import gguf
import numpy as np

TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where a block has its half-precision scales.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}


def blocks_of(name, random):
    """Random blocks of a type, one row each."""
    values, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if values == 1:
        floats = random.normal(0, 0.1, 256).astype(np.float32)
        if name == "F32":
            return floats.view(np.uint8)
        if name == "F16":
            return floats.astype(np.float16).view(np.uint8)
        return (floats.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    blocks = random.integers(0, 256, (3, size), dtype=np.uint8)
    for at in SCALES[name]:
        scale = random.normal(0, 0.05, 3).astype(np.float16)
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(3, 2)
    return blocks.reshape(-1)


def main():
    golden = {}
    for i, name in enumerate(TYPES):
        blocks = blocks_of(name, np.random.default_rng(1000 + i))
        tensor_type = gguf.GGMLQuantizationType[name]
        source = blocks
        if name == "F32":
            source = blocks.view(np.float32)
        elif name == "F16":
            source = blocks.view(np.float16)
        values = gguf.quants.dequantize(source, tensor_type).astype("<f4").reshape(-1)
        golden[name] = {
            "blocks": base64.b64encode(blocks.tobytes()).decode(),
            "values": base64.b64encode(values.tobytes()).decode(),
        }
    json.dump(golden, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
