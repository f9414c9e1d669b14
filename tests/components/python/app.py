"""An actor in Python that does on request what its language runtime needs WASI for; and HTTP.

Building one takes half a minute, so all tests have the same.
"""

import errno
import os
import random
import socket
import sys
import time

import web
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import message_server_host, runtime


class Actor(exports.Actor):
    def init(self, state, params):
        print(f"init {params[0]}")
        return (state,)


class MessageServerClient(exports.MessageServerClient):
    def handle_send(self, state, params):
        message = params[0]
        if message.startswith(b"ask "):
            return (ask(message[4:].decode()),)
        if message.startswith(b"run "):
            return (str(run(message[4:].decode())).encode(),)
        if message.startswith(b"web "):
            return (web.run(message[4:].decode()).encode(),)
        if message.startswith(b"to "):
            message_server_host.send(message[3:].decode(), state or b"")
        return (message,)

    def handle_request(self, state, params):
        command, _, rest = params[1].decode().partition(" ")
        answer = COMMANDS[command](rest)
        return (state, (str(answer).encode(),))

    def handle_channel_open(self, state, params):
        raise Err("no channels")

    def handle_channel_message(self, state, params):
        raise Err("no channels")

    def handle_channel_close(self, state, params):
        raise Err("no channels")


def ask(to):
    """Do much before and after an ask; the state becomes what the first random number was."""
    token = os.urandom(4).hex()
    print("half a", end="")
    time.sleep(0)
    message_server_host.send(to, b"append " + token.encode())
    answer = message_server_host.request(to, b"echo yes")
    print(" line,", answer.decode(), os.urandom(4).hex() != token)
    return token.encode()


def refuse(text):
    raise Err(text)


def fail(text):
    raise ValueError(text)


def read(path):
    with open(path) as file:
        return file.read()


def run(code):
    """Do anything; what it calls `answer` is the answer, or the OSError that it meets."""
    names = {"os": os, "answer": None}
    try:
        exec(code, names)
    except OSError as error:
        return errno.errorcode[error.errno]
    return names["answer"]


def eat(mebibytes):
    return len(bytearray(int(mebibytes) << 20))


def spin(_text):
    while True:
        pass


COMMANDS = {
    "print": lambda text: print(text.replace("|", "\n"), end=""),
    "warn": lambda text: print(text, file=sys.stderr),
    "time": lambda _: time.time(),
    "monotonic": lambda _: time.monotonic(),
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "random": lambda _: random.Random(os.urandom(8)).random(),
    "urandom": lambda count: os.urandom(int(count)).hex(),
    "environment": lambda name: os.environ.get(name),
    "arguments": lambda _: sys.argv,
    "stdin": lambda _: sys.stdin.read(),
    "exit": lambda status: sys.exit(int(status)),
    "list": lambda path: os.listdir(path),
    "read": read,
    "resolve": lambda name: socket.getaddrinfo(name.encode(), 80),
    "socket": lambda _: socket.socket(),
    "self": lambda _: runtime.self(),
    "refuse": refuse,
    "fail": fail,
    "run": run,
    "web": web.run,
    "eat": eat,
    "spin": spin,
}
