"""Tree heads as lines, and the keys they are signed with."""

from __future__ import annotations

import base64
import io
import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from theater import heads, keys
from theater.heads import NoHead
from theater.keys import KeyProblem

KEY = keys.generate()
HEAD = heads.sign(KEY, 1234, bytes(range(32)), 1764121293.9)


def test_a_head_is_a_line_that_reads_back() -> None:
    line = HEAD.line()
    assert "\n" not in line and len(line) < heads.LINE_MAX
    assert heads.parse(line) == heads.parse(line.encode()) == HEAD
    assert (HEAD.size, HEAD.time, HEAD.key) == (1234, "2025-11-26T01:41:33Z", KEY.public.id)


def test_what_is_signed_is_a_text_of_five_lines() -> None:
    assert HEAD.signed().decode() == (
        "theater tree head 1\n"
        "size 1234\n"
        f"root {bytes(range(32)).hex()}\n"
        "time 2025-11-26T01:41:33Z\n"
        f"key {KEY.public.id}\n"
    )
    assert KEY.public.verifies(HEAD.signature, HEAD.signed())


@pytest.mark.parametrize("seed", range(20))
def test_no_other_head_has_its_signature(seed: int) -> None:
    random_ = random.Random(seed)
    facts = json.loads(HEAD.line())
    what = random_.choice(["size", "root", "time", "signature"])
    if what == "size":
        facts[what] = random_.randrange(1 << 40)
    elif what == "time":
        facts[what] = f"2025-11-26T01:41:{random_.randrange(34, 60)}Z"
    elif what == "root":
        facts[what] = random_.randbytes(32).hex()
    else:
        facts[what] = base64.b64encode(random_.randbytes(64)).decode()
    changed = heads.parse(json.dumps(facts))
    assert not KEY.public.verifies(changed.signature, changed.signed()), f"seed {seed}"
    assert not keys.generate().public.verifies(HEAD.signature, HEAD.signed())


@pytest.mark.parametrize(
    "key, value, why",
    [
        ("theater", "a head", "no JSON object with"),
        ("version", 2, 'its version is "2", and not 1'),
        ("size", "7", "its size is no number"),
        ("size", True, "its size is no number"),
        ("size", -1, "its size is no number"),
        ("size", 1 << 70, "its size is no number"),
        ("root", "ab", "its root is .*, and not 64 hex digits"),
        ("root", "AB" * 32, "not 64 hex digits"),
        ("root", 5, "its root is no text"),
        ("time", "yesterday", 'its time is "yesterday", and not as in'),
        ("time", "2025-11-26T01:41:33Z\n", "its time is"),
        ("key", "\x1b[31m", r'its key is "\\x1b\[31m", and not 16 hex'),
        ("signature", "!", "its signature is no base64"),
        ("signature", "ü", "its signature is no base64"),
        ("signature", "abcd", "its signature has 3 bytes, and not 64"),
        ("more", 1, 'its keys are not those of a tree head: "more"'),
    ],
)
def test_what_is_no_head_is_told_and_why(key: str, value: Any, why: str) -> None:
    facts = {**json.loads(HEAD.line()), key: value}
    with pytest.raises(NoHead, match=why):
        heads.parse(json.dumps(facts))


@pytest.mark.parametrize("text", ["", "x", "[]", "7", "[" * 900, "{}", "x" * 1001, b"\xff\xfe"])
def test_what_is_no_json_object_is_no_head(text: str | bytes) -> None:
    with pytest.raises(NoHead):
        heads.parse(text)


def test_a_missing_key_is_named() -> None:
    facts = json.loads(HEAD.line())
    del facts["root"]
    with pytest.raises(NoHead, match='its keys are not those of a tree head: "root"'):
        heads.parse(json.dumps(facts))


def test_lines_of_a_file_are_told_with_their_numbers_and_the_torn_one() -> None:
    file = io.BytesIO(b"one\n" + b"x" * 5000 + b"\n\nfour\nfi")
    found = [(number, line[:4], whole) for number, line, whole in heads.lines(file)]
    assert found == [
        (1, b"one", True),
        (2, b"xxxx", False),
        (3, b"", True),
        (4, b"four", True),
        (5, b"fi", False),
    ]


def test_a_key_reads_back_and_says_who_it_is() -> None:
    again = keys.read_private(KEY.pem, "heads.key")
    assert again.public == keys.read_public(KEY.public.pem, "heads.pub") != keys.generate().public
    assert again.public.id == KEY.public.id and len(KEY.public.id) == keys.ID_DIGITS


def test_what_is_no_key_is_refused_with_the_name_of_its_file() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for content in (b"", b"no key", KEY.pem, pem):
        with pytest.raises(KeyProblem, match=r"heads\.pub holds no Ed25519 public key"):
            keys.read_public(content, "heads.pub")
    for content in (b"", KEY.public.pem):
        with pytest.raises(KeyProblem, match=r"heads\.key holds no Ed25519 private key"):
            keys.read_private(content, "heads.key")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_openssl_checks_a_signature_as_the_documentation_says(tmp_path: Path) -> None:
    (tmp_path / "heads.pub").write_bytes(KEY.public.pem)
    (tmp_path / "signed").write_bytes(HEAD.signed())
    (tmp_path / "signature").write_bytes(HEAD.signature)
    command = "openssl pkeyutl -verify -pubin -inkey heads.pub -rawin -in signed -sigfile signature"
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "signed").write_bytes(HEAD.signed() + b"\n")
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode != 0
