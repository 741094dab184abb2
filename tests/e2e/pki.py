"""A small PKI for the tests, made with the openssl command: PEM only, private keys readable by their owner alone.

    pki = Pki(folder)                                        # folder/ca.pem, the certificate clients and servers trust
    broker = pki.server("broker", names=["localhost"])       # an Identity: broker.cert, broker.key
    alice = pki.client("alice")                              # of the subject CN=alice
    stranger = Pki(folder, "foreign-ca").client("alice")     # the same name, by a CA that nobody trusts

Keys are of the curve P-256: made in no time, and known to every library here.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = 30  # of a certificate's life
# Of its own, for the machine's openssl.cnf would add what it likes (CA:TRUE to every certificate, for one).
CONFIG = """\
[req]
distinguished_name = name
[name]
[extensions]
subjectKeyIdentifier = hash
{lines}
"""


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key: paths of PEM files."""

    cert: Path
    key: Path  # PKCS#8, not encrypted, mode 0600


class Pki:
    """One CA; what it signs is kept in its folder as NAME.pem and NAME.key. Made again, a CA or an identity has a new
    key: what a CA had signed before is not trusted any more."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = Path(folder), name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / f"{name}.pem"
        self._request(name, f"/CN=shunt tests {name}")
        itself = ["-signkey", self._key(name)]
        self._sign(name, itself, DAYS, "basicConstraints = critical,CA:TRUE", "keyUsage = keyCertSign,cRLSign")

    def server(self, name, names=(), addresses=(), expired=False):
        """For a server that is reached at these DNS names and IP addresses: its subjectAltName."""
        places = [f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses]
        return self._identity(name, f"/CN={name}", expired, "serverAuth", f"subjectAltName = {','.join(places)}")

    def client(self, name, subject=None, expired=False):
        """For a client of this subject, as openssl writes it: "/O=Example/CN=alice"; CN=name unless told."""
        return self._identity(name, subject or f"/CN={name}", expired, "clientAuth")

    def _identity(self, name, subject, expired, usage, *lines):
        self._request(name, subject)
        signer = ["-CA", self.ca, "-CAkey", self._key(self.name), "-CAcreateserial"]
        # One that is over since yesterday began today: the command of Debian 12 knows no other beginning.
        days = -1 if expired else DAYS
        self._sign(name, signer, days, "basicConstraints = CA:FALSE", f"extendedKeyUsage = {usage}", *lines)
        return Identity(self.folder / f"{name}.pem", self._key(name))

    def _key(self, name):
        return self.folder / f"{name}.key"

    def _request(self, name, subject):
        """A new key, and the request to sign it."""
        config = self._config(name)
        _openssl(
            "req", "-new", "-config", config, "-subj", subject, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", self._key(name), "-out", self.folder / f"{name}.csr",
        )  # fmt: skip
        self._key(name).chmod(0o600)

    def _sign(self, name, signer, days, *lines):
        """Makes the certificate that was requested, with these extensions."""
        config = self._config(name, *lines)
        _openssl(
            "x509", "-req", "-in", self.folder / f"{name}.csr", "-out", self.folder / f"{name}.pem", "-days", days,
            *signer, "-extfile", config, "-extensions", "extensions",
        )  # fmt: skip

    def _config(self, name, *lines):
        path = self.folder / f"{name}.cnf"
        path.write_text(CONFIG.format(lines="\n".join(lines)))
        return path


def _openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, umask=0o077)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
