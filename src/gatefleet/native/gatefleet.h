/* What the files of the module share. */
#ifndef GATEFLEET_H
#define GATEFLEET_H

#include <string.h>

#include "abi.h"

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})
#define HOST_MAX 255   /* a DNS name is shorter; a longer host is an unknown host */
#define PATH_MAX_BYTES 65536 /* Envoy refuses requests with more than 60 kB of headers */

static inline bool same(struct text a, struct text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

static inline bool starts_with(struct text whole, struct text head) {
  return whole.size >= head.size && memcmp(whole.at, head.at, head.size) == 0;
}

static inline uint32_t read_u32(const char *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static inline uint64_t read_u64(const char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

/* digest.c */
uint32_t crc32_of(struct text bytes);
struct sip {
  uint64_t v[4];
  uint64_t tail;
  uint64_t total;
};
void sip_begin(struct sip *sip, const uint64_t key[2]);
void sip_add(struct sip *sip, struct text bytes);
void sip_end(struct sip *sip, uint64_t out[2]);
bool equal_in_constant_time(struct text a, struct text b);
uint64_t name_hash(uint64_t seed, struct text name); /* of names that nobody can choose to collide */

/* table.c: bytes -> bytes maps in mapped files, replaced as a whole by generation */
enum table { HOST_TABLE, CONSUMER_TABLE, TABLES };
enum lookup { FOUND, MISSING, UNREADABLE };
void tables_use(const char *run_dir); /* once, before any worker runs */
void pages_use(const char *wanted);
const char *tables_dir(void);
enum lookup table_get(enum table table, struct text key, struct text *value);
enum lookup table_search(struct text file, struct text key, struct text *value); /* of one file's bytes */

/* share.c: files of the run directory that the agent maps, too */
enum share { KEPT, NEW }; /* a file that is there is used, or goes */
void *share(const char *name, enum share how, size_t taken, size_t whole, int *file); /* NULL: it cannot be had */

/* cache_store.c */
void cache_files_in(const char *dir); /* once, before any worker runs */

/* uri.c: the request line as nginx understands it */
size_t host_of(struct text authority, char out[HOST_MAX]); /* 0: none or too long */
struct text path_of(struct text target);                   /* without the query */
struct text query_of(struct text target);
bool uri_of(struct text path, char *buffer, size_t size, struct text *out); /* nginx's $uri */
struct text next_argument(struct text *query); /* the first of them, which is taken off */
bool decode_argument(struct text encoded, char *buffer, size_t size, struct text *out);
bool query_argument(struct text query, struct text name, char *buffer, size_t size, struct text *out);
bool query_without(struct text target, struct text name, char *buffer, size_t size, struct text *out);
struct text cookie_named(struct text header, struct text name); /* at == NULL: not there */

/* address.c: addresses as 17 bytes, a family and 16 bytes, so that they sort */
struct address {
  unsigned char bytes[17];
};
struct range {
  struct address first;
  struct address last;
};
struct text without_port(struct text address);
bool address_parse(struct text literal, struct address *out);
bool range_parse(struct text literal, struct range *out);
size_t ranges_merge(struct range *ranges, size_t count);
bool ranges_contain(const struct range *ranges, size_t count, const struct address *address);

/* counters.c: fixed windows in shared memory */
struct verdict {
  bool usable; /* false: the shared memory cannot be had */
  bool passed;
  uint64_t remaining;
  uint64_t reset; /* seconds until the window ends */
};
struct window {
  uint64_t limit;
  uint64_t milliseconds;
};
struct leak {
  bool usable;
  bool passed;
  uint64_t wait; /* microseconds until the request is due */
};
bool counters_key(struct sip *sip); /* begins the hash of a counter's name; false: unusable */
struct verdict counters_take(struct sip *name, struct window window);
struct leak counters_leak(struct sip *name, uint64_t interval, uint64_t most);

/* places.c: places that are taken by somebody and given back, in this process */
uint64_t places_take(const uint64_t name[2], uint64_t most); /* how many are taken now; 0: there was none left */
void places_give_back(const uint64_t name[2]);
void places_key(struct sip *sip); /* begins the hash of a name */
uint64_t places_owner(void);      /* a number that no other process has */

/* delay.c: requests that wait */
struct delay;
enum event { EVENT_DELAY, EVENT_ANSWER, EVENT_DEADLINE }; /* what a request waited for */
struct delay *delay_begin(void *filter, uint64_t microseconds, enum event event); /* NULL: it cannot wait */
void delay_end(struct delay *delay);
uint64_t now_us(void); /* monotonic */

/* variables.c */
struct key {
  struct segment *list;
  size_t count;
};
bool key_begin(struct key *key, size_t most);
void key_free(struct key *key);
bool key_add(struct key *key, struct text value);
bool key_hash(void *filter, const struct key *key, struct sip *sip);
void key_values(void *filter, const struct key *key, struct sip *sip); /* what is unknown is empty */
bool key_says(void *filter, const struct key *key); /* some value is there, and not 0 */
size_t key_text(void *filter, const struct key *key, char *out, size_t size);
size_t key_name(void *filter, const struct key *key, char *out, size_t size);
struct text client_ip(void *filter);
struct text raw_argument(struct text query, struct text name); /* as nginx's $arg_: not decoded */
void header_name(struct text name);                             /* nginx's spelling as HTTP's, in place */
struct text digits(uint64_t number, char buffer[24]);

/* redis.c: counters that several nodes share */
#define REDIS_NODES 32
#define ERRAND_WORDS 3
struct redis_settings {
  struct text nodes[REDIS_NODES]; /* host:port; of a cluster, some of its servers */
  size_t count;
  bool cluster, tls, verify;
  struct text username, password;
  uint64_t database, timeout, idle; /* the last two in milliseconds */
};
struct errand { /* what a script is asked about a counter; it answers one or two numbers */
  struct text script, key, words[ERRAND_WORDS];
  size_t count;
  struct text place; /* what it takes of a sorted set, to be given back; empty: nothing */
  uint64_t seconds;  /* so long a place counts that is not given back */
};
struct redis;
struct call;
bool redis_field(struct redis_settings *settings, struct text key, struct text value);
struct redis *redis_use(const struct redis_settings *settings); /* NULL: refused */
void redis_leave(struct redis *redis);
struct call *redis_ask(struct redis *redis, void *filter, const struct errand *errand); /* NULL: impossible */
bool redis_answer(struct call *call, int64_t out[2]);                /* after an event; false: there is none */
void redis_drop(struct call *call);                                  /* gives back what it took; may be NULL */
struct text shared_name(void *filter, struct text kind, struct text owner, const struct key *key); /* empty: unknown */

/* auth.c */
#define PERSON_STRINGS 5
enum lookup person_strings(char space, struct text name, struct text out[PERSON_STRINGS]);
bool base64_decode(struct text encoded, char *buffer, size_t size, struct text *out);

/* scope.c */
size_t scope_of(struct text host, struct text uri, char *out, size_t size, struct text *questions, bool *usable);

/* questions.c: what the conditions of a host's routes ask of a request */
struct request {
  const struct header *headers; /* as the client sent them */
  size_t count;
  struct text target, uri, host;
};
bool questions_answer(void *ctx, const struct request *request, struct text questions); /* false: they cannot be read */

/* config.c: filter configurations are sequences of (u32 size, key, u32 size, value) */
struct field {
  struct text key;
  struct text value;
};
struct fields {
  char *bytes; /* owned copy the fields point into */
  struct field *list;
  size_t count;
};
bool fields_read(struct text bytes, struct fields *out);
void fields_free(struct fields *fields);
bool field_number(struct text value, uint64_t *out);
bool field_flag(struct text value, bool *out);
bool header_safe(struct text value);
struct mark { /* a request header of ours and its value: without it a filter leaves the request alone */
  struct text header, value;
};
bool mark_read(struct text field, struct mark *out); /* "header=value" */
bool mark_taken(void *filter, const struct mark *mark);
void complain(const char *filter, const char *what);

/* http.c: one kind per filter name */
struct kind;
struct object { /* what Envoy holds for us: a configuration or the state of one stream */
  const struct kind *kind;
};
struct bodies { /* what a kind does with bodies, which only pass by; each may be NULL */
  void (*request)(void *filter, struct object *self, bool end);
  void (*answer)(void *filter, struct object *self, bool end); /* the answer's headers */
  void (*response)(void *filter, struct object *self, bool end);
  void (*trailers)(void *filter, struct object *self); /* the answer's, with which it ends */
  void (*complete)(void *filter, struct object *self); /* all is over, and what is known of the request still there */
};
struct kind {
  struct text name;
  struct object *(*configure)(const struct fields *fields); /* NULL: refused; owns nothing of fields */
  void (*release)(struct object *config);
  struct object *(*stream)(struct object *config); /* NULL: the configuration itself serves every stream */
  enum headers_status (*request)(void *filter, struct object *self);
  void (*response)(void *filter, struct object *self); /* may be NULL */
  void (*finish)(struct object *self);                 /* with stream */
  const struct bodies *bodies;                         /* may be NULL */
  enum headers_status (*resume)(void *filter, struct object *self, enum event event); /* of those that wait */
};
extern const struct kind key_auth, basic_auth, ip_restriction, limit_count, limit_req, limit_conn, real_ip, api_breaker, traffic_split,
    proxy_cache, access_log, begin_anew;
struct text request_header(void *filter, struct text name); /* at == NULL: not there */
void put_header(void *filter, enum header_map map, struct text name, struct text value);
void add_header(void *filter, struct text name, struct text value);
void drop_header(void *filter, struct text name);
bool calls_grpc(void *filter);
#define DETAILS_MAX 64
struct text details_of(const struct kind *kind, char buffer[DETAILS_MAX]); /* what Envoy notes of who has answered */
enum headers_status refuse(void *filter, const struct kind *kind, uint32_t status, struct text body, struct header extra[], size_t count);
enum headers_status refuse_broken(void *filter, const struct kind *kind);
bool client_address(void *filter, struct address *out);
bool answered_upstream(void *filter); /* in a response hook: an upstream was asked, whatever came of it */

#endif
