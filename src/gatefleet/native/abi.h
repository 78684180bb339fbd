/* The part of Envoy's dynamic module ABI that Gatefleet uses, declared by hand for the pinned Envoy (1.40, ABI v0.2.0).
 * A test loads the module into the very binary we ship. Public source of the facts: envoyproxy/envoy, source/extensions/dynamic_modules/abi. */
#ifndef GATEFLEET_ABI_H
#define GATEFLEET_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ABI_VERSION "v0.2.0"
#define EXPORT __attribute__((visibility("default")))

struct text { /* bytes by pointer and length; who owns them depends on the call */
  const char *at;
  size_t size;
};

struct header {
  struct text key;
  struct text value;
};

enum header_map { REQUEST_HEADERS = 0, RESPONSE_HEADERS = 2 };
enum headers_status { HEADERS_CONTINUE = 0, HEADERS_STOP = 1, HEADERS_WAIT = 4 /* the body waits too */ };
enum { BODY_CONTINUE = 0, TRAILERS_CONTINUE = 0 };
enum attribute { REQUEST_PROTOCOL = 10, REQUEST_TOTAL_SIZE = 14, RESPONSE_CODE = 15, RESPONSE_CODE_DETAILS = 16,
                 RESPONSE_SIZE = 21, RESPONSE_TOTAL_SIZE = 22, UPSTREAM_ADDRESS = 41,
                 SOURCE_ADDRESS = 24, SOURCE_PORT = 25, DESTINATION_ADDRESS = 26, DESTINATION_PORT = 27 };
enum log_level { LOG_ERROR = 4 };

void envoy_dynamic_module_callback_log(int level, struct text message);

/* Early header mutation: before the route, on the worker that owns the request. */
size_t envoy_dynamic_module_callback_early_header_mutation_get_headers_size(void *ctx);
bool envoy_dynamic_module_callback_early_header_mutation_get_headers(void *ctx, struct header *out);
bool envoy_dynamic_module_callback_early_header_mutation_set_header(void *ctx, struct text key, struct text value);
bool envoy_dynamic_module_callback_early_header_mutation_add_header(void *ctx, struct text key, struct text value);
bool envoy_dynamic_module_callback_early_header_mutation_remove_header(void *ctx, struct text key);
bool envoy_dynamic_module_callback_early_header_mutation_get_attribute_string(void *ctx, int id, struct text *out);
bool envoy_dynamic_module_callback_early_header_mutation_get_attribute_int(void *ctx, int id, uint64_t *out);

/* HTTP filters. A value whose pointer is NULL removes the header. */
bool envoy_dynamic_module_callback_http_get_header(void *filter, int map, struct text key, struct text *out,
                                                   size_t index, size_t *total);
bool envoy_dynamic_module_callback_http_add_header(void *filter, int map, struct text key, struct text value);
bool envoy_dynamic_module_callback_http_set_header(void *filter, int map, struct text key, struct text value);
bool envoy_dynamic_module_callback_http_filter_get_attribute_string(void *filter, int id, struct text *out);
bool envoy_dynamic_module_callback_http_filter_get_attribute_int(void *filter, int id, uint64_t *out);
void envoy_dynamic_module_callback_http_send_response(void *filter, uint32_t status, struct header *headers,
                                                      size_t count, struct text body, struct text details);

/* Begins the request anew from its headers as they are, with the body read so far, which must be all of it: its route and filters are
 * chosen again. False: not possible. The filter is gone behind it. */
bool envoy_dynamic_module_callback_http_filter_recreate_stream(void *filter, struct header *headers, size_t count);

/* Answers in parts; the headers hold ":status". */
void envoy_dynamic_module_callback_http_send_response_headers(void *filter, struct header *headers, size_t count, bool end);
void envoy_dynamic_module_callback_http_send_response_data(void *filter, struct text data, bool end);

