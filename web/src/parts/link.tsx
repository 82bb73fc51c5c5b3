// A link within the page: a real address, followed without loading anything.
import type { ComponentChildren } from "preact";
import { address, go, to, type Route } from "../route.ts";

interface Props {
  to: Partial<Route>;
  class?: string;
  "aria-current"?: "page" | undefined;
  children: ComponentChildren;
}

export function Link({ to: change, children, ...rest }: Props) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(change);
  };
  return (
    <a {...rest} href={address(to(change))} onClick={follow}>
      {children}
    </a>
  );
}
