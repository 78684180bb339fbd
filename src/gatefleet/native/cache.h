/* What is kept of answers, and for how long: between the store of [proxy-cache] and its filter. */
#ifndef GATEFLEET_CACHE_H
#define GATEFLEET_CACHE_H

#include <stdatomic.h>

#include "gatefleet.h"

#define BODY_MAX (10u << 20) /* larger answers are not kept */

enum zone { MEMORY_ZONE, DISK_ZONE, ZONES };

struct body { /* bytes in memory or, of some size in the disk zone, in a file without a name */
  char *at;
  size_t size, room;
  bool in_file;
};

struct kept { /* an answer, shared by the requests that read it; or the names of the headers that it varies by */
  struct kept *next, *newer, *older;
  uint64_t name[2];
  enum zone zone;
  _Atomic uint32_t users;
  uint64_t born, dies; /* microseconds as of now_us; UINT64_MAX: it never dies */
  uint64_t salt;       /* of a list of names: what its answers are found by; 0: this is an answer */
  char status[3];
  struct text headers; /* of an answer: (u32 size, name, u32 size, value)...; else names, one after a comma */
  struct body body;
};

struct kept *kept_new(enum zone zone, const uint64_t name[2], struct text headers); /* NULL: no memory */
void kept_done(struct kept *kept);                                                  /* gives a use back; may be NULL */
struct kept *cache_find(enum zone zone, const uint64_t name[2]);                     /* to be given back by kept_done */
void cache_keep(struct kept *kept);                                                 /* in place of what has its name; takes the use over */
bool cache_forget(enum zone zone, const uint64_t name[2]);                          /* whether it was there and alive */

/* Bodies on their way in: together they are bounded, whatever the number of requests. */
bool body_add(struct body *body, struct text more); /* false: too large, or too much at once; it is empty then */
void body_drop(struct body *body);
void body_close(struct body *body, enum zone zone); /* it is whole */

#endif