/* All headers of a map, and what came of a body in the hook that is running. */
enum passing_body { RECEIVED_REQUEST_BODY = 0, RECEIVED_RESPONSE_BODY = 2 };
size_t envoy_dynamic_module_callback_http_get_headers_size(void *filter, int map);
bool envoy_dynamic_module_callback_http_get_headers(void *filter, int map, struct header *out);
size_t envoy_dynamic_module_callback_http_get_body_size(void *filter, int which);
size_t envoy_dynamic_module_callback_http_get_body_chunks_size(void *filter, int which);
bool envoy_dynamic_module_callback_http_get_body_chunks(void *filter, int which, struct text *out);

/* When things happened: `start` in ns of the wall clock, the others in ns since then, -1 where they did not happen. What is there was
 * seen by running: the fields between are not used. The room is more than Envoy writes. */
struct timing {
  int64_t start, unused[5], connect_began, connected, handshake, first_upstream_tx, last_upstream_tx, first_upstream_rx, headers_rx,
      last_upstream_rx, first_downstream_tx, last_downstream_tx, acknowledged, total, more[14];
};
void envoy_dynamic_module_callback_http_get_timing_info(void *filter, struct timing *out);

enum metadata_source { DYNAMIC_METADATA = 0 };
bool envoy_dynamic_module_callback_http_get_metadata_string(void *filter, int source, struct text space, struct text key,
                                                            struct text *out);

void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(void *filter, struct text space, struct text key,
                                                                    struct text value);

void envoy_dynamic_module_callback_http_clear_route_cluster_cache(void *filter);

/* A scheduler may be used on any thread; what it commits comes back to the filter's worker, if the filter is still there. */
void *envoy_dynamic_module_callback_http_filter_scheduler_new(void *filter);
void envoy_dynamic_module_callback_http_filter_scheduler_commit(void *scheduler, uint64_t event);
void envoy_dynamic_module_callback_http_filter_scheduler_delete(void *scheduler);
void envoy_dynamic_module_callback_http_filter_continue_decoding(void *filter);

/* Access loggers: one call per request, when it is over. All of these may be called within it only. The timing has fewer fields
 * here than a filter's, of the same meaning. */
struct logged_bytes { /* of bodies, and to and from the upstream */
  uint64_t received, sent, upstream_received, upstream_sent;
};
struct logged_timing {
  int64_t start, total, first_upstream_tx, last_upstream_tx, first_upstream_rx, more[27];
};
uint32_t envoy_dynamic_module_callback_access_logger_get_response_code(void *logger);
bool envoy_dynamic_module_callback_access_logger_get_response_code_details(void *logger, struct text *out);
bool envoy_dynamic_module_callback_access_logger_get_route_name(void *logger, struct text *out);
bool envoy_dynamic_module_callback_access_logger_get_header_value(void *logger, int map, struct text key, struct text *out, size_t index,
                                                                  size_t *total);
bool envoy_dynamic_module_callback_access_logger_get_attribute_string(void *logger, int id, struct text *out);
void envoy_dynamic_module_callback_access_logger_get_bytes_info(void *logger, struct logged_bytes *out);
bool envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(void *logger, struct text space, struct text key, struct text *out);
/* Whose connection it is, whatever headers and the PROXY protocol say. */
bool envoy_dynamic_module_callback_access_logger_get_downstream_direct_remote_address(void *logger, struct text *out, uint32_t *port);
void envoy_dynamic_module_callback_access_logger_get_timing_info(void *logger, struct logged_timing *out);

/* Network filters. */
enum network_status { NETWORK_CONTINUE = 0, NETWORK_STOP = 1 };
enum network_close { CLOSE_AT_ONCE = 1 };
bool envoy_dynamic_module_callback_network_filter_get_remote_address(void *filter, struct text *out, uint32_t *port);
bool envoy_dynamic_module_callback_network_filter_get_local_address(void *filter, struct text *out, uint32_t *port);
void envoy_dynamic_module_callback_network_filter_close(void *filter, int how);

#endif
