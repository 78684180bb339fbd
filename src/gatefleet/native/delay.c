/* Requests that wait: one thread for all of them, which wakes each filter on its own worker when its time has come.
 *
 * A heap by due time. The thread commits under the lock, and a request that ends takes itself out under it: what is committed to
 * is always there, and Envoy drops events of filters that are gone. */
#include "gatefleet.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct delay {
  uint64_t due, event;
  size_t place; /* in the heap, from 1; 0: not in it any more */
  void *scheduler;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sooner;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool running;
static struct delay **heap; /* heap[1] is due first */
static size_t count, room;

uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void put(struct delay *delay, size_t place) {
  heap[place] = delay;
  delay->place = place;
}

static void rise(struct delay *delay, size_t place) {
  for (; place > 1 && heap[place / 2]->due > delay->due; place /= 2) put(heap[place / 2], place);
  put(delay, place);
}

static void sink(struct delay *delay, size_t place) {
  while (place * 2 <= count) {
    size_t child = place * 2;
    if (child < count && heap[child + 1]->due < heap[child]->due) child++;
    if (heap[child]->due >= delay->due) break;
    put(heap[child], place);
    place = child;
  }
  put(delay, place);
}

static void take_out(struct delay *delay) {
  size_t place = delay->place;
  struct delay *last = heap[count--];
  delay->place = 0;
  if (last == delay) return;
  if (place > 1 && heap[place / 2]->due > last->due) rise(last, place);
  else sink(last, place);
}

static void *wake(void *nothing) {
  pthread_mutex_lock(&lock);
  for (;;) {
    if (count == 0) {
      pthread_cond_wait(&sooner, &lock);
      continue;
    }
    struct delay *first = heap[1];
    if (first->due <= now_us()) {
      take_out(first);
      envoy_dynamic_module_callback_http_filter_scheduler_commit(first->scheduler, first->event);
      continue;
    }
    struct timespec until = {(time_t)(first->due / 1000000), (long)(first->due % 1000000 * 1000)};
    pthread_cond_timedwait(&sooner, &lock, &until);
  }
  return nothing;
}

static void start(void) {
  pthread_condattr_t kind;
  pthread_t thread;
  running = pthread_condattr_init(&kind) == 0 && pthread_condattr_setclock(&kind, CLOCK_MONOTONIC) == 0 &&
            pthread_cond_init(&sooner, &kind) == 0 && pthread_create(&thread, NULL, wake, NULL) == 0 &&
            pthread_detach(thread) == 0;
}

static bool add(struct delay *delay) {
  if (count + 2 > room) {
    size_t wanted = room ? room * 2 : 64;
    struct delay **more = realloc(heap, wanted * sizeof *heap);
    if (!more) return false;
    heap = more;
    room = wanted;
  }
  rise(delay, ++count);
  if (delay->place == 1) pthread_cond_signal(&sooner);
  return true;
}

struct delay *delay_begin(void *filter, uint64_t microseconds, enum event event) {
  pthread_once(&once, start);
  struct delay *delay = running ? calloc(1, sizeof *delay) : NULL;
  if (!delay) return NULL;
  delay->due = now_us() + microseconds;
  delay->event = event;
  delay->scheduler = envoy_dynamic_module_callback_http_filter_scheduler_new(filter);
  pthread_mutex_lock(&lock);
  bool added = delay->scheduler && add(delay);
  pthread_mutex_unlock(&lock);
  if (added) return delay;
  delay_end(delay);
  return NULL;
}

void delay_end(struct delay *delay) {
  if (!delay) return;
  pthread_mutex_lock(&lock);
  if (delay->place) take_out(delay);
  pthread_mutex_unlock(&lock);
  if (delay->scheduler) envoy_dynamic_module_callback_http_filter_scheduler_delete(delay->scheduler);
  free(delay);
}
