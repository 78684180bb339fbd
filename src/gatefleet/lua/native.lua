-- Our native module, asked directly: people of the consumer table, digests and signatures. What it cannot say is an error.
pcall(
  ffi.cdef,
  [[
int gatefleet_person(char space, const char *name, size_t size, const char **at, size_t *sizes);
long gatefleet_unbase64(const char *encoded, size_t size, char *out);
int gatefleet_digest(const char *name, const char *data, size_t size, char *out);
int gatefleet_hmac(const char *name, const char *key, size_t key_size, const char *data, size_t size, char *out);
int gatefleet_token(const char *key, size_t key_size, long now, char *out);
int gatefleet_equal(const char *a, size_t a_size, const char *b, size_t b_size);
int gatefleet_verify(const char *algorithm, const char *pem, size_t pem_size, const char *data, size_t size,
                     const char *signature, size_t signature_size);
]]
)

-- Envoy has loaded the module by the time there are requests; loading it any earlier would keep Envoy from initializing it.
local loaded

local function module()
  loaded = loaded or ffi.load(os.getenv("ENVOY_DYNAMIC_MODULES_SEARCH_PATH") .. "/libgatefleet.so")
  return loaded
end

local texts, sizes, digest_out = ffi.new("const char *[5]"), ffi.new("size_t[5]"), ffi.new("char[64]")
local token_out = ffi.new("char[256]")

local function text_at(index)
  return ffi.string(texts[index], sizes[index])
end

-- Who is known by `name`; spaces: c consumers, k keys, j keys of jwt-auth, h key ids of hmac-auth.
local function person(space, name)
  local found = name == "" and 0 or module().gatefleet_person(byte(space), name, #name, texts, sizes)
  if found < 0 then
    error("the consumer table cannot be read")
  elseif found == 0 then
    return nil
  end
  return { name = text_at(0), credential = text_at(1), custom_id = text_at(2), secret = text_at(3), more = text_at(4) }
end

local UNBASE64_ROOM = 4096
local unbase64_out = ffi.new("char[?]", UNBASE64_ROOM)

local function unbase64(encoded)
  local out = #encoded <= UNBASE64_ROOM and unbase64_out or ffi.new("char[?]", #encoded)
  local size = module().gatefleet_unbase64(encoded, #encoded, out)
  return size >= 0 and ffi.string(out, size) or nil
end

local function made_digest(size)
  if size < 0 then
    error("no digests: is OpenSSL installed?")
  end
  return ffi.string(digest_out, size)
end

local function digest(name, data)
  return made_digest(module().gatefleet_digest(name, data, #data, digest_out))
end

local function hmac(name, key, data)
  return made_digest(module().gatefleet_hmac(name, key, #key, data, #data, digest_out))
end

-- A token of csrf that was made at `now`.
local function signed_token(key, now)
  local size = module().gatefleet_token(key, #key, now, token_out)
  if size < 0 then
    error("no tokens: is OpenSSL installed?")
  end
  return ffi.string(token_out, size)
end

local function equal(a, b)
  return module().gatefleet_equal(a, #a, b, #b) == 1
end

local function verified(algorithm, pem, data, signature)
  local result = module().gatefleet_verify(algorithm, pem, #pem, data, #data, signature, #signature)
  if result < 0 then
    error("cannot verify " .. algorithm)
  end
  return result == 1
end
