/** `tcpx lab list`, and wrong use of lab: nothing of that needs a namespace. */
import { expect, test } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';
import { CLAIMS } from '../../../src/tools/lab/claims.ts';
import { fakeIo } from '../../support/cli-io.ts';

async function lab(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = fakeIo();
  const code = await runProgram(['lab', ...args], io);
  return { code, out: io.out(), err: io.err() };
}

test('the list has every claim, or those that are named, under their headings', async () => {
  const all = await lab('list');
  expect(all.code).toBe(0);
  for (const { name, title } of CLAIMS) expect(all.out).toContain(`  ${name.padEnd(22)}${title.en}\n`);
  const some = await lab('list', 'time-wait', 'rst');
  expect(some.out.split('\n').map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
    'Closing',
    'time-wait',
    'rst',
    '',
  ]);
  const { claims } = JSON.parse((await lab('list', 'rst', '--json', '--lang', 'zh')).out);
  expect(claims).toMatchObject([{ name: 'rst', title: expect.stringMatching(/[\u4e00-\u9fff]/) }]);
});

test.each([
  [['list', 'time-wate'], "tcpx: no claim is called 'time-wate'\n  hint: did you mean 'time-wait'?"],
  [['run', 'time-wate'], "did you mean 'time-wait'?"],
  [['runn'], "tcpx: lab does not know 'runn'\n  hint: did you mean 'run'?"],
  [['run'], 'tcpx: no claim named\n  hint: `tcpx lab list` shows them'],
  [['run', '--all', 'rst'], '--all and names exclude each other'],
])('lab %j is wrong use', async (args, message) => {
  expect(await lab(...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
});
