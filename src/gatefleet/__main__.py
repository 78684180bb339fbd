"""`python -m gatefleet`: the same as the command `gatefleet`."""

from gatefleet.cli import main

main()
