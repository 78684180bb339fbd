/* What the module does, one sentence per check; run under the address and undefined behaviour sanitizers.
 * Argument: a run directory with tables "hosts" and "consumers" as test_checks.py writes them. */
#include "counters.c" /* whole, to take its locks as a dying process does */

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "redis.h"

static int failures;

#define CHECK(what) \
  do { \
    if (!(what)) failures++, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
  } while (0)

static struct text text(const char *from) { return (struct text){from, strlen(from)}; }

static bool is(struct text value, const char *expected) { return same(value, text(expected)); }

/* ---- helpers ---- */

struct bytes {
  char at[8192];
  size_t size;
};

static void field(struct bytes *config, const char *key, const char *value) {
  const char *parts[2] = {key, value};
  for (int i = 0; i < 2; i++) {
    uint32_t size = (uint32_t)strlen(parts[i]);
    memcpy(config->at + config->size, &size, 4);
    memcpy(config->at + config->size + 4, parts[i], size);
    config->size += 4 + size;
  }
}

static void *configured(const char *filter, const struct bytes *config) {
  return envoy_dynamic_module_on_http_filter_config_new(NULL, text(filter), (struct text){config->at, config->size});
}

static struct bytes limit(const char *owner, const char *count) {
  struct bytes config = {.size = 0};
  field(&config, "owner", owner);
  field(&config, "count", count);
  field(&config, "time_window", "60");
  return config;
}

/* Runs one request through a filter and frees all but the fake. */
static int run(const char *filter, const struct bytes *config, struct fake *fake) {
  void *made = configured(filter, config);
  CHECK(made);
  if (!made) return -1;
  void *stream = envoy_dynamic_module_on_http_filter_new(made, fake);
  int status = envoy_dynamic_module_on_http_filter_request_headers(fake, stream, true);
  if (status == HEADERS_CONTINUE) envoy_dynamic_module_on_http_filter_response_headers(fake, stream, true);
  envoy_dynamic_module_on_http_filter_destroy(stream);
  envoy_dynamic_module_on_http_filter_config_destroy(made);
  return status;
}

static struct fake *request(const char *authority, const char *target) {
  struct fake *fake = fake_new("192.0.2.7:4711");
  if (authority) fake_add(fake, TEXT(":authority"), text(authority));
  if (target) fake_add(fake, TEXT(":path"), text(target));
  fake_add(fake, TEXT(":method"), TEXT("GET"));
  return fake;
}

static struct fake *early(const char *authority, const char *target) {
  struct fake *fake = request(authority, target);
  CHECK(envoy_dynamic_module_on_early_header_mutation_mutate(NULL, fake));
  return fake;
}

static struct text seen(struct fake *fake, const char *key) { return fake_get(fake, REQUEST_HEADERS, text(key)); }
static struct text told(struct fake *fake, const char *key) { return fake_get(fake, RESPONSE_HEADERS, text(key)); }
static bool said(struct fake *fake, uint32_t status, const char *body) {
  return fake->status == status && is((struct text){fake->body, fake->body_size}, body);
}

/* ---- checks ---- */

static void hashes_are_the_published_ones(void) {
  uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u}, out[2];
  struct sip sip;
  sip_begin(&sip, key);
  sip_end(&sip, out);
  CHECK(out[0] == 0xe6a825ba047f81a3u && out[1] == 0x930255c71472f66du);
  sip_begin(&sip, key);
  sip_add(&sip, (struct text){"\0\1\2\3", 4});
  sip_add(&sip, (struct text){"\4\5\6\7\10", 5});
  sip_end(&sip, out);
  struct sip whole;
  uint64_t again[2];
  sip_begin(&whole, key);
  sip_add(&whole, (struct text){"\0\1\2\3\4\5\6\7\10", 9});
  sip_end(&whole, again);
  CHECK(out[0] == again[0] && out[1] == again[1]);
  CHECK(crc32_of(TEXT("123456789")) == 0xcbf43926u);
}

static void scope_is(const char *authority, const char *target, const char *expected) {
  struct fake *fake = early(authority, target);
  if (!is(seen(fake, "x-gf-scope"), expected)) {
    struct text scope = seen(fake, "x-gf-scope");
    failures++, printf("%s%s has scope [%.*s], not [%s]\n", authority, target, (int)scope.size, scope.at, expected);
  }
  CHECK(fake_count(fake, TEXT("x-gf-scope")) == 1 && fake_count(fake, TEXT("x-gf-path")) == 1);
  fake_free(fake);
}

