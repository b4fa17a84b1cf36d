import { randomBytes, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSecrets, hashKey } from '../src/secrets.ts'

const key = () => new Uint8Array(randomBytes(32))

describe('A sealed secret', () => {
  test('opens to what it was, whatever it was', () => {
    const secrets = createSecrets([key()])
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (plain, place) => {
        expect(secrets.open(secrets.seal(plain, place), place)).toBe(plain)
      }),
    )
  })

  test('does not show the plain text, and never looks the same twice', () => {
    const secrets = createSecrets([key()])
    const sealed = [secrets.seal('canary', 'a'), secrets.seal('canary', 'a')]
    expect(sealed[0]).not.toBe(sealed[1])
    expect(Buffer.from(sealed[0]!.split('.')[1]!, 'base64url').toString('latin1')).not.toContain('canary')
  })

  test('moved to another row does not open', () => {
    const secrets = createSecrets([key()])
    const sealed = secrets.seal('canary', 'provider/production/smtp')
    expect(() => secrets.open(sealed, 'provider/staging/smtp')).toThrow('sealed for another place')
  })

  test('changed in any one place does not open', () => {
    const secrets = createSecrets([key()])
    const sealed = secrets.seal('canary', 'a')
    fc.assert(
      fc.property(fc.nat({ max: sealed.length - 1 }), fc.constantFrom('A', 'b', '3', '-'), (at, letter) => {
        fc.pre(sealed[at] !== letter)
        const forged = sealed.slice(0, at) + letter + sealed.slice(at + 1)
        let opened: string | null = null
        try {
          opened = secrets.open(forged, 'a')
        } catch {}
        expect(opened).toBeNull()
      }),
    )
  })

  test('opens while its key is still among ours, and not after', () => {
    const [old, fresh] = [key(), key()]
    const sealed = createSecrets([old]).seal('canary', 'a')
    expect(createSecrets([fresh, old]).open(sealed, 'a')).toBe('canary')
    expect(() => createSecrets([fresh]).open(sealed, 'a')).toThrow('needs a key that CARILLON_SECRET does not hold')
  })

  test('made during a rotation uses the first key', () => {
    const [old, fresh] = [key(), key()]
    const sealed = createSecrets([fresh, old]).seal('canary', 'a')
    expect(createSecrets([fresh]).open(sealed, 'a')).toBe('canary')
  })

  test.each(['', '.', 'plain', 'a.b', '.AAAA'])('that is none (%j) is a clear error', (sealed) => {
    expect(() => createSecrets([key()]).open(sealed, 'a')).toThrow('What is sealed at a')
  })

  test('cut short is a clear error', () => {
    const secrets = createSecrets([key()])
    expect(() => secrets.open(secrets.seal('canary', 'a').slice(0, 20), 'a')).toThrow('is damaged')
  })
})

describe('A signature', () => {
  test('holds for its purpose, its text and its key alone', () => {
    const secrets = createSecrets([key()])
    const signature = secrets.sign('cursor', 'text')
    expect(secrets.verify('cursor', 'text', signature)).toBe(true)
    expect(secrets.verify('link', 'text', signature)).toBe(false)
    expect(secrets.verify('cursor', 'texu', signature)).toBe(false)
    expect(createSecrets([key()]).verify('cursor', 'text', signature)).toBe(false)
  })

  test('has one spelling', () => {
    const secrets = createSecrets([key()])
    const signature = secrets.sign('cursor', 'text')
    for (const other of [
      `${signature}=`,
      ` ${signature}`,
      '',
      signature.slice(1),
      Buffer.from(signature, 'base64url').toString('hex'),
    ]) {
      expect(secrets.verify('cursor', 'text', other)).toBe(false)
    }
  })

  test('of an old key holds until the key is taken away', () => {
    const [old, fresh] = [key(), key()]
    const signature = createSecrets([old]).sign('cursor', 'text')
    expect(createSecrets([fresh, old]).verify('cursor', 'text', signature)).toBe(true)
    expect(createSecrets([fresh]).verify('cursor', 'text', signature)).toBe(false)
  })
})

describe('The keys of user tokens', () => {
  test('are the same in every process with the same secret', () => {
    const one = key()
    const [here, there] = [createSecrets([one]).tokenKeys, createSecrets([key(), one]).tokenKeys]
    const signed = sign(null, Buffer.from('token'), here.current.privateKey)
    expect(verify(null, Buffer.from('token'), there.byKid.get(here.current.kid)!, signed)).toBe(true)
  })

  test('differ with the secret, and are no longer known once it is taken away', () => {
    const [one, other] = [createSecrets([key()]).tokenKeys, createSecrets([key()]).tokenKeys]
    expect(one.current.kid).not.toBe(other.current.kid)
    expect(other.byKid.has(one.current.kid)).toBe(false)
  })
})

describe('The secret itself', () => {
  test('is refused when it is missing or is not 32 bytes', () => {
    expect(() => createSecrets([])).toThrow('at least one key')
    expect(() => createSecrets([new Uint8Array(31)])).toThrow('32 bytes')
  })
})

test('An API key is stored as its SHA-256', () => {
  expect(hashKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})
