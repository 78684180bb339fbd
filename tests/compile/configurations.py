"""Random plugin configurations and routes: what the schemas allow, made of texts that mean something somewhere."""

from functools import cache
from typing import Any, Final, cast

from hypothesis import strategies as st

from gatefleet.plugins import registry

Json = dict[str, Any]
TEXTS: Final = (
    "", "a", "/new", "/a/$1", "$uri", "${arg_x}-$http_y", "$remote_addr", "$cookie_c ?? z", "$nope", "^/(.*)/x$",
    "(?i)a|b",    "(?!x)y", "[a-", "\\d+", "x-header", "X_Y", "text/plain", "10.0.0.0/8", "::1", "*", "*.a.test", "https://a.test",
    "GET", "jack", "route-1", "%PATH%", "%", "ä€", "a b", "line\nbreak", "\x00", '"quoted"', "{{", "100%", "-1", "60s",
    "x|" * 90 + "y", "$secret://vault/a/b/c", "$env://A",
)  # fmt: skip
VARIABLES: Final = (
    "uri", "arg_a", "arg_", "http_x_y", "http_host", "cookie_c", "remote_addr", "request_method", "scheme", "args",
    "server_port", "post_arg_a", "graphql_name", "consumer_name", "nope", "",
)  # fmt: skip
OPERATORS: Final = ("==", "~=", ">", "<=", "~~", "~*", "in", "has", "ipmatch", "IN", "=~")
PATHS: Final = ("/", "/*", "/a", "/a/*", "/a*", "/u/:id", "/u/:id/*rest", "/a/*/b", "/:", "/ä", "/a b", "/%41")
texts: Final = st.sampled_from(TEXTS) | st.text(max_size=8)


def documents() -> st.SearchStrategy[tuple[Json, Json]]:
    """The bodies of a service and of one of its routes; the service's hosts are left to the caller."""
    return st.tuples(services(), routes())


def services() -> st.SearchStrategy[Json]:
    node = st.fixed_dictionaries(
        {
            "host": st.sampled_from(("127.0.0.1", "::1", "a.test")),
            "port": st.integers(1, 65535),
            "weight": st.integers(0, 3),
        },
        optional={"priority": st.integers(-2, 2)},
    )
    upstream = st.fixed_dictionaries(
        {"nodes": st.lists(node, max_size=3)},
        optional={
            "type": st.sampled_from(("roundrobin", "chash", "least_conn", "ewma")),
            "hash_on": st.sampled_from(("vars", "header", "cookie", "consumer", "vars_combinations")),
            "key": texts,
            "scheme": st.sampled_from(("http", "https", "grpc", "grpcs")),
            "retries": st.integers(0, 5),
            "retry_timeout": st.floats(0, 10),
            "timeout": st.fixed_dictionaries({"read": st.floats(0.001, 1e6), "connect": st.floats(0.001, 1e6)}),
            "pass_host": st.sampled_from(("pass", "node", "rewrite")),
            "upstream_host": st.sampled_from(("b.test", "b.test:80")),
            "checks": checks(),
        },
    )
    return st.fixed_dictionaries(
        {"name": st.just("s"), "upstream": upstream},
        optional={"path_prefix": st.sampled_from(("/", "/v1", "/v1/")), "plugins": plugins()},
    )


@cache
def checks() -> st.SearchStrategy[Json]:
    counts = st.fixed_dictionaries({"http_failures": st.integers(0, 255), "tcp_failures": st.integers(0, 255)})
    active = st.fixed_dictionaries(
        {"type": st.sampled_from(("http", "https", "tcp"))},
        optional={"http_path": texts, "host": texts, "unhealthy": counts, "req_headers": st.lists(texts, max_size=2)},
    )
    return st.fixed_dictionaries({"active": active}, optional={"passive": st.fixed_dictionaries({"unhealthy": counts})})


