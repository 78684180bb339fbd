/* Digests, MACs and signatures for our scripts, by the system's OpenSSL (libcrypto 3 or 1.1), loaded when one first asks.
 *
 * Where there is none every answer is -1, which makes scripts answer 500: nothing is let past. */
#include "gatefleet.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define KEYS_KEPT 8
#define DIGESTS_KEPT 8
#define NAME_MAX_SIZE 16
#define DIGEST_MAX 64
#define TOKEN_MAX 256

static struct {
  const void *(*digest_named)(const char *name);
  int (*digest)(const void *data, size_t size, unsigned char *out, unsigned *made, const void *kind, void *engine);
  void *(*hmac_context)(void);
  int (*hmac_begin)(void *context, const void *key, int key_size, const void *kind, void *engine);
  int (*hmac_add)(void *context, const unsigned char *data, size_t size);
  int (*hmac_end)(void *context, unsigned char *out, unsigned *made);
  int (*base64)(unsigned char *out, const unsigned char *data, int size);
  void *(*memory)(const void *at, int size);
  int (*memory_free)(void *memory);
  void *(*read_public)(void *memory, void **key, void *password, void *user);
  void (*key_free)(void *key);
  void *(*context)(void);
  void (*context_free)(void *context);
  int (*verify_begin)(void *context, void **options, const void *kind, void *engine, void *key);
  int (*verify)(void *context, const unsigned char *signature, size_t size, const unsigned char *data, size_t data_size);
  int (*set_option)(void *options, const char *name, const char *value);
  void *(*pair_new)(void);
  void (*pair_free)(void *pair);
  int (*pair_set)(void *pair, void *r, void *s);
  void *(*number)(const unsigned char *at, int size, void *into);
  void (*number_free)(void *number);
  int (*pair_write)(const void *pair, unsigned char **out);
  void (*errors_clear)(void);
} openssl;
static void *(*fetch_digest)(void *library, const char *name, const char *properties); /* libcrypto 3 only */
static bool ready;

static void load(void) {
  void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libcrypto.so.1.1", RTLD_NOW | RTLD_LOCAL);
  static const struct {
    const char *name;
    void *place;
  } wanted[] = {
      {"EVP_get_digestbyname", &openssl.digest_named}, {"EVP_Digest", &openssl.digest},
      {"HMAC_CTX_new", &openssl.hmac_context}, {"HMAC_Init_ex", &openssl.hmac_begin}, {"HMAC_Update", &openssl.hmac_add},
      {"HMAC_Final", &openssl.hmac_end}, {"EVP_EncodeBlock", &openssl.base64},
      {"BIO_new_mem_buf", &openssl.memory}, {"BIO_free", &openssl.memory_free},
      {"PEM_read_bio_PUBKEY", &openssl.read_public}, {"EVP_PKEY_free", &openssl.key_free},
      {"EVP_MD_CTX_new", &openssl.context}, {"EVP_MD_CTX_free", &openssl.context_free},
      {"EVP_DigestVerifyInit", &openssl.verify_begin}, {"EVP_DigestVerify", &openssl.verify},
      {"EVP_PKEY_CTX_ctrl_str", &openssl.set_option}, {"ECDSA_SIG_new", &openssl.pair_new},
      {"ECDSA_SIG_free", &openssl.pair_free}, {"ECDSA_SIG_set0", &openssl.pair_set}, {"BN_bin2bn", &openssl.number},
      {"BN_free", &openssl.number_free}, {"i2d_ECDSA_SIG", &openssl.pair_write}, {"ERR_clear_error", &openssl.errors_clear},
  };
  ready = library != NULL;
  for (size_t i = 0; ready && i < sizeof wanted / sizeof *wanted; i++) {
    void *found = dlsym(library, wanted[i].name);
    memcpy(wanted[i].place, &found, sizeof found);
    ready = found != NULL;
  }
  void *fetch = ready ? dlsym(library, "EVP_MD_fetch") : NULL;
  memcpy(&fetch_digest, &fetch, sizeof fetch);
  if (!ready) complain("scripts", "no libcrypto.so.3 or libcrypto.so.1.1 on this machine: install OpenSSL");
}

