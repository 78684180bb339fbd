/* Filter [ip-restriction]: refuses addresses of the blacklist, and all but those of the whitelist where there is one. */
#include "gatefleet.h"

#include <stdlib.h>

struct networks {
  struct range *list;
  size_t count;
};

struct restriction {
  const struct kind *kind;
  struct networks allowed, denied;
  bool allow_listed; /* a whitelist was given */
  uint32_t status;
  char *body;
  size_t body_size;
};

static void release(struct object *config) {
  struct restriction *self = (struct restriction *)config;
  free(self->allowed.list);
  free(self->denied.list);
  free(self->body);
  free(self);
}

static bool add(struct networks *networks, size_t room, struct text literal) {
  if (!networks->list) networks->list = calloc(room, sizeof *networks->list);
  return networks->list && range_parse(literal, &networks->list[networks->count++]);
}

static bool keep_body(struct restriction *self, struct text value) {
  if (self->body || !(self->body = malloc(value.size + 1))) return false;
  if (value.size) memcpy(self->body, value.at, value.size);
  self->body_size = value.size;
  return true;
}

static bool take_field(struct restriction *self, const struct field *field, size_t room) {
  uint64_t number;
  if (same(field->key, TEXT("blacklist"))) return add(&self->denied, room, field->value);
  if (same(field->key, TEXT("body"))) return keep_body(self, field->value);
  if (same(field->key, TEXT("whitelist"))) {
    self->allow_listed = true;
    return add(&self->allowed, room, field->value);
  }
  if (!same(field->key, TEXT("response_code")) || !field_number(field->value, &number)) return false;
  self->status = (uint32_t)number;
  return number >= 200 && number <= 599;
}

static struct object *configure(const struct fields *fields) {
  struct restriction *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->kind = &ip_restriction;
  self->status = 403;
  for (size_t i = 0; i < fields->count; i++) {
    if (take_field(self, &fields->list[i], fields->count)) continue;
    complain("ip-restriction", "unknown or malformed field");
    release((struct object *)self);
    return NULL;
  }
  self->allowed.count = ranges_merge(self->allowed.list, self->allowed.count);
  self->denied.count = ranges_merge(self->denied.list, self->denied.count);
  return (struct object *)self;
}

static enum headers_status request(void *filter, struct object *config) {
  const struct restriction *self = (const struct restriction *)config;
  struct address address;
  struct header extra[1];
  if (!client_address(filter, &address)) return refuse_broken(filter, &ip_restriction);
  bool refused = ranges_contain(self->denied.list, self->denied.count, &address) ||
                 (self->allow_listed && !ranges_contain(self->allowed.list, self->allowed.count, &address));
  if (!refused) return HEADERS_CONTINUE;
  return refuse(filter, &ip_restriction, self->status, (struct text){self->body, self->body_size}, extra, 0);
}

const struct kind ip_restriction = {{"ip-restriction", 14}, configure, release, NULL, request, NULL, NULL};
