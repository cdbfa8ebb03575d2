"""One client of a provider's in Python, as clients.mjs has those of Node: prints what it saw as one line of JSON."""

import json
import os
import re
import sys

name, base, tight = sys.argv[1:4]
KEY = "of-no-use"
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
FUNCTION = {"type": "function", "function": {"name": "weather", "description": "weather", "parameters": SCHEMA}}
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def openai(url):
    from openai import OpenAI

    client = OpenAI(base_url=url + "/v1", api_key=KEY)

    def create(model, prompt, **more):
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}], **more)

    def stream(model, prompt):
        chunks = create(model, prompt, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    tool = lambda: create("good-1", "weather?", tools=[FUNCTION]).choices[0].message.tool_calls[0].function.name
    return lambda model, prompt: create(model, prompt).choices[0].message.content, stream, tool


def anthropic(url):
    from anthropic import Anthropic

    client = Anthropic(base_url=url, api_key=KEY)

    def create(model, prompt, **more):
        messages = [{"role": "user", "content": prompt}]
        return client.messages.create(model=model, max_tokens=8000, messages=messages, **more)

    def stream(model, prompt):
        events = create(model, prompt, stream=True)
        return "".join(event.delta.text for event in events if event.type == "content_block_delta")

    tool = lambda: create("good-1", "weather?", tools=[{"name": "weather", "input_schema": SCHEMA}]).content[0].name
    return lambda model, prompt: create(model, prompt).content[0].text, stream, tool


def google_genai(url):
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))

    def text(model, prompt):
        return client.models.generate_content(model=model, contents=prompt).text

    def stream(model, prompt):
        return "".join(part.text or "" for part in client.models.generate_content_stream(model=model, contents=prompt))

    def tool():
        declared = types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
        config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
        answer = client.models.generate_content(model="good-1", contents="weather?", config=config)
        return answer.function_calls[0].name

    return text, stream, tool


def ollama(url):
    from ollama import Client

    client = Client(host=url)

    def chat(model, prompt, **more):
        return client.chat(model=model, messages=[{"role": "user", "content": prompt}], **more)

    def stream(model, prompt):
        return "".join(part.message.content for part in chat(model, prompt, stream=True))

    tool = lambda: chat("good-1", "weather?", tools=[FUNCTION]).message.tool_calls[0].function.name
    return lambda model, prompt: chat(model, prompt).message.content, stream, tool


def litellm(url):
    import litellm as lite

    lite.suppress_debug_info = True

    def create(model, prompt, **more):
        messages = [{"role": "user", "content": prompt}]
        return lite.completion(model="openai/" + model, api_base=url + "/v1", api_key=KEY, messages=messages, **more)

    def stream(model, prompt):
        return "".join(chunk.choices[0].delta.content or "" for chunk in create(model, prompt, stream=True))

    tool = lambda: create("good-1", "weather?", tools=[FUNCTION]).choices[0].message.tool_calls[0].function.name
    return lambda model, prompt: create(model, prompt).choices[0].message.content, stream, tool


def ask(count):
    return "Say %d words." % count


def counted(text):
    return len(re.findall(r"\S+", text))


def seen(action):
    try:
        return "answered: %r" % action()
    except Exception as error:  # whatever the client makes of it is what its user sees
        return str(error)


text, stream, tool = globals()[name](base)
tight_text, tight_stream, _ = globals()[name](tight)
result = {
    "text": counted(text("good-1", ask(40))),
    "stream": counted(stream("good-1", ask(400))),
    "tool": tool(),
    "refused": seen(lambda: text("secret-1", ask(5))),
    "stopped": counted(tight_stream("good-1", ask(6000))),
    "used": seen(lambda: tight_text("good-1", ask(5))),
}
print(json.dumps(result))