static bool usable(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  return pthread_once(&once, load) == 0 && ready;
}

/* libcrypto 3 looks a digest up each time it is used, at the cost of the digest itself, unless it was fetched: each thread
 * keeps those it has fetched. */
static const void *digest_kind(const char *name) {
  static _Thread_local struct {
    char name[NAME_MAX_SIZE];
    const void *kind;
  } kept[DIGESTS_KEPT];
  unsigned i = 0;
  while (i < DIGESTS_KEPT && kept[i].kind && strcmp(kept[i].name, name) != 0) i++;
  if (i < DIGESTS_KEPT && kept[i].kind) return kept[i].kind;
  if (!fetch_digest || i == DIGESTS_KEPT || strlen(name) >= NAME_MAX_SIZE) return openssl.digest_named(name);
  const void *kind = fetch_digest(NULL, name, NULL);
  if (!kind) return openssl.digest_named(name);
  strcpy(kept[i].name, name);
  return kept[i].kind = kind;
}

/* `name` is OpenSSL's, as SHA256. Writes the digest and returns its size. */
EXPORT int gatefleet_digest(const char *name, const char *data, size_t size, char out[DIGEST_MAX]) {
  unsigned made = 0;
  const void *kind = usable() ? digest_kind(name) : NULL;
  return kind && openssl.digest(data, size, (unsigned char *)out, &made, kind, NULL) == 1 ? (int)made : -1;
}

EXPORT int gatefleet_hmac(const char *name, const char *key, size_t key_size, const char *data, size_t size,
                          char out[DIGEST_MAX]) {
  static _Thread_local void *context;
  unsigned made = 0;
  const void *kind = usable() && key_size <= INT32_MAX ? digest_kind(name) : NULL;
  if (kind && !context) context = openssl.hmac_context();
  bool done = kind && context && openssl.hmac_begin(context, key, (int)key_size, kind, NULL) == 1 &&
              openssl.hmac_add(context, (const unsigned char *)data, size) == 1 &&
              openssl.hmac_end(context, (unsigned char *)out, &made) == 1;
  return done ? (int)made : -1;
}

static void write_hex(const unsigned char *bytes, size_t size, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
  out[2 * size] = 0;
}

/* A token of csrf: in base64, JSON with the time `now` in seconds, something random, and the signature of both. Returns
 * its size, -1 without OpenSSL or randomness. Made here as a whole: each step of it would cost a script as much. */
EXPORT int gatefleet_token(const char *key, size_t key_size, long now, char out[TOKEN_MAX]) {
  unsigned char bytes[DIGEST_MAX];
  char random[2 * 16 + 1], sign[2 * 32 + 1], text[3 * TOKEN_MAX / 4];
  if (getrandom(bytes, 16, 0) != 16) return -1;
  write_hex(bytes, 16, random);
  int size = snprintf(text, sizeof text, "%s.%ld", random, now);
  if (gatefleet_hmac("SHA256", key, key_size, text, (size_t)size, (char *)bytes) != 32) return -1;
  write_hex(bytes, 32, sign);
  size = snprintf(text, sizeof text, "{\"expires\":%ld,\"random\":\"%s\",\"sign\":\"%s\"}", now, random, sign);
  return openssl.base64((unsigned char *)out, (const unsigned char *)text, size);
}

EXPORT int gatefleet_equal(const char *a, size_t a_size, const char *b, size_t b_size) {
  return equal_in_constant_time((struct text){a, a_size}, (struct text){b, b_size});
}

