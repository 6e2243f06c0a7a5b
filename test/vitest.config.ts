import { defineConfig } from 'vitest/config';

/** raw-socket and cap live on the main event loop and abort in workers: every file gets a process of its own. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    globalSetup: ['test/support/rows/setup.ts'],
    setupFiles: ['test/support/rows/count.ts'],
    // Much of the time is spent waiting for a kernel's timers: two files at a time, whatever the number of processors.
    maxWorkers: 2,
    passWithNoTests: false,
    allowOnly: false,
    testTimeout: 30_000,
  },
});
