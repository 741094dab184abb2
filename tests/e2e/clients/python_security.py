"""The options tls_* and sasl as configuration of kafka-python and aiokafka, which name it alike (see README.md)."""

import base64
import json
import ssl
import time

from uniform import password, protocol, sasl, tls_ca, tls_cert, tls_key, user


def security(provider):
    """`provider` makes what the library asks for tokens."""
    if protocol == "PLAINTEXT":
        return {}
    found = {"security_protocol": protocol, "ssl_context": context() if tls_ca else None}
    if sasl:
        found["sasl_mechanism"] = sasl
    if sasl == "OAUTHBEARER":
        found["sasl_oauth_token_provider"] = provider()
    elif sasl:
        found |= {"sasl_plain_username": user, "sasl_plain_password": password}
    return found


def context():
    """It trusts this CA alone and verifies host names."""
    made = ssl.create_default_context(cafile=tls_ca)
    if tls_cert:
        made.load_cert_chain(tls_cert, tls_key)
    return made


def token():
    """An unsecured JWT of the user: valid for an hour from now."""
    now = int(time.time())
    parts = {"alg": "none"}, {"sub": user, "iat": now, "exp": now + 3600}
    words = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*words, ""))
