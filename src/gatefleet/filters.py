"""Envoy filters that plugins are made of: our native module, our Lua, header changes, regular expressions."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final, cast
from urllib.parse import urlsplit

import re2
from pydantic import Field

from gatefleet.errors import Invalid
from gatefleet.native.config import answer
from gatefleet.plugin import Conf, Filter, Phase, Plugin, Script
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.common.mutation_rules import v3 as mutation_rules
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.dynamic_modules import v3 as dynamic_modules
from gatefleet.protos.envoy.extensions.filters.common.fault import v3 as common_fault
from gatefleet.protos.envoy.extensions.filters.http.compressor import v3 as compressor
from gatefleet.protos.envoy.extensions.filters.http.dynamic_modules import v3 as module_filter
from gatefleet.protos.envoy.extensions.filters.http.fault import v3 as fault
from gatefleet.protos.envoy.extensions.filters.http.header_mutation import v3 as header_mutation
from gatefleet.protos.envoy.extensions.filters.http.header_to_metadata import v3 as header_to_metadata
from gatefleet.protos.envoy.extensions.filters.http.lua import v3 as lua_filter
from gatefleet.protos.envoy.extensions.filters.http.set_metadata import v3 as set_metadata
from gatefleet.protos.envoy.extensions.router.cluster_specifiers.matcher import v3 as cluster_matcher
from gatefleet.protos.envoy.type import v3 as envoy_type
from gatefleet.protos.envoy.type.matcher import v3 as matcher
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds
from gatefleet.protos.xds.type.matcher import v3 as xds_matcher
from gatefleet.templates import Format, capture_key, lua_parts

if TYPE_CHECKING:
    from google.protobuf.message import Message

MODULE: Final = "gatefleet"
SHARED_VM: Final = "gatefleet"
ASK_HTTP: Final = "gf-ask-http"
"""The cluster that reaches whoever a request's authority names."""
ASK_HTTPS: Final = "gf-ask-https"
ASK_HTTPS_UNCHECKED: Final = "gf-ask-https-unchecked"
"""The same, whatever certificate they show."""
MATCHED: Final = "\x01"
"""What `find_any` leaves where a pattern matched: no header can hold it, so nobody can send it."""
KEEP_PATH: Final = "%PATH(NQ:PATH)%"
"""The path the request has by now: what a route's own rewrite becomes where Lua has written the path."""
VALUE_MAX: Final = 16384
"""Envoy's bound for the format of a header value, in bytes."""

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$&'*+.^_`|~-]+$", max_length=256)]
HeaderValue = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=8192)] | int | float
Strings = Annotated[tuple[str, ...], Field(strict=False)]

_PRELUDE: Final = (resources.files("gatefleet") / "filters.lua").read_text()
_CAPTURE: Final = """
function on.request(handle, conf)
  local metadata = handle:streamInfo():dynamicMetadata()
  for key, parts in pairs(conf.captures) do
    metadata:set("gf.vars", key, printable(fill(handle, parts)))
  end
end
"""


def chain_position(plugin: Plugin) -> tuple[int, int]:
    """Sort key of a plugin's place in Envoy's filter chain.

    Requests pass the chain from the front, responses from the back. What works on responses, or has to note that
    there was a request at all, stands in front: it sees the answers of all others too, and has the last word as in
    APISIX. Among them the one of the lower priority stands first, so that responses meet the higher one before.
    What changes how finished responses are written down, compression, stands in front of all.
    """
    if plugin.phase is Phase.OUTPUT:
        return (-2, plugin.priority)
    if plugin.phase in (Phase.RESPONSE, Phase.LOG):
        return (-1, plugin.priority)
    return (plugin.phase, -plugin.priority)


def native(filter_name: str, config: bytes) -> Filter:
    """A filter of our own module; `config` as `gatefleet.native.config` makes it."""
    return Filter(
        module_filter.DynamicModuleFilter(
            dynamic_module_config=dynamic_modules.DynamicModuleConfig(name=MODULE, do_not_close=True),
            filter_name=filter_name,
            filter_config=pack(wkt.BytesValue(value=config)),
        )
    )


