"""Lets only consumers in whose name and password, sent as HTTP basic authentication, a directory (LDAP) accepts.

Each request is one bind, made by the node's sign-in process; a directory that cannot be reached accepts nobody.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import Field, field_validator

from gatefleet.filters import lua, lua_source, refusal, refused_body
from gatefleet.native.records import SECRET_MAX, secret_entry
from gatefleet.plugin import Authenticates, Conf, Effect, Phase, Plugin, Scope, Who

SOURCE = lua_source(__name__)
LIBRARIES = ("native", "auth", "signin")
PLAIN_PORT = 389
TLS_PORT = 636


class LdapAuth(Conf):
    """Which directory is asked, and where in it the users are."""

    base_dn: str = Field(
        min_length=1, max_length=2048, description="Where the users are, as `ou=users,dc=example,dc=org`."
    )
    ldap_uri: str = Field(
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$",
        max_length=300,
        description="Host and port of the directory; without a port 389, with `use_tls` 636.",
    )
    use_tls: bool = Field(default=False, description="Speak TLS from the first byte.")
    tls_verify: bool = Field(default=False, description="Check the directory's certificate and name.")
    uid: str = Field(
        default="cn", pattern=r"^[A-Za-z][A-Za-z0-9-]*$", max_length=100, description="The attribute that names users."
    )
    realm: Annotated[str, Field(pattern=r"^[ !#-~]*$", max_length=400)] = Field(
        default="ldap", description="The realm named in the WWW-Authenticate header of a 401."
    )

    @field_validator("ldap_uri")
    @classmethod
    def port_exists(cls, value: str) -> str:
        if not 0 < address(value, PLAIN_PORT)[1] < 65536:
            raise ValueError("has no port between 1 and 65535")
        return value


class LdapCredential(Conf):
    """What a consumer's credential holds."""

    user_dn: str = Field(
        min_length=1, max_length=4096, description="Whose entry it is: `<uid>=<name>,<base_dn>`; not two consumers'."
    )

    @field_validator("user_dn")
    @classmethod
    def within_bytes(cls, value: str) -> str:
        if len(value.encode()) > SECRET_MAX:
            raise ValueError(f"must have at most {SECRET_MAX} bytes")
        return value


def address(uri: str, port: int) -> tuple[str, int]:
    """Host and port of `uri`, where it names none `port`."""
    host, colon, given = uri.rpartition(":")
    if not colon or given.endswith("]"):
        return uri.strip("[]"), port
    return host.strip("[]"), int(given)


def translate(conf: LdapAuth, scope: Scope) -> Iterator[Effect]:
    host, port = address(conf.ldap_uri, TLS_PORT if conf.use_tls else PLAIN_PORT)
    context: dict[str, Any] = {
        "directory": {
            "host": host,
            "port": port,
            "use_tls": conf.use_tls,
            "tls_verify": conf.tls_verify,
            "base_dn": conf.base_dn,
            "uid": conf.uid,
        },
        "anonymous": "",
        "challenge": f'Basic realm="{conf.realm}"',
        "soft": scope.one_of_several,
    }
    if refused_body(conf, None) is not None:
        context["body"] = refusal(conf, None)
    yield from lua("ldap-auth", SOURCE, context, LIBRARIES)


def entries(credential: LdapCredential, who: Who) -> Iterable[tuple[bytes, bytes]]:
    return (secret_entry(b"l", credential.user_dn, b"", "", who.consumer, who.credential_id, who.custom_id),)


def unique(credential: LdapCredential) -> str:
    return credential.user_dn


PLUGIN = Plugin(
    name="ldap-auth",
    priority=2540,
    phase=Phase.REWRITE,
    conf=LdapAuth,
    translate=translate,
    summary="Authenticates consumers by name and password, as a directory knows them.",
    category="authentication",
    examples={
        "By a directory, over TLS": {
            "base_dn": "ou=users,dc=example,dc=org",
            "ldap_uri": "ldap.example:636",
            "use_tls": True,
            "uid": "uid",
        }
    },
    auth=Authenticates(credential=LdapCredential, entries=entries, unique=unique),
    protects=True,
)
