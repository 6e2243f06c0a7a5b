/** What the terminal's locale can show. */
import type { Io } from './io.ts';

/** The locale as setlocale(3) finds it; without any, what is ours to choose. */
export function isUtf8(env: Io['env']): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return locale === '' || /utf-?8/i.test(locale);
}
