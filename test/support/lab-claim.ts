/**
 * `lab-claim.ts NAME [--sabotage | --hurry]`: a claim of the lab in this process's namespace, sabotaged as its file says, or with
 * 3 s to be over in; prints {ok, failure, shown} as JSON. See lab-claims.test.ts.
 */
import { CLAIMS } from '../../src/tools/lab/claims.ts';
import { runClaim } from '../../src/tools/lab/run.ts';

const [name, how] = process.argv.slice(2);
const claim = CLAIMS.find((c) => c.name === name);
if (claim === undefined) throw new Error(`no claim is called ${name}`);
const played = how === '--hurry' ? { ...claim, seconds: -3 } : claim;
const { ok, failure, shown } = await runClaim(played, how === '--sabotage' ? { sabotage: claim.sabotage } : {});
process.stdout.write(`${JSON.stringify({ ok, failure: failure?.en, shown: shown.map((text) => text.en) })}\n`);
