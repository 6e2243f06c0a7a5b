import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatScenario } from '../../../../src/tools/scenario/format.ts';
import { SCENARIOS_DIR } from '../../../../src/tools/scenario/library.ts';
import { ScenarioError, type Step } from '../../../../src/tools/scenario/model.ts';
import { parseScenario } from '../../../../src/tools/scenario/parse.ts';
import { planScenario } from '../../../../src/tools/scenario/plan.ts';

const parse = (text: string) => parseScenario(text, 'dir/some-name.pkt');
const onlyStep = (text: string): Step => parse(text).steps[0]!;

/** What is said of a text that isn't right, with its place. */
function complaint(text: string): string {
  try {
    planScenario(parse(text));
  } catch (error) {
    if (error instanceof ScenarioError) return `${error.place.line}:${error.place.column} ${error.message}`;
    throw error;
  }
  return 'none';
}

describe('times', () => {
  test.each([
    ['0.1 < S 0:0(0) win 1', { kind: 'at', from: 100_000, to: 100_000 }],
    ['+.1 < S 0:0(0) win 1', { kind: 'after', from: 100_000, to: 100_000 }],
    ['+0 > S 0:0(0)', { kind: 'after', from: 0, to: 0 }],
    ['+0.1~+0.25 > S 0:0(0)', { kind: 'after', from: 100_000, to: 250_000 }],
    ['1~2 > S 0:0(0)', { kind: 'at', from: 1_000_000, to: 2_000_000 }],
    ['* > S 0:0(0)', { kind: 'any' }],
  ])('%s', (text, when) => {
    expect(onlyStep(text).when).toEqual(when);
  });

  test('a call that blocks says when it returns', () => {
    expect(onlyStep('+.1...0.200 connect(3, ..., ...) = 0')).toMatchObject({
      kind: 'call',
      when: { kind: 'after', from: 100_000 },
      until: 200_000,
      name: 'connect',
    });
  });
});

describe('segments', () => {
  test('flags, numbers, window and options are read in their order', () => {
    expect(onlyStep('+0 < S. 7:7(0) ack 1 win 5792 <mss 1460,nop,wscale 2,sackOK,TS val 1 ecr 2>')).toMatchObject({
      kind: 'in',
      packet: {
        kind: 'segment',
        flags: 0x12,
        seq: 7,
        len: 0,
        ack: 1,
        wnd: 5792,
        options: [
          { kind: 'mss', n: 1460 },
          { kind: 'nop' },
          { kind: 'wscale', n: 2 },
          { kind: 'sackOK' },
          { kind: 'TS', val: 1, ecr: 2 },
        ],
      },
    });
  });

  test('a dot alone, a dash, and options that are not looked at', () => {
    expect(onlyStep('+0 > . 1:1(0) ack 1 <...>')).toMatchObject({ packet: { flags: 0x10, options: 'any' } });
    expect(onlyStep('+0 < - 1:1(0) win 1')).toMatchObject({ packet: { flags: 0, options: [] } });
  });

  test('sack blocks, a Fast Open cookie, and octets of any option', () => {
    expect(onlyStep('+0 < . 1:1(0) ack 1 win 1 <sack 1:2 5:9,FO aBcd,FO,hex 0xfd04abcd>')).toMatchObject({
      packet: {
        options: [
          {
            kind: 'sack',
            blocks: [
              [1, 2],
              [5, 9],
            ],
          },
          { kind: 'FO', cookie: 'abcd' },
          { kind: 'FO', cookie: '' },
          { kind: 'hex', octets: 'fd04abcd' },
        ],
      },
    });
  });

  test('ICMP errors, with the quoted segment on either side', () => {
    const icmp = { kind: 'icmp', type: 'unreachable', code: 'frag_needed', mtu: 1200, quoted: { seq: 1, len: 1000 } };
    expect(onlyStep('+0 < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]')).toMatchObject({ packet: icmp });
    expect(onlyStep('+0 < [1:1001(1000)] icmp unreachable frag_needed mtu 1200')).toMatchObject({ packet: icmp });
  });
});

test('comments of three kinds are skipped, and those for us are read', () => {
  const s = parse(`/* one
*/ // two
//! title: a title
//! covers: MUST-1, MUST-2
//! covers: EV-1
//! exact
//! on: tcpx kernel
--tolerance_usecs=9000
# three
+0 < S 0:0(0) win 1 // four
`);
  expect(s).toMatchObject({
    name: 'some-name',
    about: { title: 'a title', covers: ['MUST-1', 'MUST-2', 'EV-1'], exact: true, on: ['tcpx', 'kernel'] },
    options: [{ name: 'tolerance_usecs', value: '9000' }],
  });
  expect(planScenario(s).settings.tolerance).toBe(9000);
});

