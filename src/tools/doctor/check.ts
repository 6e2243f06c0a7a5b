/** One thing that `tcpx doctor` has looked at. */
export type CheckStatus = 'ok' | 'warning' | 'failure';

export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly detail: string;
  /** What to do about it; always there with a failure. */
  readonly remedy?: string;
  /** Of a failure: whether leave is missing, or the thing itself. */
  readonly why?: 'not permitted' | 'not available';
}

export const ok = (name: string, detail: string): Check => ({ name, status: 'ok', detail });

export const warning = (name: string, detail: string, remedy: string): Check => ({
  name,
  status: 'warning',
  detail,
  remedy,
});

export const failure = (name: string, detail: string, remedy: string, why: Check['why'] = 'not available'): Check => ({
  name,
  status: 'failure',
  detail,
  remedy,
  why,
});

const NOT_PERMITTED: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);

/** From anything thrown; what tcpx throws has the remedy with it. */
export function failureOf(name: string, error: unknown): Check {
  const detail = error instanceof Error ? error.message.split('\n')[0]! : String(error);
  const remedy = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : '';
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return failure(
    name,
    detail,
    remedy === '' ? 'TCPX_DEBUG=1 shows more' : remedy,
    NOT_PERMITTED.has(code) ? 'not permitted' : 'not available',
  );
}
