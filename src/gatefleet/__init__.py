"""Gatefleet: one control plane for fleets of API gateways."""

from typing import Final

VERSION: Final = "0.1.0"
API7_COMPATIBLE_VERSION: Final = "3.9.14"
