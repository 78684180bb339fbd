/** A value of any shape as a few lines of YAML: conditions, maps of headers. */
import { Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Document, isCollection, isSeq, parse } from "yaml";

import { t } from "@/texts";

interface Props {
  label: string;
  description?: ReactNode;
  placeholder?: string | undefined;
  withAsterisk?: boolean;
  readOnly?: boolean;
  error?: string | undefined;
  value: unknown;
  /** Undefined when nothing stands there; not told what cannot be read. */
  onChange: (value: unknown) => void;
}

/** Conditions, which are lists of lists, with one of them on each line. */
function written(value: unknown): string {
  if (value === undefined) return "";
  const document = new Document(value);
  const { contents } = document;
  if (isSeq(contents)) {
    for (const item of contents.items) {
      if (isCollection(item)) item.flow = true;
    }
  }
  return document.toString({ lineWidth: 0 }).trimEnd();
}

export function YamlInput({ value, error, onChange, ...rest }: Props) {
  const [text, setText] = useState(() => written(value));
  const [unread, setUnread] = useState("");
  const [last, setLast] = useState(value);
  if (value !== last) {
    // changed elsewhere, for example in the editor beside it
    setLast(value);
    setText(written(value));
    setUnread("");
  }
  const edit = (next: string) => {
    setText(next);
    try {
      const read: unknown = next.trim() === "" ? undefined : parse(next);
      setUnread("");
      setLast(read);
      onChange(read);
    } catch (problem) {
      setUnread(`${t.common.notYaml}: ${problem instanceof Error ? problem.message : String(problem)}`);
    }
  };
  return (
    <Textarea
      {...rest}
      error={unread || error}
      value={text}
      onChange={(event) => edit(event.currentTarget.value)}
      autosize
      minRows={2}
      spellCheck={false}
      styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
    />
  );
}
