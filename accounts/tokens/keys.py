"""The keys that tokens are signed and verified with.

With HS256 that is `SECRET_KEY`, which sibling services share; `SECRET_KEY_FALLBACKS` only verify. With an asymmetric
algorithm it is a ring of key pairs in the database, whose public halves are published at `/.well-known/jwks.json`.
"""

import base64
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac
from jwt import PyJWK, PyJWS, get_unverified_header
from jwt.algorithms import ECAlgorithm
from jwt.utils import der_to_raw_signature

from accounts.models import SigningKey
from core.errors import Unavailable

log = logging.getLogger(__name__)

THUMBPRINTED = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class DeterministicES256(ECAlgorithm):
    """ES256 with the nonce of RFC 6979, so that signing the same token again gives the same bytes."""

    def sign(self, msg: bytes, key: Any) -> bytes:
        signature = key.sign(msg, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        return der_to_raw_signature(signature, key.curve)


signer = PyJWS(algorithms=["HS256", "RS256", "EdDSA"])
signer.register_algorithm("ES256", DeterministicES256(ECAlgorithm.SHA256))


class KeySealed(Unavailable):
    code = "signing_key_sealed"
    detail = "The service cannot sign tokens just now."


@dataclass(frozen=True, slots=True)
class Key:
    """A key in the form that PyJWT takes. `kid` is None for a shared secret, which is never published."""

    kid: str | None
    algorithm: str
    material: Any = field(hash=False)


def is_symmetric() -> bool:
    return str(settings.ALGORITHM).startswith("HS")


# --- The ring of key pairs ----------------------------------------------------------------------------------------


class Ring:
    """What this process knows of the key pairs; read again every few seconds, and for an unknown key id."""

    def __init__(self) -> None:
        self.loaded_at = float("-inf")
        self.signing: Key | None = None
        self.verifying: dict[str, Key] = {}
        self.published: list[dict[str, Any]] = []

    def forget(self) -> None:
        """Has the keys read again the next time that one is needed."""
        self.loaded_at = float("-inf")

    def signing_key(self) -> Key:
        """The key that signs.

        Raises:
            KeySealed: it was sealed with a `SECRET_KEY` that this process does not have.
        """
        self.refresh()
        if self.signing is None:
            raise KeySealed(retry_after=60)
        return self.signing

    def verifying_key(self, kid: str) -> Key | None:
        self.refresh()
        if kid not in self.verifying:
            self.refresh(1)  # staged a moment ago, perhaps; but not a query for every made-up id
        return self.verifying.get(kid)

    def jwks(self) -> list[dict[str, Any]]:
        self.refresh()
        return self.published

    def refresh(self, age: float | None = None) -> None:
        """Reads the keys unless they were read within `age` seconds. The very first key is created here.

        Threads that do so at the same time read the same.
        """
        if time.monotonic() - self.loaded_at < (settings.KEY_RING_TTL.total_seconds() if age is None else age):
            return
        if not SigningKey.objects.active().exists():
            create_first_key()
        rows = list(SigningKey.objects.in_use())
        self.verifying = {row.kid: Key(row.kid, row.algorithm, PyJWK(row.public_jwk).key) for row in rows}
        self.signing = next(signing_key_of(row) for row in rows if row.is_active)
        self.published = [row.public_jwk for row in rows]
        self.loaded_at = time.monotonic()


ring = Ring()


def signing_key_of(row: SigningKey) -> Key | None:
    try:
        return Key(row.kid, row.algorithm, serialization.load_pem_private_key(unsealed(row), None))
    except InvalidToken:
        log.error("The signing key %s was sealed with a SECRET_KEY that is not set here", row.kid)  # noqa: TRY400
        return None


def signing_key() -> Key:
    if is_symmetric():
        return Key(None, settings.ALGORITHM, settings.SECRET_KEY)
    return ring.signing_key()


def verifying_keys(token: str) -> Iterator[Key]:
    """The keys that a token may be signed with. Its header may choose a key, never an algorithm."""
    if is_symmetric():
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            yield Key(None, settings.ALGORITHM, secret)
    elif key := ring.verifying_key(get_unverified_header(token).get("kid", "")):
        yield key


def published() -> list[dict[str, Any]]:
    """The JWK set of RFC 7517: empty while a shared secret signs."""
    return [] if is_symmetric() else ring.jwks()


# --- Making and keeping key pairs ---------------------------------------------------------------------------------


PAIRS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def new_pair(algorithm: str) -> SigningKey:
    """A new key pair, not stored yet. Its id never begins with a dash: a command would take it for an option."""
    private = PAIRS[algorithm]()
    jwk = signer.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True)
    facts = {name: jwk[name] for name in THUMBPRINTED[jwk["kty"]]}
    kid = thumbprint(facts)
    if kid.startswith("-"):
        return new_pair(algorithm)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningKey(
        kid=kid,
        algorithm=algorithm,
        public_jwk={**facts, "kid": kid, "alg": algorithm, "use": "sig"},
        sealed=seal(settings.SECRET_KEY).encrypt(pem).decode(),
    )


def thumbprint(facts: dict[str, str]) -> str:
    """RFC 7638: the SHA-256 of a key's required members in lexical order."""
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def create_first_key() -> None:
    """Where there is no key yet, nothing can break: the first one is active at once. Of several at once, one stays."""
    pair = new_pair(settings.ALGORITHM)
    pair.activated_at = pair.staged_at
    with suppress(IntegrityError), transaction.atomic():
        pair.save(force_insert=True)


def seal(secret: str) -> Fernet:
    """What private keys are encrypted with in the database."""
    digest = salted_hmac("accounts.signing-key", "", secret, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def opened(row: SigningKey) -> bytes:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([seal(secret) for secret in secrets]).decrypt(row.sealed)


def unsealed(row: SigningKey) -> bytes:
    """The private key. One sealed with an older `SECRET_KEY` is sealed with the present one."""
    try:
        return seal(settings.SECRET_KEY).decrypt(row.sealed)
    except InvalidToken:
        pem = opened(row)
        SigningKey.objects.filter(pk=row.pk).update(sealed=seal(settings.SECRET_KEY).encrypt(pem).decode())
        return pem
