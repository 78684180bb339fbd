"""`python -m gatefleet.signin SOCKET KEY-FILE LOG-FORMAT DENIED`: answer questions of this node's Envoy until killed.

DENIED: networks that are not connected to, with commas between them.
"""

import sys
from pathlib import Path
from typing import cast

import uvloop

from gatefleet import logs
from gatefleet.outbound import Outbound
from gatefleet.signin import serve


def main(socket: str, key_file: str, log_format: str, denied: str) -> None:
    logs.configure(cast("logs.Format", log_format), "signin")
    uvloop.run(serve.serve(Path(socket), Path(key_file).read_bytes(), Outbound(filter(None, denied.split(",")))))


if __name__ == "__main__":
    main(*sys.argv[1:5])
