/** A form drawn from a JSON schema; loaded only where there is one (see SchemaForm). */
import RjsfForm from "@rjsf/mantine";
import type { IChangeEvent } from "@rjsf/core";
import type { RJSFSchema, UiSchema } from "@rjsf/utils";
import { useMemo } from "react";

import type { Json } from "../DocumentEditor";
import { simplified } from "./simplified";
import { validator } from "./validator";

export interface FormProps {
  schema: Json;
  value: Json;
  /** Where the kit's way of drawing a field does not do, by rjsf's rules. */
  looks?: UiSchema<Json>;
  readOnly?: boolean;
  onChange: (value: Json) => void;
  /** Told how many fields are wrong. */
  onErrors?: (count: number) => void;
}

/** Only what the user fills in is kept: defaults stay the server's. */
const AS_TYPED = { emptyObjectFields: "skipDefaults", allOf: "skipDefaults", constAsDefaults: "never" } as const;

export function Form({ schema, value, looks = {}, readOnly = false, onChange, onErrors }: FormProps) {
  const drawn = useMemo(() => simplified(schema as RJSFSchema), [schema]);
  return (
    <RjsfForm
      tagName="div"
      schema={drawn}
      uiSchema={{ ...looks, "ui:submitButtonOptions": { norender: true } }}
      formData={value}
      validator={validator}
      liveValidate
      showErrorList={false}
      readonly={readOnly}
      experimental_defaultFormStateBehavior={AS_TYPED}
      onChange={({ formData, errors }: IChangeEvent<Json>) => {
        onErrors?.(errors.length);
        onChange(formData ?? {});
      }}
    />
  );
}
