/** Text in an editor, loaded when it is first needed. */
import { lazy, Suspense } from "react";

import type { EditorProps } from "./code/Editor";
import { Waiting } from "./Loaded";

const Editor = lazy(async () => ({ default: (await import("./code/Editor")).Editor }));

export function CodeEditor(props: EditorProps) {
  return (
    <Suspense fallback={<Waiting lines={6} />}>
      <Editor {...props} />
    </Suspense>
  );
}
