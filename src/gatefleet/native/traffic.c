/* Access logger [traffic]: counts every request under its route and its consumer, those that the plugin prometheus has marked in series
 * of their own, too, keeps a few as samples, and shows the one request that the agent watches for.
 *
 * A route's name is its service's id, a slash and its own id; what no route has served has a name without a slash, or none. */
#include "traffic.h"

enum { PER_SECOND = 2, TEXT_MAX = 256, KEY_MAX = 512 };

static const uint32_t bounds_us[BUCKETS_MS - 1] = {500,    1000,   2000,   3000,   5000,   10000,   15000,   20000,
                                                   30000,  50000,  75000,  100000, 150000, 200000,  300000,  500000,
                                                   750000, 1000000, 2000000, 3000000, 5000000, 10000000, 30000000};

struct pace { /* of one worker's samples of one sort: every so many, as many as there were in the second before */
  int64_t second;
  uint32_t seen, every, taken;
};

static enum figure bucket_of(uint64_t us) {
  unsigned bucket = 0;
  while (bucket < BUCKETS_MS - 1 && us > bounds_us[bucket]) bucket++;
  return BUCKET_0 + bucket;
}

static enum figure status_of(uint32_t status) { return status >= 200 && status < 600 ? status / 100 - 1 : STATUS_OTHER; }

static bool due(struct pace *pace, int64_t second) {
  if (pace->every == 0 || pace->second != second) {
    bool next = pace->second + 1 == second;
    *pace = (struct pace){second, 0, next ? pace->seen / PER_SECOND + 1 : 1, 0};
  }
  bool is = pace->seen++ % pace->every == 0 && pace->taken < PER_SECOND;
  pace->taken += is;
  return is;
}

static struct text header(void *logger, struct text name) {
  struct text value = {NULL, 0};
  bool there = envoy_dynamic_module_callback_access_logger_get_header_value(logger, REQUEST_HEADERS, name, &value, 0, NULL);
  return there && value.at ? value : TEXT("");
}

static char *put(char *at, const void *from, size_t size) { return memcpy(at, from, size), at + size; }

static char *put_text(char *at, struct text value) {
  uint16_t size = (uint16_t)(value.size < TEXT_MAX ? value.size : TEXT_MAX);
  at = put(at, &size, sizeof size);
  return size ? put(at, value.at, size) : at;
}

/* Neither headers nor the query, which is where secrets are; and the path as it went to the upstream. `more` may follow the other texts. */
static struct text sample_of(void *logger, const struct traffic *traffic, int64_t start, uint32_t status, struct text route,
                             struct text consumer, const struct text *more) {
  static _Thread_local char sample[SAMPLE_MAX];
  struct text upstream = {NULL, 0}, details = {NULL, 0};
  if (!envoy_dynamic_module_callback_access_logger_get_attribute_string(logger, UPSTREAM_ADDRESS, &upstream)) upstream = TEXT("");
  if (!envoy_dynamic_module_callback_access_logger_get_response_code_details(logger, &details)) details = TEXT("");
  const uint64_t numbers[] = {(uint64_t)start / 1000, traffic->latency_us, traffic->bytes_in, traffic->bytes_out, status};
  const struct text texts[] = {route,  consumer, header(logger, TEXT(":method")), header(logger, TEXT(":authority")),
                               path_of(header(logger, TEXT(":path"))), upstream, details};
  char *at = put(sample, numbers, sizeof numbers);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) at = put_text(at, texts[i]);
  if (more) at = put_text(at, *more);
  return (struct text){sample, (size_t)(at - sample)};
}

static bool is_watched(void *logger) {
  uint32_t watched = traffic_watched(), port = 0;
  struct text address = {NULL, 0};
  return watched && envoy_dynamic_module_callback_access_logger_get_downstream_direct_remote_address(logger, &address, &port) &&
         port == watched;
}

