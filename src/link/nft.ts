/**
 * The guard's fallback: an nftables table that drops what comes for one port before the kernel's TCP sees it. A capture
 * sees it all the same: packet sockets are served first. So the kernel sends no RST, none of ours is in the way of a
 * rule, and its counters stand still.
 *
 * The table has `flags owner`: it belongs to the netlink socket that made it, nobody else can change it, and it goes
 * when the socket does, however the process ends. Needs CAP_NET_ADMIN and Linux 5.12.
 */
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { Addon, Handle } from './native.ts';
import { ask, MessageFlag, NetlinkWriter } from './netlink.ts';

const NETLINK_NETFILTER = 12;
const NFNL_BATCH_BEGIN = 0x10;
const NFNL_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const NFPROTO_IPV4 = 2;
const nftables = (message: number): number => (NFNL_SUBSYS_NFTABLES << 8) | message;
const Message = { NEWTABLE: nftables(0), NEWCHAIN: nftables(3), NEWRULE: nftables(6) } as const;
/** nfgenmsg: family, version, resource (network order). */
const BATCH = [0, 0, 0, NFNL_SUBSYS_NFTABLES];
const IPV4 = [NFPROTO_IPV4, 0, 0, 0];

const Table = { NAME: 1, FLAGS: 2, OWNER: 2 } as const;
const Chain = { TABLE: 1, NAME: 3, HOOK: 4, TYPE: 7 } as const;
const Hook = { NUMBER: 1, PRIORITY: 2, LOCAL_IN: 1 } as const;
const Rule = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4 } as const;
const Expression = { ELEMENT: 1, NAME: 1, DATA: 2 } as const;
const Meta = { REGISTER: 1, KEY: 2, L4PROTO: 16 } as const;
const Payload = { REGISTER: 1, BASE: 2, OFFSET: 3, LEN: 4, NETWORK: 1, TRANSPORT: 2 } as const;
const Compare = { REGISTER: 1, OPERATION: 2, DATA: 3, EQUAL: 0 } as const;
const Immediate = { REGISTER: 1, DATA: 2 } as const;
const Data = { VALUE: 1, VERDICT: 2, VERDICT_CODE: 1 } as const;
const VERDICT_REGISTER = 0;
const REGISTER = 1;
const NF_DROP = 0;
const IP_PROTO_TCP = 6;

/**
 * `table ip tcpx-ADDRESS-PORT { flags owner; chain input { type filter hook input priority 0;
 *  ip daddr ADDRESS tcp dport PORT counter drop } }`, until the handle is closed. Throws an Error with errno's name as `code`.
 */
export function dropIncoming(address: Ipv4, port: number, addon: Addon): Handle {
  const netlink = addon.netlinkOpen(NETLINK_NETFILTER);
  try {
    ask(netlink, ruleset(`tcpx-${ipv4Text(address)}-${port}`, address, port), addon);
  } catch (error) {
    addon.close(netlink);
    throw error;
  }
  return netlink;
}

/** One batch, all or nothing; the kernel acknowledges its last message, or says what failed. */
function ruleset(table: string, address: Ipv4, port: number): Uint8Array {
  const w = new NetlinkWriter();
  const create = MessageFlag.REQUEST | MessageFlag.CREATE;
  w.message(NFNL_BATCH_BEGIN, MessageFlag.REQUEST).body(BATCH);
  w.message(Message.NEWTABLE, create).body(IPV4).text(Table.NAME, table).be32(Table.FLAGS, Table.OWNER);
  w.message(Message.NEWCHAIN, create).body(IPV4).text(Chain.TABLE, table).text(Chain.NAME, 'input');
  w.nest(Chain.HOOK, () => w.be32(Hook.NUMBER, Hook.LOCAL_IN).be32(Hook.PRIORITY, 0)).text(Chain.TYPE, 'filter');
  w.message(Message.NEWRULE, create | MessageFlag.ACK)
    .body(IPV4)
    .text(Rule.TABLE, table)
    .text(Rule.CHAIN, 'input');
  w.nest(Rule.EXPRESSIONS, () => {
    payloadIs(w, Payload.NETWORK, 16, [address >>> 24, address >>> 16, address >>> 8, address]);
    expression(w, 'meta', () => w.be32(Meta.REGISTER, REGISTER).be32(Meta.KEY, Meta.L4PROTO));
    registerIs(w, [IP_PROTO_TCP]);
    payloadIs(w, Payload.TRANSPORT, 2, [port >>> 8, port]);
    expression(w, 'counter', () => {});
    expression(w, 'immediate', () => {
      w.be32(Immediate.REGISTER, VERDICT_REGISTER);
      w.nest(Immediate.DATA, () => w.nest(Data.VERDICT, () => w.be32(Data.VERDICT_CODE, NF_DROP)));
    });
  });
  w.message(NFNL_BATCH_END, MessageFlag.REQUEST).body(BATCH);
  return w.take();
}

function expression(w: NetlinkWriter, name: string, data: () => void): void {
  w.nest(Expression.ELEMENT, () => w.text(Expression.NAME, name).nest(Expression.DATA, data));
}

function payloadIs(w: NetlinkWriter, base: number, offset: number, value: readonly number[]): void {
  expression(w, 'payload', () => {
    w.be32(Payload.REGISTER, REGISTER)
      .be32(Payload.BASE, base)
      .be32(Payload.OFFSET, offset)
      .be32(Payload.LEN, value.length);
  });
  registerIs(w, value);
}

function registerIs(w: NetlinkWriter, value: readonly number[]): void {
  expression(w, 'cmp', () => {
    w.be32(Compare.REGISTER, REGISTER).be32(Compare.OPERATION, Compare.EQUAL);
    w.nest(Compare.DATA, () => w.octets(Data.VALUE, value));
  });
}
