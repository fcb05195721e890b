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
"""Golden file of three training steps on a tiny model, by JAX in float64.

    pip install jax numpy
    python training_reference.py --out ../src/test/resources/golden

The base is tiny-gqa-tied of tiny_reference.py. What is learned begins as
0.1 * sin(k + 0.37 * i), rounded to float32, for number i of tensor k in the order of NAMES, or as
the base's own layers. Every row of a text is computed in its place here, unlike in the Java code.
"""

import argparse
import json
import os

import jax
import jax.numpy as jnp
import numpy as np

import tiny_reference as tiny

jax.config.update("jax_enable_x64", True)

SINK, TAIL = 2, 3
RATE, DECAY, CLIP, BETA1, BETA2, EPS = 1e-2, 0.1, 0.5, 0.9, 0.95, 1e-8
LAMBDA, AUX = 0.3, 0.7
ITEMS = [
    [([1, 7, 42, 0, 49, 13, 13, 28, 5, 31, 20], [3, 14, 15, 9]),
     ([2, 6, 5, 35, 8, 9, 7, 9, 3, 2, 38, 46], [2, 6, 43])],
    [([11, 12, 13, 14, 15, 16, 17, 18, 19], [1, 2, 3, 4, 5]),
     ([30, 3, 30, 3, 30, 3, 30, 3, 30], [30, 3])],
    [([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [10, 20, 30]),
     ([5, 10, 15, 20, 25, 30, 35, 40, 45], [0, 5, 10, 15])],
]


def start(k, shape):
    i = np.arange(int(np.prod(shape)))
    return (0.1 * np.sin(k + 0.37 * i)).astype(np.float32).astype(np.float64).reshape(shape)


def base_arrays(model):
    return {k: np.array(v, dtype=np.float64) for k, v in tiny.make_weights(model).items()}


def layer(w, i):
    at = f"model.layers.{i}."
    return {
        "attention_norm": w[at + "input_layernorm.weight"],
        "query": w[at + "self_attn.q_proj.weight"],
        "key": w[at + "self_attn.k_proj.weight"],
        "value": w[at + "self_attn.v_proj.weight"],
        "output": w[at + "self_attn.o_proj.weight"],
        "feed_forward_norm": w[at + "post_attention_layernorm.weight"],
        "gate": w[at + "mlp.gate_proj.weight"],
        "up": w[at + "mlp.up_proj.weight"],
        "down": w[at + "mlp.down_proj.weight"],
    }


def norm(x, weight, eps):
    y = x / jnp.sqrt(jnp.mean(x * x, -1, keepdims=True) + eps)
    return y if weight is None else y * weight


def rope(x, model):
    """All rows of (row, heads * size), row p at position p."""
    size = model["head_size"]
    half = size // 2
    angle = np.arange(x.shape[0])[:, None] * model["rope_theta"] ** (-2.0 * np.arange(half) / size)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    h = x.reshape(x.shape[0], -1, size)
    a, b = h[..., :half], h[..., half:]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)


def attention(l, normed, keys, values, model):
    size, group = model["head_size"], model["heads"] // model["kv_heads"]
    n = normed.shape[0]
    q = rope(normed @ l["query"].T, model).reshape(n, -1, size)
    k = jnp.repeat(rope(keys, model).reshape(n, -1, size), group, 1)
    v = jnp.repeat(values.reshape(n, -1, size), group, 1)
    scores = jnp.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
    scores = jnp.where(np.tril(np.ones((n, n), bool)), scores, -jnp.inf)
    return jnp.einsum("hqk,khd->qhd", jax.nn.softmax(scores), v).reshape(n, -1) @ l["output"].T


def network(l, normed):
    return (jax.nn.silu(normed @ l["gate"].T) * (normed @ l["up"].T)) @ l["down"].T


def read(layers, x, model):
    """Keys before RoPE and values of each layer, and the last stream."""
    eps, out = model["eps"], []
    for l in layers:
        h = norm(x, l["attention_norm"], eps)
        k, v = h @ l["key"].T, h @ l["value"].T
        out.append((k, v))
        x = x + attention(l, h, k, v, model)
        x = x + network(l, norm(x, l["feed_forward_norm"], eps))
    return out, x


