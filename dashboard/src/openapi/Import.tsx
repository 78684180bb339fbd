/** From an OpenAPI document to what it becomes, in two steps; what is done with it then is the page's own. */
import { Button } from "@mantine/core";
import { type ReactNode, useState } from "react";

import { t } from "@/texts";
import { Page } from "@/ui/Page";
import { Unsaved } from "@/ui/Unsaved";

import type { Preview } from "./calls";
import { DocumentStep } from "./DocumentStep";
import { PreviewStep } from "./PreviewStep";

interface Props {
  crumbs: ReactNode;
  inGroup: boolean;
  /** Nothing has to be kept from being lost any more. */
  done: boolean;
  /** The button for the last step; `readable`: the text beside the form can be read. */
  finish: (content: Preview["content"], readable: boolean) => ReactNode;
}

export function Import({ crumbs, inGroup, done, finish }: Props) {
  const [text, setText] = useState("");
  const [preview, setPreview] = useState<Preview>();
  const [readable, setReadable] = useState(true);
  return (
    <Page title={t.openapi.title} said={t.openapi.hint} crumbs={crumbs}>
      <Unsaved changed={text.trim() !== "" && !done} />
      {preview ? (
        <PreviewStep
          preview={preview}
          inGroup={inGroup}
          onChange={(content) => setPreview({ ...preview, content })}
          onValid={setReadable}
        >
          <Button variant="default" onClick={() => setPreview(undefined)}>
            {t.openapi.change}
          </Button>
          {finish(preview.content, readable)}
        </PreviewStep>
      ) : (
        <DocumentStep text={text} onChange={setText} onPreview={setPreview} />
      )}
    </Page>
  );
}
