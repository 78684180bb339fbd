-- Perl's regular expressions by the machine's PCRE2, for texts that are no headers. Behind native.lua.
-- A rule has `regex`, `flags` as pcre.py makes them and, for replacements, `put` and `all`; what it becomes is kept in it.
pcall(
  ffi.cdef,
  [[
void *pcre2_compile_8(const char *pattern, size_t size, uint32_t options, int *error, size_t *at, void *context);
void pcre2_code_free_8(void *code);
int pcre2_jit_compile_8(void *code, uint32_t options);
void *pcre2_match_data_create_from_pattern_8(void *code, void *context);
void pcre2_match_data_free_8(void *data);
void *pcre2_match_context_create_8(void *context);
int pcre2_set_match_limit_8(void *context, uint32_t limit);
int pcre2_set_heap_limit_8(void *context, uint32_t kibibytes);
int pcre2_match_8(void *code, const char *subject, size_t size, size_t start, uint32_t options, void *data, void *context);
int pcre2_substitute_8(void *code, const char *subject, size_t size, size_t start, uint32_t options, void *data,
                       void *context, const char *replacement, size_t replacement_size, char *out, size_t *out_size);
]]
)
local REGEX_STEPS, REGEX_OUT_MAX = 1000000, 8388608
local SUBSTITUTE_ALL, SUBSTITUTE = 0x100, 0x400 + 0x800 + 0x1000 -- groups unset or unknown are empty; tell what size it takes
local NO_MEMORY = -48
local pcre, regex_limits

local function regex_library()
  if not pcre then
    pcre = ffi.load("libpcre2-8.so.0")
    regex_limits = ffi.gc(pcre.pcre2_match_context_create_8(nil), nil)
    pcre.pcre2_set_match_limit_8(regex_limits, REGEX_STEPS)
    pcre.pcre2_set_heap_limit_8(regex_limits, 16384)
  end
  return pcre
end

local function regex_compiled(rule)
  if not rule.code then
    local library, why, at = regex_library(), ffi.new("int[1]"), ffi.new("size_t[1]")
    local code = library.pcre2_compile_8(rule.regex, #rule.regex, rule.flags, why, at, nil)
    if code == nil then
      error("not a regular expression: " .. rule.regex)
    end
    library.pcre2_jit_compile_8(code, 1) -- where it cannot, matching takes longer
    rule.code = ffi.gc(code, library.pcre2_code_free_8)
    rule.data = ffi.gc(library.pcre2_match_data_create_from_pattern_8(code, nil), library.pcre2_match_data_free_8)
  end
  return rule.code, rule.data
end

-- Whether the expression is found in a text; false where it takes too many steps.
local function regex_found(rule, text)
  local code, data = regex_compiled(rule)
  return pcre.pcre2_match_8(code, text, #text, 0, 0, data, regex_limits) >= 0
end

-- The text with the first match, or all, replaced; nil where that takes too many steps or gets too long.
local function regex_replaced(rule, text)
  local code, data = regex_compiled(rule)
  local options = SUBSTITUTE + (rule.all and SUBSTITUTE_ALL or 0)
  local size = ffi.new("size_t[1]", #text + #rule.put + 1024)
  for _ = 1, 2 do
    local out = ffi.new("char[?]", size[0])
    local count =
      pcre.pcre2_substitute_8(code, text, #text, 0, options, data, regex_limits, rule.put, #rule.put, out, size)
    if count >= 0 then
      return ffi.string(out, size[0])
    elseif count ~= NO_MEMORY or size[0] > REGEX_OUT_MAX then
      return nil
    end
  end
end
