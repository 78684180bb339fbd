/** The forms of kinds, by the API's word for the kind; the others are edited as text alone. */
import type { ReactNode } from "react";

import { ConsumerFields } from "@/consumer/ConsumerFields";
import { CredentialFields } from "@/consumer/CredentialFields";
import { GlobalRuleFields, MetadataFields } from "@/plugin/OwnFields";
import type { FieldsProps } from "@/ui/EditDrawer";

/** `id` is empty where the API makes it. */
type Form = (props: FieldsProps & { id: string }) => ReactNode;

export const FORMS: Readonly<Record<string, Form | undefined>> = {
  Consumer: ConsumerFields,
  ConsumerCredential: CredentialFields,
  GlobalRule: GlobalRuleFields,
  PluginMetadata: MetadataFields,
};