static void hosts_find_their_scope(void) {
  char longest[5000];
  memset(longest, 'a', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  scope_is("foo.test", "/", "foo.test");
  scope_is("FOO.Test:9080", "/", "foo.test");
  scope_is("foo.test.", "/", "foo.test");
  scope_is("a.wild.test", "/", "*.wild.test");
  scope_is("A.b.Wild.test:1", "/", "*.wild.test");
  scope_is("a.deep.wild.test", "/", "*.deep.wild.test");
  scope_is("wild.test", "/", "*");
  scope_is("unknown.test", "/", "*");
  scope_is("[::1]:80", "/", "[::1]");
  scope_is("[::1", "/", "*");
  scope_is("", "/", "*");
  scope_is("...", "/", "*");
  scope_is(longest, "/", "*");
  scope_is("big.test", "/a/b/c?x", "big.test#2.16.12");
  scope_is("big.test", "/a/b", "big.test#2.16.12");
  scope_is("big.test", "/a%2fb/c", "big.test#2.16.12");
}

static void path_is(const char *target, const char *expected) {
  struct fake *fake = early("foo.test", target);
  if (!is(seen(fake, "x-gf-path"), expected)) {
    struct text path = seen(fake, "x-gf-path");
    failures++, printf("[%s] has path [%.*s], not [%s]\n", target, (int)path.size, path.at, expected);
  }
  fake_free(fake);
}

static void paths_are_what_nginx_calls_uri(void) {
  path_is("/a/b?x=/c", "/a/b");
  path_is("/", "/");
  path_is("/a%20b%2Fc", "/a b/c");
  path_is("/x/..%2f..%2Fadmin", "/admin");
  path_is("//a///b/./c/..", "/a/b/");
  path_is("/..", "/");
  path_is("/../a", "/a");
  path_is("/a/.", "/a/");
  path_is("/a/..b/...", "/a/..b/...");
  path_is("/%2e%2e/%2e/x", "/x");
  path_is("/%zz%0a%00%7f%", "/%zz%0a%00%7f%");
  path_is("/%25%32%66", "/%2f");
  path_is("/%E4%B8%AD", "/\xe4\xb8\xad");
  path_is("*", "*");
  path_is("gf:probe", "*");
  path_is("", "*");
}

static void what_the_client_sends_of_ours_never_stays(void) {
  struct fake *fake = request("foo.test", "/");
  const char *const names[] = {
      "x-gf-scope", "x-gf-scope", "x-gf-path", "x-gf-other", "x-gf-other", "x_gf_scope", "x-envoy-retry-on",
      "x-consumer-username", "x_consumer_username", "x-credential-identifier", "x-consumer-custom-id",
      "x-consumer_custom-id", "x-real-ip", "x-real-ip", "x-forwarded-host", "x-forwarded-port"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) fake_add(fake, text(names[i]), TEXT("spoofed"));
  fake_add(fake, TEXT("x-forwarded-for"), TEXT("203.0.113.1"));
  fake_add(fake, TEXT("x-mine"), TEXT("kept"));
  envoy_dynamic_module_on_early_header_mutation_mutate(NULL, fake);
  for (size_t i = 0; i < fake->request_count; i++) CHECK(!is(fake->request[i].value, "spoofed"));
  CHECK(is(seen(fake, "x-mine"), "kept") && is(seen(fake, "x-real-ip"), "192.0.2.7"));
  CHECK(is(seen(fake, "x-forwarded-for"), "203.0.113.1, 192.0.2.7"));
  CHECK(is(seen(fake, "x-forwarded-host"), "foo.test") && is(seen(fake, "x-forwarded-port"), "9080"));
  fake_free(fake);
}

static void too_many_headers_and_absurd_names_are_closed(void) {
  char name[300] = "x-gf-";
  struct fake *fake = request("foo.test", "/");
  memset(name + 5, 'a', 200);
  fake_add(fake, text(name), TEXT("1"));
  envoy_dynamic_module_on_early_header_mutation_mutate(NULL, fake);
  CHECK(is(seen(fake, "x-gf-scope"), "") && is(seen(fake, "x-gf-path"), "*"));
  fake_free(fake);
  fake = request("foo.test", "/");
  for (int i = 0; i < 300; i++) fake_add(fake, TEXT("x-a"), TEXT("b"));
  envoy_dynamic_module_on_early_header_mutation_mutate(NULL, fake);
  CHECK(is(seen(fake, "x-gf-scope"), "") && is(seen(fake, "x-gf-path"), "*"));
  fake_free(fake);
}

static void configurations_that_are_wrong_are_refused(void) {
  struct bytes good = {.size = 0}, bad;
  field(&good, "realm", "here");
  for (size_t cut = 1; cut < good.size; cut++)
    CHECK(!envoy_dynamic_module_on_http_filter_config_new(NULL, TEXT("key-auth"), (struct text){good.at, cut}));
  static const char *const wrong[][3] = {
      {"key-auth", "unknown", "x"},        {"key-auth", "hide_credentials", "yes"}, {"key-auth", "realm", "a\nb"},
      {"basic-auth", "header", "x"},       {"ip-restriction", "whitelist", "1.2.3"}, {"ip-restriction", "blacklist", "::1/129"},
      {"ip-restriction", "blacklist", ""}, {"ip-restriction", "response_code", "99"}, {"ip-restriction", "whitelist", "1.2.3.4/"},
      {"limit-count", "count", "0"},       {"limit-count", "key", "$nothing"},      {"limit-count", "key", "?x"},
      {"nothing", "count", "1"},           {"limit-count", "time_window", "4294967296"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    bad = strcmp(wrong[i][0], "limit-count") == 0 ? limit("x", "1") : (struct bytes){.size = 0};
    if (bad.size) field(&bad, "key", "=all");
    field(&bad, wrong[i][1], wrong[i][2]);
    CHECK(!configured(wrong[i][0], &bad));
  }
  CHECK(!envoy_dynamic_module_on_early_header_mutation_config_new(NULL, TEXT("other"), TEXT("")));
  CHECK(envoy_dynamic_module_on_early_header_mutation_config_new(NULL, TEXT("scope"), TEXT("")));
}

static void keys_let_their_consumer_in(void) {
  struct bytes config = {.size = 0};
  field(&config, "hide_credentials", "1");
  struct fake *fake = request("foo.test", "/a?x=1&api%6bey=jack%2Dkey&y=2&apikey=other");
  CHECK(run("key-auth", &config, fake) == HEADERS_CONTINUE);
  CHECK(is(seen(fake, "x-consumer-username"), "jack") && is(seen(fake, "x-credential-identifier"), "c1"));
  CHECK(is(seen(fake, "x-consumer-custom-id"), "77") && is(seen(fake, ":path"), "/a?x=1&y=2"));
  fake_free(fake);
  fake = request("foo.test", "/a?apikey=jack-key");
  fake_add(fake, TEXT("apikey"), TEXT("jack-key"));
  CHECK(run("key-auth", &config, fake) == HEADERS_CONTINUE);
  CHECK(fake_count(fake, TEXT("apikey")) == 0 && is(seen(fake, ":path"), "/a?apikey=jack-key"));
  fake_free(fake);
}

static void strangers_are_told_what_apisix_tells_them(void) {
  struct bytes config = {.size = 0};
  struct fake *fake = request("foo.test", "/a?apikeys=1&b");
  CHECK(run("key-auth", &config, fake) == HEADERS_STOP);
  CHECK(said(fake, 401, "{\"message\":\"Missing API key in request\"}\n"));
  CHECK(is(told(fake, "www-authenticate"), "apikey realm=\"key\""));
  CHECK(is(told(fake, "content-type"), "text/plain; charset=utf-8"));
  fake_free(fake);
  char huge[9000];
  memset(huge, 'k', sizeof huge - 1);
  huge[sizeof huge - 1] = 0;
  const char *const wrong[] = {"bad", "", "jack-ke", "jack-key ", huge};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    fake = request("foo.test", "/");
    fake_add(fake, TEXT("apikey"), text(wrong[i]));
    CHECK(run("key-auth", &config, fake) == HEADERS_STOP);
    CHECK(said(fake, 401, "{\"message\":\"Invalid API key in request\"}\n"));
    CHECK(fake_count(fake, TEXT("x-consumer-username")) == 0);
    fake_free(fake);
  }
}

static void an_anonymous_consumer_must_exist(void) {
  struct bytes config = {.size = 0}, missing = {.size = 0};
  field(&config, "anonymous_consumer", "guest");
  field(&missing, "anonymous_consumer", "nobody");
  field(&missing, "error_response", "{\"no\":1}\n");
  struct fake *fake = request("foo.test", "/");
  CHECK(run("key-auth", &config, fake) == HEADERS_CONTINUE && is(seen(fake, "x-consumer-username"), "guest"));
  fake_free(fake);
  fake = request("foo.test", "/");
  CHECK(run("key-auth", &missing, fake) == HEADERS_STOP && said(fake, 401, "{\"no\":1}\n"));
  fake_free(fake);
}

static void passwords_let_their_consumer_in(void) {
  struct bytes config = {.size = 0};
  field(&config, "realm", "there");
  field(&config, "hide_credentials", "1");
  static const struct {
    const char *header, *body;
  } cases[] = {{"Basic amlsbDpwOnc=", NULL}, /* jill:p:w */
               {"bASIC  amlsbDpwOnc", NULL},
               {"Basic amlsbDp4", "{\"message\":\"Invalid user authorization\"}\n"},
               {"Basic am9lOng=", "{\"message\":\"Invalid user authorization\"}\n"},
               {"Basic amlsbA==", "{\"message\":\"Invalid authorization in request\"}\n"},
               {"Basic", "{\"message\":\"Invalid authorization in request\"}\n"},
               {"Basic ", "{\"message\":\"Invalid authorization in request\"}\n"},
               {"Basic a!b=", "{\"message\":\"Invalid authorization in request\"}\n"},
               {"Basicamlsb", "{\"message\":\"Invalid authorization in request\"}\n"},
               {"", "{\"message\":\"Invalid authorization in request\"}\n"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fake *fake = request("foo.test", "/");
    fake_add(fake, TEXT("authorization"), text(cases[i].header));
    int status = run("basic-auth", &config, fake);
    if (cases[i].body) CHECK(status == HEADERS_STOP && said(fake, 401, cases[i].body));
    else CHECK(status == HEADERS_CONTINUE && is(seen(fake, "x-consumer-username"), "jill"));
    if (cases[i].body) CHECK(is(told(fake, "www-authenticate"), "Basic realm='there'"));
    CHECK(cases[i].body || fake_count(fake, TEXT("authorization")) == 0);
    fake_free(fake);
  }
  struct fake *fake = request("foo.test", "/");
  CHECK(run("basic-auth", &config, fake) == HEADERS_STOP);
  CHECK(said(fake, 401, "{\"message\":\"Missing authorization in request\"}\n"));
  fake_free(fake);
}

static void a_second_authentication_takes_over(void) {
  struct bytes config = {.size = 0};
  struct fake *fake = request("foo.test", "/");
  fake_add(fake, TEXT("apikey"), TEXT("jack-key"));
  fake_add(fake, TEXT("authorization"), TEXT("Basic amlsbDpwOnc="));
  CHECK(run("key-auth", &config, fake) == HEADERS_CONTINUE && run("basic-auth", &config, fake) == HEADERS_CONTINUE);
  CHECK(is(seen(fake, "x-consumer-username"), "jill") && fake_count(fake, TEXT("x-consumer-username")) == 1);
  CHECK(fake_count(fake, TEXT("x-consumer-custom-id")) == 0);
  fake_free(fake);
}

static int from(const char *source, const struct bytes *config) {
  struct fake *fake = fake_new(source);
  int status = run("ip-restriction", config, fake), answer = (int)fake->status;
  CHECK((status == HEADERS_STOP) == (answer != 0));
  fake_free(fake);
  return answer;
}

static void addresses_are_restricted(void) {
  struct bytes black = {.size = 0}, white = {.size = 0}, both = {.size = 0};
  field(&black, "blacklist", "10.0.0.0/8");
  field(&black, "blacklist", "10.1.0.0/16");
  field(&black, "blacklist", "192.0.2.7");
  field(&black, "blacklist", "2001:db8::/33");
  field(&black, "response_code", "410");
  field(&white, "whitelist", "127.0.0.0/30");
  field(&white, "whitelist", "::1");
  field(&white, "body", "no\n");
  field(&both, "whitelist", "0.0.0.0/0");
  field(&both, "blacklist", "1.2.3.4");
  CHECK(from("10.255.255.255:1", &black) == 410 && from("11.0.0.0:1", &black) == 0 && from("9.255.255.255:1", &black) == 0);
  CHECK(from("192.0.2.7:1", &black) == 410 && from("192.0.2.6:1", &black) == 0);
  CHECK(from("[2001:db8:7fff:ffff::1]:9", &black) == 410 && from("[2001:db8:8000::]:9", &black) == 0);
  CHECK(from("[::ffff:10.0.0.1]:9", &black) == 410);
  CHECK(from("127.0.0.3:1", &white) == 0 && from("127.0.0.4:1", &white) == 403 && from("[::1]:1", &white) == 0);
  CHECK(from("1.2.3.4:1", &both) == 403 && from("1.2.3.5:1", &both) == 0 && from("[::5]:1", &both) == 403);
  CHECK(from("/run/socket", &white) == 500 && from("", &black) == 500 && from(NULL, &black) == 500);
}

static uint32_t counted(const struct bytes *config, const char *source, const char *key, const char *value) {
  struct fake *fake = fake_new(source);
  fake_add(fake, TEXT(":authority"), TEXT("Foo.test:1"));
  fake_add(fake, TEXT(":path"), TEXT("/a?id=7&x"));
  if (key) fake_add(fake, text(key), text(value));
  run("limit-count", config, fake);
  uint32_t status = fake->status;
  bool shown = told(fake, "x-ratelimit-limit").at != NULL;
  CHECK(shown == (status != 500));
  fake_free(fake);
  return status;
}

static void requests_are_counted_by_key(void) {
  struct bytes config = limit("by-key", "2");
  field(&config, "key", "$http_X_Team");
  field(&config, "key", "=/");
  field(&config, "key", "$cookie_session");
  field(&config, "key", "?none");
  CHECK(counted(&config, "1.1.1.1:1", "x-team", "a") == 0 && counted(&config, "2.2.2.2:1", "x-team", "a") == 0);
  CHECK(counted(&config, "3.3.3.3:1", "x-team", "a") == 503 && counted(&config, "3.3.3.3:1", "x-team", "b") == 0);
  CHECK(counted(&config, "1.1.1.1:1", "cookie", "a=1; session=x;b") == 0);
  struct bytes fallback = limit("by-address", "1");
  field(&fallback, "key", "$arg_nothing");
  CHECK(counted(&fallback, "1.1.1.1:1", NULL, NULL) == 0 && counted(&fallback, "1.1.1.1:2", NULL, NULL) == 503);
  CHECK(counted(&fallback, "1.1.1.2:1", NULL, NULL) == 0);
  struct bytes constant = limit("constant", "1");
  field(&constant, "key", "=all");
  CHECK(counted(&constant, "1.1.1.1:1", NULL, NULL) == 0 && counted(&constant, "2.2.2.2:2", NULL, NULL) == 503);
  struct bytes argument = limit("argument", "1");
  field(&argument, "key", "$arg_id");
  field(&argument, "key", "$host");
  CHECK(counted(&argument, "1.1.1.1:1", NULL, NULL) == 0 && counted(&argument, "2.2.2.2:2", NULL, NULL) == 503);
}

/* The holder of every lock dies with the locks held; those who come after go on counting where it was. */
static void a_dead_holder_does_not_stop_the_others(void) {
  struct bytes config = limit("survivors", "3");
  field(&config, "key", "=all");
  CHECK(counted(&config, "1.1.1.1:1", NULL, NULL) == 0);
  pid_t child = fork();
  if (child == 0) {
    for (size_t i = 0; i < STRIPES; i++) stripe_lock(&counters()->stripes[i].lock);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  CHECK(counted(&config, "1.1.1.1:1", NULL, NULL) == 0 && counted(&config, "1.1.1.1:1", NULL, NULL) == 0);
  CHECK(counted(&config, "1.1.1.1:1", NULL, NULL) == 503);
}

static void a_full_table_still_counts(void) {
  struct sip name;
  struct verdict verdict = {0};
  for (uint32_t i = 0; i < 300000; i++) {
    CHECK(counters_key(&name));
    sip_add(&name, (struct text){(const char *)&i, sizeof i});
    verdict = counters_take(&name, (struct window){1, 60000});
    if (!verdict.usable || !verdict.passed) break;
  }
  CHECK(verdict.usable && verdict.passed);
}

static void without_tables_everything_is_closed(void) {
  struct bytes config = {.size = 0}, counter = limit("x", "1");
  field(&counter, "key", "=all");
  tables_use("/nonexistent");
  struct fake *fake = early("foo.test", "/");
  CHECK(is(seen(fake, "x-gf-scope"), "") && is(seen(fake, "x-gf-path"), "*"));
  fake_add(fake, TEXT("apikey"), TEXT("jack-key"));
  CHECK(run("key-auth", &config, fake) == HEADERS_STOP);
  CHECK(said(fake, 500, "{\"error_msg\":\"500 Internal Server Error\"}\n"));
  fake_free(fake);
  fake = fake_new("1.1.1.1:1");
  CHECK(run("limit-count", &counter, fake) == HEADERS_STOP && fake->status == 500);
  fake_free(fake);
  field(&counter, "allow_degradation", "1");
  fake = fake_new("1.1.1.1:1");
  CHECK(run("limit-count", &counter, fake) == HEADERS_CONTINUE && fake->status == 0);
  fake_free(fake);
  struct bytes rate = {.size = 0};
  static const char *const given[][2] = {{"owner", "x"}, {"key", "=all"}, {"interval", "1000"}, {"most", "0"}};
  for (size_t i = 0; i < 4; i++) field(&rate, given[i][0], given[i][1]);
  fake = fake_new("1.1.1.1:1");
  CHECK(run("limit-req", &rate, fake) == HEADERS_STOP && fake->status == 500);
  fake_free(fake);
}

/* ---- connections ---- */

static void *connections(const char *conn, const char *key) {
  struct bytes config = {.size = 0};
  field(&config, "owner", "route:r1");
  field(&config, "conn", conn);
  field(&config, "key", key);
  return envoy_dynamic_module_on_network_filter_config_new(NULL, TEXT("limit-conn"), (struct text){config.at, config.size});
}

static void *connect_from(void *limit, const char *source, int expected) {
  struct fake *fake = fake_new(source);
  void *made = envoy_dynamic_module_on_network_filter_new(limit, fake);
  CHECK(envoy_dynamic_module_on_network_filter_new_connection(fake, made) == expected);
  CHECK(fake->status == (uint32_t)expected); /* refused connections are closed */
  fake_free(fake);
  return made;
}

static void places_are_given_back(void) {
  void *limit = connections("2", "$remote_addr"), *raised = connections("3", "$remote_addr");
  void *open[5] = {connect_from(limit, "192.0.2.7:1", 0), connect_from(limit, "192.0.2.7:2", 0)};
  open[2] = connect_from(limit, "192.0.2.7:3", 1);
  open[3] = connect_from(limit, "192.0.2.8:1", 0);
  open[4] = connect_from(raised, "192.0.2.7:4", 0); /* the same counter, whatever its limit is now */
  envoy_dynamic_module_on_network_filter_destroy(open[2]); /* it never had a place */
  envoy_dynamic_module_on_network_filter_destroy(connect_from(limit, "192.0.2.7:5", 1));
  for (int i = 0; i < 5; i++)
    if (i != 2) envoy_dynamic_module_on_network_filter_destroy(open[i]);
  envoy_dynamic_module_on_network_filter_destroy(connect_from(limit, "192.0.2.7:6", 0));
  envoy_dynamic_module_on_network_filter_destroy(connect_from(limit, "", 1)); /* nobody can be counted: closed */
  envoy_dynamic_module_on_network_filter_config_destroy(limit);
  envoy_dynamic_module_on_network_filter_config_destroy(raised);
  CHECK(!connections("0", "$remote_addr"));
  CHECK(!connections("1", "$uri"));
}

/* ---- what waits ---- */

static struct bytes throttle(const char *owner, const char *const fields[][2], size_t count) {
  struct bytes config = {.size = 0};
  field(&config, "owner", owner);
  field(&config, "key", "$remote_addr");
  for (size_t i = 0; i < count; i++) field(&config, fields[i][0], fields[i][1]);
  return config;
}

struct running {
  void *config, *stream;
  struct fake *fake;
  int status;
};

static struct running begun(void *config) {
  struct running one = {config, NULL, request("foo.test", "/"), -1};
  one.stream = envoy_dynamic_module_on_http_filter_new(config, one.fake);
  one.status = envoy_dynamic_module_on_http_filter_request_headers(one.fake, one.stream, false);
  return one;
}

static void ended(struct running *one) {
  envoy_dynamic_module_on_http_filter_destroy(one->stream);
  fake_free(one->fake);
}

static bool woken_within(struct fake *fake, unsigned milliseconds) {
  for (unsigned i = 0; i < milliseconds && !atomic_load(&fake->woken); i++) usleep(1000);
  return atomic_load(&fake->woken) == 1;
}

static void requests_over_the_rate_wait_or_are_refused(void) {
  struct bytes fields = throttle("rate", (const char *const[][2]){{"interval", "50000000"}, {"most", "100000000"}}, 2);
  void *config = configured("limit-req", &fields);
  struct running first = begun(config), second = begun(config), third = begun(config), fourth = begun(config);
  CHECK(first.status == HEADERS_CONTINUE && second.status == HEADERS_WAIT && third.status == HEADERS_WAIT);
  CHECK(fourth.status == HEADERS_STOP && said(fourth.fake, 503, ""));
  CHECK(woken_within(second.fake, 2000) && woken_within(third.fake, 2000));
  envoy_dynamic_module_on_http_filter_scheduled(second.fake, second.stream, 0);
  CHECK(second.fake->resumed);
  ended(&first), ended(&second), ended(&third), ended(&fourth);
  envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void requests_that_end_while_they_wait_are_forgotten(void) {
  struct bytes fields = throttle("gone", (const char *const[][2]){{"interval", "20000000"}, {"most", "9000000000"}}, 2);
  void *config = configured("limit-req", &fields);
  struct running all[40];
  for (int i = 0; i < 40; i++) all[i] = begun(config);
  for (int i = 0; i < 40; i += 2) ended(&all[i]);
  for (int i = 39; i > 0; i -= 2) ended(&all[i]);
  usleep(30000); /* nobody is there to be woken: the address sanitizer would tell */
  envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void requests_give_their_place_back(void) {
  struct bytes fields = throttle("at-once", (const char *const[][2]){{"free", "1"}, {"most", "2"}, {"unit", "20000"}}, 3);
  void *config = configured("limit-conn", &fields);
  struct running first = begun(config), second = begun(config), third = begun(config);
  CHECK(first.status == HEADERS_CONTINUE && second.status == HEADERS_WAIT && third.status == HEADERS_STOP);
  ended(&third), ended(&second), ended(&first);
  struct running again = begun(config);
  CHECK(again.status == HEADERS_CONTINUE);
  ended(&again);
  envoy_dynamic_module_on_http_filter_config_destroy(config);
}

/* ---- real-ip ---- */

static struct fake *real(const char *source, const char *trusted, bool recursive, const char *name, const char *value) {
  struct bytes config = {.size = 0};
  field(&config, "source", source);
  if (trusted) field(&config, "trusted", trusted);
  field(&config, "recursive", recursive ? "1" : "0");
  struct fake *fake = request("foo.test", "/");
  if (name) fake_add(fake, text(name), text(value));
  CHECK(run("real-ip", &config, fake) == HEADERS_CONTINUE);
  return fake;
}

static void trusted_peers_say_whose_request_it_is(void) {
  static const struct {
    const char *source, *trusted, *name, *value, *address, *port;
    bool recursive;
  } cases[] = {
      {"$http_x_a", NULL, "x-a", "1.2.3.4", "1.2.3.4", NULL, false},
      {"$http_x_a", "192.0.2.0/24", "x-a", "1.2.3.4:80", "1.2.3.4", "80", false},
      {"$http_x_a", "10.0.0.0/8", "x-a", "1.2.3.4", NULL, NULL, false},
      {"$http_x_a", NULL, "x-a", "[2001:db8::1]:65535", "2001:db8::1", "65535", false},
      {"$http_x_a", NULL, "x-a", "::1", "::1", NULL, false},
      {"$http_x_a", NULL, "x-a", "1.2.3.4:0", NULL, NULL, false},
      {"$http_x_a", NULL, "x-a", "1.2.3.4:65536", NULL, NULL, false},
      {"$http_x_a", NULL, "x-a", "nobody", NULL, NULL, false},
      {"$http_x_a", NULL, "x-a", "", NULL, NULL, false},
      {"$http_x_a", NULL, NULL, NULL, NULL, NULL, false},
      {"$http_x_forwarded_for", NULL, "x-forwarded-for", "1.1.1.1, 2.2.2.2, 192.0.2.7", "2.2.2.2", NULL, false},
      {"$http_x_forwarded_for", NULL, "x-forwarded-for", "192.0.2.7", NULL, NULL, false},
      {"$http_x_forwarded_for", "192.0.2.0/24", "x-forwarded-for", "1.1.1.1, 192.0.2.9, 192.0.2.7", "1.1.1.1", NULL, true},
      {"$http_x_forwarded_for", "192.0.2.0/24", "x-forwarded-for", "192.0.2.9, 192.0.2.7", "192.0.2.9", NULL, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fake *fake = real(cases[i].source, cases[i].trusted, cases[i].recursive, cases[i].name, cases[i].value);
    struct text address = seen(fake, "x-gf-remote-addr"), port = seen(fake, "x-gf-remote-port");
    CHECK(cases[i].address ? is(address, cases[i].address) : !address.at);
    CHECK(cases[i].port ? is(port, cases[i].port) : !port.at);
    fake_free(fake);
  }
}

/* ---- api-breaker ---- */

static int called(void *config, const char *status, const char *details) {
  struct running one = begun(config);
  if (one.status == HEADERS_CONTINUE) {
    fake_answer(one.fake, text(status));
    one.fake->details = text(details);
    envoy_dynamic_module_on_http_filter_response_headers(one.fake, one.stream, true);
  }
  int result = one.status == HEADERS_CONTINUE ? 0 : (int)one.fake->status;
  ended(&one);
  return result;
}

static void apis_that_fail_in_a_row_rest(void) {
  struct bytes fields = {.size = 0};
  static const char *const given[][2] = {{"status", "502"}, {"longest", "3"}, {"unhealthy", "500"}, {"failures", "2"},
                                         {"healthy", "200"}, {"successes", "1"}};
  for (size_t i = 0; i < 6; i++) field(&fields, given[i][0], given[i][1]);
  void *config = configured("api-breaker", &fields);
  CHECK(called(config, "500", "via_upstream") == 0);
  CHECK(called(config, "500", "gatefleet") == 0); /* nobody asked an upstream */
  CHECK(called(config, "404", "via_upstream") == 0);
  CHECK(called(config, "500", "via_upstream") == 0);
  CHECK(called(config, "200", "via_upstream") == 502);
  sleep(4);
  CHECK(called(config, "200", "via_upstream") == 0);
  CHECK(called(config, "500", "via_upstream") == 0);
  CHECK(called(config, "200", "via_upstream") == 0);
  envoy_dynamic_module_on_http_filter_config_destroy(config);
}

/* ---- what scripts ask for ---- */

int gatefleet_digest(const char *name, const char *data, size_t size, char out[64]);
int gatefleet_hmac(const char *name, const char *key, size_t key_size, const char *data, size_t size, char out[64]);
int gatefleet_token(const char *key, size_t key_size, long now, char out[256]);
int gatefleet_verify(const char *algorithm, const char *pem, size_t pem_size, const char *data, size_t size,
                     const char *signature, size_t signature_size);
int gatefleet_person(char space, const char *name, size_t size, const char *at[5], size_t sizes[5]);
long gatefleet_unbase64(const char *encoded, size_t size, char *out);

static void scripts_are_told_the_truth(void) {
  static const unsigned char abc[] = {0xba, 0x78, 0x16, 0xbf}, jefe[] = {0x5b, 0xdc, 0xc1, 0x46}; /* FIPS 180, RFC 4231 */
  char out[64], token[256], other[256], said[256];
  const char *at[5];
  size_t sizes[5];
  CHECK(gatefleet_digest("SHA256", "abc", 3, out) == 32 && memcmp(out, abc, 4) == 0);
  CHECK(gatefleet_hmac("SHA256", "Jefe", 4, "what do ya want for nothing?", 28, out) == 32 && memcmp(out, jefe, 4) == 0);
  CHECK(gatefleet_digest("NONE", "abc", 3, out) == -1 && gatefleet_hmac("NONE", "a", 1, "b", 1, out) == -1);
  int size = gatefleet_token("key", 3, 1764000000, token);
  CHECK(size > 0 && gatefleet_token("key", 3, 1764000000, other) == size && memcmp(token, other, (size_t)size) != 0);
  CHECK(gatefleet_unbase64(token, (size_t)size, said) == 140 && memcmp(said, "{\"expires\":1764000000,", 22) == 0);
  CHECK(gatefleet_verify("RS256", "no key", 6, "a", 1, "b", 1) == -1);
  CHECK(gatefleet_unbase64("-_8=", 4, out) == 2 && gatefleet_unbase64("+/8", 3, out) == 2);
  CHECK(gatefleet_unbase64("!", 1, out) == -1 && gatefleet_unbase64("", 0, out) == 0);
  CHECK(gatefleet_person('k', "jack-key", 8, at, sizes) == 1 && sizes[0] == 4 && memcmp(at[0], "jack", 4) == 0);
  CHECK(gatefleet_person('k', "nobody", 6, at, sizes) == 0 && gatefleet_person('c', "jack-key", 8, at, sizes) == 0);
}

/* ---- Redis ---- */

static void answers_of_redis_are_understood(void) {
  struct reply reply;
  struct text rest = TEXT("*2\r\n:3\r\n:-17\r\n+OK\r\n-MOVED 5 h:1\r\n:9\r\n*2\r\n:1\r\n");
  CHECK(resp_read(&rest, &reply) == RESP_WHOLE && reply.kind == ':' && reply.numbers[0] == 3 && reply.numbers[1] == -17);
  CHECK(resp_read(&rest, &reply) == RESP_WHOLE && reply.kind == '+' && is(reply.text, "OK"));
  CHECK(resp_read(&rest, &reply) == RESP_WHOLE && reply.kind == '-' && is(reply.text, "MOVED 5 h:1"));
  CHECK(resp_read(&rest, &reply) == RESP_WHOLE && reply.kind == ':' && reply.numbers[0] == 9);
  CHECK(resp_read(&rest, &reply) == RESP_PART && rest.size == 8);
  static const char *const broken[] = {"\r\n", "$3\r\nabc\r\n", ":x\r\n", "*3\r\n:1\r\n", "*1\r\n+a\r\n", ":-\r\n"};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    rest = text(broken[i]);
    CHECK(resp_read(&rest, &reply) == RESP_BROKEN);
  }
}

static void keys_have_the_slots_that_a_cluster_gives_them(void) { /* what redis-cli cluster keyslot says */
  CHECK(redis_slot(TEXT("123456789")) == 12739 && redis_slot(TEXT("foo")) == 12182 && redis_slot(TEXT("")) == 0);
  CHECK(redis_slot(TEXT("{user1000}.following")) == redis_slot(TEXT("{user1000}.followers")));
  CHECK(redis_slot(TEXT("foo{}{bar}")) == 8363 && redis_slot(TEXT("foo{{bar}}zap")) == redis_slot(TEXT("{bar")));
}

int requests_share_a_server(const char *node); /* shared.c */

int main(int count, char **arguments) {
  if (count == 3 && strncmp(arguments[2], "redis ", 6) == 0) return requests_share_a_server(arguments[2] + 6);
  if (count == 3 && strcmp(arguments[2], "closed") == 0) {
    without_tables_everything_is_closed();
    return failures != 0;
  }
  setenv("GATEFLEET_RUN_DIR", arguments[1], 1);
  CHECK(is(text(envoy_dynamic_module_on_program_init()), ABI_VERSION));
  hashes_are_the_published_ones();
  hosts_find_their_scope();
  paths_are_what_nginx_calls_uri();
  what_the_client_sends_of_ours_never_stays();
  too_many_headers_and_absurd_names_are_closed();
  configurations_that_are_wrong_are_refused();
  keys_let_their_consumer_in();
  strangers_are_told_what_apisix_tells_them();
  an_anonymous_consumer_must_exist();
  passwords_let_their_consumer_in();
  a_second_authentication_takes_over();
  addresses_are_restricted();
  requests_are_counted_by_key();
  a_dead_holder_does_not_stop_the_others();
  a_full_table_still_counts();
  places_are_given_back();
  requests_over_the_rate_wait_or_are_refused();
  requests_that_end_while_they_wait_are_forgotten();
  requests_give_their_place_back();
  trusted_peers_say_whose_request_it_is();
  apis_that_fail_in_a_row_rest();
  scripts_are_told_the_truth();
  answers_of_redis_are_understood();
  keys_have_the_slots_that_a_cluster_gives_them();
  return failures != 0;
}