/* Reading a key costs more than using it: each thread keeps the last few. */
static void *public_key(struct text pem) {
  static _Thread_local struct {
    struct text pem;
    void *key;
  } kept[KEYS_KEPT];
  static _Thread_local unsigned next;
  for (unsigned i = 0; i < KEYS_KEPT; i++)
    if (kept[i].key && same(kept[i].pem, pem)) return kept[i].key;
  void *memory = pem.size <= INT32_MAX ? openssl.memory(pem.at, (int)pem.size) : NULL;
  void *key = memory ? openssl.read_public(memory, NULL, NULL, NULL) : NULL;
  if (memory) openssl.memory_free(memory);
  char *copy = key ? malloc(pem.size) : NULL;
  if (!copy) {
    if (key) openssl.key_free(key);
    return NULL;
  }
  memcpy(copy, pem.at, pem.size);
  unsigned at = next++ % KEYS_KEPT;
  if (kept[at].key) openssl.key_free(kept[at].key), free((void *)(uintptr_t)kept[at].pem.at);
  kept[at].pem = (struct text){copy, pem.size};
  kept[at].key = key;
  return key;
}

/* RFC 7518 3.4: r and s side by side. OpenSSL wants them as a DER sequence; the caller frees it with free(). */
static unsigned char *der_of(struct text both, int *size) {
  int half = (int)(both.size / 2);
  unsigned char *made = NULL, *end;
  void *pair = openssl.pair_new();
  void *r = openssl.number((const unsigned char *)both.at, half, NULL);
  void *s = openssl.number((const unsigned char *)both.at + half, half, NULL);
  if (pair && r && s && openssl.pair_set(pair, r, s) == 1) {
    *size = openssl.pair_write(pair, NULL);
    end = made = *size > 0 ? malloc((size_t)*size) : NULL;
    if (made) openssl.pair_write(pair, &end);
  } else {
    if (r) openssl.number_free(r);
    if (s) openssl.number_free(s);
  }
  if (pair) openssl.pair_free(pair);
  return made;
}

static int verified(void *key, const char *name, bool pss, struct text data, struct text signature) {
  void *context = openssl.context(), *options = NULL;
  const void *kind = name ? digest_kind(name) : NULL;
  int result = -1;
  if (context && (kind || !name) && openssl.verify_begin(context, &options, kind, NULL, key) == 1 &&
      (!pss || (openssl.set_option(options, "rsa_padding_mode", "pss") > 0 &&
                openssl.set_option(options, "rsa_pss_saltlen", "digest") > 0)))
    result = openssl.verify(context, (const unsigned char *)signature.at, signature.size, (const unsigned char *)data.at,
                            data.size) == 1;
  if (context) openssl.context_free(context);
  openssl.errors_clear();
  return result;
}

/* A signature by `algorithm`, of RFC 7518 or RFC 8037, under a public key in PEM: 1 good, 0 wrong, -1 it cannot be said. */
EXPORT int gatefleet_verify(const char *algorithm, const char *pem, size_t pem_size, const char *data, size_t size,
                            const char *signature, size_t signature_size) {
  static const char *const names[] = {"SHA256", "SHA384", "SHA512"};
  static const size_t pair_sizes[] = {64, 96, 132};
  struct text given = {signature, signature_size}, content = {data, size};
  void *key = usable() ? public_key((struct text){pem, pem_size}) : NULL;
  if (!key || strlen(algorithm) != 5) return -1;
  if (strcmp(algorithm, "EdDSA") == 0) return verified(key, NULL, false, content, given);
  int which = algorithm[2] == '2' ? 0 : algorithm[2] == '3' ? 1 : 2;
  if (algorithm[0] != 'E') return verified(key, names[which], algorithm[0] == 'P', content, given);
  if (given.size != pair_sizes[which]) return 0;
  int der_size = 0;
  unsigned char *der = der_of(given, &der_size);
  if (!der) return -1;
  int result = verified(key, names[which], false, content, (struct text){(char *)der, (size_t)der_size});
  free(der);
  return result;
}
