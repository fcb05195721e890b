#!/usr/bin/env python3
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
"""Scores of made-up answers by the rules of the datasets' official evaluation scripts.

SQuAD 1.1 (evaluate-v1.1.py), TriviaQA (triviaqa_evaluation.py), Natural Questions open (ORQA's
normalisation) and GSM8K (dataset.py) are written down anew here from their published rules; pass@k
is computed as a quotient of binomial coefficients, exactly. The answers are made from the word
lists below with a fixed seed; no text of any dataset is in them. official_metrics.py holds what comes of
it against the scripts themselves.
"""

import argparse
import collections
import fractions
import json
import math
import pathlib
import random
import re
import string
import unicodedata

ITEMS = 240

WORDS = (
    "river stone the a an The A Paris São Köln naïve ñandú café Zoë 42 1,000 3.5 half Théâtre the- "
    "an. U.S. rock'n'roll mother-in-law re_enter under_score O’Neill ‘quoted’ l’été accent´s "
    "back`tick Ångström ßtraße İzmir ΣΊΣΥΦΟΣ Москва 東京 naïve— $5 50% (maybe) \"said\" [sic] a_b "
    "the_end an1 à l'a the! A. II ½ x² tea-the and & at @home #1 fair/unfair é̀"
).split()
SPACES = (" ", "  ", "\t", "\u00a0", " \u2003", " , ", "\u3000")


def squad(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def triviaqa(text):
    marks = set(string.punctuation + "‘’´`")
    text = "".join(" " if c in marks else c for c in text.replace("_", " ").lower())
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split()).strip()


def nq_open(text):
    return squad(unicodedata.normalize("NFD", text))


def f1(normalise, answer, reference):
    a, b = normalise(answer).split(), normalise(reference).split()
    same = sum((collections.Counter(a) & collections.Counter(b)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(a), same / len(b)
    return 2 * precision * recall / (precision + recall)


def phrase(random_, most):
    words = [random_.choice(WORDS) for _ in range(random_.randint(0, most))]
    out = random_.choice(("", " ", "The ", "\t"))
    for word in words:
        out += word + random_.choice(SPACES)
    return out if random_.random() < 0.3 else out.strip()


def vary(random_, reference):
    """An answer that has something in common with a reference."""
    how = random_.randrange(6)
    if how == 0:
        return reference
    if how == 1:
        return "The " + reference.upper() + "."
    if how == 2:
        return " ".join(reference.split()[1:]) + " of it"
    if how == 3:
        return reference.replace(" ", "-")
    if how == 4:
        return unicodedata.normalize("NFD", reference)
    return phrase(random_, 4)


def questions(normalise, seed):
    random_ = random.Random(seed)
    out = []
    for _ in range(ITEMS):
        references = [phrase(random_, 4) for _ in range(random_.randint(1, 3))]
        answer = vary(random_, random_.choice(references))
        out.append({
            "answer": answer,
            "references": references,
            "normalised": normalise(answer),
            "exact_match": float(max(normalise(answer) == normalise(r) for r in references)),
            "f1": max(f1(normalise, answer, r) for r in references),
        })
    return out


def gsm8k_number(text):
    found = re.compile(r"#### (\-?[0-9\.\,]+)").search(text)
    return found.group(1).strip().replace(",", "") if found else "[invalid]"


def gsm8k(seed):
    random_ = random.Random(seed)
    out = []
    for _ in range(ITEMS):
        number = random_.choice((1, 10, 1000, 10**6)) * random_.randint(-9, 99)
        reference = f"So it is {abs(number)}.\n#### {number:,}"
        other = number if random_.random() < 0.6 else number + random_.randint(1, 3)
        answer = random_.choice((
            "It takes 3 + 4 = 7.\n#### {0}", "#### {0:,}", "####{0}", "#### ${0}", "#### {0}.",
            "### {0}", "The answer is {0}", "#### {0} apples", "", "#### x\n#### {0}",
            "#### {0}\n#### 5", "first #### {0}",
        )).format(other)
        right = gsm8k_number(reference)
        out.append({
            "answer": answer,
            "reference": reference,
            "exact_match": float(gsm8k_number(answer) == right),
        })
    return out


def pass_at_k(seed):
    random_ = random.Random(seed)
    out = []
    for _ in range(ITEMS):
        n = random_.choice((1, 5, 10, 20, 100, 200))
        c, k = random_.randint(0, n), random_.randint(1, n)
        value = 1 - fractions.Fraction(math.comb(n - c, k), math.comb(n, k))
        out.append({"n": n, "c": c, "k": k, "value": float(value)})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder of the golden file")
    golden = {
        "SQUAD": questions(squad, 1),
        "TRIVIA_QA": questions(triviaqa, 2),
        "NQ_OPEN": questions(nq_open, 3),
        "gsm8k": gsm8k(4),
        "pass_at_k": pass_at_k(5),
    }
    lines = ",\n".join(
        json.dumps(name) + ": [\n" + ",\n".join(json.dumps(i) for i in items) + "\n]"
        for name, items in golden.items())
    (parser.parse_args().out / "answer-metrics.json").write_text("{" + lines + "}\n")


main()
