/* What the parts of the traffic counter share: figures by name, samples of single requests, and
 * the series of marked ones, in files that the agent reads. */
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


/* series.c: what the plugin prometheus has marked, by what it is to be counted under */
struct served { /* what became of one request */
  uint64_t bytes_in, bytes_out;
  int64_t request_ns, upstream_ns; /* below 0: there is none */
  uint32_t status;
};
void series_begin(void);
void series_count(struct text of, struct text consumer, const struct served *served);

#endif
