"""The options tls_* and sasl as configuration of librdkafka, which verifies host names by itself (see README.md)."""

from uniform import password, protocol, sasl, tls_ca, tls_cert, tls_key, user


def security():
    found = {
        "security.protocol": None if protocol == "PLAINTEXT" else protocol,
        "ssl.ca.location": tls_ca,
        "ssl.certificate.location": tls_cert,
        "ssl.key.location": tls_key,
        "sasl.mechanism": sasl,
    }
    if sasl == "OAUTHBEARER":  # the library makes an unsecured JWT itself
        found |= {"enable.sasl.oauthbearer.unsecure.jwt": True, "sasl.oauthbearer.config": f"principal={user}"}
    elif sasl:
        found |= {"sasl.username": user, "sasl.password": password}
    return {key: value for key, value in found.items() if value is not None}
