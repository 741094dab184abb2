"""Who may come to a cluster's secure listeners, and what they may do there: certificates, users, ACLs.

    secure = access.secure(Pki(folder), {"alice": "alice-secret"})
    cluster = Cluster(..., secure=secure); cluster.start(); cluster.wait_ready()
    access.make_users(cluster)                                   # they log in from now on, in every way
    access.allow(cluster, "alice", "orders", "READ", "WRITE")    # a topic; a group: allow(..., kind="GROUP")
"""

from functools import partial
from itertools import product

import confluent_kafka as ck
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from secure import HOSTS, Secure
from wait import wait_for
from wire.connection import Connection

SCRAM = {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}
ITERATIONS = 4096  # the fewest that Kafka takes
DESCRIBE_ACLS = 2  # the version: the first that is still there in 4.x, and the newest of 2.8


def secure(pki, users, reauth_ms=0):
    """Certificates of both listeners, each for its own host alone: who does not look at the host does not notice."""
    tls = pki.server("broker-tls", names=[HOSTS["TLS"]])
    login = pki.server("broker-login", addresses=[HOSTS["LOGIN"]])
    return Secure(pki.ca, tls, login, users, reauth_ms)


def make_users(cluster, users=None):
    """Gives the users of a started cluster (or others: {name: password}) their SCRAM passwords, or new ones; returns
    when every broker takes them."""
    users = users or cluster.secure.users
    for name, mechanism in SCRAM.items():  # a request of its own each: KRaft takes a user once in a request
        changes = [
            UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, ITERATIONS), password.encode())
            for user, password in users.items()
        ]
        _ask(cluster, AdminClient.alter_user_scram_credentials, changes)
    for port, name, user in product(cluster.secure_ports["LOGIN"], SCRAM, users):
        at = f"{HOSTS['LOGIN']}:{port}"
        taken = partial(logs_in, cluster, at, user, users[user], name)
        wait_for(f"{user} logs in at {at} by {name}", taken)


def logs_in(cluster, at, user, password, mechanism, seconds=3):
    """Whether an address takes a password within so many seconds."""
    client = AdminClient(
        {
            "bootstrap.servers": at,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(cluster.secure.ca),
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": password,
            "error_cb": lambda _: None,  # it says all on standard error otherwise
            "log_level": 0,
        }
    )
    try:
        return bool(client.list_topics(timeout=seconds).brokers)
    except ck.KafkaException:
        return False


def allow(cluster, user, name, *operations, kind="TOPIC", prefixed=False):
    """Lets a user do these (READ, WRITE, DESCRIBE, ALL...) to a TOPIC, GROUP, TRANSACTIONAL_ID or CLUSTER ("kafka-cluster"
    is its name); `prefixed`: to all whose names begin so; name "*": to all. Returns when every broker knows."""
    _ask(cluster, AdminClient.create_acls, _bindings(user, name, operations, kind, prefixed))
    _wait(cluster, user, name, operations, kind, prefixed, True)


def forbid(cluster, user, name, *operations, kind="TOPIC", prefixed=False):
    """Takes back what `allow` gave in the same words."""
    rules = _bindings(user, name, operations, kind, prefixed)
    filters = [
        AclBindingFilter(
            r.restype, r.name, r.resource_pattern_type, r.principal, r.host, r.operation, r.permission_type
        )
        for r in rules
    ]
    _ask(cluster, AdminClient.delete_acls, filters)
    _wait(cluster, user, name, operations, kind, prefixed, False)


def _ask(cluster, call, changes):
    """At the plain listener, which asks nobody who he is."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
    for answer in call(admin, changes).values():
        answer.result(20)


def _pattern(prefixed):
    return ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL


def _bindings(user, name, operations, kind, prefixed):
    return [
        AclBinding(
            ResourceType[kind], name, _pattern(prefixed), f"User:{user}", "*", AclOperation[o], AclPermissionType.ALLOW,
        )
        for o in operations
    ]  # fmt: skip


def _wait(cluster, user, name, operations, kind, prefixed, there):
    """Each broker has a view of its own, which follows the controller's: asked is each."""
    asked = {
        "ResourceTypeFilter": ResourceType[kind].value,
        "ResourceNameFilter": name,
        "PatternTypeFilter": _pattern(prefixed).value,
        "PrincipalFilter": f"User:{user}",
        "HostFilter": "*",
        "Operation": AclOperation.ANY.value,
        "PermissionType": AclPermissionType.ALLOW.value,
    }
    wanted = {AclOperation[o].value for o in operations}
    for port in cluster.ports:

        def known():
            with Connection("127.0.0.1", port) as broker:  # noqa: B023
                answer = broker.call("DescribeAcls", DESCRIBE_ACLS, asked)
            found = {acl["Operation"] for resource in answer["Resources"] for acl in resource["Acls"]}
            return wanted <= found if there else not wanted & found

        wait_for(f"{cluster.name}'s broker at {port} knows what {user} may do to {name}", known)
