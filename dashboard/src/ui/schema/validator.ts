/** Validation for forms that needs no evaluated code, which our Content-Security-Policy would stop. */
import { type OutputUnit, type Schema, Validator } from "@cfworker/json-schema";
import {
  createErrorHandler,
  type CustomValidator,
  type ErrorTransformer,
  type RJSFSchema,
  type RJSFValidationError,
  toErrorList,
  toErrorSchema,
  type UiSchema,
  unwrapErrorHandler,
  type ValidationData,
  validationDataMerge,
  type ValidatorType,
} from "@rjsf/utils";

import type { Json } from "../DocumentEditor";

/** Says that something below is wrong; what is wrong is said there. */
const WRAPPING = new Set(["properties", "items", "additionalProperties", "allOf", "anyOf", "oneOf", "$ref", "if"]);

function errors(schema: RJSFSchema, data: unknown): OutputUnit[] {
  const found = new Validator(schema as Schema, "2020-12", false).validate(data ?? {}).errors;
  const own = found.filter((each) => !WRAPPING.has(each.keyword));
  return own.length > 0 ? own : found;
}

function plain(unit: OutputUnit): RJSFValidationError {
  const path = unit.instanceLocation.slice(1).replaceAll("~1", "/").replaceAll("~0", "~");
  const property = path.split("/").filter(Boolean).map((part) => `.${part}`).join("");
  return { name: unit.keyword, property, message: unit.error, stack: `${path} ${unit.error}`, params: {} };
}

export const validator: ValidatorType<Json> = {
  validateFormData(
    data: Json | undefined,
    schema: RJSFSchema,
    custom?: CustomValidator<Json>,
    transform?: ErrorTransformer<Json>,
    uiSchema?: UiSchema<Json>,
  ): ValidationData<Json> {
    const raw = errors(schema, data).map(plain);
    const said = transform ? transform(raw, uiSchema) : raw;
    const found = { errors: said, errorSchema: toErrorSchema<Json>(said) };
    if (!custom) return found;
    const more = unwrapErrorHandler(custom(data, createErrorHandler<Json>(data ?? {}), uiSchema));
    return validationDataMerge({ ...found, errors: toErrorList(found.errorSchema) }, more);
  },
  isValid: (schema, data, root) => {
    const whole = { ...schema, $defs: root.$defs } as Schema;
    return new Validator(whole, "2020-12").validate(data ?? {}).valid;
  },
  rawValidation: (schema, data) => ({ errors: errors(schema, data) as never[] }),
};
