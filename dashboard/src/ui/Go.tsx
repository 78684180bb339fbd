/** Links inside the Dashboard, dressed as the kit's own: text, button, icon. */
import { Anchor, type AnchorProps, Button, type ButtonProps } from "@mantine/core";
import { createLink, type LinkComponent, type NavigateOptions, useRouter } from "@tanstack/react-router";
import type { ComponentType, MouseEvent, Ref } from "react";

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

type Target = Pick<NavigateOptions, "to" | "params" | "search" | "resetScroll">;
type Followed = Target & { href?: string; onClick?: (event: MouseEvent) => void };

/**
 * The same for the rows of long lists, of which there are many at once: the router's own links are worked out anew at
 * each change of the address. Where they lead must not depend on where they stand.
 */
function still(Shape: ComponentType<never>) {
  const Dressed = Shape as ComponentType<Omit<Followed, keyof Target>>;
  return function Still({ to, params, search, resetScroll = true, ...rest }: Followed) {
    const router = useRouter();
    const target = { to, params, search, resetScroll } as NavigateOptions;
    const follow = (event: MouseEvent) => {
      if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      void router.navigate(target);
    };
    return <Dressed {...rest} href={router.history.createHref(router.buildLocation(target).href)} onClick={follow} />;
  };
}

export const RowGo = still(Text) as unknown as LinkComponent<typeof Text>;

export const RowGoButton = still(Press) as unknown as LinkComponent<typeof Press>;
