"""The handler `wasi:http`. It links nothing: wasi:* always does; it permits requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from theater import requests, wasi
from theater.capabilities.capability import Call, HandlerType, HeardFrom, Setting, Usage, Wrong
from theater.quantities import Quantity, size_text

OPEN_MAX = (
    10_000  # requests that are being made of which it is known what they are: more than can be
)
TOLD_MAX = 1_000  # kinds of requests that are told apart
_SETS = "[method]outgoing-request.set-"

Kind = tuple[str, str, str, int]  # method, scheme, host, port


class Requests(Usage):
    """Which requests were handed over and permitted: of which method, to whom."""

    def __init__(self, heard_from: HeardFrom) -> None:
        super().__init__(heard_from)
        self._said: dict[tuple[str, int], dict[str, Any]] = {}  # (actor, number) -> what is set
        self._counts: dict[Kind, int] = {}

    def begin(self, actor: str) -> None:
        for of in [of for of in self._said if of[0] == actor]:
            del self._said[of]

    def call(self, call: Call) -> bool:
        number = call.arguments[0] if call.arguments else None
        if call.function.startswith(_SETS) and isinstance(number, int):
            said = self._said.setdefault((call.actor, number), {})
            if isinstance(call.answer, dict) and "ok" in call.answer:
                said[call.function.removeprefix(_SETS)] = call.arguments[-1]
            if len(self._said) > OPEN_MAX:
                del self._said[next(iter(self._said))]
        elif call.function == "handle" and isinstance(number, int):
            said = self._said.pop((call.actor, number), {})
            kind = _kind(said) if isinstance(call.answer, dict) and "ok" in call.answer else None
            if kind is not None and (kind in self._counts or len(self._counts) < TOLD_MAX):
                self._counts[kind] = self._counts.get(kind, 0) + 1
        return call.interface in (wasi.HTTP, wasi.OUTGOING)

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        """A rule for each place that was asked, with what was asked there."""
        grant = requests.read(granted)
        methods: dict[tuple[str, str, int], list[str]] = {}
        for method, scheme, host, port in sorted(self._counts):
            methods.setdefault((scheme, host, port), []).append(method)
        rules = []
        for (scheme, host, port), asked in methods.items():
            known = (grant.rule(each, scheme, host, port) for each in asked)
            rule = next((each for each in known if each is not None), None)
            rules.append(
                {"host": host, "scheme": scheme, "port": port, "methods": asked}
                | ({"private": rule.private} if rule is not None else {})
                | ({"ca": rule.ca} if rule is not None and rule.ca else {})
            )
        if not rules:
            return None
        return {**granted, "allow": rules}

    def told(self) -> list[str]:
        return [
            f"{method} {scheme}://{host}:{port}: {count:,} requests"
            for (method, scheme, host, port), count in sorted(self._counts.items())
        ]

    def facts(self) -> dict[str, Any]:
        names = ("method", "scheme", "host", "port")
        return {
            "requests": [
                dict(zip(names, kind, strict=True)) | {"count": count}
                for kind, count in sorted(self._counts.items())
            ]
        }


def _kind(said: Mapping[str, Any]) -> Kind | None:
    """What a request was, by what it was told."""
    method = said.get("method", "get")
    name = method.upper() if isinstance(method, str) else next(iter(method.values()), "")
    try:
        scheme, host, port = requests.target(said.get("scheme"), said.get("authority"))
    except requests.NoTarget:
        return None
    return name, scheme, host, port


def _check(quantity: Quantity[Any]) -> Callable[[object], Wrong]:
    def check(value: object) -> Wrong:
        try:
            quantity.check(value)
        except ValueError as error:
            return [((), str(error))]
        return []

    return check


def _size(what: str, default: int) -> Setting:
    schema = {**requests.BODY.schema, "default": size_text(default)}
    return Setting(_check(requests.BODY), f"What the body of a {what} may have.", schema)


def within(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """See HandlerType. Each rule has to lie within one of the parent's."""
    own, granted = requests.read(child), requests.read(parent)
    for rule in own.rules:
        if not any(requests.covers(each, rule) for each in granted.rules):
            return f"allow has {', '.join(rule.methods)} {rule.scheme}://{rule.host}:{rule.port}"
    for name in ("timeout_s", "max_request", "max_response"):
        most, limit = getattr(own, name), getattr(granted, name)
        if most > limit:
            return f"{name.removesuffix('_s')} is {most:g}, of {limit:g}"
    more = own.again - granted.again
    return f"interrupted has {', '.join(sorted(more))} again" if more else None


HANDLER = HandlerType(
    description="Requests by HTTP to the hosts that it names, and to no others. Without it every"
    " request is denied.",
    imports={},
    exports={},
    settings={
        "allow": Setting(
            requests.check_allow,
            "The rules, at most 256: what none of them permits is denied.",
            requests.ALLOW_SCHEMA,
        ),
        "timeout": Setting(
            _check(requests.TIMEOUT),
            "What an exchange may take, from the look-up of the name to the last byte. It never has"
            " more than what is left of the turn.",
            {**requests.TIMEOUT.schema, "default": requests.TIMEOUT_S},
        ),
        "max_request": _size("request", requests.REQUEST_MAX),
        "max_response": _size("response", requests.RESPONSE_MAX),
        "interrupted": Setting(
            requests.check_interrupted,
            "What becomes of a request, by its method, when the worker dies in it: again, it is"
            " sent once more, or error, the guest is told that its outcome is unknown. What is not"
            " said is error, but for GET and HEAD.",
            requests.INTERRUPTED_SCHEMA,
        ),
    },
    world=wasi.EXCHANGES,
    required=("allow",),
    synonyms={
        **dict.fromkeys(("hosts", "host", "rules", "urls", "send_to", "permit"), "allow"),
        **dict.fromkeys(("port", "scheme", "methods", "private", "ca"), "allow"),
    },
    usage=Requests,
    answers=frozenset({wasi.HTTP, wasi.OUTGOING}),
    within=within,
)
