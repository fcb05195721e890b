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
"""Makes a narrower, shallower sibling of a Llama-family model, by distillation on the CPU.

The sibling has the base's tokenizer and its own width and depth. It begins as the base seen through
a narrow window: embedding, layers and head are projected on the principal directions of its residual
streams, and evenly spaced layers, the first of the heads and the strongest of the feed-forward neurons stay. Then
it learns, a text at a time, to give the base's distribution of the next token (KL, at some of the
positions) and the base's residual streams (normalised, projected, by layer).

It is a model to try the kind SIBLING with, as good as the minutes given to it; not a good model.
Writes a folder that Jlama loads: config.json, model.safetensors (BF16), the base's tokenizer.
"""

import argparse
import gzip
import json
import math
import os
import random
import shutil
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Llama:
    """A forward pass over a dictionary of tensors with Hugging Face names."""

    def __init__(self, tensors, config):
        self.t = tensors
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.kv = config["num_key_value_heads"]
        self.size = config["head_dim"]
        self.eps = config["rms_norm_eps"]
        self.theta = config["rope_theta"]

    def layer(self, i, name):
        part = "self_attn" if name in MATRICES[:4] else "mlp"
        return self.t[f"model.layers.{i}.{part}.{name}.weight"]

    def norm(self, x, name):
        x = x.float()
        return (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)) * self.t[name].float()

    def streams(self, tokens):
        """The residual stream [position, hidden] before each layer and after the last."""
        n = len(tokens)
        half = self.size // 2
        angle = torch.arange(n)[:, None] / self.theta ** (torch.arange(half)[None, :] * 2 / self.size)
        cos, sin = angle.cos(), angle.sin()

        def turn(x):  # [position, heads, size]
            a, b = x[..., :half], x[..., half:]
            c, s = cos[:, None], sin[:, None]
            return torch.cat((a * c - b * s, a * s + b * c), -1)

        x = F.embedding(tokens, self.t["model.embed_tokens.weight"]).float()
        out = [x]
        for i in range(self.layers):
            h = self.norm(x, f"model.layers.{i}.input_layernorm.weight").bfloat16()
            q = turn((h @ self.layer(i, "q_proj").bfloat16().T).float().view(n, self.heads, self.size))
            k = turn((h @ self.layer(i, "k_proj").bfloat16().T).float().view(n, self.kv, self.size))
            v = (h @ self.layer(i, "v_proj").bfloat16().T).view(n, self.kv, self.size)
            group = self.heads // self.kv
            a = F.scaled_dot_product_attention(
                q.bfloat16().transpose(0, 1)[None],
                k.bfloat16().repeat_interleave(group, 1).transpose(0, 1)[None],
                v.repeat_interleave(group, 1).transpose(0, 1)[None],
                is_causal=True,
            )[0]
            a = a.transpose(0, 1).reshape(n, self.heads * self.size)
            x = x + (a @ self.layer(i, "o_proj").bfloat16().T).float()
            h = self.norm(x, f"model.layers.{i}.post_attention_layernorm.weight").bfloat16()
            gate = F.silu(h @ self.layer(i, "gate_proj").bfloat16().T)
            h = gate * (h @ self.layer(i, "up_proj").bfloat16().T)
            x = x + (h @ self.layer(i, "down_proj").bfloat16().T).float()
            out.append(x)
        return out

    def head(self):
        return self.t.get("lm_head.weight", self.t["model.embed_tokens.weight"])

    def log_probabilities(self, x):
        h = self.norm(x, "model.norm.weight").bfloat16()
        return (h @ self.head().bfloat16().T).float().log_softmax(-1)


def window(base, read, hidden):
    """The principal directions [base hidden, hidden] of the normalised streams before the layers and
    after the last over some texts, and the share of their squares that the directions hold."""
    moment = 0
    with torch.no_grad():
        for text in read:
            for x in base.streams(text):
                x = F.normalize(x[1:], dim=-1)
                moment = moment + x.T @ x
    values, vectors = torch.linalg.eigh(moment)
    return vectors[:, -hidden:].flip(1).contiguous(), float(values[-hidden:].sum() / values.sum())


