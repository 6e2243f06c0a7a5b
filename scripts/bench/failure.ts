/** What keeps the bench from running, with a remedy; told without a stack trace. */
export class BenchFailure extends Error {
  readonly hint: string;
  readonly exitCode: number;

  constructor(message: string, hint: string, exitCode = 1) {
    super(message);
    this.name = 'BenchFailure';
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
