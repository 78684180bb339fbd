/* A host that plays Envoy for the module: a list of headers, and what the module answered. */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <stdatomic.h>

#include "gatefleet.h"

struct fake {
  struct header request[512];
  size_t request_count;
  struct header response[64];
  size_t response_count;
  struct text source;
  uint64_t port;
  struct text details; /* what Envoy says of the response; not owned */
  _Atomic unsigned woken; /* how often something was scheduled */
  bool resumed;
  uint32_t status; /* 0: passed on */
  char body[4096];
  size_t body_size;
  struct text passing; /* what a body's hook sees; not owned */
  struct text route;   /* what an access logger sees; not owned */
  struct logged_bytes bytes;
  struct logged_timing timing;
  uint32_t peer_port;     /* of the connection itself */
  struct text answering; /* whose script has answered; not owned */
  struct text marked;    /* under what the request is to be counted; not owned */
  size_t sent;         /* bytes of a body answered in parts */
  char touched;
};

struct fake *fake_new(const char *source);
void fake_free(struct fake *fake);
void fake_add(struct fake *fake, struct text key, struct text value);
void fake_answer(struct fake *fake, struct text status);
struct text fake_get(struct fake *fake, enum header_map map, struct text key);
size_t fake_count(struct fake *fake, struct text key);

/* The module's hooks. */
const char *envoy_dynamic_module_on_program_init(void);
bool envoy_dynamic_module_on_early_header_mutation_mutate(const void *config, void *ctx);
const void *envoy_dynamic_module_on_early_header_mutation_config_new(void *envoy, struct text name, struct text config);
void *envoy_dynamic_module_on_http_filter_config_new(void *envoy, struct text name, struct text config);
void envoy_dynamic_module_on_http_filter_config_destroy(void *config);
void *envoy_dynamic_module_on_http_filter_new(void *config, void *filter);
int envoy_dynamic_module_on_http_filter_request_headers(void *filter, void *stream, bool end);
int envoy_dynamic_module_on_http_filter_response_headers(void *filter, void *stream, bool end);
int envoy_dynamic_module_on_http_filter_request_body(void *filter, void *stream, bool end);
int envoy_dynamic_module_on_http_filter_response_body(void *filter, void *stream, bool end);
int envoy_dynamic_module_on_http_filter_response_trailers(void *filter, void *stream);
void envoy_dynamic_module_on_http_filter_stream_complete(void *filter, void *stream);
void envoy_dynamic_module_on_http_filter_scheduled(void *filter, void *stream, uint64_t event);
void envoy_dynamic_module_on_http_filter_destroy(void *stream);
void envoy_dynamic_module_on_access_logger_log(void *logger, const void *self, int type);
void *envoy_dynamic_module_on_network_filter_config_new(void *envoy, struct text name, struct text config);
void envoy_dynamic_module_on_network_filter_config_destroy(void *config);
void *envoy_dynamic_module_on_network_filter_new(void *config, void *filter);
int envoy_dynamic_module_on_network_filter_new_connection(void *filter, void *state);
void envoy_dynamic_module_on_network_filter_destroy(void *state);

#endif
