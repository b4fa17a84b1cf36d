import { describe, expect, test } from 'vitest'
import { inScheme } from '../../src/server/preview-frame.ts'

const MAIL =
  '<!doctype html><html lang="en"><head><meta name="color-scheme" content="light dark"><style>a{color:red}@media ( prefers-color-scheme : dark ){a{color:blue}}</style></head>'

describe('A mail in one colour scheme', () => {
  test('is answered what it asks of the scheme, and told it before anything else', () => {
    const dark = inScheme(MAIL, 'dark')
    expect(dark).toContain('<head><base target="_blank"><meta name="color-scheme" content="dark">')
    expect(dark).toContain('@media (min-width:0px){a{color:blue}}')
    expect(inScheme(MAIL, 'light')).toContain('@media (max-width:0px){a{color:blue}}')
    const picture = inScheme(`${MAIL}<source media="(prefers-color-scheme: dark)" srcset="d.png">`, 'dark')
    expect(picture).toContain('<source media="(min-width:0px)"')
  })

  test('says what it said to its reader', () => {
    const text = '<p>About (prefers-color-scheme: dark) &amp; more'
    expect(inScheme(MAIL + text, 'dark')).toContain(text)
  })

  test('stays light where it knows nothing of schemes', () => {
    expect(inScheme('<p>Tea</p>', 'dark')).toContain('content="light"')
    expect(inScheme('<p>Tea</p>', 'dark')).toMatch(/<p>Tea<\/p>$/)
  })

  test.each([
    '<a'.repeat(500_000),
    '<style'.repeat(150_000),
    `${'<style>'.repeat(150_000)}</style`,
    '(prefers-color-scheme'.repeat(50_000),
  ])('takes no longer than it is, whatever it is made of: %#', (source) => {
    const before = performance.now()
    inScheme(`${source}color-scheme`, 'dark')
    expect(performance.now() - before).toBeLessThan(2_000)
  })
})
