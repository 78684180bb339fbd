/* Counters that several nodes share, in a Redis server or a Redis cluster: what the files around them share. */
#ifndef GATEFLEET_REDIS_H
#define GATEFLEET_REDIS_H

#include <pthread.h>
#include <stdio.h>

#include "gatefleet.h"

#define REDIS_SLOTS 16384
#define REDIS_LINKS 64 /* servers of one cluster that are known at once */

/* resp.c: the protocol */
struct reply {
  char kind; /* '+' a word, '-' an error, ':' numbers */
  struct text text;
  int64_t numbers[2];
};
enum resp { RESP_WHOLE, RESP_PART, RESP_BROKEN };
size_t resp_command(char *out, const struct text *words, size_t count); /* its size; `out` may be NULL */
enum resp resp_read(struct text *rest, struct reply *out);
uint16_t redis_slot(struct text key);

/* wire.c: a connection, with or without TLS */
struct wire {
  int file; /* -1: closed */
  void *tls;
};
const char *wire_open(struct wire *wire, const char *host, const char *port, const struct redis_settings *settings);
long wire_read(struct wire *wire, char *out, size_t size); /* 0: nothing yet; -1: the connection is gone */
long wire_write(struct wire *wire, const char *bytes, size_t size);
void wire_close(struct wire *wire);

/* redis.c: who is asked, and who asks */
enum outcome { REFUSED, ANSWERED, UNKNOWN }; /* UNKNOWN: it may have been carried out */
struct redis {
  struct redis *next;
  size_t users; /* configurations, calls, links */
  struct redis_settings settings;
  pthread_mutex_t lock; /* links, slots, and who waits for which call */
  struct link *links[REDIS_LINKS];
  _Atomic size_t count;
  size_t turn;
  unsigned char *slots; /* of a cluster: which link has the slot, from 1; 0: nobody knows */
  char *texts;
};
struct call {
  struct call *next;
  struct redis *redis;
  struct delay *deadline;
  void *scheduler; /* who waits */
  bool done, dropped;
  enum outcome outcome;
  int64_t numbers[2];
  uint16_t slot;
  uint8_t hops;
  bool asking;    /* of a cluster: the slot is on its way to whom is asked */
  bool is_return; /* gives a place back; nobody waits */
  uint64_t until; /* when the place is free by itself */
  uint64_t sent;
  struct text command, give_back;
  char bytes[];
};
void call_done(struct call *call, enum outcome outcome, const int64_t numbers[2]);
bool call_elsewhere(struct call *call, const struct link *lost);       /* false: there is nobody else to ask */
bool call_moved(struct call *call, struct text where, const struct link *from); /* after "MOVED " or "ASK " */
void redis_enter(struct redis *redis);
void redis_leave(struct redis *redis);

/* link.c: one server, and the thread that talks to it */
struct link *link_new(struct redis *redis, struct text host, struct text port); /* NULL: impossible */
bool link_is(const struct link *link, struct text host, struct text port);
struct text link_host(const struct link *link);
bool link_put(struct link *link, struct call *call); /* false: too many wait */
void link_close(struct link *link);                  /* nothing comes any more; it frees itself */

#endif
