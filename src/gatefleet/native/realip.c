/* Filter [real-ip]: takes the client's address from a header, argument or cookie, where whoever sends it is trusted. */
#include "gatefleet.h"

#include <stdlib.h>

#define ADDRESS_MAX 64

struct real {
  const struct kind *kind;
  struct key source;
  struct range *trusted;
  size_t count;
  bool any, forwarded_for, recursive; /* any: there is no list of whom to trust */
  char *texts;
};

static void release(struct object *config) {
  struct real *self = (struct real *)config;
  key_free(&self->source);
  free(self->trusted);
  free(self->texts);
  free(self);
}

static bool take_field(struct real *self, struct text key, struct text value) {
  if (same(key, TEXT("recursive"))) return field_flag(value, &self->recursive);
  if (same(key, TEXT("trusted"))) {
    self->any = false;
    return range_parse(value, &self->trusted[self->count++]);
  }
  if (!same(key, TEXT("source"))) return false;
  self->forwarded_for = same(value, TEXT("$http_x_forwarded_for"));
  return key_add(&self->source, value);
}

static bool fill(struct real *self, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  self->texts = malloc(size + 1);
  self->trusted = calloc(fields->count + 1, sizeof *self->trusted);
  if (!key_begin(&self->source, fields->count) || !self->texts || !self->trusted) return false;
  char *at = self->texts;
  for (size_t i = 0; i < fields->count; i++) {
    struct text value = {at, fields->list[i].value.size};
    if (value.size) memcpy(at, fields->list[i].value.at, value.size);
    at += value.size;
    if (!take_field(self, fields->list[i].key, value)) return false;
  }
  self->count = ranges_merge(self->trusted, self->count);
  return self->source.count == 1;
}

static struct object *configure(const struct fields *fields) {
  struct real *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->kind = &real_ip;
  self->any = true;
  if (fill(self, fields)) return (struct object *)self;
  complain("real-ip", "unknown, malformed or missing field");
  release((struct object *)self);
  return NULL;
}

static bool trusts(const struct real *self, const struct address *address) {
  return ranges_contain(self->trusted, self->count, address);
}

static struct text trimmed(struct text one) {
  while (one.size > 0 && one.at[0] == ' ') one = (struct text){one.at + 1, one.size - 1};
  while (one.size > 0 && one.at[one.size - 1] == ' ') one.size--;
  return one;
}

/* Takes the last entry of a list off it. */
static struct text last_entry(struct text *list) {
  size_t begin = list->size;
  while (begin > 0 && list->at[begin - 1] != ',') begin--;
  struct text one = {list->at + begin, list->size - begin};
  list->size = begin > 0 ? begin - 1 : 0;
  return trimmed(one);
}

/* "1.2.3.4", "1.2.3.4:5", "::1", "[::1]" or "[::1]:5": the address alone, and the port if there is one. */
static bool split(struct text written, struct text *ip, struct text *port, struct address *parsed) {
  uint64_t number;
  *port = (struct text){NULL, 0};
  *ip = written;
  if (address_parse(written, parsed)) return true;
  *ip = without_port(written);
  size_t used = ip->size + (written.size > 0 && written.at[0] == '[' ? 2 : 0);
  if (!address_parse(*ip, parsed)) return false;
  if (used >= written.size) return true;
  *port = (struct text){written.at + used + 1, written.size - used - 1};
  return field_number(*port, &number) && number >= 1 && number <= 65535;
}

/* The entry of X-Forwarded-For that counts: the last one, or the last one that is not trusted itself. The list ends with the peer,
 * whom the gateway has added. */
static struct text from_list(const struct real *self, struct text list) {
  struct text one, ip, port;
  struct address parsed;
  last_entry(&list);
  do one = last_entry(&list);
  while (self->recursive && list.size > 0 && split(one, &ip, &port, &parsed) && trusts(self, &parsed));
  return one;
}

/* The address takes the peer's place at the end of X-Forwarded-For, as nginx would have added it. */
static void forward(void *filter, struct text ip) {
  static _Thread_local char room[PATH_MAX_BYTES + ADDRESS_MAX];
  struct text list = request_header(filter, TEXT("x-forwarded-for"));
  last_entry(&list);
  size_t used = list.size < PATH_MAX_BYTES ? list.size : 0;
  if (used) {
    memcpy(room, list.at, used);
    memcpy(room + used, ", ", 2);
    used += 2;
  }
  memcpy(room + used, ip.at, ip.size);
  put_header(filter, REQUEST_HEADERS, TEXT("x-forwarded-for"), (struct text){room, used + ip.size});
  put_header(filter, REQUEST_HEADERS, TEXT("x-real-ip"), ip);
}

static void note(void *filter, struct text key, struct text value) {
  envoy_dynamic_module_callback_http_set_dynamic_metadata_string(filter, TEXT("gf.real-ip"), key, value);
}

static enum headers_status request(void *filter, struct object *config) {
  const struct real *self = (const struct real *)config;
  static _Thread_local char value[PATH_MAX_BYTES];
  char address[ADDRESS_MAX], digits[8];
  struct text ip, port;
  struct address peer, parsed;
  if (!self->any && !client_address(filter, &peer)) return refuse_broken(filter, &real_ip);
  if (!self->any && !trusts(self, &peer)) return HEADERS_CONTINUE;
  struct text found = {value, key_text(filter, &self->source, value, sizeof value)};
  if (self->forwarded_for) found = from_list(self, found);
  if (!split(trimmed(found), &ip, &port, &parsed) || ip.size > sizeof address || port.size > sizeof digits)
    return HEADERS_CONTINUE;
  memcpy(address, ip.at, ip.size); /* setting a header may move what it was made of */
  if (port.size) memcpy(digits, port.at, port.size);
  forward(filter, (struct text){address, ip.size});
  put_header(filter, REQUEST_HEADERS, TEXT("x-gf-remote-addr"), (struct text){address, ip.size});
  if (port.size) put_header(filter, REQUEST_HEADERS, TEXT("x-gf-remote-port"), (struct text){digits, port.size});
  /* Our headers are gone by the time of the response; what is written into it is made of this. */
  note(filter, TEXT("remote_addr"), (struct text){address, ip.size});
  if (port.size) note(filter, TEXT("remote_port"), (struct text){digits, port.size});
  return HEADERS_CONTINUE;
}

const struct kind real_ip = {{"real-ip", 7}, configure, release, NULL, request, NULL, NULL};
