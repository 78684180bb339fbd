/* What the parts of the access log share: a request as it came and went, JSON being written, the ring it goes to. */
#ifndef GATEFLEET_LOG_H
#define GATEFLEET_LOG_H

#include "gatefleet.h"

#define LOG_METADATA "gf.log"
#define ENTRY_MAX ((size_t)4 << 20) /* larger entries are lost, and counted */

struct out { /* bytes that are being written; `failed` once they are too many, or there is no memory */
  char *at;
  size_t used, room;
  bool failed;
};
void out_add(struct out *out, struct text bytes);
void out_shrink(struct out *out); /* gives memory back that few entries need */
void out_text(struct out *out, struct text value); /* a JSON string; what is no UTF-8 is written as U+FFFD */

struct part { /* of a body, as far as it is wanted */
  char *at;
  size_t size, most;
  bool over; /* there was more */
};

struct logged { /* a request: what the client sent of it before anything was rewritten, and what became of it */
  void *filter;
  struct text path, uri, method, scheme, authority;
  char *copies; /* of these */
  struct part request, response;
  struct timing timing;
};

enum value { STRING, NUMBER, WHOLE }; /* WHOLE: JSON, written by the source itself */
struct source {
  enum value value;
  bool (*write)(const struct logged *logged, struct text name, struct out *out); /* false: it is not there; nothing is written */
  struct text name; /* what is behind a prefix, as http_; the caller's own bytes */
};
bool source_of(struct text variable, struct source *out); /* false: no such variable */

bool ring_put(struct text sink, struct text entry); /* false: lost, and counted */

#endif
