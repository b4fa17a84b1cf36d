import { expect, test } from 'vitest'
import { CallError } from '../../src/cli/api.ts'
import { lastWords } from '../../src/cli/bulk-report.ts'

test('Of a server that does not answer, the last line names the settings that lead to it', () => {
  const words = lastWords(new CallError('http://127.0.0.1:1 does not answer: connect ECONNREFUSED.', 0))
  expect(words).toMatch(/^http:\/\/127\.0\.0\.1:1 does not answer: .* Set CARILLON_PUBLIC_URL to where the server is, or PORT /)
})

test('Of a server that refuses, the last line is its own words', () => {
  expect(lastWords(new CallError("There is no template 'none'.", 200))).toBe("There is no template 'none'.")
})
