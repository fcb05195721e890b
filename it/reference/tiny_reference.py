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
"""Golden files of tiny random models, computed with plain Python loops (no numpy).

Weights come from a documented LCG, so the golden files hold only the seed and the results.
Every number is a Python float (float64). README.md states the LCG and the tensor order.
"""

import argparse
import json
import math
import os
import struct

LCG_MULTIPLIER = 6364136223846793005
LCG_INCREMENT = 1442695040888963407
MASK_64 = (1 << 64) - 1

TOKENS = [1, 7, 42, 0, 49, 13, 13, 28, 5, 31, 20]

COMMON = {"hidden": 32, "ffn": 48, "head_size": 8, "vocab": 50}
MODELS = [
    {"name": "tiny-gqa-tied", "architecture": "llama", "seed": 1001, "layers": 3, "heads": 4,
     "kv_heads": 2, "tied": True, "bias": False, "eps": 1e-5, "rope_theta": 10000.0},
    {"name": "tiny-mha-untied", "architecture": "llama", "seed": 2002, "layers": 3, "heads": 4,
     "kv_heads": 4, "tied": False, "bias": False, "eps": 1e-6, "rope_theta": 500000.0},
    {"name": "tiny-qwen2-bias", "architecture": "qwen2", "seed": 3003, "layers": 3, "heads": 4,
     "kv_heads": 2, "tied": True, "bias": True, "eps": 1e-6, "rope_theta": 1000000.0},
]

# value = offset + ((state >>> 40) / 2^24 - 0.5) * scale
EMBEDDING = (0.0, 2.0)
NORM = (1.0, 0.5)
MATRIX = (0.0, 0.5)
BIAS = (0.0, 1.0)


