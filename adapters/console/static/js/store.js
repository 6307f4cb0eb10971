/** A value that views follow. */
import { useEffect, useState } from "preact/hooks";

/**
 * @template T
 * @param {T} initial
 * @returns {{get: () => T, set: (value: T) => void, follow: (on: (value: T) => void) => () => void}}
 */
export function store(initial) {
  let value = initial;
  const followers = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const follower of [...followers]) follower(value);
    },
    follow(on) {
      followers.add(on);
      return () => followers.delete(on);
    },
  };
}

/**
 * The value of a store, in a component that is drawn anew with each change.
 * @template T
 * @param {{get: () => T, follow: (on: (value: T) => void) => () => void}} followed
 * @returns {T}
 */
export function useStore(followed) {
  const [, draw] = useState(followed.get());
  useEffect(() => {
    draw(followed.get()); // it may have changed since it was drawn
    return followed.follow(draw);
  }, [followed]);
  return followed.get();
}
