/** Links inside the Dashboard, dressed as the kit's own: text, button, icon. */
import { Anchor, type AnchorProps, Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { Ref } from "react";

type AnchorLinkProps = Omit<AnchorProps, "href"> & { ref?: Ref<HTMLAnchorElement> };
type ButtonLinkProps = Omit<ButtonProps, "href"> & { ref?: Ref<HTMLAnchorElement> };

function Text(props: AnchorLinkProps) {
  return <Anchor inherit={props.size === undefined} {...props} />;
}

function Press(props: ButtonLinkProps) {
  return <Button component="a" {...props} />;
}

/** A link that looks like the text around it. */
export const Go = createLink(Text);

/** A link that looks like a button. */
export const GoButton = createLink(Press);
