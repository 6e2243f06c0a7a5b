/** Asks for a route: `DESTINATION [SOURCE] [INTERFACE]` ('' for none). Says it, or the failure, as a line of JSON. */
import { LinkFailure } from '../../src/link/failure.ts';
import { routeTo } from '../../src/link/route.ts';
import { ipv4Text, parseIpv4 } from '../../src/wire/ipv4.ts';

const [destination, source = '', name = ''] = process.argv.slice(2);
try {
  const route = routeTo(parseIpv4(destination!)!, {
    ...(source === '' ? {} : { source: parseIpv4(source)! }),
    ...(name === '' ? {} : { interface: name }),
  });
  const gateway = route.gateway === undefined ? {} : { gateway: ipv4Text(route.gateway) };
  console.log(JSON.stringify({ ...route, source: ipv4Text(route.source), gateway: undefined, ...gateway }));
} catch (error) {
  if (!(error instanceof LinkFailure)) throw error;
  console.log(JSON.stringify({ code: error.code, message: error.message, hint: error.hint }));
}
