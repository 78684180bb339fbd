/* What the conditions of a host's routes ask of a request: answered as headers before the route is chosen, because
 * Envoy's matcher reads nothing else.
 *
 * Questions follow each other: u8 kind | u8 header size | u16 variable size | header | variable | f64 number, unless kind is 'v'.
 * 'v': the header gets the variable's value, if it has one. '=', '<', 'l' (<=), '>', 'g' (>=): it gets "1" if the variable
 * is a number, as Lua's tonumber reads it, and compares so with the given one. */
#include "gatefleet.h"

#include <stdlib.h>

struct question {
  char kind;
  struct text header, variable;
  double number;
};

static bool take(struct text *rest, struct question *out) {
  uint16_t size;
  if (rest->size < 4) return false;
  size_t head = (unsigned char)rest->at[1];
  memcpy(&size, rest->at + 2, sizeof size);
  out->kind = rest->at[0];
  size_t whole = 4 + head + size + (out->kind == 'v' ? 0 : sizeof out->number);
  if (rest->size < whole) return false;
  out->header = (struct text){rest->at + 4, head};
  out->variable = (struct text){rest->at + 4 + head, size};
  if (out->kind != 'v') memcpy(&out->number, rest->at + 4 + head + size, sizeof out->number);
  else out->number = 0;
  *rest = (struct text){rest->at + whole, rest->size - whole};
  return true;
}

/* nginx's name of a header: lower case, hyphens as underscores. */
static bool named(struct text key, struct text name) {
  if (key.size != name.size) return false;
  for (size_t i = 0; i < key.size; i++)
    if (key.at[i] != name.at[i] && !(key.at[i] == '-' && name.at[i] == '_')) return false;
  return true;
}

static struct text header_named(const struct request *request, struct text name) {
  for (size_t i = 0; i < request->count; i++)
    if (named(request->headers[i].key, name)) return request->headers[i].value;
  return (struct text){NULL, 0};
}

static struct text address_of(void *ctx, enum attribute id) {
  struct text value = {NULL, 0};
  envoy_dynamic_module_callback_early_header_mutation_get_attribute_string(ctx, id, &value);
  return without_port(value);
}

static struct text port_of(void *ctx, enum attribute id, char *buffer) {
  uint64_t number = 0;
  size_t at = 24;
  if (!envoy_dynamic_module_callback_early_header_mutation_get_attribute_int(ctx, id, &number)) return (struct text){NULL, 0};
  do buffer[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  return (struct text){buffer + at, 24 - at};
}

static struct text plain_value(void *ctx, const struct request *request, struct text name, char *buffer) {
  if (same(name, TEXT("uri"))) return request->uri;
  if (same(name, TEXT("host"))) return request->host;
  if (same(name, TEXT("request_uri"))) return request->target;
  if (same(name, TEXT("remote_addr"))) return address_of(ctx, SOURCE_ADDRESS);
  if (same(name, TEXT("server_addr"))) return address_of(ctx, DESTINATION_ADDRESS);
  if (same(name, TEXT("remote_port"))) return port_of(ctx, SOURCE_PORT, buffer);
  if (same(name, TEXT("server_port"))) return port_of(ctx, DESTINATION_PORT, buffer);
  struct text query = query_of(request->target);
  if (same(name, TEXT("is_args"))) return query.size ? TEXT("?") : TEXT("");
  bool whole = same(name, TEXT("args")) || same(name, TEXT("query_string"));
  return whole ? (query.at ? query : TEXT("")) : (struct text){NULL, 0};
}

/* The variable's value; at == NULL: it has none. */
static struct text value_of(void *ctx, const struct request *request, struct text name, char buffer[PATH_MAX_BYTES]) {
  struct text value = {NULL, 0};
  if (starts_with(name, TEXT("arg_"))) {
    query_argument(query_of(request->target), (struct text){name.at + 4, name.size - 4}, buffer, PATH_MAX_BYTES, &value);
    return value;
  }
  if (starts_with(name, TEXT("http_"))) return header_named(request, (struct text){name.at + 5, name.size - 5});
  if (starts_with(name, TEXT("cookie_")))
    return cookie_named(header_named(request, TEXT("cookie")), (struct text){name.at + 7, name.size - 7});
  return plain_value(ctx, request, name, buffer);
}

static bool number_of(struct text text, double *out) {
  char copy[64], *end;
  while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) text = (struct text){text.at + 1, text.size - 1};
  while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t')) text.size--;
  if (text.size == 0 || text.size >= sizeof copy) return false;
  memcpy(copy, text.at, text.size);
  copy[text.size] = 0;
  char first = copy[copy[0] == '-' || copy[0] == '+'];
  if (!(first >= '0' && first <= '9') && first != '.') return false; /* strtod knows words, too */
  *out = strtod(copy, &end);
  return *end == 0 && end != copy;
}

static bool holds(char kind, double left, double right) {
  switch (kind) {
    case '=': return left == right;
    case '<': return left < right;
    case 'l': return left <= right;
    case '>': return left > right;
    default: return left >= right;
  }
}

bool questions_answer(void *ctx, const struct request *request, struct text questions) {
  static _Thread_local char buffer[PATH_MAX_BYTES];
  struct question question;
  while (questions.size > 0) {
    double number;
    if (!take(&questions, &question)) return false;
    struct text value = value_of(ctx, request, question.variable, buffer);
    if (!value.at) continue;
    if (question.kind != 'v') {
      if (!number_of(value, &number) || !holds(question.kind, number, question.number)) continue;
      value = TEXT("1");
    }
    envoy_dynamic_module_callback_early_header_mutation_add_header(ctx, question.header, value);
  }
  return true;
}
