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
bool out_grow(struct out *out, size_t size); /* makes room for so many bytes more; false: it failed */
void out_shrink(struct out *out);            /* gives memory back that few entries need */
void out_text(struct out *out, struct text value); /* a JSON string; what is no UTF-8 is written as U+FFFD */

/* These are here to be part of their callers: an entry is made of a hundred pieces, and most are a few bytes. */
static inline bool out_room(struct out *out, size_t size) { return size <= out->room - out->used || out_grow(out, size); }

static inline void out_add(struct out *out, struct text bytes) {
  if (bytes.size == 0 || !out_room(out, bytes.size)) return;
  memcpy(out->at + out->used, bytes.at, bytes.size);
  out->used += bytes.size;
}

/* Whether nothing stands in the innermost object yet, so that no comma belongs here. */
static inline bool out_begins(const struct out *out) { return out->used == 0 || out->at[out->used - 1] == '{'; }

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

#define HEADERS_MOST 256 /* more than the listener lets through */
size_t headers_in(void *filter, enum header_map map, struct header list[HEADERS_MOST]);

enum value { STRING, NUMBER, WHOLE }; /* WHOLE: JSON, written by the source itself */
struct source {
  enum value value;
  bool (*write)(const struct logged *logged, struct text name, struct out *out); /* false: it is not there; nothing is written */
  struct text name; /* what is behind a prefix, as http_; the caller's own bytes */
};
bool source_of(struct text variable, struct source *out); /* false: no such variable */

bool ring_put(struct text sink, struct text entry); /* false: lost, and counted */

#endif
