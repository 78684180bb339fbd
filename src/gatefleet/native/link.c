/* One Redis server, and the thread that talks to it: what is put in goes out at once, answers come back in the same order. */
#include "redis.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HELD_MOST 65536   /* calls that may wait for their turn */
#define PAUSE 100000      /* microseconds in which a server that could not be reached is not tried again */
#define RETRY 1000        /* milliseconds between attempts to give places back */
#define COMPLAIN 1000000  /* microseconds between two complaints */

struct queue {
  struct call *first, **last;
  size_t count;
};

struct link {
  struct redis *redis;
  char *host, *port;
  int bell;
  pthread_mutex_t lock;
  struct queue waiting;
  bool closing;
  /* the thread's own: */
  struct wire wire;
  struct queue sent, owed; /* owed: places to give back once the server is there again */
  char *out;
  size_t out_used, out_room;
  char in[8192];
  size_t in_used;
  uint64_t quiet_until, used_at, complained_at;
};

static void push(struct queue *queue, struct call *call) {
  call->next = NULL;
  if (!queue->first) queue->last = &queue->first;
  *queue->last = call;
  queue->last = &call->next;
  queue->count++;
}

static struct call *pop(struct queue *queue) {
  struct call *first = queue->first;
  if (!first) return NULL;
  queue->first = first->next;
  queue->count--;
  return first;
}

static void ring(const struct link *link) {
  uint64_t one = 1;
  if (write(link->bell, &one, sizeof one) < 0) return; /* it rings already */
}

bool link_put(struct link *link, struct call *call) {
  pthread_mutex_lock(&link->lock);
  bool room = link->waiting.count < HELD_MOST;
  if (room) push(&link->waiting, call);
  pthread_mutex_unlock(&link->lock);
  if (room) ring(link);
  return room;
}

bool link_is(const struct link *link, struct text host, struct text port) {
  return same(host, link_host(link)) && same(port, (struct text){link->port, strlen(link->port)});
}

struct text link_host(const struct link *link) { return (struct text){link->host, strlen(link->host)}; }

void link_close(struct link *link) {
  pthread_mutex_lock(&link->lock);
  link->closing = true;
  pthread_mutex_unlock(&link->lock);
  ring(link);
}

static void say(struct link *link, const char *problem, size_t size) {
  char name[300];
  char what[160];
  uint64_t now = now_us();
  if (link->complained_at && now < link->complained_at + COMPLAIN) return;
  link->complained_at = now;
  snprintf(name, sizeof name, "redis %.255s:%.5s", link->host, link->port);
  snprintf(what, sizeof what, "%.*s", (int)(size < 120 ? size : 120), problem);
  complain(name, what);
}

/* ---- calls that could not be carried out ---- */

static void lose(struct link *link, struct call *call, enum outcome outcome) {
  if (call->is_return && now_us() < call->until && link->owed.count < HELD_MOST) {
    push(&link->owed, call);
    return;
  }
  if (outcome == REFUSED && !call->is_return && call_elsewhere(call, link)) return;
  call_done(call, outcome, NULL);
}

static void disconnect(struct link *link, const char *why) {
  struct queue lost = link->sent;
  struct call *call;
  if (why && lost.first) say(link, why, strlen(why));
  wire_close(&link->wire);
  link->sent = (struct queue){NULL, NULL, 0};
  link->out_used = link->in_used = 0;
  while ((call = pop(&lost))) lose(link, call, UNKNOWN);
}

static bool connected(struct link *link) {
  uint64_t now = now_us();
  if (link->wire.file >= 0) return true;
  if (now < link->quiet_until) return false;
  const char *problem = wire_open(&link->wire, link->host, link->port, &link->redis->settings);
  if (problem) say(link, problem, strlen(problem));
  if (problem) link->quiet_until = now_us() + PAUSE;
  return !problem;
}

/* ---- out ---- */

static bool append(struct link *link, struct text bytes) {
  if (link->out_used + bytes.size > link->out_room) {
    size_t room = (link->out_used + bytes.size) * 2;
    char *more = realloc(link->out, room);
    if (!more) return false;
    link->out = more;
    link->out_room = room;
  }
  memcpy(link->out + link->out_used, bytes.at, bytes.size);
  link->out_used += bytes.size;
  return true;
}

static void send_out(struct link *link, struct queue *calls) {
  struct call *call;
  while ((call = pop(calls))) {
    if (link->wire.file < 0 || (call->asking && !append(link, TEXT("*1\r\n$6\r\nASKING\r\n"))) || !append(link, call->command)) {
      lose(link, call, REFUSED);
      continue;
    }
    call->sent = link->used_at = now_us();
    push(&link->sent, call);
  }
}

static void flush(struct link *link) {
  size_t done = 0;
  while (done < link->out_used) {
    long sent = wire_write(&link->wire, link->out + done, link->out_used - done);
    if (sent < 0) {
      disconnect(link, "the connection was closed");
      return;
    }
    if (sent == 0) break;
    done += (size_t)sent;
  }
  if (done > 0) memmove(link->out, link->out + done, link->out_used - done);
  link->out_used -= done;
}

