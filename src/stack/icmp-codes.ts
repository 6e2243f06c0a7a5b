/** ICMP errors as the error codes that the kernel would report for them (RFC 1122 §4.2.3.9, Linux's icmp_err_convert). */
import type { ErrorCode } from '../tcp/tcb.ts';
import { IcmpType, UnreachableCode } from '../wire/icmp.ts';

/** Undefined for what TCP ignores: source quench (MUST-55), redirects, which are for the kernel's routes. */
export function unreachableError(type: number, code: number): ErrorCode | undefined {
  switch (type) {
    case IcmpType.TIME_EXCEEDED:
      return 'EHOSTUNREACH';
    case IcmpType.PARAMETER_PROBLEM:
      return 'EPROTO';
    case IcmpType.UNREACHABLE:
      return CODES[code] ?? 'EHOSTUNREACH';
    default:
      return undefined;
  }
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  [UnreachableCode.NET]: 'ENETUNREACH',
  [UnreachableCode.PROTOCOL]: 'ENOPROTOOPT',
  [UnreachableCode.PORT]: 'ECONNREFUSED',
  [UnreachableCode.NET_UNKNOWN]: 'ENETUNREACH',
  [UnreachableCode.NET_PROHIBITED]: 'ENETUNREACH',
  [UnreachableCode.NET_TOS]: 'ENETUNREACH',
};
