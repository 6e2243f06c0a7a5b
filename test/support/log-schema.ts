/** The shipped JSON Schema of a log's lines, ready to ask. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';

const schema: object = JSON.parse(readFileSync(new URL('../../src/cli/log.schema.json', import.meta.url), 'utf8'));
const validate = new Ajv2020({ strict: true, strictTypes: false, allErrors: false }).compile(schema);

/** Undefined when `record` is a line of a log; else what is wrong with it. */
export function wrongWith(record: unknown): string | undefined {
  return validate(record) ? undefined : JSON.stringify(validate.errors);
}
