/* Envoy's side of the ABI over plain lists. Every header is an allocation of its own, freed when it goes, so that the address
 * sanitizer sees a module that keeps what it must not keep. */
#include "host.h"

#include <ctype.h>
#include <stdlib.h>

static struct text copy(struct text from) {
  char *at = malloc(from.size ? from.size : 1);
  if (from.size) memcpy(at, from.at, from.size);
  return (struct text){at, from.size};
}

static struct text lower_copy(struct text from) {
  struct text made = copy(from);
  for (size_t i = 0; i < made.size; i++) ((char *)(uintptr_t)made.at)[i] = (char)tolower((unsigned char)made.at[i]);
  return made;
}

static void forget(struct text one) { free((void *)(uintptr_t)one.at); }

struct fake *fake_new(const char *source) {
  struct fake *fake = calloc(1, sizeof *fake);
  if (source) fake->source = copy((struct text){source, strlen(source)});
  fake->port = 9080;
  return fake;
}

void fake_free(struct fake *fake) {
  for (size_t i = 0; i < fake->request_count; i++) forget(fake->request[i].key), forget(fake->request[i].value);
  for (size_t i = 0; i < fake->response_count; i++) forget(fake->response[i].key), forget(fake->response[i].value);
  forget(fake->source);
  free(fake);
}

static struct header *list_of(struct fake *fake, int map, size_t **count) {
  *count = map == REQUEST_HEADERS ? &fake->request_count : &fake->response_count;
  return map == REQUEST_HEADERS ? fake->request : fake->response;
}

static void list_add(struct fake *fake, int map, struct text key, struct text value) {
  size_t *count;
  struct header *list = list_of(fake, map, &count);
  list[(*count)++] = (struct header){lower_copy(key), copy(value)};
}

static void list_remove(struct fake *fake, int map, struct text key) {
  size_t *count, kept = 0;
  struct header *list = list_of(fake, map, &count);
  struct text name = lower_copy(key);
  for (size_t i = 0; i < *count; i++) {
    if (same(list[i].key, name)) forget(list[i].key), forget(list[i].value);
    else list[kept++] = list[i];
  }
  *count = kept;
  forget(name);
}

static size_t list_find(struct fake *fake, int map, struct text key, size_t index, struct text *out) {
  size_t *count, seen = 0;
  struct header *list = list_of(fake, map, &count);
  struct text name = lower_copy(key);
  for (size_t i = 0; i < *count; i++)
    if (same(list[i].key, name) && seen++ == index) *out = list[i].value;
  forget(name);
  return seen;
}

void fake_add(struct fake *fake, struct text key, struct text value) { list_add(fake, REQUEST_HEADERS, key, value); }

void fake_answer(struct fake *fake, struct text status) { list_add(fake, RESPONSE_HEADERS, TEXT(":status"), status); }

struct text fake_get(struct fake *fake, enum header_map map, struct text key) {
  struct text value = {NULL, 0};
  list_find(fake, map, key, 0, &value);
  return value;
}

size_t fake_count(struct fake *fake, struct text key) {
  struct text value;
  return list_find(fake, REQUEST_HEADERS, key, SIZE_MAX, &value);
}

void envoy_dynamic_module_callback_log(int level, struct text message) { (void)level, (void)message; }

/* ---- early header mutation ---- */

size_t envoy_dynamic_module_callback_early_header_mutation_get_headers_size(void *ctx) {
  return ((struct fake *)ctx)->request_count;
}

bool envoy_dynamic_module_callback_early_header_mutation_get_headers(void *ctx, struct header *out) {
  struct fake *fake = ctx;
  memcpy(out, fake->request, fake->request_count * sizeof *out);
  return true;
}

bool envoy_dynamic_module_callback_early_header_mutation_set_header(void *ctx, struct text key, struct text value) {
  list_remove(ctx, REQUEST_HEADERS, key);
  list_add(ctx, REQUEST_HEADERS, key, value);
  return true;
}

bool envoy_dynamic_module_callback_early_header_mutation_add_header(void *ctx, struct text key, struct text value) {
  list_add(ctx, REQUEST_HEADERS, key, value);
  return true;
}

