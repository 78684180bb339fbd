"""What clients are told when an upstream fails: nginx's statuses, as APISIX's users know them, instead of Envoy's 503.

Asked only when Envoy answers by itself because of an upstream; answers of plugins and upstreams stay as they are.
"""

from typing import Final

from gatefleet.protos import pack
from gatefleet.protos.envoy.config.accesslog import v3 as accesslog
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.extensions.access_loggers.filters.cel import v3 as cel
from gatefleet.protos.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from gatefleet.protos.google import protobuf as wkt

BAD_GATEWAY: Final = 502
UNAVAILABLE: Final = 503
TIMEOUT: Final = 504
_WORDS: Final = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}


def local_replies() -> hcm.LocalReplyConfig:
    """A node that does not take the connection in time or is too slow: 504; one that fails: 502; none at all: 503."""
    connecting = accesslog.AccessLogFilter(
        extension_filter={
            "name": "cel",
            "typed_config": pack(
                cel.ExpressionFilter(expression='response.code_details.contains("connection_timeout")')
            ),
        }
    )
    slow = accesslog.AccessLogFilter(and_filter={"filters": [_flags("UF"), connecting]})
    return hcm.LocalReplyConfig(
        mappers=[
            _mapper(slow, TIMEOUT),
            _mapper(_flags("UF", "UC", "UR", "UPE"), BAD_GATEWAY),
            _mapper(_flags("UT", "SI"), TIMEOUT),
            _mapper(_flags("UH", "NC", "UO"), UNAVAILABLE),
        ]
    )


def _flags(*flags: str) -> accesslog.AccessLogFilter:
    return accesslog.AccessLogFilter(response_flag_filter={"flags": flags})


def _mapper(condition: accesslog.AccessLogFilter, status: int) -> hcm.ResponseMapper:
    return hcm.ResponseMapper(
        filter=condition,
        status_code=wkt.UInt32Value(value=status),
        body=core.DataSource(inline_string=f'{{"error_msg":"{status} {_WORDS[status]}"}}\n'),
        body_format_override={
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "text/plain; charset=utf-8",
        },
    )
