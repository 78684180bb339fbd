"""The shapes of a gateway group's resources, and Published: all that one group holds."""

from gatefleet.resources.consumer import Consumer, Credential
from gatefleet.resources.kinds import KINDS, Kind, Owner, document_key
from gatefleet.resources.plugin_use import GlobalRule, PluginMetadata
from gatefleet.resources.published import Document, Published
from gatefleet.resources.route import Route
from gatefleet.resources.service import Service, StreamService
from gatefleet.resources.ssl import Ssl
from gatefleet.resources.stream_route import StreamRoute
from gatefleet.resources.upstream import Node, Timeout, Upstream

__all__ = [
    "KINDS",
    "Consumer",
    "Credential",
    "Document",
    "GlobalRule",
    "Kind",
    "Node",
    "Owner",
    "PluginMetadata",
    "Published",
    "Route",
    "Service",
    "Ssl",
    "StreamRoute",
    "StreamService",
    "Timeout",
    "Upstream",
    "document_key",
]
