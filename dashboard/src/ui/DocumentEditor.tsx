/** Edits an object as JSON or YAML; says at once what cannot be read, and passes on only what can. */
import { SegmentedControl, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { parse, stringify } from "yaml";

import { t } from "@/texts";

import { CodeEditor } from "./CodeEditor";

export type Json = Record<string, unknown>;
type Language = "json" | "yaml";

interface Props {
  label: string;
  value: Json;
  readOnly?: boolean;
  height?: string;
  onChange?: (value: Json) => void;
  /** Told whether what stands there can be read. */
  onValid?: (valid: boolean) => void;
}

export function DocumentEditor({ label, value, readOnly = false, height = "360px", onChange, onValid }: Props) {
  const [language, setLanguage] = useState<Language>("yaml");
  const [text, setText] = useState(() => written(value, "yaml"));
  const [problem, setProblem] = useState("");
  const [last, setLast] = useState(value);
  if (value !== last) {
    // changed elsewhere, for example in a form beside it
    setLast(value);
    setText(written(value, language));
    setProblem("");
  }
  const edit = (next: string) => {
    setText(next);
    try {
      const read = readText(next, language);
      setProblem("");
      onValid?.(true);
      setLast(read);
      onChange?.(read);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      onValid?.(false);
    }
  };
  const choose = (next: Language) => {
    setLanguage(next);
    setText(written(last, next));
    setProblem("");
    onValid?.(true);
  };
  return (
    <Stack gap="xs">
      <SegmentedControl
        aria-label={t.common.editor}
        size="xs"
        w="fit-content"
        data={[
          { value: "yaml", label: t.common.languageYaml },
          { value: "json", label: t.common.languageJson },
        ]}
        value={language}
        onChange={choose}
      />
      <CodeEditor
        key={language}
        label={label}
        value={text}
        language={language}
        readOnly={readOnly}
        height={height}
        onChange={edit}
      />
      {problem && (
        <Text size="sm" c="var(--mantine-color-error)" role="alert" className="pre">
          {language === "json" ? t.common.notJson : t.common.notYaml}: {problem}
        </Text>
      )}
    </Stack>
  );
}

function written(value: Json, language: Language): string {
  return language === "json" ? JSON.stringify(value, null, 2) : stringify(value);
}

/** The object that a text says; throws what is wrong with it. */
export function readText(text: string, language: Language): Json {
  const read: unknown = language === "json" ? JSON.parse(text) : (parse(text) ?? {});
  if (typeof read !== "object" || read === null || Array.isArray(read)) throw new Error(t.common.notObject);
  return read as Json;
}
