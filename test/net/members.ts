/**
 * What `net` has, read from @types/node by the compiler: functions, members, events and options, each by one name. The
 * cases say which of them they are about.
 */
import { createRequire } from 'node:module';
import ts from 'typescript';

/** Where options are declared, and what they are options of. */
const OPTIONS: Readonly<Record<string, string>> = {
  SocketConstructorOpts: 'Socket option',
  ConnectOpts: 'connect option',
  TcpSocketConnectOpts: 'connect option',
  IpcSocketConnectOpts: 'connect option',
  TcpNetConnectOpts: 'connect option',
  ListenOptions: 'listen option',
  ServerOpts: 'Server option',
};
/** Fields of what is handed to the user. */
const RECORDS = ['AddressInfo', 'DropArgument', 'OnReadOpts'];
/** Of EventEmitter, once for each event: what they are about is the event. */
const EMITTER = /^(addListener|emit|on|once|prependListener|prependOnceListener)$/;

/** Not in the types of this version, and yet documented, or in use everywhere. */
const UNTYPED = ['net.Stream', 'Socket option highWaterMark', 'listen option signal'];

export function netMembers(): readonly string[] {
  const file = createRequire(import.meta.url).resolve('@types/node/net.d.ts');
  const source = ts.createSourceFile(file, ts.sys.readFile(file) ?? '', ts.ScriptTarget.Latest, true);
  const found = new Set<string>(UNTYPED);
  const look = (node: ts.Node): void => {
    if (ts.isFunctionDeclaration(node) && node.name !== undefined) found.add(`net.${node.name.text}`);
    else if (ts.isClassDeclaration(node)) ofClass(node, found);
    else if (ts.isInterfaceDeclaration(node)) ofInterface(node, found);
    else ts.forEachChild(node, look);
  };
  look(source);
  return [...found].sort();
}

function ofClass(node: ts.ClassDeclaration, found: Set<string>): void {
  const name = node.name?.text ?? '';
  if (name === 'BlockList' || name === 'SocketAddress') {
    found.add(`net.${name}`);
    return;
  }
  found.add(name);
  for (const member of node.members) {
    if (member.name === undefined) continue;
    const text = member.name.getText();
    if (EMITTER.test(text)) {
      const event = ts.isMethodDeclaration(member) ? member.parameters[0]?.type?.getText() : undefined;
      if (event?.startsWith('"')) found.add(`${name} event ${event.slice(1, -1)}`);
    } else found.add(text.startsWith('[') ? `${name}${text}` : `${name}.${text}`);
  }
}

function ofInterface(node: ts.InterfaceDeclaration, found: Set<string>): void {
  const kind = OPTIONS[node.name.text] ?? (RECORDS.includes(node.name.text) ? node.name.text : undefined);
  if (kind === undefined) return;
  const sign = kind.includes(' ') ? ' ' : '.';
  for (const member of node.members) if (member.name !== undefined) found.add(`${kind}${sign}${member.name.getText()}`);
}