def lua(plugin: str, source: str, context: Mapping[str, Any], libraries: Iterable[str] = ()) -> tuple[Filter, Script]:
    """A filter that runs `source`, and the script file it names; `context` is what `conf` is in the script.

    `source` assigns `on.request(handle, conf)`, `on.response(handle, conf)` or both, and may use what `filters.lua`,
    `lua/json.lua` and the `libraries`, files of `gatefleet/lua`, define. An error in it answers 500.
    """
    whole = "\n".join((f'local PLUGIN = "{plugin}"', lua_libraries(*libraries), source, _library("run")))
    script = Script(f"{plugin}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}.lua", whole)
    config = lua_filter.Lua(
        default_source_code=core.DataSource(filename=f"lua/{script.name}"),
        clear_route_cache=wkt.BoolValue(
            value=False
        ),  # or a changed header would choose another route, past its plugins
        shared_vm_id=SHARED_VM,
        filter_context=_struct({"conf": json.dumps(context, sort_keys=True, separators=(",", ":"))}),
    )
    return Filter(config), script


def lua_source(package: str, name: str = "filter.lua") -> str:
    """The text of a Lua file beside the plugin's module."""
    return (resources.files(package) / name).read_text()


def lua_libraries(*names: str) -> str:
    """The text of what every script begins with and of these libraries."""
    return "\n".join((_PRELUDE, *map(_library, ("json", *names))))


@cache
def _library(name: str) -> str:
    return (resources.files("gatefleet") / "lua" / f"{name}.lua").read_text()


def captures(plugin: str, formats: Iterable[Format]) -> Iterable[Filter | Script]:
    """What reads the variables that `formats` refer to, if any; numbers are left to the plugin itself."""
    wanted = {capture_key(v): v for form in formats for v in form.captures if not v.name.isdigit()}
    if not wanted:
        return ()
    return lua(plugin, _CAPTURE, {"captures": {key: lua_parts([variable]) for key, variable in sorted(wanted.items())}})


def headers(
    *,
    request: Sequence[mutation_rules.HeaderMutation] = (),
    response: Sequence[mutation_rules.HeaderMutation] = (),
) -> Filter:
    """A filter that changes headers, in the order given."""
    return Filter(
        header_mutation.HeaderMutation(
            mutations=header_mutation.Mutations(request_mutations=request, response_mutations=response)
        )
    )


def mutation(option: core.HeaderValueOption) -> mutation_rules.HeaderMutation:
    return mutation_rules.HeaderMutation(append=option)


def removal(name: str) -> mutation_rules.HeaderMutation:
    return mutation_rules.HeaderMutation(remove=name)


def set_header(name: str, value: str) -> core.HeaderValueOption:
    """The header becomes `value`, an Envoy format; it stays as it is where that comes out empty."""
    return _option(name, value, core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)


def add_header(name: str, value: str) -> core.HeaderValueOption:
    """One more header of that name; none where `value`, an Envoy format, comes out empty."""
    return _option(name, value, core.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD)


def default_header(name: str, value: str) -> core.HeaderValueOption:
    """The header becomes `value`, an Envoy format, where there is none of that name."""
    return _option(name, value, core.HeaderValueOption.ADD_IF_ABSENT)


def remember_matches(namespace: str, header: str, rules: Mapping[str, tuple[str, str]]) -> Filter:
    """Leaves in the metadata `namespace`, for each key of `rules`, what (regex, substitution) make of a request header.

    Where the regex does not match, the value is the header's own: let substitutions begin with what it cannot
    begin with. The regex has to match the whole header, or each match is replaced.
    """
    return Filter(
        header_to_metadata.Config(
            request_rules=[
                header_to_metadata.Config.Rule(
                    header=header,
                    on_header_present=header_to_metadata.Config.KeyValuePair(
                        metadata_namespace=namespace, key=key, regex_value_rewrite=substitute(regex, substitution)
                    ),
                )
                for key, (regex, substitution) in rules.items()
            ]
        )
    )


def find_any(
    plugin: str, header: str, rules: Sequence[str], field: str, *, any_case: bool = False
) -> tuple[Filter, str]:
    """A filter that looks for any of the patterns in a request header, and where it leaves MATCHED, under `found`.

    Raises Invalid, naming `field`, for what RE2 cannot do.
    """
    for rule in rules:
        groups(rule, field)
    regex = f"(?s)^.*(?{'i' if any_case else ''}:{'|'.join(rules)}).*$"
    namespace = f"gf.{plugin}.{hashlib.sha256(regex.encode()).hexdigest()[:8]}"
    return remember_matches(namespace, header, {"found": (regex, MATCHED)}), namespace