bool envoy_dynamic_module_callback_early_header_mutation_remove_header(void *ctx, struct text key) {
  list_remove(ctx, REQUEST_HEADERS, key);
  return true;
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_string(void *ctx, int id, struct text *out) {
  struct fake *fake = ctx;
  if (id == RESPONSE_CODE_DETAILS && fake->details.at) {
    *out = fake->details;
    return true;
  }
  if (id != SOURCE_ADDRESS || !fake->source.at) return false;
  *out = fake->source;
  return true;
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_int(void *ctx, int id, uint64_t *out) {
  if (id != DESTINATION_PORT) return false;
  *out = ((struct fake *)ctx)->port;
  return true;
}

bool envoy_dynamic_module_callback_early_header_mutation_get_attribute_string(void *ctx, int id, struct text *out) {
  return envoy_dynamic_module_callback_http_filter_get_attribute_string(ctx, id, out);
}

bool envoy_dynamic_module_callback_early_header_mutation_get_attribute_int(void *ctx, int id, uint64_t *out) {
  return envoy_dynamic_module_callback_http_filter_get_attribute_int(ctx, id, out);
}

/* ---- HTTP filters ---- */

bool envoy_dynamic_module_callback_http_get_header(void *ctx, int map, struct text key, struct text *out, size_t index,
                                                   size_t *total) {
  *out = (struct text){NULL, 0};
  size_t count = list_find(ctx, map, key, index, out);
  if (total) *total = count;
  return index < count;
}

bool envoy_dynamic_module_callback_http_add_header(void *ctx, int map, struct text key, struct text value) {
  list_add(ctx, map, key, value);
  return true;
}

bool envoy_dynamic_module_callback_http_set_header(void *ctx, int map, struct text key, struct text value) {
  struct text kept = copy(value);
  list_remove(ctx, map, key);
  if (value.at) list_add(ctx, map, key, kept);
  forget(kept);
  return true;
}

void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(void *ctx, struct text space, struct text key,
                                                                    struct text value) {
  (void)ctx, (void)space, (void)key, (void)value;
}

bool envoy_dynamic_module_callback_http_get_metadata_string(void *ctx, int source, struct text space, struct text key,
                                                            struct text *out) {
  (void)ctx, (void)source, (void)space, (void)key, (void)out;
  return false;
}

void envoy_dynamic_module_callback_http_get_timing_info(void *ctx, struct timing *out) {
  (void)ctx;
  memset(out, 0xff, sizeof *out); /* nothing happened */
}

void envoy_dynamic_module_callback_http_clear_route_cluster_cache(void *ctx) { (void)ctx; }

bool envoy_dynamic_module_callback_http_filter_recreate_stream(void *ctx, struct header *headers, size_t count) {
  (void)ctx, (void)headers, (void)count;
  return true;
}

/* What is scheduled is only counted: on any thread, hence atomic. */
void *envoy_dynamic_module_callback_http_filter_scheduler_new(void *ctx) {
  void **made = malloc(sizeof *made);
  *made = ctx;
  return made;
}

void envoy_dynamic_module_callback_http_filter_scheduler_commit(void *scheduler, uint64_t event) {
  (void)event;
  atomic_fetch_add(&(*(struct fake **)scheduler)->woken, 1);
}

void envoy_dynamic_module_callback_http_filter_scheduler_delete(void *scheduler) { free(scheduler); }

void envoy_dynamic_module_callback_http_filter_continue_decoding(void *ctx) { ((struct fake *)ctx)->resumed = true; }

void envoy_dynamic_module_callback_http_send_response(void *ctx, uint32_t status, struct header *headers, size_t count,
                                                      struct text body, struct text details) {
  struct fake *fake = ctx;
  (void)details;
  fake->status = status;
  fake->body_size = body.size < sizeof fake->body ? body.size : sizeof fake->body;
  if (fake->body_size) memcpy(fake->body, body.at, fake->body_size);
  for (size_t i = 0; i < count; i++) list_add(fake, RESPONSE_HEADERS, headers[i].key, headers[i].value);
}

void envoy_dynamic_module_callback_http_send_response_headers(void *ctx, struct header *headers, size_t count, bool end) {
  struct fake *fake = ctx;
  (void)end;
  for (size_t i = 0; i < count; i++) {
    list_add(fake, RESPONSE_HEADERS, headers[i].key, headers[i].value);
    if (same(headers[i].key, TEXT(":status"))) fake->status = (uint32_t)atoi(headers[i].value.at);
  }
}

void envoy_dynamic_module_callback_http_send_response_data(void *ctx, struct text data, bool end) {
  struct fake *fake = ctx;
  (void)end;
  fake->sent += data.size;
  for (size_t i = 0; i < data.size; i += 512) fake->touched ^= data.at[i]; /* for the address sanitizer */
}

size_t envoy_dynamic_module_callback_http_get_headers_size(void *ctx, int map) {
  size_t *count;
  list_of(ctx, map, &count);
  return *count;
}

bool envoy_dynamic_module_callback_http_get_headers(void *ctx, int map, struct header *out) {
  size_t *count;
  struct header *list = list_of(ctx, map, &count);
  memcpy(out, list, *count * sizeof *out);
  return true;
}

size_t envoy_dynamic_module_callback_http_get_body_size(void *ctx, int which) {
  (void)which;
  return ((struct fake *)ctx)->passing.size;
}

size_t envoy_dynamic_module_callback_http_get_body_chunks_size(void *ctx, int which) {
  (void)which;
  return ((struct fake *)ctx)->passing.size > 0;
}

bool envoy_dynamic_module_callback_http_get_body_chunks(void *ctx, int which, struct text *out) {
  (void)which;
  *out = ((struct fake *)ctx)->passing;
  return true;
}

/* ---- access loggers ---- */

uint32_t envoy_dynamic_module_callback_access_logger_get_response_code(void *ctx) { return ((struct fake *)ctx)->status; }

bool envoy_dynamic_module_callback_access_logger_get_response_code_details(void *ctx, struct text *out) {
  *out = ((struct fake *)ctx)->details;
  return out->at != NULL;
}

bool envoy_dynamic_module_callback_access_logger_get_route_name(void *ctx, struct text *out) {
  *out = ((struct fake *)ctx)->route;
  return out->size > 0;
}

bool envoy_dynamic_module_callback_access_logger_get_header_value(void *ctx, int map, struct text key, struct text *out, size_t index,
                                                                  size_t *total) {
  return envoy_dynamic_module_callback_http_get_header(ctx, map, key, out, index, total);
}

bool envoy_dynamic_module_callback_access_logger_get_attribute_string(void *ctx, int id, struct text *out) {
  return envoy_dynamic_module_callback_http_filter_get_attribute_string(ctx, id, out);
}

bool envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(void *ctx, struct text space, struct text key, struct text *out) {
  struct fake *fake = ctx;
  if (same(space, TEXT("gf.answered")) && same(key, TEXT("by"))) *out = fake->answering;
  else if (same(space, TEXT("gf.metrics")) && same(key, TEXT("of"))) *out = fake->marked;
  else return false;
  return out->at != NULL;
}

bool envoy_dynamic_module_callback_access_logger_get_downstream_direct_remote_address(void *ctx, struct text *out, uint32_t *port) {
  struct fake *fake = ctx;
  *out = without_port(fake->source);
  *port = fake->peer_port;
  return true;
}

void envoy_dynamic_module_callback_access_logger_get_bytes_info(void *ctx, struct logged_bytes *out) { *out = ((struct fake *)ctx)->bytes; }

void envoy_dynamic_module_callback_access_logger_get_timing_info(void *ctx, struct logged_timing *out) { *out = ((struct fake *)ctx)->timing; }

bool envoy_dynamic_module_callback_network_filter_get_remote_address(void *ctx, struct text *out, uint32_t *port) {
  struct fake *fake = ctx;
  *out = without_port(fake->source);
  *port = 4711;
  return fake->source.size > 0;
}

bool envoy_dynamic_module_callback_network_filter_get_local_address(void *ctx, struct text *out, uint32_t *port) {
  struct fake *fake = ctx;
  *out = TEXT("127.0.0.1");
  *port = (uint32_t)fake->port;
  return true;
}

void envoy_dynamic_module_callback_network_filter_close(void *ctx, int how) {
  struct fake *fake = ctx;
  (void)how;
  fake->status = 1;
}
