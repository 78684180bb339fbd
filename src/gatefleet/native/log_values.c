/* Variables of the access log: nginx's and APISIX's names, and the parts of APISIX's own entry. */
#include "log.h"

#include <time.h>
#include <unistd.h>

typedef const struct logged *Logged;

static bool say(struct out *out, struct text value) {
  if (!value.at) return false;
  out_add(out, value);
  return true;
}

static bool say_number(struct out *out, uint64_t number) {
  char buffer[24];
  return say(out, digits(number, buffer));
}

/* Thousandths as a decimal number: ms as seconds, us as milliseconds. */
static bool say_thousandths(struct out *out, int64_t value) {
  if (value < 0) return false;
  const char rest[] = {'.', (char)('0' + value / 100 % 10), (char)('0' + value / 10 % 10), (char)('0' + value % 10)};
  return say_number(out, (uint64_t)value / 1000) && say(out, (struct text){rest, sizeof rest});
}

static bool say_attribute(struct out *out, Logged of, enum attribute id) {
  uint64_t number;
  return envoy_dynamic_module_callback_http_filter_get_attribute_int(of->filter, id, &number) && say_number(out, number);
}

static struct text attribute_text(Logged of, enum attribute id) {
  struct text value = {NULL, 0};
  return envoy_dynamic_module_callback_http_filter_get_attribute_string(of->filter, id, &value) ? value : (struct text){NULL, 0};
}

static struct text header(Logged of, enum header_map map, struct text name) {
  struct text value = {NULL, 0};
  if (!envoy_dynamic_module_callback_http_get_header(of->filter, map, name, &value, 0, NULL)) return (struct text){NULL, 0};
  return value.at ? value : TEXT("");
}

/* What [real-ip] found; its header is gone once the request went to an upstream. */
static struct text noted(Logged of, struct text space, struct text key) {
  struct text value = {NULL, 0};
  bool there = envoy_dynamic_module_callback_http_get_metadata_string(of->filter, DYNAMIC_METADATA, space, key, &value);
  return there ? value : (struct text){NULL, 0};
}

static struct text found(Logged of, struct text key) { return noted(of, TEXT("gf.real-ip"), key); }

/* ---- times, in ns; -1 where something did not happen ---- */

static int64_t took(Logged of) { return of->timing.total >= 0 ? of->timing.total : of->timing.last_downstream_tx; }

static int64_t upstream_took(Logged of) {
  const struct timing *t = &of->timing;
  int64_t began = t->connect_began > 0 ? t->connect_began : t->first_upstream_tx; /* before 0: the connection was there already */
  return began >= 0 && t->last_upstream_rx >= began ? t->last_upstream_rx - began : -1;
}

static bool start_time(Logged of, struct text n, struct out *out) { return (void)n, say_number(out, (uint64_t)of->timing.start / 1000000); }
static bool latency(Logged of, struct text n, struct out *out) { return (void)n, say_thousandths(out, took(of) / 1000); }
static bool upstream_latency(Logged of, struct text n, struct out *out) {
  int64_t value = upstream_took(of);
  return (void)n, value >= 0 && say_thousandths(out, value / 1000);
}
static bool apisix_latency(Logged of, struct text n, struct out *out) {
  int64_t upstream = upstream_took(of), own = took(of) - (upstream > 0 ? upstream : 0);
  return (void)n, say_thousandths(out, own > 0 ? own / 1000 : 0);
}
static bool request_time(Logged of, struct text n, struct out *out) { return (void)n, say_thousandths(out, took(of) / 1000000); }
static bool response_time(Logged of, struct text n, struct out *out) {
  int64_t value = upstream_took(of);
  return (void)n, value >= 0 && say_thousandths(out, value / 1000000);
}