describe('what is not right is told with its place, and what was expected there', () => {
  test.each([
    ['', '1:1 expected a step, found the end'],
    ['+0 < X 0:0(0) win 1', "1:6 'X' is no flag: they are F S R P . U E W"],
    ['+0 < S 0:0 win 1', "1:12 expected '(', found 'win'"],
    ['+0 < S 0:5(4) win 1', '1:12 4 octets from 0 end at 4, not at 5'],
    ['+0 < S 0:0(0) win', '1:18 expected a window, found the end'],
    ['+0 < S 0:0(0) <mss>', "1:19 expected a number behind mss, found '>'"],
    [
      '+0 < S 0:0(0) <md5 1>',
      "1:16 expected an option: nop, eol, mss, wscale, sackOK, sack, TS, FO, FOEXP or hex, found 'md5'",
    ],
    ['+0 > icmp unreachable', '1:1 ICMP can be put on the wire (<), not expected (>)'],
    ['+0 < icmp unreachable somehow', "1:23 'somehow' is no code of unreachable"],
    ['+0 < udp (5)', "1:6 expected a TCP segment (UDP is not supported), found 'udp'"],
    ['+0 > [badsum] S 0:0(0)', "1:7 'badsum' is for what is put on the wire (<) only"],
    ['* < S 0:0(0) win 1', "1:1 '*' is a time for what is expected only"],
    ['\n  +.2~+.1 > S 0:0(0)', '2:8 the range ends before it begins'],
    [
      '5 < S 0:0(0) win 1\n+1 > S. 0:0(0) ack 1\n 2~3 > R 0:0(0)',
      '3:2 expected a time from 6 on, when the step before happens',
    ],
    ['+0 epoll_wait(3) = 0', /^1:1 the call epoll_wait is not supported; these are: socket, /],
    ['+0 setsockopt(3, SOL_SOCKET, TCP_NODELAY, [1], 4) = 0', '1:18 TCP_NODELAY is an option of SOL_TCP'],
    ['+0 setsockopt(3, SOL_SOCKET, SO_WHATEVER, [1], 4) = 0', '1:30 the socket option (SO_WHATEVER) is not known here'],
    ['+0 write(4, "abc", 3) = 3', '1:13 what is written is a pattern: write ... in its place'],
    ['+0 socket(..., SOCK_DGRAM, 0) = 3', '1:16 a socket is SOCK_STREAM and IPPROTO_TCP here (SOCK_DGRAM)'],
    ['+0 `rm -rf /`', "1:5 the command 'rm -rf /' is not supported: sysctl and sleep are"],
    ['+0 `sysctl -q net.core.rmem_max=1`', /^1:5 'net.core.rmem_max=1' is no setting of net.ipv4/],
    ['+0 ioctl(3, FIONBIO, [1]) = 0', '1:13 ioctl knows SIOCINQ, SIOCOUTQ and SIOCOUTQNSD here'],
    ['--wire_server=1\n+0 > S 0:0(0)', '1:1 the option --wire_server is not supported'],
    ['--ip_version=ipv6\n+0 > S 0:0(0)', '1:14 --ip_version=ipv6 is not supported: IPv4 only'],
    ['//! colour: red\n+0 > S 0:0(0)', "1:1 '//! colour' is not known here"],
    [
      '+0 %{ import os }%',
      "1:7 expected assert, print(…) or NAME = … (the code is not Python, see the manual), found 'import'",
    ],
    ['+0 %{\nassert len(x) == 1\n}%', "2:11 expected an operator (len can't be called or looked into here), found '('"],
    ['+0 < . 5:0(-5) ack 1', '1:12 a number of octets is from 0 to 65495, not -5'],
    ['+0 < . 1:100001(100000) ack 1', '1:17 a number of octets is from 0 to 65495, not 100000'],
    [
      '+0 < . 1:1(0) ack 99999999999',
      '1:19 an acknowledgment number is from -2147483648 to 4294967295, not 99999999999',
    ],
    ['+0 < icmp unreachable frag_needed mtu 99999999', /^1:\d+ an MTU in octets is from 0 to 65535, not 99999999$/],
    ['+0 < icmp constructor', /^1:11 'constructor' is none of /],
    ['+0 < icmp unreachable toString', "1:23 'toString' is no code of unreachable"],
    ['+0 < [from 999.1.1.1] S 0:0(0)', '1:12 999.1.1.1 is no IPv4 address'],
    ['+0 < [ipopt 0x010] S 0:0(0)', "1:13 '0x010' is not whole octets: an even number of digits"],
    ['+0 < . 1:1(0) ack 1 <sack 1:2 3:4 5:6 7:8 9:10>', '1:21 options have 40 octets at most, not 44'],
    [`+0 < S 0:0(0) <hex 0x${'01'.repeat(41)}>`, '1:20 options have 40 octets at most, not 41'],
    ['+0 toString(3) = 0', /^1:1 the call toString is not supported; these are: socket, /],
    ['+0 socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 3', '1:11 a socket is AF_INET here (AF_INET6)'],
    ['+0 `sysctl -q net.ipv4.tcp_sack=banana`', "1:5 tcp_sack takes a whole number, not 'banana'"],
    ['+0 `sysctl -q net.ipv4.tcp_syn_retries=-5`', "1:5 tcp_syn_retries takes a whole number, not '-5'"],
    ['+0 `sysctl -q net.ipv4.tcp_rmem="4096 1"`', "1:5 tcp_rmem takes 3 whole numbers, not '4096 1'"],
    ['+0 %{ assert constructor == 1 }%', /^1:\d+ /],
    ['+0 close(3', "1:11 expected ')', found the end"],
    ['+0 `sleep 1', '1:4 ` is never closed by `'],
    ['+0 > S 0:0(0)\n+1 `true\n  sleep 1; sleep 1e999`', "3:12 sleep takes seconds, from 0 to 1000000, not '1e999'"],
    ['+0 `true \\\n && sleep`', "2:5 sleep takes seconds, from 0 to 1000000, not ''"],
    ['+1000001 > S 0:0(0)', '1:2 a time is from 0 to 1000000 seconds, not 1000001'],
    ['--mtu=1500\n--mtu=67\n+0 > S 0:0(0)', "2:7 --mtu takes a whole number from 68 to 65535, not '67'"],
    ['--mss=1000\n+0 > S 0:0(0)', '1:1 the option --mss is not supported'],
    ['--bind_port=0\n+0 > S 0:0(0)', "1:13 --bind_port takes a whole number from 1 to 65535, not '0'"],
    ['--connect_port=65536\n+0 > S 0:0(0)', "1:16 --connect_port takes a whole number from 1 to 65535, not '65536'"],
    [
      '--tolerance_usecs=-1\n+0 > S 0:0(0)',
      /^1:19 --tolerance_usecs takes a whole number from 0 to 1000000000, not '-1'$/,
    ],
    ['+0 close(3, 4, 5) = 0', '1:13 close takes 1 argument, not 3'],
    ['+0 read(3) = 0', '1:1 read takes 3 arguments, not 1'],
    ['+0 fcntl(3) = 0', '1:1 fcntl takes 2 or 3 arguments, not 1'],
    ['+0 listen(3, many) = 0', '1:14 the backlog of listen is a number, or a name that is known here (many)'],
    [
      '+0 < . 1:1(0) win 5 ack 1',
      "1:21 expected 'ack', 'win', 'urg', '<' (in this order) or the next step, found 'ack'",
    ],
    [
      '+0 > ipv4 192.0.2.1 > 192.0.2.2: S 0:0(0)',
      "1:6 expected a TCP segment (tunnels are not supported), found 'ipv4'",
    ],
  ])('%j', (text, said) => {
    expect(complaint(text)).toEqual(typeof said === 'string' ? said : expect.stringMatching(said));
  });
});