def loss(p, w, model, kind, target, prompt, following):
    eps = model["eps"]
    n, m = len(prompt), len(following)
    tokens = np.array(prompt + following[:-1])
    rows = np.arange(len(tokens))
    exact_row = ((rows < SINK) | (rows >= n - TAIL))[:, None]
    predicted_rows = np.arange(SINK, n - TAIL)
    embedding = w["model.embed_tokens.weight"]
    layers = [layer(w, i) for i in range(model["layers"])]
    true_kv, true_x = read(layers, embedding[tokens], model)
    exact_logits = norm(true_x, w["model.norm.weight"], eps)[n - 1:] @ embedding.T
    auxiliary = 0.0
    if kind == "prefix":
        first = 2
        x = embedding[tokens]
        sources = []
        for i in range(first + 1):
            if i in (0, 2):
                sources.append(norm(x, None, eps))
            if i < first:
                l = layers[i]
                h = norm(x, l["attention_norm"], eps)
                x = x + attention(l, h, h @ l["key"].T, h @ l["value"].T, model)
                h = norm(x, l["feed_forward_norm"], eps)
                full = network(l, h)
                if i == 1:
                    linear = h @ p["linearised.1.weight"].T + p["linearised.1.bias"]
                    full = jnp.where(exact_row, full, linear)
                x = x + full
        features = jnp.concatenate(sources, -1)
        source = lambda i: (features, features)
    else:
        first = 0
        x = embedding[tokens]
        own = [{k: p[f"auxiliary.{i}.{k}"] for k in layers[0]} for i in range(2)]
        kv, last = read(own, embedding[np.array(prompt[:-1])], model)
        log_q = jax.nn.log_softmax(norm(last, w["model.norm.weight"], eps) @ embedding.T)
        auxiliary = -jnp.mean(log_q[np.arange(n - 1), np.array(prompt[1:])])
        pad = ((0, len(tokens) - (n - 1)), (0, 0))
        source = lambda i: tuple(jnp.pad(a, pad) for a in kv[[0, 0, 1][i]])
    consistency = 0.0
    for i in range(first, model["layers"]):
        l = layers[i]
        fk, fv = source(i)
        k = fk @ p[f"layers.{i}.key.weight"].T + p[f"layers.{i}.key.bias"]
        v = fv @ p[f"layers.{i}.value.weight"].T + p[f"layers.{i}.value.bias"]
        consistency += jnp.mean(jnp.abs(k - true_kv[i][0])[predicted_rows])
        consistency += jnp.mean(jnp.abs(v - true_kv[i][1])[predicted_rows])
        h = norm(x, l["attention_norm"], eps)
        k = jnp.where(exact_row, h @ l["key"].T, k)
        v = jnp.where(exact_row, h @ l["value"].T, v)
        x = x + attention(l, h, k, v, model)
        x = x + network(l, norm(x, l["feed_forward_norm"], eps))
    consistency /= model["layers"] - first
    log_q = jax.nn.log_softmax(norm(x, w["model.norm.weight"], eps)[n - 1:] @ embedding.T)
    if target == "TEXT":
        base = -jnp.mean(log_q[np.arange(m), np.array(following)])
    else:
        log_p = jax.nn.log_softmax(exact_logits)
        base = jnp.sum(jnp.exp(log_p) * (log_p - log_q)) / m
    total = base + LAMBDA * consistency + (AUX * auxiliary if kind != "prefix" else 0.0)
    return total, (base, auxiliary, consistency)


def parameters(w, model, kind):
    kv, hidden = model["kv_heads"] * model["head_size"], model["hidden"]
    first, features = (2, 2 * hidden) if kind == "prefix" else (0, kv)
    names = []
    for i in range(first, model["layers"]):
        for side in ("key", "value"):
            names += [(f"layers.{i}.{side}.weight", (kv, features)), (f"layers.{i}.{side}.bias", (kv,))]
    if kind == "prefix":
        names += [("linearised.1.weight", (hidden, hidden)), ("linearised.1.bias", (hidden,))]
    p = {name: start(k, shape) for k, (name, shape) in enumerate(names)}
    if kind != "prefix":
        for i, kept in enumerate((0, 2)):
            p |= {f"auxiliary.{i}.{k}": v for k, v in layer(w, kept).items()}
    return p


def summary(a):
    a = np.asarray(a).ravel()
    return {"sum": float(a.sum()), "squares": float((a * a).sum()), "first": [float(x) for x in a[:8]]}


def train(w, model, kind, target):
    p = parameters(w, model, kind)
    mean = {k: np.zeros_like(v) for k, v in p.items()}
    variance = {k: np.zeros_like(v) for k, v in p.items()}
    steps = []
    for step, batch in enumerate(ITEMS):
        gradients, terms, total = {k: np.zeros_like(v) for k, v in p.items()}, np.zeros(3), 0.0
        for prompt, following in batch:
            (value, parts), g = jax.value_and_grad(loss, has_aux=True)(
                p, w, model, kind, target, prompt, following)
            total += float(value) / len(batch)
            terms += np.array([float(x) for x in parts]) / len(batch)
            gradients = {k: gradients[k] + np.asarray(g[k]) / len(batch) for k in p}
        size = np.sqrt(sum((g * g).sum() for g in gradients.values()))
        scale = min(1.0, CLIP / size)
        for k in p:
            g = gradients[k] * scale
            mean[k] = BETA1 * mean[k] + (1 - BETA1) * g
            variance[k] = BETA2 * variance[k] + (1 - BETA2) * g * g
            corrected = mean[k] / (1 - BETA1 ** (step + 1))
            root = np.sqrt(variance[k] / (1 - BETA2 ** (step + 1))) + EPS
            decay = DECAY if p[k].ndim == 2 else 0.0
            p[k] = p[k] * (1 - RATE * decay) - RATE * corrected / root
        steps.append({
            "total": total, "base": terms[0], "auxiliary": terms[1], "consistency": terms[2],
            "norm": float(size),
            "gradients": {k: summary(v) for k, v in gradients.items()},
            "parameters": {k: summary(v) for k, v in p.items()},
        })
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    out = parser.parse_args().out
    model = tiny.COMMON | tiny.MODELS[0]
    w = base_arrays(model)
    runs = {
        f"{kind} {target}": train(w, model, kind, target)
        for kind in ("prefix", "layer-pruned") for target in ("TEXT", "EXACT")
    }
    with open(os.path.join(out, "training-steps.json"), "w", encoding="utf-8") as f:
        json.dump({"items": ITEMS, "runs": runs}, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
