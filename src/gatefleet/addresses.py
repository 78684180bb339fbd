"""IP addresses and networks as configurations write them."""

import ipaddress
import re
from typing import Final

DENIED: Final = (
    "0.0.0.0/8",
    "169.254.0.0/16",
    "fe80::/10",
    "fd00:ec2::/32",
    "fd20:ce::/32",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.0/4",
    "ff00::/8",
    "::/128",
)
"""What nothing configured is connected to: unspecified, link-local and multicast addresses, and those at which clouds
(AWS, Google, Alibaba, Azure, Oracle) answer whoever asks from inside the machine.
"""


def address(text: str) -> str:
    """`text`, an address or a network of either family as in `10.0.0.0/8`; raises ValueError for anything else."""
    if not re.fullmatch(r"[0-9A-Fa-f:.]+(/\d{1,3})?", text):
        raise ValueError(f"invalid ip address: {text}")
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"invalid ip address: {text}") from error
    return text
