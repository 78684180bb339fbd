"""What limits have in common: the keys requests are counted by, where the counters are, how requests are refused."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from gatefleet.errors import Invalid
from gatefleet.native.config import LIMIT_VARIABLE_PREFIXES, LIMIT_VARIABLES, Redis
from gatefleet.plugin import Conf, Scope
from gatefleet.templates import Part, parse

ServerName = Annotated[str, Field(min_length=2, max_length=100, pattern=r"^\S+:[0-9]{1,5}$")]


class Limiting(Conf):
    """How a limit refuses, and where its counters are."""

    rejected_code: int = Field(default=503, ge=200, le=599, description="The status of the refusal.")
    rejected_msg: str | None = Field(
        default=None, min_length=1, description="The message of the refusal; without it the body is empty."
    )
    allow_degradation: bool = Field(
        default=False, description="Let requests pass that cannot be counted, instead of answering 500."
    )
    policy: Literal["local", "redis", "redis-cluster"] = Field(
        default="local",
        description="Where counters are: on each node, in a Redis server (5 or newer) or a Redis cluster that all "
        "nodes ask.",
    )
    redis_host: str | None = Field(
        default=None, min_length=2, max_length=255, pattern=r"^\S+$", description="The server, with policy `redis`."
    )
    redis_port: int = Field(default=6379, ge=1, le=65535, description="Its port.")
    redis_database: int = Field(default=0, ge=0, lt=2**31, description="Its database.")
    redis_ssl: bool = Field(default=False, description="Ask the server over TLS.")
    redis_ssl_verify: bool = Field(
        default=False, description="Check the server's certificate against the authorities that the node trusts."
    )
    redis_cluster_nodes: Annotated[tuple[ServerName, ...], Field(strict=False, min_length=1, max_length=32)] | None = (
        Field(default=None, description="Some servers of the cluster, `host:port`, with policy `redis-cluster`.")
    )
    redis_cluster_name: str | None = Field(
        default=None, description="A name for the cluster: has to be there, as in APISIX, and is not used."
    )
    redis_cluster_ssl: bool = Field(default=False, description="Ask the cluster over TLS.")
    redis_cluster_ssl_verify: bool = Field(default=False, description="Check the certificates of its servers.")
    redis_username: str | None = Field(
        default=None, min_length=1, max_length=512, description="The user to log in as; together with the password."
    )
    redis_password: SecretStr | None = Field(default=None, max_length=2048, description="The password to log in with.")
    redis_timeout: int = Field(
        default=1000,
        ge=1,
        le=3_600_000,
        description="Milliseconds that a request waits for Redis; then it counts as unreachable.",
    )
    redis_keepalive_timeout: int = Field(
        default=10_000, ge=1000, lt=2**31, description="Milliseconds after which a connection without use is closed."
    )
    redis_keepalive_pool: int = Field(
        default=100,
        ge=1,
        description="**Differs**: a node has one connection to a server, which all requests share at the same time.",
    )

    @model_validator(mode="after")
    def policy_has_its_servers(self) -> Self:
        if self.policy == "redis" and self.redis_host is None:
            raise ValueError("policy redis needs redis_host")
        if self.policy == "redis-cluster" and (self.redis_cluster_nodes is None or self.redis_cluster_name is None):
            raise ValueError("policy redis-cluster needs redis_cluster_nodes and redis_cluster_name")
        return self

    @property
    def redis(self) -> Redis | None:
        """The server or cluster that has the counters; None where each node counts for itself."""
        if self.policy == "local":
            return None
        cluster = self.policy == "redis-cluster"
        return Redis(
            nodes=self.redis_cluster_nodes or () if cluster else (f"{self.redis_host}:{self.redis_port}",),
            cluster=cluster,
            timeout=self.redis_timeout,
            idle=self.redis_keepalive_timeout,
            tls=self.redis_cluster_ssl if cluster else self.redis_ssl,
            verify=self.redis_cluster_ssl_verify if cluster else self.redis_ssl_verify,
            database=0 if cluster else self.redis_database,
            username=self.redis_username,
            password=self.redis_password.get_secret_value() if self.redis_password else None,
        )


def counting_key(key: str, key_type: str, scope: Scope) -> tuple[str, str]:
    """`key` and `key_type` with what the scope knows (route and service) filled in, as `native.config` reads them.

    Raises Invalid, naming [key], for what requests cannot be counted by.
    """
    if key_type == "constant":
        return key, "constant"
    if key_type == "var" and not re.fullmatch(r"\w+", key, re.ASCII):
        raise Invalid(
            "[key] has to be the name of a variable, as remote_addr; for a text with variables set [key_type]"
        )
    parts = parse(key if key_type == "var_combination" else "${" + key + "}", "key", scope)
    for part in parts:
        if not isinstance(part, str) and not is_countable(part.name):
            raise Invalid(f"[key] uses the variable [${part.name}], which requests cannot be counted by")
    if all(isinstance(part, str) for part in parts):
        constant = "".join(map(str, parts))
        return (constant, "constant") if constant not in ("", key) else ("remote_addr", "var")
    return "".join(map(written, parts)), "var_combination"


def is_countable(name: str) -> bool:
    """Whether the native module knows the variable."""
    return name in LIMIT_VARIABLES or name.startswith(LIMIT_VARIABLE_PREFIXES)


def written(part: Part) -> str:
    """A part as a template says it."""
    if isinstance(part, str):
        return part.replace("$", "\\$")
    return "${" + part.name + (f" ?? {part.default}" if part.default is not None else "") + "}"
