/**
 * Firewall rules in the way. tcpx sees packets before INPUT, so what is dropped there does no harm; what is *rejected*
 * there does, since the peer gets the answer. And its own packets leave through OUTPUT.
 */
import { spawnSync } from 'node:child_process';
import { type Check, ok, warning } from './check.ts';
import { toolEnv } from './system.ts';

const NAME = 'firewall';

export function firewallCheck(): Check {
  const nft = list('nft', ['-j', 'list', 'ruleset']);
  const legacy = list('iptables-legacy-save', []);
  const found = [
    ...(typeof nft === 'string' ? troublesInNft(nft) : []),
    ...(typeof legacy === 'string' ? troublesInIptables(legacy) : []),
  ];
  if (found.length > 0)
    return warning(
      NAME,
      found.join('; '),
      'let through what concerns the ports of tcpx, in front of these rules; the handshake below tells whether they matter',
    );
  if (typeof nft === 'string') return ok(NAME, 'no rule in the way');
  const why = nft.missing ? 'nft is not installed' : 'nft may not list the rules without CAP_NET_ADMIN';
  return ok(NAME, `not known: ${why}`);
}

/** Its output; or why there is none. */
function list(command: string, args: readonly string[]): string | { readonly missing: boolean } {
  const done = spawnSync(command, args, { encoding: 'utf8', env: toolEnv(), maxBuffer: 1 << 26 });
  if (done.error !== undefined) return { missing: true };
  return done.status === 0 ? done.stdout : { missing: false };
}

interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}
interface NftRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly expr: readonly Readonly<Record<string, unknown>>[];
}

/** In the output of `nft -j list ruleset`. */
export function troublesInNft(json: string): readonly string[] {
  // JSON boundary: libnftables-json(5).
  const { nftables } = JSON.parse(json) as {
    readonly nftables: readonly { readonly chain?: NftChain; readonly rule?: NftRule }[];
  };
  const concerns = ({ family, table }: NftChain | NftRule): boolean =>
    (family === 'ip' || family === 'inet') && !table.startsWith('tcpx-');
  const chains = nftables.flatMap((o) => (o.chain !== undefined && concerns(o.chain) ? [o.chain] : []));
  const rules = nftables.flatMap((o) => (o.rule !== undefined && concerns(o.rule) ? [o.rule] : []));
  const troubles: string[] = [];
  for (const base of chains) {
    if (base.hook !== 'output' && base.hook !== 'input') continue;
    const where = `${base.family} ${base.table} ${base.name}`;
    if (base.hook === 'output' && base.policy === 'drop') troubles.push(`chain ${where} drops what no rule accepts`);
    for (const chain of reached(base, rules)) {
      for (const rule of rules) {
        if (!inChain(rule, base, chain) || !mayBeTcp(rule)) continue;
        const verdict = verdictOf(rule);
        if (verdict === 'reject' || (verdict === 'drop' && base.hook === 'output'))
          troubles.push(
            `a rule of ${base.family} ${base.table} ${chain} ${verdict}s (handle ${rule.handle}, ${base.hook})`,
          );
      }
    }
  }
  return troubles;
}

const inChain = (rule: NftRule, base: NftChain, chain: string): boolean =>
  rule.family === base.family && rule.table === base.table && rule.chain === chain;

/** The chain itself, and those that its rules jump to. */
function reached(base: NftChain, rules: readonly NftRule[]): ReadonlySet<string> {
  const names = new Set([base.name]);
  for (const name of names) {
    for (const rule of rules) {
      if (!inChain(rule, base, name)) continue;
      for (const e of rule.expr) {
        const to = targetOf(e['jump']) ?? targetOf(e['goto']);
        if (to !== undefined) names.add(to);
      }
    }
  }
  return names;
}

const targetOf = (jump: unknown): string | undefined =>
  typeof jump === 'object' && jump !== null && 'target' in jump ? String(jump.target) : undefined;

function verdictOf(rule: NftRule): 'drop' | 'reject' | undefined {
  for (const e of rule.expr) {
    if ('drop' in e) return 'drop';
    if ('reject' in e) return 'reject';
    // What iptables made and nft can't express.
    if (/"name":"(REJECT|DROP)"/.test(JSON.stringify(e['xt'] ?? null)))
      return JSON.stringify(e['xt']).includes('REJECT') ? 'reject' : 'drop';
  }
  return undefined;
}

/** Not one for other protocols only. */
function mayBeTcp(rule: NftRule): boolean {
  return !rule.expr.some((e) => {
    const text = JSON.stringify(e['match'] ?? null);
    return /"protocol":"(udp|icmp|icmpv6|sctp)"|"right":"(udp|icmp|icmpv6|ipv6-icmp|sctp)"/.test(text);
  });
}

/** In the output of iptables-save. */
export function troublesInIptables(text: string): readonly string[] {
  const filter = /^\*filter\n([\s\S]*?)^COMMIT/m.exec(text)?.[1] ?? '';
  const troubles: string[] = [];
  for (const line of filter.split('\n')) {
    if (/^:OUTPUT DROP/.test(line)) troubles.push('iptables: OUTPUT drops what no rule accepts');
    if (/ -p (udp|icmp|sctp)\b/.test(line)) continue;
    if (/^-A OUTPUT .*-j (DROP|REJECT)/.test(line) || /^-A INPUT .*-j REJECT/.test(line))
      troubles.push(`iptables: ${line}`);
  }
  return troubles;
}
