/** The Range header, RFC 9110 §14: one range of octets. Several at once are answered with the whole, as §14.2 allows. */

export interface ByteRange {
  /** First and last octet. */
  readonly first: number;
  readonly last: number;
}

/** 'whole': there is no range, or none that is understood. 'unsatisfiable': it lies beyond the end (416). */
export function byteRange(header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const [, from = '', to = ''] = /^bytes=\s*([0-9]*)\s*-\s*([0-9]*)\s*$/i.exec(header ?? '') ?? [];
  if (from === '' && to === '') return 'whole';
  if (from === '') {
    const count = Number(to);
    return count === 0 || size === 0 ? 'unsatisfiable' : { first: Math.max(0, size - count), last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return 'whole';
  return first >= size ? 'unsatisfiable' : { first, last };
}
