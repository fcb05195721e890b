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
"""Talks to a KVP4J server through the public openai client, which is the judge.

    python openai_client.py http://127.0.0.1:8080/v1 API_KEY MODEL
"""

import json
import sys
import threading

import openai

base_url, api_key, model = sys.argv[1:4]
client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=300)
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def chat(**more):
    given = {"model": model, "messages": QUESTION, "temperature": 0, "max_completion_tokens": 24}
    return client.chat.completions.create(**{**given, **more})


def refused(kind, **more):
    try:
        chat(**more)
    except kind as e:
        assert "\n" not in e.body["message"], e.body
        return e
    raise AssertionError(f"{more} was not refused")


def test_models():
    assert [m.id for m in client.models.list()] == [model]
    assert client.models.retrieve(model).id == model


def test_chat():
    answer = chat()
    assert "Paris" in answer.choices[0].message.content, answer
    assert answer.choices[0].finish_reason == "stop", answer
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage
    assert usage.prompt_tokens_details.cached_tokens >= 0, usage
    assert usage.prompt_tokens_details.model_extra["predicted_tokens"] >= 0, usage
    assert chat(max_completion_tokens=2).choices[0].finish_reason == "length"


def test_stream_equals_whole():
    whole = chat()
    parts, usage, reasons = [], None, []
    for chunk in chat(stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            parts.append(chunk.choices[0].delta.content or "")
            reasons.append(chunk.choices[0].finish_reason)
        usage = chunk.usage or usage
    assert "".join(parts) == whole.choices[0].message.content
    assert len(parts) > 3, "the answer did not come in parts"
    assert reasons[-1] == "stop" and set(reasons[:-1]) == {None}, reasons
    assert usage.completion_tokens == whole.usage.completion_tokens, usage
    with client.chat.completions.stream(model=model, messages=QUESTION, temperature=0) as events:
        assert events.get_final_completion().choices[0].message.content == whole.choices[0].message.content


def test_stop():
    full = chat().choices[0].message.content
    cut = chat(stop=["Paris"]).choices[0]
    assert cut.finish_reason == "stop" and cut.message.content == full[: full.index("Paris")], cut


def test_seed():
    def story(seed):
        ask = [{"role": "user", "content": "Tell me a story."}]
        return chat(messages=ask, temperature=1.2, top_p=0.95, seed=seed).choices[0].message.content

    assert story(1) == story(1)
    assert len({story(seed) for seed in range(4)}) > 1, "the seed changes nothing"


def test_modes():
    words = "The mill stands by the river. " * 60
    ask = [{"role": "user", "content": words + "Where does the mill stand?"}]
    seen = {}
    # what is predicted is not kept, so that the second way reads the whole prompt too
    for mode in ("predict", "exact"):
        answer = chat(messages=ask, extra_body={"kvp": {"mode": mode}})
        seen[mode] = answer.usage.prompt_tokens_details.model_extra["predicted_tokens"]
        assert answer.model_extra["kvp"]["mode"] == mode, answer
        assert answer.model_extra["kvp"]["ttft_ms"] > 0, answer
        assert "river" in answer.choices[0].message.content, answer
    assert seen["exact"] == 0 and seen["predict"] > 200, seen
    # what was read exactly is kept, and the next prompt that begins so is answered from there
    again = chat(messages=ask, extra_body={"kvp": {"mode": "predict"}}).usage
    assert again.prompt_tokens_details.cached_tokens > 200, again


def test_completions():
    answer = client.completions.create(
        model=model, prompt="The capital of France is", temperature=0, max_tokens=4
    )
    assert "Paris" in answer.choices[0].text, answer
    parts = client.completions.create(
        model=model, prompt="The capital of France is", temperature=0, max_tokens=4, stream=True
    )
    assert "".join(p.choices[0].text for p in parts) == answer.choices[0].text


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "The city's name"}},
            "required": ["city"],
        },
    },
}


def test_tools():
    ask = [{"role": "user", "content": "What is the weather in Paris?"}]
    given = {"messages": ask, "tools": [WEATHER], "tool_choice": "required", "max_completion_tokens": 60}
    choice = chat(**given).choices[0]
    assert choice.finish_reason == "tool_calls", choice
    (call,) = choice.message.tool_calls
    assert call.type == "function" and call.function.name == "get_weather", call
    assert json.loads(call.function.arguments)["city"].startswith("Paris"), call
    # the same by name, and streamed; the client puts the parts together
    by_name = {"type": "function", "function": {"name": "get_weather"}}
    with client.chat.completions.stream(model=model, temperature=0, **{**given, "tool_choice": by_name}) as events:
        streamed = [e for e in events if e.type == "tool_calls.function.arguments.done"]
        final = events.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls", final
    assert final.message.content == choice.message.content, final
    assert final.message.tool_calls[0].function.arguments == call.function.arguments, final
    assert [e.name for e in streamed] == ["get_weather"], streamed
    # the result goes back, and is answered in words
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny, 21 degrees"}
    answer = chat(messages=[*ask, choice.message, result], tools=[WEATHER]).choices[0]
    assert answer.finish_reason in ("stop", "length") and answer.message.tool_calls is None, answer
    assert "sunny" in answer.message.content.lower(), answer
    # nothing may be called
    none = chat(tools=[WEATHER], tool_choice="none").choices[0]
    assert none.message.tool_calls is None and "Paris" in none.message.content, none
    wrong = {**result, "tool_call_id": "another"}
    assert refused(openai.BadRequestError, messages=[*ask, wrong]).param == "messages[1].tool_call_id"


def test_refusals():
    assert refused(openai.BadRequestError, tool_choice="required").param == "tool_choice"
    assert refused(openai.BadRequestError, n=2).param == "n"
    assert refused(openai.BadRequestError, temperature=9).param == "temperature"
    assert refused(openai.NotFoundError, model="gpt-4").code == "model_not_found"
    long = [{"role": "user", "content": "word " * 20000}]
    assert refused(openai.BadRequestError, messages=long).code == "context_length_exceeded"
    other = openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0)
    try:
        other.models.list()
        raise AssertionError("a wrong key was taken")
    except openai.AuthenticationError as e:
        assert e.code == "invalid_api_key", e


def test_clients_that_leave_harm_nobody():
    expected = chat().choices[0].message.content

    def leave():
        ask = [{"role": "user", "content": "Count to one thousand."}]
        for _ in chat(messages=ask, max_completion_tokens=800, stream=True):
            break  # and close the stream

    leaving = [threading.Thread(target=leave) for _ in range(4)]
    for thread in leaving:
        thread.start()
    assert chat().choices[0].message.content == expected
    for thread in leaving:
        thread.join()
    assert chat().choices[0].message.content == expected


for name, test in sorted(globals().items()):
    if name.startswith("test_"):
        try:
            test()
        except Exception as e:
            sys.exit(f"{name}: {type(e).__name__}: {e}")
        print("ok", name, flush=True)
