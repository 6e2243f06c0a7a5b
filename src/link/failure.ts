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

/** An address that was asked for by name: known to be wrong before anything is sent. */
export class NotOurAddress extends LinkFailure {
  /** `address`: in dots. */
  constructor(address: string, remedy = '') {
    const hint = `\`ip -4 address\` lists those it has${remedy}`;
    super('EADDRNOTAVAIL', `${address} is not an address of this machine`, hint);
  }
}

/**
 * A package of the raw driver, or its native part, isn't there. `compilers` are Debian's packages that building it takes.
 * npm 12 rebuilds only what was approved, and says that it rebuilt it all the same.
 */
export function packageNotBuilt(name: string, error: unknown, compilers: string): LinkFailure {
  const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
  return new LinkFailure(
    'ENOTBUILT',
    `the package ${name} is not built (${why})`,
    `apt-get install ${compilers} && npm rebuild ${name} (npm 12: npm install-scripts approve ${name} first); or --driver packet, which does without`,
  );
}