def routes() -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {"name": st.just("r"), "paths": st.lists(st.sampled_from(PATHS), min_size=1, max_size=2), "plugins": plugins()},
        optional={
            "vars": st.lists(conditions(), max_size=2) | conditions(),
            "methods": st.lists(st.sampled_from(("GET", "POST", "PURGE", "CONNECT")), max_size=2),
            "remote_addrs": st.lists(texts, max_size=2),
            "priority": st.integers(-5, 5),
            "enable_websocket": st.booleans(),
            "timeout": st.fixed_dictionaries({"read": st.floats(0.001, 1e6)}),
        },
    )


@cache
def conditions() -> st.SearchStrategy[Any]:
    values = texts | st.integers(-9, 9) | st.none() | st.booleans() | st.lists(texts | st.integers(), max_size=2)
    variables, operators = st.sampled_from(VARIABLES), st.sampled_from(OPERATORS)
    plain = st.tuples(variables, operators, values).map(list) | st.tuples(
        variables, st.just("!"), operators, values
    ).map(list)
    words = st.sampled_from(("AND", "OR", "!AND", "!OR"))
    return st.recursive(plain, lambda inner: st.tuples(words, inner, inner).map(list), max_leaves=4)


@cache
def plugins() -> st.SearchStrategy[Json]:
    """Up to three plugins with configurations that their schemas may allow, some with `_meta`."""
    names = st.lists(st.sampled_from(sorted(registry())), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: configuration(name) for name in chosen}))


@cache
def configuration(name: str) -> st.SearchStrategy[Json]:
    schema = registry()[name].conf.model_json_schema()
    meta = st.fixed_dictionaries(
        {},
        optional={
            "priority": st.integers(-10, 20000),
            "filter": st.lists(conditions(), max_size=2),
            "error_response": texts | st.just({"message": "no"}),
        },
    )
    plain = of_schema(schema, schema)
    return plain | st.builds(lambda conf, extra: {**conf, "_meta": extra}, plain, meta)


def of_schema(schema: Json, whole: Json) -> st.SearchStrategy[Any]:
    """Values of a schema as pydantic writes it; patterns of texts are followed about half of the time."""
    if "$ref" in schema:
        return st.deferred(lambda: of_schema(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole))
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([of_schema(one, whole) for one in cast("list[Json]", options)])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    make = KINDS.get(schema.get("type", ""))
    return make(schema, whole) if make else texts


def _object(schema: Json, whole: Json) -> st.SearchStrategy[Any]:
    properties: Json = schema.get("properties", {})
    if not properties:
        held = schema.get("additionalProperties")
        values = of_schema(held, whole) if isinstance(held, dict) else texts
        return st.dictionaries(texts, values, min_size=schema.get("minProperties", 0), max_size=2)
    required = set(schema.get("required", ()))
    made = {name: of_schema(one, whole) for name, one in properties.items()}
    return st.fixed_dictionaries(
        {name: one for name, one in made.items() if name in required},
        optional={name: one for name, one in made.items() if name not in required},
    )


def _array(schema: Json, whole: Json) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*(of_schema(one, whole) for one in schema["prefixItems"])).map(list)
    least = schema.get("minItems", 0)
    return st.lists(
        of_schema(schema.get("items", {}), whole), min_size=least, max_size=min(least + 2, schema.get("maxItems", 99))
    )


def _string(schema: Json, _: Json) -> st.SearchStrategy[Any]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True) | texts
    least = schema.get("minLength", 0)
    return texts.filter(lambda text: len(text) >= least) if least < 2 else st.text(min_size=least, max_size=least + 8)


def _integer(schema: Json, _: Json) -> st.SearchStrategy[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -2) + 1)
    return st.integers(low, max(low, min(schema.get("maximum", low + 1000), low + 100_000)))


def _number(schema: Json, _: Json) -> st.SearchStrategy[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1))
    return st.floats(low, schema.get("maximum", low + 1000), exclude_min="exclusiveMinimum" in schema)


KINDS: Final = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _, __: st.booleans(),
    "null": lambda _, __: st.none(),
}
