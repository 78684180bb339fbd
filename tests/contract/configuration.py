"""A configuration as a file for ADC holds it, with a bit of everything."""

from typing import Any

from tests.contract.pem import pair

CERT, KEY = pair("one.example.com", "two.example.com")
OTHER_CERT, OTHER_KEY = pair("one.example.com", "two.example.com")
NODES = [{"host": "127.0.0.1", "port": 9001, "weight": 100}]

MIXED: dict[str, Any] = {
    "services": [
        {
            "name": "shop",
            "desc": "What customers see",
            "labels": {"team": "1", "stages": ["a", "b"]},
            "hosts": ["shop.example.com", "*.shop.example.com"],
            "path_prefix": "/shop",
            "strip_path_prefix": False,
            "plugins": {"limit-count": {"_meta": {"disable": False}, "count": 2, "time_window": 60}},
            "upstream": {
                "scheme": "https",
                "type": "chash",
                "hash_on": "header",
                "key": "x-user",
                "nodes": [*NODES, {"host": "10.0.0.2", "port": 443, "weight": 0, "priority": -1}],
                "timeout": {"connect": 1, "send": 2, "read": 3},
                "retries": 2,
                "retry_timeout": 5,
                "pass_host": "rewrite",
                "upstream_host": "inner.example.com",
                "keepalive_pool": {"size": 10},
                "tls": {"verify": False},
                "checks": {
                    "active": {
                        "type": "tcp",
                        "timeout": 2,
                        "healthy": {"interval": 2, "successes": 1},
                        "unhealthy": {"interval": 1, "tcp_failures": 3},
                    }
                },
            },
            "routes": [
                {
                    "name": "read",
                    "desc": "All that only reads",
                    "labels": {"kind": "read"},
                    "uris": ["/items/*", "/items"],
                    "methods": ["GET", "HEAD"],
                    "priority": 10,
                    "vars": [["uri", "==", "/items/1"], ["http_user", "~~", "[a-z]+"]],
                    "timeout": {"connect": 111, "send": 222, "read": 333},
                    "plugins": {"proxy-rewrite": {"uri": "/", "headers": {"set": {"X-A": "b"}}}},
                },
                {"name": "write", "uris": ["/items/:id"], "methods": ["POST"], "enable_websocket": True},
            ],
            "upstreams": [
                {"name": "canary", "nodes": NODES, "retry_timeout": 1},
                {"name": "blue", "type": "least_conn", "nodes": NODES, "timeout": {"connect": 5, "send": 5, "read": 5}},
            ],
        },
        {"id": "custom-service", "name": "bare", "routes": [{"id": "custom-route", "name": "all", "uris": ["/*"]}]},
        {"name": "empty", "upstream": {}},
        {
            "name": "postgres",
            "plugins": {"ip-restriction": {"whitelist": ["10.0.0.0/8"]}},
            "upstream": {"nodes": [{"host": "127.0.0.1", "port": 5432, "weight": 1}], "timeout": {"connect": 3}},
            "stream_routes": [
                {"name": "writer", "server_port": 19501, "plugins": {"ip-restriction": {"blacklist": ["10.0.0.9"]}}},
                {"name": "reader", "server_port": 19502, "remote_addr": "10.1.0.0/16", "labels": {"kind": "read"}},
            ],
        },
    ],
    "consumers": [
        {
            "username": "jack",
            "desc": "A consumer",
            "labels": {"team": "1"},
            "plugins": {"limit-count": {"count": 100, "time_window": 1}},
            "credentials": [
                {"name": "first", "type": "key-auth", "config": {"key": "jack-key"}},
                {"name": "second", "type": "basic-auth", "config": {"username": "jack", "password": "s3cret"}},
            ],
        },
        {"username": "jane"},
    ],
    "ssls": [
        {"snis": ["one.example.com", "two.example.com"], "certificates": [{"certificate": CERT, "key": KEY}]},
    ],
    "global_rules": {"prometheus": {"prefer_name": True, "test": "unknown"}, "request-id": {}},
    "plugin_metadata": {"limit-count": {"limit_header": "X-Quota"}, "cors": {"allow_origins": {"a": "https://a.com"}}},
}
