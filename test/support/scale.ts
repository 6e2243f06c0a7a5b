/**
 * The live tests run twice: short among all the others, and long in `npm run soak`, with the sizes and times that
 * the claims are made for. What differs is said where it is used.
 */
export const SOAK = process.env['TCPX_SOAK'] === '1';

export const scaled = <T>(fast: T, soak: T): T => (SOAK ? soak : fast);

/** A measured line, for whoever reads the run; goes to stderr, past vitest's reporters. */
export const report = (what: string): void => void process.stderr.write(`    ${what}\n`);