test.each([
  ['lists in lists', `+0 close(${'['.repeat(20_000)}`, '1:110 nested deeper than 100'],
  ['parentheses in parentheses', `+0 %{ assert ${'('.repeat(200)} }%`, '1:115 nested deeper than 100'],
  ['not not', `+0 %{ assert ${'not '.repeat(200)} }%`, /nested deeper than 100$/],
  ['- -', `+0 %{ assert ${'- '.repeat(200)} }%`, /nested deeper than 100$/],
  ['an endless sum', `+0 %{ assert 1${' + 1'.repeat(20_000)} }%`, /a line of code has 1000 words at most$/],
])('no text exhausts the stack: %s', (_, text, said) => {
  expect(complaint(text)).toEqual(typeof said === 'string' ? said : expect.stringMatching(said));
});

test('commands that set and wait are understood', () => {
  const plan = planScenario(
    parse(
      '`../common/defaults.sh\n ../common/set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0`\n+1 `sleep 2`\n`/tmp/sysctl_restore_1.sh`',
    ),
  );
  expect(plan.before).toContainEqual({ kind: 'sysctl', name: 'tcp_timestamps', value: '0' });
  expect(plan.before).toContainEqual({ kind: 'sysctl', name: 'tcp_rmem', value: '4096 540000 15728640' });
});

