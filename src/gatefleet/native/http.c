/* HTTP filters: Envoy's hooks, dispatched by filter name, and what the filters share. */
#include "gatefleet.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

static const struct kind *const kinds[] = {&key_auth,  &basic_auth, &ip_restriction, &limit_count,
                                          &limit_req, &limit_conn, &real_ip,        &api_breaker,
                                          &traffic_split, &proxy_cache, &access_log, &begin_anew};

struct text request_header(void *filter, struct text name) {
  struct text value = {NULL, 0};
  if (!envoy_dynamic_module_callback_http_get_header(filter, REQUEST_HEADERS, name, &value, 0, NULL))
    return (struct text){NULL, 0};
  return value.at ? value : TEXT("");
}

void put_header(void *filter, enum header_map map, struct text name, struct text value) {
  envoy_dynamic_module_callback_http_set_header(filter, map, name, value);
}

void add_header(void *filter, struct text name, struct text value) {
  envoy_dynamic_module_callback_http_add_header(filter, REQUEST_HEADERS, name, value);
}

void drop_header(void *filter, struct text name) {
  envoy_dynamic_module_callback_http_set_header(filter, REQUEST_HEADERS, name, (struct text){NULL, 0});
}

/* What a gRPC caller is told; Envoy would say OK for us. */
static struct text grpc_status(uint32_t status) {
  switch (status) {
    case 400: return TEXT("13");
    case 401: return TEXT("16");
    case 403: return TEXT("7");
    case 404: return TEXT("12");
    case 429: case 502: case 503: case 504: return TEXT("14");
    default: return TEXT("2");
  }
}

bool calls_grpc(void *filter) {
  return starts_with(request_header(filter, TEXT("content-type")), TEXT("application/grpc"));
}

struct text details_of(const struct kind *kind, char buffer[DETAILS_MAX]) {
  int size = snprintf(buffer, DETAILS_MAX, "gatefleet{%.*s}", (int)kind->name.size, kind->name.at);
  return (struct text){buffer, (size_t)size}; /* the names are ours, and short */
}

/* Answers and ends the request; bodies are typed as APISIX types them. `extra` has room for one header more. */
enum headers_status refuse(void *filter, const struct kind *kind, uint32_t status, struct text body, struct header extra[], size_t count) {
  char details[DETAILS_MAX];
  if (calls_grpc(filter))
    extra[count++] = (struct header){TEXT("grpc-status"), grpc_status(status)};
  else if (body.size > 0) extra[count++] = (struct header){TEXT("content-type"), TEXT("text/plain; charset=utf-8")};
  envoy_dynamic_module_callback_http_send_response(filter, status, extra, count, body, details_of(kind, details));
  return HEADERS_STOP;
}

enum headers_status refuse_broken(void *filter, const struct kind *kind) {
  struct header extra[1];
  return refuse(filter, kind, 500, TEXT("{\"error_msg\":\"500 Internal Server Error\"}\n"), extra, 0);
}

bool client_address(void *filter, struct address *out) {
  struct text ip = client_ip(filter);
  return ip.at && address_parse(ip, out);
}

bool answered_upstream(void *filter) {
  struct text details = {NULL, 0};
  return envoy_dynamic_module_callback_http_filter_get_attribute_string(filter, RESPONSE_CODE_DETAILS, &details) &&
         (starts_with(details, TEXT("via_upstream")) || starts_with(details, TEXT("upstream_")));
}

bool mark_read(struct text field, struct mark *out) {
  const char *equals = field.size ? memchr(field.at, '=', field.size) : NULL;
  if (!equals) return false;
  size_t size = (size_t)(equals - field.at);
  *out = (struct mark){{field.at, size}, {equals + 1, field.size - size - 1}};
  return size > 0;
}

/* Whether the request is meant; the mark has done its work then. */
bool mark_taken(void *filter, const struct mark *mark) {
  if (mark->header.size == 0) return true;
  if (!same(request_header(filter, mark->header), mark->value)) return false;
  drop_header(filter, mark->header);
  return true;
}

/* ---- traffic-split: the upstream is chosen anew, by the header that our script has set; the route stays ---- */

static struct object *split_configure(const struct fields *fields) {
  static struct object only = {&traffic_split};
  return fields->count == 0 ? &only : NULL;
}

static void split_release(struct object *config) { (void)config; }

static enum headers_status split_request(void *filter, struct object *self) {
  (void)self;
  envoy_dynamic_module_callback_http_clear_route_cluster_cache(filter);
  return HEADERS_CONTINUE;
}

const struct kind traffic_split = {{"traffic-split", 13}, split_configure, split_release, NULL, split_request, NULL, NULL};

/* ---- begin-anew: what the body says stands in headers now; with them the request's route and filters are chosen. Not from
 * within a hook: the filters whose hooks are still running would be gone behind it ---- */

static struct object *anew_configure(const struct fields *fields) {
  static struct object only = {&begin_anew};
  return fields->count == 0 ? &only : NULL;
}

static enum headers_status anew_request(void *filter, struct object *self) {
  (void)self;
  void *scheduler = envoy_dynamic_module_callback_http_filter_scheduler_new(filter);
  if (!scheduler) return refuse_broken(filter, &begin_anew);
  envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler, EVENT_ANSWER);
  envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler);
  return HEADERS_WAIT;
}

