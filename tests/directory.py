"""A real directory for tests: OpenLDAP's slapd with a few users, plain and by TLS."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import create_connection
from typing import Final

from gatefleet import pki
from tests.ports import free_ports

INSTALLED: Final = Path(__file__).parent.parent / ".venv" / "slapd"
LIBRARIES: Final = INSTALLED / "usr/lib/x86_64-linux-gnu"
BASE: Final = "ou=users,dc=example,dc=org"
USERS: Final = {"user01": "password1", "user02": "password2", "Smith, John": "a:b c"}
"""Common name to password."""
CONF: Final = """
include {etc}/schema/core.schema
include {etc}/schema/cosine.schema
include {etc}/schema/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
allow bind_anon_dn
database mdb
maxsize 1048576
suffix dc=example,dc=org
directory {folder}/data
"""


@dataclass(frozen=True)
class Directory:
    port: int
    tls_port: int
    ca: Path
    """Who signed its certificate, which is one of 127.0.0.1 and localhost."""


@contextlib.contextmanager
def running() -> Iterator[Directory]:
    """A directory that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="slapd") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        _certificates(folder)
        _write(folder)
        plain, tls = free_ports(2)
        addresses = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}"
        with subprocess.Popen(_command("slapd", folder, "-h", addresses, "-d", "0"), env=_environment()) as server:
            try:
                _await(server, plain)
                yield Directory(plain, tls, folder / "ca.pem")
            finally:
                server.kill()


def _command(tool: str, folder: Path, *arguments: str) -> list[str]:
    return [str(INSTALLED / "usr/sbin" / tool), "-f", str(folder / "slapd.conf"), *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)}


def _write(folder: Path) -> None:
    conf = CONF.format(etc=INSTALLED / "etc/ldap", modules=INSTALLED / "usr/lib/ldap", folder=folder)
    (folder / "slapd.conf").write_text(conf)
    entries = [
        "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n",
        f"dn: {BASE}\nobjectClass: organizationalUnit\nou: users\n",
        *(
            f"dn: cn={name.replace(',', chr(92) + ',')},{BASE}\n"
            f"objectClass: inetOrgPerson\ncn: {name}\nsn: {name}\nuserPassword: {password}\n"
            for name, password in USERS.items()
        ),
    ]
    adding = _command("slapadd", folder, "-q")
    subprocess.run(adding, input="\n".join(entries).encode(), env=_environment(), check=True, capture_output=True)


def _certificates(folder: Path) -> None:
    ca = pki.create_ca(datetime.now(UTC))
    served = pki.issue_server(ca, ("127.0.0.1", "localhost"), datetime.now(UTC))
    (folder / "ca.pem").write_text(ca.certificate)
    (folder / "cert.pem").write_text(served.certificate)
    (folder / "key.pem").write_text(served.key)


def _await(server: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(3000):
        assert server.poll() is None, "slapd ended"
        with contextlib.suppress(OSError), create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("slapd does not listen")
