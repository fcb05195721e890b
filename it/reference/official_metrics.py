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
"""Holds the golden file of answer_metrics.py against the datasets' official scripts themselves.

Each is a file of its authors' repository, named by an option; what is not named is left out:

    --triviaqa  evaluation/triviaqa_evaluation.py of mandarjoshi90/triviaqa
    --squad     evaluate-v1.1.py of SQuAD
    --gsm8k     grade_school_math/dataset.py of openai/grade-school-math
    --humaneval human_eval/evaluation.py of openai/human-eval

Nothing of them is in this repository. At triviaqa ca43b58, grade-school-math 3101c7d and human-eval
6d43fb9 all of the 240 items of each agree.
"""

import argparse
import ast
import json
import pathlib
import sys

GOLDEN = pathlib.Path(__file__).parent.parent / "src/test/resources/golden/answer-metrics.json"


def functions(path, *names):
    """The functions of a script with what they stand on, without what it imports besides."""
    tree = ast.parse(pathlib.Path(path).read_text(encoding="utf-8"))
    standard = {"collections", "re", "string", "sys", "json", "os", "itertools", "typing", "numpy"}
    space = {"__name__": "official"}
    for node in tree.body:
        if isinstance(node, ast.Import):
            node.names = [a for a in node.names if a.name in standard]
            if not node.names:
                continue
        elif isinstance(node, ast.ImportFrom) and node.module not in standard | {"__future__"}:
            continue
        elif isinstance(node, (ast.ClassDef, ast.If, ast.Expr)):
            continue
        try:
            exec(compile(ast.Module([node], []), str(path), "exec"), space)
        except NameError:
            pass  # it stands on what is left out; it is not one of those wanted
    return [space[name] for name in names]


def answers(path):
    normalise, exact, f1 = functions(path, "normalize_answer", "exact_match_score", "f1_score")

    def agrees(item):
        answer, references = item["answer"], item["references"]
        return (
            normalise(answer) == item["normalised"]
            and float(max(exact(answer, r) for r in references)) == item["exact_match"]
            and abs(max(f1(answer, r) for r in references) - item["f1"]) < 1e-12
        )

    return agrees


def gsm8k(path):
    (is_correct,) = functions(path, "is_correct")

    def agrees(item):
        right = is_correct(item["answer"], {"answer": item["reference"]})
        return float(right) == item["exact_match"]

    return agrees


def humaneval(path):
    (estimate,) = functions(path, "estimate_pass_at_k")
    return lambda item: abs(estimate(item["n"], [item["c"]], item["k"])[0] - item["value"]) < 1e-9


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    kinds = {
        "triviaqa": ("TRIVIA_QA", answers),
        "squad": ("SQUAD", answers),
        "gsm8k": ("gsm8k", gsm8k),
        "humaneval": ("pass_at_k", humaneval),
    }
    for name in kinds:
        parser.add_argument("--" + name, metavar="FILE")
    given = vars(parser.parse_args())
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    wrong = 0
    for name, (key, make) in kinds.items():
        if given[name]:
            agrees = make(given[name])
            other = [item for item in golden[key] if not agrees(item)]
            print(f"{name}: {len(golden[key]) - len(other)} of {len(golden[key])} agree")
            for item in other[:5]:
                print("   ", item)
            wrong += len(other)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