static enum headers_status anew_resume(void *filter, struct object *self, enum event event) {
  (void)self;
  (void)event;
  bool begun = envoy_dynamic_module_callback_http_filter_recreate_stream(filter, NULL, 0);
  return begun ? HEADERS_STOP : refuse_broken(filter, &begin_anew);
}

const struct kind begin_anew = {
    {"begin-anew", 10}, anew_configure, split_release, NULL, anew_request, NULL, NULL, NULL, anew_resume};

/* An Envoy that another may follow (hot restart) asks the kernel to be ended with its parent. That is the agent, which may
 * be killed: the next agent takes Envoy over. */
static void outlive_parent(void) {
  int asked = 0;
  if (prctl(PR_GET_PDEATHSIG, &asked) == 0 && asked == SIGTERM) prctl(PR_SET_PDEATHSIG, 0);
}

EXPORT const char *envoy_dynamic_module_on_program_init(void) {
  outlive_parent();
  tables_use(getenv("GATEFLEET_RUN_DIR"));
  pages_use(getenv("GATEFLEET_HUGE_PAGES"));
  cache_files_in(getenv("GATEFLEET_CACHE_DIR"));
  return ABI_VERSION;
}

EXPORT void *envoy_dynamic_module_on_http_filter_config_new(void *envoy, struct text name, struct text config) {
  struct fields fields;
  struct object *made = NULL;
  (void)envoy;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!same(name, kinds[i]->name)) continue;
    if (!fields_read(config, &fields)) {
      complain(kinds[i]->name.at, "configuration is not a sequence of fields");
      return NULL;
    }
    made = kinds[i]->configure(&fields);
    fields_free(&fields);
    return made;
  }
  complain("?", "no filter of that name");
  return NULL;
}

EXPORT void envoy_dynamic_module_on_http_filter_config_destroy(void *config) {
  struct object *self = config;
  if (self) self->kind->release(self);
}

EXPORT const void *envoy_dynamic_module_on_http_filter_new(void *config, void *filter) {
  struct object *self = config;
  (void)filter;
  return self->kind->stream ? self->kind->stream(self) : self;
}

EXPORT int envoy_dynamic_module_on_http_filter_request_headers(void *filter, void *stream, bool end) {
  struct object *self = stream;
  (void)end;
  return self->kind->request(filter, self);
}

EXPORT int envoy_dynamic_module_on_http_filter_response_headers(void *filter, void *stream, bool end) {
  struct object *self = stream;
  if (self->kind->response) self->kind->response(filter, self);
  if (self->kind->bodies && self->kind->bodies->answer) self->kind->bodies->answer(filter, self, end);
  return HEADERS_CONTINUE;
}

EXPORT int envoy_dynamic_module_on_http_filter_request_body(void *filter, void *stream, bool end) {
  struct object *self = stream;
  if (self->kind->bodies && self->kind->bodies->request) self->kind->bodies->request(filter, self, end);
  return BODY_CONTINUE;
}

EXPORT int envoy_dynamic_module_on_http_filter_response_body(void *filter, void *stream, bool end) {
  struct object *self = stream;
  if (self->kind->bodies && self->kind->bodies->response) self->kind->bodies->response(filter, self, end);
  return BODY_CONTINUE;
}

EXPORT int envoy_dynamic_module_on_http_filter_response_trailers(void *filter, void *stream) {
  struct object *self = stream;
  if (self->kind->bodies && self->kind->bodies->trailers) self->kind->bodies->trailers(filter, self);
  return TRAILERS_CONTINUE;
}

EXPORT void envoy_dynamic_module_on_http_filter_stream_complete(void *filter, void *stream) {
  struct object *self = stream;
  if (self && self->kind->bodies && self->kind->bodies->complete) self->kind->bodies->complete(filter, self);
}

/* What a request waited for has come. */
EXPORT void envoy_dynamic_module_on_http_filter_scheduled(void *filter, void *stream, uint64_t event) {
  struct object *self = stream;
  if (self->kind->resume(filter, self, (enum event)event) == HEADERS_CONTINUE)
    envoy_dynamic_module_callback_http_filter_continue_decoding(filter);
}

EXPORT void envoy_dynamic_module_on_http_filter_destroy(void *stream) {
  struct object *self = stream;
  if (self && self->kind->stream) self->kind->finish(self);
}

/* Hooks that must exist; NULL is 0, which is "continue" for all that answer, and a refusal of per-route configurations. */
#define NOTHING_TO_DO(hook) \
  EXPORT void *envoy_dynamic_module_on_http_filter_##hook(void); \
  EXPORT void *envoy_dynamic_module_on_http_filter_##hook(void) { return NULL; }
NOTHING_TO_DO(request_trailers)
NOTHING_TO_DO(http_callout_done)
NOTHING_TO_DO(http_stream_headers)
NOTHING_TO_DO(http_stream_data)
NOTHING_TO_DO(http_stream_trailers)
NOTHING_TO_DO(http_stream_complete)
NOTHING_TO_DO(http_stream_reset)
NOTHING_TO_DO(downstream_above_write_buffer_high_watermark)
NOTHING_TO_DO(downstream_below_write_buffer_low_watermark)
NOTHING_TO_DO(per_route_config_new)
NOTHING_TO_DO(per_route_config_destroy)