def substitute(regex: str, substitution: str) -> matcher.RegexMatchAndSubstitute:
    return matcher.RegexMatchAndSubstitute(pattern=matcher.RegexMatcher(regex=regex), substitution=substitution)


def groups(regex: str, field: str) -> int:
    """How many groups `regex` has; raises Invalid, naming `field`, for what RE2, and so Envoy, cannot do."""
    engine = cast("Any", re2)  # has no types
    options = engine.Options()
    options.log_errors = False
    try:
        return engine.compile(regex, options).groups
    except engine.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise Invalid(
            f"[{field}] is not a regular expression of RE2 (which knows no lookaround and no back-references): {why}"
        ) from error


def first_match(regex: str, template: str, field: str) -> tuple[str, str]:
    """The regex and substitution that replace the first match of `regex` in a whole value and keep the rest of it.

    `template` refers to groups as `$1` or `${1}`, `$0` is the match, `$$` a dollar; a group that does not exist is
    empty. Raises Invalid, naming `field`, for what RE2 cannot do.
    """
    count = groups(regex, field)
    if count > 6:
        raise Invalid(f"[{field}] has more than 6 groups")
    return rf"(?s)^(.*?)((?-s:{regex}))(.*)$", rf"\1{_substitution(template, count, 2, field)}\{count + 3}"


def group_of(regex: str, number: int, field: str) -> tuple[str, str]:
    """The regex and substitution that make of a whole value what group `number` caught in the first match."""
    count = groups(regex, field)
    return rf"(?s)^(.*?)((?-s:{regex}))(.*)$", rf"\{number + 2}" if number <= count else ""


def anchored_match(regex: str, template: str, field: str) -> tuple[str, str] | None:
    """As `first_match` but simpler, where `regex` matches at the beginning only; None where it may match elsewhere."""
    count = groups(regex, field)
    if not regex.startswith("^") or "|" in regex or count > 9:
        return None
    return regex, _substitution(template, count, 0, field)


def _substitution(template: str, count: int, shift: int, field: str) -> str:
    def one(found: re.Match[str]) -> str:
        number = found[1] or found[2]
        if number is None:
            if found[0] != "$$":
                raise Invalid(f"[{field}] may refer to groups only, as in $1; a dollar is written $$")
            return "$"
        return rf"\{int(number) + shift}" if int(number) <= count else ""

    return re.sub(r"\$(?:(\d+)|\{(\d+)\}|\$)?", one, template.replace("\\", "\\\\"))


