/* Filters [key-auth] and [basic-auth]: who calls, by the consumer table.
 *
 * Consumer table: "k\0<key>", "b\0<username>", "c\0<consumer>", "j\0<key>", "h\0<key id>" -> strings, each u16 size and bytes:
 * consumer, credential id, custom id, secret (not with keys), more (optional: a consumer's labels as JSON, what a jwt-auth
 * credential says of its algorithm); empty strings for what is not there. */
#include "gatefleet.h"

#include <stdio.h>
#include <stdlib.h>

#define SECRET_MAX 4096

struct auth {
  const struct kind *kind;
  struct text header, query, realm, anonymous, refusal; /* refusal: what to say instead of our own words */
  bool hide;
  bool soft; /* one of several ways: notes whom it knows, and leaves refusing strangers to a later filter */
  char texts[]; /* everything the slices above point to */
};

struct person {
  struct text consumer, credential, custom_id, password;
};

struct credential { /* what the request brought */
  struct text secret;
  struct text user; /* basic-auth only */
  bool from_header;
};

static struct text keep(struct auth *auth, size_t *used, struct text value) {
  char *at = auth->texts + *used;
  if (value.size) memcpy(at, value.at, value.size);
  *used += value.size;
  return (struct text){at, value.size};
}

static bool take_field(struct auth *auth, size_t *used, const struct field *field) {
  struct text kept = keep(auth, used, field->value);
  if (same(field->key, TEXT("hide_credentials"))) return field_flag(field->value, &auth->hide);
  if (same(field->key, TEXT("soft"))) return field_flag(field->value, &auth->soft);
  if (same(field->key, TEXT("anonymous_consumer"))) auth->anonymous = kept;
  else if (same(field->key, TEXT("error_response"))) auth->refusal = kept;
  else if (!header_safe(kept)) return false;
  else if (same(field->key, TEXT("realm"))) auth->realm = kept;
  else if (auth->kind != &key_auth) return false;
  else if (same(field->key, TEXT("header"))) auth->header = kept;
  else if (same(field->key, TEXT("query"))) auth->query = kept;
  else return false;
  return true;
}

static struct object *configure(const struct kind *kind, struct text realm, const struct fields *fields) {
  size_t size = 0, used = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  struct auth *auth = malloc(sizeof *auth + size);
  if (!auth) return NULL;
  *auth = (struct auth){.kind = kind, .header = TEXT("apikey"), .query = TEXT("apikey"), .realm = realm};
  for (size_t i = 0; i < fields->count; i++) {
    if (take_field(auth, &used, &fields->list[i])) continue;
    complain(kind->name.at, "unknown or malformed field");
    free(auth);
    return NULL;
  }
  return (struct object *)auth;
}

static void release(struct object *config) { free(config); }

static bool next_string(struct text *rest, struct text *out) {
  if (rest->size < 2) return false;
  size_t size = (unsigned char)rest->at[0] | (size_t)(unsigned char)rest->at[1] << 8;
  if (size > rest->size - 2) return false;
  *out = (struct text){rest->at + 2, size};
  *rest = (struct text){rest->at + 2 + size, rest->size - 2 - size};
  return true;
}

static bool strings_read(struct text entry, struct text out[PERSON_STRINGS]) {
  out[4] = (struct text){entry.at, 0};
  for (size_t i = 0; i < 4; i++)
    if (!next_string(&entry, &out[i])) return false;
  if (entry.size > 0 && !next_string(&entry, &out[4])) return false;
  return out[0].size > 0 && header_safe(out[0]) && header_safe(out[1]) && header_safe(out[2]);
}

enum lookup person_strings(char space, struct text name, struct text out[PERSON_STRINGS]) {
  char key[SECRET_MAX + 2];
  struct text entry;
  if (name.size == 0 || name.size > SECRET_MAX) return MISSING;
  key[0] = space;
  key[1] = 0;
  memcpy(key + 2, name.at, name.size);
  enum lookup result = table_get(CONSUMER_TABLE, (struct text){key, name.size + 2}, &entry);
  return result == FOUND && !strings_read(entry, out) ? UNREADABLE : result;
}