test('a command may go on in the next line, and addresses are read and not used', () => {
  const plan = planScenario(
    parse(
      '--local_ip=192.168.0.1\n--remote_ip=192.0.2.1\n`../common/set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0\\\n\t/proc/sys/net/ipv4/tcp_wmem="4096 5 6"\\\n`\n+0 > S 0:0(0)',
    ),
  );
  expect(plan.before).toEqual([
    { kind: 'sysctl', name: 'tcp_sack', value: '0' },
    { kind: 'sysctl', name: 'tcp_wmem', value: '4096 5 6' },
  ]);
});

const files = readdirSync(SCENARIOS_DIR, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.pkt'));

test('every scenario that comes with the package says what it shows and which requirements it covers', () => {
  expect(files.length).toBeGreaterThan(100);
  for (const file of files) {
    const { about } = parseScenario(readFileSync(`${SCENARIOS_DIR}${file}`, 'utf8'), file);
    expect(about.title, file).toMatch(/\w/);
    expect(about.covers.length, file).toBeGreaterThan(0);
  }
});

test('written out and read again, every scenario is the same', () => {
  const bare = (steps: readonly Step[]): unknown =>
    JSON.parse(JSON.stringify(steps, (key, value) => (/place$/i.test(key) ? undefined : value)));
  for (const file of files) {
    const s = parseScenario(readFileSync(`${SCENARIOS_DIR}${file}`, 'utf8'), file);
    const again = parseScenario(formatScenario(s), file);
    expect(bare(again.steps), file).toEqual(bare(s.steps));
    expect(again.about, file).toEqual(s.about);
  }
});

test('no text whatsoever makes the parser do anything but read it or say what is wrong', () => {
  const words = [
    '+0',
    '.1',
    '<',
    '>',
    'S.',
    '0:0(0)',
    'ack',
    '1',
    'win',
    '<mss 1>',
    '[',
    ']',
    '`',
    '%{',
    '}%',
    '"',
    '*',
    '~',
    '...',
    '\n',
    '(',
    ')',
    '=',
    'close',
    ',',
  ];
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words), { maxLength: 20 }).map((w) => w.join(' ')),
  );
  fc.assert(
    fc.property(text, (t) => {
      complaint(t);
    }),
    { numRuns: 2000 },
  );
});

describe('what could never be played is said before anything is', () => {
  const SOCKET = '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n';

  test.each([
    ['+0 < S 0:0(0) win 65536', '2:19 a window is from 0 to 65535, not 65536'],
    ['+0 < S 0:0(0) win 1 <mss 65536>', '2:26 a number behind mss is from 0 to 65535, not 65536'],
    ['+0 < [conn 0] S 0:0(0) win 1', '2:12 a number behind conn is from 1 to 1000, not 0'],
    ['+0 read(3, ..., 100) = -1 EFOO', "2:27 expected an errno, as in '-1 EAGAIN', found 'EFOO'"],
    ['+0 write(4, ..., 10) = 10', '2:1 expected a descriptor that socket or accept has returned, found 4'],
    ['+0 %{ assert tcpi_nonsense == 1 }%', '2:14 tcpi_nonsense is not known here'],
    ['//! covers:', "2:1 expected something behind '//! covers:'"],
  ])('%s', (line, said) => {
    expect(complaint(`${SOCKET}${line}\n`)).toBe(said);
  });

  test('a descriptor that is not there may be asked for to see EBADF, and a name that was set before is known', () => {
    expect(complaint(`${SOCKET}+0 close(4) = -1 EBADF\n`)).toBe('none');
    expect(complaint(`${SOCKET}+0 %{ mine = 1; assert mine == 1 }%\n`)).toBe('none');
  });
});
