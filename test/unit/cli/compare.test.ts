import { describe, expect, test } from 'vitest';
import { parseWords, unescaped } from '../../../src/cli/compare.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { ALL_SCENARIOS } from '../../../src/tools/compare/scenarios.ts';
import { fakeIo } from '../../support/cli-io.ts';

const run = async (...args: string[]): Promise<{ exitCode: number; out: string; err: string }> => {
  const io = fakeIo();
  const exitCode = await runProgram(['compare', ...args], io);
  return { exitCode, out: io.out(), err: io.err() };
};

describe('what is to be compared', () => {
  const words = (...args: string[]) => {
    const { target, scenarios } = parseWords(args);
    return { ...target, scenarios: scenarios.map((s) => s.name) };
  };

  test('a target alone means every scenario', () => {
    expect(words('localhost:8080')).toEqual({
      host: 'localhost',
      port: 8080,
      scenarios: ['handshake', 'request', 'half-close', 'abort', 'refused'],
    });
  });

  test('scenarios follow the target, in the order given', () => {
    expect(words('localhost:8080', 'refused', 'handshake').scenarios).toEqual(['refused', 'handshake']);
  });

  test('HOST PORT is a target too', () => {
    expect(words('localhost', '8080', 'request')).toEqual({ host: 'localhost', port: 8080, scenarios: ['request'] });
  });

  test('escapes in a request are those of C; what is none stays', () => {
    expect(new TextDecoder().decode(unescaped('GET / HTTP/1.0\\r\\n\\tä\\\\n\\q'))).toBe('GET / HTTP/1.0\r\n\tä\\n\\q');
  });
});

describe('wrong use is trouble, with what would be right', () => {
  test.for([
    [['localhost:70000'], 'tcpx: port 70000 is out of range\n  hint: ports go from 1 to 65535\n'],
    [
      ['localhost:80', 'requests'],
      /^tcpx: unknown scenario 'requests'\n {2}hint: did you mean 'request'\? scenarios are handshake, request, /,
    ],
    [['localhost:80', 'zzz'], /^tcpx: unknown scenario 'zzz'\n {2}hint: scenarios are handshake, request, /],
    [
      ['localhost:80', 'lost-syn'],
      /^tcpx: 'lost-syn' needs a peer and a path that play along\n {2}hint: tcpx compare --lab lost-syn; /,
    ],
    [['--lab', 'lost-sin'], /^tcpx: unknown scenario 'lost-sin'\n {2}hint: did you mean 'lost-syn'\?/],
    [['--lab', 'localhost:80'], 'tcpx: --lab brings its own peer, not localhost:80\n  hint: leave one of them away\n'],
    [['--lab', '--all', 'request'], 'tcpx: --all and request\n  hint: name scenarios, or say --all\n'],
    [['--lab', '-s', '10.0.0.1'], /^tcpx: -s means nothing in a lab\n/],
    [[], 'tcpx: nothing to compare with\n  hint: name a peer, HOST:PORT, or let --lab bring one\n'],
    [
      ['localhost:80', '--html', '5'],
      "tcpx: --html '5' names no file\n  hint: name a file, for example --html run.html\n",
    ],
    [
      ['localhost:80', '-w', '5'],
      "tcpx: -w '5' names no file\n  hint: -w takes the beginning of file names, for example -w run; the time limit is --timeout\n",
    ],
    [
      ['localhost:80', '--closed-port', '0'],
      "tcpx: --closed-port '0' is not a whole number from 1 to 65535\n  hint: for example --closed-port 1\n",
    ],
    [['::1', '80'], /IPv6/],
  ] as const)('%j', async ([args, message]) => {
    const { exitCode, out, err } = await run(...args);
    expect([exitCode, out]).toEqual([2, '']);
    if (typeof message === 'string') expect(err).toBe(message);
    else expect(err).toMatch(message);
  });
});

test('the help names every scenario and the exit codes of diff', async () => {
  const { out } = await run('--help');
  for (const { name } of ALL_SCENARIOS) expect(out).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  expect(out).toMatch(/1 +different: forbidden by an RFC, or unexplained/);
});
