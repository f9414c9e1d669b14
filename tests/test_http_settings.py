"""Whom a manifest permits requests to: what can be said, what is wrong, what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from theater import manifest, wasi
from theater.capabilities import check_handler, world_calls
from theater.errors import ManifestError
from theater.requests import Grant, Rule, host_problem, read, settled
from theater.spec import ActorSpec, Handler

HEAD = """
name = "s"
[[child]]
name = "a"
component = "a.wat"
[[child.handler]]
type = "wasi:http"
"""


def write(directory: Path, text: str) -> Path:
    (directory / "a.wat").touch()
    path = directory / "theater.toml"
    path.write_text(HEAD + text)
    return path


def rule(host: str, **keys: Any) -> dict[str, Any]:
    return {"host": host, **keys}


WRONG: list[tuple[dict[str, object], tuple[str | int, ...], str]] = [
    ({}, ("allow",), "grants nothing without it"),
    ({"allow": "a.example"}, ("allow",), "must be an array of tables"),
    ({"allow": []}, ("allow",), "without a host, take the handler away"),
    ({"allow": ["a.example"]}, ("allow", 0), "must be a table"),
    ({"allow": [{"port": 1}]}, ("allow", 0, "host"), 'missing: host = "api.example.com"'),
    ({"allow": [rule("a", verbs=["GET"])]}, ("allow", 0, "verbs"), 'did you mean "methods"?'),
    ({"allow": [rule("a", port="443")]}, ("allow", 0, "port"), "a whole number from 1 to 65535"),
    ({"allow": [rule("a", port=0)]}, ("allow", 0, "port"), "a whole number from 1 to 65535"),
    ({"allow": [rule("a", port=True)]}, ("allow", 0, "port"), "found true"),
    ({"allow": [rule("a", scheme="ftp")]}, ("allow", 0, "scheme"), '"https" (the default)'),
    ({"allow": [rule("a", methods="GET")]}, ("allow", 0, "methods"), "must be an array"),
    ({"allow": [rule("a", methods=[])]}, ("allow", 0, "methods"), "must be an array"),
    ({"allow": [rule("a", methods=["get"])]}, ("allow", 0, "methods", 0), "in capitals"),
    ({"allow": [rule("a", methods=["A B"])]}, ("allow", 0, "methods", 0), "must be a method"),
    ({"allow": [rule("a", methods=["CONNECT"])]}, ("allow", 0, "methods", 0), "cannot be granted"),
    ({"allow": [rule("a", private=1)]}, ("allow", 0, "private"), "must be true or false"),
    ({"allow": [rule("a", ca="")]}, ("allow", 0, "ca"), "path of a file with certificates"),
    ({"allow": [rule("a", scheme="http", ca="c")]}, ("allow", 0, "ca"), "nothing is verified"),
    ({"allow": [rule("a")], "timeout": 0}, ("timeout",), "must be above 0"),
    ({"allow": [rule("a")], "max_response": "1GiB"}, ("max_response",), "from 0B to 64MiB"),
    ({"allow": [rule("a")], "retries": 3}, ("retries",), "unknown setting"),
    ({"hosts": ["a"]}, ("hosts",), 'did you mean "allow"?'),
    ({"allow": [rule("a")], "interrupted": "again"}, ("interrupted",), "must be a table"),
    (
        {"allow": [rule("a")], "interrupted": {"POST": "retry"}},
        ("interrupted", "POST"),
        '"error" (its outcome is unknown) or "again"',
    ),
    (
        {"allow": [rule("a")], "interrupted": {"post": "again"}},
        ("interrupted", "post"),
        "in capitals",
    ),
]


@pytest.mark.parametrize(("settings", "where", "words"), WRONG)
def test_what_is_wrong_is_said_where_it_is(
    settings: dict[str, object], where: tuple[str | int, ...], words: str
) -> None:
    ((loc, message),) = check_handler("wasi:http", settings)
    assert loc == where
    assert words in message


@pytest.mark.parametrize(
    "host",
    ["a", "api.example.com", "*.example.com", "xn--bcher-kva.example", "127.0.0.1", "[::1]"],
)
def test_hosts(host: str) -> None:
    assert host_problem(host) is None


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("", "must be a host"),
        ("*", "permits everything"),
        ("https://a.example", "is a URL"),
        ("a.example/path", "is a URL"),
        ("a.example:443", "write it as port"),
        ("::1", '"[::1]"'),
        ("[::0001]", "as it is written in short"),
        ("A.example", 'in lower case: "a.example"'),
        ("bücher.example", '"xn--"'),
        ("a..example", "must be a host"),
        ("a.example.", "must be a host"),
        ("a*.example", "must be a host"),
        ("*.*.example", "must be a host"),
        ("-a.example", "must be a host"),
        ("127.1", "looks like an address"),
        ("2130706433", "looks like an address"),
        ("a" * 64 + ".example", "must be a host"),
        ("a b", "must be a host"),
    ],
)
def test_what_is_no_host(host: str, words: str) -> None:
    assert words in (host_problem(host) or "nothing")


PERMITTED = [
    # (rule, method, scheme, host, port): permitted
    ((rule("a.example"), "GET", "https", "a.example", 443), True),
    ((rule("a.example"), "HEAD", "https", "a.example", 443), True),
    ((rule("a.example"), "POST", "https", "a.example", 443), False),
    ((rule("a.example"), "get", "https", "a.example", 443), False),
    ((rule("a.example"), "GET", "http", "a.example", 443), False),
    ((rule("a.example"), "GET", "https", "a.example", 444), False),
    ((rule("a.example"), "GET", "https", "b.a.example", 443), False),
    ((rule("a.example", scheme="http"), "GET", "http", "a.example", 80), True),
    ((rule("a.example", scheme="http", port=81), "GET", "http", "a.example", 80), False),
    ((rule("a.example", methods=["PUT"]), "PUT", "https", "a.example", 443), True),
    ((rule("a.example", methods=["PUT"]), "GET", "https", "a.example", 443), False),
    ((rule("*.a.example"), "GET", "https", "b.a.example", 443), True),
    ((rule("*.a.example"), "GET", "https", "c.b.a.example", 443), True),
    ((rule("*.a.example"), "GET", "https", "a.example", 443), False),
    ((rule("*.a.example"), "GET", "https", "ba.example", 443), False),
]


@pytest.mark.parametrize(("case", "permitted"), PERMITTED)
def test_what_is_permitted(case: tuple[Any, ...], permitted: bool) -> None:
    entry, *asked = case
    assert (read({"allow": [entry]}).rule(*asked) is not None) == permitted


def test_without_the_handler_nothing_is_permitted_and_there_are_no_world_calls() -> None:
    assert Grant().rule("GET", "https", "a.example", 443) is None
    assert read({}) == Grant()
    assert world_calls([Handler("runtime")]) == {}
    assert world_calls([Handler("wasi:http", {"allow": [rule("a")]})]) == wasi.EXCHANGES


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("x.localhost", True),
        ("a.example", False),
        ("*.a.example", False),
    ],
)
def test_whoever_names_an_address_or_this_machine_means_it(host: str, private: bool) -> None:
    assert read({"allow": [rule(host)]}).rules[0].private == private
    assert read({"allow": [rule(host, private=not private)]}).rules[0].private != private


def test_what_is_sent_again() -> None:
    assert read({}).again == {"GET", "HEAD"}
    told = {"interrupted": {"PUT": "again", "GET": "error"}}
    assert read(told).again == {"HEAD", "PUT"}


def test_a_chain_has_every_default_and_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    path = write(tmp_path, 'allow = [{ host = "a.example", ca = "ca.pem" }]\nmax_request = "1KiB"')
    (actor,) = manifest.load(path).root.actors()
    assert isinstance(actor, ActorSpec)
    settings = actor.handlers[0].settings
    ca = str(tmp_path / "ca.pem")
    assert settings == {
        "allow": [
            {
                "host": "a.example",
                "port": 443,
                "scheme": "https",
                "methods": ["GET", "HEAD"],
                "private": False,
                "ca": ca,
            }
        ],
        "timeout": 30.0,
        "max_request": 1024,
        "max_response": 4 * 1024 * 1024,
        "interrupted": {"GET": "again", "HEAD": "again"},
    }
    assert read(settings).rules == (
        Rule("a.example", 443, "https", ("GET", "HEAD"), private=False, ca=ca),
    )
    assert settled(settings, lambda path: path) == settings


def test_a_file_of_certificates_has_to_be_there(tmp_path: Path) -> None:
    path = write(tmp_path, 'allow = [{ host = "a.example", ca = "ca.pem" }]')
    with pytest.raises(ManifestError, match=r"allow\[0\]\.ca: .*there is no such file"):
        manifest.load(path)