def pause(seconds: float, percentage: int = 100, only_with: str = "") -> Filter:
    """A filter that holds a share of the requests back for so long; `only_with`: of those with that header."""
    nanoseconds = max(round(seconds * 1e9), 1)
    return Filter(
        fault.HTTPFault(
            delay=common_fault.FaultDelay(
                fixed_delay=wkt.Duration(seconds=nanoseconds // 10**9, nanos=nanoseconds % 10**9),
                percentage=envoy_type.FractionalPercent(numerator=percentage),
            ),
            headers=[{"name": only_with, "present_match": True}] if only_with else None,
        )
    )


def known_http(value: float) -> float:
    """A version of HTTP as gzip and brotli ask for it; raises ValueError for another."""
    if value not in (1.0, 1.1):
        raise ValueError("must be 1.1 or 1.0")
    return value


def compress(name: str, library: "Message", types: Sequence[str] | str, min_length: int, *, preferred: bool) -> Filter:
    """A filter that compresses responses of these MIME types (`*` for all); `preferred` over others clients accept."""
    common = compressor.Compressor.CommonDirectionConfig(min_content_length=wkt.UInt32Value(value=min_length))
    if types == "*":
        common.content_type_matcher.append(matcher.StringMatcher(safe_regex={"regex": "(?s).*"}))
    else:
        common.content_type.extend(types)
    return Filter(
        compressor.Compressor(
            compressor_library=core.TypedExtensionConfig(name=name, typed_config=pack(library)),
            response_direction_config=compressor.Compressor.ResponseDirectionConfig(
                common_config=common, weaken_etag_on_compress=True
            ),
            choose_first=preferred,
        )
    )


def cluster_by_header(header: str, clusters: Iterable[str], *, otherwise: str) -> route.Route:
    """A route's choice of its cluster by a request header that says the cluster's name."""
    actions = {name: _to_cluster(name) for name in (*clusters, otherwise)}
    tree = xds_matcher.Matcher.MatcherTree(
        input=xds.TypedExtensionConfig(
            name="header", typed_config=pack(matcher.HttpRequestHeaderMatchInput(header_name=header))
        ),
        exact_match_map=xds_matcher.Matcher.MatcherTree.MatchMap(map=actions),
    )
    specifier = cluster_matcher.MatcherClusterSpecifier(
        cluster_matcher=xds_matcher.Matcher(matcher_tree=tree, on_no_match=actions[otherwise])
    )
    plugin = route.ClusterSpecifierPlugin(
        extension=core.TypedExtensionConfig(name="by-header", typed_config=pack(specifier))
    )
    return route.Route(
        route=route.RouteAction(inline_cluster_specifier_plugin=plugin), request_headers_to_remove=[header]
    )


def _to_cluster(name: str) -> xds_matcher.Matcher.OnMatch:
    action = pack(cluster_matcher.ClusterAction(cluster=name))
    return xds_matcher.Matcher.OnMatch(action=xds.TypedExtensionConfig(name="cluster", typed_config=action))


def place_of(uri: str, field: str, *, verify: bool) -> dict[str, Any]:
    """An address as `lua/ask.lua` needs it; raises Invalid, naming `field`, for one that cannot be asked."""
    wrong = Invalid(f"[{field}] has to be an address as https://host:port/path, of printable characters")
    try:
        parts = urlsplit(uri)
        whole = parts.hostname and parts.port != 0 and parts.username is None
    except ValueError:
        raise wrong from None
    if not whole or not re.fullmatch(r"[!-~]+", uri):
        raise wrong
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    cluster = ASK_HTTP if not secure else ASK_HTTPS if verify else ASK_HTTPS_UNCHECKED
    return {"cluster": cluster, "secure": secure, "authority": parts.netloc, "path": path}


def metadata(namespace: str, values: Mapping[str, Any]) -> Filter:
    """A filter that notes `values` in the request's dynamic metadata; a later one for the same namespace wins."""
    entry = set_metadata.Metadata(metadata_namespace=namespace, allow_overwrite=True, value=_struct(values))
    return Filter(set_metadata.Config(metadata=[entry]))


def refused_body(conf: Conf, body: object) -> object:
    """What a refusal of the plugin says: `_meta.error_response` where it is configured, else `body`."""
    meta: Any = (conf.model_extra or {}).get("_meta")
    own: object = cast("dict[str, Any]", meta).get("error_response") if isinstance(meta, dict) else None
    return body if own is None else own


def refusal(conf: Conf, body: object) -> str:
    """`refused_body` as it is sent."""
    return answer(refused_body(conf, body)).decode()


def text_of(value: str | float) -> str:
    """A header value as text; numbers as Lua writes them."""
    return value if isinstance(value, str) else f"{value:.14g}"


def _option(name: str, value: str, action: int) -> core.HeaderValueOption:
    if len(value.encode()) > VALUE_MAX:
        raise Invalid(f"the value of header [{name}] is longer than {VALUE_MAX} bytes")
    return core.HeaderValueOption(header=core.HeaderValue(key=name, value=value), append_action=action)


def _struct(values: Mapping[str, Any]) -> wkt.Struct:
    return wkt.Struct(fields={key: _value(value) for key, value in values.items()})


def _value(value: Any) -> wkt.Value:
    match value:
        case bool():
            return wkt.Value(bool_value=value)
        case int() | float():
            return wkt.Value(number_value=value)
        case str():
            return wkt.Value(string_value=value)
        case Mapping():
            return wkt.Value(struct_value=_struct(cast("Mapping[str, Any]", value)))
        case _:
            return wkt.Value(list_value=wkt.ListValue(values=[_value(item) for item in value]))