/* ---- in ---- */

/* True: somebody else was asked. */
static bool redirected(struct link *link, struct call *call, struct text error) {
  bool ask = starts_with(error, TEXT("ASK "));
  size_t after = ask ? 4 : 6;
  if (!ask && !starts_with(error, TEXT("MOVED "))) return false;
  call->asking = ask;
  return call_moved(call, (struct text){error.at + after, error.size - after}, link);
}

static bool take_reply(struct link *link, const struct reply *reply) {
  struct call *call = link->sent.first;
  if (!call) return false;
  if (call->asking && reply->kind == '+') {
    call->asking = false;
    return true;
  }
  pop(&link->sent);
  if (reply->kind != '-') call_done(call, ANSWERED, reply->numbers);
  else if (!redirected(link, call, reply->text)) {
    say(link, reply->text.at, reply->text.size);
    call_done(call, REFUSED, NULL);
  }
  return !(reply->kind == '-' && starts_with(reply->text, TEXT("READONLY"))); /* another server is the master now */
}

static bool understand(struct link *link) {
  struct text rest = {link->in, link->in_used};
  struct reply reply;
  enum resp result;
  while ((result = resp_read(&rest, &reply)) == RESP_WHOLE)
    if (!take_reply(link, &reply)) return false;
  if (rest.size) memmove(link->in, rest.at, rest.size);
  link->in_used = rest.size;
  return result == RESP_PART && rest.size < sizeof link->in;
}

static void receive(struct link *link) {
  while (link->wire.file >= 0) {
    size_t room = sizeof link->in - link->in_used;
    long got = wire_read(&link->wire, link->in + link->in_used, room);
    if (got == 0) return;
    if (got > 0) link->in_used += (size_t)got;
    if (got < 0) disconnect(link, "the connection was closed");
    else if (!understand(link)) disconnect(link, "it cannot be understood, or is not the master");
    else if (!link->wire.tls && (size_t)got < room) return;
  }
}

/* ---- the thread ---- */

/* Milliseconds until something has to be done though nothing happens; -1: for ever. */
static int patience(const struct link *link) {
  const struct redis_settings *settings = &link->redis->settings;
  uint64_t now = now_us(), due;
  if (link->wire.file < 0) return link->owed.first ? RETRY : -1;
  if (link->sent.first) due = link->sent.first->sent + settings->timeout * 1000;
  else due = link->used_at + settings->idle * 1000;
  uint64_t left = due > now ? (due - now) / 1000 + 1 : 0;
  return left < INT32_MAX ? (int)left : INT32_MAX;
}

static struct queue rest(struct link *link, bool *closing) {
  struct queue taken = {NULL, NULL, 0};
  uint64_t rung;
  struct pollfd files[2] = {{link->bell, POLLIN, 0},
                            {link->wire.file, (short)(POLLIN | (link->out_used ? POLLOUT : 0)), 0}};
  if (poll(files, 2, patience(link)) < 0) return taken;
  if (files[1].revents) receive(link);
  if (files[0].revents && read(link->bell, &rung, sizeof rung) < 0) return taken;
  pthread_mutex_lock(&link->lock);
  taken = link->waiting;
  link->waiting = (struct queue){NULL, NULL, 0};
  *closing = link->closing;
  pthread_mutex_unlock(&link->lock);
  return taken;
}

static void look_at_the_time(struct link *link) {
  const struct redis_settings *settings = &link->redis->settings;
  uint64_t now = now_us();
  if (link->wire.file < 0) return;
  if (link->sent.first && now > link->sent.first->sent + settings->timeout * 1000) disconnect(link, "it does not answer");
  else if (!link->sent.first && now > link->used_at + settings->idle * 1000) disconnect(link, NULL);
}

static void link_free(struct link *link) {
  wire_close(&link->wire);
  if (link->bell >= 0) close(link->bell);
  pthread_mutex_destroy(&link->lock);
  free(link->out);
  free(link->host);
  free(link->port);
  free(link);
}

static void *talk(void *self) {
  struct link *link = self;
  struct redis *redis = link->redis;
  for (bool closing = false; !closing;) {
    struct queue calls = rest(link, &closing);
    if (calls.first || link->owed.first) {
      if (connected(link)) send_out(link, &link->owed);
      send_out(link, &calls);
    }
    flush(link);
    look_at_the_time(link);
  }
  link_free(link);
  redis_leave(redis);
  return NULL;
}

static bool started(struct link *link) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool made = pthread_create(&thread, NULL, talk, link) == 0 && pthread_detach(thread) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return made;
}

struct link *link_new(struct redis *redis, struct text host, struct text port) {
  struct link *link = calloc(1, sizeof *link);
  if (!link) return NULL;
  link->redis = redis;
  link->wire.file = -1;
  pthread_mutex_init(&link->lock, NULL);
  link->host = strndup(host.at, host.size);
  link->port = strndup(port.at, port.size);
  link->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  redis_enter(redis);
  if (link->host && link->port && link->bell >= 0 && started(link)) return link;
  link_free(link);
  redis_leave(redis);
  return NULL;
}
