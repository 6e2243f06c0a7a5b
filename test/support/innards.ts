/**
 * Everything inside an object, private fields included, as plain JSON: for a test that two states are the same in every
 * variable, those of tomorrow included. Through the inspector, since the language shows private fields to nobody.
 */
import { type Runtime, Session } from 'node:inspector';

export type Innards = string | { readonly [name: string]: Innards };

const HOLDER = '__innards';

/** `leave`: names of fields that are not looked into. Functions are left out; what refers back to itself is cut short. */
export function innards(root: object, leave: readonly string[]): Innards {
  const session = new Session();
  session.connect();
  Object.assign(globalThis, { [HOLDER]: root });
  try {
    const { result } = post<Runtime.EvaluateReturnType>(session, 'Runtime.evaluate', { expression: HOLDER });
    return look(session, result, new Set(leave), 0);
  } finally {
    Reflect.deleteProperty(globalThis, HOLDER);
    session.disconnect();
  }
}

const DEEPEST = 8;

function look(session: Session, of: Runtime.RemoteObject, leave: ReadonlySet<string>, depth: number): Innards {
  if (of.objectId === undefined) return `${of.type} ${of.unserializableValue ?? JSON.stringify(of.value)}`;
  if (depth > DEEPEST) return 'too deep';
  const found = post<Runtime.GetPropertiesReturnType>(session, 'Runtime.getProperties', {
    objectId: of.objectId,
    ownProperties: true,
  });
  // not in the types of Node 20's inspector
  const { privateProperties = [] } = found as { privateProperties?: Runtime.PropertyDescriptor[] };
  const inside: Record<string, Innards> = {};
  for (const { name, value } of [...found.result, ...privateProperties]) {
    if (value === undefined || value.type === 'function' || name === '__proto__' || leave.has(name)) continue;
    inside[name] = look(session, value, leave, depth + 1);
  }
  return inside;
}

/** The inspector of one's own thread answers before `post` returns. */
function post<T>(session: Session, method: string, params: object): T {
  let answer: { error: Error | null; result: unknown } | undefined;
  session.post(method, params, (error: Error | null, result?: object) => {
    answer = { error, result };
  });
  if (answer === undefined) throw new Error(`${method}: no answer`);
  if (answer.error !== null) throw new Error(`${method}: ${JSON.stringify(answer.error)}`);
  // each method's own result
  return answer.result as T;
}