def project(base, small, p):
    """The sibling's first weights: the base's, seen through p [base hidden, hidden]."""
    t = base.t
    # what is divided by the RMS of fewer numbers is shorter by this factor
    scale = math.sqrt(p.shape[0] / p.shape[1])
    out = {"model.embed_tokens.weight": t["model.embed_tokens.weight"].float() @ p}
    queries = small.heads * small.size
    keys = small.kv * small.size
    taken = [round(i * (base.layers - 1) / (small.layers - 1)) for i in range(small.layers)]
    for i, at in enumerate(taken):
        before = t[f"model.layers.{at}.input_layernorm.weight"].float()
        after = t[f"model.layers.{at}.post_attention_layernorm.weight"].float()
        w = {name: base.layer(at, name).float() for name in MATRICES}
        strong = (w["gate_proj"].norm(dim=1) * w["up_proj"].norm(dim=1) * w["down_proj"].norm(dim=0))
        kept = strong.topk(small.ffn).indices.sort().values
        narrow = {
            "q_proj": (w["q_proj"][:queries] * before) @ p,
            "k_proj": (w["k_proj"][:keys] * before) @ p,
            "v_proj": (w["v_proj"][:keys] * before) @ p,
            "o_proj": p.T @ w["o_proj"][:, :queries],
            "gate_proj": (w["gate_proj"][kept] * after) @ p,
            "up_proj": (w["up_proj"][kept] * after) @ p,
            "down_proj": p.T @ w["down_proj"][:, kept],
        }
        for name, value in narrow.items():
            part = "self_attn" if name in MATRICES[:4] else "mlp"
            out[f"model.layers.{i}.{part}.{name}.weight"] = value
        for name in ("input_layernorm", "post_attention_layernorm"):
            out[f"model.layers.{i}.{name}.weight"] = torch.full((p.shape[1],), scale)
    # a head of its own, so that the final norm's weights can go into it before the window
    out["lm_head.weight"] = (base.head().float() * t["model.norm.weight"].float()) @ p
    out["model.norm.weight"] = torch.full((p.shape[1],), scale)
    return {name: v.contiguous().requires_grad_() for name, v in out.items()}, taken


