/* Filter [api-breaker]: after failures in a row, answers in the upstream's place for a time that doubles with every further row.
 *
 * What is known of an API, a host and a path, lives in one table of this process, of which the oldest entries are given up. */
#include "gatefleet.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 1024, SLOTS = 8, STATUSES = 32, HEADERS = 16 };

struct api {
  uint64_t name[2];
  uint64_t failures, successes;
  uint64_t broken; /* second when it broke; 0: it did not */
  uint64_t touched;
};

struct breaker {
  const struct kind *kind;
  uint64_t status, longest, failures, successes;
  uint64_t unhealthy[STATUSES], healthy[STATUSES];
  size_t unhealthy_count, healthy_count, header_count;
  struct text body, names[HEADERS];
  struct key values[HEADERS];
  char *texts;
};

struct stream {
  const struct kind *kind;
  const struct breaker *breaker;
  bool asked;
  uint64_t name[2];
};

static struct {
  pthread_mutex_t lock;
  struct api slots[SLOTS];
} apis[BUCKETS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void) {
  for (size_t i = 0; i < BUCKETS; i++) pthread_mutex_init(&apis[i].lock, NULL);
}

static void release(struct object *config) {
  struct breaker *self = (struct breaker *)config;
  for (size_t i = 0; i < self->header_count; i++) key_free(&self->values[i]);
  free(self->texts);
  free(self);
}

static bool add_status(struct text value, uint64_t list[STATUSES], size_t *count) {
  return *count < STATUSES && field_number(value, &list[(*count)++]);
}

static bool take_field(struct breaker *self, struct text key, struct text value, size_t parts) {
  if (same(key, TEXT("status"))) return field_number(value, &self->status) && self->status >= 200 && self->status <= 599;
  if (same(key, TEXT("longest"))) return field_number(value, &self->longest);
  if (same(key, TEXT("failures"))) return field_number(value, &self->failures) && self->failures > 0;
  if (same(key, TEXT("successes"))) return field_number(value, &self->successes) && self->successes > 0;
  if (same(key, TEXT("unhealthy"))) return add_status(value, self->unhealthy, &self->unhealthy_count);
  if (same(key, TEXT("healthy"))) return add_status(value, self->healthy, &self->healthy_count);
  if (same(key, TEXT("body"))) self->body = value;
  else if (same(key, TEXT("header"))) {
    if (self->header_count == HEADERS || !header_safe(value)) return false;
    self->names[self->header_count] = value;
    return key_begin(&self->values[self->header_count++], parts);
  } else if (same(key, TEXT("value"))) return self->header_count > 0 && key_add(&self->values[self->header_count - 1], value);
  else return false;
  return true;
}

static bool fill(struct breaker *self, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  char *at = self->texts = malloc(size + 1);
  if (!at) return false;
  for (size_t i = 0; i < fields->count; i++) {
    struct text value = {at, fields->list[i].value.size};
    if (value.size) memcpy(at, fields->list[i].value.at, value.size);
    at += value.size;
    if (!take_field(self, fields->list[i].key, value, fields->count)) return false;
  }
  return self->status && self->longest && self->failures && self->successes;
}

static struct object *configure(const struct fields *fields) {
  struct breaker *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  pthread_once(&once, begin);
  self->kind = &api_breaker;
  if (fill(self, fields)) return (struct object *)self;
  complain("api-breaker", "unknown, malformed or missing field");
  release((struct object *)self);
  return NULL;
}

static struct object *stream_new(struct object *config) {
  struct stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->kind = config->kind;
  stream->breaker = (const struct breaker *)config;
  return (struct object *)stream;
}

static void finish(struct object *self) { free(self); }

static uint64_t now_seconds(void) { return now_us() / 1000000 + 1; /* 0 is never */ }

/* The API's slot in its locked bucket; NULL if there is none and none is to be made. */
static struct api *api_of(const uint64_t name[2], bool make) {
  struct api *slots = apis[name[0] % BUCKETS].slots, *oldest = slots;
  for (size_t i = 0; i < SLOTS; i++) {
    if (slots[i].name[0] == name[0] && slots[i].name[1] == name[1] && slots[i].touched) return &slots[i];
    if (slots[i].touched < oldest->touched) oldest = &slots[i];
  }
  if (!make) return NULL;
  *oldest = (struct api){{name[0], name[1]}, 0, 0, 0, 0};
  return oldest;
}

