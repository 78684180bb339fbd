/* Filter [access-log]: writes down each request when it is over, as JSON of the shape it is told, for the node's agent to send on.
 *
 * Nothing here waits: an entry that finds no room in the ring is lost, and counted. */
#include "log.h"

#include <stdlib.h>

struct step { /* of an entry: what is the same in all of them, and perhaps a value behind it; without the value, nothing */
  struct text lead; /* JSON; a comma at its beginning only counts where something stands before */
  struct source source; /* write == NULL: the lead is all */
};

struct access_log {
  const struct kind *kind;
  struct text sink; /* who gets it: the agent's to understand */
  struct text route, service; /* told to the filters before this one, which stand for all routes */
  struct step *steps;
  size_t count, depth;
  struct text name; /* while the steps are made: of the member that comes next */
  uint64_t request_most, response_most; /* bytes of bodies that are wanted */
  char *texts, *leads; /* what all the texts above point to; the leads are behind the others */
};

struct stream {
  const struct kind *kind;
  const struct access_log *log;
  struct logged logged;
};

/* ---- configuration ---- */

/* Adds to the last step's lead; there is room behind it. */
static void lead_add(struct access_log *self, struct text json) {
  struct text *lead = &self->steps[self->count - 1].lead;
  if (json.size) memcpy((char *)(uintptr_t)lead->at + lead->size, json.at, json.size);
  lead->size += json.size;
}

static struct step *last_constant(struct access_log *self) {
  struct step *last = self->count ? &self->steps[self->count - 1] : NULL;
  return last && !last->source.write ? last : NULL;
}

static void step_add(struct access_log *self) {
  const struct text *before = self->count ? &self->steps[self->count - 1].lead : NULL;
  self->steps[self->count++].lead = (struct text){before ? before->at + before->size : self->leads, 0};
}

/* The comma and the name that a member begins with. */
static void member_begin(struct access_log *self, bool constant) {
  const struct step *last = last_constant(self);
  bool first = self->count == 0 || (last && last->lead.at[last->lead.size - 1] == '{');
  if (!last || !constant) step_add(self);
  if (!first) lead_add(self, TEXT(","));
  if (self->name.size) lead_add(self, self->name), lead_add(self, TEXT(":"));
  self->name = TEXT("");
}

static bool add_value(struct access_log *self, struct text variable) {
  member_begin(self, false);
  return source_of(variable, &self->steps[self->count - 1].source);
}

static bool add_constant(struct access_log *self, struct text json) {
  member_begin(self, true);
  lead_add(self, json);
  return json.size > 0;
}

static bool add_end(struct access_log *self) {
  if (self->depth-- == 0) return false;
  if (!last_constant(self)) step_add(self);
  lead_add(self, TEXT("}"));
  return true;
}

static bool take_field(struct access_log *self, struct text key, struct text value) {
  if (same(key, TEXT("name"))) return self->name = value, true;
  if (same(key, TEXT("value"))) return add_value(self, value);
  if (same(key, TEXT("json"))) return add_constant(self, value);
  if (same(key, TEXT("open"))) return ++self->depth, add_constant(self, TEXT("{"));
  if (same(key, TEXT("close"))) return add_end(self);
  if (same(key, TEXT("request_body"))) return field_number(value, &self->request_most) && self->request_most <= ENTRY_MAX / 2;
  if (same(key, TEXT("response_body"))) return field_number(value, &self->response_most) && self->response_most <= ENTRY_MAX / 2;
  if (same(key, TEXT("sink"))) self->sink = value;
  else if (same(key, TEXT("route"))) self->route = value;
  else if (same(key, TEXT("service"))) self->service = value;
  else return false;
  return value.size <= 65536;
}

static void release(struct object *config) {
  struct access_log *self = (struct access_log *)config;
  free(self->steps);
  free(self->texts);
  free(self);
}

static bool fill(struct access_log *self, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  char *at = self->texts = malloc(2 * size + 3 * fields->count + 1); /* the values; the leads, and what stands between these */
  self->steps = calloc(fields->count + 1, sizeof *self->steps);
  if (!at || !self->steps) return false;
  self->leads = at + size;
  for (size_t i = 0; i < fields->count; i++) {
    struct text value = {at, fields->list[i].value.size};
    if (value.size) memcpy(at, fields->list[i].value.at, value.size);
    at += value.size;
    if (!take_field(self, fields->list[i].key, value)) return false;
  }
  return self->depth == 0 && (self->sink.size > 0) == (self->count > 0);
}

static struct object *configure(const struct fields *fields) {
  struct access_log *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->kind = &access_log;
  if (fill(self, fields)) return (struct object *)self;
  complain("access-log", "unknown, malformed or missing field");
  release((struct object *)self);
  return NULL;
}

static struct object *stream_new(struct object *config) {
  struct stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->kind = config->kind;
  stream->log = (const struct access_log *)config;
  stream->logged.request.most = stream->log->request_most;
  stream->logged.response.most = stream->log->response_most;
  return (struct object *)stream;
}

