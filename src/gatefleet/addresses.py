"""IP addresses and networks as configurations write them."""

import ipaddress
import re


def address(text: str) -> str:
    """`text`, an address or a network of either family as in `10.0.0.0/8`; raises ValueError for anything else."""
    if not re.fullmatch(r"[0-9A-Fa-f:.]+(/\d{1,3})?", text):
        raise ValueError(f"invalid ip address: {text}")
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"invalid ip address: {text}") from error
    return text
