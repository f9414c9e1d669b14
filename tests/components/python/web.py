"""Speaks HTTP as componentize-py's own examples do: with its poll_loop."""

import asyncio
import traceback
from urllib import parse

from componentize_py_types import Err
from poll_loop import PollLoop, Sink, Stream, send
from wit_world.imports import message_server_host, outgoing_handler, poll, types
from wit_world.imports.types import Fields, OutgoingBody, OutgoingRequest, RequestOptions

# What code that is run finds here, beside the functions below.
TOOLS = (outgoing_handler, poll, OutgoingBody, RequestOptions)

METHODS = {
    "GET": types.Method_Get,
    "HEAD": types.Method_Head,
    "POST": types.Method_Post,
    "PUT": types.Method_Put,
    "DELETE": types.Method_Delete,
    "PATCH": types.Method_Patch,
}
SCHEMES = {"http": types.Scheme_Http, "https": types.Scheme_Https}


def run(code):
    """Do anything; what it calls `answer` is the answer, or the error of WASI that it meets."""
    names = {**globals(), "answer": None}
    try:
        exec(code, names)
    except Err as error:
        return f"error: {named(error.value)}"
    except Exception:
        return traceback.format_exc()
    return str(names["answer"])


def named(value):
    """ErrorCode_InternalError("why") -> InternalError(why)"""
    name = type(value).__name__.rpartition("_")[2]
    if not hasattr(value, "value"):
        return name
    inner = value.value
    return f"{name}({named(inner) if '_' in type(inner).__name__ else inner})"


def request_of(method, url, headers=()):
    parts = parse.urlsplit(url)
    request = OutgoingRequest(Fields.from_list([(name, value) for name, value in headers]))
    request.set_method(METHODS[method]() if method in METHODS else types.Method_Other(method))
    request.set_scheme(SCHEMES[parts.scheme]())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path + (f"?{parts.query}" if parts.query else ""))
    return request


async def fetched(method, url, body=None, headers=()):
    """(status, body), or Err. The body is written while the response is waited for."""
    request = request_of(method, url, headers)
    if body is None:
        response = await send(request)
    else:
        sink = Sink(request.body())
        response, _ = await asyncio.gather(send(request), written(sink, body))
    return response.status(), await read(response)


async def written(sink, body):
    await sink.send(body)
    sink.close()


async def read(response):
    stream = Stream(response.consume())
    chunks = []
    while (chunk := await stream.next()) is not None:
        chunks.append(chunk)
    return b"".join(chunks)


def loop(coroutine):
    return PollLoop().run_until_complete(coroutine)


def fetch(method, url, body=None, headers=()):
    return loop(fetched(method, url, body, headers))


async def all_of(*coroutines):
    return await asyncio.gather(*coroutines)


def ask(to, message):
    return message_server_host.request(to, message)
