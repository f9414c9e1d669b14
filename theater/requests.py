"""Requests by HTTP that the handler `wasi:http` permits. Pure.

    [[child.handler]]
    type = "wasi:http"
    allow = [{ host = "api.example.com", methods = ["GET", "POST"] }]

A rule of `allow` permits requests of its methods to its host, by its scheme, at its port. What no
rule permits is denied. An address that is not public is connected to only where a rule says that
this is meant: by `private`, or since its host is an address or localhost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theater.quantities import MIB, duration, size
from theater.quoting import described, did_you_mean, quoted

if TYPE_CHECKING:
    import ipaddress

HANDLER = "wasi:http"
RULES_MAX = 256  # of one actor
TIMEOUT_S = 30.0  # of one exchange, from the name's lookup to the last byte of the response
REQUEST_MAX = 1 * MIB  # bytes of a body
RESPONSE_MAX = 4 * MIB
PORTS = {"https": 443, "http": 80}
SAFE = ("GET", "HEAD")  # may be sent again: they change nothing
INTERRUPTED = ("error", "again")
# A tunnel is no exchange; TRACE shows a server's own credentials to whoever asks.
NEVER = ("CONNECT", "TRACE")
HOST_MAX = 253

TIMEOUT = duration()
BODY = size(0, 64 * MIB)

Wrong = list[tuple[tuple[str | int, ...], str]]  # as in `capabilities.capability`

_KEYS = ("host", "port", "scheme", "methods", "private", "ca")
_SYNONYMS = {
    "hosts": "host",
    "name": "host",
    "domain": "host",
    "url": "host",
    "ports": "port",
    "method": "methods",
    "verbs": "methods",
    "protocol": "scheme",
    "schemes": "scheme",
    "local": "private",
    "loopback": "private",
    "cafile": "ca",
    "cert": "ca",
    "certificate": "ca",
}
AUTHORITY = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}")


_METHOD = {
    "type": "string",
    "pattern": "^[!#$%&'*+.^_`|~0-9A-Z-]{1,40}$",
    "not": {"enum": [*NEVER]},
}
# What the checks accept, as JSON schemas.
ALLOW_SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": RULES_MAX,
    "items": {
        "type": "object",
        "required": ["host"],
        "additionalProperties": False,
        "properties": {
            "host": {
                "description": "A name or an address as it is, in lower case; *.example.org is"
                " whatever ends in .example.org.",
                "type": "string",
                "maxLength": HOST_MAX,
                "pattern": r"^((\*\.)?[a-z0-9_.-]+|\[[0-9a-f:.]+\])$",
            },
            "scheme": {
                "description": "Whether it is encrypted, and the server's certificate verified.",
                "enum": [*PORTS],
                "default": "https",
            },
            "port": {
                "description": "Default: 443, or 80 with http.",
                "type": "integer",
                "minimum": 1,
                "maximum": 65535,
            },
            "methods": {
                "description": "What may be asked.",
                "type": "array",
                "minItems": 1,
                "items": _METHOD,
                "default": [*SAFE],
            },
            "private": {
                "description": "Whether an address that is not public may be connected to: of this"
                " machine, of a private network. Default: if host is an address, or localhost.",
                "type": "boolean",
            },
            "ca": {
                "description": "A file of certificates (PEM), relative to the manifest: that of the"
                " server has to be signed by one of these, and not by one of the system's.",
                "type": "string",
                "minLength": 1,
                "pattern": r"^[^\x00]*$",
            },
        },
    },
}
INTERRUPTED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "propertyNames": {key: _METHOD[key] for key in ("pattern", "not")},
    "additionalProperties": {"enum": [*INTERRUPTED]},
    "default": dict.fromkeys(SAFE, "again"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is permitted. `host`: as it is, or `*.example.com` for whatever ends in that."""

    host: str
    port: int
    scheme: str
    methods: tuple[str, ...]
    private: bool  # addresses that are not public, too
    ca: str  # file of the certificates that are trusted, and no others; "": the system's

    def permits(self, method: str, scheme: str, host: str, port: int) -> bool:
        is_host = host.endswith(self.host[1:]) if self.host[:2] == "*." else host == self.host
        return is_host and (scheme, port) == (self.scheme, self.port) and method in self.methods