def texts(path, tokenizer, seed, length):
    """Token sequences, for ever: a tenth of the passages, the first after shuffling, is held out."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")
    with opened as f:
        passages = [json.loads(line)["text"] for line in f]
    generator = random.Random(seed)
    generator.shuffle(passages)
    held = len(passages) // 10 + 1

    def stream(part):
        while True:
            for text in part:
                ids = tokenizer.encode(text).ids[: 8 * length]
                for at in range(0, len(ids) - 31, length):
                    yield torch.tensor(ids[at : at + length])
            generator.shuffle(part)

    return stream(passages[:held]), stream(passages[held:])


def loss(base, small, taken, p, tokens, share, generator):
    """Mean KL at some positions, and the distance of the streams, a mean over layers."""
    with torch.no_grad():
        theirs = base.streams(tokens)
    own = small.streams(tokens)
    some = torch.randperm(len(tokens), generator=generator)[: max(1, int(share * len(tokens)))]
    with torch.no_grad():
        wanted = base.log_probabilities(theirs[-1][some])
    got = small.log_probabilities(own[-1][some])
    kl = F.kl_div(got, wanted, log_target=True, reduction="batchmean")
    distance = 0
    for i, at in enumerate(taken):
        target = F.normalize(theirs[at + 1] @ p, dim=-1)
        distance = distance + (F.normalize(own[i + 1], dim=-1) - target)[1:].square().sum(-1).mean()
    return kl, distance / len(taken)


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("--model", required=True, help="the base's folder")
    a.add_argument("--data", required=True, help="JSON Lines with a field 'text'; may be gzipped")
    a.add_argument("--out", required=True, help="the folder to write")
    a.add_argument("--layers", type=int, default=12)
    a.add_argument("--hidden", type=int, default=384)
    a.add_argument("--heads", type=int, default=6)
    a.add_argument("--kv-heads", type=int, default=2)
    a.add_argument("--ffn", type=int, default=1024)
    a.add_argument("--minutes", type=float, default=25)
    a.add_argument("--length", type=int, default=256, help="tokens of a text")
    a.add_argument("--batch", type=int, default=4, help="texts that make an update")
    a.add_argument("--share", type=float, default=0.25, help="of the positions that the KL is taken at")
    a.add_argument("--rate", type=float, default=1e-3)
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--judged", type=int, default=8, help="held-out texts")
    a.add_argument("--seed", type=int, default=1)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    generator = torch.Generator().manual_seed(o.seed)
    with open(os.path.join(o.model, "config.json")) as f:
        config = json.load(f)
    base = Llama(load_file(os.path.join(o.model, "model.safetensors")), config)
    group = config["num_attention_heads"] // config["num_key_value_heads"]
    if o.heads != o.kv_heads * group:
        a.error(f"the base has {group} heads for each key head; so must the sibling")
    narrow = dict(config)
    narrow.update(
        hidden_size=o.hidden,
        intermediate_size=o.ffn,
        num_hidden_layers=o.layers,
        num_attention_heads=o.heads,
        num_key_value_heads=o.kv_heads,
        tie_word_embeddings=False,
    )
    tokenizer = Tokenizer.from_file(os.path.join(o.model, "tokenizer.json"))
    held_out, training = texts(o.data, tokenizer, o.seed, o.length)
    judged = [next(held_out) for _ in range(o.judged)]
    p, held = window(base, [next(training) for _ in range(8)], o.hidden)
    small = Llama({}, narrow)
    small.ffn = o.ffn
    small.t, taken = project(base, small, p)
    print(f"{sum(v.numel() for v in small.t.values()):,} numbers; the window holds {held:.3f} of")
    print(f"the streams' squares; layers {taken} of the base", flush=True)

    def judge():
        kls, hits, own, theirs = [], [], [], []
        with torch.no_grad():
            for t in judged:
                wanted = base.log_probabilities(base.streams(t)[-1])
                got = small.log_probabilities(small.streams(t)[-1])
                kls.append(F.kl_div(got, wanted, log_target=True, reduction="batchmean"))
                hits.append((got.argmax(-1) == wanted.argmax(-1)).float().mean())
                own.append(F.nll_loss(got[:-1], t[1:]))
                theirs.append(F.nll_loss(wanted[:-1], t[1:]))
        kl, hit, own, theirs = (float(torch.stack(v).mean()) for v in (kls, hits, own, theirs))
        return f"held out: KL {kl:.3f}, agreement {hit:.3f}, perplexity {math.exp(own):.1f} (base {math.exp(theirs):.1f})"

    print("before:", judge(), flush=True)
    optimiser = torch.optim.AdamW(small.t.values(), lr=o.rate, betas=(0.9, 0.95), weight_decay=0.01)
    begin, step, tokens = time.time(), 0, 0
    while (spent := (time.time() - begin) / 60) < o.minutes:
        rate = o.rate * min(1, (step + 1) / 20) * (0.1 + 0.9 * (1 + math.cos(math.pi * spent / o.minutes)) / 2)
        for g in optimiser.param_groups:
            g["lr"] = rate
        optimiser.zero_grad()
        parts = []
        for _ in range(o.batch):
            text = next(training)
            kl, distance = loss(base, small, taken, p, text, o.share, generator)
            ((kl + distance) / o.batch).backward()
            parts.append((float(kl), float(distance)))
            tokens += len(text)
        torch.nn.utils.clip_grad_norm_(small.t.values(), 1.0)
        optimiser.step()
        step += 1
        if step % 25 == 0:
            kl, distance = (sum(v) / len(parts) for v in zip(*parts))
            print(f"step {step}: KL {kl:.3f}, streams {distance:.3f}, {tokens:,} tokens, {spent:.1f} min", flush=True)
        if step % 500 == 0:
            print(judge(), flush=True)
    result = judge()
    worked = time.process_time() / 60
    print(f"after {step} steps, {worked:.1f} minutes of processor time:", result)
    os.makedirs(o.out, exist_ok=True)
    save_file(
        {name: v.detach().bfloat16() for name, v in small.t.items()},
        os.path.join(o.out, "model.safetensors"),
        metadata={"format": "pt"},
    )
    with open(os.path.join(o.out, "config.json"), "w") as f:
        json.dump(narrow, f, indent=2)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(os.path.join(o.model, name), os.path.join(o.out, name))
    with open(os.path.join(o.out, "README.md"), "w") as f:
        f.write(f"Made by make_sibling.py in {worked:.1f} minutes of processor time: {step} steps, {tokens:,} tokens; {result}.\n")


if __name__ == "__main__":
    main()
