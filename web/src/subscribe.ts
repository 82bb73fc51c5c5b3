// Subscribing a component to something outside: it is drawn again when the listeners are called.
import { useEffect, useReducer } from "preact/hooks";

export function useListeners(listeners: Set<() => void>): void {
  const [, again] = useReducer((turn: number, _: undefined) => turn + 1, 0);
  useEffect(() => {
    const listener = () => again(undefined);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [listeners]);
}
