/** A caller's mistake, thrown at once: the code as Node and the kernel spell it, and the remedy in words. */
export type CallErrorCode =
  | 'EADDRINUSE'
  | 'EADDRNOTAVAIL'
  | 'EINVAL'
  | 'ENETUNREACH'
  | 'EISCONN'
  | 'ENOTCONN'
  | 'EPIPE';

export class TcpError extends Error {
  readonly code: CallErrorCode;
  readonly hint: string;

  constructor(code: CallErrorCode, message: string, hint: string) {
    super(message);
    this.name = 'TcpError';
    this.code = code;
    this.hint = hint;
  }
}