@dataclass(frozen=True, slots=True)
class Grant:
    """What the handler's settings say. Without a rule nothing is permitted."""

    rules: tuple[Rule, ...] = ()
    timeout_s: float = TIMEOUT_S
    max_request: int = REQUEST_MAX
    max_response: int = RESPONSE_MAX
    again: frozenset[str] = frozenset(SAFE)  # methods that an interrupted request is sent again of

    def rule(self, method: str, scheme: str, host: str, port: int) -> Rule | None:
        """The first that permits this."""
        return next((each for each in self.rules if each.permits(method, scheme, host, port)), None)


def covers(rule: Rule, other: Rule) -> bool:
    """Whether all that `other` permits `rule` permits too."""
    wild = rule.host[:2] == "*."
    host = other.host == rule.host or (wild and other.host.endswith(rule.host[1:]))
    return (
        host
        and (other.scheme, other.port, other.ca) == (rule.scheme, rule.port, rule.ca)
        and set(other.methods) <= set(rule.methods)
        and (rule.private or not other.private)
    )


def read(settings: Mapping[str, Any]) -> Grant:
    """The settings, which have been checked."""
    told = settings.get("interrupted", {})
    again = {method for method in (*SAFE, *told) if told.get(method, "again") == "again"}
    return Grant(
        tuple(map(_rule, settings.get("allow", ()))),
        TIMEOUT.check(settings.get("timeout", TIMEOUT_S)),
        BODY.check(settings.get("max_request", REQUEST_MAX)),
        BODY.check(settings.get("max_response", RESPONSE_MAX)),
        frozenset(again),
    )


def _rule(entry: Mapping[str, Any]) -> Rule:
    scheme = entry.get("scheme", "https")
    return Rule(
        entry["host"],
        entry.get("port", PORTS[scheme]),
        scheme,
        tuple(entry.get("methods", SAFE)),
        entry.get("private", _says_private(entry["host"])),
        entry.get("ca", ""),
    )


def settled(settings: Mapping[str, Any], absolute: Callable[[str], str]) -> dict[str, Any]:
    """The settings with every file absolute, and every default said: as a chain has them."""
    grant = read(settings)
    return {
        "allow": [
            {
                "host": each.host,
                "port": each.port,
                "scheme": each.scheme,
                "methods": list(each.methods),
                "private": each.private,
                **({"ca": absolute(each.ca)} if each.ca else {}),
            }
            for each in grant.rules
        ],
        "timeout": grant.timeout_s,
        "max_request": grant.max_request,
        "max_response": grant.max_response,
        "interrupted": {
            method: "again" if method in grant.again else "error"
            for method in sorted({*SAFE, *settings.get("interrupted", {})})
        },
    }