def round_bf16(value):
    """float64 -> float32 -> BF16, each to nearest even."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def next(self, kind):
        self.state = (self.state * LCG_MULTIPLIER + LCG_INCREMENT) & MASK_64
        offset, scale = kind
        return round_bf16(offset + ((self.state >> 40) / 2.0**24 - 0.5) * scale)


def tensor_order(model):
    """(name, shape, kind) in the order in which the LCG fills them; matrices are [out, in]."""
    hidden, ffn, vocab = model["hidden"], model["ffn"], model["vocab"]
    q_size = model["heads"] * model["head_size"]
    kv_size = model["kv_heads"] * model["head_size"]
    order = [("model.embed_tokens.weight", [vocab, hidden], EMBEDDING)]
    for i in range(model["layers"]):
        layer = f"model.layers.{i}."
        order.append((layer + "input_layernorm.weight", [hidden], NORM))
        for name, size in (("q_proj", q_size), ("k_proj", kv_size), ("v_proj", kv_size)):
            order.append((layer + f"self_attn.{name}.weight", [size, hidden], MATRIX))
            if model["bias"]:
                order.append((layer + f"self_attn.{name}.bias", [size], BIAS))
        order.append((layer + "self_attn.o_proj.weight", [hidden, q_size], MATRIX))
        order.append((layer + "post_attention_layernorm.weight", [hidden], NORM))
        order.append((layer + "mlp.gate_proj.weight", [ffn, hidden], MATRIX))
        order.append((layer + "mlp.up_proj.weight", [ffn, hidden], MATRIX))
        order.append((layer + "mlp.down_proj.weight", [hidden, ffn], MATRIX))
    order.append(("model.norm.weight", [hidden], NORM))
    if not model["tied"]:
        order.append(("lm_head.weight", [vocab, hidden], MATRIX))
    return order


def make_weights(model):
    """name -> list (vector) or list of rows (matrix), all from one LCG stream."""
    lcg = Lcg(model["seed"])
    weights = {}
    for name, shape, kind in tensor_order(model):
        if len(shape) == 1:
            weights[name] = [lcg.next(kind) for _ in range(shape[0])]
        else:
            weights[name] = [[lcg.next(kind) for _ in range(shape[1])] for _ in range(shape[0])]
    return weights


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def add(a, b):
    return [x + y for x, y in zip(a, b, strict=True)]


def rms_norm(x, weight, eps):
    inverse = 1.0 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * inverse * w for v, w in zip(x, weight, strict=True)]


def rope(head, position, theta):
    """Half-split: element i turns with element i + size / 2."""
    size, half = len(head), len(head) // 2
    out = [0.0] * size
    for i in range(half):
        angle = position * theta ** (-2.0 * i / size)
        cos, sin = math.cos(angle), math.sin(angle)
        out[i] = head[i] * cos - head[i + half] * sin
        out[i + half] = head[i + half] * cos + head[i] * sin
    return out


def attend(query, keys, values):
    scores = [dot(query, key) / math.sqrt(len(query)) for key in keys]
    top = max(scores)
    exps = [math.exp(s - top) for s in scores]
    total = math.fsum(exps)
    return [dot(exps, column) / total for column in zip(*values)]


def forward(model, weights, tokens):
    """Token by token with a KV cache; returns logits, per-layer K and V, last residual stream."""
    size, theta, eps = model["head_size"], model["rope_theta"], model["eps"]
    group = model["heads"] // model["kv_heads"]

    def project(x, name):
        y = [dot(row, x) for row in weights[name + ".weight"]]
        return add(y, weights[name + ".bias"]) if name + ".bias" in weights else y

    def split(x):
        return [x[i : i + size] for i in range(0, len(x), size)]

    layers = range(model["layers"])
    k_pre_rope = [[] for _ in layers]
    v_all = [[] for _ in layers]
    cache = [[([], []) for _ in range(model["kv_heads"])] for _ in layers]
    for position, token in enumerate(tokens):
        x = weights["model.embed_tokens.weight"][token]
        residual = [x]
        for i in layers:
            layer = f"model.layers.{i}."
            h = rms_norm(x, weights[layer + "input_layernorm.weight"], eps)
            q = project(h, layer + "self_attn.q_proj")
            k = project(h, layer + "self_attn.k_proj")
            v = project(h, layer + "self_attn.v_proj")
            k_pre_rope[i].append(k)
            v_all[i].append(v)
            for (keys, values), k_head, v_head in zip(cache[i], split(k), split(v), strict=True):
                keys.append(rope(k_head, position, theta))
                values.append(v_head)
            mixed = []
            for head, q_head in enumerate(split(q)):
                mixed += attend(rope(q_head, position, theta), *cache[i][head // group])
            x = add(x, project(mixed, layer + "self_attn.o_proj"))
            h = rms_norm(x, weights[layer + "post_attention_layernorm.weight"], eps)
            gate, up = project(h, layer + "mlp.gate_proj"), project(h, layer + "mlp.up_proj")
            x = add(x, project([g / (1.0 + math.exp(-g)) * u for g, u in zip(gate, up)], layer + "mlp.down_proj"))
            residual.append(x)
    last = rms_norm(x, weights["model.norm.weight"], eps)
    logits = project(last, "model.embed_tokens" if model["tied"] else "lm_head")
    return {"logits": logits, "residual_last_position": residual, "k_pre_rope": k_pre_rope, "v": v_all}


def rounded(value):
    return [rounded(v) for v in value] if isinstance(value, list) else float("%.9g" % value)


def flatten(tensor):
    return [v for row in tensor for v in row] if isinstance(tensor[0], list) else tensor


def golden(model, weights, result):
    checks = []
    for name, shape, _ in tensor_order(model):
        values = flatten(weights[name])
        checks.append({"name": name, "shape": shape, "first": values[:3], "last": values[-1], "sum": math.fsum(values)})
    return {
        "format": "kvp4j-reference-tiny",
        "format_version": 1,
        "model": model,
        "lcg": {
            "multiplier": str(LCG_MULTIPLIER),
            "increment": str(LCG_INCREMENT),
            "embedding": list(EMBEDDING),
            "norm": list(NORM),
            "matrix": list(MATRIX),
            "bias": list(BIAS),
        },
        "tensors": checks,
        "tokens": TOKENS,
        **{key: rounded(value) for key, value in result.items()},
    }


def write_json(path, root):
    """Two levels open, one line per entry below."""

    def compact(value):
        return json.dumps(value, separators=(",", ":"))

    lines = []
    for key, value in root.items():
        if isinstance(value, list) and isinstance(value[0], (list, dict)):
            lines.append(f"  {compact(key)}: [\n" + ",\n".join("    " + compact(v) for v in value) + "\n  ]")
        else:
            lines.append(f"  {compact(key)}: {compact(value)}")
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write("{\n" + ",\n".join(lines) + "\n}\n")


def check_with_numpy(model, weights, result):
    """Compares with the other implementation, llama_reference.forward; needs numpy."""
    import llama_reference as other
    import numpy as np

    config = other.Config(**{field: model[field] for field in other.Config.__dataclass_fields__})
    renamed = {}
    for name, values in weights.items():
        for part in ("model.", "self_attn.", "mlp.", ".weight"):
            name = name.replace(part, "")
        renamed[name] = np.array(values, dtype=np.float32)
        if not (other.round_bf16(renamed[name]) == renamed[name]).all():
            raise SystemExit(name + " is not BF16-representable")
    trace = other.forward(config, renamed, TOKENS)
    pairs = [
        (trace.logits, result["logits"]),
        (trace.k, result["k_pre_rope"]),
        (trace.v, result["v"]),
        ([r[-1] for r in trace.residual], result["residual_last_position"]),
    ]
    worst = max(float(np.max(np.abs(np.array(a) - np.array(b)))) for a, b in pairs)
    print(f"{model['name']}: largest difference from numpy {worst:.3g}")
    if worst > 1e-10:
        raise SystemExit("the two implementations differ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out-dir", required=True, help="folder of the golden files")
    parser.add_argument("--check", action="store_true", help="compare with llama_reference.py too")
    args = parser.parse_args()
    for model in MODELS:
        model = {**model, **COMMON}
        weights = make_weights(model)
        result = forward(model, weights, TOKENS)
        if args.check:
            check_with_numpy(model, weights, result)
        write_json(os.path.join(args.out_dir, model["name"] + ".json"), golden(model, weights, result))


if __name__ == "__main__":
    main()
