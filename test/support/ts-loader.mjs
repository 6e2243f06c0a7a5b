/** `node --import …/ts-loader.mjs program.ts` runs TypeScript sources as they are; used by tests for programs in namespaces. */
import { register } from 'node:module';

register('./ts-hooks.mjs', import.meta.url);
