import { defineConfig } from 'vitest/config'

export default defineConfig({
  // The same copy of GraphQL.js that Node gives everybody else: it refuses a schema of another.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/bench/**', 'test/chaos/full/**'],
    globalSetup: ['test/support/setup.ts'],
    pool: 'forks',
    // Two processes load the program once each, instead of each file again: what a test changes of its process it puts back.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    retry: 0,
    // The first message waits for a thread that renders to begin.
    expect: { poll: { timeout: 10_000 } },
  },
})