static enum lookup find(char space, struct text name, struct person *out) {
  struct text strings[PERSON_STRINGS];
  enum lookup result = person_strings(space, name, strings);
  if (result == FOUND) *out = (struct person){strings[0], strings[1], strings[2], strings[3]};
  return result;
}

/* Adding is cheaper than replacing, and nothing is there to replace unless an earlier filter of ours put it there. */
static void assign(void *filter, struct text name, struct text value, bool fresh) {
  if (value.size == 0 && !fresh) drop_header(filter, name);
  if (value.size == 0) return;
  if (fresh) add_header(filter, name, value);
  else put_header(filter, REQUEST_HEADERS, name, value);
}

static enum headers_status attach(void *filter, const struct auth *auth, const struct person *person) {
  bool fresh = !request_header(filter, TEXT("x-consumer-username")).at;
  assign(filter, TEXT("x-consumer-username"), person->consumer, fresh);
  assign(filter, TEXT("x-credential-identifier"), person->credential, fresh);
  assign(filter, TEXT("x-consumer-custom-id"), person->custom_id, fresh);
  if (auth->soft) put_header(filter, REQUEST_HEADERS, TEXT("x-gf-admitted"), TEXT("1"));
  return HEADERS_CONTINUE;
}

static bool admitted(void *filter, const struct auth *auth) {
  return auth->soft && request_header(filter, TEXT("x-gf-admitted")).at;
}

static enum headers_status unauthorized(void *filter, const struct auth *auth, struct text body, const char *form) {
  if (auth->soft) return HEADERS_CONTINUE;
  char challenge[512];
  struct header extra[2];
  int size = snprintf(challenge, sizeof challenge, form, (int)auth->realm.size, auth->realm.at);
  if (size < 0 || (size_t)size >= sizeof challenge) size = 0;
  extra[0] = (struct header){TEXT("www-authenticate"), {challenge, (size_t)size}};
  return refuse(filter, auth->kind, 401, auth->refusal.size ? auth->refusal : body, extra, 1);
}

/* Nobody known: the anonymous consumer if there is one, else a refusal. */
static enum headers_status stranger(void *filter, const struct auth *auth, struct text body, const char *form) {
  struct person person;
  if (auth->anonymous.size == 0) return unauthorized(filter, auth, body, form);
  switch (find('c', auth->anonymous, &person)) {
    case FOUND: person.credential = (struct text){NULL, 0}; return attach(filter, auth, &person);
    case MISSING: return unauthorized(filter, auth, TEXT("{\"message\":\"Invalid user authorization\"}\n"), form);
    default: return refuse_broken(filter, auth->kind);
  }
}

/* ---- key-auth ---- */

static const char key_form[] = "apikey realm=\"%.*s\"";

static struct object *key_configure(const struct fields *fields) { return configure(&key_auth, TEXT("key"), fields); }

static bool key_in_request(void *filter, const struct auth *auth, char *buffer, struct credential *out) {
  *out = (struct credential){request_header(filter, auth->header), {NULL, 0}, true};
  if (out->secret.at) return true;
  out->from_header = false;
  struct text query = query_of(request_header(filter, TEXT(":path")));
  return query_argument(query, auth->query, buffer, SECRET_MAX, &out->secret);
}

static bool key_hide(void *filter, const struct auth *auth, bool from_header) {
  static _Thread_local char buffer[PATH_MAX_BYTES];
  struct text target;
  if (from_header) {
    drop_header(filter, auth->header);
    return true;
  }
  if (!query_without(request_header(filter, TEXT(":path")), auth->query, buffer, sizeof buffer, &target)) return false;
  put_header(filter, REQUEST_HEADERS, TEXT(":path"), target);
  return true;
}

