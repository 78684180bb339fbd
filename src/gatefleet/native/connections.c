/* Network filter [limit-conn]: so many open connections per key. A place is given back when its connection is gone. */
#include "gatefleet.h"

#include <stdlib.h>

enum source { LITERAL, REMOTE_ADDRESS, REMOTE_PORT, SERVER_ADDRESS, SERVER_PORT };

struct segment {
  enum source source;
  struct text text;
};

struct limit {
  uint64_t most;
  struct text owner;
  struct segment *key;
  size_t count;
  char *texts;
};

struct connection {
  const struct limit *limit;
  bool counted;
  uint64_t name[2];
};

static bool segment_add(struct limit *limit, struct text value) {
  static const struct {
    struct text name;
    enum source source;
  } known[] = {{{"$remote_addr", 12}, REMOTE_ADDRESS}, {{"$remote_port", 12}, REMOTE_PORT},
               {{"$server_addr", 12}, SERVER_ADDRESS}, {{"$server_port", 12}, SERVER_PORT}};
  struct segment *out = &limit->key[limit->count++];
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!same(value, known[i].name)) continue;
    out->source = known[i].source;
    return true;
  }
  if (value.size == 0 || value.at[0] != '=') return false;
  *out = (struct segment){LITERAL, {value.at + 1, value.size - 1}};
  return true;
}

static bool field_add(struct limit *limit, const struct field *field) {
  if (same(field->key, TEXT("conn"))) return field_number(field->value, &limit->most) && limit->most > 0;
  if (same(field->key, TEXT("key"))) return segment_add(limit, field->value);
  if (!same(field->key, TEXT("owner"))) return false;
  limit->owner = field->value;
  return true;
}

static void release(struct limit *limit) {
  free(limit->key);
  free(limit->texts);
  free(limit);
}

static struct limit *configured(struct fields *fields) {
  struct limit *limit = calloc(1, sizeof *limit);
  if (!limit) return NULL;
  limit->key = calloc(fields->count + 1, sizeof *limit->key);
  bool good = limit->key != NULL;
  for (size_t i = 0; good && i < fields->count; i++) good = field_add(limit, &fields->list[i]);
  if (good && limit->most > 0 && limit->owner.size > 0 && limit->count > 0) {
    limit->texts = fields->bytes; /* the segments point into it */
    fields->bytes = NULL;
    return limit;
  }
  release(limit);
  return NULL;
}

static bool address_add(struct sip *sip, void *filter, enum source source) {
  struct text address = {NULL, 0};
  uint32_t port = 0;
  bool remote = source == REMOTE_ADDRESS || source == REMOTE_PORT;
  bool known = remote ? envoy_dynamic_module_callback_network_filter_get_remote_address(filter, &address, &port)
                      : envoy_dynamic_module_callback_network_filter_get_local_address(filter, &address, &port);
  if (!known) return false;
  if (source == REMOTE_PORT || source == SERVER_PORT) address = (struct text){(const char *)&port, sizeof port};
  uint64_t size = address.size;
  sip_add(sip, (struct text){(const char *)&size, sizeof size});
  sip_add(sip, address);
  return true;
}

/* The count's name: the owner and the parts of the key, each after its size. */
static bool name_of(const struct limit *limit, void *filter, uint64_t out[2]) {
  struct sip sip;
  places_key(&sip);
  uint64_t size = limit->owner.size;
  sip_add(&sip, (struct text){(const char *)&size, sizeof size});
  sip_add(&sip, limit->owner);
  for (size_t i = 0; i < limit->count; i++) {
    if (limit->key[i].source != LITERAL) {
      if (!address_add(&sip, filter, limit->key[i].source)) return false;
      continue;
    }
    size = limit->key[i].text.size;
    sip_add(&sip, (struct text){(const char *)&size, sizeof size});
    sip_add(&sip, limit->key[i].text);
  }
  sip_end(&sip, out);
  return true;
}

EXPORT void *envoy_dynamic_module_on_network_filter_config_new(void *envoy, struct text name, struct text config) {
  struct fields fields;
  struct limit *made = NULL;
  (void)envoy;
  if (same(name, TEXT("limit-conn")) && fields_read(config, &fields)) {
    made = configured(&fields);
    fields_free(&fields);
  }
  if (!made) complain("limit-conn", "unknown or malformed configuration");
  return made;
}

EXPORT void envoy_dynamic_module_on_network_filter_config_destroy(void *config) {
  if (config) release(config);
}

EXPORT void *envoy_dynamic_module_on_network_filter_new(void *config, void *filter) {
  struct connection *made = calloc(1, sizeof *made);
  (void)filter;
  if (made) made->limit = config;
  return made; /* NULL: Envoy closes the connection */
}

EXPORT int envoy_dynamic_module_on_network_filter_new_connection(void *filter, void *state) {
  struct connection *self = state;
  if (name_of(self->limit, filter, self->name) && (self->counted = places_take(self->name, self->limit->most) > 0))
    return NETWORK_CONTINUE;
  envoy_dynamic_module_callback_network_filter_close(filter, CLOSE_AT_ONCE);
  return NETWORK_STOP;
}

EXPORT void envoy_dynamic_module_on_network_filter_destroy(void *state) {
  struct connection *self = state;
  if (!self) return;
  if (self->counted) places_give_back(self->name);
  free(self);
}

/* Hooks that must exist; NULL is 0, which is "continue" for those that answer. */
#define NOTHING_TO_DO(hook) \
  EXPORT void *envoy_dynamic_module_on_network_filter_##hook(void); \
  EXPORT void *envoy_dynamic_module_on_network_filter_##hook(void) { return NULL; }
NOTHING_TO_DO(read)
NOTHING_TO_DO(write)
NOTHING_TO_DO(event)
NOTHING_TO_DO(http_callout_done)