static void finish(struct object *object) {
  struct stream *stream = (struct stream *)object;
  free(stream->logged.copies);
  free(stream->logged.request.at);
  free(stream->logged.response.at);
  free(stream);
}

/* ---- what passes by ---- */

/* The headers that are wanted of a request: all are fetched at once, which costs as much as looking for two. Returns their size. */
static size_t sent_by_client(void *filter, struct text values[5]) {
  static const struct text names[5] = {{":path", 5}, {"x-gf-path", 9}, {":method", 7}, {":scheme", 7}, {":authority", 10}};
  struct header list[HEADERS_MOST];
  size_t size = 0, count = headers_in(filter, REQUEST_HEADERS, list);
  for (size_t n = 0; n < 5; n++) {
    size_t i = 0;
    while (i < count && !same(list[i].key, names[n])) i++;
    values[n] = i < count ? list[i].value : TEXT("");
    size += values[n].size;
  }
  return size;
}

/* What the client sent, before plugins and the route change it. */
static enum headers_status request(void *filter, struct object *object) {
  const struct access_log *self = ((struct stream *)object)->log;
  struct logged *logged = &((struct stream *)object)->logged;
  if (self->route.size) envoy_dynamic_module_callback_http_set_dynamic_metadata_string(filter, TEXT(LOG_METADATA), TEXT("route"), self->route);
  if (self->service.size) envoy_dynamic_module_callback_http_set_dynamic_metadata_string(filter, TEXT(LOG_METADATA), TEXT("service"), self->service);
  if (!self->count) return HEADERS_CONTINUE; /* it has nothing to write itself */
  struct text *copies[] = {&logged->path, &logged->uri, &logged->method, &logged->scheme, &logged->authority}, values[5];
  size_t size = sent_by_client(filter, values);
  char *at = logged->copies = malloc(size + 1);
  for (size_t i = 0; at && i < 5; i++) {
    if (values[i].size) memcpy(at, values[i].at, values[i].size);
    *copies[i] = (struct text){at, values[i].size};
    at += values[i].size;
  }
  return HEADERS_CONTINUE;
}

static void part_add(struct part *part, struct text more) {
  if (more.size > part->most - part->size) more.size = part->most - part->size;
  if (more.size == 0) return;
  char *at = realloc(part->at, part->size + more.size);
  if (!at) return;
  memcpy(at + part->size, more.at, more.size);
  part->at = at;
  part->size += more.size;
}

static void body(void *filter, struct part *part, enum passing_body which) {
  struct text chunks[64];
  if (part->size == part->most) return;
  size_t count = envoy_dynamic_module_callback_http_get_body_chunks_size(filter, which);
  struct text *all = count <= 64 ? chunks : malloc(count * sizeof *all);
  if (all && count > 0 && envoy_dynamic_module_callback_http_get_body_chunks(filter, which, all))
    for (size_t i = 0; i < count; i++) part_add(part, all[i]);
  if (all != chunks) free(all);
}

static void request_body(void *filter, struct object *object, bool end) {
  (void)end;
  body(filter, &((struct stream *)object)->logged.request, RECEIVED_REQUEST_BODY);
}

static void response_body(void *filter, struct object *object, bool end) {
  (void)end;
  body(filter, &((struct stream *)object)->logged.response, RECEIVED_RESPONSE_BODY);
}

/* ---- the entry ---- */

static bool value(struct out *out, const struct source *source, const struct logged *logged) {
  static _Thread_local struct out scratch;
  if (source->value != STRING) return source->write(logged, source->name, out);
  scratch.used = 0;
  scratch.failed = false;
  if (!source->write(logged, source->name, &scratch)) return false;
  out_text(out, (struct text){scratch.at, scratch.used});
  out->failed = out->failed || scratch.failed;
  return true;
}

/* A member whose variable is not there is left out, name and all. */
static void entry(struct out *out, const struct access_log *self, const struct logged *logged) {
  for (size_t i = 0; i < self->count; i++) {
    const struct step *step = &self->steps[i];
    size_t before = out->used, skipped = step->lead.size && step->lead.at[0] == ',' && out_begins(out);
    out_add(out, (struct text){step->lead.at + skipped, step->lead.size - skipped});
    if (step->source.write && !value(out, &step->source, logged)) out->used = before;
  }
}

static void complete(void *filter, struct object *object) {
  static _Thread_local struct out out;
  struct stream *stream = (struct stream *)object;
  struct logged *logged = &stream->logged;
  if (!logged->copies) return; /* who stands before us has answered */
  logged->filter = filter;
  envoy_dynamic_module_callback_http_get_timing_info(filter, &logged->timing);
  out.used = 0;
  out.failed = false;
  entry(&out, stream->log, logged);
  ring_put(stream->log->sink, out.failed ? (struct text){NULL, ENTRY_MAX + 1} : (struct text){out.at, out.used});
  out_shrink(&out);
}

static const struct bodies passing = {.request = request_body, .response = response_body, .complete = complete};
const struct kind access_log = {
    {"access-log", 10}, configure, release, stream_new, request, .finish = finish, .bodies = &passing};
