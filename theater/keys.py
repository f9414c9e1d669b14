"""The keys that tree heads are signed with: Ed25519, as PEM files that openssl reads. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from theater.errors import TheaterError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

KEY_MAX = 10_000  # bytes; a PEM file of such a key has about 120
ID_DIGITS = 16


class KeyProblem(TheaterError):
    """A file that should hold a key does not."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    id: str  # the first 16 hex digits of the SHA-256 of its 32 bytes
    pem: bytes
    _key: Ed25519PublicKey

    def verifies(self, signature: bytes, data: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    public: PublicKey
    pem: bytes
    _key: Ed25519PrivateKey

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def generate() -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _private(Ed25519PrivateKey.generate())


def read_private(pem: bytes, name: str) -> PrivateKey:
    """The key in a PKCS #8 PEM file; `name` is the file's. KeyProblem."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem(f"{name} holds no Ed25519 private key in PEM")
    return _private(key)


def read_public(pem: bytes, name: str) -> PublicKey:
    """The key in a SubjectPublicKeyInfo PEM file; `name` is the file's. KeyProblem."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyProblem(f"{name} holds no Ed25519 public key in PEM")
    return _public(key)


def _private(key: Ed25519PrivateKey) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return PrivateKey(_public(key.public_key()), pem, key)


def _public(key: Ed25519PublicKey) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    digest = hashlib.sha256(key.public_bytes_raw()).hexdigest()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(digest[:ID_DIGITS], pem, key)
