/** Colours of everything that shows states and segments, and when to use them. */
import picocolors from 'picocolors';

export type ColorChoice = 'auto' | 'always' | 'never';
export type Paint = ReturnType<typeof picocolors.createColors>;

/** `auto`: on a terminal only, unless NO_COLOR or FORCE_COLOR say otherwise (no-color.org). */
export function useColor(
  choice: ColorChoice,
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (choice !== 'auto') return choice === 'always';
  const { NO_COLOR, FORCE_COLOR, TERM } = env;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0';
  return stream.isTTY === true && TERM !== 'dumb';
}

export const paintFor = (color: boolean): Paint => picocolors.createColors(color);

/** A state's name in its colour, padded to `width` first. */
export function paintState(paint: Paint, state: string, width = 0): string {
  const text = state.padEnd(width);
  switch (state.replace(/^~/, '')) {
    case 'ESTABLISHED':
      return paint.green(text);
    case 'CLOSED':
    case 'LISTEN':
      return paint.blue(text);
    case 'TIME-WAIT':
      return paint.magenta(text);
    default:
      return paint.yellow(text);
  }
}
