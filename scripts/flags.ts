/** The command line of a script that takes nothing but flags. */

/**
 * Those that were given. `--help` prints `usage` and ends the process; so does a flag that is not in `known`, with exit code 2
 * and before anything is done.
 */
export function flagsGiven(script: string, known: readonly string[], usage: string): ReadonlySet<string> {
  const given = process.argv.slice(2);
  const stranger = given.find((flag) => !known.includes(flag));
  if (stranger === '--help') {
    process.stdout.write(usage);
    process.exit(0);
  }
  if (stranger !== undefined) {
    process.stderr.write(`${script}: there is no option '${stranger}'\n${usage}`);
    process.exit(2);
  }
  return new Set(given);
}
