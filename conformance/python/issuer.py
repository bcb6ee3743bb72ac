"""An issuer of bearer tokens for tests, with a server's side of it: certificate, keys, roles.

`python issuer.py DIR` writes what a server is configured with, and what the suite signs with.
"""

import base64
import ipaddress
import json
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from azure.core.credentials import AccessToken
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

TENANT = "ab1f708d-50f6-404c-a006-d71b2ac7a606"
OTHER_TENANT = "00000000-1111-4222-8333-444444444444"
AUDIENCE = "https://storage.azure.com"
ACCOUNT = "devstoreaccount1"

# Who there is, by the roles they have.
OWNER = "11059fcc-5514-4800-b5f8-49808b9cfab6"
READER = "22059fcc-5514-4800-b5f8-49808b9cfab6"
SENDER = "33059fcc-5514-4800-b5f8-49808b9cfab6"
SCOPED = "44059fcc-5514-4800-b5f8-49808b9cfab6"
NOBODY = "55059fcc-5514-4800-b5f8-49808b9cfab6"
DELEGATOR = "66059fcc-5514-4800-b5f8-49808b9cfab6"
MEMBER = "77059fcc-5514-4800-b5f8-49808b9cfab6"
GROUP = "99059fcc-5514-4800-b5f8-49808b9cfab6"

# The container, queue and table that SCOPED has roles on, and nothing else.
SCOPE = "scoped"

ROLES = [
    (OWNER, "Storage Blob Data Owner", None),
    (OWNER, "Storage Queue Data Contributor", None),
    (OWNER, "Storage Queue Delegator", None),
    (OWNER, "Storage Table Data Contributor", None),
    (OWNER, "Storage Table Delegator", None),
    (READER, "Storage Blob Data Reader", None),
    (READER, "Storage Queue Data Reader", None),
    (READER, "Storage Queue Delegator", None),
    (READER, "Storage Table Data Reader", None),
    (SENDER, "Storage Queue Data Message Sender", None),
    (SCOPED, "Storage Blob Data Contributor", SCOPE),
    (SCOPED, "Storage Queue Data Message Processor", SCOPE),
    (SCOPED, "Storage Table Data Contributor", SCOPE),
    (DELEGATOR, "Storage Blob Delegator", None),
    (DELEGATOR, "Storage Queue Delegator", None),
    (GROUP, "Storage Blob Data Reader", None),
]


def base64url(data):
    """The form that all parts of tokens and keys have."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(number, length):
    return base64url(number.to_bytes(length, "big"))


def _pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())


def certificate(key):
    """A certificate for the loopback address that signs itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lazuli test")])
    now = datetime.now(timezone.utc)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def prepare(folder):
    """Writes certificate, keys and the configuration of a server."""
    folder.mkdir(parents=True, exist_ok=True)
    tls = ec.generate_private_key(ec.SECP256R1())
    (folder / "cert.pem").write_bytes(certificate(tls))
    (folder / "key.pem").write_bytes(_pem(tls))
    one = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    two = ec.generate_private_key(ec.SECP256R1())
    (folder / "rsa.pem").write_bytes(_pem(one))
    (folder / "ec.pem").write_bytes(_pem(two))
    public, point = one.public_key().public_numbers(), two.public_key().public_numbers()
    keys = [
        {"kty": "RSA", "kid": "one", "use": "sig", "n": _number(public.n, 256), "e": "AQAB"},
        {"kty": "EC", "kid": "two", "crv": "P-256", "alg": "ES256",
         "x": _number(point.x, 32), "y": _number(point.y, 32)},
    ]
    (folder / "jwks.json").write_text(json.dumps({"keys": keys}))
    lines = [
        "[tls]",
        f'certificate = "{folder}/cert.pem"',
        f'key = "{folder}/key.pem"',
        "[identity]",
        f'tenant = "{TENANT}"',
        f'keys = "{folder}/jwks.json"',
    ]
    for principal, role, scope in ROLES:
        lines += ["[[identity.assignment]]", f'account = "{ACCOUNT}"',
                  f'principal = "{principal}"', f'role = "{role}"']
        if scope:
            lines.append(f'scope = "{scope}"')
    (folder / "lazuli.toml").write_text("\n".join(lines) + "\n")


class Issuer:
    """Signs tokens with the keys in a folder."""

    def __init__(self, folder):
        def key(name):
            return serialization.load_pem_private_key((folder / name).read_bytes(), None)

        self.rsa, self.ec = key("rsa.pem"), key("ec.pem")

    def token(self, object_id, algorithm="RS256", key=None, header=None, **claims):
        """A token for somebody; `claims` replace those that it usually has, None leaves one out."""
        now = int(time.time())
        said = {
            "iss": f"https://sts.windows.net/{TENANT}/", "aud": AUDIENCE, "tid": TENANT,
            "oid": object_id, "iat": now - 60, "nbf": now - 60, "exp": now + 3600,
        }
        said.update(claims)
        said = {name: value for name, value in said.items() if value is not None}
        head = {"alg": algorithm, "typ": "JWT", "kid": "one" if algorithm == "RS256" else "two"}
        head.update(header or {})
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, said))
        return f"{signed}.{base64url(self._sign(algorithm, key, signed.encode()))}"

    def _sign(self, algorithm, key, signed):
        if algorithm == "RS256":
            return (key or self.rsa).sign(signed, padding.PKCS1v15(), hashes.SHA256())
        if algorithm == "ES256":
            signature = (key or self.ec).sign(signed, ec.ECDSA(hashes.SHA256()))
            r, s = utils.decode_dss_signature(signature)
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return b""


class Credential:
    """What an SDK asks for tokens."""

    def __init__(self, issuer, object_id, **claims):
        self.issuer, self.object_id, self.claims = issuer, object_id, claims
        self.asked = []

    def get_token(self, *scopes, **options):
        """A token; what was asked for is kept."""
        self.asked.append((scopes, options.get("tenant_id")))
        token = self.issuer.token(self.object_id, **self.claims)
        return AccessToken(token, int(time.time()) + 3600)


class Guest(Credential):
    """One who gets tokens of his own tenant until he is told another one."""

    def get_token(self, *scopes, **options):
        """A token of the tenant that was asked for."""
        tenant = options.get("tenant_id") or OTHER_TENANT
        self.claims = {"tid": tenant, "iss": f"https://sts.windows.net/{tenant}/"}
        return super().get_token(*scopes, **options)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]).resolve())
