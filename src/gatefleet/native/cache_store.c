/* The store of [proxy-cache]: two zones of answers in this process, of which the least recently used ones are given up.
 *
 * The disk zone keeps large bodies in files that have no name, which the kernel writes out and reads back; they go with the process.
 * One lock per zone is held for looking up and linking only: who reads an answer has a use of it, and copies it without the lock. */
#include "cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKETS 32768
#define MEMORY_MOST ((size_t)50 << 20) /* of each zone */
#define FILES_MOST ((size_t)1 << 30)
#define FILE_FROM ((size_t)16 << 10) /* smaller bodies are not worth a file */
#define UNDER_WAY_MOST ((size_t)64 << 20)

static struct store {
  pthread_mutex_t lock;
  struct kept **buckets; /* made when first written to */
  struct kept *newest, *oldest;
  size_t memory, files;
} zones[ZONES] = {{.lock = PTHREAD_MUTEX_INITIALIZER}, {.lock = PTHREAD_MUTEX_INITIALIZER}};
static _Atomic size_t under_way;
static char files_dir[4096]; /* empty: there are no files */

void cache_files_in(const char *dir) {
  if (dir && strlen(dir) < sizeof files_dir) strcpy(files_dir, dir);
}

/* ---- bodies ---- */

static void body_free(struct body *body) {
  if (body->in_file) munmap(body->at, body->size);
  else free(body->at);
  *body = (struct body){NULL, 0, 0, false};
}

void body_drop(struct body *body) {
  atomic_fetch_sub(&under_way, body->room);
  body_free(body);
}

static bool body_grow(struct body *body, size_t wanted) {
  size_t room = body->room ? body->room : 4096;
  while (room < wanted) room *= 2;
  size_t more = room - body->room;
  if (more == 0) return true;
  if (atomic_fetch_add(&under_way, more) + more > UNDER_WAY_MOST) {
    atomic_fetch_sub(&under_way, more);
    return false;
  }
  char *at = realloc(body->at, room);
  if (!at) {
    atomic_fetch_sub(&under_way, more);
    return false;
  }
  body->at = at;
  body->room = room;
  return true;
}

bool body_add(struct body *body, struct text more) {
  if (more.size == 0) return true;
  if (more.size > BODY_MAX - body->size || !body_grow(body, body->size + more.size)) {
    body_drop(body);
    return false;
  }
  memcpy(body->at + body->size, more.at, more.size);
  body->size += more.size;
  return true;
}

/* A mapping of a file that is gone once nobody maps it; its space is taken now, so that a full disk cannot kill Envoy later. */
static char *file_of(size_t size) {
  int file = files_dir[0] ? open(files_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
  if (file < 0) return NULL;
  void *at = posix_fallocate(file, 0, (off_t)size) == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  return at == MAP_FAILED ? NULL : at;
}

void body_close(struct body *body, enum zone zone) {
  atomic_fetch_sub(&under_way, body->room);
  char *at = zone == DISK_ZONE && body->size >= FILE_FROM ? file_of(body->size) : NULL;
  if (at) {
    memcpy(at, body->at, body->size);
    free(body->at);
    *body = (struct body){at, body->size, 0, true};
    return;
  }
  char *less = body->size ? realloc(body->at, body->size) : NULL;
  if (less) body->at = less;
  body->room = 0;
}

/* ---- answers ---- */

struct kept *kept_new(enum zone zone, const uint64_t name[2], struct text headers) {
  struct kept *kept = calloc(1, sizeof *kept + headers.size);
  if (!kept) return NULL;
  char *at = (char *)(kept + 1);
  if (headers.size) memcpy(at, headers.at, headers.size);
  kept->headers = (struct text){at, headers.size};
  memcpy(kept->name, name, sizeof kept->name);
  kept->zone = zone;
  atomic_init(&kept->users, 1);
  return kept;
}

void kept_done(struct kept *kept) {
  if (!kept || atomic_fetch_sub(&kept->users, 1) != 1) return;
  body_free(&kept->body);
  free(kept);
}

static size_t memory_of(const struct kept *kept) {
  return sizeof *kept + kept->headers.size + (kept->body.in_file ? 0 : kept->body.size);
}

static size_t files_of(const struct kept *kept) { return kept->body.in_file ? kept->body.size : 0; }

static struct kept **place_of(struct store *store, const uint64_t name[2]) {
  struct kept **at = &store->buckets[name[0] % BUCKETS];
  while (*at && ((*at)->name[0] != name[0] || (*at)->name[1] != name[1])) at = &(*at)->next;
  return at;
}

static void unqueue(struct store *store, struct kept *kept) {
  *(kept->newer ? &kept->newer->older : &store->newest) = kept->older;
  *(kept->older ? &kept->older->newer : &store->oldest) = kept->newer;
}

static void queue(struct store *store, struct kept *kept) {
  kept->newer = NULL;
  kept->older = store->newest;
  *(kept->older ? &kept->older->newer : &store->oldest) = kept;
  store->newest = kept;
}

static void take_out(struct store *store, struct kept **at) {
  struct kept *kept = *at;
  *at = kept->next;
  unqueue(store, kept);
  store->memory -= memory_of(kept);
  store->files -= files_of(kept);
  kept_done(kept);
}

struct kept *cache_find(enum zone zone, const uint64_t name[2]) {
  struct store *store = &zones[zone];
  struct kept *found = NULL;
  pthread_mutex_lock(&store->lock);
  if (store->buckets) found = *place_of(store, name);
  if (found) {
    atomic_fetch_add(&found->users, 1);
    unqueue(store, found);
    queue(store, found);
  }
  pthread_mutex_unlock(&store->lock);
  return found;
}

void cache_keep(struct kept *kept) {
  struct store *store = &zones[kept->zone];
  pthread_mutex_lock(&store->lock);
  if (!store->buckets) store->buckets = calloc(BUCKETS, sizeof *store->buckets);
  if (!store->buckets) {
    pthread_mutex_unlock(&store->lock);
    kept_done(kept);
    return;
  }
  struct kept **at = place_of(store, kept->name);
  if (*at) take_out(store, at);
  kept->next = store->buckets[kept->name[0] % BUCKETS];
  store->buckets[kept->name[0] % BUCKETS] = kept;
  queue(store, kept);
  store->memory += memory_of(kept);
  store->files += files_of(kept);
  while (store->oldest && (store->memory > MEMORY_MOST || store->files > FILES_MOST))
    take_out(store, place_of(store, store->oldest->name));
  pthread_mutex_unlock(&store->lock);
}

bool cache_forget(enum zone zone, const uint64_t name[2]) {
  struct store *store = &zones[zone];
  bool alive = false;
  pthread_mutex_lock(&store->lock);
  struct kept **at = store->buckets ? place_of(store, name) : NULL;
  if (at && *at) {
    alive = (*at)->dies > now_us();
    take_out(store, at);
  }
  pthread_mutex_unlock(&store->lock);
  return alive;
}
