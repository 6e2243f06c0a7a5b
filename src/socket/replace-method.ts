/** Methods of Node's own classes, exchanged for all who have them. */
export type Args = readonly unknown[];
export type Method = (...args: Args) => unknown;

/** `by` is given what was there before, bound. Nothing happens where this version of Node has no such method. */
export function replaceMethod(
  prototype: object,
  name: string | symbol,
  by: (self: object, original: Method, args: Args) => unknown,
): void {
  const original: unknown = Reflect.get(prototype, name);
  if (typeof original !== 'function') return;
  Object.defineProperty(prototype, name, {
    configurable: true,
    writable: true,
    value(this: object, ...args: Args) {
      return by(this, (...own) => Reflect.apply(original, this, own), args);
    },
  });
}
