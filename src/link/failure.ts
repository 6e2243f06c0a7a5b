/** Why a path to the wire could not be opened, with the remedy. */
export class LinkFailure extends Error {
  override readonly name = 'LinkFailure';
  /** Errno name, or ENOTBUILT (a native part is missing) and EWORKER (not in a worker thread). */
  readonly code: string;
  /** What its user can do about it, one line. */
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
