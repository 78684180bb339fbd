"""`python -m gatefleet.signin SOCKET KEY-FILE LOG-FORMAT`: answer the questions of this node's Envoy until killed."""

import sys
from pathlib import Path
from typing import cast

import uvloop

from gatefleet import logs
from gatefleet.signin import serve


def main(socket: str, key_file: str, log_format: str) -> None:
    logs.configure(cast("logs.Format", log_format), "signin")
    uvloop.run(serve.serve(Path(socket), Path(key_file).read_bytes()))


if __name__ == "__main__":
    main(*sys.argv[1:4])
