/** Every flag and every header field with its meaning, on segments that were on the wire. */
import { type Claim, text } from '../claim.ts';
import { readSegment } from '../packet.ts';
import type { Seen } from '../stage.ts';
import { opened } from './closing.ts';

/** tcpdump's letter, name, meaning. */
const FLAGS = [
  ['S', 'SYN', 'synchronize sequence numbers: it takes one', '同步序号：占一个序号'],
  ['.', 'ACK', 'the acknowledgment field counts', '确认号字段有效'],
  ['P', 'PSH', 'hand over to the reader now', '立即交给读者'],
  ['U', 'URG', 'the urgent pointer counts', '紧急指针有效'],
  ['F', 'FIN', 'no more data from here: it takes one', '此方不再发送数据：占一个序号'],
  ['R', 'RST', 'this connection is over', '连接到此为止'],
  ['E', 'ECE', 'congestion was experienced; on a SYN: ECN?', '遇到拥塞；在 SYN 上：询问 ECN'],
  ['W', 'CWR', 'the window was reduced; on a SYN: ECN?', '窗口已减小；在 SYN 上：询问 ECN'],
] as const;

export const flags: Claim = {
  name: 'flags',
  group: 'between',
  title: text('the flags and fields of the header', '首部的标志与字段'),
  claim: text(
    'URG, ACK, PSH, RST, SYN and FIN, and today ECE and CWR (and AE, from a bit that was reserved): each has a meaning, and so has every header field.',
    'URG、ACK、PSH、RST、SYN、FIN，如今还有 ECE 与 CWR（以及取自保留位的 AE）：各有含义，首部每个字段亦然。',
  ),
  written: ['RFC 9293 §3.1', 'RFC 3168 §6.1', 'RFC 9768 (AE)'],
  sabotage: { peerSysctls: { 'net.ipv4.tcp_ecn': 0 } },
  lab: { sysctls: { peer: { 'net.ipv4.tcp_ecn': 1 } } },
  async run(stage) {
    await stage.open({ sysctl: { tcp_ecn: 1 } });
    await stage.say(
      'A connection that asks for ECN, carries data, some of it urgent, and ends with FIN; another one that ends with RST.',
      '一条连接请求 ECN、携带数据（其中有紧急数据），以 FIN 结束；另一条以 RST 结束。',
    );
    const first = await opened(stage, 80, { localPort: 40_401 });
    first.client.write('hello');
    await first.server.read();
    first.client.endpoint.sendUrgent(new TextEncoder().encode('!'));
    await stage.settle();
    first.client.close();
    await first.server.readAll();
    await first.server.close();
    const second = await opened(stage, 81, { localPort: 40_402 });
    second.client.abort();
    await stage.settle();
    const seen = FLAGS.map(([letter]) => stage.segments().find((s) => s.segment.flags.includes(letter)));
    const synAck = await stage.segment({ from: 'peer', is: 'SE.', port: 40_401 }, 1, 500);
    stage.check(
      seen.every((s) => s !== undefined) && synAck.segment.flags.includes('E'),
      'all eight were on the wire; the SYN-ACK says with ECE that the kernel takes part in ECN',
      '八个标志都出现过；SYN-ACK 以 ECE 表示内核参与 ECN',
    );
    const example = (s: Seen | undefined): string => `${s?.from === 'local' ? 'tcpx' : 'kernel'} [${s?.segment.flags}]`;
    stage.table({
      en: FLAGS.map(([letter, name, en], i) => `${name}  ${letter}  ${en.padEnd(46)} ${example(seen[i])}`),
      zh: FLAGS.map(([letter, name, , zh], i) => `${name}  ${letter}  ${zh}  ${example(seen[i])}`),
    });
    await stage.say('One of them field by field: the SYN of tcpx.', '逐字段看其中一个：tcpx 的 SYN。');
    const [syn] = stage.segments({ from: 'local', has: 'S', port: 40_401 });
    const fields = dissect(syn!.bytes);
    stage.table({ en: fields.map(([o, en, , v]) => line(o, en, v)), zh: fields.map(([o, , zh, v]) => line(o, zh, v)) });
    const again = readSegment(syn!.bytes);
    stage.check(
      fields.some(([, name, , value]) => name === 'sequence number' && value.startsWith(String(again?.seq))),
      'read by hand and by the stack: the same',
      '手工解读与协议栈解读一致',
    );
    stage.show(
      `all eight flags seen (${FLAGS.map(([, name]) => name).join(', ')}); a SYN's ${fields.length} fields read octet by octet`,
      `八个标志都已出现（${FLAGS.map(([, name]) => name).join('、')}）；逐字节解读 SYN 的 ${fields.length} 个字段`,
    );
  },
};

type Field = readonly [octets: string, en: string, zh: string, value: string];

const line = (octets: string, name: string, value: string): string => `${octets.padEnd(8)}${name.padEnd(26)} ${value}`;

/** The TCP header of a packet, field by field; octets are counted from its beginning. */
function dissect(packet: Uint8Array): readonly Field[] {
  const at = (packet[0]! & 0xf) * 4;
  const view = new DataView(packet.buffer, packet.byteOffset + at, packet.length - at);
  const headerLen = (view.getUint8(12) >>> 4) * 4;
  const bits = view.getUint8(13);
  const set = ['CWR', 'ECE', 'URG', 'ACK', 'PSH', 'RST', 'SYN', 'FIN'].filter((_, i) => bits & (0x80 >>> i));
  const fields: Field[] = [
    ['0-1', 'source port', '源端口', String(view.getUint16(0))],
    ['2-3', 'destination port', '目的端口', String(view.getUint16(2))],
    ['4-7', 'sequence number', '序号', `${view.getUint32(4)} (ISN)`],
    ['8-11', 'acknowledgment number', '确认号', String(view.getUint32(8))],
    ['12', 'data offset', '数据偏移', `${headerLen / 4} words, ${headerLen} octets`],
    ['12-13', 'reserved, AE', '保留位、AE', `${view.getUint8(12) & 0xe}, ${view.getUint8(12) & 1}`],
    ['13', 'flags', '标志', `0x${bits.toString(16)} ${set.join(' ')}`],
    ['14-15', 'window', '窗口', String(view.getUint16(14))],
    ['16-17', 'checksum', '校验和', `0x${view.getUint16(16).toString(16)}`],
    ['18-19', 'urgent pointer', '紧急指针', String(view.getUint16(18))],
  ];
  for (let i = 20; i < headerLen; ) {
    const kind = view.getUint8(i);
    const len = kind < 2 ? 1 : view.getUint8(i + 1);
    const [en, zh, value] = option(kind, view, i + 2);
    fields.push([len === 1 ? String(i) : `${i}-${i + len - 1}`, en, zh, value]);
    if (kind === 0 || len === 0) break;
    i += len;
  }
  return fields;
}

function option(kind: number, view: DataView, at: number): readonly [en: string, zh: string, value: string] {
  switch (kind) {
    case 0:
      return ['option: end', '选项：结束', ''];
    case 1:
      return ['option: nop', '选项：填充', ''];
    case 2:
      return ['option: MSS', '选项：MSS', String(view.getUint16(at))];
    case 3:
      return ['option: window scale', '选项：窗口扩大', `x${2 ** view.getUint8(at)}`];
    case 4:
      return ['option: SACK permitted', '选项：允许 SACK', ''];
    case 8:
      return ['option: timestamps', '选项：时间戳', `${view.getUint32(at)}, ${view.getUint32(at + 4)}`];
    default:
      return [`option ${kind}`, `选项 ${kind}`, ''];
  }
}
