/* Filter [access-log]: writes down each request when it is over, as JSON of the shape it is told, for the node's agent to send on.
 *
 * Nothing here waits: an entry that finds no room in the ring is lost, and counted. */
#include "log.h"

#include <stdlib.h>

enum { DEEPEST = 8 };
enum step { NAME, VALUE, LITERAL, OPEN, CLOSE };

struct token {
  enum step step;
  struct text text; /* NAME: a JSON string; LITERAL: JSON */
  struct source source;
};

struct access_log {
  const struct kind *kind;
  struct text sink; /* who gets it: the agent's to understand */
  struct text route, service; /* told to the filters before this one, which stand for all routes */
  struct token *tokens;
  size_t count, depth;
  uint64_t request_most, response_most; /* bytes of bodies that are wanted */
  char *texts;
};

struct stream {
  const struct kind *kind;
  const struct access_log *log;
  struct logged logged;
};

/* ---- configuration ---- */

static bool add(struct access_log *self, enum step step, struct text value) {
  struct token *token = &self->tokens[self->count++];
  *token = (struct token){step, value, {STRING, NULL, {NULL, 0}}};
  if (step == OPEN) return ++self->depth < DEEPEST;
  if (step == CLOSE) return self->depth-- > 0;
  return step != VALUE || source_of(value, &token->source);
}

static bool take_field(struct access_log *self, struct text key, struct text value) {
  if (same(key, TEXT("name"))) return add(self, NAME, value);
  if (same(key, TEXT("value"))) return add(self, VALUE, value);
  if (same(key, TEXT("json"))) return add(self, LITERAL, value);
  if (same(key, TEXT("open"))) return add(self, OPEN, value);
  if (same(key, TEXT("close"))) return add(self, CLOSE, value);
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
  free(self->tokens);
  free(self->texts);
  free(self);
}

static bool fill(struct access_log *self, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  char *at = self->texts = malloc(size + 1);
  self->tokens = calloc(fields->count + 1, sizeof *self->tokens);
  if (!at || !self->tokens) return false;
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

/* What the client sent, before plugins and the route change it. */
static enum headers_status request(void *filter, struct object *object) {
  const struct access_log *self = ((struct stream *)object)->log;
  struct logged *logged = &((struct stream *)object)->logged;
  if (self->route.size) envoy_dynamic_module_callback_http_set_dynamic_metadata_string(filter, TEXT(LOG_METADATA), TEXT("route"), self->route);
  if (self->service.size) envoy_dynamic_module_callback_http_set_dynamic_metadata_string(filter, TEXT(LOG_METADATA), TEXT("service"), self->service);
  if (!self->count) return HEADERS_CONTINUE; /* it has nothing to write itself */
  const struct text names[] = {TEXT(":path"), TEXT("x-gf-path"), TEXT(":method"), TEXT(":scheme"), TEXT(":authority")};
  struct text *copies[] = {&logged->path, &logged->uri, &logged->method, &logged->scheme, &logged->authority}, values[5];
  size_t size = 0;
  for (size_t i = 0; i < 5; i++) size += (values[i] = request_header(filter, names[i])).size;
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

struct writing {
  struct out *out;
  bool some[DEEPEST]; /* in the objects that are open: something stands in them already */
  size_t depth;
  struct text name;
};

static void lead(struct writing *w) {
  if (w->some[w->depth]) out_add(w->out, TEXT(","));
  w->some[w->depth] = true;
  if (!w->name.size) return;
  out_add(w->out, w->name);
  out_add(w->out, TEXT(":"));
  w->name = TEXT("");
}

/* A member whose variable is not there is left out, name and all. */
static void value(struct writing *w, const struct logged *logged, const struct source *source) {
  static _Thread_local struct out scratch;
  size_t before = w->out->used;
  bool some = w->some[w->depth];
  lead(w);
  bool there;
  if (source->value == STRING) {
    scratch.used = 0;
    scratch.failed = false;
    there = source->write(logged, source->name, &scratch);
    if (there) out_text(w->out, (struct text){scratch.at, scratch.used});
    w->out->failed = w->out->failed || scratch.failed;
  } else {
    there = source->write(logged, source->name, w->out);
  }
  if (there) return;
  w->out->used = before;
  w->some[w->depth] = some;
}

static void entry(struct out *out, const struct access_log *self, const struct logged *logged) {
  struct writing w = {.out = out};
  for (size_t i = 0; i < self->count; i++) {
    const struct token *token = &self->tokens[i];
    switch (token->step) {
      case NAME: w.name = token->text; break;
      case VALUE: value(&w, logged, &token->source); break;
      case LITERAL:
        lead(&w);
        out_add(out, token->text);
        break;
      case OPEN:
        lead(&w);
        out_add(out, TEXT("{"));
        w.some[++w.depth] = false;
        break;
      case CLOSE:
        out_add(out, TEXT("}"));
        w.depth--;
        break;
    }
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