static bool moment(struct out *out, const char *format, bool colon) {
  char buffer[64];
  time_t now = time(NULL);
  struct tm parts;
  localtime_r(&now, &parts);
  size_t size = strftime(buffer, sizeof buffer, format, &parts);
  if (!colon) return say(out, (struct text){buffer, size});
  out_add(out, (struct text){buffer, size - 2}); /* +0100 as +01:00 */
  out_add(out, TEXT(":"));
  return say(out, (struct text){buffer + size - 2, 2});
}
static bool time_iso8601(Logged of, struct text n, struct out *out) { return (void)of, (void)n, moment(out, "%Y-%m-%dT%H:%M:%S%z", true); }
static bool time_local(Logged of, struct text n, struct out *out) { return (void)of, (void)n, moment(out, "%d/%b/%Y:%H:%M:%S %z", false); }
static bool msec(Logged of, struct text n, struct out *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (void)of, (void)n, say_thousandths(out, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* ---- the request ---- */

static bool host(Logged of, struct text n, struct out *out) {
  char buffer[HOST_MAX];
  return (void)n, say(out, (struct text){buffer, host_of(of->authority, buffer)});
}
static bool uri(Logged of, struct text n, struct out *out) { return (void)n, say(out, of->uri); }
static bool request_uri(Logged of, struct text n, struct out *out) { return (void)n, say(out, of->path); }
static bool args(Logged of, struct text n, struct out *out) { return (void)n, say(out, query_of(of->path)); }
static bool is_args(Logged of, struct text n, struct out *out) { return (void)n, say(out, query_of(of->path).size ? TEXT("?") : TEXT("")); }
static bool method(Logged of, struct text n, struct out *out) { return (void)n, say(out, of->method); }
static bool scheme(Logged of, struct text n, struct out *out) { return (void)n, say(out, of->scheme); }
static bool protocol(Logged of, struct text n, struct out *out) { return (void)n, say(out, attribute_text(of, REQUEST_PROTOCOL)); }
static bool request_line(Logged of, struct text n, struct out *out) {
  out_add(out, of->method), out_add(out, TEXT(" ")), out_add(out, of->path), out_add(out, TEXT(" "));
  return protocol(of, n, out);
}
static bool remote_addr(Logged of, struct text n, struct out *out) {
  struct text real = found(of, TEXT("remote_addr"));
  return (void)n, say(out, real.at ? real : without_port(attribute_text(of, SOURCE_ADDRESS)));
}
static bool remote_port(Logged of, struct text n, struct out *out) {
  struct text real = found(of, TEXT("remote_port"));
  return (void)n, real.at ? say(out, real) : say_attribute(out, of, SOURCE_PORT);
}
static bool server_addr(Logged of, struct text n, struct out *out) { return (void)n, say(out, without_port(attribute_text(of, DESTINATION_ADDRESS))); }
static bool server_port(Logged of, struct text n, struct out *out) { return (void)n, say_attribute(out, of, DESTINATION_PORT); }
static bool consumer(Logged of, struct text n, struct out *out) { return (void)n, say(out, header(of, REQUEST_HEADERS, TEXT("x-consumer-username"))); }
static bool consumer_object(Logged of, struct text n, struct out *out) {
  struct text name = header(of, REQUEST_HEADERS, TEXT("x-consumer-username"));
  if (!name.size) return false;
  out_add(out, TEXT("{\"username\":"));
  out_text(out, name);
  out_add(out, TEXT("}"));
  return (void)n, true;
}
static bool route(Logged of, struct text n, struct out *out) { return (void)n, say(out, noted(of, TEXT(LOG_METADATA), TEXT("route"))); }
static bool service(Logged of, struct text n, struct out *out) { return (void)n, say(out, noted(of, TEXT(LOG_METADATA), TEXT("service"))); }
static bool request_length(Logged of, struct text n, struct out *out) { return (void)n, say_attribute(out, of, REQUEST_TOTAL_SIZE); }
static bool request_id(Logged of, struct text n, struct out *out) { return (void)n, say(out, header(of, REQUEST_HEADERS, TEXT("x-request-id"))); }
static bool http(Logged of, struct text name, struct out *out) {
  return say(out, same(name, TEXT("host")) ? of->authority : header(of, REQUEST_HEADERS, name));
}
static bool arg(Logged of, struct text name, struct out *out) { return say(out, raw_argument(query_of(of->path), name)); }
static bool cookie(Logged of, struct text name, struct out *out) { return say(out, cookie_named(header(of, REQUEST_HEADERS, TEXT("cookie")), name)); }
static bool url(Logged of, struct text n, struct out *out) {
  out_add(out, of->scheme), out_add(out, TEXT("://"));
  host(of, n, out);
  out_add(out, TEXT(":"));
  server_port(of, n, out);
  return request_uri(of, n, out);
}

/* ---- the answer ---- */

static bool status(Logged of, struct text n, struct out *out) { return (void)n, say_attribute(out, of, RESPONSE_CODE); }
static bool body_bytes_sent(Logged of, struct text n, struct out *out) { return (void)n, say_attribute(out, of, RESPONSE_SIZE); }
static bool bytes_sent(Logged of, struct text n, struct out *out) { return (void)n, say_attribute(out, of, RESPONSE_TOTAL_SIZE); }
static bool upstream_addr(Logged of, struct text n, struct out *out) { return (void)n, say(out, attribute_text(of, UPSTREAM_ADDRESS)); }
static bool upstream_status(Logged of, struct text n, struct out *out) {
  return (void)n, starts_with(attribute_text(of, RESPONSE_CODE_DETAILS), TEXT("via_upstream")) && say_attribute(out, of, RESPONSE_CODE);
}
static bool sent_http(Logged of, struct text name, struct out *out) { return say(out, header(of, RESPONSE_HEADERS, name)); }
static bool hostname(Logged of, struct text n, struct out *out) { /* asked for once, as nginx does */
  static _Thread_local char buffer[256];
  if (!buffer[0]) gethostname(buffer, sizeof buffer - 1);
  return (void)of, (void)n, say(out, (struct text){buffer, strlen(buffer)});
}

/* ---- bodies, headers and arguments as JSON ---- */

static bool kept(const struct part *part, struct out *out) {
  if (part->size == 0) return false;
  out_text(out, (struct text){part->at, part->size});
  return true;
}
static bool request_body(Logged of, struct text n, struct out *out) { return (void)n, kept(&of->request, out); }
static bool response_body(Logged of, struct text n, struct out *out) { return (void)n, kept(&of->response, out); }

static bool shown(struct text name) {
  return name.size > 0 && name.at[0] != ':' && !starts_with(name, TEXT("x-gf-")) && !starts_with(name, TEXT("x-envoy-"));
}

static size_t next_of(const struct header *list, size_t count, size_t after, struct text name) { /* count: there is none */
  size_t i = after + 1;
  while (i < count && !same(list[i].key, name)) i++;
  return i;
}

static void member_value(struct out *out, struct text value) {
  if (value.at) out_text(out, value);
  else out_add(out, TEXT("true"));
}

/* One member of an object: a string, or a list of strings where the name comes more than once. The others lose their names. */
static void member(struct out *out, struct header *list, size_t count, size_t index) {
  struct text name = list[index].key;
  size_t next = next_of(list, count, index, name);
  bool several = next < count;
  out_text(out, name);
  out_add(out, several ? TEXT(":[") : TEXT(":"));
  member_value(out, list[index].value);
  for (; next < count; next = next_of(list, count, next, name)) {
    out_add(out, TEXT(","));
    member_value(out, list[next].value);
    list[next].key = TEXT("");
  }
  if (several) out_add(out, TEXT("]"));
}

static void object(struct out *out, struct header *list, size_t count, struct text host_header) {
  out_add(out, TEXT("{"));
  if (host_header.size) {
    out_add(out, TEXT("\"host\":"));
    out_text(out, host_header);
  }
  for (size_t i = 0; i < count; i++) {
    if (!shown(list[i].key)) continue;
    if (!out_begins(out)) out_add(out, TEXT(","));
    member(out, list, count, i);
  }
  out_add(out, TEXT("}"));
}

size_t headers_in(void *filter, enum header_map map, struct header list[HEADERS_MOST]) {
  size_t count = envoy_dynamic_module_callback_http_get_headers_size(filter, map);
  return count > 0 && count <= HEADERS_MOST && envoy_dynamic_module_callback_http_get_headers(filter, map, list) ? count : 0;
}

static bool headers_of(Logged of, enum header_map map, struct out *out) {
  struct header list[HEADERS_MOST];
  size_t count = headers_in(of->filter, map, list);
  object(out, list, count, map == REQUEST_HEADERS ? of->authority : TEXT(""));
  return true;
}
static bool request_headers(Logged of, struct text n, struct out *out) { return (void)n, headers_of(of, REQUEST_HEADERS, out); }
static bool response_headers(Logged of, struct text n, struct out *out) { return (void)n, headers_of(of, RESPONSE_HEADERS, out); }

static bool querystring(Logged of, struct text n, struct out *out) {
  static _Thread_local char decoded[PATH_MAX_BYTES];
  struct header list[100]; /* as many as APISIX reads */
  size_t count = 0, used = 0;
  struct text query = query_of(of->path);
  while (query.size > 0 && count < 100) {
    struct text one = next_argument(&query);
    const char *equals = one.size ? memchr(one.at, '=', one.size) : NULL;
    struct text parts[2] = {{one.at, equals ? (size_t)(equals - one.at) : one.size}, {NULL, 0}};
    if (equals) parts[1] = (struct text){equals + 1, one.size - parts[0].size - 1};
    for (int i = 0; i < (equals ? 2 : 1); i++) {
      if (!decode_argument(parts[i], decoded + used, sizeof decoded - used, &parts[i])) parts[i] = TEXT("");
      used += parts[i].size;
    }
    if (parts[0].size > 0) list[count++] = (struct header){parts[0], parts[1]};
  }
  object(out, list, count, TEXT(""));
  return (void)n, true;
}

/* ---- names ---- */

static const struct {
  struct text name;
  enum value value;
  bool (*write)(Logged, struct text, struct out *);
} known[] = {
    {{"start_time", 10}, NUMBER, start_time}, {{"latency", 7}, NUMBER, latency}, {{"upstream_latency", 16}, NUMBER, upstream_latency},
    {{"apisix_latency", 14}, NUMBER, apisix_latency}, {{"request_time", 12}, STRING, request_time},
    {{"upstream_response_time", 22}, STRING, response_time}, {{"time_iso8601", 12}, STRING, time_iso8601},
    {{"time_local", 10}, STRING, time_local}, {{"msec", 4}, STRING, msec}, {{"host", 4}, STRING, host}, {{"uri", 3}, STRING, uri},
    {{"request_uri", 11}, STRING, request_uri}, {{"args", 4}, STRING, args}, {{"query_string", 12}, STRING, args},
    {{"is_args", 7}, STRING, is_args}, {{"request_method", 14}, STRING, method}, {{"scheme", 6}, STRING, scheme},
    {{"server_protocol", 15}, STRING, protocol}, {{"request", 7}, STRING, request_line}, {{"remote_addr", 11}, STRING, remote_addr},
    {{"remote_port", 11}, STRING, remote_port}, {{"server_addr", 11}, STRING, server_addr}, {{"server_port", 11}, STRING, server_port},
    {{"consumer_name", 13}, STRING, consumer}, {{"request_length", 14}, STRING, request_length}, {{"request_id", 10}, STRING, request_id},
    {{"url", 3}, STRING, url}, {{"status", 6}, STRING, status}, {{"body_bytes_sent", 15}, STRING, body_bytes_sent},
    {{"bytes_sent", 10}, STRING, bytes_sent}, {{"upstream_addr", 13}, STRING, upstream_addr},
    {{"upstream_status", 15}, STRING, upstream_status}, {{"hostname", 8}, STRING, hostname}, {{"request_body", 12}, WHOLE, request_body},
    {{"response_body", 13}, WHOLE, response_body}, {{"resp_body", 9}, WHOLE, response_body}, {{"request.headers", 15}, WHOLE, request_headers},
    {{"response.headers", 16}, WHOLE, response_headers}, {{"request.querystring", 19}, WHOLE, querystring},
    {{"request.consumer", 16}, WHOLE, consumer_object}, {{"route_id", 8}, STRING, route}, {{"service_id", 10}, STRING, service},
    {{"request.size", 12}, NUMBER, request_length}, {{"response.size", 13}, NUMBER, bytes_sent}, {{"response.status", 15}, NUMBER, status},
};

static const struct {
  struct text prefix;
  bool (*write)(Logged, struct text, struct out *);
  bool header;
} prefixes[] = {{{"http_", 5}, http, true}, {{"arg_", 4}, arg, false}, {{"cookie_", 7}, cookie, false},
                {{"sent_http_", 10}, sent_http, true}, {{"upstream_http_", 14}, sent_http, true}};

bool source_of(struct text variable, struct source *out) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!same(variable, known[i].name)) continue;
    *out = (struct source){known[i].value, known[i].write, {NULL, 0}};
    return true;
  }
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
    struct text prefix = prefixes[i].prefix;
    if (!starts_with(variable, prefix) || variable.size == prefix.size) continue;
    *out = (struct source){STRING, prefixes[i].write, {variable.at + prefix.size, variable.size - prefix.size}};
    if (prefixes[i].header) header_name(out->name);
    return true;
  }
  return false;
}
