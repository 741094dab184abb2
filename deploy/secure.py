"""What makes the brokers of a Cluster secure: two more listeners and an authorizer, beside the plain listener.

TLS (port+70) is reached as `localhost` and wants a client certificate; LOGIN (port+80) is reached as 127.0.0.1, over
TLS too, and wants a user's password or token. At both a user is User:NAME - of a certificate NAME is the subject's CN -
and may do what ACLs allow. Who comes to the plain listener may do all, as without an authorizer, and so may `shunt`.
"""

from dataclasses import dataclass, field
from pathlib import Path

TLS, LOGIN = 70, 80  # where the listeners of broker 1 are, from the cluster's port on
HOSTS = {"TLS": "localhost", "LOGIN": "127.0.0.1"}  # how they are advertised: the certificates must name these
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
PROTOCOLS = ",TLS:SSL,LOGIN:SASL_SSL"

CONFIG = """\
authorizer.class.name={authorizer}
super.users=User:ANONYMOUS;User:shunt
allow.everyone.if.no.acl.found=false
listener.name.tls.ssl.client.auth=required
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.certificate.chain={tls_cert}
listener.name.tls.ssl.keystore.key={tls_key}
listener.name.tls.ssl.truststore.type=PEM
listener.name.tls.ssl.truststore.certificates={ca}
listener.name.tls.ssl.principal.mapping.rules=RULE:^(?:.*,)?CN=([^,]+).*$/$1/,DEFAULT
listener.name.login.ssl.client.auth=none
listener.name.login.ssl.keystore.type=PEM
listener.name.login.ssl.keystore.certificate.chain={login_cert}
listener.name.login.ssl.keystore.key={login_key}
listener.name.login.sasl.enabled.mechanisms={mechanisms}
listener.name.login.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required {users};
listener.name.login.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.login.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required {itself};
"""
ZOOKEEPERS = "kafka.security.authorizer.AclAuthorizer"
KRAFTS = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
MODULES = "org.apache.kafka.common.security"
ITSELF = 'unsecuredLoginStringClaim_sub="broker"'  # a broker logs in itself, to nobody: the module wants it so


@dataclass(frozen=True)
class Secure:
    """Certificates as PEM files (an identity has `cert` and `key`: tests/e2e/pki.py makes them) and {user: password}.

    A broker's configuration has the passwords of PLAIN; those of SCRAM are to be given to the running cluster
    (tests/e2e/access.py). As OAUTHBEARER the brokers believe any unsecured JWT: Kafka's own validator, for tests.
    """

    ca: Path  # whose client certificates TLS takes
    tls: object  # the identity of the listener TLS: for the name localhost
    login: object  # of the listener LOGIN: for the address 127.0.0.1
    users: dict = field(default_factory=dict)
    reauth_ms: int = 0  # connections.max.reauth.ms of LOGIN; 0: a login holds for good

    def config(self, version):
        """More lines of a broker's configuration."""
        lines = CONFIG.format(
            authorizer=ZOOKEEPERS if version.startswith("2.") else KRAFTS,
            tls_cert=_in_line(self.tls.cert),
            tls_key=_in_line(self.tls.key),
            login_cert=_in_line(self.login.cert),
            login_key=_in_line(self.login.key),
            ca=_in_line(self.ca),
            mechanisms=",".join(MECHANISMS),
            users=" ".join(f'user_{name}="{password}"' for name, password in self.users.items()),
            modules=MODULES,
            itself=ITSELF,
        )
        return lines + f"listener.name.login.connections.max.reauth.ms={self.reauth_ms}\n" * bool(self.reauth_ms)


def _in_line(path):
    """A PEM file as a value in a properties file. A file's name would do, but 2.8 wants such a key to be encrypted."""
    return path.read_text().strip().replace("\n", "\\n")
