/** A form drawn from a JSON schema, loaded when it is first needed. */
import { lazy, Suspense } from "react";

import { Waiting } from "./Loaded";
import type { FormProps } from "./schema/Form";

const Form = lazy(async () => ({ default: (await import("./schema/Form")).Form }));

export function SchemaForm(props: FormProps) {
  return (
    <Suspense fallback={<Waiting lines={6} />}>
      <Form {...props} />
    </Suspense>
  );
}