def _says_private(host: str) -> bool:
    """Whether who names this host means an address that is not public."""
    return host == "localhost" or host.endswith(".localhost") or _address(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    import ipaddress  # takes long, and few actors make requests

    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


# Requests


class NoTarget(Exception):
    """A request that goes nowhere; `code` is what wasi:http calls it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def target(scheme: Any, authority: Any) -> tuple[str, str, int]:
    """(scheme, host, port) of what a request was told. Raises NoTarget."""
    if scheme not in (None, "HTTP", "HTTPS"):
        raise NoTarget("HTTP-protocol-error")
    scheme = "http" if scheme == "HTTP" else "https"
    match = AUTHORITY.fullmatch(authority) if isinstance(authority, str) else None
    if match is None:
        raise NoTarget("HTTP-request-URI-invalid")
    port = int(match[2] or PORTS[scheme])
    if not 1 <= port <= 65535:
        raise NoTarget("HTTP-request-URI-invalid")
    return scheme, match[1].lower(), port


# Checks


def check_allow(value: object) -> Wrong:
    if not isinstance(value, list):
        shape = 'must be an array of tables, as in [{ host = "api.example.com" }]'
        return [((), f"found {described(value)}; {shape}")]
    if not value:
        return [((), "found an empty array; without a host, take the handler away")]
    if len(value) > RULES_MAX:
        return [((), f"has {len(value)} rules; an actor may have {RULES_MAX}")]
    return [
        ((index, *loc), message)
        for index, entry in enumerate(value)
        for loc, message in _check_rule(entry)
    ]


def _check_rule(entry: object) -> Wrong:
    if not isinstance(entry, dict):
        shape = 'must be a table, as in { host = "api.example.com", methods = ["GET"] }'
        return [((), f"found {described(entry)}; {shape}")]
    wrong: Wrong = []
    for key, value in entry.items():
        check = _CHECKS.get(key)
        if check is None:
            meant = _SYNONYMS.get(key)
            hint = f'; did you mean "{meant}"?' if meant else did_you_mean(key, _KEYS)
            wrong.append(((key,), f"unknown key{hint} allowed: {', '.join(_KEYS)}"))
        else:
            wrong += [((key, *below), message) for below, message in check(value)]
    if "host" not in entry and not wrong:
        wrong.append((("host",), 'missing: host = "api.example.com"'))
    if "ca" in entry and entry.get("scheme") == "http":
        wrong.append((("ca",), 'nothing is verified with scheme = "http"; take one of them away'))
    return wrong


def _check_host(value: object) -> Wrong:
    if not isinstance(value, str):
        return [((), f"found {described(value)}; must be a name of a host")]
    problem = host_problem(value)
    return [] if problem is None else [((), f"{quoted(value)}: {problem}")]


def host_problem(host: str) -> str | None:
    """What is wrong with the host of a rule."""
    shape = 'must be a host, as in "api.example.com", or "*.example.com" for all below it'
    if "://" in host or "/" in host:
        return f"is a URL; {shape}"
    if host.startswith("["):
        address = _address(host)
        if address is None or host != f"[{address}]":
            return "is no address of IPv6 as it is written in short"
        return None
    if _address(host) is not None:
        return f'is an address of IPv6: "[{host}]"' if ":" in host else None
    if ":" in host:
        return "has a port in it; write it as port = ..."
    if not host.isascii():
        return 'has letters that are no ASCII; write it as DNS has it, with "xn--"'
    if host != host.lower():
        return f"is compared in lower case: {quoted(host.lower())}"
    if host == "*":
        return f"permits everything, and so nothing is said; {shape}"
    labels = host.removeprefix("*.").split(".")
    if len(host) > HOST_MAX or not all(map(_LABEL.fullmatch, labels)):
        return shape
    if labels[-1].isdigit():
        return "looks like an address, and is none"
    return None


def _check_port(value: object) -> Wrong:
    if type(value) is not int or not 1 <= value <= 65535:
        return [((), f"found {described(value)}; must be a whole number from 1 to 65535")]
    return []


def _check_scheme(value: object) -> Wrong:
    if value not in PORTS or not isinstance(value, str):
        return [((), f'found {described(value)}; must be "https" (the default) or "http"')]
    return []


def _check_methods(value: object) -> Wrong:
    if not isinstance(value, list) or not value:
        shape = 'must be an array of methods, as in ["GET", "POST"]'
        return [((), f"found {described(value)}; {shape}")]
    return [
        ((index,), message)
        for index, each in enumerate(value)
        if (message := _method_problem(each)) is not None
    ]


def _method_problem(value: object) -> str | None:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return f"found {described(value)}; must be a method"
    if value != value.upper():
        return f"{quoted(value)}: methods are written in capitals: {quoted(value.upper())}"
    if value in NEVER:
        return f"{value} cannot be granted"
    return None


def _check_flag(value: object) -> Wrong:
    if not isinstance(value, bool):
        return [((), f"found {described(value)}; must be true or false")]
    return []


def _check_ca(value: object) -> Wrong:
    if not isinstance(value, str) or not value or "\0" in value:
        shape = "must be the path of a file with certificates (PEM), relative to the manifest"
        return [((), f"found {described(value)}; {shape}")]
    return []


_CHECKS: Mapping[str, Callable[[object], Wrong]] = {
    "host": _check_host,
    "port": _check_port,
    "scheme": _check_scheme,
    "methods": _check_methods,
    "private": _check_flag,
    "ca": _check_ca,
}


def check_interrupted(value: object) -> Wrong:
    if not isinstance(value, dict):
        shape = 'must be a table, as in { PUT = "again" }'
        return [((), f"found {described(value)}; {shape}")]
    wrong: Wrong = []
    for method, told in value.items():
        loc = (method,)
        if problem := _method_problem(method):
            wrong.append((loc, problem))
        elif told not in INTERRUPTED or not isinstance(told, str):
            shape = '"error" (its outcome is unknown) or "again" (it is sent once more)'
            wrong.append((loc, f"found {described(told)}; must be {shape}"))
    return wrong