/* What a filter has noted of the request; empty: nothing. */
static struct text noted(void *logger, struct text space, struct text key) {
  struct text note = {NULL, 0};
  bool there = envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(logger, space, key, &note);
  return there && note.at ? note : TEXT("");
}

static struct served served(uint32_t status, const struct logged_bytes *bytes, const struct logged_timing *timing) {
  bool upstream = timing->last_upstream_tx >= 0 && timing->first_upstream_rx >= timing->last_upstream_tx;
  return (struct served){bytes->received, bytes->sent, timing->total, upstream ? timing->first_upstream_rx - timing->last_upstream_tx : -1, status};
}

/* The service and the slash of a route's name, and the consumer's. */
static struct text consumer_key(struct text route, struct text consumer, char buffer[KEY_MAX]) {
  const char *slash = route.size ? memchr(route.at, '/', route.size) : NULL;
  size_t service = slash ? (size_t)(slash - route.at) : 0;
  if (service + 1 + consumer.size > KEY_MAX) return (struct text){buffer, KEY_MAX}; /* too long for any place */
  char *at = service ? put(buffer, route.at, service) : buffer;
  *at++ = '/';
  if (consumer.size) at = put(at, consumer.at, consumer.size);
  return (struct text){buffer, (size_t)(at - buffer)};
}

EXPORT void envoy_dynamic_module_on_access_logger_log(void *logger, const void *self, int type) {
  static _Thread_local struct pace paces[2];
  char buffer[KEY_MAX];
  struct logged_bytes bytes = {0};
  struct logged_timing timing = {0};
  struct text route = {NULL, 0};
  (void)self, (void)type;
  if (!envoy_dynamic_module_callback_access_logger_get_route_name(logger, &route) || !memchr(route.at, '/', route.size)) route = TEXT("/");
  struct text consumer = header(logger, TEXT("x-consumer-username"));
  uint32_t status = envoy_dynamic_module_callback_access_logger_get_response_code(logger);
  envoy_dynamic_module_callback_access_logger_get_bytes_info(logger, &bytes);
  envoy_dynamic_module_callback_access_logger_get_timing_info(logger, &timing);
  uint64_t took = timing.total > 0 ? (uint64_t)timing.total / 1000 : 0;
  const struct traffic traffic = {status_of(status), bucket_of(took), bytes.received, bytes.sent, took};
  traffic_count(&traffic, route, consumer_key(route, consumer, buffer));
  struct text of = noted(logger, TEXT("gf.metrics"), TEXT("of")); /* the plugin prometheus wants it counted */
  if (of.size) {
    const struct served what = served(status, &bytes, &timing);
    series_count(of, consumer, &what);
  }
  if (due(&paces[status >= 500 || status == 0], timing.start / 1000000000))
    traffic_keep(sample_of(logger, &traffic, timing.start, status, route, consumer, NULL));
  if (status && is_watched(logger)) { /* 0: it was begun anew */
    const struct text plugin = noted(logger, TEXT("gf.answered"), TEXT("by")); /* whose script has answered */
    traffic_show(sample_of(logger, &traffic, timing.start, status, route, consumer, &plugin));
  }
}

EXPORT const void *envoy_dynamic_module_on_access_logger_config_new(void *envoy, struct text name, struct text config) {
  static const char only = 0;
  (void)envoy;
  bool known = same(name, TEXT("traffic")) && config.size == 0;
  if (!known) complain("access logger", "only [traffic], without configuration, is known");
  else traffic_begin(), series_begin(); /* the agent may watch for the very first request */
  return known ? &only : NULL;
}

EXPORT void envoy_dynamic_module_on_access_logger_config_destroy(const void *config) { (void)config; }

EXPORT const void *envoy_dynamic_module_on_access_logger_new(const void *config, void *logger) { return (void)logger, config; }

EXPORT void envoy_dynamic_module_on_access_logger_destroy(const void *logger) { (void)logger; }
