/* What the parts of the traffic counter share: figures by name, and samples of single requests, in a file that the agent reads. */
#ifndef GATEFLEET_TRAFFIC_H
#define GATEFLEET_TRAFFIC_H

#include "gatefleet.h"

enum { FIGURES = 32, BUCKETS_MS = 24, SAMPLE_MAX = 2304 };
enum figure { STATUS_OTHER, BYTES_IN = 5, BYTES_OUT, LATENCY_US, BUCKET_0 }; /* in the order of gatefleet.figures */

struct traffic { /* one request's share */
  enum figure status, bucket;
  uint64_t bytes_in, bytes_out, latency_us;
};

/* Adds a request under its route and under its consumer; both names begin with the service and a slash. */
void traffic_count(const struct traffic *traffic, struct text route, struct text consumer);
void traffic_keep(struct text sample); /* what finds no room is lost */
void traffic_begin(void);             /* make the file, unless it is there */
uint32_t traffic_watched(void);       /* the port whose request the agent wants to see; 0: none */
void traffic_show(struct text sample); /* that request, when it is over */

#endif