/* For how long the API stays broken: 2 seconds, 4, 8 ..., at most `longest`. */
static uint64_t pause_of(const struct breaker *self, uint64_t failures) {
  uint64_t times = (failures + self->failures - 1) / self->failures;
  if (times < 1) times = 1;
  return times > 30 || ((uint64_t)1 << times) > self->longest ? self->longest : (uint64_t)1 << times;
}

static bool broken(const struct breaker *self, const uint64_t name[2]) {
  pthread_mutex_t *lock = &apis[name[0] % BUCKETS].lock;
  uint64_t now = now_seconds();
  pthread_mutex_lock(lock);
  const struct api *api = api_of(name, false);
  bool is = api && api->failures > 0 && api->broken && now < api->broken + self->longest + 1 &&
            now <= api->broken + pause_of(self, api->failures);
  pthread_mutex_unlock(lock);
  return is;
}

static bool listed(const uint64_t *list, size_t count, uint64_t status) {
  for (size_t i = 0; i < count; i++)
    if (list[i] == status) return true;
  return false;
}

static void note(const struct breaker *self, const uint64_t name[2], bool failed) {
  pthread_mutex_t *lock = &apis[name[0] % BUCKETS].lock;
  uint64_t now = now_seconds();
  pthread_mutex_lock(lock);
  struct api *api = api_of(name, failed);
  if (api && failed) {
    api->successes = 0;
    api->touched = now;
    if (++api->failures % self->failures == 0) api->broken = now;
  } else if (api && ++api->successes >= self->successes) {
    *api = (struct api){{0, 0}, 0, 0, 0, 0};
  }
  pthread_mutex_unlock(lock);
}

static enum headers_status answer(void *filter, const struct breaker *self) {
  static _Thread_local char values[HEADERS][4096];
  char details[DETAILS_MAX];
  struct header extra[HEADERS + 1];
  for (size_t i = 0; i < self->header_count; i++) {
    struct text value = {values[i], key_text(filter, &self->values[i], values[i], sizeof values[i])};
    extra[i] = (struct header){self->names[i], header_safe(value) ? value : TEXT("")};
  }
  bool typed = false; /* a gRPC caller gets a status in place of a type */
  for (size_t i = 0; i < self->header_count; i++) typed = typed || same(self->names[i], TEXT("content-type"));
  if (!typed || calls_grpc(filter)) return refuse(filter, &api_breaker, (uint32_t)self->status, self->body, extra, self->header_count);
  envoy_dynamic_module_callback_http_send_response(filter, (uint32_t)self->status, extra, self->header_count, self->body,
                                                   details_of(&api_breaker, details));
  return HEADERS_STOP;
}

static enum headers_status request(void *filter, struct object *object) {
  struct stream *stream = (struct stream *)object;
  char host[HOST_MAX];
  struct sip sip;
  places_key(&sip);
  sip_add(&sip, (struct text){host, host_of(request_header(filter, TEXT(":authority")), host)});
  sip_add(&sip, request_header(filter, TEXT("x-gf-path")));
  sip_end(&sip, stream->name);
  if (broken(stream->breaker, stream->name)) return answer(filter, stream->breaker);
  stream->asked = true;
  return HEADERS_CONTINUE;
}

static void response(void *filter, struct object *object) {
  struct stream *stream = (struct stream *)object;
  struct text status = {NULL, 0};
  uint64_t number;
  if (!stream->asked || !answered_upstream(filter)) return;
  envoy_dynamic_module_callback_http_get_header(filter, RESPONSE_HEADERS, TEXT(":status"), &status, 0, NULL);
  if (!status.at || !field_number(status, &number)) return;
  if (listed(stream->breaker->unhealthy, stream->breaker->unhealthy_count, number)) note(stream->breaker, stream->name, true);
  else if (listed(stream->breaker->healthy, stream->breaker->healthy_count, number)) note(stream->breaker, stream->name, false);
}

const struct kind api_breaker = {{"api-breaker", 11}, configure, release, stream_new, request, response, finish};