static enum headers_status key_request(void *filter, struct object *self) {
  const struct auth *auth = (const struct auth *)self;
  char buffer[SECRET_MAX];
  struct credential given;
  struct person person;
  if (admitted(filter, auth)) return HEADERS_CONTINUE;
  if (!key_in_request(filter, auth, buffer, &given))
    return stranger(filter, auth, TEXT("{\"message\":\"Missing API key in request\"}\n"), key_form);
  switch (find('k', given.secret, &person)) {
    case FOUND: break;
    case MISSING: return stranger(filter, auth, TEXT("{\"message\":\"Invalid API key in request\"}\n"), key_form);
    default: return refuse_broken(filter, auth->kind);
  }
  if (auth->hide && !key_hide(filter, auth, given.from_header)) return refuse_broken(filter, auth->kind);
  return attach(filter, auth, &person);
}

const struct kind key_auth = {{"key-auth", 8}, key_configure, release, NULL, key_request, NULL, NULL};

/* ---- basic-auth ---- */

static const char basic_form[] = "Basic realm='%.*s'";

static struct object *basic_configure(const struct fields *fields) {
  return configure(&basic_auth, TEXT("basic"), fields);
}

static signed char base64_values[256]; /* -1: no digit */

__attribute__((constructor)) static void base64_prepare(void) { /* of either alphabet */
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  memset(base64_values, -1, sizeof base64_values);
  for (size_t i = 0; i < sizeof digits - 1; i++) base64_values[(unsigned char)digits[i]] = (signed char)i;
  base64_values['+'] = base64_values['-'] = 62;
  base64_values['/'] = base64_values['_'] = 63;
}

/* Of either alphabet, padded or not. */
bool base64_decode(struct text encoded, char *buffer, size_t size, struct text *out) {
  size_t used = 0;
  uint32_t bits = 0;
  int held = 0;
  while (encoded.size > 0 && encoded.at[encoded.size - 1] == '=') encoded.size--;
  for (size_t i = 0; i < encoded.size; i++) {
    int value = base64_values[(unsigned char)encoded.at[i]];
    if (value < 0) return false;
    bits = (bits << 6 | (uint32_t)value) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    if (used == size) return false;
    buffer[used++] = (char)(bits >> held & 0xff);
  }
  *out = (struct text){buffer, used};
  return encoded.size % 4 != 1;
}

/* "Basic <base64 of user:password>", the scheme in any case. */
static bool basic_read(struct text header, char *buffer, struct credential *out) {
  static const char scheme[] = "basic";
  struct text decoded;
  size_t at = 0;
  for (; at < 5; at++)
    if (header.size <= at || (header.at[at] | 0x20) != scheme[at]) return false;
  while (at < header.size && (header.at[at] == ' ' || header.at[at] == '\t')) at++;
  if (at == 5 || !base64_decode((struct text){header.at + at, header.size - at}, buffer, SECRET_MAX, &decoded))
    return false;
  const char *colon = decoded.size ? memchr(decoded.at, ':', decoded.size) : NULL;
  if (!colon) return false;
  out->user = (struct text){decoded.at, (size_t)(colon - decoded.at)};
  out->secret = (struct text){colon + 1, decoded.size - out->user.size - 1};
  return true;
}

static enum headers_status basic_request(void *filter, struct object *self) {
  const struct auth *auth = (const struct auth *)self;
  const struct text wrong = TEXT("{\"message\":\"Invalid user authorization\"}\n");
  char buffer[SECRET_MAX];
  struct credential given;
  struct person person;
  if (admitted(filter, auth)) return HEADERS_CONTINUE;
  struct text header = request_header(filter, TEXT("authorization"));
  if (!header.at)
    return stranger(filter, auth, TEXT("{\"message\":\"Missing authorization in request\"}\n"), basic_form);
  if (!basic_read(header, buffer, &given))
    return stranger(filter, auth, TEXT("{\"message\":\"Invalid authorization in request\"}\n"), basic_form);
  switch (find('b', given.user, &person)) {
    case FOUND: break;
    case MISSING: return stranger(filter, auth, wrong, basic_form);
    default: return refuse_broken(filter, auth->kind);
  }
  if (!equal_in_constant_time(person.password, given.secret)) return stranger(filter, auth, wrong, basic_form);
  if (auth->hide) drop_header(filter, TEXT("authorization"));
  return attach(filter, auth, &person);
}

const struct kind basic_auth = {{"basic-auth", 10}, basic_configure, release, NULL, basic_request, NULL, NULL};
