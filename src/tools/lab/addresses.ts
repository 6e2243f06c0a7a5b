/** What the ends of every lab are called on its wire: nobody else sees them, so they are always the same. */
import {
  ETHERNET_HEADER_LEN,
  EthernetHeader,
  EtherType,
  encodeEthernet,
  type Mac,
  toMac,
} from '../../wire/ethernet.ts';
import { type Ipv4, toIpv4 } from '../../wire/ipv4.ts';
import type { LabSide } from './path-rule.ts';

/** 10.77.0.1 and 10.77.0.2. */
export const LAB_ADDRESS: Readonly<Record<LabSide, Ipv4>> = {
  local: toIpv4(0x0a_4d_00_01),
  peer: toIpv4(0x0a_4d_00_02),
};
export const LAB_PREFIX_LEN = 24;
/** Addresses that a tcpx may have of its own, beside the kernel's. */
export const LAB_OWN: readonly Ipv4[] = [3, 4, 5].map((n) => toIpv4(0x0a_4d_00_00 + n));
/** Of whoever has `address`: locally administered. */
export const labMac = (address: Ipv4): Mac => toMac(0x02_00 * 2 ** 32 + (address >>> 0));
/** The interface's name at either end. */
export const LAB_INTERFACE = 'lab0';

export function frameHeader(src: Mac, dst: Mac): Uint8Array {
  const header = new EthernetHeader();
  header.src = src;
  header.dst = dst;
  header.type = EtherType.IPV4;
  const octets = new Uint8Array(ETHERNET_HEADER_LEN);
  encodeEthernet(header, octets, 0);
  return octets;
}
